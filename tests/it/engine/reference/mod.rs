//! The engine's definition, "The rules of the engine" in DESIGN.md, written as plainly as possible: one iteration at a time,
//! every list scanned and every sum taken anew, no rule shared with the crate. Slow on purpose; it is what the engine is held to,
//! bit for bit.

mod admission;
mod memory;
mod plan;
mod queue;
mod rules;

use fluidsim::scenario::{FirstToken, MixedCost};

use plan::Plan;
pub use rules::Rules;

/// One request and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub arrival: i128,
    pub class: usize,
    pub weight: f64,
    pub prompt: i64,
    pub output: i64,
    /// What rules that need the output length are told.
    pub predicted: i64,
    /// Its place in a random order.
    pub lot: u64,
    /// Tokens emitted.
    emitted: i64,
    /// Tokens in the KV cache, on the device or on the host.
    held: i64,
    /// Whether its target is in the KV cache.
    ready: bool,
    /// The longest segment end that it has passed.
    passed: i64,
    /// When it last became resident.
    entered: i128,
    /// When it was last preempted, and the how manieth preemption of the run that was.
    left: Option<(i128, u64)>,
    /// When its transfer from the host will have ended.
    on_its_way: Option<i128>,
    pub admitted: Option<i128>,
    pub first_token: Option<i128>,
    pub completed: Option<i128>,
    pub preemptions: u32,
    pub rejected: bool,
}

impl Request {
    pub fn new(arrival: i128, prompt: i64, output: i64) -> Self {
        Self {
            arrival,
            class: 0,
            weight: 1.0,
            prompt,
            output,
            predicted: output,
            lot: 0,
            emitted: 0,
            held: 0,
            ready: false,
            passed: 0,
            entered: 0,
            left: None,
            on_its_way: None,
            admitted: None,
            first_token: None,
            completed: None,
            preemptions: 0,
            rejected: false,
        }
    }

    pub fn of_class(self, class: usize, weight: f64) -> Self {
        Self { class, weight, ..self }
    }

    /// What must be in the KV cache before it can emit its next token.
    fn target(&self) -> i64 {
        self.prompt + self.emitted
    }

    /// Predicted output tokens still to come.
    fn remaining(&self) -> i64 {
        self.predicted.max(self.emitted + 1) - self.emitted
    }
}

/// One iteration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pub start: i128,
    pub duration: i128,
    pub decodes: i64,
    pub prompt_tokens: i64,
    /// Requests that take part, and residents.
    pub sequences: i64,
    pub running: i64,
    /// KV tokens held at its end, before the complete leave.
    pub kv: i64,
    /// Requests that became resident, and that were preempted, since the iteration before.
    pub entered: i64,
    pub preempted: i64,
}

/// What a run leaves.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    pub requests: Vec<Request>,
    pub batches: Vec<Batch>,
    pub end: i128,
    /// Σ processed tokens.
    pub tokens: i128,
    /// Time spent in iterations.
    pub busy: i128,
    pub preemptions: u64,
    /// Times that a request became resident.
    pub admissions: u64,
    /// ∫ waiting, running, preempted requests and KV tokens dt, in attoseconds.
    pub areas: [i128; 4],
}

/// The system at a boundary.
struct System {
    rules: Rules,
    requests: Vec<Request>,
    /// How many requests have joined the queue or were rejected.
    arrived: usize,
    /// In no order.
    queue: Vec<usize>,
    /// In order of admission.
    residents: Vec<usize>,
    /// Ready residents in the order in which they became ready.
    decoding: Vec<usize>,
    now: i128,
    /// When the host link has done all that it has been given.
    link_free: i128,
    /// Requests and tokens moved over a link for which iterations wait, since the iteration before.
    moved: (i64, i64),
    /// Requests that became resident, and that were preempted, since the iteration before.
    entered: i64,
    preempted: i64,
    /// Whether somebody was preempted at this boundary.
    pressed: bool,
    outcome: Outcome,
}

/// Serves all `requests`, given in order of arrival, until none is left or the clock reaches `limit`. When nothing can happen any
/// more, time goes on to `horizon`.
pub fn serve(rules: Rules, requests: Vec<Request>, horizon: i128, limit: i128) -> Outcome {
    let mut system = System {
        rules,
        requests,
        arrived: 0,
        queue: Vec::new(),
        residents: Vec::new(),
        decoding: Vec::new(),
        now: 0,
        link_free: 0,
        moved: (0, 0),
        entered: 0,
        preempted: 0,
        pressed: false,
        outcome: Outcome::default(),
    };
    system.join();
    while system.now < limit {
        if !system.boundary() {
            let event = system.next_event();
            system.wait_until(event.unwrap_or(horizon).max(system.now).min(limit));
            system.join();
            if event.is_none() {
                break;
            }
        }
    }
    system.join();
    system.outcome.preemptions = system.requests.iter().map(|request| u64::from(request.preemptions)).sum();
    Outcome { requests: system.requests, end: system.now, ..system.outcome }
}

impl System {
    /// Everyone who has arrived joins the queue or is rejected. Whether anybody did.
    fn join(&mut self) -> bool {
        let before = self.arrived;
        while self.requests.get(self.arrived).is_some_and(|request| request.arrival <= self.now) {
            let request = &mut self.requests[self.arrived];
            request.rejected = self.rules.rejects(request.prompt, request.output);
            if !request.rejected {
                self.queue.push(self.arrived);
                self.outcome.areas[0] += self.now - request.arrival;
            }
            self.arrived += 1;
        }
        self.arrived > before
    }

    /// One iteration, or several attempts to form one; some rules let two requests take each other's place for ever. Whether there was
    /// an iteration.
    fn boundary(&mut self) -> bool {
        for _ in 0..1000 {
            if !self.rules.one_step_late {
                self.join();
            }
            self.land();
            let before = (self.entered, self.preempted);
            let plan = self.plan();
            let joined = self.rules.one_step_late && self.join();
            if plan.takes_part() {
                self.run(&plan);
                return true;
            }
            if !joined && before == (self.entered, self.preempted) {
                return false;
            }
        }
        false
    }

    /// The next arrival or end of a transfer.
    fn next_event(&self) -> Option<i128> {
        let arrival = self.requests.get(self.arrived).map(|request| request.arrival);
        let transfers = self.residents.iter().filter_map(|&index| self.requests[index].on_its_way);
        arrival.into_iter().chain(transfers).min()
    }

    /// Nothing happens until `time`.
    fn wait_until(&mut self, time: i128) {
        let kv = self.residents.iter().map(|&index| self.requests[index].held).sum();
        self.pass(time - self.now, kv);
    }

    fn pass(&mut self, duration: i128, kv: i64) {
        let preempted = self.queue.iter().filter(|&&index| self.requests[index].preemptions > 0).count();
        let counts = [self.queue.len() - preempted, self.residents.len(), preempted, kv as usize];
        for (area, count) in self.outcome.areas.iter_mut().zip(counts) {
            *area += duration * count as i128;
        }
        if duration > 0 {
            self.pressed = false;
        }
        self.now += duration;
    }

    /// Step 7: the time that the iteration takes; step 8: its end.
    fn run(&mut self, plan: &Plan) {
        let kv = self.residents.iter().map(|&index| self.held_after(index, plan)).sum();
        let decodes = plan.decodes.len() as i64;
        let prompt_tokens = plan.shares.iter().map(|share| share.1).sum();
        let duration = self.duration(plan, decodes, prompt_tokens);
        self.outcome.batches.push(Batch {
            start: self.now,
            duration,
            decodes,
            prompt_tokens,
            sequences: decodes + plan.shares.len() as i64,
            running: self.residents.len() as i64,
            kv,
            entered: self.entered,
            preempted: self.preempted,
        });
        self.outcome.tokens += i128::from(decodes + prompt_tokens);
        self.outcome.busy += duration;
        self.outcome.preemptions += self.preempted as u64;
        self.outcome.admissions += self.entered as u64;
        (self.entered, self.preempted, self.moved) = (0, 0, (0, 0));
        self.pass(duration, kv);
        self.finish(plan);
    }

    fn duration(&self, plan: &Plan, decodes: i64, prompt_tokens: i64) -> i128 {
        let decoding: i64 = plan.decodes.iter().map(|&index| self.held_after(index, plan)).sum();
        let prompts: i64 = plan.shares.iter().map(|&(index, _)| self.held_after(index, plan)).sum();
        let law = &self.rules.law;
        let begun: Vec<(i64, i64)> =
            plan.shares.iter().map(|&(index, share)| (self.requests[index].held, share)).collect();
        let duration = match (self.rules.batch.mixed_cost, decodes, prompt_tokens) {
            (MixedCost::Max, 1.., 1..) => {
                law.duration(decodes, decoding, &[]).max(law.duration(prompt_tokens, prompts, &begun))
            }
            _ => law.duration(decodes + prompt_tokens, decoding + prompts, &begun),
        };
        let (requests, tokens) = self.moved;
        duration + self.rules.swap_latency * i128::from(requests) + self.rules.swap_per_token * i128::from(tokens)
    }

    fn finish(&mut self, plan: &Plan) {
        for &(index, share) in &plan.shares {
            let request = &mut self.requests[index];
            request.held += share;
            if request.held == request.target() {
                request.ready = true;
                self.decoding.push(index);
                if self.rules.batch.first_token == FirstToken::Prefill {
                    self.emit(index);
                }
            }
        }
        for &index in &plan.decodes {
            self.emit(index);
        }
        let leaves = |index: &usize| self.requests[*index].completed.is_some();
        self.residents.retain(|index| !leaves(index));
        self.decoding.retain(|index| !leaves(index));
    }

    /// A token is emitted and written.
    fn emit(&mut self, index: usize) {
        let request = &mut self.requests[index];
        request.emitted += 1;
        request.held += 1;
        request.first_token = request.first_token.or(Some(self.now));
        if request.emitted == request.output {
            request.completed = Some(self.now);
        }
    }
}
