//! Laws in words: `erlang:2`, `h2:4`, `lognormal:2`, with the mean from elsewhere.

use super::problem::QueueProblem;
use crate::queueing::Law;
use crate::scenario::nearest::nearest;

/// What a law may be called, with its parameter.
pub const FORMS: &str = "exponential, constant, erlang:PHASES, h2:CV2, gamma:CV2, lognormal:CV2, weibull:SHAPE, pareto:SHAPE, uniform:LOW,HIGH";

const NAMES: [&str; 10] =
    ["exponential", "constant", "erlang", "h2", "gamma", "lognormal", "weibull", "pareto", "uniform", "deterministic"];

/// Whether the words fix the mean.
pub fn has_its_own_mean(text: &str) -> bool {
    text.trim().starts_with("uniform")
}

/// The law that `text` names, with mean `mean_s` unless it has one of its own.
///
/// # Errors
/// Says which parameter of the model is wrong, and how laws are written.
pub fn parse(key: &str, text: &str, mean_s: f64) -> Result<Law, QueueProblem> {
    let (name, rest) = text.trim().split_once(':').unwrap_or((text.trim(), ""));
    let wrong = |remedy: String| QueueProblem::at(key, format!("is `{}`", text.trim()), remedy);
    let number = || match rest.trim().parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(wrong(format!("write one of {FORMS}"))),
    };
    let plain = || if rest.is_empty() { Ok(()) } else { Err(wrong(format!("`{name}` has no parameter"))) };
    let law = match name {
        "exponential" | "m" | "M" => plain().map(|()| Law::exponential(mean_s))?,
        "constant" | "deterministic" | "d" | "D" => plain().map(|()| Law::constant(mean_s))?,
        "erlang" => {
            let phases = number()?;
            if !(phases.fract() == 0.0 && (1.0..=1e6).contains(&phases)) {
                return Err(wrong("give a whole number of phases, such as `erlang:2`".to_owned()));
            }
            Law::erlang(mean_s, phases as u32)
        }
        "h2" => Law::hyperexponential_balanced(mean_s, number()?),
        "gamma" => Law::gamma(mean_s, number()?),
        "lognormal" => Law::lognormal(mean_s, number()?),
        "weibull" => Law::weibull(mean_s, number()?),
        "pareto" => Law::pareto(mean_s, number()?),
        "uniform" => {
            let ends: Vec<f64> = rest.split(',').filter_map(|end| end.trim().parse().ok()).collect();
            let [low, high] = ends[..] else {
                return Err(wrong("give both ends in seconds, such as `uniform:0.5,1.5`".to_owned()));
            };
            Law::uniform(low, high)
        }
        _ => {
            let remedy = nearest(name, NAMES)
                .map_or(format!("write one of {FORMS}"), |near| format!("did you mean `{near}`? Laws are {FORMS}"));
            return Err(wrong(remedy));
        }
    };
    law.map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_laws_of_their_mean_and_variation() {
        for (text, squared_cv) in
            [("exponential", 1.0), ("constant", 0.0), ("erlang:4", 0.25), ("h2:4", 4.0), ("lognormal:2", 2.0)]
        {
            let law = parse("service", text, 2.0).unwrap();
            assert!((law.mean_s() - 2.0).abs() < 1e-12 && (law.squared_cv() - squared_cv).abs() < 1e-12, "{text}");
        }
        assert!((parse("service", "uniform:0,2", 7.0).unwrap().mean_s() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_no_law_says_how_to_write_one() {
        for (text, told) in [
            ("erlnag:2", "did you mean `erlang`"),
            ("erlang:0", "whole number of phases"),
            ("erlang", "write one of"),
            ("constant:2", "has no parameter"),
            ("h2:0.5", "above 1"),
            ("uniform:3", "both ends"),
            ("nonsense", "write one of"),
        ] {
            let error = parse("service", text, 1.0).unwrap_err().to_string();
            assert!(error.starts_with(&format!("service: is `{text}`; ")) && error.contains(told), "{error}");
        }
    }
}
