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
            let requests = &source.requests.requests;
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
        match point.sets.iter().find(|(key, _)| key == LOAD) {
            Some((_, share)) => at_load(&scenario, share).map_err(|error| error.in_file(&called(option, point))),
            None => Ok(scenario),
        }
    }
}

/// What messages call a point.
pub(super) fn called(option: &str, point: &Point) -> String {
    let parts: Vec<String> = point.sets.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{option} {}", parts.join(" "))
}

/// The scenario at that share of its own λ*.
fn at_load(scenario: &Scenario, share: &str) -> Result<Scenario, ScenarioError> {
    let share = share.parse::<f64>().ok().filter(|share| share.is_finite() && *share > 0.0);
    let share =
        share.ok_or_else(|| ScenarioError::at(LOAD, "is no share of λ*", "give a number above 0, such as 0.8"))?;
    if let Some(error) = scope::refusal(scenario) {
        return Err(error);
    }
    let now = scenario.workload.rate();
    let given = scenario.workload.rate_per_s.unwrap_or(now);
    scenario.with(RATE_ALIAS, given / now * share * fluid::boundary(scenario).low_per_s)
}
