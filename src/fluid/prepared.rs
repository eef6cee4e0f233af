//! A scenario prepared once for many arrival rates: its tables, limits and λ* do not depend on the rate.

use super::load::Load;
use super::{Limits, answer, attention, limits};
use crate::answer::{Boundary, FluidSolution};
use crate::scenario::Scenario;

/// How finely the state below λ* is solved; λ* is the same in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tier {
    /// Coarse lattices, for sweeps: means within one per cent of `Sharp`, percentiles within ten.
    Fast,
    /// Lattices on which a finer one changes no figure by more than its law's own error.
    #[default]
    Sharp,
}

/// A validated scenario with everything that does not depend on its rate.
pub struct Prepared<'a> {
    scenario: &'a Scenario,
    /// One instance with its limits; none for a cluster.
    one: Option<(Load<'a>, Limits)>,
    boundary: Boundary,
}

impl<'a> Prepared<'a> {
    /// Prepares a validated scenario that theory covers (`scope::refusal`).
    ///
    /// ```
    /// use fluidsim::fluid::{Prepared, Tier};
    /// use fluidsim::scenario;
    ///
    /// let scenario = scenario::open(Some("chat-70b-4xa100"), &[], None)?;
    /// let mut prepared = Prepared::new(&scenario, Tier::Fast);
    /// let waits: Vec<f64> = (1..30)
    ///     .filter_map(|step| prepared.at(0.1 * f64::from(step)).summary.ttft_s.map(|ttft| ttft.mean.value))
    ///     .collect();
    /// assert!(waits.windows(2).all(|pair| pair[0] < pair[1]));
    /// # Ok::<(), scenario::ScenarioError>(())
    /// ```
    pub fn new(scenario: &'a Scenario, tier: Tier) -> Self {
        if scenario.cluster.is_some() || attention::costs(scenario) {
            return Self { scenario, one: None, boundary: super::boundary(scenario) };
        }
        let mut load = Load::of(scenario);
        load.tier = tier;
        let limits = limits(&load);
        let boundary = limits.2;
        Self { scenario, one: Some((load, limits)), boundary }
    }

    /// λ* and what binds.
    pub fn boundary(&self) -> &Boundary {
        &self.boundary
    }

    /// The answer at `rate_per_s` > 0 arrivals per second in place of the scenario's own rate. A cluster, and attention that costs
    /// per pair, are solved anew.
    pub fn at(&mut self, rate_per_s: f64) -> FluidSolution {
        let Some((load, limits)) = &mut self.one else {
            let mut scenario = self.scenario.clone();
            scenario.workload.rate_per_s = Some(rate_per_s);
            return super::solve(&scenario);
        };
        load.served_per_s = rate_per_s * (1.0 - load.moments.rejected);
        answer(load, limits, rate_per_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluid::solve;
    use crate::fluid::testing::{chat, constant, scenario, uniform, with_context};
    use approx::assert_relative_eq;

    /// A prepared scenario answers as `solve` does at each rate, and its fast tier nearly so.
    #[test]
    fn many_rates_are_one_preparation() {
        let mut budget = scenario(1.0, constant(900), uniform(50, 150), with_context(0.02, 1e-4, 1e-8), 1024);
        budget.instance.max_batch_tokens = Some(512);
        for question in [chat(1.0), budget] {
            let mut sharp = Prepared::new(&question, Tier::Sharp);
            let mut fast = Prepared::new(&question, Tier::Fast);
            let star = sharp.boundary().low_per_s;
            for load in [0.3, 0.6, 0.9] {
                let mut own = question.clone();
                own.workload.rate_per_s = Some(load * star);
                let (alone, prepared) = (solve(&own), sharp.at(load * star));
                assert_eq!(alone, prepared);
                let quick = fast.at(load * star).summary;
                let figures = |summary: &crate::answer::Summary| {
                    [summary.ttft_s, summary.tbt_s, summary.e2e_s].map(|latency| latency.unwrap())
                };
                for (a, b) in figures(&quick).iter().zip(figures(&alone.summary)) {
                    assert_relative_eq!(a.mean.value, b.mean.value, max_relative = 0.01);
                    assert_relative_eq!(a.p95.value, b.p95.value, max_relative = 0.1);
                }
            }
        }
    }
}
