//! Phase-type laws and Markovian arrivals in words: `erlang:2`, `ph:[0.5,0.5];[[-2,1],[0,-3]]`, `mmpp2:1,1,1,3`.

use nalgebra::DMatrix;

use super::parameters::{list_of, matrix_of};
use super::plain::Source;
use super::problem::QueueProblem;
use crate::queueing::fit::two_moments;
use crate::queueing::matrix::{Map, PhaseType};

/// What a phase-type law may be called.
pub const LAWS: &str =
    "exponential, erlang:PHASES, h2:CV2, moments:CV2, or ph:START;RATES as ph:[0.5,0.5];[[-2,1],[0,-3]]";

/// What a process of arrivals may be called.
pub const ARRIVALS: &str = "poisson, a phase-type law of the times between, mmpp2:LEAVE1,LEAVE2,RATE1,RATE2, or map:D0;D1 as map:[[-2,1],[1,-4]];[[1,0],[0,3]]";

/// Whether the words fix the rate.
pub fn has_its_own_rate(text: &str) -> bool {
    ["ph:", "mmpp2:", "map:"].iter().any(|start| text.trim().starts_with(start))
}

/// The law that `text` names, with mean `mean_s` unless it has one of its own.
pub fn law(key: &str, text: &str, mean_s: f64) -> Result<PhaseType, QueueProblem> {
    let (name, rest) = text.trim().split_once(':').unwrap_or((text.trim(), ""));
    let wrong = |remedy: String| QueueProblem::at(key, format!("is `{}`", text.trim()), remedy);
    let number = || match rest.trim().parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(wrong(format!("write one of {LAWS}"))),
    };
    let found = match name {
        "exponential" if rest.is_empty() => PhaseType::exponential(mean_s),
        "erlang" => {
            let phases = number()?;
            if !(phases.fract() == 0.0 && (1.0..=1000.0).contains(&phases)) {
                return Err(wrong("give from 1 to 1000 phases, such as `erlang:2`".to_owned()));
            }
            PhaseType::erlang(mean_s, phases as u32)
        }
        "h2" => crate::queueing::fit::hyperexponential_balanced(mean_s, number()?),
        "moments" => two_moments(mean_s, number()?),
        "ph" => {
            let (start, rates) = rest.split_once(';').ok_or_else(|| wrong(format!("write one of {LAWS}")))?;
            PhaseType::new(&list_of(key, start)?, &matrix_of(key, rates)?)
        }
        _ => return Err(wrong(format!("write one of {LAWS}"))),
    };
    found.map_err(|error| wrong(error.to_string()))
}

/// The process that `text` names, with rate `rate_per_s` unless it has one of its own.
pub fn arrivals(key: &str, text: &str, rate_per_s: f64) -> Result<Map, QueueProblem> {
    let (name, rest) = text.trim().split_once(':').unwrap_or((text.trim(), ""));
    let wrong = |remedy: String| QueueProblem::at(key, format!("is `{}`", text.trim()), remedy);
    let found = match name {
        "poisson" => Map::poisson(rate_per_s),
        "mmpp2" => {
            let [leave1, leave2, rate1, rate2] = list_of(key, rest)?[..] else {
                return Err(wrong("give four rates, such as `mmpp2:1,1,1,3`".to_owned()));
            };
            Map::mmpp2([leave1, leave2], [rate1, rate2])
        }
        "map" => {
            let (silent, arriving) = rest.split_once(';').ok_or_else(|| wrong(format!("write one of {ARRIVALS}")))?;
            Map::new(&matrix_of(key, silent)?, &matrix_of(key, arriving)?)
        }
        _ => Map::renewal(&law(key, text, 1.0 / rate_per_s)?),
    };
    found.map_err(|error| wrong(error.to_string()))
}

/// Times from the process, for a simulation.
pub fn arrival_source(map: &Map) -> Source {
    Source::Phases { quiet: rows(map.silent()), marked: rows(map.arriving()) }
}

/// Times from the law, one after another.
pub fn law_source(law: &PhaseType) -> Source {
    Source::Phases { quiet: rows(law.rates()), marked: rows(&(law.exit() * law.start().transpose())) }
}

fn rows(matrix: &DMatrix<f64>) -> Vec<Vec<f64>> {
    matrix.row_iter().map(|row| row.iter().copied().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_laws_and_processes() {
        for (text, squared_cv) in [("exponential", 1.0), ("erlang:2", 0.5), ("h2:4", 4.0), ("moments:0.3", 0.3)] {
            let law = law("service", text, 2.0).unwrap();
            assert!((law.mean_s() - 2.0).abs() < 1e-12 && (law.squared_cv() - squared_cv).abs() < 1e-10, "{text}");
        }
        assert!((law("service", "ph:[1,0];[[-2,2],[0,-2]]", 9.0).unwrap().mean_s() - 1.0).abs() < 1e-12);
        let rate = |text| arrivals("arrivals", text, 0.8).unwrap().rate_per_s();
        assert!((rate("poisson") - 0.8).abs() < 1e-12 && (rate("h2:4") - 0.8).abs() < 1e-12);
        assert!((rate("mmpp2:1,1,1,3") - 2.0).abs() < 1e-12);
        assert!((rate("map:[[-2,1],[1,-4]];[[1,0],[0,3]]") - 2.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_neither_says_how_to_write_it() {
        for text in ["erlang", "ph:[1,0]", "lognormal:2", "ph:[0.5,0.2];[[-1,0],[0,-1]]", "ph:[1];[[1]]"] {
            let error = law("service", text, 1.0).unwrap_err().to_string();
            assert!(error.starts_with(&format!("service: is `{text}`; ")), "{error}");
        }
        for text in ["mmpp2:1,2", "map:[[-1]]", "map:[[-1]];[[2]]"] {
            let error = arrivals("arrivals", text, 1.0).unwrap_err().to_string();
            assert!(error.starts_with(&format!("arrivals: is `{text}`; ")), "{error}");
        }
    }
}
