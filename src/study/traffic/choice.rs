//! Which laws are good enough, and the traffic of a scenario made of them.

use super::arrival_fit::{ArrivalFit, ArrivalFits, fit_arrivals, predicted_index};
use super::counts::Dispersion;
use super::length_fit::{LengthFit, fit_lengths};
use super::summary::Summary;
use crate::scenario::{ArrivalLaw, Class, LengthLaw, Scenario, ScenarioError, TraceMode};

/// p value below which a law is refused.
pub const LEVEL: f64 = 0.05;
/// Longest time scale on which laws of arrivals are judged, seconds.
const LONGEST_S: f64 = 300.0;

/// All that was fitted to a trace.
#[derive(Debug, Clone, PartialEq)]
pub struct TrafficFit {
    /// The trace in figures.
    pub summary: Summary,
    /// Laws of the prompts, best first; none when all are the same.
    pub prompt: Vec<LengthFit>,
    /// Laws of the outputs.
    pub output: Vec<LengthFit>,
    /// Laws of the arrivals; none without times.
    pub arrivals: Option<ArrivalFits>,
}

/// How lengths are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LengthChoice {
    /// Laws where they are good enough and prompts and outputs independent, pairs otherwise.
    Auto,
    /// Pairs of the trace with replacement.
    Pairs,
    /// The best laws, however good.
    Laws,
}

impl TrafficFit {
    /// Fits everything to what a trace says.
    pub fn of(summary: Summary, seed: u64) -> Self {
        let arrivals = fit_arrivals(&summary.gaps_s, &summary.dispersion);
        let (prompt, output) = (fit_lengths(&summary.prompt, seed), fit_lengths(&summary.output, seed));
        Self { summary, prompt, output, arrivals }
    }

    /// The law of arrivals to use: the best by Schwarz's criterion of those that hold the dispersion, or of all when none does.
    pub fn best_arrivals(&self) -> Option<&ArrivalFit> {
        let fits = &self.arrivals.as_ref()?.fits;
        fits.iter().find(|fit| self.holds(fit)).or(fits.first())
    }

    /// The longest time scale up to [`LONGEST_S`] on which the dispersion of the trace is known.
    pub fn longest_scale(&self) -> Option<&Dispersion> {
        self.summary.dispersion.iter().rfind(|found| found.window_s <= LONGEST_S)
    }

    /// Whether a law's index of dispersion lies within the interval of the trace's on the longest time scale.
    pub fn holds(&self, fit: &ArrivalFit) -> bool {
        self.longest_scale()
            .is_none_or(|found| (found.interval.0..=found.interval.1).contains(&predicted_index(fit, found.window_s)))
    }

    /// Whether independent laws can stand for the pairs of lengths.
    pub fn laws_hold(&self) -> bool {
        let holds = |fits: &[LengthFit]| fits.first().is_none_or(|best| best.p.passes(LEVEL));
        holds(&self.prompt) && holds(&self.output) && self.independent()
    }

    /// Whether the ranks of prompts and outputs are not seen to depend.
    pub fn independent(&self) -> bool {
        self.summary.dependence.is_none_or(|found| found.spearman_p >= LEVEL && found.kendall_p >= LEVEL)
    }

    /// `base` with the traffic of the fit: the best law of arrivals, and lengths as chosen; pairs are those of `file`.
    ///
    /// # Errors
    /// No times to fit arrivals to, or a file that cannot be read again.
    pub fn scenario(&self, base: &Scenario, file: &str, lengths: LengthChoice) -> Result<Scenario, ScenarioError> {
        let mut scenario = base.clone();
        let Some(best) = self.best_arrivals() else {
            let remedy = "give a trace that says when requests arrive";
            return Err(ScenarioError::at("", "has too few times between arrivals for a law", remedy).in_file(file));
        };
        let laws = match lengths {
            LengthChoice::Auto => self.laws_hold(),
            LengthChoice::Pairs => false,
            LengthChoice::Laws => true,
        };
        scenario.workload.rate_shape = crate::scenario::RateShape::default();
        if laws {
            let law = |fits: &[LengthFit], longest: u64| {
                fits.first().map_or(LengthLaw::Constant { tokens: longest }, |best| best.law.clone())
            };
            let (prompt, output) = (&self.summary.prompt, &self.summary.output);
            scenario.workload.trace = None;
            scenario.workload.class =
                vec![Class::new("fitted", law(&self.prompt, prompt.longest()), law(&self.output, output.longest()))];
        } else {
            scenario.set_trace(file, TraceMode::Resample)?;
        }
        scenario.workload.rate_per_s = Some(rounded(self.summary.rate_per_s));
        scenario.workload.arrivals = rounded_law(&best.law);
        scenario.validate()?;
        Ok(scenario)
    }
}

/// Six significant digits: more than any estimate has.
fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

fn rounded_law(law: &ArrivalLaw) -> ArrivalLaw {
    let mut law = law.clone();
    match &mut law {
        ArrivalLaw::Gamma { cv: value }
        | ArrivalLaw::Weibull { shape: value }
        | ArrivalLaw::Batch { mean: value, .. } => {
            *value = rounded(*value);
        }
        ArrivalLaw::Mmpp { states } => states.iter_mut().for_each(|state| {
            state.factor = rounded(state.factor);
            state.stay_s = rounded(state.stay_s);
        }),
        ArrivalLaw::Poisson {} | ArrivalLaw::Deterministic {} => {}
    }
    law
}
