//! Answers made up for the tests of this room.

use crate::answer::compare::CompareRow;
use crate::answer::trust::{Evidence, Mark, Standing};
use crate::answer::{
    Boundary, ClassFigures, Figure, FluidSolution, Latency, Limit, Method, Operations, RequestCounts,
    SimulatedSolution, Summary, Verdict,
};

fn latency(make: impl Fn(f64) -> Figure, mean: f64) -> Latency {
    Latency { mean: make(mean), p50: make(0.7 * mean), p95: make(3.0 * mean), p99: make(4.6 * mean) }
}

fn summary(make: impl Fn(f64) -> Figure + Copy) -> Summary {
    Summary {
        waiting: Some(make(0.25)),
        running: Some(make(31.5)),
        swapped: Some(make(0.0)),
        kv_tokens: Some(make(25_200.0)),
        step_s: Some(make(0.0231)),
        batch_tokens: Some(make(152.75)),
        throughput_per_s: Some(make(6.0)),
        preemptions_per_request: Some(make(0.0)),
        queue_growth_per_s: None,
        ttft_s: Some(latency(make, 0.125)),
        tbt_s: Some(latency(make, 0.0231)),
        e2e_s: Some(latency(make, 4.75)),
    }
}

pub(super) fn stable() -> FluidSolution {
    FluidSolution {
        lambda_per_s: 6.0,
        verdict: Verdict::Stable,
        boundary: Boundary {
            high_per_s: 7.198_209_445_4,
            low_per_s: 7.198_209_445_4,
            bracket_per_s: (7.198_209_445, 7.198_209_446),
            binding: Limit::TokenBudget,
            runner_up: Some((Limit::KvMemory, 7.849_528_727_68)),
            method: Method::Exact,
        },
        summary: summary(|value| Figure::of(value, Method::Fluid)),
        notes: vec!["TTFT quantiles are an approximation.".to_owned()],
    }
}

pub(super) fn overloaded() -> FluidSolution {
    let mut solution = stable();
    solution.lambda_per_s = 9.0;
    solution.verdict = Verdict::Overloaded;
    solution.summary.waiting = None;
    solution.summary.queue_growth_per_s = Some(Figure::of(1.8018, Method::Fluid));
    solution.boundary.low_per_s = 6.5;
    solution.boundary.runner_up = None;
    solution
}

fn estimated(value: f64) -> Figure {
    Figure::simulated(value, 0.98 * value, 1.02 * value)
}

fn operations() -> Operations {
    let class = |name: &str, completed| ClassFigures {
        name: name.to_owned(),
        completed,
        ttft_s: Some(estimated(0.125)),
        e2e_s: Some(estimated(4.75)),
        slo_attainment: None,
    };
    Operations {
        goodput_per_s: Some(estimated(5.5)),
        slo_attainment: Some(estimated(0.9)),
        time_utilisation: Some(estimated(0.75)),
        makespan_s: Some(Figure::of(10_020.5, Method::Simulated)),
        classes: vec![class("chat", 40_000), class("code", 20_080)],
        ..Operations::default()
    }
}

pub(super) fn simulated() -> SimulatedSolution {
    SimulatedSolution {
        lambda_per_s: 6.0,
        verdict: Verdict::Stable,
        summary: summary(estimated),
        operations: operations(),
        requests: RequestCounts { arrived: 60_123, completed: 60_080, rejected: 3, in_system: 40 },
        preemptions: 17,
        end_time_s: 10_020.5,
        steps: 433_000,
        notes: vec!["First 10 % left out as warm-up.".to_owned()],
    }
}

pub(super) fn compared() -> Vec<CompareRow> {
    let row = |quantity: &str, analytic, simulated, relative_gap, agrees, gate: Mark| CompareRow {
        quantity: quantity.to_owned(),
        analytic,
        simulated,
        relative_gap,
        agrees,
        promised: gate.tolerance.is_some(),
        resolved: gate.tolerance.map(|_| true),
        gate,
        method: Some(Method::Fluid),
    };
    let running = Figure::simulated(31.4, 31.2, 31.6);
    let tail = Figure::simulated(0.42, 0.40, 0.44);
    let trusted = Mark { standing: Standing::Trusted, error: Some(0.002), tolerance: Some(0.02) };
    let missed = Mark { standing: Standing::Missed, error: Some(0.123), tolerance: None };
    vec![
        row("running", Some(31.5), Some(running), Some(0.1 / 31.4), Some(true), trusted),
        row("ttft_s.p99", Some(0.575), Some(tail), Some(0.155 / 0.42), Some(false), missed),
        row("queue_growth_per_s", None, None, None, None, trusted),
    ]
}

pub(super) fn evidence() -> Evidence {
    let missed = Mark { standing: Standing::Missed, error: Some(0.123), tolerance: None };
    let trusted = Mark { standing: Standing::Trusted, error: Some(0.0021), tolerance: Some(0.01) };
    Evidence {
        families: vec!["v1-uniform".to_owned()],
        load: Some(0.9),
        marks: vec![("tbt_s.mean".to_owned(), trusted), ("ttft_s.mean".to_owned(), missed)],
    }
}
