//! Cases as TOML, and tables of cases as CSV beside it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use toml::{Table, Value};

use super::{Case, EngineQuestion, Expected, Question, Tolerance};
use crate::scenario::trace::{Trace, TraceRequest};
use crate::scenario::{Override, Scenario, ScenarioError, Time, TraceMode, TraceSource, load, presets};
use crate::study::queues::{Parameters, engine};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    case: Vec<Entry>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Queue,
    Engine,
    Solve,
    Law,
}

/// One `[[case]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    kind: Kind,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    parameters: Table,
    #[serde(default)]
    scenario: Option<Value>,
    #[serde(default)]
    scenarios: Vec<String>,
    #[serde(default)]
    set: Table,
    #[serde(default)]
    each: Vec<Table>,
    #[serde(default)]
    requests: Vec<(f64, u64, u64)>,
    #[serde(default)]
    trials: Option<u64>,
    #[serde(default)]
    warmup_s: f64,
    #[serde(default)]
    duration_s: Option<f64>,
    #[serde(default)]
    backlog: u64,
    #[serde(default)]
    saturated: bool,
    #[serde(default)]
    grid: BTreeMap<String, Vec<f64>>,
    #[serde(default)]
    full: Vec<f64>,
    #[serde(default)]
    table: Option<String>,
    #[serde(default)]
    given: Vec<String>,
    expected: Value,
    #[serde(default)]
    judged: Option<String>,
    #[serde(default)]
    relative: Option<f64>,
    #[serde(default)]
    absolute: Option<f64>,
    #[serde(default)]
    printed: Option<f64>,
    #[serde(default)]
    interval: bool,
    #[serde(default)]
    half_width: Option<f64>,
    #[serde(default)]
    equivalence: Option<f64>,
    source: String,
    quick: bool,
}

/// One row of an entry: what is set, what is expected, and whether it is quick.
struct Row {
    label: String,
    scenario: Option<String>,
    set: Table,
    expected: BTreeMap<String, Expected>,
    quick: bool,
}

/// The cases of one file. `beside` reads a table in its folder.
///
/// # Errors
/// The first problem, with file, key, value and remedy.
pub fn cases(
    group: &str,
    origin: &str,
    text: &str,
    beside: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Case>, ScenarioError> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let problem = format!("is not TOML: {}", error.message().lines().collect::<Vec<_>>().join(", "));
        ScenarioError::at("", problem, "write [[case]] with key = value below it").in_file(origin)
    })?;
    let file: File = serde_path_to_error::deserialize(table).map_err(|error| {
        let problem = error.inner().message().lines().next().unwrap_or("cannot be read").to_owned();
        let remedy = "validation/README.md tells the keys of a case";
        ScenarioError::at(&error.path().to_string(), problem, remedy).in_file(origin)
    })?;
    let mut found = Vec::new();
    for (index, entry) in file.case.iter().enumerate() {
        let place = |error: ScenarioError| error.under(&format!("case[{index}] `{}`", entry.name)).in_file(origin);
        found.extend(entry.cases(group, beside).map_err(place)?);
    }
    Ok(found)
}

fn wrong(key: &str, problem: impl Into<String>, remedy: &str) -> ScenarioError {
    ScenarioError::at(key, problem, remedy)
}

impl Entry {
    fn cases(&self, group: &str, beside: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Case>, ScenarioError> {
        let tolerance = self.tolerance()?;
        let mut cases = Vec::new();
        for row in self.rows(beside)? {
            let judged = self
                .judged
                .clone()
                .or_else(|| (row.expected.len() == 1).then(|| row.expected.keys().next().cloned())?);
            if let Some(key) = &judged
                && !row.expected.contains_key(key)
            {
                return Err(wrong("judged", format!("is `{key}`, which is not expected"), "name a key of `expected`"));
            }
            cases.push(Case {
                group: group.to_owned(),
                name: format!("{}{}", self.name, row.label),
                question: self.question(&row)?,
                judged,
                tolerance,
                source: self.source.clone(),
                quick: row.quick,
                expected: row.expected,
            });
        }
        Ok(cases)
    }

    fn tolerance(&self) -> Result<Tolerance, ScenarioError> {
        let numbers = [
            ("relative", self.relative),
            ("absolute", self.absolute),
            ("printed", self.printed),
            ("equivalence", self.equivalence),
        ];
        for (key, value) in numbers.into_iter().chain([("half_width", self.half_width)]) {
            if value.is_some_and(|value| !(value.is_finite() && value >= 0.0)) {
                return Err(wrong(
                    key,
                    format!("is `{}`", value.unwrap_or(f64::NAN)),
                    "give a finite number of at least 0",
                ));
            }
        }
        let given = numbers.iter().filter(|(_, value)| value.is_some()).count() + usize::from(self.interval);
        if given != 1 {
            let remedy = "give one of relative, absolute, printed, interval = true, equivalence";
            return Err(wrong("relative", format!("is one of {given} tolerances"), remedy));
        }
        if self.half_width.is_some() && !self.interval {
            return Err(wrong("half_width", "stands without `interval = true`", "add it, or remove the key"));
        }
        Ok(match (self.relative, self.absolute, self.printed, self.equivalence) {
            (Some(share), ..) => Tolerance::Relative(share),
            (_, Some(most), ..) => Tolerance::Absolute(most),
            (_, _, Some(unit), _) => Tolerance::Printed(unit),
            (.., Some(share)) => Tolerance::Equivalence(share),
            _ => Tolerance::Interval { half_width: self.half_width.unwrap_or(0.0) },
        })
    }

    fn rows(&self, beside: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Row>, ScenarioError> {
        if let Some(file) = &self.table {
            let remedy = "name a CSV file in the same folder";
            let text = beside(file).ok_or_else(|| wrong("table", format!("`{file}` is not there"), remedy))?;
            return self.rows_of_table(file, &text);
        }
        let expected = expected_of(&self.expected)?;
        let row = |label: String, scenario: Option<&String>, set: Table, quick: bool| Row {
            label,
            scenario: scenario.cloned(),
            set,
            expected: expected.clone(),
            quick,
        };
        if let Some((key, values)) = self.grid.iter().next() {
            if self.grid.len() > 1 {
                return Err(wrong("grid", "has several keys", "give a grid of one parameter"));
            }
            let quick =
                values.iter().map(|value| (value, self.quick)).chain(self.full.iter().map(|value| (value, false)));
            let at = |(value, quick): (&f64, bool)| {
                row(format!(", {key} = {value}"), None, Table::from_iter([(key.clone(), (*value).into())]), quick)
            };
            return Ok(quick.map(at).collect());
        }
        let scenarios: Vec<Option<&String>> =
            if self.scenarios.is_empty() { vec![None] } else { self.scenarios.iter().map(Some).collect() };
        let sets = if self.each.is_empty() { vec![Table::new()] } else { self.each.clone() };
        let both = scenarios.iter().flat_map(|scenario| sets.iter().map(move |set| (*scenario, set)));
        Ok(both
            .map(|(scenario, set)| {
                let named = scenario.map_or(String::new(), |name| format!(", {name}"));
                let words: Vec<String> = set.iter().map(|(key, value)| format!(", {}", short(key, value))).collect();
                row(format!("{named}{}", words.concat()), scenario, set.clone(), self.quick)
            })
            .collect())
    }

    /// A row of the table for each of its lines; the columns in `given` are parameters, the others quantities, and all are named.
    fn rows_of_table(&self, file: &str, text: &str) -> Result<Vec<Row>, ScenarioError> {
        let mut reader =
            csv::ReaderBuilder::new().comment(Some(b'#')).trim(csv::Trim::All).from_reader(text.as_bytes());
        let unreadable = |error: csv::Error| wrong("table", format!("`{file}`: {error}"), "give lines of equal length");
        let names = reader.headers().map_err(unreadable)?.clone();
        let listed: Vec<&str> = self.expected.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let known = |name: &str| listed.contains(&name) || self.given.iter().any(|given| given == name);
        if let Some(name) = names.iter().find(|name| !known(name)) {
            let problem = format!("has a column `{name}`");
            return Err(wrong(&format!("table `{file}`"), problem, "name it in `given` or in the list `expected`"));
        }
        if let Some(name) = listed
            .iter()
            .copied()
            .chain(self.given.iter().map(String::as_str))
            .find(|name| names.iter().all(|column| column != *name))
        {
            return Err(wrong(
                "expected",
                format!("names `{name}`, which is no column of `{file}`"),
                "name the columns",
            ));
        }
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(unreadable)?;
            let (mut set, mut expected, mut label) = (Table::new(), BTreeMap::new(), String::new());
            for (name, cell) in names.iter().zip(&record).filter(|(_, cell)| !cell.is_empty()) {
                if self.given.iter().any(|given| given == name) {
                    label = format!("{label}, {name} = {cell}");
                    let number = cell.parse::<f64>().ok().filter(|_| matches!(self.kind, Kind::Solve));
                    set.insert(name.to_owned(), number.map_or_else(|| cell.into(), Value::from));
                } else {
                    let number = cell.parse::<f64>().ok().filter(|value| value.is_finite());
                    let remedy = "give a number, or leave the cell empty";
                    let number = number.ok_or_else(|| {
                        wrong(&format!("table `{file}`"), format!("holds `{cell}` under `{name}`"), remedy)
                    })?;
                    expected.insert(name.to_owned(), Expected::Value(number));
                }
            }
            rows.push(Row { label, scenario: None, set, expected, quick: self.quick });
        }
        Ok(rows)
    }

    fn question(&self, row: &Row) -> Result<Question, ScenarioError> {
        let queue = self.model.is_some();
        match self.kind {
            Kind::Queue | Kind::Law => {
                let (model, parameters) = self.model_of(row)?;
                super::laws::knows(&model).map_err(|error| wrong("model", error, ""))?;
                Ok(Question::Queue { model, parameters })
            }
            Kind::Engine if queue => {
                let (model, parameters) = self.model_of(row)?;
                engine::prepare(&model, &parameters).map_err(|error| wrong("parameters", error.to_string(), ""))?;
                Ok(Question::EngineQueue { model, parameters })
            }
            Kind::Solve => Ok(Question::Solve(Box::new(self.scenario_of(row)?))),
            Kind::Engine => {
                let duration_s = self.duration_s.filter(|seconds| seconds.is_finite() && *seconds > 0.0);
                let remedy = "give the seconds that are measured";
                Ok(Question::Engine(Box::new(EngineQuestion {
                    scenario: self.scenario_of(row)?,
                    trials: self.trials.unwrap_or(20).max(1),
                    warmup_s: self.warmup_s,
                    duration_s: duration_s.ok_or_else(|| wrong("duration_s", "is missing or not above 0", remedy))?,
                    backlog: self.backlog,
                    saturated: self.saturated,
                })))
            }
        }
    }

    fn model_of(&self, row: &Row) -> Result<(String, Parameters), ScenarioError> {
        let model =
            self.model.clone().ok_or_else(|| wrong("model", "is missing", "name a model of `fluidsim queue list`"))?;
        let mut parameters = Parameters::new();
        for (name, value) in self.parameters.iter().chain(&row.set) {
            match value {
                Value::Array(values) if values.iter().all(Value::is_str) => {
                    values.iter().filter_map(Value::as_str).for_each(|text| parameters.add(name, text));
                }
                Value::String(text) => parameters.set(name, text),
                other => parameters.set(name, other),
            }
        }
        Ok((model, parameters))
    }

    fn scenario_of(&self, row: &Row) -> Result<Scenario, ScenarioError> {
        let (origin, text) = match (&row.scenario, &self.scenario) {
            (Some(name), _) | (None, Some(Value::String(name))) => (name.clone(), presets::get(name)?.text.to_owned()),
            (None, Some(Value::Table(table))) => ("scenario".to_owned(), table.to_string()),
            _ => return Err(wrong("scenario", "is missing", "name a preset, or write [case.scenario]")),
        };
        let set: Vec<Override> =
            self.set.iter().chain(&row.set).map(|(key, value)| Override::new("set", key, value.clone())).collect();
        let scenario = load(&origin, &text, &set)?;
        if self.requests.is_empty() { Ok(scenario) } else { self.replayed(scenario) }
    }

    /// The requests of the case in place of the scenario's traffic: arrival in seconds, prompt, output.
    fn replayed(&self, mut scenario: Scenario) -> Result<Scenario, ScenarioError> {
        let request = |&(arrival, prompt, output): &(f64, u64, u64)| TraceRequest {
            arrival: Time::from_decimal(arrival),
            prompt,
            output,
            ..TraceRequest::default()
        };
        let trace = Trace::of(self.requests.iter().map(request));
        scenario.workload.class.clear();
        scenario.workload.rate_per_s = None;
        let requests = Arc::new(trace);
        scenario.workload.trace = Some(TraceSource { file: "requests".to_owned(), mode: TraceMode::Replay, requests });
        scenario.validate()?;
        Ok(scenario)
    }
}

/// `vllm-v0` of `policy.engine = "vllm-v0"`, which says enough; else `key = value`.
fn short(key: &str, value: &Value) -> String {
    let last = key.rsplit('.').next().unwrap_or(key);
    value.as_str().map_or_else(|| format!("{last} = {value}"), str::to_owned)
}

fn expected_of(value: &Value) -> Result<BTreeMap<String, Expected>, ScenarioError> {
    let remedy = "write expected = { QUANTITY = NUMBER }, or \"theory\" in place of the number";
    let Some(table) = value.as_table().filter(|table| !table.is_empty()) else {
        return Err(wrong("expected", format!("is `{value}`"), remedy));
    };
    let one = |(key, value): (&String, &Value)| {
        let number = value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
        match (number, value.as_str()) {
            (Some(number), _) if number.is_finite() => Ok((key.clone(), Expected::Value(number))),
            (None, Some("theory")) => Ok((key.clone(), Expected::Theory)),
            _ => Err(wrong(&format!("expected.{key}"), format!("is `{value}`"), remedy)),
        }
    };
    table.iter().map(one).collect()
}
