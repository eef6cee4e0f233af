//! Single values put over a scenario from outside: `--set KEY=VALUE`, sweeps.

use toml::{Table, Value};

use super::error::ScenarioError;
use super::schema::{self, Field, SCENARIO, Shape, Variant, check_choice, join, unknown_key};

/// The short name of `workload.rate_per_s`.
pub const RATE_ALIAS: &str = "lambda";
/// The key of the arrival rate.
pub const RATE_KEY: &str = "workload.rate_per_s";

/// One value that replaces what a scenario says.
///
/// Keys are paths such as `instance.max_sequences`; members of a list are numbered from 0 (`workload.class[0].share`) or, when
/// they have names, named (`workload.class.chat.share`). `lambda` is short for `workload.rate_per_s`. The value `none` removes
/// an optional limit such as `instance.kv_tokens`.
#[derive(Debug, Clone, PartialEq)]
pub struct Override {
    /// Where the value goes.
    pub key: String,
    /// The value.
    pub value: Value,
    /// Where it comes from, for messages.
    pub origin: String,
}

impl Override {
    /// An override from inside the program or from a flag of its own, such as `--lambda`.
    pub fn new(origin: &str, key: &str, value: impl Into<Value>) -> Self {
        let key = if key == RATE_ALIAS { RATE_KEY } else { key };
        Self { key: key.to_owned(), value: value.into(), origin: origin.to_owned() }
    }

    /// The override written `KEY=VALUE`. The value is a TOML value; what is none is taken as text.
    ///
    /// # Errors
    /// Without `=`, key or value.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let origin = format!("--set {text}");
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() || value.is_empty() {
            return Err(ScenarioError::at(
                if key.is_empty() { "KEY=VALUE" } else { key },
                if text.contains('=') { "has no value or no key" } else { "has no `=`" },
                "write KEY=VALUE, such as instance.max_sequences=128",
            )
            .in_file(&origin));
        }
        Ok(Self::new(&origin, key, parse_value(value)))
    }

    /// Whether it sets the arrival rate.
    #[must_use]
    pub fn sets_rate(&self) -> bool {
        self.key == RATE_KEY
    }
}

fn parse_value(text: &str) -> Value {
    let document: Option<Table> = format!("value = {text}").parse().ok();
    let alone = document.filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    // Numbers such as `.5` and `1.` are none in TOML.
    let starts_as_number = text.starts_with(|c: char| c.is_ascii_digit() || ".+-".contains(c));
    let number = || text.parse().ok().filter(|_| starts_as_number).map(Value::Float);
    alone.or_else(number).unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Puts overrides over the table of a scenario, and returns the full key of each. Laws are switched before their parameters
/// are set, whatever the order; parameters that the new law does not have are dropped.
///
/// # Errors
/// A key that does not exist, or a value of the wrong kind.
pub fn apply<'a>(root: &mut Value, overrides: &'a [Override]) -> Result<Vec<(String, &'a Override)>, ScenarioError> {
    let (laws, rest): (Vec<_>, Vec<_>) =
        overrides.iter().partition(|change| change.key.rsplit('.').next() == Some("law"));
    let place = |change: &'a Override| {
        parse_path(&change.key)
            .and_then(|path| set(&SCENARIO, root, &path, "", &change.value))
            .map(|key| (key, change))
            .map_err(|error| error.in_file(&change.origin))
    };
    laws.into_iter().chain(rest).map(place).collect()
}

#[derive(Debug, PartialEq)]
enum Segment {
    Key(String),
    Index(usize),
}

fn parse_path(text: &str) -> Result<Vec<Segment>, ScenarioError> {
    let broken = || {
        ScenarioError::at(
            text,
            "is not a key",
            "write names with points and numbers in brackets: workload.class[0].share",
        )
    };
    let mut path = Vec::new();
    for part in text.split('.') {
        let (name, indices) = part.split_once('[').map_or((part, None), |(name, rest)| (name, Some(rest)));
        if name.trim().is_empty() {
            return Err(broken());
        }
        path.push(Segment::Key(name.trim().to_owned()));
        if let Some(indices) = indices {
            let indices = indices.strip_suffix(']').ok_or_else(broken)?;
            for index in indices.split("][") {
                path.push(Segment::Index(index.parse().map_err(|_| broken())?));
            }
        }
    }
    Ok(path)
}

/// Puts `new` where `path` leads from `value`, and returns the full key of that place.
fn set(shape: &Shape, value: &mut Value, path: &[Segment], place: &str, new: &Value) -> Result<String, ScenarioError> {
    let Some((first, rest)) = path.split_first() else {
        let mut new = new.clone();
        // Tables are checked when all overrides are in.
        if !shape.is_compound() {
            shape.check(&mut new, place)?;
        }
        *value = new;
        return Ok(place.to_owned());
    };
    match (shape, value, first) {
        (Shape::Table(fields), Value::Table(table), Segment::Key(key)) => {
            let allowed: Vec<&str> = fields.iter().map(|field| field.key).collect();
            let field = fields.iter().find(|field| field.key == key);
            set_field(field.ok_or_else(|| unknown_key(place, key, &allowed))?, table, rest, place, new)
        }
        (Shape::Law(variants), Value::Table(table), Segment::Key(key)) if key == "law" && rest.is_empty() => {
            switch_law(variants, table, place, new)
        }
        (Shape::Law(variants), Value::Table(table), Segment::Key(key)) => {
            let allowed: Vec<&str> = std::iter::once("law").chain(law_keys(variants)).collect();
            let field = schema::law_fields(variants).find(|field| field.key == key);
            set_field(field.ok_or_else(|| unknown_key(place, key, &allowed))?, table, rest, place, new)
        }
        (Shape::Tables(fields), Value::Array(items), member) => {
            let index = find_member(items, member, place)?;
            set(&Shape::Table(fields), &mut items[index], rest, &format!("{place}[{index}]"), new)
        }
        _ => Err(ScenarioError::at(place, "is a single value, with nothing inside it", "set it as a whole")),
    }
}

fn set_field(
    field: &Field,
    table: &mut Table,
    rest: &[Segment],
    place: &str,
    new: &Value,
) -> Result<String, ScenarioError> {
    let inner = join(place, field.key);
    let removable = !field.required && !matches!(field.shape, Shape::Text | Shape::Choice(_));
    if rest.is_empty() && removable && new.as_str() == Some("none") {
        table.remove(field.key);
        return Ok(inner);
    }
    let empty = match field.shape {
        Shape::Tables(_) => Value::Array(Vec::new()),
        _ => Value::Table(Table::new()),
    };
    set(field.shape, table.entry(field.key).or_insert(empty), rest, &inner, new)
}

fn switch_law(variants: &[Variant], table: &mut Table, place: &str, new: &Value) -> Result<String, ScenarioError> {
    let inner = join(place, "law");
    let names: Vec<&str> = variants.iter().map(|variant| variant.name).collect();
    let written = new.as_str().map_or_else(|| new.to_string(), str::to_owned);
    check_choice(&names, &written, &inner)?;
    if table.get("law").and_then(Value::as_str) != Some(&written) {
        let chosen = variants.iter().filter(|variant| variant.name == written);
        let keys: Vec<&str> = chosen.flat_map(|variant| variant.fields).map(|field| field.key).collect();
        table.retain(|key, _| keys.contains(&key));
        table.insert("law".to_owned(), Value::String(written));
    }
    Ok(inner)
}

/// The keys of all laws, each once.
fn law_keys(variants: &'static [Variant]) -> Vec<&'static str> {
    let mut keys = Vec::new();
    for field in schema::law_fields(variants) {
        if !keys.contains(&field.key) {
            keys.push(field.key);
        }
    }
    keys
}

/// The place of a numbered or named member of a list.
fn find_member(items: &[Value], member: &Segment, place: &str) -> Result<usize, ScenarioError> {
    let name_of = |item: &Value| item.get("name").and_then(Value::as_str).map(str::to_owned);
    let (found, written) = match member {
        Segment::Index(index) => (Some(*index).filter(|&index| index < items.len()), format!("{place}[{index}]")),
        Segment::Key(name) => (items.iter().position(|item| name_of(item).as_ref() == Some(name)), join(place, name)),
    };
    found.ok_or_else(|| {
        let members: Vec<String> = (0..items.len())
            .map(|index| format!("`{}`", name_of(&items[index]).unwrap_or_else(|| index.to_string())))
            .collect();
        let held = if members.is_empty() { "is empty".to_owned() } else { format!("has {}", members.join(", ")) };
        let problem = format!("does not exist, the list {held}");
        ScenarioError::at(
            &written,
            problem,
            format!("number from 0, as in {place}[0], or name one; or set {place} whole"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_toml_or_text() {
        let cases: [(&str, Value); 9] = [
            ("128", 128.into()),
            ("1.5", 1.5.into()),
            (".5", 0.5.into()),
            ("1e-3", 1e-3.into()),
            ("greedy", "greedy".into()),
            ("\"greedy\"", "greedy".into()),
            ("[1, 2]", vec![1, 2].into()),
            ("1,5", "1,5".into()),
            ("1\nother = 2", "1\nother = 2".into()),
        ];
        for (text, value) in cases {
            assert_eq!(Override::parse(&format!("name={text}")).unwrap().value, value, "{text}");
        }
        assert_eq!(Override::parse("lambda=2").unwrap().key, RATE_KEY);
    }

    #[test]
    fn paths_have_names_and_numbers() {
        let path = parse_path("a.b[2].c").unwrap();
        let key = |name: &str| Segment::Key(name.into());
        assert_eq!(path, [key("a"), key("b"), Segment::Index(2), key("c")]);
        for text in ["", "a..b", ".a", "a[", "a[x]", "a[-1]", "a[1", "[0]"] {
            assert!(parse_path(text).is_err(), "{text}");
        }
    }
}
