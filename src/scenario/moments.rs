//! Moments of the joint law of (prompt, output), which is all that most laws of `fluid` need.

use statrs::function::erf::erfc;

use super::{FirstToken, LengthLaw, Preemption, Prompts, Scenario, Workload};

/// Highest power of the prompt length kept.
pub const PROMPT_POWERS: usize = 4;
/// Highest power of the output length kept.
pub const OUTPUT_POWERS: usize = 4;

type Table = [[f64; OUTPUT_POWERS + 1]; PROMPT_POWERS + 1];

/// E\[sⁱ oʲ\] of the requests that are served, that is, of those that fit the memory and the token budget, with the
/// probability of the others.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    raw: Table,
    /// The same of the lengths as memory sees them: a request holds s + i tokens in its i-th iteration, i = 1..o.
    held: Table,
    /// (κ, δ): s = κ·(s held) + δ.
    processed: (f64, f64),
    /// Share of requests rejected because their peak does not fit the memory, or their prompt the token budget.
    pub rejected: f64,
    /// P(o > u) for u = 0, 1, …, of the served requests.
    pub output_survival: Vec<f64>,
    /// P(s = k) for k = 0, 1, …, of the served requests.
    pub prompt_masses: Vec<f64>,
}

impl Moments {
    /// The moments of a validated scenario's requests, all classes together.
    pub fn of(scenario: &Scenario) -> Self {
        Self::of_served(&scenario.workload, Served::of(scenario))
    }

    /// The moments of the requests with s + o ≤ `limit`.
    pub fn of_workload(workload: &Workload, limit: u64) -> Self {
        Self::of_served(workload, Served { peak: limit, prompt: u64::MAX })
    }

    fn of_served(workload: &Workload, served: Served) -> Self {
        let mut sums = Sums::default();
        if let Some(source) = &workload.trace {
            let mass = 1.0 / source.requests.len().max(1) as f64;
            for request in source.requests.iter() {
                sums.add_pair(request.prompt, request.output, mass, served);
            }
        } else {
            let total: f64 = workload.class.iter().map(|class| class.share).sum();
            for class in &workload.class {
                sums.add_independent(&class.prompt, &class.output, class.share / total, served);
            }
        }
        sums.finish()
    }

    /// Lengths as an instance with the scenario's rules processes and holds them, brought to one form: the iteration that ends a
    /// prompt of s tokens counts as the first of o. If it emits nothing (`first_token = decode`) there is one more iteration,
    /// o + 1 in all, which hold s, s + 1, …, s + o tokens. If prompts are present nothing of them is processed: the first of
    /// o decodes stands for a prompt of one token.
    #[must_use]
    pub fn in_iterations(mut self, scenario: &Scenario) -> Self {
        let rules = scenario.batch_rules();
        if rules.prompts == Prompts::Present {
            let outputs = self.raw[0];
            self.raw = [outputs; PROMPT_POWERS + 1];
            self.prompt_masses = vec![0.0, 1.0];
            self.processed = (0.0, 1.0);
        } else if rules.first_token == FirstToken::Decode {
            self.raw.iter_mut().for_each(|row| *row = shifted(*row, 1.0));
            self.held = self.raw;
            for column in 0..=OUTPUT_POWERS {
                let powers = shifted(self.held.map(|row| row[column]), -1.0);
                self.held.iter_mut().zip(powers).for_each(|(row, power)| row[column] = power);
            }
            self.output_survival.insert(0, 1.0);
            self.processed = (1.0, 1.0);
        }
        self
    }

    /// E\[sⁱ oʲ\] with the prompt as memory sees it.
    pub fn held(&self, i: usize, j: usize) -> f64 {
        self.held[i][j]
    }

    /// (κ, δ): a prompt whose tokens count as s in memory has κ·s + δ tokens to process.
    pub fn processed(&self) -> (f64, f64) {
        self.processed
    }

    /// E\[sⁱ oʲ\], i ≤ 4, j ≤ 4.
    pub fn raw(&self, i: usize, j: usize) -> f64 {
        self.raw[i][j]
    }

    /// Replaces the prompt's moments by the given ones (powers 0 to 4), independent of the output: for formulas whose source
    /// states moments and no law.
    pub fn set_independent_prompt(&mut self, powers: [f64; PROMPT_POWERS + 1]) {
        let outputs = self.raw[0];
        for (row, power) in self.raw.iter_mut().zip(powers) {
            *row = outputs.map(|moment| moment * power);
        }
        self.held = self.raw;
    }

    /// The same requests after their first token, which leaves those with one token out: o − 1 tokens to come, and no prompt to be
    /// processed but the one token with which every decode iteration begins (s = 1). What the context of the prompt costs or
    /// holds is no part of it.
    pub fn after_first_token(&self) -> Self {
        let rest = self.output_survival.get(1).copied().unwrap_or(0.0).max(f64::MIN_POSITIVE);
        let output_survival: Vec<f64> = self.output_survival.iter().skip(1).map(|above| above / rest).collect();
        let mut powers = [1.0; OUTPUT_POWERS + 1];
        for (j, power) in powers.iter_mut().enumerate().skip(1) {
            // E[(o − 1)ʲ | o > 1]; requests with o = 1 add nothing.
            let terms = (0..=j).map(|k| binomial(j, k) * if (j - k) % 2 == 0 { 1.0 } else { -1.0 } * self.raw[0][k]);
            *power = terms.sum::<f64>() / rest;
        }
        let raw = [powers; PROMPT_POWERS + 1];
        Self {
            raw,
            held: raw,
            processed: (1.0, 0.0),
            rejected: self.rejected,
            output_survival,
            prompt_masses: vec![0.0, 1.0],
        }
    }

    /// E\[s\].
    pub fn prompt_mean(&self) -> f64 {
        self.raw[1][0]
    }

    /// E\[o\].
    pub fn output_mean(&self) -> f64 {
        self.raw[0][1]
    }

    /// E\[w\], w = s + o − 1 tokens that a request processes.
    pub fn work_mean(&self) -> f64 {
        self.raw[1][0] + self.raw[0][1] - 1.0
    }

    /// E\[g\], g = os + o(o+1)/2: KV tokens held, summed over the o iterations of a request with a whole prompt.
    pub fn held_mean(&self) -> f64 {
        self.held[1][1] + (self.held[0][2] + self.held[0][1]) / 2.0
    }

    /// E\[(s+o)\], the mean peak.
    pub fn peak_mean(&self) -> f64 {
        self.held[1][0] + self.held[0][1]
    }

    /// E\[(s+o)²\].
    pub fn peak_second(&self) -> f64 {
        self.held[2][0] + 2.0 * self.held[1][1] + self.held[0][2]
    }

    /// Whether all requests have one prompt and one output length.
    pub fn is_one_valued(&self) -> bool {
        let single = |first: f64, second: f64| second - first * first <= 1e-9 * second;
        single(self.held[1][0], self.held[2][0]) && single(self.raw[0][1], self.raw[0][2])
    }

    /// E\[o(s+o)\]: KV reserved, summed over a request's iterations, under reserve admission.
    pub fn reserved_mean(&self) -> f64 {
        self.held[1][1] + self.held[0][2]
    }

    /// E\[Σ_{i=1..o} (s+i)²\].
    pub fn held_squares(&self) -> f64 {
        let r = &self.held;
        r[2][1] + r[1][2] + r[1][1] + r[0][3] / 3.0 + r[0][2] / 2.0 + r[0][1] / 6.0
    }
}

fn binomial(n: usize, k: usize) -> f64 {
    (0..k).map(|i| (n - i) as f64 / (i + 1) as f64).product()
}

/// M rounded down to whole blocks; none when unlimited.
pub fn usable_memory(scenario: &Scenario) -> Option<u64> {
    let instance = &scenario.instance;
    instance.kv_tokens.map(|tokens| tokens / instance.block_tokens * instance.block_tokens)
}

/// Which requests are served: s + o ≤ `peak` and s ≤ `prompt`.
#[derive(Debug, Clone, Copy)]
struct Served {
    peak: u64,
    prompt: u64,
}

impl Served {
    /// Prompts that are processed whole must fit the token budget; where victims are prefilled again, all but their last token.
    fn of(scenario: &Scenario) -> Self {
        let memory = usable_memory(scenario).unwrap_or(u64::MAX);
        let whole = scenario.batch_rules().prompts == Prompts::Whole;
        match scenario.instance.max_batch_tokens {
            Some(budget) if whole && scenario.policy.preemption == Preemption::Recompute => {
                Self { peak: memory.min(budget + 1), prompt: budget }
            }
            Some(budget) if whole => Self { peak: memory, prompt: budget },
            _ => Self { peak: memory, prompt: u64::MAX },
        }
    }
}

/// The powers of x + `by` from those of x.
fn shifted<const N: usize>(powers: [f64; N], by: f64) -> [f64; N] {
    let mut result = powers;
    for round in 1..N {
        for k in (round..N).rev() {
            result[k] += by * result[k - 1];
        }
    }
    result
}

#[derive(Default)]
struct Sums {
    raw: Table,
    served: f64,
    output: Vec<f64>,
    prompt: Vec<f64>,
}

impl Sums {
    fn add_pair(&mut self, prompt: u64, output: u64, mass: f64, limit: Served) {
        if prompt + output > limit.peak || prompt > limit.prompt {
            return;
        }
        self.served += mass;
        let mut by_prompt = mass;
        for row in &mut self.raw {
            let mut term = by_prompt;
            for cell in row {
                *cell += term;
                term *= output as f64;
            }
            by_prompt *= prompt as f64;
        }
        add_mass(&mut self.output, output as usize, mass);
        add_mass(&mut self.prompt, prompt as usize, mass);
    }

    /// Adds independent laws. Without a binding limit the moments factorise; with one, each prompt length meets the outputs
    /// that fit beside it through cumulated moments.
    fn add_independent(&mut self, prompt: &LengthLaw, output: &LengthLaw, share: f64, limit: Served) {
        let mut prompts = masses(prompt);
        prompts.truncate((limit.prompt as usize).saturating_add(1));
        let outputs = masses(output);
        let longest = (prompts.len() + outputs.len()) as u64;
        if longest.saturating_sub(2) <= limit.peak {
            self.add_product(&prompts, &outputs, share);
        } else {
            self.add_limited(&prompts, &outputs, share, limit.peak);
        }
    }

    fn add_product(&mut self, prompts: &[f64], outputs: &[f64], share: f64) {
        let of_prompt = powers::<{ PROMPT_POWERS + 1 }>(prompts);
        let of_output = powers::<{ OUTPUT_POWERS + 1 }>(outputs);
        for (row, left) in self.raw.iter_mut().zip(of_prompt) {
            for (cell, right) in row.iter_mut().zip(of_output) {
                *cell += share * left * right;
            }
        }
        // A budget may have cut the prompts.
        self.served += share * of_prompt[0];
        add_masses(&mut self.output, outputs, share * of_prompt[0]);
        add_masses(&mut self.prompt, prompts, share);
    }

    fn add_limited(&mut self, prompts: &[f64], outputs: &[f64], share: f64, limit: u64) {
        let mut cumulated = Vec::with_capacity(outputs.len());
        let mut sum = [0.0; OUTPUT_POWERS + 1];
        for (length, &mass) in outputs.iter().enumerate() {
            let mut term = mass;
            for cell in &mut sum {
                *cell += term;
                term *= length as f64;
            }
            cumulated.push(sum);
        }
        // fitting[o] collects the prompt mass whose longest fitting output is o.
        let mut fitting = vec![0.0; outputs.len()];
        for (length, &mass) in prompts.iter().enumerate() {
            let room = limit.saturating_sub(length as u64).min(outputs.len() as u64 - 1) as usize;
            if mass == 0.0 || room == 0 {
                continue;
            }
            fitting[room] += mass;
            let mut by_prompt = share * mass;
            for row in &mut self.raw {
                for (cell, part) in row.iter_mut().zip(cumulated[room]) {
                    *cell += by_prompt * part;
                }
                by_prompt *= length as f64;
            }
            self.served += share * mass * cumulated[room][0];
            add_mass(&mut self.prompt, length, share * mass * cumulated[room][0]);
        }
        let mut allowed = 0.0;
        for length in (0..outputs.len()).rev() {
            allowed += fitting[length];
            add_mass(&mut self.output, length, share * outputs[length] * allowed);
        }
    }

    fn finish(mut self) -> Moments {
        let served = self.served.max(f64::MIN_POSITIVE);
        self.raw.iter_mut().flatten().for_each(|cell| *cell /= served);
        let mut above = 1.0;
        let mut output_survival = Vec::with_capacity(self.output.len());
        for mass in &self.output {
            above -= mass / served;
            output_survival.push(above.max(0.0));
        }
        output_survival.pop();
        let rejected = if 1.0 - self.served < 1e-12 { 0.0 } else { 1.0 - self.served };
        self.prompt.iter_mut().for_each(|mass| *mass /= served);
        Moments {
            raw: self.raw,
            held: self.raw,
            processed: (1.0, 0.0),
            rejected,
            output_survival,
            prompt_masses: self.prompt,
        }
    }
}

/// The law's table; for a long and wide lognormal law the survival function is computed at 64 lengths per octave and
/// interpolated by cubics that share its value and slope there, which keeps masses to 2e-5 and moments to 3e-8. A narrow law
/// bends too much between two nodes, and its table is short.
fn masses(law: &LengthLaw) -> Vec<f64> {
    match *law {
        LengthLaw::Lognormal { mean, cv, max } if max > 2 * FIRST_NODE && cv >= NARROW_CV => {
            long_lognormal(law, mean, cv, max as usize)
        }
        _ => law.table(),
    }
}

/// Length from which a long lognormal table is interpolated.
const FIRST_NODE: u64 = 128;
/// Coefficient of variation below which it is not.
const NARROW_CV: f64 = 0.6;

fn long_lognormal(law: &LengthLaw, mean: f64, cv: f64, max: usize) -> Vec<f64> {
    let variance = (cv * cv).ln_1p();
    let (mu, sigma) = (mean.ln() - variance / 2.0, variance.sqrt());
    // Survival of the rounded length and its slope: P(X > k) = P(e^{μ + σZ} ≥ k + 1/2).
    let node = |k: usize| {
        let x = k as f64 + 0.5;
        let z = (x.ln() - mu) / sigma;
        let slope = -(-0.5 * z * z).exp() / (x * sigma * (2.0 * std::f64::consts::PI).sqrt());
        (0.5 * erfc(z / std::f64::consts::SQRT_2), slope)
    };
    let short = LengthLaw::Lognormal { mean, cv, max: FIRST_NODE };
    let mut table = short.table();
    if table.len() as u64 <= FIRST_NODE {
        return law.table();
    }
    table.pop();
    let mut from = FIRST_NODE as usize - 1;
    let mut left = node(from);
    while from < max - 1 && left.0 > 1e-15 {
        let to = (from + (from + 1).next_power_of_two() / 128).min(max - 1);
        let right = node(to);
        push_cubic(&mut table, (to - from) as f64, left, right);
        (from, left) = (to, right);
    }
    table.push(left.0);
    table
}

/// Appends the masses of the lengths between two nodes: the differences of the cubic through (survival, slope) at both.
fn push_cubic(table: &mut Vec<f64>, width: f64, (left, left_slope): (f64, f64), (right, right_slope): (f64, f64)) {
    let (rise, start, end) = (right - left, left_slope * width, right_slope * width);
    let (square, cube) = (3.0 * rise - 2.0 * start - end, start + end - 2.0 * rise);
    let mut above = left;
    for step in 1..=width as usize {
        let u = step as f64 / width;
        let next = left + u * (start + u * (square + u * cube));
        table.push((above - next).max(0.0));
        above = next;
    }
}

fn add_mass(table: &mut Vec<f64>, length: usize, mass: f64) {
    if table.len() <= length {
        table.resize(length + 1, 0.0);
    }
    table[length] += mass;
}

fn add_masses(table: &mut Vec<f64>, masses: &[f64], share: f64) {
    if table.len() < masses.len() {
        table.resize(masses.len(), 0.0);
    }
    for (sum, mass) in table.iter_mut().zip(masses) {
        *sum += share * mass;
    }
}

fn powers<const N: usize>(table: &[f64]) -> [f64; N] {
    let mut sums = [0.0; N];
    for (length, &mass) in table.iter().enumerate() {
        let mut term = mass;
        for sum in &mut sums {
            *sum += term;
            term *= length as f64;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Class;
    use approx::assert_relative_eq;

    fn workload(prompt: LengthLaw, output: LengthLaw) -> Workload {
        Workload {
            rate_per_s: Some(1.0),
            rate_shape: super::super::RateShape::default(),
            arrivals: super::super::ArrivalLaw::default(),
            class: vec![Class::new("a", prompt, output)],
            trace: None,
            slo: crate::scenario::Slo::default(),
        }
    }

    /// The moments of Ex. 1 and Ex. 2 of the memory law's worked examples.
    #[test]
    fn worked_examples_of_the_memory_law() {
        let first = workload(LengthLaw::Constant { tokens: 100 }, LengthLaw::Geometric { mean: 100.0 });
        let moments = Moments::of_workload(&first, u64::MAX);
        assert_relative_eq!(moments.held_mean(), 20000.0, max_relative = 1e-9);
        assert_relative_eq!(moments.peak_second(), 49900.0, max_relative = 1e-9);
        assert_relative_eq!(moments.reserved_mean(), 29900.0, max_relative = 1e-9);
        let second = workload(LengthLaw::Geometric { mean: 100.0 }, LengthLaw::Uniform { min: 1, max: 199 });
        let moments = Moments::of_workload(&second, u64::MAX);
        assert_relative_eq!(moments.held_mean(), 16700.0, max_relative = 1e-9);
        assert_relative_eq!(moments.held_squares(), 4.0e6, max_relative = 1e-6);
    }

    #[test]
    fn an_interpolated_table_is_the_table() {
        for law in [
            LengthLaw::Lognormal { mean: 1155.0, cv: 0.96, max: 14050 },
            LengthLaw::Lognormal { mean: 100.0, cv: 0.3, max: 100_000 },
            LengthLaw::Lognormal { mean: 400.0, cv: 0.6, max: 100_000 },
            LengthLaw::Lognormal { mean: 4000.0, cv: 0.1, max: 20_000 },
        ] {
            let (quick, table) = (masses(&law), law.table());
            for k in 0..quick.len().max(table.len()) {
                let (a, b) = (quick.get(k).copied().unwrap_or(0.0), table.get(k).copied().unwrap_or(0.0));
                assert!((a - b).abs() < 2e-5 * b + 1e-13, "{law:?} at {k}: {a} {b}");
            }
            let (quick, table) = (powers::<5>(&quick), powers::<5>(&table));
            for (a, b) in quick.iter().zip(table) {
                assert_relative_eq!(*a, b, max_relative = 3e-8);
            }
        }
    }

    #[test]
    fn a_limit_conditions_on_what_fits() {
        let laws = workload(LengthLaw::Uniform { min: 1, max: 4 }, LengthLaw::Uniform { min: 1, max: 4 });
        let moments = Moments::of_workload(&laws, 4);
        // Six of sixteen pairs have s + o ≤ 4.
        assert_relative_eq!(moments.rejected, 10.0 / 16.0, max_relative = 1e-12);
        assert_relative_eq!(moments.prompt_mean(), (3.0 * 1.0 + 2.0 * 2.0 + 3.0) / 6.0, max_relative = 1e-12);
        assert_relative_eq!(moments.output_survival[1], 0.5, max_relative = 1e-12);
        assert_eq!(moments.output_survival.len(), 4);
    }

    /// Against sums over the iterations of every pair of s in {2, 5} and o in {1, 3}.
    #[test]
    fn lengths_by_iteration() {
        let few = |a, b| LengthLaw::Mixture {
            parts: [a, b]
                .map(|tokens| super::super::MixturePart { weight: 0.5, law: LengthLaw::Constant { tokens } })
                .to_vec(),
        };
        let text = super::super::presets::get("decode-heavy").unwrap().text;
        let mut scenario = super::super::load("test", text, &[]).unwrap();
        scenario.workload = workload(few(2, 5), few(1, 3));
        scenario.instance.kv_tokens = None;
        for (first, present) in [(FirstToken::Decode, false), (FirstToken::Decode, true), (FirstToken::Prefill, false)]
        {
            scenario.policy.batching.first_token = Some(first);
            scenario.policy.batching.prompts = present.then_some(Prompts::Present);
            let (mut work, mut held, mut squares, mut peak) = (0.0, 0.0, 0.0, 0.0);
            for (s, o) in [(2.0, 1), (2.0, 3), (5.0, 1), (5.0, 3)] {
                let mut tokens =
                    if present { vec![] } else { vec![s + if first == FirstToken::Prefill { 1.0 } else { 0.0 }] };
                let decodes = if first == FirstToken::Prefill { 2..=o } else { 1..=o };
                tokens.extend(decodes.map(|i| s + f64::from(i)));
                work += 0.25 * (tokens.len() as f64 + if present { 0.0 } else { s - 1.0 });
                held += 0.25 * tokens.iter().sum::<f64>();
                squares += 0.25 * tokens.iter().map(|held| held * held).sum::<f64>();
                peak += 0.25 * (s + f64::from(o));
            }
            let moments = Moments::of(&scenario).in_iterations(&scenario);
            assert_relative_eq!(moments.work_mean(), work, max_relative = 1e-12);
            assert_relative_eq!(moments.held_mean(), held, max_relative = 1e-12);
            assert_relative_eq!(moments.held_squares(), squares, max_relative = 1e-12);
            assert_relative_eq!(moments.peak_mean(), peak, max_relative = 1e-12);
        }
    }
}
