//! A class of customers in words: `rate=0.3 mean=0.5 law=exponential`.

use super::catalogue::Kind;
use super::law;
use super::parameters::number_of;
use super::problem::QueueProblem;
use crate::queueing::Law;

/// Customers of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Class {
    /// Arrivals per second.
    pub arrivals_per_s: f64,
    /// Their service.
    pub service: Law,
}

impl Class {
    /// Reads `rate=λ mean=E[S] law=LAW`; `mu` in place of `mean`, law exponential unless it is named.
    pub(super) fn parse(text: &str) -> Result<Self, QueueProblem> {
        let wrong = |problem: String| {
            QueueProblem::at("class", problem, "write a class as `rate=0.3 mean=0.5 law=exponential`")
        };
        let (mut rate, mut mean, mut name) = (None, None, "exponential");
        for pair in text.split_whitespace() {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(wrong(format!("holds `{pair}`, which has no `=`")));
            };
            match key {
                "rate" | "lambda" => rate = Some(number_of("class", value, Kind::Positive)?),
                "mean" => mean = Some(number_of("class", value, Kind::Positive)?),
                "mu" => mean = Some(1.0 / number_of("class", value, Kind::Positive)?),
                "law" | "service" => name = value,
                _ => return Err(wrong(format!("holds `{key}`, which no class has"))),
            }
        }
        let Some(arrivals_per_s) = rate else { return Err(wrong(format!("`{text}` has no `rate`"))) };
        let service = match mean {
            None if !law::has_its_own_mean(name) => return Err(wrong(format!("`{text}` has no `mean`"))),
            _ => law::parse("class", name, mean.unwrap_or(1.0))?,
        };
        Ok(Self { arrivals_per_s, service })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_read() {
        let class = Class::parse("rate=0.3 mean=0.5 law=erlang:2").unwrap();
        assert_eq!(class, Class { arrivals_per_s: 0.3, service: Law::erlang(0.5, 2).unwrap() });
        assert_eq!(Class::parse("rate=1 mu=4").unwrap().service, Law::exponential(0.25).unwrap());
        for (text, told) in [
            ("rate=1", "no `mean`"),
            ("mean=1", "no `rate`"),
            ("rate=1 mean=-1", "`-1`"),
            ("rate=1 mean=1 colour=red", "`colour`"),
            ("fast", "no `=`"),
        ] {
            let error = Class::parse(text).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
