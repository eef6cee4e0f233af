//! The engine's definition, written as plainly as possible: one iteration at a time, every sum taken anew, no rule shared with
//! the crate. Slow on purpose; it is what the engine is held to, bit for bit.

/// The iteration-time law with whole coefficients in attoseconds.
#[derive(Debug, Clone, Copy)]
pub enum Law {
    Affine { base: i128, token: i128 },
    Hinge { base: i128, token: i128, free: i64 },
    Staircase { base: i128, stair: i128, width: i64 },
    AffineContext { base: i128, token: i128, context: i128 },
}

impl Law {
    fn duration(self, tokens: i64, context: i64) -> i128 {
        match self {
            Self::Affine { base, token } => base + token * i128::from(tokens),
            Self::Hinge { base, token, free } => {
                base + token * i128::from(if tokens > free { tokens - free } else { 0 })
            }
            Self::Staircase { base, stair, width } => {
                let mut started = 0;
                while started * width < tokens {
                    started += 1;
                }
                base + stair * i128::from(started)
            }
            Self::AffineContext { base, token, context: per } => {
                base + token * i128::from(tokens) + per * i128::from(context)
            }
        }
    }
}

/// What happens when memory runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pressure {
    None,
    Swap,
    Recompute,
}

/// The rules of the instance.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub law: Law,
    pub swap_per_token: i128,
    pub reserve: bool,
    pub pressure: Pressure,
    pub block: i64,
    pub sequences: usize,
    pub budget: Option<i64>,
    pub memory: Option<i64>,
}

/// One request and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub arrival: i128,
    pub prompt: i64,
    pub output: i64,
    /// Tokens emitted.
    emitted: i64,
    /// Tokens in the KV cache, on the device or on the host.
    held: i64,
    /// Whether its prompt (after a recompute: and all it has generated) is in the KV cache.
    ready: bool,
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
            prompt,
            output,
            emitted: 0,
            held: 0,
            ready: false,
            admitted: None,
            first_token: None,
            completed: None,
            preemptions: 0,
            rejected: false,
        }
    }

    /// What must be in the KV cache before it can emit its next token.
    fn target(&self) -> i64 {
        self.prompt + self.emitted
    }

    /// KV tokens after an iteration that gives it `tokens`: one that emits writes the emitted token, too.
    fn held_after(&self, tokens: i64) -> i64 {
        match (self.ready, self.held + tokens == self.target()) {
            (true, _) => self.held + 1,
            (false, true) => self.held + tokens + 1,
            (false, false) => self.held + tokens,
        }
    }
}

/// What a run leaves besides the requests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    pub requests: Vec<Request>,
    pub steps: u64,
    pub end: i128,
    /// Σ processed tokens.
    pub tokens: i128,
    /// ∫ waiting, running, preempted requests and KV tokens dt, in attoseconds.
    pub areas: [i128; 4],
}

/// The system between two iterations.
struct System {
    rules: Rules,
    requests: Vec<Request>,
    /// Requests in order of admission.
    residents: Vec<usize>,
    queue: Vec<usize>,
    now: i128,
    /// Tokens moved between device and host in this iteration.
    moved: i64,
}

/// Serves all `requests`, in order of arrival, until none is left or the clock reaches `limit`.
pub fn serve(rules: Rules, requests: Vec<Request>, limit: i128) -> Outcome {
    let mut system = System { rules, requests, residents: Vec::new(), queue: Vec::new(), now: 0, moved: 0 };
    let mut outcome = Outcome::default();
    let mut next = 0;
    loop {
        while next < system.requests.len() && system.requests[next].arrival <= system.now {
            outcome.areas[0] += system.arrive(next);
            next += 1;
        }
        if system.now >= limit {
            break;
        }
        if system.residents.is_empty() && system.queue.is_empty() {
            if next == system.requests.len() {
                break;
            }
            system.now = system.requests[next].arrival.min(limit);
            continue;
        }
        system.step(&mut outcome);
    }
    outcome.end = system.now;
    outcome.requests = system.requests;
    outcome
}

impl System {
    fn blocks(&self, tokens: i64) -> i64 {
        let mut whole = tokens;
        while whole % self.rules.block != 0 {
            whole += 1;
        }
        whole
    }

    /// Puts a request into the queue, or rejects it; returns how long it has been there before this boundary.
    fn arrive(&mut self, index: usize) -> i128 {
        let peak = self.requests[index].prompt + self.requests[index].output;
        if self.rules.memory.is_some_and(|memory| self.blocks(peak) > memory) {
            self.requests[index].rejected = true;
            return 0;
        }
        self.queue.push(index);
        self.now - self.requests[index].arrival
    }

    fn step(&mut self, outcome: &mut Outcome) {
        self.moved = 0;
        if !self.rules.reserve && self.rules.pressure != Pressure::None {
            while self.planned(&self.shares()) > self.rules.memory.unwrap_or(i64::MAX) {
                self.evict();
            }
        }
        let mut shares = self.shares();
        self.admit(&mut shares);
        let tokens: i64 = shares.iter().map(|share| share.1).sum();
        let context: i64 = shares.iter().map(|&(index, share)| self.requests[index].held_after(share)).sum();
        let duration = self.rules.law.duration(tokens, context) + self.rules.swap_per_token * i128::from(self.moved);
        let preempted = self.queue.iter().filter(|&&index| self.requests[index].preemptions > 0).count();
        let counts = [self.queue.len() - preempted, self.residents.len(), preempted, context as usize];
        for (area, count) in outcome.areas.iter_mut().zip(counts) {
            *area += duration * count as i128;
        }
        outcome.tokens += i128::from(tokens);
        outcome.steps += 1;
        self.now += duration;
        for (index, share) in shares {
            self.process(index, share);
        }
        let finished: Vec<bool> = self.requests.iter().map(|request| request.completed.is_some()).collect();
        self.residents.retain(|&index| !finished[index]);
    }

    /// Who of the residents gets how many tokens: one for every decoding one, what is left for an unfinished prompt.
    fn shares(&self) -> Vec<(usize, i64)> {
        let decoding = self.residents.iter().filter(|&&index| self.requests[index].ready).count() as i64;
        let left = self.rules.budget.unwrap_or(i64::MAX) - decoding;
        let share = |index: usize| {
            let request = &self.requests[index];
            (index, if request.ready { 1 } else { left.min(request.target() - request.held) })
        };
        self.residents.iter().map(|&index| share(index)).collect()
    }

    /// Blocks allocated at the end of an iteration with these shares.
    fn planned(&self, shares: &[(usize, i64)]) -> i64 {
        shares.iter().map(|&(index, share)| self.blocks(self.requests[index].held_after(share))).sum()
    }

    /// Sends the last admitted to the front of the queue.
    fn evict(&mut self) {
        let Some(index) = self.residents.pop() else { panic!("a request alone must fit") };
        let request = &mut self.requests[index];
        request.preemptions += 1;
        if self.rules.pressure == Pressure::Swap {
            self.moved += request.held;
        } else {
            request.held = 0;
            request.ready = false;
        }
        self.queue.insert(0, index);
    }

    /// Admits from the head of the queue while budget, slots and room last.
    fn admit(&mut self, shares: &mut Vec<(usize, i64)>) {
        while !self.queue.is_empty() && self.residents.len() < self.rules.sequences {
            let used: i64 = shares.iter().map(|share| share.1).sum();
            let left = self.rules.budget.unwrap_or(i64::MAX) - used;
            let head = self.queue[0];
            if left <= 0 || !self.has_room(head, shares) {
                return;
            }
            self.queue.remove(0);
            self.residents.push(head);
            let now = self.now;
            let request = &mut self.requests[head];
            request.admitted = request.admitted.or(Some(now));
            // What a preempted request still holds is on the host.
            self.moved += request.held;
            let share = if request.ready { 1 } else { left.min(request.target() - request.held) };
            shares.push((head, share));
        }
    }

    fn has_room(&self, head: usize, shares: &[(usize, i64)]) -> bool {
        let Some(memory) = self.rules.memory else { return true };
        let peak = |index: usize| self.blocks(self.requests[index].prompt + self.requests[index].output);
        if self.rules.reserve {
            return self.residents.iter().map(|&index| peak(index)).sum::<i64>() + peak(head) <= memory;
        }
        self.planned(shares) + self.blocks(self.requests[head].target() + 1) <= memory
    }

    /// The end of the iteration for one resident.
    fn process(&mut self, index: usize, share: i64) {
        let now = self.now;
        let request = &mut self.requests[index];
        let held = request.held_after(share);
        let emits = held > request.held + share || request.ready;
        request.held = held;
        if emits {
            request.ready = true;
            request.emitted += 1;
            request.first_token = request.first_token.or(Some(now));
            if request.emitted == request.output {
                request.completed = Some(now);
            }
        }
    }
}
