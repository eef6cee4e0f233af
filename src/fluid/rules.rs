//! What the rules of one instance change where KV memory binds: what admission counts, what it leaves unused, how many may
//! enter or go on together, and which figures an order of the queue or a late sight moves.

use super::load::Load;
use super::memory::{entry_moments, unused_greedy};
use super::root;
use crate::answer::{Boundary, Limit, Method};
use crate::queueing::Bulk;
use crate::scenario::{Admission, Order, Prediction, Preemption, Trigger, Victim};
use crate::schedule::admission::{nested_wait, share_of, wait};

use super::boundary::Regime;

/// What an admission rule without reservation counts against the memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    /// Tokens that admission fills.
    pub capacity: f64,
    /// U: what it leaves of them unused in the mean; negative where the last entrant oversteps.
    pub unused: f64,
    /// Tokens per resident that admission does not count yet.
    pub uncounted: f64,
    /// Tokens between `capacity` and M, which growth may use before anybody is evicted.
    pub spare: f64,
    /// Whether room for the residents' whole growth is kept free, so that nobody is ever evicted.
    pub foresees: bool,
}

/// The claim of the scenario's rule on `memory` tokens, at `flow` requests per iteration.
pub(super) fn claim(load: &Load, memory: f64, flow: f64) -> Claim {
    let unused = unused_greedy(load);
    let greedy = Claim { capacity: memory, unused, uncounted: 0.0, spare: 0.0, foresees: false };
    let policy = &load.scenario.policy;
    let share = |share: Option<f64>| share_of(memory as i64, share.unwrap_or(0.0)) as f64;
    match policy.admission {
        Admission::Greedy | Admission::Reserve => greedy,
        Admission::Watermark => {
            let kept = share(policy.watermark_share);
            Claim { capacity: memory - kept, spare: kept, ..greedy }
        }
        Admission::Threshold => {
            // Held before the iteration's growth: the last entrant's prompt oversteps the mark.
            let mark = share(policy.threshold_share);
            let over = unused - 0.5;
            let spare = memory - mark - over - flow * load.output();
            if spare > 0.0 { Claim { capacity: mark, unused: -over, uncounted: 1.0, spare, ..greedy } } else { greedy }
        }
        Admission::LookAhead => Claim { foresees: foresees(load), ..greedy },
        Admission::Quota | Admission::Wait => Claim { unused: unused + slow_refill(load, memory), ..greedy },
        Admission::NestedWait => {
            let unused = unused + slow_refill(load, memory) + standing(load, flow).tokens;
            Claim { unused, ..greedy }
        }
    }
}

/// Whether predictions are always right.
pub(super) fn foresees(load: &Load) -> bool {
    let policy = &load.scenario.policy;
    policy.prediction.is_exact() || (policy.prediction == Prediction::ClassMean && one_output_per_class(load))
}

fn one_output_per_class(load: &Load) -> bool {
    let workload = &load.scenario.workload;
    workload.trace.is_none()
        && workload.class.iter().all(|class| class.output.table().iter().filter(|&&mass| mass > 0.0).count() == 1)
}

/// The most that may enter in one iteration, by class; none without such a rule.
fn entries(load: &Load) -> Option<Vec<u64>> {
    let policy = &load.scenario.policy;
    let classes = load.scenario.workload.class_rates().len();
    let whole = |numbers: Vec<i64>| numbers.into_iter().map(|number| number.max(1) as u64).collect();
    match policy.admission {
        Admission::Quota => Some(vec![policy.quota_per_class.unwrap_or(u64::MAX); classes]),
        Admission::Wait => Some(whole(wait::thresholds(load.scenario))),
        Admission::NestedWait => Some(whole(vec![nested_wait::thresholds(load.scenario).0[0]])),
        _ => None,
    }
}

/// Shares of the arrivals that the numbers of `entries` stand for.
fn shares(load: &Load, count: usize) -> Vec<f64> {
    if count == 1 {
        return vec![1.0];
    }
    let rates = load.scenario.workload.class_rates();
    let total: f64 = rates.iter().sum();
    rates.iter().map(|rate| rate / total).collect()
}

/// Room that stays unused because only b requests may enter in an iteration: a queue of tokens, which completions bring and
/// entries take (Kingman's mean, where it is positive). The flow of `memory` tokens falls with it, which settles both. Nothing
/// where entries are what limits.
fn slow_refill(load: &Load, memory: f64) -> f64 {
    let Some(entries) = entries(load) else { return 0.0 };
    let batch: f64 = entries.iter().map(|&number| number as f64).sum();
    let entry = entry_moments(load).0;
    let held = load.moments.held_mean() + load.block_waste() * load.output();
    let fastest = (memory - unused_greedy(load)).max(0.0) / held;
    if fastest >= batch {
        return 0.0;
    }
    let unused = |flow: f64| {
        let slack = (batch - flow) * entry;
        (flow * load.moments.peak_second() / (2.0 * slack) - slack / 2.0).max(0.0)
    };
    let found = root::narrow(|flow| flow * held + unused(flow) - fastest * held, 0.0, fastest, 1e-9);
    found.map_or(0.0, |bracket| unused(bracket.low))
}

/// Those who stand at the segment ends of Nested WAIT.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Standing {
    /// Residents that stand.
    pub residents: f64,
    /// KV tokens that they hold.
    pub tokens: f64,
}

/// Who stands at the segment ends when `flow` requests complete per iteration.
pub(super) fn standing(load: &Load, flow: f64) -> Standing {
    let mut found = Standing::default();
    if load.scenario.policy.admission != Admission::NestedWait {
        return found;
    }
    let (thresholds, segments) = nested_wait::thresholds(load.scenario);
    for (&threshold, &end) in thresholds[1..].iter().zip(&segments) {
        let reach = load.moments.output_survival.get(end as usize).copied().unwrap_or(0.0);
        let batch = threshold.max(1) as u64;
        let gathered = Bulk::new((flow * reach).min(0.98 * batch as f64), batch)
            .map_or(0.0, |queue| queue.left_behind_full_batches());
        if reach > 0.0 {
            found.residents += gathered;
            found.tokens += gathered * (load.moments.held(1, 0) + end as f64 + load.block_waste());
        }
    }
    found
}

/// The saturated state when the rule on entries is what limits the flow; none without such a rule.
pub(super) fn entry_limit(load: &Load) -> Option<Regime> {
    let entries = entries(load)?;
    let shares = shares(load, entries.len());
    let mut flow = f64::INFINITY;
    for (&number, share) in entries.iter().zip(&shares) {
        flow = flow.min(number as f64 / share);
    }
    if load.scenario.policy.admission == Admission::NestedWait {
        let (thresholds, segments) = nested_wait::thresholds(load.scenario);
        for (&threshold, &end) in thresholds[1..].iter().zip(&segments) {
            let reach = load.moments.output_survival.get(end as usize).copied().unwrap_or(0.0);
            flow = flow.min(threshold.max(1) as f64 / reach.max(f64::MIN_POSITIVE));
        }
    }
    let chunks = load.chunks_at(flow);
    let stand = standing(load, flow);
    let context = flow * (load.moments.held_mean() + chunks.held);
    let step_s = load.step_s(flow * load.work(), context);
    Some(Regime {
        limit: Limit::Admission,
        flow,
        step_s,
        running: flow * (load.output() - 1.0 + chunks.steps) + stand.residents,
        swapped: 0.0,
        kv_tokens: context + stand.tokens,
        batch_tokens: flow * load.work(),
        preemptions: 0.0,
        calm_per_s: flow / step_s,
        method: if entries.len() == 1 { Method::Exact } else { Method::Approximation },
    })
}

/// Seconds that a request waits for its turn under a rule on entries, beside memory and iterations of `step` seconds.
pub(super) fn entry_wait_s(load: &Load, step: f64) -> f64 {
    let Some(entries) = entries(load) else { return 0.0 };
    let together = load.scenario.policy.admission != Admission::Quota;
    let rate = load.served_per_s;
    let waiting = entries.iter().zip(shares(load, entries.len())).map(|(&number, share)| {
        let arrivals = (rate * share * step).min(0.999 * number as f64);
        let queue = Bulk::new(arrivals, number.min(1 << 40));
        queue.map_or(0.0, |queue| if together { queue.left_behind_full_batches() } else { queue.left_behind() })
    });
    waiting.sum::<f64>() / rate
}

/// Whether the order of the queue looks at lengths or weights that differ.
pub(super) fn is_sorted(load: &Load) -> bool {
    let workload = &load.scenario.workload;
    let one_weight = workload.trace.is_some() || workload.class.windows(2).all(|pair| pair[0].weight == pair[1].weight);
    let first = load.moments.raw(1, 0);
    let one_prompt = load.moments.raw(2, 0) - first * first <= 1e-9 * first * first;
    let one_output = load.moments.output_survival.iter().all(|&above| above > 1.0 - 1e-12);
    match load.scenario.policy.order {
        Order::Fcfs | Order::Random => false,
        Order::ShortestPrompt => !one_prompt,
        Order::WeightedFcfs => !one_weight,
        Order::Srpt | Order::SmallestVolume => !(one_prompt && one_output),
        Order::WeightedSrpt => !(one_prompt && one_output && one_weight),
    }
}

/// Whether victims of another kind than the last admitted are chosen: they hold more, and λ* is an upper bound.
fn has_large_victims(load: &Load) -> bool {
    let policy = &load.scenario.policy;
    let several = load.scenario.workload.class.len() > 1;
    match policy.victim() {
        Victim::Lifo | Victim::LatestBatch | Victim::LeastProgress => false,
        Victim::Fifo | Victim::MostMemory => true,
        Victim::LowestWeight => several,
    }
}

/// What a reader must know of rules that the laws see only in part.
pub(super) fn notes(load: &Load, binding: &Regime, boundary: &Boundary) -> Vec<String> {
    let policy = &load.scenario.policy;
    let mut notes = Vec::new();
    let preempts = binding.limit == Limit::KvMemory && policy.preemption != Preemption::None;
    if preempts && has_large_victims(load) {
        notes.push(
            "Victims that hold much leave room that their own return blocks: λ* is that of victims admitted last, an upper bound (seen: up to 3 % too high with swap, 13 % with recompute)"
                .into(),
        );
    }
    if policy.trigger == Trigger::Aggressive {
        notes.push("Aggressive preemption evicts whoever just entered: λ* is nearly that of conservative preemption, preemptions are more".into());
    }
    if matches!(policy.admission, Admission::LookAhead) && super::map::is_few_valued(load) && foresees(load) {
        notes.push("Look-ahead with few output lengths keeps cohorts together: λ* is an upper bound (seen: up to 12 % too high)".into());
    }
    if matches!(policy.admission, Admission::Threshold | Admission::Watermark) && super::map::is_few_valued(load) {
        notes.push("Few output lengths swing above the mark that admission keeps: λ* is a lower bound (seen: up to 9 % too low)".into());
    }
    if matches!(policy.admission, Admission::LookAhead | Admission::Reserve) && !policy.prediction.is_exact() {
        notes.push("Predictions change what admission counts; that predictions depend on the class and errors on the request is seen through their means only".into());
    }
    if matches!(policy.admission, Admission::Wait | Admission::NestedWait) {
        notes
            .push("Requests enter in batches: beside the wait for the batch, waits are those of single entries".into());
    }
    match policy.order {
        Order::Fcfs => {}
        Order::Random => notes.push(
            "Random order: mean waits are those of first come, first served; their percentiles are longer than stated".into(),
        ),
        _ if is_sorted(load) => notes.push(format!(
            "The order of the queue does not move λ* = {:.4}/s, but it decides who waits: waits of short requests are shorter and of long ones longer than under first come, first served, whose figures theory gives",
            boundary.low_per_s
        )),
        _ => notes.push("All requests look alike to the order of the queue: it is first come, first served".into()),
    }
    notes
}
