//! Where the scenario of a point comes from.

use super::LOAD;
use super::axis::overrides;
use super::design::Point;
use crate::fluid::{self, scope};
use crate::scenario::overrides::{Override, RATE_ALIAS};
use crate::scenario::{Scenario, ScenarioError, TraceMode, load};
use crate::stats::stream::fnv1a;

/// What the points change: a scenario, or the file that it is read from when hardware is swept, which is put in as a file is read.
#[derive(Debug, Clone)]
pub enum Source {
    /// A scenario.
    Built(Box<Scenario>),
    /// What is opened anew for every point.
    Opened {
        /// A preset or file; the default preset without one.
        name: Option<String>,
        /// What is put over it.
        changes: Vec<Override>,
        /// A trace in place of its traffic.
        trace: Option<(String, TraceMode)>,
    },
}

impl Source {
    /// A scenario.
    pub fn of(scenario: Scenario) -> Self {
        Self::Built(Box::new(scenario))
    }

    /// The scenario that the points change, as TOML, with what the files that it names come to; of what is opened anew, that of `first`.
    ///
    /// # Errors
    /// As [`Source::at`].
    pub fn fingerprint(&self, first: &Point) -> Result<String, ScenarioError> {
        let scenario = match self {
            Self::Built(scenario) => (**scenario).clone(),
            Self::Opened { .. } => self.at("sweep", first)?,
        };
        let mut text = scenario.to_toml();
        if let Some(source) = &scenario.workload.trace {
            let requests = &source.requests;
            let hash = fnv1a(&format!("{requests:?}"));
            text.push_str(&format!("# The trace has {} requests; hash {hash:016x}.\n", requests.len()));
        }
        Ok(text)
    }

    /// The scenario of a point; messages call what it sets `option`.
    ///
    /// # Errors
    /// An unknown key, or values that the scenario refuses.
    pub fn at(&self, option: &str, point: &Point) -> Result<Scenario, ScenarioError> {
        let (scenario, share) = self.before_load(option, point)?;
        match share {
            Some(share) => {
                let star = fluid::boundary(&scenario).low_per_s;
                at_load(&scenario, share, star).map_err(|error| error.in_file(&called(option, point)))
            }
            None => Ok(scenario),
        }
    }

    /// The scenario of a point before its `load` is put in, which takes λ\*, and that load.
    ///
    /// # Errors
    /// As [`Source::at`].
    pub(super) fn before_load(&self, option: &str, point: &Point) -> Result<(Scenario, Option<f64>), ScenarioError> {
        let own = overrides(option, &point.sets)?;
        let scenario = match self {
            Self::Built(scenario) => scenario.with_all(&own),
            Self::Opened { name, changes, trace } => {
                let all = [&changes[..], &own[..]].concat();
                load::open(name.as_deref(), &all, trace.as_ref().map(|(file, mode)| (file.as_str(), *mode)))
            }
        };
        // A rule that forbids what another key says has no single origin: name the point.
        let named = |error: ScenarioError| {
            if error.origin.is_empty() { error.in_file(&called(option, point)) } else { error }
        };
        let scenario = scenario.map_err(named)?;
        let share = share_of(&scenario, point).map_err(|error| error.in_file(&called(option, point)))?;
        Ok((scenario, share))
    }
}

/// What messages call a point.
pub(super) fn called(option: &str, point: &Point) -> String {
    let parts: Vec<String> = point.sets.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{option} {}", parts.join(" "))
}

/// The share of λ\* that a point asks for.
fn share_of(scenario: &Scenario, point: &Point) -> Result<Option<f64>, ScenarioError> {
    let Some((_, share)) = point.sets.iter().find(|(key, _)| key == LOAD) else { return Ok(None) };
    let share = share.parse::<f64>().ok().filter(|share| share.is_finite() && *share > 0.0);
    let share =
        share.ok_or_else(|| ScenarioError::at(LOAD, "is no share of λ*", "give a number above 0, such as 0.8"))?;
    match scope::refusal(scenario) {
        Some(error) => Err(error),
        None => Ok(Some(share)),
    }
}

/// The scenario at a share of its λ\*, `star_per_s`.
pub(super) fn at_load(scenario: &Scenario, share: f64, star_per_s: f64) -> Result<Scenario, ScenarioError> {
    let now = scenario.workload.rate();
    let given = scenario.workload.rate_per_s.unwrap_or(now);
    scenario.with(RATE_ALIAS, given / now * share * star_per_s)
}
