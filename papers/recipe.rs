//! Recipes: commands of `fluidsim`, and what the paper takes from their output.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

type Row = BTreeMap<String, String>;
type Lists = BTreeMap<String, Vec<String>>;

/// Finds a number where a pointer or a column says.
type Finder<'a> = Box<dyn Fn(&str) -> Result<f64, String> + 'a>;

/// A file of `generated/` and its text.
pub type Page = (String, String);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipes {
    /// Words that `each` stands for.
    #[serde(default)]
    lists: Lists,
    /// What `{args}` stands for in the sources of each word.
    #[serde(default)]
    args: Lists,
    #[serde(default)]
    source: Vec<Source>,
    #[serde(default)]
    number: Vec<Number>,
    #[serde(default)]
    table: Vec<Table>,
    #[serde(default)]
    data: Vec<Data>,
}

/// A command. `{out}` among its words is a file, or a folder with the file `read`, that is read in place of what the command prints.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    /// A list: one for each of its words.
    each: Option<String>,
    name: String,
    args: Vec<String>,
    read: Option<String>,
    #[serde(default)]
    slow: bool,
    /// A file or folder outside of the clone without which the command is skipped.
    needs: Option<String>,
    /// Of the rows of a CSV, every which is kept.
    #[serde(default = "one")]
    every: usize,
    /// Exit codes that are no failure, besides 0.
    #[serde(default)]
    exit: Vec<i32>,
}

/// One number of a source: at a pointer of JSON, or in the row of a CSV table that has these words.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Number {
    /// A list: one for each of its words.
    each: Option<String>,
    name: String,
    from: Option<String>,
    at: Option<String>,
    #[serde(default)]
    row: BTreeMap<String, String>,
    column: Option<String>,
    /// Half-width of a 95 % interval, found like the value.
    half: Option<String>,
    /// Upper end of a 95 % interval, in place of `half`.
    high: Option<String>,
    /// Of several texts the one that holds this.
    says: Option<String>,
    /// Which word of a text is the number, from 0.
    word: Option<usize>,
    /// How many different words stand in this column of a CSV, in place of a value.
    distinct: Option<String>,
    /// Two names instead of a source: first over second, less one.
    gap: Option<[String; 2]>,
    form: String,
}

/// A table, row by row: `@name` in a cell is a number, `$key` a field of a row of a source.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    file: String,
    spec: String,
    head: Vec<String>,
    /// A list: one for each of its words.
    each: Option<String>,
    #[serde(default)]
    labels: Vec<String>,
    from: Option<String>,
    at: Option<String>,
    /// Rows of a source that are left out: those whose field has one of these words.
    #[serde(default)]
    without: BTreeMap<String, Vec<String>>,
    cells: Vec<String>,
    /// Decimal places of the fields that are numbers and not whole.
    round: Option<usize>,
    /// Rows before which a rule stands.
    #[serde(default)]
    rules: Vec<usize>,
}

/// Columns of a CSV, or of rows of JSON, for a plot.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    file: String,
    from: String,
    at: Option<String>,
    columns: Vec<String>,
    /// Their names in the file, where they are not the same.
    #[serde(default)]
    names: Vec<String>,
    /// Columns of words: their ordinal number stands for them.
    #[serde(default)]
    ordinals: Vec<String>,
    #[serde(default)]
    row: BTreeMap<String, String>,
    #[serde(default = "one")]
    every: usize,
}

fn one() -> usize {
    1
}

/// Recipes, with what their commands print.
pub struct Kitchen {
    recipes: Recipes,
    outputs: BTreeMap<String, String>,
    stamps: BTreeMap<String, String>,
}

impl Kitchen {
    /// Runs the commands. Slow ones are read from `measured/` unless `measure`, which runs them and writes them there.
    pub fn open(program: &Path, folder: &Path, measure: bool) -> Result<Self, String> {
        let text = read(&folder.join("recipes.toml"))?;
        let recipes: Recipes = toml::from_str(&text).map_err(|error| error.to_string())?;
        let mut kitchen = Self { recipes, outputs: BTreeMap::new(), stamps: BTreeMap::new() };
        for source in kitchen
            .recipes
            .source
            .iter()
            .flat_map(|source| source.each(&kitchen.recipes.lists, &kitchen.recipes.args))
            .collect::<Vec<_>>()
        {
            let path = folder.join("measured").join(&source.name);
            if source.slow {
                let absent = source.needs.as_ref().is_some_and(|needs| !root(folder).join(needs).exists());
                if measure && absent {
                    eprintln!(
                        "{}: {} is not here, what was measured before is kept",
                        source.name,
                        source.needs.clone().unwrap_or_default()
                    );
                } else if measure {
                    let stamp = format!("fluidsim {}: fluidsim {}", version(program)?, source.args.join(" "));
                    let text = run(program, folder, &source)?;
                    let rows = text
                        .lines()
                        .enumerate()
                        .filter(|(line, _)| source.every == 1 || line % source.every == 1 || *line == 0);
                    write(&path, &format!("{stamp}\n{}\n", rows.map(|(_, line)| line).collect::<Vec<_>>().join("\n")))?;
                }
                let kept = read(&path)?;
                let (stamp, output) = kept.split_once('\n').ok_or(format!("{}: no first line", path.display()))?;
                kitchen.stamps.insert(source.name.clone(), stamp.to_owned());
                kitchen.outputs.insert(source.name, output.to_owned());
            } else {
                kitchen.outputs.insert(source.name.clone(), run(program, folder, &source)?);
            }
        }
        Ok(kitchen)
    }

    /// All files of `generated/`.
    pub fn write(&self) -> Result<Vec<Page>, String> {
        let numbers = self.numbers()?;
        let mut pages = vec![("numbers.tex".to_owned(), self.macros(&numbers))];
        for table in &self.recipes.table {
            pages.push((table.file.clone(), self.table(table, &numbers)?));
        }
        for data in &self.recipes.data {
            pages.push((data.file.clone(), self.data(data)?));
        }
        Ok(pages)
    }

    fn macros(&self, numbers: &BTreeMap<String, String>) -> String {
        let mut text = String::from("% Written by papers/generate.rs from recipes.toml; do not edit.\n");
        for (name, stamp) in &self.stamps {
            let _ = writeln!(text, "% {name}: {stamp}");
        }
        for (name, shown) in numbers {
            let _ = writeln!(text, "\\expandafter\\newcommand\\csname fs@{name}\\endcsname{{{shown}}}");
        }
        text
    }

    fn numbers(&self) -> Result<BTreeMap<String, String>, String> {
        let (mut values, mut shown) = (BTreeMap::new(), BTreeMap::new());
        let all = self.recipes.number.iter().flat_map(|number| number.each(&self.recipes.lists));
        let (gaps, found): (Vec<_>, Vec<_>) = all.partition(|number| number.gap.is_some());
        for number in found.into_iter().chain(gaps) {
            if number.form == "list" {
                shown.insert(number.name.clone(), self.distinct(&number)?.join(","));
                continue;
            }
            let (value, half) = match &number.gap {
                Some([over, under]) => {
                    let value =
                        |name: &String| values.get(name).copied().ok_or(format!("{}: no number {name}", number.name));
                    (value(over)? / value(under)? - 1.0, None)
                }
                None => self.find(&number)?,
            };
            values.insert(number.name.clone(), value);
            let text = form(value, half, &number.form).map_err(|error| format!("{}: {error}", number.name))?;
            if shown.insert(number.name.clone(), text).is_some() {
                return Err(format!("two numbers are called {}", number.name));
            }
        }
        Ok(shown)
    }

    fn output(&self, name: Option<&String>) -> Result<&str, String> {
        let name = name.ok_or("a number without `from` or `gap`")?;
        self.outputs.get(name).map(String::as_str).ok_or(format!("no source is called {name}"))
    }

    fn find(&self, number: &Number) -> Result<(f64, Option<f64>), String> {
        let output = self.output(number.from.as_ref())?;
        let missing =
            |what: &str| format!("{}: {what} is not in {}", number.name, number.from.clone().unwrap_or_default());
        if number.distinct.is_some() {
            return Ok((self.distinct(number)?.len() as f64, None));
        }
        let found: Finder<'_> = if let Some(at) = &number.at {
            let json: Value = serde_json::from_str(output).map_err(|error| missing(&error.to_string()))?;
            let place = json.pointer(at).ok_or_else(|| missing(at))?;
            let says = |item: &Value| {
                number.says.as_ref().is_none_or(|says| item.as_str().is_some_and(|text| text.contains(says)))
            };
            let is_it =
                |item: &&Value| says(item) && number.row.iter().all(|(key, word)| item[key].as_str() == Some(word));
            let place = match (number.row.is_empty() && number.says.is_none(), place) {
                (false, Value::Array(items)) => {
                    items.iter().find(is_it).ok_or_else(|| missing(&format!("{:?}", number.row)))?
                }
                _ => place,
            }
            .clone();
            let word = number.word;
            Box::new(move |at: &str| {
                let value = place.pointer(at).ok_or(missing(at))?;
                let nth = |text: &str| text.split_whitespace().nth(word.unwrap_or(0)).and_then(number_in);
                value.as_str().map_or_else(|| number_of(value), nth).ok_or(missing(at))
            })
        } else {
            let rows = rows_of_csv(output, &number.row)?;
            let [row] = rows.as_slice() else { return Err(missing(&format!("exactly one row {:?}", number.row))) };
            let row = row.clone();
            Box::new(move |column: &str| row.get(column).and_then(|field| field.parse().ok()).ok_or(missing(column)))
        };
        let value = found(number.column.as_deref().unwrap_or_default())?;
        let high = number.high.as_deref().map(&found).transpose()?;
        let half = number.half.as_deref().map(&found).transpose()?;
        Ok((value, half.or(high.map(|high| high - value))))
    }

    /// The different words of a column, in order.
    fn distinct(&self, number: &Number) -> Result<Vec<String>, String> {
        let column = number.distinct.as_ref().ok_or(format!("{}: `distinct` is missing", number.name))?;
        let mut words = Vec::new();
        for row in rows_of_csv(self.output(number.from.as_ref())?, &number.row)? {
            let word = row.get(column).ok_or(format!("{}: no column {column}", number.name))?;
            if !word.is_empty() && !words.contains(word) {
                words.push(word.clone());
            }
        }
        Ok(words)
    }

    fn table(&self, table: &Table, numbers: &BTreeMap<String, String>) -> Result<String, String> {
        let rows = match &table.from {
            None => words(&self.recipes.lists, table.each.as_ref())
                .iter()
                .map(|id| BTreeMap::from([("each".to_owned(), id.clone())]))
                .collect(),
            Some(_) => self.rows(table)?,
        };
        let mut text = String::from("% Written by papers/generate.rs from recipes.toml; do not edit.\n");
        for stamp in self.stamps.iter().filter(|(name, _)| self.uses(table, name)).map(|(_, stamp)| stamp) {
            let _ = writeln!(text, "% {stamp}");
        }
        let _ = write!(
            text,
            "\\begin{{tabular}}{{{}}}\n\\toprule\n{} \\\\\n\\midrule\n",
            table.spec,
            table.head.join(" & ")
        );
        for (index, row) in rows.iter().enumerate() {
            if table.rules.contains(&index) {
                text += "\\addlinespace\n";
            }
            let label = table.labels.get(index).cloned().unwrap_or_default();
            let cell = |cell: &String| Self::cell(cell, row, &label, table.round, numbers);
            let cells = table.cells.iter().map(cell).collect::<Result<Vec<_>, _>>()?;
            let _ = writeln!(text, "{} \\\\", cells.join(" & "));
        }
        Ok(text + "\\bottomrule\n\\end{tabular}\n")
    }

    fn uses(&self, table: &Table, source: &str) -> bool {
        table.from.as_deref() == Some(source)
            || self.recipes.number.iter().flat_map(|number| number.each(&self.recipes.lists)).any(|number| {
                number.from.as_deref() == Some(source)
                    && words(&self.recipes.lists, table.each.as_ref())
                        .iter()
                        .any(|id| table.cells.iter().any(|cell| cell.replace("{}", id) == format!("@{}", number.name)))
            })
    }

    fn cell(
        cell: &str,
        row: &Row,
        label: &str,
        round: Option<usize>,
        numbers: &BTreeMap<String, String>,
    ) -> Result<String, String> {
        let cell = row.get("each").map_or(cell.to_owned(), |id| cell.replace("{}", id)).replace("{label}", label);
        if let Some(name) = cell.strip_prefix('@') {
            return numbers.get(name).cloned().ok_or(format!("no number is called {name}"));
        }
        if let Some(key) = cell.strip_prefix('$') {
            let field = |key: &str| row.get(key).map(|text| text.trim()).ok_or(format!("no field is called {key}"));
            if let Some((value, high)) = key.split_once(" ± ") {
                let (Some(value), Some(high)) = (number_in(field(value)?), number_in(field(high)?)) else {
                    return Ok("--".into());
                };
                return form(value, Some(high - value), "half");
            }
            return Ok(shown(field(key)?, round));
        }
        Ok(cell)
    }

    fn rows(&self, table: &Table) -> Result<Vec<Row>, String> {
        let output = self.output(table.from.as_ref())?;
        let Some(at) = &table.at else { return rows_of_csv(output, &BTreeMap::new()) };
        let left_out = |row: &Row| table.without.iter().any(|(key, words)| words.contains(&row[key]));
        Ok(rows_of_json(output, at)?.into_iter().filter(|row| !left_out(row)).collect())
    }

    fn data(&self, data: &Data) -> Result<String, String> {
        let output = self.output(Some(&data.from))?;
        let stamp = self.stamps.get(&data.from).map_or(String::new(), |stamp| format!("# {stamp}\n"));
        let names = if data.names.is_empty() { &data.columns } else { &data.names };
        let mut text = format!("{stamp}{}\n", names.join(" "));
        let rows = match &data.at {
            Some(at) => rows_of_json(output, at)?,
            None => rows_of_csv(output, &data.row)?,
        };
        let mut seen: BTreeMap<&String, Vec<String>> = BTreeMap::new();
        for row in rows.iter().step_by(data.every) {
            let mut fields = Vec::new();
            for column in &data.columns {
                let word = row.get(column).ok_or(format!("{}: no column {column}", data.file))?;
                if data.ordinals.contains(column) {
                    let words = seen.entry(column).or_default();
                    let place = words.iter().position(|known| known == word).unwrap_or(words.len());
                    if place == words.len() {
                        words.push(word.clone());
                    }
                    fields.push(place.to_string());
                } else {
                    fields.push(number_in(word).map_or("nan".to_owned(), |value| significant(value, 5)));
                }
            }
            let _ = writeln!(text, "{}", fields.join(" "));
        }
        Ok(text)
    }
}

impl Source {
    fn each(&self, lists: &Lists, args: &Lists) -> Vec<Self> {
        expand(words(lists, self.each.as_ref()), self, |one, id| {
            one.name = one.name.replace("{}", id);
            let own = args.get(id).map_or(&[][..], Vec::as_slice);
            one.args = self
                .args
                .iter()
                .flat_map(|word| if word == "{args}" { own.to_vec() } else { vec![word.replace("{}", id)] })
                .collect();
        })
    }
}

impl Number {
    fn each(&self, lists: &Lists) -> Vec<Self> {
        expand(words(lists, self.each.as_ref()), self, |one, id| {
            let put = |text: &mut String| *text = text.replace("{}", id);
            put(&mut one.name);
            [&mut one.from, &mut one.at, &mut one.half, &mut one.high, &mut one.column]
                .into_iter()
                .flatten()
                .for_each(put);
            one.row.values_mut().chain(one.gap.iter_mut().flatten()).for_each(put);
        })
    }
}

fn words<'a>(lists: &'a Lists, each: Option<&String>) -> &'a [String] {
    each.and_then(|name| lists.get(name)).map_or(&[], Vec::as_slice)
}

fn expand<T: Clone>(each: &[String], one: &T, put: impl Fn(&mut T, &str)) -> Vec<T> {
    if each.is_empty() {
        return vec![one.clone()];
    }
    let with = |id: &String| {
        let mut copy = one.clone();
        put(&mut copy, id);
        copy
    };
    each.iter().map(with).collect()
}

fn rows_of_json(text: &str, at: &str) -> Result<Vec<Row>, String> {
    let json: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let rows = json.pointer(at).and_then(Value::as_array).ok_or(format!("no rows at {at}"))?;
    let word = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
    let fields =
        |row: &Value| row.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), word(value))).collect();
    Ok(rows.iter().map(fields).collect())
}

/// A number, the number that a word begins with, or how many items an array has.
fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::Array(items) => Some(items.len() as f64),
        Value::String(word) => number_in(word),
        _ => value.as_f64(),
    }
}

/// The number that a word such as `9.5 !` begins with.
fn number_in(word: &str) -> Option<f64> {
    word.split_whitespace().next()?.trim_end_matches([',', ':', ';']).parse().ok()
}

fn rows_of_csv(text: &str, wanted: &BTreeMap<String, String>) -> Result<Vec<Row>, String> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let head = reader.headers().map_err(|error| error.to_string())?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let row: BTreeMap<_, _> =
            head.iter().zip(&record).map(|(key, field)| (key.to_owned(), field.to_owned())).collect();
        if wanted.iter().all(|(key, word)| row.get(key) == Some(word)) {
            rows.push(row);
        }
    }
    Ok(rows)
}

/// `sig N`, `fixed N`, `percent N`, `signed N` (a percentage with its sign), `loss N` (a percentage of loss), `half` (as many places as the half-width asks for).
fn form(value: f64, half: Option<f64>, form: &str) -> Result<String, String> {
    let (kind, places) = form.split_once(' ').unwrap_or((form, "0"));
    let places: usize = places.parse().map_err(|_| format!("`{form}` is no form"))?;
    let shown = match kind {
        "sig" => significant(value, places),
        "fixed" => format!("{value:.places$}"),
        "percent" => format!("{:.places$}", 100.0 * value),
        "plus" => format!("${value:+.places$}$"),
        "loss" => format!("{:.places$}", -100.0 * value),
        "signed" => {
            let text = format!("{:+.places$}", 100.0 * value);
            if text.trim_matches(['+', '-', '0', '.']).is_empty() { text[1..].to_owned() } else { format!("${text}$") }
        }
        "half" => {
            let half = half.ok_or("no half-width")?;
            if half <= 1e-9 * value.abs() {
                return Ok(significant(value, 4));
            }
            let places = (1.0 - half.log10().floor()).max(0.0) as usize;
            return Ok(format!("\\ensuremath{{{value:.places$} \\pm {half:.places$}}}"));
        }
        _ => return Err(format!("`{form}` is no form")),
    };
    Ok(shown)
}

/// To so many significant digits, never in exponents.
fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let places = digits as i32 - 1 - value.abs().log10().floor() as i32;
    format!("{value:.*}", places.max(0) as usize)
}

/// A field of a row: a dash where it is empty, rounded where it is a number that is not whole.
fn shown(field: &str, round: Option<usize>) -> String {
    match (field.parse::<f64>(), round) {
        _ if field.is_empty() || field == "null" => "--".to_owned(),
        (Ok(value), Some(places)) if value != value.trunc() => format!("${value:.places$}$"),
        _ => escaped(field),
    }
}

fn escaped(text: &str) -> String {
    let plain = text.replace('_', "\\_").replace('%', "\\%").replace('&', "\\&");
    plain.replace("λ*", "$\\lambda^\\ast$").replace('ν', "$\\nu$").replace('λ', "$\\lambda$")
}

fn root(folder: &Path) -> PathBuf {
    folder.join("..")
}

fn run(program: &Path, folder: &Path, source: &Source) -> Result<String, String> {
    let out = std::env::temp_dir().join(format!("fluidsim-paper-{}-{}", std::process::id(), source.name));
    let words: Vec<String> = source.args.iter().map(|word| word.replace("{out}", &out.display().to_string())).collect();
    let done = Command::new(program).args(&words).current_dir(root(folder)).output();
    let done = done.map_err(|error| format!("{}: {error}", program.display()))?;
    let code = done.status.code().unwrap_or(-1);
    if code != 0 && !source.exit.contains(&code) {
        let said = String::from_utf8_lossy(&done.stderr);
        return Err(format!("`fluidsim {}` ended with {code}: {said}", source.args.join(" ")));
    }
    let Some(place) = source.args.iter().position(|word| word.contains("{out}")) else {
        return String::from_utf8(done.stdout).map_err(|error| error.to_string());
    };
    let written = Path::new(&words[place]);
    let text = read(&source.read.as_ref().map_or(written.to_owned(), |name| written.join(name)))?;
    let removed = if source.read.is_some() { std::fs::remove_dir_all(written) } else { std::fs::remove_file(written) };
    removed.map_err(|error| error.to_string())?;
    Ok(text)
}

fn version(program: &Path) -> Result<String, String> {
    let done = Command::new(program).arg("--version").output().map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&done.stdout).trim().trim_start_matches("fluidsim ").to_owned())
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: f64, half: Option<f64>, kind: &str) -> String {
        form(value, half, kind).unwrap()
    }

    #[test]
    fn forms_of_numbers() {
        assert_eq!(shown(5.206_869, None, "sig 4"), "5.207");
        assert_eq!(shown(0.000_123_4, None, "sig 2"), "0.00012");
        assert_eq!(shown(12_345.6, None, "sig 2"), "12346");
        assert_eq!(shown(0.0512, None, "percent 1"), "5.1");
        assert_eq!(
            (shown(-0.0512, None, "signed 1"), shown(0.000_01, None, "signed 1")),
            ("$-5.1$".into(), "0.0".into())
        );
        assert_eq!(shown(-0.09, None, "loss 0"), "9");
        assert_eq!(shown(12.7853, Some(0.0312), "half"), "\\ensuremath{12.785 \\pm 0.031}");
        assert_eq!(shown(152.34, Some(12.0), "half"), "\\ensuremath{152 \\pm 12}");
        assert!(form(1.0, None, "half").is_err() && form(1.0, None, "wide 3").is_err());
    }

    #[test]
    fn words_of_the_program_are_safe_in_latex() {
        assert_eq!(escaped("kv_tokens 5 % λ* of ν"), "kv\\_tokens 5 \\% $\\lambda^\\ast$ of $\\nu$");
        assert_eq!((number_in("9.5 !"), number_in("none")), (Some(9.5), None));
    }
}
