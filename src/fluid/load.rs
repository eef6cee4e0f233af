//! A scenario reduced to what the laws need: the limits, the step law and the moments of what one request brings.

use statrs::function::erf::erfc;

use super::Tier;
use super::slots::Wait;
use crate::cost::{affine_coefficients, mean_step_s, per_context_token_s};
use crate::scenario::moments::usable_memory;
use crate::scenario::{BudgetCounts, FirstToken, MixedCost, Mixing, Moments, Priority, Prompts, Scenario, StepTimeLaw};
use crate::schedule::budget;

/// The limits of an instance and what one request brings to them.
#[derive(Clone)]
pub(super) struct Load<'a> {
    /// How finely to solve.
    pub tier: Tier,
    /// The question.
    pub scenario: &'a Scenario,
    /// Moments of the served requests.
    pub moments: Moments,
    /// λ of the served requests.
    pub served_per_s: f64,
    /// K.
    pub cap: f64,
    /// B, infinite when there is none, or when it counts context.
    pub budget: f64,
    /// The longest share that one prompt gets in an iteration: infinite for whole prompts.
    pub chunk: f64,
    /// M in whole blocks.
    pub memory: Option<f64>,
    /// P(s > k).
    pub prompt_survival: Vec<f64>,
    /// Prompts in shares of at most `chunk`; none when no prompt is longer.
    cut: Option<Shares>,
    /// The wait for a slot, when a router makes it another than the instance's own under Poisson arrivals.
    pub routed: Option<Wait>,
}

/// The shares of prompts that nothing but the longest chunk cuts.
#[derive(Clone)]
struct Shares {
    /// E\[⌈s/chunk⌉\].
    count: f64,
    /// P(share = k) and P(share > k).
    masses: Vec<f64>,
    survival: Vec<f64>,
    /// E\[share²\].
    squared: f64,
}

impl Shares {
    fn of(prompts: &[f64], chunk: u64) -> Option<Self> {
        let chunk = usize::try_from(chunk).unwrap_or(usize::MAX);
        if chunk >= prompts.len() - 1 {
            return None;
        }
        let mut masses = vec![0.0; chunk + 1];
        let mut count = 0.0;
        for (prompt, &mass) in prompts.iter().enumerate() {
            let full = prompt.saturating_sub(1) / chunk;
            masses[prompt - full * chunk] += mass;
            masses[chunk] += full as f64 * mass;
            count += (full + 1) as f64 * mass;
        }
        masses.iter_mut().for_each(|mass| *mass /= count);
        let squared = masses.iter().enumerate().map(|(k, mass)| (k * k) as f64 * mass).sum();
        Some(Self { count, survival: survival(&masses), masses, squared })
    }
}

/// P(X > k) from P(X = k).
fn survival(masses: &[f64]) -> Vec<f64> {
    let mut above = 1.0;
    let beyond = |mass: &f64| {
        above -= mass;
        f64::max(above, 0.0)
    };
    masses.iter().map(beyond).collect()
}

/// What prompts become when they are cut into chunks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunks {
    /// E\[number of iterations that work on a prompt\].
    pub steps: f64,
    /// E\[Σ tokens of the prompt already written, over the iterations before its last\].
    pub held: f64,
}

impl<'a> Load<'a> {
    pub fn of(scenario: &'a Scenario) -> Self {
        let rules = scenario.batch_rules();
        let moments = Moments::of(scenario);
        // The laws of exclusive iterations tell themselves which iteration emits.
        let mixed = rules.mixing == Mixing::Mixed;
        let moments = if mixed { moments.in_iterations(scenario) } else { moments };
        let processed = scenario.instance.max_batch_tokens.filter(|_| rules.budget_counts == BudgetCounts::Processed);
        let prompt_survival = survival(&moments.prompt_masses);
        let cut = rules.chunk_tokens.and_then(|chunk| Shares::of(&moments.prompt_masses, chunk));
        let cap = scenario.sequence_cap() as f64;
        // Where prompts are present a budget of tokens is one of sequences.
        let present = processed.filter(|_| rules.prompts == Prompts::Present);
        let cap = present.map_or(cap, |tokens| cap.min(tokens as f64));
        let served_per_s = scenario.workload.rate() * (1.0 - moments.rejected);
        Self {
            scenario,
            served_per_s,
            cap,
            cut,
            budget: processed.map_or(f64::INFINITY, |tokens| tokens as f64),
            chunk: rules.chunk_tokens.map_or(f64::INFINITY, |tokens| tokens as f64),
            memory: usable_memory(scenario).map(|tokens| tokens as f64),
            prompt_survival,
            moments,
            tier: Tier::Sharp,
            routed: None,
        }
    }

    /// The load of the n-fold instance, whose scenario is given: rate and limits × n.
    pub fn fold<'b>(&'b self, scenario: &'b Scenario, n: f64) -> Load<'b> {
        Load {
            scenario,
            served_per_s: n * self.served_per_s,
            cap: n * self.cap,
            budget: n * self.budget,
            memory: self.memory.map(|memory| n * memory),
            routed: None,
            ..self.clone()
        }
    }

    pub fn law(&self) -> &StepTimeLaw {
        &self.scenario.step_time
    }

    /// τ of the mean-field law.
    pub fn step_s(&self, tokens: f64, context: f64) -> f64 {
        mean_step_s(self.law(), tokens, context)
    }

    /// d2.
    pub fn per_context_s(&self) -> f64 {
        per_context_token_s(self.law())
    }

    /// E\[o\].
    pub fn output(&self) -> f64 {
        self.moments.output_mean()
    }

    /// E\[s\].
    pub fn prompt(&self) -> f64 {
        self.moments.prompt_mean()
    }

    /// E\[w\].
    pub fn work(&self) -> f64 {
        self.moments.work_mean()
    }

    /// (β − 1)/2: KV tokens lost per resident to its last block.
    pub fn block_waste(&self) -> f64 {
        (self.scenario.instance.block_tokens as f64 - 1.0) / 2.0
    }

    /// The prompts in chunks of at most `chunk` tokens, when a share `busy` of them finds the prefill budget used up: those
    /// start at a random place of an iteration and meet s/chunk + 1 of them, the others ⌈s/chunk⌉. Prompts that all fit a
    /// chunk are taken as whole.
    pub fn chunks(&self, chunk: f64, busy: f64) -> Chunks {
        let longest = (self.moments.prompt_masses.len() - 1) as f64;
        if chunk >= longest {
            return Chunks { steps: 1.0, held: 0.0 };
        }
        let chunk = chunk.max(1.0);
        let (mut steps, mut held) = (1.0, 0.0);
        let mut count = 1.0;
        while let Some(above) = self.prompt_survival.get((count * chunk) as usize) {
            steps += above;
            held += above * chunk * count;
            count += 1.0;
        }
        let busy = busy.clamp(0.0, 1.0);
        let prompt = self.prompt();
        let squared = self.moments.raw(2, 0);
        Chunks {
            steps: (1.0 - busy) * steps + busy * (prompt / chunk + 1.0),
            held: (1.0 - busy) * held + busy * (squared / (2.0 * chunk)),
        }
    }

    /// Whether a prompt is never cut.
    pub fn whole(&self) -> bool {
        self.scenario.batch_rules().prompts != Prompts::Chunked
    }

    /// Whether prompts take the budget before decodes.
    pub fn prompts_first(&self) -> bool {
        self.scenario.batch_rules().priority == Priority::PrefillFirst
    }

    /// Whether the iteration that ends a prompt emits nothing.
    pub fn silent(&self) -> bool {
        let rules = self.scenario.batch_rules();
        rules.first_token == FirstToken::Decode && rules.prompts != Prompts::Present
    }

    /// The law's coefficients (base, per token) where they are all that an iteration of both kinds depends on.
    pub fn affine(&self) -> Option<(f64, f64)> {
        affine_coefficients(self.law()).filter(|_| self.scenario.batch_rules().mixed_cost == MixedCost::Sum)
    }

    /// Tokens that prompts can have beside `decodes` decodes: all of the budget where they go first.
    pub fn left_to_prompts(&self, decodes: f64) -> f64 {
        let left = if self.prompts_first() { self.budget } else { budget::prefill_budget_fluid(self.budget, decodes) };
        match self.scenario.batch_rules().priority {
            Priority::Split => left.min(self.scenario.split().1 as f64 * self.prompt() / self.shares().0),
            _ => left,
        }
    }

    /// Whether prompts that do not fit whole leave a part of the budget unused.
    pub fn wastes_budget(&self) -> bool {
        self.budget.is_finite() && self.scenario.batch_rules().prompts == Prompts::Whole
    }

    /// E\[s²\]/2E\[s\]: tokens of the budget that whole prompts leave unused while one waits.
    pub fn unused_by_whole(&self) -> f64 {
        self.moments.raw(2, 0) / (2.0 * self.prompt())
    }

    /// τ of an iteration with `prompts` prompt tokens beside `decodes` decodes, without context.
    pub fn mixed_step_s(&self, prompts: f64, decodes: f64) -> f64 {
        match self.scenario.batch_rules().mixed_cost {
            MixedCost::Sum => self.step_s((prompts + decodes).min(self.budget), 0.0),
            MixedCost::Max => {
                self.step_s(prompts, 0.0).max(self.step_s(decodes.min((self.budget - prompts).max(1.0)), 0.0))
            }
        }
    }

    /// Shares per prompt in the mean, ⌈s/chunk⌉, and P(share = k), when nothing but the longest chunk cuts prompts.
    pub fn shares(&self) -> (f64, &[f64]) {
        self.cut.as_ref().map_or((1.0, &self.moments.prompt_masses[..]), |cut| (cut.count, &cut.masses[..]))
    }

    /// P(share > k).
    pub fn share_survival(&self) -> &[f64] {
        self.cut.as_ref().map_or(&self.prompt_survival[..], |cut| &cut.survival[..])
    }

    /// E\[Σ share²\] of a prompt.
    pub fn shares_squared(&self) -> f64 {
        self.cut.as_ref().map_or(self.moments.raw(2, 0), |cut| cut.count * cut.squared)
    }

    /// The chunks at a flow of `flow` requests per iteration, n = flow·(E[o] − 1) of them decoding.
    pub fn chunks_at(&self, flow: f64) -> Chunks {
        if self.whole() {
            return Chunks { steps: 1.0, held: 0.0 };
        }
        let chunk = self.left_to_prompts(flow * (self.output() - 1.0)).max(1.0);
        if self.chunk <= chunk {
            return self.chunks(self.chunk, 0.0);
        }
        let spread = (flow * self.moments.raw(2, 0)).sqrt().max(f64::MIN_POSITIVE);
        let overflow = 0.5 * erfc((chunk - flow * self.prompt()) / (spread * std::f64::consts::SQRT_2));
        self.chunks(chunk, overflow)
    }
}
