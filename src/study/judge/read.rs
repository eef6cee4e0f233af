//! Reading a run: `meta.json`, `requests.jsonl` and `timeseries.csv` as LLMServingSim's bench writes them, and `step_times.py serve`.
//! Optional fields may be absent or null.

use std::path::Path;

use serde_json::Value;

use crate::scenario::{ScenarioError, Time};

/// Limits of one data-parallel instance, and how many there are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// K.
    pub max_sequences: u64,
    /// B.
    pub max_batch_tokens: u64,
    /// M of one instance; none when the run does not say.
    pub kv_tokens: Option<u64>,
    /// Tokens of a block.
    pub block_tokens: u64,
    /// Share of the blocks that entrants leave free.
    pub watermark: f64,
    /// GPUs of an instance.
    pub tensor_parallel: u64,
    /// Instances.
    pub data_parallel: u64,
}

/// One request of a run, in seconds after the first arrival.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// When it was sent.
    pub arrival: Time,
    /// Prompt tokens.
    pub prompt: u64,
    /// Output tokens.
    pub output: u64,
    /// When the engine took it; latencies are counted from here. On the engine's clock, as the next two.
    pub queued_s: f64,
    /// First token.
    pub first_s: Option<f64>,
    /// Last token.
    pub last_s: Option<f64>,
}

/// A run.
#[derive(Debug, Clone, PartialEq)]
pub struct VllmRun {
    /// Model, as the engine was told.
    pub model: String,
    /// The GPU, if the run says.
    pub device: Option<String>,
    /// Version of the engine.
    pub version: Option<String>,
    /// Limits.
    pub limits: Limits,
    /// Whether the scheduler works while an iteration runs.
    pub async_scheduling: Option<bool>,
    /// Whether blocks are found again by those who need what was in them.
    pub prefix_caching: bool,
    /// Sizes of the CUDA graphs.
    pub graph_tokens: Vec<u64>,
    /// Requests in order of arrival.
    pub requests: Vec<Measured>,
    /// (seconds after the first arrival, running, waiting).
    pub series: Vec<(f64, f64, f64)>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

impl VllmRun {
    /// Seconds from the first arrival to the last token.
    pub fn end_s(&self) -> f64 {
        self.requests.iter().filter_map(|request| request.last_s).fold(0.0, f64::max)
    }
}

/// Reads a folder.
///
/// # Errors
/// Names the file, the key or line, what is wrong and what to do.
pub fn read(folder: &Path) -> Result<VllmRun, ScenarioError> {
    let meta = Meta::read(folder)?;
    let (requests, first_arrival_s) = requests(folder, meta.count("num_requests")?)?;
    let started_s = meta.text("started_at").and_then(|text| epoch_s(&text));
    let (limits, mut notes) = limits(&meta)?;
    if meta.get("engine_kwargs.enable_expert_parallel").and_then(Value::as_bool) == Some(true) {
        notes.push("Expert parallelism is not modelled: every instance is taken to hold all experts.".into());
    }
    let offset_s = started_s.map(|started| started - first_arrival_s).filter(|offset| offset.abs() < 60.0);
    if offset_s.is_none() {
        notes.push(
            "The run does not say when its clock began: the time series is taken to begin at the first arrival.".into(),
        );
    }
    let series = series(folder, offset_s.unwrap_or(0.0))?;
    let scheduler = "resolved_config.scheduler_config";
    let sizes = meta.get("resolved_config.compilation_config.cudagraph_capture_sizes").and_then(Value::as_array);
    let caching = ["kv_cache", "resolved_config.cache_config"].map(|key| format!("{key}.enable_prefix_caching"));
    let prefix_caching = caching.iter().find_map(|key| meta.get(key).and_then(Value::as_bool)) == Some(true);
    if prefix_caching {
        notes.push(
            "Prefix caching was on: victims find again what nobody has needed since. Which prompts begin alike is not recorded; they find \
             nothing here."
                .into(),
        );
    }
    Ok(VllmRun {
        model: meta.text("model").or_else(|| meta.text("engine_kwargs.model")).unwrap_or_default(),
        device: meta.text("hardware.device_name"),
        version: meta.text("vllm_version"),
        limits,
        async_scheduling: meta.get(&format!("{scheduler}.async_scheduling")).and_then(Value::as_bool),
        prefix_caching,
        graph_tokens: sizes.map_or_else(Vec::new, |sizes| sizes.iter().filter_map(Value::as_u64).collect()),
        requests,
        series,
        notes,
    })
}

struct Meta {
    file: String,
    root: Value,
}

impl Meta {
    fn read(folder: &Path) -> Result<Self, ScenarioError> {
        let (file, text) = text_of(folder, "meta.json")?;
        let root = serde_json::from_str(&text).map_err(|error| {
            let key = format!("line {}", error.line());
            ScenarioError::at(&key, format!("is not JSON: {error}"), "give the file as the engine's bench wrote it")
                .in_file(&file)
        })?;
        Ok(Self { file, root })
    }

    /// The value at a path of keys; none when absent or null.
    fn get(&self, path: &str) -> Option<&Value> {
        let found = path.split('.').try_fold(&self.root, |value, key| value.get(key));
        found.filter(|value| !value.is_null())
    }

    fn text(&self, path: &str) -> Option<String> {
        self.get(path).and_then(Value::as_str).map(str::to_owned)
    }

    fn wrong(&self, path: &str, problem: impl Into<String>) -> ScenarioError {
        ScenarioError::at(path, problem, "give a whole number of 1 or more").in_file(&self.file)
    }

    /// A whole number of 1 or more, if it is there.
    fn maybe_count(&self, path: &str) -> Result<Option<u64>, ScenarioError> {
        let Some(value) = self.get(path) else { return Ok(None) };
        let found = value.as_u64().filter(|count| (1..=1 << 40).contains(count));
        found.map(Some).ok_or_else(|| self.wrong(path, format!("is `{value}`")))
    }

    fn count(&self, path: &str) -> Result<u64, ScenarioError> {
        self.maybe_count(path)?.ok_or_else(|| self.wrong(path, "is missing"))
    }

    /// The first of several keys that is there.
    fn first_count(&self, paths: &[&str]) -> Result<u64, ScenarioError> {
        for path in paths {
            if let Some(count) = self.maybe_count(path)? {
                return Ok(count);
            }
        }
        Err(self.wrong(paths[0], "is missing"))
    }
}

fn limits(meta: &Meta) -> Result<(Limits, Vec<String>), ScenarioError> {
    let scheduler = |key: &str| [format!("engine_kwargs.{key}"), format!("resolved_config.scheduler_config.{key}")];
    let of_scheduler = |key: &str| {
        let paths = scheduler(key);
        meta.first_count(&[&paths[0], &paths[1]])
    };
    let block_tokens = meta.maybe_count("kv_cache.block_size")?.unwrap_or(16);
    let data_parallel = meta.maybe_count("engine_kwargs.data_parallel_size")?.unwrap_or(1);
    let blocks = meta.maybe_count("kv_cache.num_gpu_blocks")?;
    let all = meta.maybe_count("kv_cache.num_kv_tokens")?.or(blocks.map(|blocks| blocks * block_tokens));
    let of_one = meta.maybe_count("resolved_config.cache_config.kv_cache_size_tokens")?;
    let mut notes = Vec::new();
    if data_parallel > 1 && of_one.is_none() && all.is_some() {
        notes
            .push(format!("The KV memory in meta.json is taken to be that of all {data_parallel} instances together."));
    }
    let limits = Limits {
        max_sequences: of_scheduler("max_num_seqs")?,
        max_batch_tokens: of_scheduler("max_num_batched_tokens")?,
        kv_tokens: of_one.or(all.map(|tokens| tokens / data_parallel)),
        block_tokens,
        watermark: meta.get("resolved_config.scheduler_config.watermark").and_then(Value::as_f64).unwrap_or(0.0),
        tensor_parallel: meta.maybe_count("engine_kwargs.tensor_parallel_size")?.unwrap_or(1),
        data_parallel,
    };
    Ok((limits, notes))
}

fn text_of(folder: &Path, name: &str) -> Result<(String, String), ScenarioError> {
    let path = folder.join(name);
    let file = path.display().to_string();
    let text = std::fs::read_to_string(&path).map_err(|problem| {
        let remedy = "a run's folder holds meta.json, requests.jsonl and timeseries.csv";
        ScenarioError::at("", format!("cannot be read: {problem}"), remedy).in_file(&file)
    })?;
    Ok((file, text.trim_start_matches('\u{feff}').to_owned()))
}

/// One line of requests.jsonl with its stamps as they stand there.
struct Row {
    arrival_s: f64,
    prompt: u64,
    output: u64,
    queued_s: Option<f64>,
    first_s: Option<f64>,
    last_s: Option<f64>,
}

/// The requests, and the first arrival in seconds since the epoch.
fn requests(folder: &Path, expected: u64) -> Result<(Vec<Measured>, f64), ScenarioError> {
    let (file, text) = text_of(folder, "requests.jsonl")?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let rows = lines.map(|(index, line)| row(line, index + 1).map_err(|error| error.in_file(&file)));
    let mut rows = rows.collect::<Result<Vec<Row>, _>>()?;
    if rows.len() as u64 != expected || rows.len() < 2 {
        let problem = format!("holds {} requests, and meta.json says {expected}", rows.len());
        return Err(
            ScenarioError::at("", problem, "give both files of the same run, with two requests or more").in_file(&file)
        );
    }
    rows.sort_by(|left, right| left.arrival_s.total_cmp(&right.arrival_s));
    let first_arrival_s = rows[0].arrival_s;
    // The engine has a clock of its own: the request that it took soonest after its arrival puts the two together.
    let lag = |row: &Row| row.queued_s.map(|queued| queued - row.arrival_s);
    let offset = rows.iter().filter_map(lag).min_by(f64::total_cmp).unwrap_or(0.0) + first_arrival_s;
    if !rows.iter().any(|row| row.last_s.is_some()) {
        return Err(
            ScenarioError::at("last_token_ts", "is given for no request", "give a run that served some").in_file(&file)
        );
    }
    let measured = |row: &Row| Measured {
        arrival: Time::from_seconds(row.arrival_s - first_arrival_s),
        prompt: row.prompt,
        output: row.output,
        queued_s: row.queued_s.map_or(row.arrival_s - first_arrival_s, |queued| queued - offset),
        first_s: row.first_s.map(|first| first - offset),
        last_s: row.last_s.map(|last| last - offset),
    };
    Ok((rows.iter().map(measured).collect(), first_arrival_s))
}

fn row(line: &str, number: usize) -> Result<Row, ScenarioError> {
    let place = |key: &str| if key.is_empty() { format!("line {number}") } else { format!("line {number}.{key}") };
    let value: Value = serde_json::from_str(line).map_err(|error| {
        ScenarioError::at(&place(""), format!("is not JSON: {error}"), "give one JSON object per line")
    })?;
    let seconds = |key: &str| match value.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(found) => match found.as_f64().filter(|seconds| (0.0..=1e12).contains(seconds)) {
            Some(seconds) => Ok(Some(seconds)),
            None => Err(ScenarioError::at(&place(key), format!("is `{found}`"), "give seconds of 0 or more, or null")),
        },
    };
    let tokens = |key: &str| {
        let found = value.get(key).and_then(Value::as_u64).filter(|tokens| (1..=1 << 31).contains(tokens));
        found.ok_or_else(|| {
            let given = value.get(key).map_or("missing".to_owned(), |found| format!("`{found}`"));
            ScenarioError::at(&place(key), format!("is {given}"), "give a whole number of tokens, 1 or more")
        })
    };
    let arrival_s = seconds("arrival_time")?.ok_or_else(|| {
        ScenarioError::at(&place("arrival_time"), "is missing", "give the seconds at which the request was sent")
    })?;
    let row = Row {
        arrival_s,
        prompt: tokens("input_toks")?,
        output: tokens("output_toks")?,
        queued_s: seconds("queued_ts")?,
        first_s: seconds("first_token_ts")?,
        last_s: seconds("last_token_ts")?,
    };
    let stamps: Vec<f64> = [row.queued_s, row.first_s, row.last_s].into_iter().flatten().collect();
    if stamps.windows(2).any(|pair| pair[0] > pair[1]) {
        let problem = "has stamps that go back in time";
        return Err(ScenarioError::at(&place(""), problem, "queued_ts, first_token_ts and last_token_ts must ascend"));
    }
    Ok(row)
}

fn series(folder: &Path, offset_s: f64) -> Result<Vec<(f64, f64, f64)>, ScenarioError> {
    let (file, text) = text_of(folder, "timeseries.csv")?;
    let wrong = |line: u64, problem: String, remedy: &str| {
        ScenarioError::at(&format!("line {line}"), problem, remedy).in_file(&file)
    };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let broken = |error: &csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        wrong(line, "does not have as many values as the header".into(), "give one value per column")
    };
    let header = reader.headers().map_err(|error| broken(&error))?.clone();
    let mut places = [0; 3];
    for (place, name) in places.iter_mut().zip(["t", "running", "waiting"]) {
        let found = header.iter().position(|title| title == name);
        *place = found.ok_or_else(|| wrong(1, format!("lacks the column `{name}`"), "give t, running and waiting"))?;
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| broken(&error))?;
        let line = record.position().map_or(0, csv::Position::line);
        let number = |column: usize| {
            let found = record[column].parse::<f64>().ok().filter(|value| (0.0..=1e12).contains(value));
            found.ok_or_else(|| {
                let problem = format!("has `{}` in the column {}", &record[column], &header[column]);
                wrong(line, problem, "give a number of 0 or more")
            })
        };
        rows.push((number(places[0])? + offset_s, number(places[1])?, number(places[2])?));
    }
    if rows.windows(2).any(|pair| pair[0].0 >= pair[1].0) || rows.is_empty() {
        return Err(wrong(1, "has no times, or times that do not ascend".into(), "give one row per tick"));
    }
    Ok(rows)
}

/// Seconds since the epoch of a stamp such as `2026-08-20T23:19:39.992496Z`.
fn epoch_s(text: &str) -> Option<f64> {
    let (date, time) = text.trim_end_matches('Z').split_once('T')?;
    let time = time.split_once('+').map_or(time, |(time, _)| time);
    let date: Vec<i64> = date.split('-').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let time: Vec<f64> = time.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let ([year, month, day], [hours, minutes, seconds]) = (date[..].try_into().ok()?, time[..].try_into().ok()?);
    Some(86400.0 * days(year, month, day) as f64 + 3600.0 * hours + 60.0 * minutes + seconds)
}

/// Days since 1970-01-01 in the Gregorian calendar: years begin in March, so that the leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_seconds_since_the_epoch() {
        assert_eq!(epoch_s("1970-01-01T00:00:00Z"), Some(0.0));
        assert_eq!(epoch_s("2026-08-20T23:19:39.5Z"), Some(1_787_267_979.5));
        assert_eq!(epoch_s("2024-02-29T12:00:00+00:00"), Some(1_709_208_000.0));
        assert_eq!(epoch_s("yesterday"), None);
    }
}
