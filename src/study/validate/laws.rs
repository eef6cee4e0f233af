//! Theory by name: the catalogue of queueing models, and laws that are reached by name only here.

use crate::fluid::{closed_forms, cycle};
use crate::queueing::markov::{erlang_b, erlang_c, halfin_whitt_delay};
use crate::study::queues::{Parameters, catalogue};

/// The numbers of a case, by name; NaN where there is none.
struct Given<'a>(&'a Parameters);

impl Given<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| *key == name).and_then(|(_, values)| values.last()).map(String::as_str)
    }

    fn of(&self, name: &str) -> f64 {
        self.text(name).and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
    }

    /// Whole numbers parted by commas.
    fn counts(&self, name: &str) -> Option<Vec<u64>> {
        self.text(name)?.split(',').map(|part| part.trim().parse().ok()).collect()
    }
}

/// A law from numbers, by name, to one number.
type Named = (&'static str, fn(&Given<'_>) -> Option<f64>);

const LAWS: &[Named] = &[
    ("erlang-b", |given| erlang_b(given.of("servers") as u64, given.of("load")).ok()),
    ("erlang-c", |given| erlang_c(given.of("servers") as u64, given.of("load")).ok()),
    ("halfin-whitt-delay", |given| halfin_whitt_delay(given.of("beta")).ok()),
    ("sequence-cap-rate", |given| {
        let [cap, steps, base, per] = ["cap", "steps", "base", "per-request"].map(|name| given.of(name));
        Some(closed_forms::sequence_cap_rate(cap, steps, base, per))
    }),
    ("token-budget-rate", |given| {
        Some(closed_forms::token_budget_rate(given.of("budget"), given.of("step"), given.of("work")))
    }),
    ("memory-rate", |given| {
        let [memory, held, base, per, work] =
            ["memory", "held", "base", "per-token", "work"].map(|name| given.of(name));
        Some(closed_forms::memory_rate(memory, held, base, per, work))
    }),
    ("chunked-held", |given| {
        let [prompt, prompts, output, outputs, chunk] =
            ["prompt", "prompt-squared", "output", "output-squared", "chunk"].map(|name| given.of(name));
        Some(closed_forms::chunked_held(prompt, prompts, output, outputs, chunk))
    }),
    ("stage-memory", |given| {
        Some(closed_forms::stage_memory(given.of("rate"), given.of("per-rate"), given.of("slowdown")))
    }),
    ("stage-rate", |given| {
        Some(closed_forms::stage_rate(given.of("memory"), given.of("per-rate"), given.of("slowdown")))
    }),
    ("cycle-ratio", |given| Some(closed_forms::cycle_ratio(given.of("prompt"), given.of("output")))),
    ("whole-cycle-throughput", |given| {
        let cycle = cycle::whole_cycle(&given.counts("start")?, given.of("prompt") as u64, given.of("memory") as u64)?;
        Some(cycle.completed)
    }),
    ("spectral-radius", |given| {
        let (short, long) = (given.of("short") as usize, given.of("long") as usize);
        let lives = |age: usize| if age < short { 1.0 } else { 1.0 - given.of("share-short") };
        Some(cycle::spectral_radius(given.of("prompt"), &(0..long).map(lives).collect::<Vec<_>>()))
    }),
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
        let value = law(&Given(parameters)).filter(|value| !value.is_nan());
        return Ok(vec![("value".to_owned(), value.ok_or_else(|| format!("`{model}` refuses these parameters"))?)]);
    }
    let answer = catalogue::answer(model, parameters).map_err(|error| error.to_string())?;
    Ok(answer.quantities.into_iter().map(|quantity| (quantity.key, quantity.value)).collect())
}
