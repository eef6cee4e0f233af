//! Theory by name: the catalogue of queueing models, and laws that are reached by name only here.

use crate::queueing::markov::{erlang_b, erlang_c};
use crate::study::queues::{Parameters, catalogue};

/// A law from numbers, by name, to one number.
type Named = (&'static str, fn(&dyn Fn(&str) -> f64) -> Option<f64>);

const LAWS: &[Named] = &[
    ("erlang-b", |of| erlang_b(of("servers") as u64, of("load")).ok()),
    ("erlang-c", |of| erlang_c(of("servers") as u64, of("load")).ok()),
];

/// Whether theory has this model.
///
/// # Errors
/// It has not; the nearest name.
pub fn knows(model: &str) -> Result<(), String> {
    let own = LAWS.iter().any(|(name, _)| *name == model);
    if own { Ok(()) } else { catalogue::named(model).map(|_| ()).map_err(|error| error.to_string()) }
}

/// What theory says of a model's quantities; `value` is that of a law which has but one.
///
/// # Errors
/// What the catalogue refuses, in words.
pub fn answer(model: &str, parameters: &Parameters) -> Result<Vec<(String, f64)>, String> {
    if let Some((_, law)) = LAWS.iter().find(|(name, _)| *name == model) {
        let number = |name: &str| {
            let texts = parameters.iter().find(|(key, _)| *key == name).map(|(_, values)| values);
            texts.and_then(|values| values.last()).and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
        };
        let value = law(&number).ok_or_else(|| format!("`{model}` refuses these parameters"))?;
        return Ok(vec![("value".to_owned(), value)]);
    }
    let answer = catalogue::answer(model, parameters).map_err(|error| error.to_string())?;
    Ok(answer.quantities.into_iter().map(|quantity| (quantity.key, quantity.value)).collect())
}
