//! Laws that hold on every sample path, checked exactly.

use fluidsim::des::{Feed, Options, Run, Sample, Totals, simulate, simulate_observed};
use fluidsim::scenario::{Class, LengthLaw, Preemption, Scenario, StepTimeLaw, Time};

use super::{Watcher, scenario};

fn seconds(value: f64) -> Time {
    Time::from_decimal(value)
}

/// Memory binds, prompts are chunked, blocks of 16; three ways to treat memory pressure.
fn pressed() -> Vec<Scenario> {
    let law = StepTimeLaw::AffineContext { base_s: 0.01, per_token_s: 2e-4, per_context_token_s: 1e-7 };
    let (prompt, output) = (LengthLaw::Uniform { min: 1, max: 300 }, LengthLaw::Geometric { mean: 80.0 });
    let mut base = scenario(prompt, output, 15.0, 48, law);
    base.instance.max_batch_tokens = Some(160);
    base.instance.kv_tokens = Some(4000);
    base.instance.block_tokens = 16;
    let mut swap = base.clone();
    swap.policy.preemption = Preemption::Swap;
    swap.policy.swap_s_per_token = Some(3e-6);
    let mut recompute = base.clone();
    recompute.policy.preemption = Preemption::Recompute;
    let mut reserve = base;
    reserve.policy.admission = fluidsim::scenario::Admission::Reserve;
    vec![swap, recompute, reserve]
}

fn in_system(run: &Run) -> i128 {
    run.totals.waiting + run.totals.running + run.totals.swapped
}

/// ∫ N dt = Σ time in system, to the attosecond.
#[test]
fn littles_law_has_no_residual() {
    for scenario in pressed() {
        let options = Options { limit: Time::NEVER, ..Options::until(Time::ZERO, seconds(60.0)) };
        let mut watcher = Watcher::default();
        let run = simulate_observed(&scenario, &options, &mut watcher);
        // The requests of the window have left at the end; later arrivals may be in the system still.
        let until = |time: Option<Time>| time.unwrap_or(run.end).0;
        let sojourns: i128 = watcher
            .requests
            .iter()
            .filter(|request| request.rejected.is_none())
            .map(|request| until(request.completed) - request.arrival.0)
            .sum();
        assert_eq!(in_system(&run), sojourns);
        assert!(run.totals.completed > 500);
    }
}

#[test]
fn requests_are_conserved() {
    for scenario in pressed() {
        let run = simulate(&scenario, &Options::until(seconds(5.0), seconds(80.0)));
        let totals = &run.totals;
        assert_eq!(totals.arrived, totals.completed + totals.rejected + run.in_system);
        for window in &run.windows {
            let change = window.totals.arrived - window.totals.completed - window.totals.rejected;
            assert_eq!(window.in_system_at_end - window.in_system_at_start, change as i64);
        }
    }
}

#[test]
fn windows_sum_to_the_whole() {
    for scenario in pressed() {
        let horizon = seconds(40.0);
        let options = Options { limit: horizon, windows: 7, ..Options::until(Time::ZERO, horizon) };
        let run = simulate(&scenario, &options);
        let parts = run.windows.iter().fold(Totals::default(), |total, window| total.plus(&window.totals));
        assert_eq!(parts, run.totals);
        assert!(run.windows.windows(2).all(|pair| pair[0].end == pair[1].start));
        let measured: u64 = run.windows.iter().map(|window| window.e2e.count() + window.censored).sum();
        let late = run.totals.arrived - run.totals.rejected - measured;
        assert!(late <= 20, "{late} requests arrived between the horizon and the last boundary");
    }
}

/// The KV cap, the sequence cap and the token budget at every single iteration, and no gap between busy iterations.
#[test]
fn no_iteration_exceeds_a_cap() {
    for scenario in pressed() {
        let mut watcher = Watcher::of_steps();
        let run = simulate_observed(&scenario, &Options::until(Time::ZERO, seconds(60.0)), &mut watcher);
        assert_eq!(watcher.steps.len() as u64, run.totals.steps);
        for step in &watcher.steps {
            assert!(step.kv_tokens <= 4000 && step.running <= 48, "{step:?}");
            assert!(step.decodes + step.prefill_tokens <= 160, "{step:?}");
            assert!(step.decodes + step.prefill_tokens > 0, "{step:?}");
        }
        assert!(watcher.steps.windows(2).all(|pair| pair[0].start + pair[0].duration <= pair[1].start));
        assert!(watcher.steps.iter().any(|step| step.kv_tokens > 2000), "memory is in use");
    }
}

#[test]
fn samples_are_taken_at_the_first_boundary_after_their_cut() {
    let scenario = &pressed()[0];
    let every = seconds(0.25);
    let options = Options { sample_every: Some(every), ..Options::until(Time::ZERO, seconds(30.0)) };
    let mut watcher = Watcher::of_steps();
    let run = simulate_observed(scenario, &options, &mut watcher);
    let ends: Vec<Time> = watcher.steps.iter().map(|step| step.start + step.duration).collect();
    for (index, sample) in run.samples.iter().enumerate() {
        let Sample { cut, time, totals, .. } = *sample;
        assert_eq!(cut.0, every.0 * index as i128);
        let boundary = ends[ends.partition_point(|&end| end < cut)..].first().copied();
        let idle = watcher.steps.iter().all(|step| cut <= step.start || step.start + step.duration <= cut);
        assert!(Some(time) == boundary || (idle && time == cut), "{sample:?}");
        let in_system = (sample.waiting + sample.running + sample.swapped) as u64;
        assert_eq!(totals.arrived, totals.completed + totals.rejected + in_system);
    }
    assert!(run.samples.len() >= 120);
}

#[test]
fn a_saturated_system_always_has_a_request_waiting() {
    for scenario in pressed() {
        let options = Options { feed: Feed::Saturated, ..Options::until(Time::ZERO, seconds(40.0)) };
        let mut watcher = Watcher::of_steps();
        simulate_observed(&scenario, &options, &mut watcher);
        assert!(watcher.steps.len() > 500);
        assert!(watcher.steps.iter().all(|step| step.waiting > 0));
    }
}

/// Named streams: a class draws the same requests whatever other classes there are.
#[test]
fn adding_a_class_changes_no_other_class() {
    let law = StepTimeLaw::Affine { base_s: 0.01, per_token_s: 1e-4 };
    let (prompt, output) = (LengthLaw::Geometric { mean: 50.0 }, LengthLaw::Geometric { mean: 30.0 });
    let alone = scenario(prompt.clone(), output.clone(), 5.0, 64, law);
    let mut together = alone.clone();
    together.workload.rate_per_s = Some(10.0);
    let constant = LengthLaw::Constant { tokens: 9 };
    together.workload.class.push(Class::new("other", constant, output));
    let of_first = |scenario: &Scenario| {
        let mut watcher = Watcher::default();
        simulate_observed(scenario, &Options::until(Time::ZERO, seconds(100.0)), &mut watcher);
        let mut drawn: Vec<_> = watcher
            .requests
            .iter()
            .filter(|request| request.class == 0 && request.arrival <= seconds(100.0))
            .map(|request| (request.arrival, request.prompt, request.output))
            .collect();
        drawn.sort_unstable();
        drawn
    };
    assert!(of_first(&alone).len() > 400);
    assert_eq!(of_first(&alone), of_first(&together));
}
