//! The three tables of a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{Cell, Measured};
use crate::scenario::error::ScenarioError;
use crate::scenario::load::decode;
use crate::scenario::step_time::CurvePoint;

/// Kernels that run once in an iteration.
const ONCE: [&str; 2] = ["embedding", "final_layernorm"];
/// A kernel that runs before attention and before the MLP.
const TWICE: &str = "layernorm";

/// Reads `dense.csv`, `per_sequence.csv` and `attention.csv`.
///
/// # Errors
/// Names the file, the line, the value and what to do.
pub fn folder(folder: &Path) -> Result<Measured, ScenarioError> {
    let dense = curves(&Csv::read(folder, "dense.csv")?, "tokens")?;
    let per_sequence = curves(&Csv::read(folder, "per_sequence.csv")?, "sequences")?;
    let attention = attention(&Csv::read(folder, "attention.csv")?)?;
    let mut found = Measured { attention, per_sequence: per_sequence.into_values().collect(), ..Measured::default() };
    for (name, curve) in dense {
        match name.as_str() {
            name if ONCE.contains(&name) => found.once.push(curve),
            TWICE => found.per_layer.extend([curve.clone(), curve]),
            _ => found.per_layer.push(curve),
        }
    }
    Ok(found)
}

/// A table in memory with the line of each row.
struct Csv {
    file: String,
    names: Vec<String>,
    rows: Vec<(u64, csv::StringRecord)>,
}

impl Csv {
    fn read(folder: &Path, name: &str) -> Result<Self, ScenarioError> {
        let path = folder.join(name);
        let file = path.display().to_string();
        let bytes = std::fs::read(&path).map_err(|problem| {
            let remedy = "a profile folder holds dense.csv, per_sequence.csv and attention.csv";
            ScenarioError::at("", format!("cannot be read: {problem}"), remedy).in_file(&file)
        })?;
        let text = decode(bytes).map_err(|error| error.in_file(&file))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
        let broken = |error: &csv::Error| {
            let line = error.position().map_or(1, csv::Position::line);
            let problem = "does not have as many values as the header";
            ScenarioError::at(&format!("line {line}"), problem, "give one value per column").in_file(&file)
        };
        let names = reader.headers().map_err(|error| broken(&error))?.iter().map(str::to_owned).collect();
        let rows = reader.records().map(|row| {
            let row = row.map_err(|error| broken(&error))?;
            Ok((row.position().map_or(0, csv::Position::line), row))
        });
        let rows = rows.collect::<Result<Vec<_>, ScenarioError>>()?;
        let table = Self { file, names, rows };
        if table.rows.is_empty() {
            return Err(table.wrong(1, "has no rows below it".into(), "measure again"));
        }
        Ok(table)
    }

    fn wrong(&self, line: u64, problem: String, remedy: &str) -> ScenarioError {
        ScenarioError::at(&format!("line {line}"), problem, remedy).in_file(&self.file)
    }

    fn place(&self, column: &str) -> Result<usize, ScenarioError> {
        let missing = || self.wrong(1, format!("lacks the column `{column}`"), "name every column in the first line");
        self.names.iter().position(|name| name == column).ok_or_else(missing)
    }

    fn whole(&self, (line, row): &(u64, csv::StringRecord), column: usize) -> Result<u64, ScenarioError> {
        let value = row[column].parse::<f64>().ok().filter(|value| value.fract() == 0.0 && (0.0..=1e9).contains(value));
        value.map(|value| value as u64).ok_or_else(|| {
            let problem = format!("has `{}` in the column {}", &row[column], self.names[column]);
            self.wrong(*line, problem, "give a whole number from 0 to 1e9")
        })
    }

    /// Microseconds, as seconds.
    fn seconds(&self, (line, row): &(u64, csv::StringRecord), column: usize) -> Result<f64, ScenarioError> {
        let value = row[column].parse::<f64>().ok().filter(|value| *value > 0.0 && *value <= 1e9);
        value.map(|us| us * 1e-6).ok_or_else(|| {
            let problem = format!("has `{}` in the column {}", &row[column], self.names[column]);
            self.wrong(*line, problem, "give microseconds above 0, at most 1e9")
        })
    }
}

/// A curve for every layer.
fn curves(table: &Csv, by: &str) -> Result<BTreeMap<String, Vec<CurvePoint>>, ScenarioError> {
    let [layer, count, time] = [table.place("layer")?, table.place(by)?, table.place("time_us")?];
    let mut curves = BTreeMap::<String, BTreeMap<u64, f64>>::new();
    for row in &table.rows {
        let (name, count, seconds) = (&row.1[layer], table.whole(row, count)?, table.seconds(row, time)?);
        if curves.entry(name.to_owned()).or_default().insert(count, seconds).is_some() {
            let problem = format!("measures `{name}` at {count} {by} a second time");
            return Err(table.wrong(row.0, problem, "keep one row of each, such as their median"));
        }
    }
    let points =
        |curve: BTreeMap<u64, f64>| curve.into_iter().map(|(tokens, seconds)| CurvePoint { tokens, seconds }).collect();
    Ok(curves.into_iter().map(|(name, curve)| (name, points(curve))).collect())
}

fn attention(table: &Csv) -> Result<Vec<Cell>, ScenarioError> {
    let axes = ["prefill_chunk", "kv_prefill", "n_decode", "kv_decode"];
    let mut places = [0; 4];
    for (place, axis) in places.iter_mut().zip(axes) {
        *place = table.place(axis)?;
    }
    let time = table.place("time_us")?;
    let mut seen = BTreeSet::new();
    let mut cells = Vec::with_capacity(table.rows.len());
    for row in &table.rows {
        let mut at = [0; 4];
        for (value, place) in at.iter_mut().zip(places) {
            *value = table.whole(row, place)?;
        }
        if at[0] == 0 && at[2] == 0 {
            return Err(table.wrong(row.0, "has neither a prompt nor a decode".into(), "leave the row out"));
        }
        if !seen.insert(at) {
            return Err(table.wrong(row.0, format!("measures {at:?} a second time"), "keep one row of each"));
        }
        cells.push(Cell { at, seconds: table.seconds(row, time)? });
    }
    if !cells.iter().any(|cell| cell.at[0] == 0) {
        return Err(table.wrong(1, "has no row of decodes alone".into(), "measure prefill_chunk 0"));
    }
    Ok(cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENSE: &str = "layer,tokens,time_us\nembedding,1,2\nlayernorm,1,3\nlayernorm,2,5\nqkv_proj,1,50\n";
    const ENDS: &str = "layer,sequences,time_us\nlm_head,1,1000\nsampler,1,20\n";
    const ATTENTION: &str =
        "prefill_chunk,kv_prefill,n_decode,kv_decode,time_us\n0,0,1,16,9\n0,0,1,32,10\n16,0,0,0,8\n";

    fn read(files: [&str; 3]) -> Result<Measured, ScenarioError> {
        let place = tempfile::tempdir().unwrap();
        for (name, text) in ["dense.csv", "per_sequence.csv", "attention.csv"].iter().zip(files) {
            if !text.is_empty() {
                std::fs::write(place.path().join(name), text).unwrap();
            }
        }
        folder(place.path())
    }

    #[test]
    fn the_norm_of_a_layer_runs_twice() {
        let found = read([DENSE, ENDS, ATTENTION]).unwrap();
        assert_eq!((found.once.len(), found.per_layer.len(), found.per_sequence.len()), (1, 3, 2));
        assert_eq!(found.attention[1].at, [0, 0, 1, 32]);
    }

    #[test]
    fn bad_folders_are_one_clear_error() {
        for (files, part) in [
            (["", ENDS, ATTENTION], "dense.csv: cannot be read"),
            ([DENSE, "", ATTENTION], "per_sequence.csv"),
            (["layer,time_us\na,1\n", ENDS, ATTENTION], "line 1: lacks the column `tokens`"),
            (["layer,tokens,time_us\na,1,-1\n", ENDS, ATTENTION], "line 2: has `-1` in the column time_us"),
            (["layer,tokens,time_us\na,1.5,1\n", ENDS, ATTENTION], "`1.5` in the column tokens"),
            (["layer,tokens,time_us\na,1,1\na,1,2\n", ENDS, ATTENTION], "a second time"),
            (["layer,tokens,time_us\n", ENDS, ATTENTION], "no rows"),
            (["layer,tokens,time_us\na,1\n", ENDS, ATTENTION], "as many values"),
            ([DENSE, ENDS, "prefill_chunk,kv_prefill,n_decode,kv_decode,time_us\n0,0,0,0,1\n"], "neither"),
            ([DENSE, ENDS, "prefill_chunk,kv_prefill,n_decode,kv_decode,time_us\n16,0,0,0,1\n"], "decodes alone"),
        ] {
            let error = read(files).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
