//! Laws of traffic in words: `lognormal:1155,1.2`, `mmpp:2,10,30,5`, `0.8*uniform:10,60 + 0.2*constant:200`.
//!
//! A law is a name and, after a colon, its numbers with commas between them; the remedy of every error shows the form.

use crate::scenario::error::ScenarioError;
use crate::scenario::nearest::nearest;
use crate::scenario::{ArrivalLaw, ArrivalState, BatchSizes, Class, LengthLaw, MixturePart, RateShape, RateStep};

/// Longest length of a law of lengths that names none.
pub const LONGEST: u64 = 131_072;

/// How laws of lengths are written.
pub const LENGTH_FORMS: [&str; 11] = [
    "constant:TOKENS",
    "uniform:MIN,MAX",
    "geometric:MEAN",
    "exponential:MEAN[,MAX]",
    "lognormal:MEAN,CV[,MAX]",
    "gamma:MEAN,CV[,MAX]",
    "weibull:MEAN,SHAPE[,MAX]",
    "pareto:SCALE,SHAPE[,MAX]",
    "lomax:SCALE,SHAPE[,MAX]",
    "zipf:EXPONENT[,MAX]",
    "WEIGHT*LAW + WEIGHT*LAW",
];

/// How laws of arrivals are written.
pub const ARRIVAL_FORMS: [&str; 7] = [
    "poisson",
    "deterministic",
    "gamma:CV",
    "weibull:SHAPE",
    "mmpp:RATE,RATE,…,STAY_S,STAY_S,…",
    "batch:MEAN",
    "batch:SIZE,constant",
];

/// How shapes of the rate are written.
pub const RATE_FORMS: [&str; 5] = [
    "constant",
    "sine:AMPLITUDE,PERIOD_S[,PEAK_S]",
    "spike:FACTOR,START_S,DURATION_S",
    "ramp:FACTOR,START_S,DURATION_S",
    "steps:FROM_S,FACTOR,FROM_S,FACTOR,…",
];

/// A name and its numbers, with what an error needs to say.
struct Words<'a> {
    key: &'a str,
    text: &'a str,
    name: &'a str,
    numbers: Vec<f64>,
    forms: &'static [&'static str],
}

impl<'a> Words<'a> {
    fn read(key: &'a str, text: &'a str, forms: &'static [&'static str]) -> Result<Self, ScenarioError> {
        let text = text.trim();
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        let mut words = Self { key, text, name: name.trim(), numbers: Vec::new(), forms };
        for part in rest.split(',').map(str::trim).filter(|_| !rest.trim().is_empty()) {
            match part.parse::<f64>() {
                Ok(number) if number.is_finite() => words.numbers.push(number),
                _ => return Err(words.wrong()),
            }
        }
        Ok(words)
    }

    /// An error that shows the form of the named law, or names the nearest, or shows all.
    fn wrong(&self) -> ScenarioError {
        let names = |form: &&'static str| form.split(':').next().unwrap_or("");
        let own: Vec<&str> = self.forms.iter().copied().filter(|form| names(form) == self.name).collect();
        let remedy = match nearest(self.name, self.forms.iter().map(names)) {
            _ if !own.is_empty() => format!("write `{}`", own.join("` or `")),
            Some(near) => format!("did you mean `{near}`? Laws are {}", self.forms.join(", ")),
            None => format!("write one of {}", self.forms.join(", ")),
        };
        ScenarioError::at(self.key, format!("is `{}`", self.text), remedy)
    }

    /// The numbers, if there are from `least` to `most`.
    fn between(&self, least: usize, most: usize) -> Result<&[f64], ScenarioError> {
        if (least..=most).contains(&self.numbers.len()) { Ok(&self.numbers) } else { Err(self.wrong()) }
    }

    /// A whole number of tokens.
    fn tokens(&self, number: f64) -> Result<u64, ScenarioError> {
        if number.fract() == 0.0 && number >= 0.0 { Ok(number as u64) } else { Err(self.wrong()) }
    }

    /// The numbers of a law that may end in a longest length.
    fn with_max(&self, count: usize) -> Result<(&[f64], u64), ScenarioError> {
        let numbers = self.between(count, count + 1)?;
        let max = numbers.get(count).map_or(Ok(LONGEST), |&max| self.tokens(max))?;
        Ok((&numbers[..count], max))
    }
}

/// The law of lengths that `text` writes; `key` is where it stands, for errors.
///
/// # Errors
/// A name, a count of numbers or a value that no law has, with the form to write.
pub fn length(key: &str, text: &str) -> Result<LengthLaw, ScenarioError> {
    let law = if text.contains('*') { mixture(key, text)? } else { single_length(key, text)? };
    law.validate().map_err(|error| error.under(key))?;
    Ok(law)
}

fn mixture(key: &str, text: &str) -> Result<LengthLaw, ScenarioError> {
    let part = |part: &str| {
        let weight = part.split_once('*').and_then(|(weight, law)| Some((weight.trim().parse().ok()?, law)));
        let Some((weight, law)) = weight else {
            let remedy = "write `WEIGHT*LAW + WEIGHT*LAW`, such as `0.8*uniform:10,60 + 0.2*uniform:150,200`";
            return Err(ScenarioError::at(key, format!("is `{}`", text.trim()), remedy));
        };
        Ok(MixturePart { weight, law: single_length(key, law)? })
    };
    Ok(LengthLaw::Mixture { parts: text.split('+').map(part).collect::<Result<_, _>>()? })
}

fn single_length(key: &str, text: &str) -> Result<LengthLaw, ScenarioError> {
    let words = Words::read(key, text, &LENGTH_FORMS)?;
    if let Ok(tokens) = words.name.parse::<u64>() {
        words.between(0, 0)?;
        return Ok(LengthLaw::Constant { tokens });
    }
    Ok(match words.name {
        "constant" => LengthLaw::Constant { tokens: words.tokens(words.between(1, 1)?[0])? },
        "uniform" => {
            let ends = words.between(2, 2)?;
            LengthLaw::Uniform { min: words.tokens(ends[0])?, max: words.tokens(ends[1])? }
        }
        "geometric" => LengthLaw::Geometric { mean: words.between(1, 1)?[0] },
        "exponential" => {
            let (numbers, max) = words.with_max(1)?;
            LengthLaw::Gamma { mean: numbers[0], cv: 1.0, max }
        }
        "lognormal" | "gamma" | "weibull" | "pareto" | "lomax" => {
            let (numbers, max) = words.with_max(2)?;
            let (first, second) = (numbers[0], numbers[1]);
            match words.name {
                "lognormal" => LengthLaw::Lognormal { mean: first, cv: second, max },
                "gamma" => LengthLaw::Gamma { mean: first, cv: second, max },
                "weibull" => LengthLaw::Weibull { mean: first, shape: second, max },
                "pareto" => LengthLaw::Pareto { scale: first, shape: second, max },
                _ => LengthLaw::Lomax { scale: first, shape: second, max },
            }
        }
        "zipf" => {
            let (numbers, max) = words.with_max(1)?;
            LengthLaw::Zipf { exponent: numbers[0], max }
        }
        _ => return Err(words.wrong()),
    })
}

/// The law of arrivals that `text` writes, and its own rate where its numbers are rates.
///
/// # Errors
/// As [`length`].
pub fn arrivals(key: &str, text: &str) -> Result<(ArrivalLaw, Option<f64>), ScenarioError> {
    let (text, constant) = match text.trim().strip_suffix(",constant") {
        Some(rest) if rest.starts_with("batch") => (rest, true),
        _ => (text, false),
    };
    let words = Words::read(key, text, &ARRIVAL_FORMS)?;
    let mut own_rate = None;
    let law = match words.name {
        "poisson" => words.between(0, 0).map(|_| ArrivalLaw::Poisson {})?,
        "deterministic" => words.between(0, 0).map(|_| ArrivalLaw::Deterministic {})?,
        "gamma" => ArrivalLaw::Gamma { cv: words.between(1, 1)?[0] },
        "weibull" => ArrivalLaw::Weibull { shape: words.between(1, 1)?[0] },
        "batch" => {
            let sizes = if constant { BatchSizes::Constant } else { BatchSizes::Geometric };
            ArrivalLaw::Batch { mean: words.between(1, 1)?[0], sizes }
        }
        "mmpp" => {
            let numbers = words.between(4, 200)?;
            if numbers.len() % 2 == 1 {
                return Err(words.wrong());
            }
            let (rates, stays) = numbers.split_at(numbers.len() / 2);
            let states = rates.iter().zip(stays).map(|(&factor, &stay_s)| ArrivalState { factor, stay_s });
            let total: f64 = stays.iter().sum();
            own_rate = Some(rates.iter().zip(stays).map(|(rate, stay)| rate * stay / total).sum());
            ArrivalLaw::Mmpp { states: states.collect() }
        }
        _ => return Err(words.wrong()),
    };
    law.validate().map_err(|error| error.under(key))?;
    Ok((law, own_rate))
}

/// The shape of the rate that `text` writes.
///
/// # Errors
/// As [`length`].
pub fn rate_shape(key: &str, text: &str) -> Result<RateShape, ScenarioError> {
    let words = Words::read(key, text, &RATE_FORMS)?;
    let shape = match words.name {
        "constant" => words.between(0, 0).map(|_| RateShape::Constant {})?,
        "sine" => {
            let numbers = words.between(2, 3)?;
            RateShape::Diurnal { amplitude: numbers[0], period_s: numbers[1], peak_s: numbers.get(2).copied() }
        }
        "spike" => {
            let numbers = words.between(3, 3)?;
            RateShape::Spike { factor: numbers[0], start_s: numbers[1], duration_s: numbers[2] }
        }
        "ramp" => {
            let numbers = words.between(3, 3)?;
            RateShape::Ramp { factor: numbers[0], start_s: numbers[1], duration_s: numbers[2] }
        }
        "steps" => {
            let numbers = words.between(2, 2_000_000)?;
            if numbers.len() % 2 == 1 {
                return Err(words.wrong());
            }
            let steps = numbers.chunks_exact(2).map(|pair| RateStep { from_s: pair[0], factor: pair[1] });
            RateShape::Piecewise { steps: steps.collect() }
        }
        _ => return Err(words.wrong()),
    };
    shape.validate().map_err(|error| error.under(key))?;
    Ok(shape)
}

/// The class that `text` writes: its name, then pairs, all with semicolons between them, such as
/// `chat; share=3; prompt=lognormal:1155,1.2; output=geometric:200; weight=2; model=llama`.
///
/// # Errors
/// A pair that no class has, or a missing length.
pub fn class(key: &str, text: &str) -> Result<Class, ScenarioError> {
    const FORM: &str = "write `NAME; prompt=LAW; output=LAW`, and where they are not 1 `share=NUMBER`, `weight=NUMBER`, and `model=NAME`";
    let wrong = |problem: String| ScenarioError::at(key, problem, FORM);
    let mut parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    let name = parts.next().filter(|name| !name.contains('=')).ok_or_else(|| wrong(format!("`{text}` has no name")))?;
    let (mut prompt, mut output) = (None, None);
    let blank = LengthLaw::Constant { tokens: 1 };
    let mut class = Class::new(name, blank.clone(), blank);
    for part in parts {
        let Some((what, value)) = part.split_once('=').map(|(what, value)| (what.trim(), value.trim())) else {
            return Err(wrong(format!("holds `{part}`, which has no `=`")));
        };
        let number = || value.parse::<f64>().map_err(|_| wrong(format!("holds `{part}`, which is no number")));
        match what {
            "prompt" => prompt = Some(length(&format!("{key} {name}: prompt"), value)?),
            "output" => output = Some(length(&format!("{key} {name}: output"), value)?),
            "share" => class.share = number()?,
            "weight" => class.weight = number()?,
            "model" => class.model = Some(value.to_owned()),
            _ => return Err(wrong(format!("holds `{what}`, which no class has"))),
        }
    }
    class.prompt = prompt.ok_or_else(|| wrong(format!("`{name}` has no `prompt`")))?;
    class.output = output.ok_or_else(|| wrong(format!("`{name}` has no `output`")))?;
    Ok(class)
}

/// A law of lengths in these words; [`length`] reads it again.
pub fn said(law: &LengthLaw) -> String {
    match law {
        LengthLaw::Constant { tokens } => format!("constant:{tokens}"),
        LengthLaw::Uniform { min, max } => format!("uniform:{min},{max}"),
        LengthLaw::Geometric { mean } => format!("geometric:{mean}"),
        LengthLaw::Lognormal { mean, cv, max } => format!("lognormal:{mean},{cv},{max}"),
        LengthLaw::Gamma { mean, cv, max } => format!("gamma:{mean},{cv},{max}"),
        LengthLaw::Weibull { mean, shape, max } => format!("weibull:{mean},{shape},{max}"),
        LengthLaw::Pareto { scale, shape, max } => format!("pareto:{scale},{shape},{max}"),
        LengthLaw::Lomax { scale, shape, max } => format!("lomax:{scale},{shape},{max}"),
        LengthLaw::Zipf { exponent, max } => format!("zipf:{exponent},{max}"),
        LengthLaw::Mixture { parts } => {
            parts.iter().map(|part| format!("{}*{}", part.weight, said(&part.law))).collect::<Vec<_>>().join(" + ")
        }
        LengthLaw::Empirical { values } => format!("one of {} lengths", values.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_laws() {
        let cases = [
            ("lognormal:1155,1.2", LengthLaw::Lognormal { mean: 1155.0, cv: 1.2, max: LONGEST }),
            ("lognormal: 1155, 1.2, 4096", LengthLaw::Lognormal { mean: 1155.0, cv: 1.2, max: 4096 }),
            ("64", LengthLaw::Constant { tokens: 64 }),
            ("uniform:10,60", LengthLaw::Uniform { min: 10, max: 60 }),
            ("zipf:1.2,1000", LengthLaw::Zipf { exponent: 1.2, max: 1000 }),
            ("pareto:20,2.5", LengthLaw::Pareto { scale: 20.0, shape: 2.5, max: LONGEST }),
            ("exponential:90", LengthLaw::Gamma { mean: 90.0, cv: 1.0, max: LONGEST }),
        ];
        for (text, law) in cases {
            assert_eq!(length("--prompt", text).unwrap(), law, "{text}");
            assert_eq!(length("--prompt", &said(&law)).unwrap(), law, "{text}");
        }
        let both = length("--prompt", "0.8*uniform:10,60 + 0.2*lognormal:150,0.5,200").unwrap();
        assert_eq!(length("--prompt", &said(&both)).unwrap(), both);
    }

    #[test]
    fn a_modulated_process_has_a_rate_of_its_own() {
        let (law, rate) = arrivals("--arrivals", "mmpp:2,10,30,5").unwrap();
        assert!((rate.unwrap() - 110.0 / 35.0).abs() < 1e-12);
        let ArrivalLaw::Mmpp { states } = law else { panic!("not an MMPP") };
        assert_eq!(states[1], ArrivalState { factor: 10.0, stay_s: 5.0 });
        assert_eq!(
            arrivals("a", "batch:4,constant").unwrap().0,
            ArrivalLaw::Batch { mean: 4.0, sizes: BatchSizes::Constant }
        );
        assert_eq!(arrivals("a", "batch:4").unwrap().0, ArrivalLaw::Batch { mean: 4.0, sizes: BatchSizes::Geometric });
    }

    #[test]
    fn what_is_no_law_says_how_to_write_one() {
        for (text, told) in [
            ("lognrmal:2,3", "did you mean `lognormal`"),
            ("lognormal:2", "write `lognormal:MEAN,CV[,MAX]`"),
            ("lognormal:2,x", "write `lognormal:MEAN,CV[,MAX]`"),
            ("uniform:1.5,3", "write `uniform:MIN,MAX`"),
            ("uniform:9,3", "give max ≥ min"),
            ("nonsense", "write one of"),
            ("0.5*uniform:1,2 + uniform:3,4", "WEIGHT*LAW"),
            ("", "write one of"),
        ] {
            let error = length("--prompt", text).unwrap_err().to_string();
            assert!(error.starts_with("--prompt") && error.contains(told), "{text}: {error}");
        }
        for (text, told) in [
            ("mmpp:1,2,3", "mmpp:RATE"),
            ("mmpp:1,2,3,4,5", "mmpp:RATE"),
            ("gamma", "gamma:CV"),
            ("poisson:3", "write `poisson`"),
            ("batch:2.5,constant", "whole number"),
        ] {
            let error = arrivals("--arrivals", text).unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
        assert!(rate_shape("--rate", "sine:2,60").unwrap_err().to_string().contains("0 to 1"));
        assert!(rate_shape("--rate", "steps:1,2,3").unwrap_err().to_string().contains("steps:FROM_S"));
    }

    #[test]
    fn a_class_has_a_name_and_lengths() {
        let text = "chat; share=3; prompt=lognormal:1155,1.2; output=geometric:200; weight=2; model=llama";
        let chat = class("--class", text).unwrap();
        assert_eq!((chat.name.as_str(), chat.share, chat.weight), ("chat", 3.0, 2.0));
        assert_eq!(chat.model.as_deref(), Some("llama"));
        for (text, told) in [
            ("chat; prompt=5", "`chat` has no `output`"),
            ("prompt=5", "has no name"),
            ("chat; prompt=5; output=5; size=3", "`size`, which no class has"),
            ("chat; share=x", "no number"),
            ("chat; prompt=lognormal:5; output=5", "lognormal:MEAN,CV"),
        ] {
            assert!(class("--class", text).unwrap_err().to_string().contains(told), "{text}");
        }
    }
}
