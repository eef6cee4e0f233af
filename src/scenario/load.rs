//! From a user's text to a validated [`Scenario`]: presets, files, overrides and traces.

use std::path::Path;
use std::sync::Arc;

use toml::{Table, Value};

use super::error::ScenarioError;
use super::overrides::{self, Override};
use super::schema::SCENARIO;
use super::trace::{self, Trace};
use super::{RateShape, Scenario, TraceMode, TraceSource, place, presets, rate, scaled};

/// The scenario of a preset or a file, with overrides and, when asked for, with a trace in place of its traffic.
///
/// Without a name it is the default preset. A name is first looked for among the presets; `./NAME` is always a file.
/// A trace drops the classes and the rate of the scenario, so that it comes at its own rate unless an override of
/// `workload.rate_per_s` gives another.
///
/// # Errors
/// The first problem found, with its origin, key, value and remedy.
pub fn open(
    name_or_path: Option<&str>,
    overrides: &[Override],
    trace: Option<(&str, TraceMode)>,
) -> Result<Scenario, ScenarioError> {
    let name = name_or_path.unwrap_or(presets::DEFAULT);
    let (origin, mut table) = match presets::find(name) {
        Some(preset) => (format!("preset {name}"), parse(preset.text)),
        None => (name.to_owned(), read_scenario_file(name).and_then(|text| parse(&text))),
    };
    if let (Some((file, mode)), Ok(table)) = (trace, &mut table) {
        replace_traffic(table, file, mode);
    }
    let base = Path::new(name).parent().filter(|_| presets::find(name).is_none());
    let placed = table.and_then(|table| place::place(table, overrides, base.unwrap_or(Path::new(""))));
    placed.and_then(|(table, rest)| build(table, &rest, None)).map_err(|error| {
        let of_trace = trace.is_some() && error.key == "workload.trace.file";
        at_origin(error, if of_trace { "--trace" } else { &origin })
    })
}

/// The scenario of a TOML text with overrides; `origin` is what messages call the text. A trace that it names is read.
///
/// # Errors
/// The first problem found, with its origin, key, value and remedy.
pub fn load(origin: &str, text: &str, overrides: &[Override]) -> Result<Scenario, ScenarioError> {
    let placed = parse(text).and_then(|table| place::place(table, overrides, Path::new("")));
    placed.and_then(|(table, rest)| build(table, &rest, None)).map_err(|error| at_origin(error, origin))
}

impl Scenario {
    /// The same scenario with another number at `key`, for sweeps; keys are those of [`Override`]. A trace is not read again.
    ///
    /// # Errors
    /// A key that does not exist or takes no such number, or a scenario that is not valid with it.
    pub fn with(&self, key: &str, value: f64) -> Result<Self, ScenarioError> {
        self.with_all(&[Override::new("", key, value)])
    }

    /// The same scenario with other values, numbers or words, for sweeps. A trace is not read again. `[hardware]` is put in when a file
    /// is read, and cannot be set here.
    ///
    /// # Errors
    /// A key that does not exist or takes no such value, or a scenario that is not valid with it.
    pub fn with_all(&self, changes: &[Override]) -> Result<Self, ScenarioError> {
        build(self.to_table()?, changes, self.workload.trace.as_ref())
    }

    /// Replaces the traffic by a recorded trace at its own rate; hardware and policy stay. On an error nothing changes.
    ///
    /// # Errors
    /// A file that is no trace, or a scenario that is not valid with it.
    pub fn set_trace(&mut self, file: &str, mode: TraceMode) -> Result<(), ScenarioError> {
        let mut table = self.to_table()?;
        replace_traffic(&mut table, file, mode);
        *self = build(table, &[], None)?;
        Ok(())
    }

    /// The scenario as TOML, from which [`load`] makes the same scenario again.
    #[must_use]
    pub fn to_toml(&self) -> String {
        // Only numbers above 2^63 cannot be written, and validation refuses them.
        toml::to_string(self).unwrap_or_else(|problem| format!("# cannot be written as TOML: {problem}\n"))
    }

    fn to_table(&self) -> Result<Table, ScenarioError> {
        Table::try_from(self)
            .map_err(|problem| ScenarioError::at("", problem.to_string(), "call validate on the scenario first"))
    }
}

fn parse(text: &str) -> Result<Table, ScenarioError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.parse::<Table>().map_err(|error| {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = text.as_bytes()[..start].iter().filter(|&&byte| byte == b'\n').count() + 1;
        let problem = format!("is not TOML: {}", error.message().lines().collect::<Vec<_>>().join(", "));
        let remedy = match trace::Format::detect(text) {
            Some(_) => "this is a trace: give it as the trace of a scenario, not as the scenario",
            None => "write `key = value`, with text in quotes, under headers such as [instance]",
        };
        ScenarioError::at(&format!("line {line}"), problem, remedy)
    })
}

/// The scenario of a table with overrides. `known` is a trace that has been read already.
fn build(table: Table, changes: &[Override], known: Option<&TraceSource>) -> Result<Scenario, ScenarioError> {
    let mut root = Value::Table(table);
    let keys = overrides::apply(&mut root, changes)?;
    finish(root, known).map_err(|error| match keys.iter().rev().find(|(key, _)| is_within(&error.key, key)) {
        Some((_, change)) if error.origin.is_empty() => error.in_file(&change.origin),
        _ => error,
    })
}

fn finish(mut root: Value, known: Option<&TraceSource>) -> Result<Scenario, ScenarioError> {
    SCENARIO.check(&mut root, "")?;
    let mut scenario: Scenario = serde_path_to_error::deserialize(root).map_err(|error| {
        let problem = error.inner().message().lines().next().unwrap_or("cannot be read").to_owned();
        ScenarioError::at(&error.path().to_string(), problem, "compare it with a preset")
    })?;
    if let Some(source) = &mut scenario.workload.trace {
        source.requests = match known {
            Some(known) if known.file == source.file => Arc::clone(&known.requests),
            _ => Arc::new(read_trace_file(&source.file, "workload.trace.file")?),
        };
        if !source.requests.import.timed {
            source.mode = TraceMode::Resample;
        }
    }
    for law in scaled::step_times(&mut scenario) {
        let named = |error: ScenarioError| if error.origin.is_empty() { error.under("step_time") } else { error };
        law.read_tables().map_err(named)?;
    }
    count_bins(&mut scenario.workload.rate_shape)?;
    scenario.validate()?;
    Ok(scenario)
}

/// Counts the trace that a binned rate names, so that the scenario no longer needs the file.
fn count_bins(shape: &mut RateShape) -> Result<(), ScenarioError> {
    let RateShape::Binned { bin_s, counts, file } = shape else { return Ok(()) };
    if !counts.is_empty() {
        return Ok(());
    }
    if let Some(name) = file.take() {
        let place = "workload.rate_shape";
        let trace = read_trace_file(&name, &format!("{place}.file"))?;
        *counts = rate::counts_of(&trace, *bin_s).map_err(|error| error.under(place))?;
    }
    Ok(())
}

/// Whether a key is `outer` or stands inside it. A law stands for its table, since it decides what may be there.
fn is_within(key: &str, outer: &str) -> bool {
    let outer = outer.strip_suffix(".law").unwrap_or(outer);
    key.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn at_origin(error: ScenarioError, origin: &str) -> ScenarioError {
    if error.origin.is_empty() { error.in_file(origin) } else { error }
}

fn replace_traffic(table: &mut Table, file: &str, mode: TraceMode) {
    let mut source = Table::new();
    source.insert("file".into(), file.into());
    source.insert("mode".into(), mode.name().into());
    // A workload that is no table is left for the check to refuse.
    if let Value::Table(workload) = table.entry("workload").or_insert_with(|| Table::new().into()) {
        workload.remove("class");
        workload.remove("rate_per_s");
        workload.remove("rate_shape");
        workload.insert("trace".into(), source.into());
    }
}

fn read_trace_file(file: &str, key: &str) -> Result<Trace, ScenarioError> {
    trace::open(file).map_err(|error| if error.origin.is_empty() { error.under(key) } else { error })
}

fn read_scenario_file(path: &str) -> Result<String, ScenarioError> {
    if !Path::new(path).exists() {
        return Err(no_such_scenario(path));
    }
    let bytes = std::fs::read(path).map_err(|problem| {
        ScenarioError::at("scenario", format!("cannot be read: {problem}"), "give a preset or a readable TOML file")
    })?;
    decode(bytes)
}

fn no_such_scenario(name: &str) -> ScenarioError {
    let hint = presets::nearest_name(name).map_or(String::new(), |near| format!("did you mean `{near}`? "));
    let names: Vec<String> = presets::list().iter().map(|preset| format!("`{}`", preset.name)).collect();
    ScenarioError::at(
        "scenario",
        format!("`{name}` is neither a preset nor a file"),
        format!("{hint}give a TOML file or one of the presets {}", names.join(", ")),
    )
}

pub(crate) fn decode(bytes: Vec<u8>) -> Result<String, ScenarioError> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|&&byte| byte == b'\n').count() + 1;
        ScenarioError::at(&format!("line {line}"), "is not UTF-8 text", "save the file as UTF-8, unpacked")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{ArrivalLaw, LengthLaw, StepTimeLaw};

    const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/traces/own.csv");

    fn set(texts: &[&str]) -> Result<Scenario, ScenarioError> {
        let changes: Result<Vec<_>, _> = texts.iter().map(|text| Override::parse(text)).collect();
        open(None, &changes?, None)
    }

    #[test]
    fn every_preset_comes_back_from_its_toml() {
        for preset in presets::list() {
            let scenario = open(Some(preset.name), &[], None).unwrap();
            assert_eq!(load("again", &scenario.to_toml(), &[]).unwrap(), scenario, "{}", preset.name);
        }
    }

    #[test]
    fn numbers_come_back_exactly() {
        let numbers = set(&[
            "lambda=0.1",
            "step_time.base_s=1.7976931348623157e-3",
            "workload.class[0].share=0.30000000000000004",
        ]);
        let scenario = numbers.unwrap();
        assert_eq!(load("again", &scenario.to_toml(), &[]).unwrap(), scenario);
    }

    #[test]
    fn nested_laws_come_back() {
        let parts = "workload.class[0].output={law=\"mixture\", parts=[{weight=1, law={law=\"constant\", tokens=5}}, \
            {weight=2, law={law=\"empirical\", values=[1, 2.0]}}]}";
        let scenario = set(&[parts, "workload.class[0].output.parts[0].weight=3"]).unwrap();
        let LengthLaw::Mixture { parts } = &scenario.workload.class[0].output else { panic!("not a mixture") };
        assert_eq!(parts[0].weight, 3.0);
        assert_eq!(parts[1].law, LengthLaw::Empirical { values: vec![1, 2] });
        assert_eq!(load("again", &scenario.to_toml(), &[]).unwrap(), scenario);
    }

    #[test]
    fn overrides_reach_every_kind_of_place() {
        let scenario = set(&[
            "instance.max_sequences=64.0",
            "instance.kv_tokens=none",
            "workload.class.chat.share=2",
            "workload.class[0].prompt.mean=100",
            "step_noise=exponential",
            "lambda=3",
        ])
        .unwrap();
        assert_eq!((scenario.instance.max_sequences, scenario.instance.kv_tokens), (64, None));
        assert_eq!((scenario.workload.class[0].share, scenario.workload.rate_per_s), (2.0, Some(3.0)));
    }

    #[test]
    fn laws_are_switched_before_their_parameters() {
        for order in [
            ["workload.arrivals.law=gamma", "workload.arrivals.cv=2"],
            ["workload.arrivals.cv=2", "workload.arrivals.law=gamma"],
        ] {
            assert_eq!(set(&order).unwrap().workload.arrivals, ArrivalLaw::Gamma { cv: 2.0 });
        }
        let scenario = set(&["step_time.law=affine"]).unwrap();
        assert_eq!(scenario.step_time, StepTimeLaw::Affine { base_s: 0.027, per_token_s: 1.75e-4 });
    }

    #[test]
    fn sweeps_change_one_number_and_keep_the_trace() {
        let mut scenario = open(None, &[], None).unwrap();
        assert_eq!(scenario.with("lambda", 3.0).unwrap().workload.rate(), 3.0);
        assert_eq!(scenario.with("instance.kv_tokens", 20000.0).unwrap().instance.kv_tokens, Some(20000));
        let error = scenario.with("instance.kv_tokens", 0.5).unwrap_err();
        assert_eq!(error.key, "instance.kv_tokens");
        scenario.set_trace(SAMPLE, TraceMode::Resample).unwrap();
        let swept = scenario.with("instance.max_sequences", 8.0).unwrap();
        let requests = |scenario: &Scenario| Arc::clone(&scenario.workload.trace.as_ref().unwrap().requests);
        assert!(Arc::ptr_eq(&requests(&scenario), &requests(&swept)));
        assert_eq!(load("again", &swept.to_toml(), &[]).unwrap(), swept);
    }

    #[test]
    fn a_trace_takes_the_place_of_the_traffic() {
        let own_rate = open(None, &[], Some((SAMPLE, TraceMode::Replay))).unwrap();
        assert!(own_rate.workload.class.is_empty());
        assert_eq!(own_rate.workload.rate(), own_rate.workload.trace.as_ref().unwrap().requests.rate_per_s());
        let rate = [Override::new("--lambda", "lambda", 9.0)];
        let rescaled = open(Some("mm1"), &rate, Some((SAMPLE, TraceMode::Replay))).unwrap();
        assert_eq!(rescaled.workload.rate(), 9.0);
        let mut replaced = open(None, &[], None).unwrap();
        replaced.set_trace(SAMPLE, TraceMode::Replay).unwrap();
        assert_eq!(replaced, own_rate);
        let before = replaced.clone();
        assert!(replaced.set_trace("no-such-file.csv", TraceMode::Replay).is_err());
        assert_eq!(replaced, before);
    }

    #[test]
    fn files_are_read_and_faulty_ones_named() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(place("good.toml"), presets::find("mm1").unwrap().text.replace('\n', "\r\n")).unwrap();
        std::fs::write(place("latin.toml"), b"name = \"a\"\ndescription = \"\xe9\"\n").unwrap();
        std::fs::write(place("once.csv"), "arrival_time,prefill_length,decode_length\n1,2,3\n1,2,3\n").unwrap();
        assert_eq!(open(Some(&place("good.toml")), &[], None).unwrap().name, "mm1");
        let latin = open(Some(&place("latin.toml")), &[], None).unwrap_err();
        assert_eq!((latin.origin, latin.key.as_str()), (place("latin.toml"), "line 2"));
        let folder_error = open(folder.path().to_str(), &[], None).unwrap_err();
        assert!(folder_error.problem.contains("cannot be read"), "{folder_error}");
        let once = open(None, &[], Some((&place("once.csv"), TraceMode::Replay))).unwrap_err();
        assert!(once.problem.contains("one instant"), "{once}");
        let as_scenario = open(Some(&place("once.csv")), &[], None).unwrap_err();
        assert!(as_scenario.remedy.contains("this is a trace"), "{as_scenario}");
    }

    #[test]
    fn a_wrong_name_gets_a_suggestion() {
        let error = open(Some("memory-gredy"), &[], None).unwrap_err().to_string();
        assert!(
            error.contains("`memory-gredy` is neither") && error.contains("did you mean `memory-greedy`?"),
            "{error}"
        );
    }
}
