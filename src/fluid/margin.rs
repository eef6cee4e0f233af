//! How much KV memory is enough: the law of the demand for it when there is no limit, and the least M for a given risk.
//!
//! Demand follows a gamma law with the fluid's mean and the variance of the linear noise (`noise`), which is right in the tail where
//! a normal law is too light. Preemptions come from the solution at each M.

use statrs::distribution::{ContinuousCDF, Gamma};

use super::noise::{self, Equilibrium};
use super::{root, solve};
use crate::answer::Verdict;
use crate::scenario::{Admission, Preemption, Scenario, ScenarioError};

/// The law of the KV tokens held if memory had no limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub sd: f64,
    law: Gamma,
}

impl Demand {
    /// P(KV > M): share of the time that demand exceeds `tokens`.
    pub fn exceeds(&self, tokens: f64) -> f64 {
        self.law.sf(tokens)
    }

    /// The tokens that demand stays below for a share `p` of the time.
    pub fn quantile(&self, p: f64) -> f64 {
        let top = self.mean + 60.0 * self.sd;
        root::narrow(|x| self.law.cdf(x) - p, 0.0, top, 1e-10).map_or(top, |bracket| bracket.middle())
    }
}

/// How much memory a risk asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Margin {
    /// The risk.
    pub probability: f64,
    /// Demand without a limit.
    pub demand: Demand,
    /// M of the scenario.
    pub memory: Option<f64>,
    /// Least whole blocks that demand exceeds no more than a share `probability` of the time.
    pub by_demand: f64,
    /// Least whole blocks with no more than `probability` preemptions per request; none without preemption.
    pub by_preemptions: Option<f64>,
    /// The noise at equilibrium, without a limit on memory.
    pub noise: Equilibrium,
}

/// The demand of a scenario, and the noise that it comes from.
///
/// # Errors
/// λ is above λ* even without a limit on memory, or the noise of its rules is not known.
pub fn demand(scenario: &Scenario) -> Result<(Demand, Equilibrium), ScenarioError> {
    let mut free = scenario.clone();
    free.instance.kv_tokens = None;
    free.policy.preemption = Preemption::None;
    free.policy.swap_s_per_token = None;
    free.policy.admission = Admission::Greedy;
    let solution = solve(&free);
    if solution.verdict != Verdict::Stable {
        return Err(ScenarioError::at(
            "workload.rate_per_s",
            format!(
                "is `{}`, not below λ* = {:.6} without a limit on memory",
                solution.lambda_per_s, solution.boundary.low_per_s
            ),
            "give a smaller rate: no memory is enough for this one",
        ));
    }
    let unknown = || {
        ScenarioError::at(
            "policy.engine",
            "forms iterations in a way whose noise is not known",
            "use `vllm-v1` on one instance, or `fluidsim simulate` with kv_tokens large",
        )
    };
    let found = noise::equilibrium(&free).ok_or_else(unknown)?;
    let mean = solution.summary.kv_tokens.map_or(found.kv_tokens, |figure| figure.value);
    let sd = found.noise.kv_sd;
    let law = Gamma::new((mean / sd).powi(2), mean / (sd * sd)).map_err(|_| unknown())?;
    Ok((Demand { mean, sd, law }, found))
}

/// The memory that a risk of `probability` asks for.
///
/// # Errors
/// As for [`demand`].
pub fn of(scenario: &Scenario, probability: f64) -> Result<Margin, ScenarioError> {
    let (demand, noise) = demand(scenario)?;
    let block = scenario.instance.block_tokens as f64;
    let by_demand = (demand.quantile(1.0 - probability) / block).ceil() * block;
    Ok(Margin {
        probability,
        memory: scenario.instance.kv_tokens.map(|tokens| tokens as f64),
        by_demand,
        by_preemptions: by_preemptions(scenario, &demand, probability),
        demand,
        noise,
    })
}

/// Bisects over whole blocks: preemptions per request fall with M.
fn by_preemptions(scenario: &Scenario, demand: &Demand, probability: f64) -> Option<f64> {
    if scenario.policy.preemption == Preemption::None || scenario.policy.admission != Admission::Greedy {
        return None;
    }
    let block = scenario.instance.block_tokens;
    let enough = |blocks: u64| {
        let mut other = scenario.clone();
        other.instance.kv_tokens = Some(blocks * block);
        let solution = solve(&other);
        let preemptions = solution.summary.preemptions_per_request.map_or(f64::INFINITY, |figure| figure.value);
        solution.verdict == Verdict::Stable && preemptions <= probability
    };
    let blocks = |tokens: f64| (tokens / block as f64).ceil().max(1.0) as u64;
    let (mut low, mut high) = (blocks(0.5 * demand.mean), blocks(demand.quantile(1.0 - 1e-9)));
    while !enough(high) {
        (low, high) = (high, 2 * high);
        if high > blocks(1e3 * demand.mean) {
            return None;
        }
    }
    while high - low > 1.max(high / 10_000) {
        let middle = low + (high - low) / 2;
        if enough(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some((high * block) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluid::testing::{affine, constant, geometric, scenario, with_memory};
    use approx::assert_relative_eq;

    fn question(memory: u64) -> Scenario {
        with_memory(scenario(0.5, constant(100), geometric(100.0), affine(1.0, 0.002), 100_000), memory, None)
    }

    /// The tail of a gamma law at two sd, as the memory law's notes give it: .0284 at shape 80, .0344 at shape 16.
    #[test]
    fn the_tail_of_a_gamma_law() {
        for (shape, tail) in [(80.0_f64, 0.0284), (16.0, 0.0344)] {
            let sd = 100.0 / shape.sqrt();
            let law = Demand { mean: 100.0, sd, law: Gamma::new(shape, shape / 100.0).unwrap() };
            assert_relative_eq!(law.exceeds(100.0 + 2.0 * sd), tail, max_relative = 5e-3);
            assert_relative_eq!(law.exceeds(law.quantile(0.99)), 0.01, max_relative = 1e-6);
        }
    }

    #[test]
    fn the_margin_keeps_its_risk() {
        let margin = of(&question(30_000), 0.01).unwrap();
        assert!(margin.demand.exceeds(margin.by_demand) <= 0.01);
        assert!(margin.demand.exceeds(margin.by_demand - 1.0) > 0.01);
        let memory = margin.by_preemptions.unwrap();
        let at = |tokens: f64| solve(&question(tokens as u64)).summary.preemptions_per_request.unwrap().value;
        assert!(at(memory) <= 0.01 && at(0.995 * memory) > 0.01);
        // A smaller risk asks for more.
        let careful = of(&question(30_000), 0.001).unwrap();
        assert!(careful.by_demand > margin.by_demand && careful.by_preemptions.unwrap() > memory);
    }

    #[test]
    fn no_memory_is_enough_above_the_boundary() {
        let mut overload = question(30_000);
        overload.workload.rate_per_s = Some(5.0);
        let error = of(&overload, 0.01).unwrap_err().to_string();
        assert!(error.contains("no memory is enough"), "{error}");
    }
}
