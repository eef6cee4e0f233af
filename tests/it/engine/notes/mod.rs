//! Figures that independent simulators found for the notes that the laws come from, as one table, and how the engine finds its own.
//! The tests run a part of it, `examples/engine_table.rs` all of it.

pub mod laws;
pub mod memory;
pub mod policies;

use fluidsim::des::{Feed, Observer, Options, RequestRecord, Run, StepRecord, simulate, simulate_observed};
use fluidsim::scenario::{
    Admission, ArrivalLaw, Class, Engine, Instance, LengthLaw, Policy, Preemption, Scenario, Slo, StepNoise,
    StepTimeLaw, Time, Workload,
};
use fluidsim::stats::interval::{normal_z, student_t};
use rayon::prelude::*;

pub const TRIALS: u64 = 20;

/// One class, Poisson arrivals, nothing that limits but `sequences`.
pub fn scenario(prompt: LengthLaw, output: LengthLaw, rate: f64, sequences: u64, law: StepTimeLaw) -> Scenario {
    Scenario {
        name: "test".into(),
        description: String::new(),
        workload: Workload {
            rate_per_s: Some(rate),
            rate_shape: fluidsim::scenario::RateShape::default(),
            arrivals: ArrivalLaw::Poisson {},
            class: vec![Class::new("only", prompt, output)],
            trace: None,
            slo: Slo::default(),
        },
        instance: Instance {
            max_sequences: sequences,
            max_batch_tokens: None,
            kv_tokens: None,
            block_tokens: 1,
            prefix_cache_tokens: None,
        },
        policy: Policy::of(Engine::VllmV1, Admission::Greedy, Preemption::None),
        step_time: law,
        step_noise: StepNoise::None,
        step_noise_cv: None,
        cluster: None,
    }
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// Completions per second.
    Throughput,
    /// Completions per iteration.
    PerStep,
    /// Preemptions per completed request.
    Preemptions,
    /// Mean time to first token.
    Ttft,
    /// Mean time from the first iteration boundary after the arrival to admission.
    Wait,
    /// KV tokens held, over time.
    Kv,
    /// Preempted requests, a mean over iterations.
    Swapped,
    /// KV tokens unused, a mean over iterations.
    Unused,
}

/// A figure of a note: a mean with the half-width of its 95 % interval.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    pub quantity: Quantity,
    pub value: f64,
    pub half_width: f64,
}

/// What the engine is given to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feeding {
    /// Somebody is always waiting.
    Saturated,
    /// Poisson arrivals at the row's rate, from empty.
    Open,
    /// Poisson arrivals at 0.97 and 1.03 times the row's rate, beside a backlog that lasts; the figure is the rate between them at
    /// which, by linear interpolation, as many complete as arrive.
    Secant,
}

/// One scenario of a note, with all its figures.
#[derive(Debug, Clone)]
pub struct Row {
    pub note: &'static str,
    pub name: &'static str,
    pub scenario: Scenario,
    pub feeding: Feeding,
    /// Requests per second, about.
    pub rate: f64,
    /// Requests of a trial before its measured part.
    pub warmup: f64,
    /// Requests of a trial in its measured part.
    pub measured: f64,
    pub figures: Vec<Figure>,
}

impl Row {
    /// A row of one λ* that is a throughput with a backlog.
    pub fn saturated(note: &'static str, name: &'static str, scenario: Scenario, value: f64, half_width: f64) -> Self {
        Self {
            note,
            name,
            feeding: Feeding::Saturated,
            rate: value,
            warmup: 2000.0 + 5.0 * scenario.instance.max_sequences.min(1000) as f64,
            measured: 10_000.0,
            scenario,
            figures: vec![Figure { quantity: Quantity::Throughput, value, half_width }],
        }
    }

    pub fn and(mut self, quantity: Quantity, value: f64, half_width: f64) -> Self {
        self.figures.push(Figure { quantity, value, half_width });
        self
    }

    pub fn of_size(mut self, warmup: f64, measured: f64) -> Self {
        (self.warmup, self.measured) = (warmup, measured);
        self
    }

    /// The estimates of every trial, by figure.
    pub fn measure(&self) -> Vec<Vec<f64>> {
        self.scenario.validate().unwrap();
        let trials: Vec<Vec<f64>> = (0..TRIALS).into_par_iter().map(|trial| self.trial(trial)).collect();
        (0..self.figures.len()).map(|figure| trials.iter().map(|values| values[figure]).collect()).collect()
    }

    /// Trials begin to measure at different times, so that outputs of few lengths, which finish together, are not cut at one phase
    /// of their cycle.
    fn options(&self, trial: u64) -> Options {
        let requests = if self.feeding == Feeding::Secant { 2.0 * self.backlog() as f64 } else { self.warmup };
        let warmup = requests / self.rate * (1.0 + trial as f64 / TRIALS as f64);
        let options =
            Options::until(Time::from_seconds(warmup), Time::from_seconds(warmup + self.measured / self.rate));
        let feed = if self.feeding == Feeding::Saturated { Feed::Saturated } else { Feed::Open };
        Options { seed: 7, trial, feed, ..options }
    }

    fn trial(&self, trial: u64) -> Vec<f64> {
        let options = self.options(trial);
        if self.feeding == Feeding::Secant {
            return vec![self.crossing(&options)];
        }
        let by_step = [Quantity::Swapped, Quantity::Unused, Quantity::Wait];
        let mut watcher = Watcher { options: Some(options.clone()), ..Watcher::default() };
        let run = if self.figures.iter().any(|figure| by_step.contains(&figure.quantity)) {
            simulate_observed(&self.scenario, &options, &mut watcher)
        } else {
            simulate(&self.scenario, &options)
        };
        self.figures.iter().map(|figure| self.value(figure.quantity, &run, &watcher)).collect()
    }

    fn value(&self, quantity: Quantity, run: &Run, watcher: &Watcher) -> f64 {
        let window = &run.windows[0];
        let totals = &window.totals;
        let completed = totals.completed as f64;
        let steps = watcher.steps as f64;
        match quantity {
            Quantity::Throughput => completed / window.seconds(),
            Quantity::PerStep => completed / totals.steps as f64,
            Quantity::Preemptions => totals.preemptions as f64 / completed,
            Quantity::Ttft => window.ttft.mean().unwrap() * 1e-18,
            Quantity::Wait => watcher.mean_wait(),
            Quantity::Kv => totals.kv as f64 / (window.end - window.start).0 as f64,
            Quantity::Swapped => watcher.swapped as f64 / steps,
            Quantity::Unused => self.scenario.instance.kv_tokens.unwrap() as f64 - watcher.kv as f64 / steps,
        }
    }

    /// The rate at which as many complete as arrive, with a backlog.
    fn crossing(&self, options: &Options) -> f64 {
        let excess = |factor: f64| {
            let mut scenario = self.scenario.clone();
            let rate = factor * self.rate;
            scenario.workload.rate_per_s = Some(rate);
            let backlog = self.backlog();
            // No request of the window is waited for: the backlog would have to be worked off.
            let limit = options.horizon;
            let run = simulate(&scenario, &Options { backlog, limit, ..options.clone() });
            let window = &run.windows[0];
            let sequences = scenario.sequence_cap() as i64;
            assert!(window.in_system_at_end > sequences + 100, "{}: the backlog did not last", self.name);
            rate - window.totals.completed as f64 / window.seconds()
        };
        let (below, above) = (excess(0.97), excess(1.03));
        self.rate * (0.97 + 0.06 * below / (below - above))
    }

    /// Lasts at 0.97 of the boundary, and keeps every place of an iteration taken.
    fn backlog(&self) -> u64 {
        200 + 2 * self.scenario.instance.max_sequences + (0.1 * self.measured) as u64
    }
}

/// Sums over the iterations and requests of the measured part.
#[derive(Debug, Default)]
struct Watcher {
    options: Option<Options>,
    steps: u64,
    kv: i64,
    swapped: i64,
    starts: Vec<Time>,
    admissions: Vec<(Time, Time)>,
}

impl Watcher {
    fn mean_wait(&self) -> f64 {
        let wait = |&(arrival, admitted): &(Time, Time)| {
            let boundary = self.starts[self.starts.partition_point(|&start| start < arrival)];
            (admitted - boundary).seconds()
        };
        self.admissions.iter().map(wait).sum::<f64>() / self.admissions.len() as f64
    }
}

impl Observer for Watcher {
    fn request(&mut self, request: &RequestRecord) {
        let Some(options) = &self.options else { return };
        if let Some(admitted) = request.admitted
            && request.arrival >= options.warmup
            && request.arrival < options.horizon
        {
            self.admissions.push((request.arrival, admitted));
        }
    }

    fn step(&mut self, step: &StepRecord) {
        self.starts.push(step.start);
        let Some(options) = &self.options else { return };
        if step.start >= options.warmup && step.start < options.horizon {
            self.steps += 1;
            self.kv += step.kv_tokens;
            self.swapped += step.swapped;
        }
    }

    fn wants_steps(&self) -> bool {
        true
    }
}

/// The engine's estimate beside a figure of a note.
#[derive(Debug, Clone, Copy)]
pub struct Judgement {
    pub mean: f64,
    /// Half-width of the engine's 95 % interval.
    pub half_width: f64,
    /// How far the two may be apart at the error rate asked for.
    pub allowed: f64,
    pub agrees: bool,
}

/// Whether the mean of `values` and `figure` can be estimates of one number: they differ by no more than t₁₉ √(s.e.² + s.e.'²) at
/// `error_rate`.
pub fn judge(values: &[f64], figure: &Figure, error_rate: f64) -> Judgement {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n * (n - 1.0));
    let published = (figure.half_width / normal_z(0.95).unwrap()).powi(2);
    let t = |confidence| student_t(confidence, n - 1.0).unwrap();
    let allowed = t(1.0 - error_rate) * (variance + published).sqrt();
    Judgement { mean, half_width: t(0.95) * variance.sqrt(), allowed, agrees: (mean - figure.value).abs() <= allowed }
}
