//! The question: what arrives, how long requests are, what serves them, under which rules.
//!
//! A [`Scenario`] is pure data, read from TOML or built in code, and checked once by [`Scenario::validate`], so that no later
//! room checks again.

pub mod arrivals;
pub mod batching;
pub mod catalogue;
pub mod cluster;
pub mod error;
pub mod hardware;
pub mod instance;
pub mod kernels;
pub mod lengths;
pub mod load;
pub mod moments;
pub(crate) mod nearest;
pub mod overrides;
mod place;
pub mod policy;
pub mod prediction;
pub mod presets;
pub mod profile;
pub mod rate;
pub mod scaled;
pub mod schema;
pub mod step_time;
pub mod time;
pub mod trace;
pub mod workload;

use serde::{Deserialize, Serialize};

pub use arrivals::{ArrivalLaw, ArrivalState, BatchSizes, Intervals};
pub use batching::{
    BatchRules, Batching, BudgetCounts, Engine, FirstToken, MixedCost, Mixing, Packing, Priority, Prompts,
    SequenceLimit,
};
pub use cluster::{Cluster, Contention, Group, Link, PrefillPool, Routing};
pub use error::ScenarioError;
pub use instance::Instance;
pub use lengths::{LengthLaw, MixturePart};
pub use load::{load, open};
pub use moments::Moments;
pub use overrides::Override;
pub use policy::{Admission, Order, Policy, Preemption, Sight, Transfer, Trigger, Victim};
pub use prediction::Prediction;
pub use rate::{Pace, RateShape, RateStep};
pub use step_time::{CurvePoint, StepNoise, StepTimeLaw, Tables};
pub use time::Time;
pub use workload::{Class, Slo, TraceMode, TraceSource, Workload};

#[cfg(test)]
mod bad_input_tests;

/// One serving question, for both solvers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Short name, used in reports and file names.
    pub name: String,
    /// What the scenario stands for and where its numbers come from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What arrives.
    pub workload: Workload,
    /// The limits of the instance.
    pub instance: Instance,
    /// The rules of the instance.
    pub policy: Policy,
    /// The iteration-time law.
    pub step_time: StepTimeLaw,
    /// Randomness of the iteration time.
    #[serde(default, skip_serializing_if = "StepNoise::is_none")]
    pub step_noise: StepNoise,
    /// Of `gamma` noise: coefficient of variation of an iteration's time around its mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_noise_cv: Option<f64>,
    /// More than one instance, or GPUs; absent means one instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Cluster>,
}

impl Scenario {
    /// Checks every value and every combination.
    ///
    /// # Errors
    /// The first problem found, with its key, value and remedy.
    pub fn validate(&self) -> Result<(), ScenarioError> {
        self.validate_name()?;
        self.workload.validate().map_err(|error| error.under("workload"))?;
        self.instance.validate().map_err(|error| error.under("instance"))?;
        self.policy.validate().map_err(|error| error.under("policy"))?;
        self.step_time.validate().map_err(|error| error.under("step_time"))?;
        self.validate_noise()?;
        self.validate_cluster()?;
        let members = self.members();
        for (member, count) in &members {
            if *count > 0 {
                member.validate_rules()?;
                member.validate_budget()?;
            }
        }
        let pool = self.cluster.as_ref().is_some_and(|cluster| cluster.prefill.is_some());
        if pool && members.last().is_some_and(|(member, _)| member.batch_rules().prompts == Prompts::Present) {
            return Err(ScenarioError::at(
                "cluster.prefill.policy",
                "takes prompts that are `present`, so that the pool would have nothing to do",
                "give the prefill pool a policy with chunked or whole prompts",
            ));
        }
        Ok(())
    }

    /// Gamma noise and its width go together.
    fn validate_noise(&self) -> Result<(), ScenarioError> {
        let refuse = |problem: &str, remedy: &str| Err(ScenarioError::at("step_noise_cv", problem, remedy));
        match self.step_noise_cv {
            None if self.step_noise == StepNoise::Gamma => {
                refuse("is missing, and step_noise is `gamma`", "give a coefficient of variation, e.g. 0.5")
            }
            Some(_) if self.step_noise != StepNoise::Gamma => {
                refuse("is given, but step_noise is not `gamma`", "remove the key, or set step_noise = \"gamma\"")
            }
            Some(cv) if !(0.01..=10.0).contains(&cv) => {
                refuse(&format!("is `{cv}`"), "give a coefficient of variation from 0.01 to 10")
            }
            _ => Ok(()),
        }
    }

    /// File names are made from the name.
    fn validate_name(&self) -> Result<(), ScenarioError> {
        let unfit = |c: char| c.is_control() || "/\\:*?\"<>|".contains(c);
        if self.name.trim().is_empty() || self.name.len() > 100 || self.name.contains(unfit) {
            return Err(ScenarioError::at(
                "name",
                format!("is `{}`", self.name.escape_debug()),
                "give 1 to 100 characters that can be part of a file name, such as letters, digits and `-`",
            ));
        }
        Ok(())
    }

    /// K of the instance under its engine: 1 for run-to-completion.
    pub fn sequence_cap(&self) -> u64 {
        if self.policy.engine == Engine::RunToCompletion { 1 } else { self.instance.max_sequences }
    }

    /// Longest prompt + output that can arrive; none when unbounded.
    pub fn longest_request(&self) -> Option<u64> {
        if let Some(source) = &self.workload.trace {
            return source.requests.iter().map(|request| request.prompt + request.output).max();
        }
        let peaks = self.workload.class.iter().map(|class| Some(class.prompt.longest()? + class.output.longest()?));
        peaks.into_iter().try_fold(0, |longest, peak| Some(longest.max(peak?)))
    }

    /// Shortest prompt that can arrive.
    pub fn shortest_prompt(&self) -> u64 {
        let shortest = match &self.workload.trace {
            Some(source) => source.requests.iter().map(|request| request.prompt).min(),
            None => self.workload.class.iter().map(|class| class.prompt.shortest()).min(),
        };
        shortest.unwrap_or(0)
    }

    /// The batching rules with every part decided.
    pub fn batch_rules(&self) -> BatchRules {
        self.policy.batching.over(self.policy.engine)
    }

    /// Sequences of a split batch that decode, and that are prompts: ⌊rK⌋ and the rest.
    pub fn split(&self) -> (u64, u64) {
        let decodes = (self.batch_rules().decode_share * self.sequence_cap() as f64 + 1e-9).floor() as u64;
        (decodes, self.sequence_cap() - decodes)
    }

    /// Scenarios of one instance each that together make up the cluster, with how many there are of each: the decode or only
    /// pool first, then the groups, then the prefill pool.
    pub fn members(&self) -> Vec<(Self, u64)> {
        let Some(cluster) = &self.cluster else { return vec![(self.clone(), 1)] };
        let alone = Self { cluster: None, ..self.clone() };
        let with = |instance: &Option<Instance>, policy: &Option<Policy>, step_time: &Option<StepTimeLaw>| Self {
            instance: instance.clone().unwrap_or_else(|| self.instance.clone()),
            policy: policy.clone().unwrap_or_else(|| self.policy.clone()),
            step_time: step_time.clone().unwrap_or_else(|| self.step_time.clone()),
            ..alone.clone()
        };
        let mut members = vec![(alone.clone(), cluster.replicas)];
        members.extend(
            cluster.group.iter().map(|group| (with(&group.instance, &group.policy, &group.step_time), group.count)),
        );
        if let Some(pool) = &cluster.prefill {
            members.iter_mut().for_each(|(member, _)| member.only_decode());
            members.push((with(&pool.instance, &pool.policy, &pool.step_time), pool.replicas));
        }
        members
    }

    /// Makes the instance one of a decode pool: prompts come with their KV, and nothing keeps two kinds of iterations apart.
    fn only_decode(&mut self) {
        self.instance.prefix_cache_tokens = None;
        let parts = &mut self.policy.batching;
        parts.prompts = Some(Prompts::Present);
        parts.chunk_tokens = None;
        parts.mixing = Some(Mixing::Mixed);
        parts.mixed_cost = Some(MixedCost::Sum);
    }

    fn validate_cluster(&self) -> Result<(), ScenarioError> {
        if let Some(cluster) = &self.cluster {
            cluster.validate().map_err(|error| error.under("cluster"))?;
        }
        self.validate_order_preempts()?;
        let pool = self.cluster.as_ref().and_then(|cluster| cluster.gpus);
        if pool.is_some() && self.instance.prefix_cache_tokens.is_some() {
            return Err(ScenarioError::at(
                "instance.prefix_cache_tokens",
                "is given, but the requests of a GPU pool share no instance",
                "remove the key, or cluster.gpus",
            ));
        }
        for (index, class) in self.workload.class.iter().enumerate() {
            let place = format!("workload.class[{index}]");
            match pool {
                Some(gpus) if class.gpus > gpus => {
                    let problem = format!("is `{}`, and the pool has `{gpus}`", class.gpus);
                    return Err(
                        ScenarioError::at("gpus", problem, "give the pool more GPUs, or the class fewer").under(&place)
                    );
                }
                None if class.gpus > 1 => {
                    let problem = format!("is `{}`, but there is no GPU pool", class.gpus);
                    return Err(ScenarioError::at("gpus", problem, "set cluster.gpus, or remove the key").under(&place));
                }
                None if class.step_time.is_some() => {
                    let remedy = "set cluster.gpus, or give a group of the cluster its own step_time";
                    return Err(
                        ScenarioError::at("step_time", "is given, but there is no GPU pool", remedy).under(&place)
                    );
                }
                _ => {}
            }
            if let Some(model) = &class.model {
                self.validate_model(model).map_err(|error| error.under(&place))?;
            }
        }
        let recorded = self.workload.trace.as_ref().and_then(|_| self.workload.models());
        for model in recorded.into_iter().flatten().flatten() {
            self.validate_model(model).map_err(|error| error.under("workload.trace"))?;
        }
        Ok(())
    }

    /// Only in a GPU pool can a request take the GPUs of others, and only where some stand before those that run.
    fn validate_order_preempts(&self) -> Result<(), ScenarioError> {
        let refuse = |key: &str, problem: &str, remedy: &str| Err(ScenarioError::at(key, problem, remedy));
        let cluster = self.cluster.as_ref();
        let groups = cluster.into_iter().flat_map(|cluster| &cluster.group).enumerate();
        for (index, group) in groups {
            if group.policy.as_ref().is_some_and(|policy| policy.order_preempts) {
                let key = format!("cluster.group[{index}].policy.order_preempts");
                return refuse(&key, "is `true`, but a group is no GPU pool", "remove the key");
            }
        }
        let prefill = cluster.and_then(|cluster| cluster.prefill.as_ref()).and_then(|pool| pool.policy.as_ref());
        if prefill.is_some_and(|policy| policy.order_preempts) {
            let key = "cluster.prefill.policy.order_preempts";
            return refuse(key, "is `true`, but a prefill pool is no GPU pool", "remove the key");
        }
        if !self.policy.order_preempts {
            return Ok(());
        }
        let key = "policy.order_preempts";
        if cluster.is_none_or(|cluster| cluster.gpus.is_none()) {
            let remedy = "set cluster.gpus, or remove the key; in an instance `allow_waiting_preempt` does the like";
            return refuse(key, "is `true`, but there is no GPU pool", remedy);
        }
        if self.policy.order == Order::Fcfs && self.batch_rules().packing == Packing::Strict {
            let problem = "is `true`, but under `fcfs` nobody who waits stands before one who runs";
            return refuse(key, problem, "choose another policy.order, or remove the key");
        }
        Ok(())
    }

    /// Some instance must serve every class.
    fn validate_model(&self, model: &str) -> Result<(), ScenarioError> {
        let served = self.cluster.as_ref().is_none_or(|cluster| {
            let serves = |group: &Group| group.model.as_deref().is_none_or(|other| other == model);
            cluster.replicas > 0 || cluster.gpus.is_some() || cluster.group.iter().any(serves)
        });
        if served {
            return Ok(());
        }
        let problem = format!("is `{model}`, which no group of the cluster serves");
        Err(ScenarioError::at("model", problem, "name the model of a group, or add one"))
    }

    /// Rules that contradict each other or the limits.
    fn validate_rules(&self) -> Result<(), ScenarioError> {
        let (decodes, prompts) = self.split();
        if self.batch_rules().priority == Priority::Split && (decodes == 0 || prompts == 0) {
            return Err(ScenarioError::at(
                "policy.batching.decode_share",
                format!("leaves {decodes} decodes and {prompts} prompts of max_sequences `{}`", self.sequence_cap()),
                "choose a share, or more sequences, so that both kinds get one",
            ));
        }
        let classes = self.workload.class_rates().len();
        let thresholds = self.policy.wait_thresholds.len();
        if self.policy.admission == Admission::Wait && thresholds > 0 && thresholds != classes {
            return Err(ScenarioError::at(
                "policy.wait_thresholds",
                format!("are `{thresholds}` for `{classes}` classes"),
                "give one threshold per class, or none",
            ));
        }
        self.validate_prefix_cache()?;
        self.validate_memory()
    }

    /// A prefix cache needs to be told which prompts begin alike, and room for a block.
    fn validate_prefix_cache(&self) -> Result<(), ScenarioError> {
        let Some(tokens) = self.instance.prefix_cache_tokens else { return Ok(()) };
        let refuse =
            |problem: String, remedy: &str| Err(ScenarioError::at("instance.prefix_cache_tokens", problem, remedy));
        let block = self.workload.trace.as_ref().map_or(0, |source| source.requests.hash_block_tokens);
        if block == 0 {
            return refuse(
                "is given, but the workload does not say which prompts begin alike".into(),
                "remove the key, or use a Mooncake trace with `hash_ids`",
            );
        }
        if tokens < block {
            return refuse(format!("is `{tokens}`, below one block of `{block}` tokens"), "give at least one block");
        }
        if self.batch_rules().prompts == Prompts::Present {
            return refuse("is given, but prompts are `present` and none is processed".into(), "remove the key");
        }
        Ok(())
    }

    /// Of whole prompts one at least must fit into the token budget; single longer ones are rejected as they arrive.
    fn validate_budget(&self) -> Result<(), ScenarioError> {
        let Some(budget) = self.instance.max_batch_tokens else { return Ok(()) };
        let shortest = self.shortest_prompt();
        if self.batch_rules().prompts != Prompts::Whole || shortest <= budget {
            return Ok(());
        }
        Err(ScenarioError::at(
            "instance.max_batch_tokens",
            format!("is `{budget}`, prompts are processed whole, and the shortest has `{shortest}` tokens"),
            format!("give a budget of at least {shortest}, or set policy.batching.prompts = \"chunked\""),
        ))
    }

    /// Going without preemption is allowed only where memory cannot run out.
    fn validate_memory(&self) -> Result<(), ScenarioError> {
        let Some(memory) = self.instance.kv_tokens else { return Ok(()) };
        let policy = &self.policy;
        if policy.preemption != Preemption::None {
            return Ok(());
        }
        if policy.admission == Admission::Reserve && policy.prediction.is_exact() {
            return Ok(());
        }
        let block = self.instance.block_tokens;
        let capped = self.batch_rules().sequence_limit == SequenceLimit::Residents;
        let need = self
            .longest_request()
            .map(|peak| peak.min(memory).div_ceil(block) * block)
            .and_then(|peak| peak.checked_mul(self.sequence_cap()))
            .filter(|_| capped);
        if need.is_some_and(|need| need <= memory) {
            return Ok(());
        }
        Err(ScenarioError::at(
            "policy.preemption",
            format!("is `none` under this admission rule, and {memory} KV tokens can run out"),
            "choose admission = \"reserve\" with exact predictions, preemption = \"recompute\", \"restart\" or \"swap\", or more kv_tokens",
        ))
    }
}
