//! Theory by name: the catalogue of queueing models, and laws that are reached by name only here.

use crate::queueing::Law;
use crate::queueing::batch::Bulk;
use crate::queueing::disciplines::{Las, Psjf, Sjf, Srpt};
use crate::queueing::markov::{erlang_b, erlang_c};
use crate::study::queues::{Parameters, QueueProblem, catalogue};

/// A law from numbers to one number.
type Named = (&'static str, fn(&dyn Fn(&str) -> f64) -> Option<f64>);

const LAWS: &[Named] = &[
    ("erlang-b", |of| erlang_b(of("servers") as u64, of("load")).ok()),
    ("erlang-c", |of| erlang_c(of("servers") as u64, of("load")).ok()),
    ("reflected-walk", |of| Some(Bulk::new(of("lambda"), of("b") as u64).ok()?.left_behind())),
];

/// Whether theory has this model.
pub fn knows(model: &str) -> Result<(), String> {
    let own = LAWS.iter().any(|(name, _)| *name == model) || is_discipline(model);
    if own { Ok(()) } else { catalogue::named(model).map(|_| ()).map_err(|error| error.to_string()) }
}

fn is_discipline(model: &str) -> bool {
    catalogue::named(model).is_err() && ["ps", "sjf", "psjf", "srpt", "las"].contains(&model)
}

/// What theory says of a model's quantities; `value` is that of a law which has but one.
///
/// # Errors
/// What the catalogue refuses, in words.
pub fn answer(model: &str, parameters: &Parameters) -> Result<Vec<(String, f64)>, String> {
    let number = |name: &str| {
        let texts = parameters.iter().find(|(key, _)| *key == name).map(|(_, values)| values);
        texts.and_then(|values| values.last()).and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
    };
    if let Some((_, law)) = LAWS.iter().find(|(name, _)| *name == model) {
        let value = law(&number).ok_or_else(|| format!("`{model}` refuses these parameters"))?;
        return Ok(vec![("value".to_owned(), value)]);
    }
    if is_discipline(model) {
        let value = sojourn_s(model, parameters, number("rho")).map_err(|error| error.to_string())?;
        return Ok(vec![("W".to_owned(), value)]);
    }
    let answer = catalogue::answer(model, parameters).map_err(|error| error.to_string())?;
    Ok(answer.quantities.into_iter().map(|quantity| (quantity.key, quantity.value)).collect())
}

/// The mean time in M/G/1 with mean service 1 by another order.
fn sojourn_s(model: &str, parameters: &Parameters, rho: f64) -> Result<f64, QueueProblem> {
    let text = parameters.iter().find(|(key, _)| *key == "service").and_then(|(_, values)| values.last());
    let law = match text.map_or("exponential", String::as_str).split_once(':') {
        Some(("weibull", shape)) => Law::weibull(1.0, shape.parse().unwrap_or(f64::NAN))?,
        None if text.is_some_and(|text| text == "constant") => Law::constant(1.0)?,
        _ => Law::exponential(1.0)?,
    };
    Ok(match model {
        "sjf" => Sjf::new(rho, law)?.mean_sojourn_s(),
        "psjf" => Psjf::new(rho, law)?.mean_sojourn_s(),
        "srpt" => Srpt::new(rho, law)?.mean_sojourn_s(),
        "las" => Las::new(rho, law)?.mean_sojourn_s(),
        // Insensitive: E[S]/(1 − ρ) under any law.
        _ => 1.0 / (1.0 - rho),
    })
}
