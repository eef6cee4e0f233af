//! What a scenario's text may say in place of an iteration-time law: `[hardware]`, and the law `table`, which names a profile.

use std::path::Path;

use toml::{Table, Value};

use super::error::ScenarioError;
use super::hardware::{self, KEY};
use super::load::decode;
use super::overrides::Override;
use super::profile::{self, Profile};

/// The table with the law and the memory that its hardware or its profile comes to, and the overrides that remain to be put over it.
///
/// # Errors
/// Hardware or a profile that comes to nothing, or stands beside a law.
pub fn place(mut table: Table, changes: &[Override], base: &Path) -> Result<(Table, Vec<Override>), ScenarioError> {
    let is_hardware = |change: &&Override| change.key == KEY || change.key.starts_with("hardware.");
    let own: Vec<&Override> = changes.iter().filter(is_hardware).collect();
    let mut rest: Vec<Override> = changes.iter().filter(|change| !is_hardware(change)).cloned().collect();
    if !own.is_empty() || table.contains_key(KEY) {
        place_hardware(&mut table, &own, &rest).map_err(|error| match own.iter().find(|c| c.key == error.key) {
            Some(change) => error.in_file(&change.origin),
            None => error,
        })?;
    }
    place_profile(&mut table, &mut rest, base)?;
    Ok((table, rest))
}

fn place_hardware(table: &mut Table, own: &[&Override], rest: &[Override]) -> Result<(), ScenarioError> {
    let written = table.remove(KEY);
    if written.is_some() && table.contains_key("step_time") {
        let problem = "stands beside [hardware], which gives the iteration times";
        return Err(ScenarioError::at("step_time", problem, "remove one of them"));
    }
    if let Some(place) = other_law(table) {
        let problem = "has iteration times of its own, which one kind of hardware cannot replace";
        return Err(ScenarioError::at(place, problem, "choose a scenario of one kind of instance"));
    }
    let mut hardware = match written.clone() {
        None => Table::new(),
        Some(Value::Table(hardware)) => hardware,
        Some(_) => {
            return Err(ScenarioError::at(KEY, "is no table", "write [hardware] with `gpu` and `model`"));
        }
    };
    for change in own {
        match change.key.strip_prefix("hardware.") {
            Some(key) if change.value.as_str() == Some("none") => hardware.remove(key),
            Some(key) => hardware.insert(key.to_owned(), change.value.clone()),
            None => return Err(ScenarioError::at(KEY, "is a table", "set its keys, such as hardware.gpu=l4")),
        };
    }
    for (key, flag) in [("gpu", "--gpu"), ("model", "--model")] {
        if !own.is_empty() && !hardware.contains_key(key) {
            let remedy = format!("name it with {flag}; `fluidsim models` lists them");
            return Err(ScenarioError::at(&format!("{KEY}.{key}"), "is missing", remedy).in_file(&own[0].origin));
        }
    }
    let found = hardware::resolve(&hardware, max_sequences(table, rest))?;
    let law = Table::try_from(&found.step_time)
        .map_err(|problem| ScenarioError::at("step_time", problem.to_string(), "choose other hardware"))?;
    table.insert("step_time".into(), law.into());
    if let Value::Table(instance) = table.entry("instance").or_insert_with(|| Table::new().into())
        && (written.is_none() || !instance.contains_key("kv_tokens"))
    {
        instance.insert("kv_tokens".into(), (found.kv_tokens as i64).into());
    }
    if written.is_none() {
        rename(table, &hardware);
        table.insert("description".into(), found.words.into());
    }
    Ok(())
}

/// A scenario of other hardware than its name says gets another name.
fn rename(table: &mut Table, hardware: &Table) {
    let text = |key: &str| hardware.get(key).and_then(Value::as_str).unwrap_or_default();
    let tp = hardware.get("tp").and_then(Value::as_integer).unwrap_or(1);
    if let Some(Value::String(name)) = table.get_mut("name") {
        *name = format!("{name}+{}-{tp}x{}", text("model"), text("gpu"));
    }
}

/// Where else a law stands.
fn other_law(table: &Table) -> Option<&'static str> {
    let within = |key: &str, list: &str| {
        let items = table.get(key)?.get(list)?;
        let one = std::slice::from_ref(items);
        let items = items.as_array().map_or(one, Vec::as_slice);
        items.iter().any(|item| item.get("step_time").is_some()).then_some(())
    };
    [
        ("workload", "class", "workload.class"),
        ("cluster", "group", "cluster.group"),
        ("cluster", "prefill", "cluster.prefill"),
    ]
    .into_iter()
    .find_map(|(key, list, place)| within(key, list).map(|()| place))
}

fn max_sequences(table: &Table, rest: &[Override]) -> u64 {
    let set = rest.iter().rev().find(|change| change.key == "instance.max_sequences").map(|change| &change.value);
    let written = || table.get("instance").and_then(|instance| instance.get("max_sequences"));
    set.or_else(written).and_then(Value::as_integer).map_or(256, |count| count.clamp(1, 1 << 24) as u64)
}

/// Reads the profile of a law `table`. A file set from outside makes it one.
fn place_profile(table: &mut Table, rest: &mut Vec<Override>, base: &Path) -> Result<(), ScenarioError> {
    let set = rest.iter().rev().find(|change| change.key == "step_time.file").cloned();
    let law = |table: &Table| Some(table.get("step_time")?.get("law")?.as_str()? == "table");
    if set.is_none() && law(table) != Some(true) {
        return Ok(());
    }
    let step_time = match (&set, table.get("step_time")) {
        (None, Some(Value::Table(step_time))) => step_time.clone(),
        _ => Table::new(),
    };
    if let Some(key) = step_time.keys().find(|key| !["law", "file"].contains(&key.as_str())) {
        return Err(ScenarioError::at(
            &format!("step_time.{key}"),
            "is not a key of the law `table`",
            "give `file` only",
        ));
    }
    let origin = set.as_ref().map_or("", |change| &change.origin);
    let Some(file) = set.as_ref().map(|change| &change.value).or(step_time.get("file")).and_then(Value::as_str) else {
        let remedy = "name a CSV file with the columns tokens and seconds";
        return Err(ScenarioError::at("step_time.file", "is missing or no text", remedy).in_file(origin));
    };
    // What is written in a scenario is relative to it, what is typed is relative to where one stands.
    let path = if set.is_some() { file.into() } else { base.join(file) };
    let shown = path.display().to_string();
    if path.is_dir() {
        let law = Table::from_iter(
            [("law", "kernels".to_owned()), ("folder", shown)].map(|(key, text)| (key.to_owned(), text.into())),
        );
        table.insert("step_time".into(), law.into());
        rest.retain(|change| change.key != "step_time.file" && change.value.as_str() != Some("table"));
        return Ok(());
    }
    let bytes = std::fs::read(&path).map_err(|problem| {
        let problem = format!("`{shown}` cannot be read: {problem}");
        ScenarioError::at("step_time.file", problem, "give a CSV file, relative to the scenario's").in_file(origin)
    })?;
    let found = decode(bytes).and_then(|text| profile::read(&text)).map_err(|error| error.in_file(&shown))?;
    let law = Profile::law(found);
    law.validate().map_err(|error| error.in_file(&shown))?;
    let law = Table::try_from(&law).map_err(|problem| ScenarioError::at("step_time", problem.to_string(), ""))?;
    table.insert("step_time".into(), law.into());
    rest.retain(|change| change.key != "step_time.file" && change.value.as_str() != Some("table"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Scenario, StepTimeLaw, load, open, presets};

    fn set(name: Option<&str>, pairs: &[(&str, &str)]) -> Result<Scenario, ScenarioError> {
        let changes: Vec<Override> = pairs.iter().map(|&(key, value)| Override::new("--x", key, value)).collect();
        open(name, &changes, None)
    }

    fn head() -> String {
        presets::find("chat-70b-4xa100").unwrap().text.split("[step_time]").next().unwrap().to_owned()
    }

    #[test]
    fn hardware_replaces_law_and_memory_and_renames() {
        let scenario = set(None, &[("hardware.gpu", "h200"), ("hardware.model", "llama-3-8b")]).unwrap();
        assert_eq!(scenario.name, "chat-70b-4xa100+llama-3-8b-1xh200");
        assert!(scenario.description.starts_with("Llama-3-8B on 1 × NVIDIA H200 SXM: fits"));
        assert!(matches!(scenario.step_time, StepTimeLaw::Curve { .. }));
        assert!(scenario.instance.kv_tokens.unwrap() > 800_000);
        assert_eq!(load("again", &scenario.to_toml(), &[]).unwrap(), scenario);
    }

    #[test]
    fn hardware_in_a_file_can_be_changed_from_outside() {
        let text = head().replace("kv_tokens = 415000", "")
            + "[hardware]\ngpu = \"h100-sxm\"\nmodel = \"llama-3-70b\"\ntp = 4\n";
        let (four, wide) = (load("f", &text, &[]).unwrap(), [Override::new("--tp", "hardware.tp", 8)]);
        assert_eq!(four.name, "chat-70b-4xa100");
        let eight = load("f", &text, &wide).unwrap();
        assert!(eight.instance.kv_tokens.unwrap() > 2 * four.instance.kv_tokens.unwrap());
        let own = load("f", &(head() + "[hardware]\ngpu = \"h200\"\nmodel = \"llama-3-8b\"\n"), &[]).unwrap();
        assert_eq!(own.instance.kv_tokens, Some(415_000));
    }

    #[test]
    fn hardware_that_comes_to_nothing() {
        let error = set(None, &[("hardware.gpu", "h100"), ("hardware.model", "llama-3-8b")]).unwrap_err();
        assert_eq!((error.origin.as_str(), error.key.as_str()), ("--x", "hardware.gpu"));
        let error = set(None, &[("hardware.gpu", "l4")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "--x: hardware.model: is missing; name it with --model; `fluidsim models` lists them"
        );
        let both = head() + "[step_time]\nlaw = \"affine\"\n[hardware]\ngpu = \"l4\"\nmodel = \"llama-3-8b\"\n";
        assert_eq!(load("f", &both, &[]).unwrap_err().key, "step_time");
        let pool = set(Some("disaggregated"), &[("hardware.gpu", "l4"), ("hardware.model", "llama-3-8b")]);
        assert!(pool.unwrap_err().problem.contains("iteration times of its own"));
    }

    #[test]
    fn a_profile_stands_beside_its_scenario() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(at("p.csv"), "\u{feff}tokens,seconds\r\n1,0.02\r\n101,0.03").unwrap();
        std::fs::write(at("s.toml"), head() + "[step_time]\nlaw = \"table\"\nfile = \"p.csv\"\n").unwrap();
        let scenario = open(Some(&at("s.toml")), &[], None).unwrap();
        let StepTimeLaw::Curve { points, .. } = &scenario.step_time else { panic!("no curve") };
        assert_eq!(points.iter().map(|point| point.tokens).collect::<Vec<_>>(), [1, 101]);
        let typed = set(None, &[("step_time.file", &at("p.csv"))]).unwrap();
        assert_eq!(typed.step_time, scenario.step_time);
        std::fs::write(at("p.csv"), b"tokens,seconds\n1,0.02\n2,\xff\n").unwrap();
        let latin = open(Some(&at("s.toml")), &[], None).unwrap_err();
        assert_eq!((latin.origin, latin.key.as_str()), (at("p.csv"), "line 3"));
    }
}
