//! The ages of the fluid: for every class the bins of tokens done, and what a request in each holds, frees and leaves.
//!
//! An iteration that advances a bin sends the share 1/Δ of it onwards; of that the share p reaches the next bin, the rest
//! completes. Δ and p come from the survival function of the output, so that any output law enters through its hazard.

use super::entry::Entry;
use crate::fluid::few_valued::takes_few_values;
use crate::fluid::load::Load;
use crate::scenario::{Admission, FirstToken, LengthLaw, Moments, Prompts, Scenario, Workload};

/// How ages are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fluid) enum Cut {
    /// Bins of equal residence, this many per class.
    Bins(usize),
    /// Every token its own bin: the reference.
    Tokens,
}

/// The ages of one instance; every list has one entry per bin, class after class, youngest first.
pub(in crate::fluid) struct Ages {
    /// 1/Δ.
    pub leave: Vec<f64>,
    /// p: share that goes on to the next bin; 0 in the last bin of a class.
    pub onwards: Vec<f64>,
    /// KV tokens held at the end of an iteration, with the waste of the last block.
    pub holds: Vec<f64>,
    /// KV tokens that admission counts: what is held, or the mean peak under reserve.
    pub counts: Vec<f64>,
    /// KV tokens freed by a completion in the bin.
    pub frees: Vec<f64>,
    /// Tokens processed when a victim of the bin is computed again.
    pub again: Vec<f64>,
    /// Bins of all classes, the oldest first.
    pub order: Vec<u32>,
    /// First bin of every class, and the share of the entrants that reaches it.
    pub first: Vec<(usize, f64)>,
    /// What entering takes.
    pub entry: Entry,
    /// Served share of the arrivals.
    pub served: f64,
    /// Mean waste of the last block.
    pub waste: f64,
    /// Smallest Δ.
    pub least_stay: f64,
}

/// One class: the share of its served requests, the survival of its outputs, and E[s | o > a].
struct Kind {
    share: f64,
    survival: Vec<f64>,
    prompt: Vec<f64>,
    prompt_masses: Vec<f64>,
}

impl Ages {
    /// The ages of `load`'s instance. Requests arrive with `made` tokens emitted elsewhere.
    pub fn of(load: &Load, cut: Cut, made: usize) -> Self {
        let scenario = load.scenario;
        let mut kinds = kinds(scenario, load.memory.map_or(u64::MAX, |memory| memory as u64));
        let served: f64 = kinds.iter().map(|kind| kind.share).sum();
        kinds.iter_mut().for_each(|kind| kind.share /= served.max(f64::MIN_POSITIVE));
        let rules = scenario.batch_rules();
        let emits = rules.prompts == Prompts::Present || rules.first_token == FirstToken::Prefill;
        let start = made + usize::from(emits);
        let mut ages = Self::empty(load.block_waste(), served);
        let reserve = scenario.policy.admission == Admission::Reserve;
        let mut places: Vec<f64> = Vec::new();
        for kind in &kinds {
            let survives = |age: usize| kind.survival.get(age).copied().unwrap_or(0.0);
            let begun = survives(made).max(f64::MIN_POSITIVE);
            ages.first.push((ages.leave.len(), kind.share * survives(start) / begun));
            let edges = edges(&kind.survival, start, cut);
            let beyond = residence_beyond(&kind.survival);
            for edge in edges.windows(2) {
                ages.push_bin(kind, &beyond, edge[0], edge[1], reserve);
                places.push(0.5 * (edge[0] + edge[1]) as f64);
            }
        }
        let mut order: Vec<u32> = (0..places.len() as u32).collect();
        order.sort_by(|&a, &b| places[b as usize].total_cmp(&places[a as usize]));
        ages.order = order;
        ages.least_stay = ages.leave.iter().map(|leave| 1.0 / leave).fold(f64::INFINITY, f64::min);
        ages.entry = ages.entry_of(load, &kinds, made, usize::from(emits));
        ages
    }

    fn empty(waste: f64, served: f64) -> Self {
        Self {
            leave: Vec::new(),
            onwards: Vec::new(),
            holds: Vec::new(),
            counts: Vec::new(),
            frees: Vec::new(),
            again: Vec::new(),
            order: Vec::new(),
            first: Vec::new(),
            entry: Entry::default(),
            served,
            waste,
            least_stay: f64::INFINITY,
        }
    }

    /// Leaves the entry only: requests are complete, or go elsewhere, when their prompt has ended.
    pub fn only_prefill(&mut self) {
        for list in
            [&mut self.leave, &mut self.onwards, &mut self.holds, &mut self.counts, &mut self.frees, &mut self.again]
        {
            list.clear();
        }
        self.order.clear();
        self.first.clear();
    }

    pub fn len(&self) -> usize {
        self.leave.len()
    }

    fn push_bin(&mut self, kind: &Kind, beyond: &[f64], from: usize, to: usize, reserve: bool) {
        let survival = &kind.survival;
        let (stay, next) = (beyond[from] - beyond[to], survival.get(to).copied().unwrap_or(0.0));
        let (mut held, mut done, mut peak, mut again) = (0.0, 0.0, 0.0, 0.0);
        for age in from..to {
            let (above, later) = (survival[age], survival.get(age + 1).copied().unwrap_or(0.0));
            let tokens = kind.prompt[age] + age as f64 + 1.0 + self.waste;
            held += above * tokens;
            done += (above - later) * tokens;
            peak += above * (tokens - 1.0) + beyond[age];
            again += above * (kind.prompt[age] + age as f64);
        }
        let first = survival[from];
        let leaving = first - next;
        self.leave.push(first / stay);
        self.onwards.push(if first > 0.0 { next / first } else { 0.0 });
        self.holds.push(held / stay);
        self.counts.push(if reserve { peak / stay } else { held / stay });
        self.frees.push(if leaving > 1e-15 { done / leaving } else { held / stay });
        self.again.push(again / stay);
    }

    fn entry_of(&self, load: &Load, kinds: &[Kind], made: usize, emits: usize) -> Entry {
        let reserve = load.scenario.policy.admission == Admission::Reserve;
        let mean = |value: &dyn Fn(&Kind) -> f64| kinds.iter().map(|kind| kind.share * value(kind)).sum::<f64>();
        let survives = |kind: &Kind, age: usize| kind.survival.get(age).copied().unwrap_or(0.0);
        let prompt = mean(&|kind| kind.prompt[made.min(kind.prompt.len() - 1)]);
        let output =
            mean(&|kind| kind.survival.iter().skip(made).sum::<f64>() / survives(kind, made).max(f64::MIN_POSITIVE));
        let done = (made + emits) as f64;
        let tokens = prompt + made as f64 + 1.0 + self.waste;
        let mut masses: Vec<f64> = Vec::new();
        for kind in kinds {
            masses.resize(masses.len().max(kind.prompt_masses.len()), 0.0);
            masses.iter_mut().zip(&kind.prompt_masses).for_each(|(sum, mass)| *sum += kind.share * mass);
        }
        let counts = if reserve { prompt + made as f64 + output + self.waste } else { tokens };
        Entry::of(load, &masses, prompt, prompt + done + self.waste, counts)
    }
}

/// The classes of a scenario with the requests that are served.
fn kinds(scenario: &Scenario, limit: u64) -> Vec<Kind> {
    let workload = &scenario.workload;
    let whole = scenario.batch_rules().prompts == Prompts::Whole;
    let longest = if whole { scenario.instance.max_batch_tokens.unwrap_or(u64::MAX) } else { u64::MAX };
    let mut kinds: Vec<Kind> = if let Some(source) = &workload.trace {
        let pairs = source.requests.iter().map(|request| (request.prompt, request.output));
        let total = source.requests.len().max(1) as f64;
        vec![of_pairs(pairs.filter(|(s, o)| s + o <= limit && *s <= longest), total)]
    } else {
        let rates = workload.class_rates();
        let total: f64 = rates.iter().sum();
        let alone = |index: usize| Workload { class: vec![workload.class[index].clone()], ..workload.clone() };
        let of_class = |(index, rate): (usize, f64)| of_laws(&alone(index), limit, longest, rate / total);
        rates.into_iter().enumerate().map(of_class).collect()
    };
    kinds.retain(|kind| kind.share > 0.0 && kind.survival.first().is_some_and(|first| *first > 0.0));
    kinds
}

fn of_laws(workload: &Workload, limit: u64, longest: u64, share: f64) -> Kind {
    let moments = Moments::of_workload(workload, limit);
    let mut masses = moments.prompt_masses;
    masses.truncate(longest.saturating_add(1).min(1 << 40) as usize);
    let fitting: f64 = masses.iter().sum();
    masses.iter_mut().for_each(|mass| *mass /= fitting.max(f64::MIN_POSITIVE));
    let prompt: f64 = masses.iter().enumerate().map(|(s, mass)| s as f64 * mass).sum();
    Kind {
        share: share * (1.0 - moments.rejected) * fitting.min(1.0),
        prompt: vec![prompt; moments.output_survival.len()],
        survival: moments.output_survival,
        prompt_masses: masses,
    }
}

/// A joint law: prompts by the age that their outputs reach.
fn of_pairs(pairs: impl Iterator<Item = (u64, u64)>, total: f64) -> Kind {
    let (mut counts, mut sums, mut masses) = (Vec::<f64>::new(), Vec::<f64>::new(), Vec::<f64>::new());
    let mut served: f64 = 0.0;
    for (prompt, output) in pairs {
        let (s, o) = (prompt as usize, output as usize);
        counts.resize(counts.len().max(o + 1), 0.0);
        sums.resize(sums.len().max(o + 1), 0.0);
        masses.resize(masses.len().max(s + 1), 0.0);
        counts[o] += 1.0;
        sums[o] += prompt as f64;
        masses[s] += 1.0;
        served += 1.0;
    }
    let ages = counts.len().saturating_sub(1);
    let (mut survival, mut prompt) = (vec![0.0; ages], vec![0.0; ages]);
    let (mut above, mut sum) = (0.0, 0.0);
    for age in (0..ages).rev() {
        above += counts[age + 1];
        sum += sums[age + 1];
        survival[age] = above / served;
        prompt[age] = sum / above;
    }
    masses.iter_mut().for_each(|mass| *mass /= served.max(1.0));
    Kind { share: served / total, survival, prompt, prompt_masses: masses }
}

/// Σ_{u ≥ a} P(o > u) for every age a.
fn residence_beyond(survival: &[f64]) -> Vec<f64> {
    let mut beyond = vec![0.0; survival.len() + 1];
    for age in (0..survival.len()).rev() {
        beyond[age] = beyond[age + 1] + survival[age];
    }
    beyond
}

/// Edges from `start` on: of equal shares of the residence Σ P(o > a), or of single tokens; the last is one past the oldest age.
fn edges(survival: &[f64], start: usize, cut: Cut) -> Vec<usize> {
    let end = survival.iter().rposition(|&above| above > 1e-14).map_or(start, |last| last + 1);
    let count = match cut {
        Cut::Tokens => return (start..=end.max(start)).collect(),
        Cut::Bins(count) => count as f64,
    };
    let total: f64 = survival.iter().take(end).skip(start).sum();
    let mut edges = vec![start];
    let mut sum = 0.0;
    for (age, above) in survival.iter().enumerate().take(end).skip(start) {
        sum += above;
        if sum >= total * edges.len() as f64 / count * (1.0 - 1e-12) && age + 1 < end {
            edges.push(age + 1);
        }
    }
    if end > start {
        edges.push(end);
    }
    edges
}

/// Whether the outputs of some class take so few values that residents move in cohorts.
pub(in crate::fluid) fn has_cohorts(scenario: &Scenario) -> bool {
    kinds(scenario, u64::MAX).iter().any(|kind| takes_few_values(&kind.survival))
}

/// The longest output of a law's table, for the work of the map.
pub(in crate::fluid) fn longest_output(law: &LengthLaw) -> usize {
    law.table().len()
}
