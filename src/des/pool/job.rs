//! One request of a GPU pool, and the iterations that it runs alone.

use super::super::sequence::NOT_YET;
use super::super::source::Arrival;
use crate::cost::{NoisyStep, Work, prefill_pairs};
use crate::scenario::Order;
use crate::schedule::order::{self, Seen};
use crate::stats::stream::Stream;

/// How requests are cut into iterations.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// Most prompt tokens of one iteration.
    pub chunk: i64,
    /// Whether requests bring their KV and process no prompt.
    pub present: bool,
    /// Whether the end of a prompt emits the first token.
    pub emits_at_prefill: bool,
    /// Whether iterations that are alike are taken together.
    pub leap: bool,
}

/// Iterations that follow each other. With j from 0, the j-th takes first + j·growth and holds context + j·tokens at its end.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stretch {
    pub steps: i64,
    /// Tokens processed per iteration, and so the growth of the context.
    pub tokens: i64,
    pub context: i64,
    pub first: i128,
    pub growth: i128,
    pub start: i128,
    /// Whether they process prompt tokens.
    pub prompt: bool,
    /// Iterations that are in the totals already.
    pub credited: i64,
    /// Time between the token before and its start.
    pub lag: i128,
}

impl Stretch {
    /// Time from its start to the beginning of iteration `step`.
    pub fn offset(&self, step: i64) -> i128 {
        let step = i128::from(step);
        self.first * step + self.growth * (step * (step - 1) / 2)
    }

    /// Iterations that have begun before `time`.
    pub fn begun_before(&self, time: i128) -> i64 {
        let (mut begun, mut not) = (0, self.steps + 1);
        while begun + 1 < not {
            let middle = begun + (not - begun) / 2;
            if self.start + self.offset(middle - 1) < time {
                begun = middle;
            } else {
                not = middle;
            }
        }
        begun
    }

    /// Iterations that have ended by `time`.
    pub fn ended_by(&self, time: i128) -> i64 {
        let begun = self.begun_before(time);
        if begun == 0 || self.start + self.offset(begun) == time { begun } else { begun - 1 }
    }

    /// Whether one of its iterations ends at `time`.
    pub fn has_boundary_at(&self, time: i128) -> bool {
        let begun = self.begun_before(time);
        begun > 0 && self.start + self.offset(begun) == time
    }

    /// ∫ KV dt over the iterations from `from` to before `to`: Σ (first + j·growth)(context + j·tokens).
    pub fn kv_area(&self, from: i64, to: i64) -> i128 {
        let count = i128::from(to - from);
        let pairs = count * (count - 1) / 2;
        let squares = pairs * (2 * count - 1) / 3;
        let first = self.first + self.growth * i128::from(from);
        let context = i128::from(self.context + self.tokens * from);
        let tokens = i128::from(self.tokens);
        count * first * context + pairs * (first * tokens + self.growth * context) + squares * self.growth * tokens
    }
}

/// One request in the pool.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    pub id: u64,
    pub class: u16,
    pub arrival: i128,
    pub prompt: i64,
    pub output: i64,
    /// What orders are told that `output` will be.
    pub predicted: i64,
    pub lot: u64,
    pub window: u16,
    pub admitted: i128,
    pub first_token: i128,
    pub written: i64,
    pub emitted: i64,
    /// When it emitted a token last, or had its last iteration before that.
    pub last_end: i128,
    /// When it was displaced last, how often it was, and the time it spent displaced.
    pub left: i128,
    pub displaced: u32,
    pub away: i128,
    /// What it runs; no iterations while it waits or stands at the end of one.
    pub stretch: Stretch,
}

impl Job {
    pub fn new(id: u64, arrival: &Arrival, window: u16, cut: &Cut) -> Self {
        Self {
            id,
            class: arrival.class,
            arrival: arrival.time.0,
            prompt: arrival.prompt,
            output: arrival.output,
            predicted: arrival.predicted,
            lot: arrival.lot,
            window,
            admitted: NOT_YET,
            first_token: NOT_YET,
            written: if cut.present { arrival.prompt } else { 0 },
            emitted: 0,
            last_end: NOT_YET,
            left: 0,
            displaced: 0,
            away: 0,
            stretch: Stretch::default(),
        }
    }

    /// Its place in the order by what it has done at `now`. Never grows while it runs.
    pub fn rank(&self, order: Order, weight: f64, now: i128) -> (u64, u64) {
        let Stretch { steps, tokens, prompt, .. } = self.stretch;
        let ended = if steps > 0 { self.stretch.ended_by(now) } else { 0 };
        let (written, emitted) = if prompt { (ended * tokens, 0) } else { (0, ended) };
        let seen = Seen {
            prompt: self.prompt,
            written: if matches!(order, Order::Srpt | Order::WeightedSrpt) { self.written + written } else { 0 },
            output: self.predicted,
            emitted: (self.emitted + emitted).min(self.predicted - 1),
            weight,
            lot: self.lot,
        };
        (order::key(order, &seen), self.id)
    }

    /// KV tokens held after the iterations that have ended.
    pub fn held(&self) -> i64 {
        self.written + self.emitted
    }

    /// KV tokens held at the end of the last iteration that is in the totals.
    pub fn held_in_totals(&self) -> i64 {
        match self.stretch.credited {
            0 => self.held(),
            credited => self.stretch.context + (credited - 1) * self.stretch.tokens,
        }
    }

    /// Begins the next iterations at `now`: all whole chunks of the prompt, its end, or the decodes.
    pub fn begin(&mut self, now: i128, cut: &Cut, law: &NoisyStep, noise: &mut Stream) {
        let unwritten = self.prompt - self.written;
        let tokens = if unwritten > 0 { unwritten.min(cut.chunk) } else { 1 };
        let alike = match (unwritten, self.emitted) {
            (1.., _) => (unwritten - 1) / cut.chunk,
            // The gap before the first token is no gap between tokens.
            (_, 0) => 1,
            (_, emitted) => self.output - emitted,
        };
        let ends_prompt = unwritten > 0 && tokens == unwritten;
        let context = self.held() + tokens + i64::from(ends_prompt && cut.emits_at_prefill);
        let work = match unwritten {
            1.. => Work::of_prompt(tokens, context, prefill_pairs(self.written, tokens)),
            _ => Work::of_decodes(tokens, context),
        };
        let (growth, straight) = match unwritten {
            1.. => law.mean.prompt_growth(tokens).map_or((0, 1), |growth| (growth, i64::MAX)),
            _ => (law.mean.growth(&work), law.mean.straight_steps(&work)),
        };
        self.stretch = Stretch {
            steps: if cut.leap { alike.max(1).min(straight) } else { 1 },
            tokens,
            context,
            first: law.draw(&work, noise),
            growth,
            start: now,
            prompt: unwritten > 0,
            credited: 0,
            lag: if self.emitted > 0 { now - self.last_end } else { 0 },
        };
    }

    /// Ends the iterations that were begun.
    pub fn end(&mut self, now: i128, cut: &Cut) {
        let Stretch { steps, tokens, prompt, .. } = self.stretch;
        if prompt {
            self.written += steps * tokens;
            self.emitted = i64::from(self.written == self.prompt && cut.emits_at_prefill);
        } else {
            self.emitted += steps;
        }
        if self.emitted > 0 && self.first_token == NOT_YET {
            self.first_token = now;
        }
        self.last_end = now;
    }
}
