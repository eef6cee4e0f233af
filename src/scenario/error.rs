//! What is wrong with an input, where it stands, and what to do about it.

use std::fmt;

/// One problem in a scenario or a trace. Prints as
/// `FILE: KEY: PROBLEM; REMEDY`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ScenarioError {
    /// The file, preset or command-line flag the value came from; empty when the scenario was built in code.
    pub origin: String,
    /// The key inside it, such as `workload.class[0].prompt.mean` or `line 7`.
    pub key: String,
    /// What is wrong, with the offending value.
    pub problem: String,
    /// What to do instead.
    pub remedy: String,
}

impl ScenarioError {
    /// An error at `key`, with no origin yet: the loader adds it.
    pub fn at(key: &str, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { origin: String::new(), key: key.to_owned(), problem: problem.into(), remedy: remedy.into() }
    }

    /// The same error, said to come from `origin`.
    #[must_use]
    pub fn in_file(mut self, origin: &str) -> Self {
        origin.clone_into(&mut self.origin);
        self
    }

    /// The same error with `prefix.` before its key.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.key = if self.key.is_empty() { prefix.to_owned() } else { format!("{prefix}.{}", self.key) };
        self
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.origin, &self.key] {
            if !part.is_empty() {
                write!(f, "{part}: ")?;
            }
        }
        f.write_str(&self.problem)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

/// Checks that `value` is a finite number above zero.
///
/// # Errors
/// Names the key and the value when it is not.
pub fn require_positive(key: &str, value: f64) -> Result<(), ScenarioError> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(ScenarioError::at(key, format!("must be positive and finite, got `{value}`"), "give a number above 0"))
}

/// Checks that `value` is a finite number, zero or more.
///
/// # Errors
/// Names the key and the value when it is not.
pub fn require_non_negative(key: &str, value: f64) -> Result<(), ScenarioError> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(ScenarioError::at(key, format!("must be finite and not negative, got `{value}`"), "give 0 or more"))
}

/// Checks that `value` is not above `largest`.
///
/// # Errors
/// Names the key and the value when it is.
pub fn require_at_most(key: &str, value: f64, largest: f64) -> Result<(), ScenarioError> {
    if value <= largest {
        return Ok(());
    }
    Err(ScenarioError::at(key, format!("is `{value:?}`"), format!("keep it at most {largest}")))
}

/// Checks that a whole number is at least one.
///
/// # Errors
/// Names the key and the value when it is not.
pub fn require_at_least_one(key: &str, value: u64) -> Result<(), ScenarioError> {
    if value >= 1 {
        return Ok(());
    }
    Err(ScenarioError::at(key, format!("must be at least 1, got `{value}`"), "give a whole number from 1"))
}
