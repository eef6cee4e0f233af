//! What a model says: quantities with their units and how each was found.

/// How a quantity was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// A closed form.
    Exact,
    /// The model as stated, solved by numbers: a transform inverted, a chain or a matrix equation solved.
    Numerical,
    /// A formula that is not exact for this model.
    Approximation,
    /// A bound.
    Bound,
}

impl Method {
    /// Its name in every format.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Numerical => "numerical",
            Self::Approximation => "approximation",
            Self::Bound => "bound",
        }
    }

    /// Whether a simulation must agree with it.
    pub fn is_exact(self) -> bool {
        matches!(self, Self::Exact | Self::Numerical)
    }
}

/// One quantity of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantity {
    /// Its stable name, such as `Lq` or `p95_wait`; `_1`, `_2`, … behind it tell classes and nodes apart.
    pub key: String,
    /// Its symbol, such as `Lq`.
    pub symbol: String,
    /// What it is, in words.
    pub what: String,
    /// Its unit; empty for none.
    pub unit: &'static str,
    /// The value; infinite where it is (the mean wait under a law without second moment), never NaN.
    pub value: f64,
    /// How it was found.
    pub method: Method,
}

/// What a model says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// The quantities, the most telling first.
    pub quantities: Vec<Quantity>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// Key, symbol, meaning, unit of the quantities that many models share.
#[rustfmt::skip]
const SHARED: &[(&str, &str, &str, &str)] = &[
    ("utilization", "ρ", "utilisation", ""),
    ("L", "L", "in system", ""),
    ("Lq", "Lq", "waiting", ""),
    ("W", "W", "time in system", "s"),
    ("Wq", "Wq", "wait", "s"),
    ("p_wait", "P(wait)", "must wait", ""),
    ("p_block", "P(block)", "turned away", ""),
    ("p_abandon", "P(abandon)", "give up", ""),
    ("load", "ρ", "load", ""),
    ("p_idle", "P(idle)", "server idle", ""),
    ("mean_batch", "E[B]", "customers in a batch", ""),
    ("second_moment_batch", "E[B²]", "their second moment", ""),
    ("p_empty", "P(empty)", "empty", ""),
    ("slowdown", "E[W/S]", "slowdown", ""),
    ("throughput", "X", "throughput", "/s"),
];

impl Answer {
    /// The value of the quantity with this key.
    pub fn value(&self, key: &str) -> Option<f64> {
        self.quantities.iter().find(|quantity| quantity.key == key).map(|quantity| quantity.value)
    }

    /// With a shared quantity, named by its key.
    #[must_use]
    pub(super) fn with(self, key: &str, value: f64, method: Method) -> Self {
        let (symbol, what, unit) = described(key);
        self.named(key, &symbol, &what, unit, value, method)
    }

    /// With a shared quantity in closed form.
    #[must_use]
    pub(super) fn exact(self, key: &str, value: f64) -> Self {
        self.with(key, value, Method::Exact)
    }

    /// With several shared quantities of one method.
    #[must_use]
    pub(super) fn all(self, method: Method, values: &[(&str, f64)]) -> Self {
        values.iter().fold(self, |answer, &(key, value)| answer.with(key, value, method))
    }

    /// With a quantity of this model's own.
    #[must_use]
    pub(super) fn named(
        mut self,
        key: &str,
        symbol: &str,
        what: &str,
        unit: &'static str,
        value: f64,
        method: Method,
    ) -> Self {
        let (key, symbol, what) = (key.to_owned(), symbol.to_owned(), what.to_owned());
        self.quantities.push(Quantity { key, symbol, what, unit, value, method });
        self
    }

    /// With a word for the reader.
    #[must_use]
    pub(super) fn note(mut self, words: impl Into<String>) -> Self {
        self.notes.push(words.into());
        self
    }
}

/// The key of the `p` quantile of `what`, such as `p95_wait`.
pub fn quantile_key(p: f64, what: &str) -> String {
    // Twelve digits hide what the product with 100 leaves in binary.
    let percent: f64 = format!("{:.12e}", 100.0 * p).parse().unwrap_or(100.0 * p);
    format!("p{percent}_{what}")
}

/// Symbol, meaning and unit behind a key: shared, with a number behind it, or a quantile.
fn described(key: &str) -> (String, String, &'static str) {
    if let Some((_, symbol, what, unit)) = SHARED.iter().find(|shared| shared.0 == key) {
        return ((*symbol).to_owned(), (*what).to_owned(), unit);
    }
    if let Some((head, tail)) = key.split_once('_')
        && let Some(percent) = head.strip_prefix('p').filter(|rest| rest.parse::<f64>().is_ok())
    {
        let what = tail.replace("sojourn", "time in system").replace('_', " ");
        return (key.to_owned(), format!("p{percent} of {what}"), "s");
    }
    match key.rsplit_once('_') {
        Some((head, number)) => {
            let (symbol, what, unit) = described(head);
            (format!("{symbol}_{number}"), format!("{what}, {number}"), unit)
        }
        None => (key.to_owned(), key.to_owned(), ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_what_they_are() {
        assert_eq!(quantile_key(0.95, "wait"), "p95_wait");
        assert_eq!(quantile_key(0.999, "sojourn"), "p99.9_sojourn");
        assert_eq!(described("p99.9_sojourn").1, "p99.9 of time in system");
        assert_eq!(described("p95_wait_2"), ("p95_wait_2".to_owned(), "p95 of wait 2".to_owned(), "s"));
        assert_eq!(described("W_2"), ("W_2".to_owned(), "time in system, 2".to_owned(), "s"));
        assert_eq!(described("p_wait_1").0, "P(wait)_1");
    }
}
