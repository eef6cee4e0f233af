//! From a study's TOML to a checked [`Study`].

use std::path::Path;

use super::{Axis, Part, Published, Study, embedded};
use crate::scenario::ScenarioError;
use crate::scenario::nearest::nearest;

/// The names of all studies that come with the program.
pub fn names() -> Vec<&'static str> {
    embedded::FILES.iter().filter_map(|(file, _)| file.strip_suffix(".toml")).collect()
}

/// The study of that name, of which any part that no other has will do, such as `seed-001`; a name that ends in `.toml` is a file.
///
/// # Errors
/// There is none, where the message names the nearest, or its file cannot be read.
pub fn find(name: &str) -> Result<Study, ScenarioError> {
    if let Some(bare) = name.strip_suffix(".toml") {
        let text = std::fs::read_to_string(name).map_err(|error| {
            ScenarioError::at("", format!("cannot be read: {error}"), "name a study, or its file").in_file(name)
        })?;
        let path = Path::new(bare);
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let bare = path.file_name().map_or_else(|| bare.to_owned(), |bare| bare.to_string_lossy().into_owned());
        return Ok(Study { folder: Some(folder), ..study(&bare, name, &text)? });
    }
    let all = names();
    let alike: Vec<&str> = all.iter().copied().filter(|study| study.contains(name)).collect();
    let found = match (all.iter().find(|study| **study == name), &alike[..]) {
        (Some(study), _) | (None, [study]) => Some(*study),
        _ => None,
    };
    let Some(found) = found else {
        let problem = if alike.len() > 1 && !name.is_empty() { "names several studies" } else { "is no study" };
        let near = nearest(name, all.iter().copied());
        let remedy = near.map_or_else(
            || format!("choose one of {}", all.join(", ")),
            |near| format!("did you mean `{near}`? `fluidsim reproduce --list` shows them all"),
        );
        return Err(ScenarioError::at(name, problem, remedy));
    };
    let file = format!("{found}.toml");
    study(found, &format!("models/studies/{file}"), embedded::text(&file).unwrap_or_default())
}

/// The study in a text; `origin` is what messages call it.
///
/// # Errors
/// The first problem, with file, key, value and remedy.
pub fn study(name: &str, origin: &str, text: &str) -> Result<Study, ScenarioError> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let problem = format!("is not TOML: {}", error.message().lines().collect::<Vec<_>>().join(", "));
        ScenarioError::at("", problem, "write key = value below [[part]]").in_file(origin)
    })?;
    let study: Study = serde_path_to_error::deserialize(table).map_err(|error| {
        let problem = error.inner().message().lines().next().unwrap_or("cannot be read").to_owned();
        ScenarioError::at(&error.path().to_string(), problem, "models/studies/README.md tells the keys of a study")
            .in_file(origin)
    })?;
    let study = Study { name: name.to_owned(), ..study };
    for (index, part) in study.part.iter().enumerate() {
        let place = |error: ScenarioError| error.under(&format!("part[{index}] `{}`", part.name)).in_file(origin);
        check(&study, part).map_err(place)?;
    }
    Ok(study)
}

fn check(study: &Study, part: &Part) -> Result<(), ScenarioError> {
    let scenarios = || study.scenario.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if !study.scenario.contains_key(&part.scenario) {
        let problem = format!("is `{}`, which the study does not have", part.scenario);
        return Err(ScenarioError::at("scenario", problem, format!("name one of {}", scenarios())));
    }
    for (index, published) in part.published.iter().enumerate() {
        check_published(part, published).map_err(|error| error.under(&format!("published[{index}]")))?;
    }
    for (index, panel) in part.figure.iter().enumerate() {
        let known = part.axis.iter().any(|axis| axis.name == panel.x);
        let measured = part.quantity.iter().any(|quantity| quantity.key == panel.y);
        if !known || !measured {
            let problem = format!("shows `{}` over `{}`", panel.y, panel.x);
            let remedy = "name a quantity and an axis of the part";
            return Err(ScenarioError::at(&format!("figure[{index}]"), problem, remedy));
        }
    }
    Ok(())
}

fn check_published(part: &Part, published: &Published) -> Result<(), ScenarioError> {
    let wrong = |key: &str, problem: String, remedy: &str| Err(ScenarioError::at(key, problem, remedy));
    if !part.quantity.iter().any(|quantity| quantity.key == published.quantity) {
        let problem = format!("is `{}`, which the part does not measure", published.quantity);
        return wrong("quantity", problem, "name one of its quantities");
    }
    for axis in &part.axis {
        let along = published.along.as_ref() == Some(&axis.name);
        match published.at.get(&axis.name) {
            Some(label) if !axis.values.iter().any(|level| level.label() == *label) => {
                return wrong("at", format!("has no level `{label}` of `{}`", axis.name), "name one of its levels");
            }
            None if !along => {
                return wrong(
                    "at",
                    format!("does not say which `{}`", axis.name),
                    "name a level, or go along the axis",
                );
            }
            _ => {}
        }
    }
    if let Some(name) = published.at.keys().chain(&published.along).find(|name| axis_of(part, name).is_none()) {
        return wrong("at", format!("names `{name}`, which is no axis of the part"), "name an axis");
    }
    let wanted = published.along.as_ref().and_then(|name| axis_of(part, name)).map_or(1, |axis| axis.values.len());
    if published.values.len() != wanted {
        let problem = format!("are {}, and there are {wanted} cells", published.values.len());
        return wrong("values", problem, "give one figure for each cell, `nan` for none");
    }
    if published.agree.is_some() == published.printed.is_some() && published.agree.is_some() {
        return wrong("agree", "stands beside `printed`".to_owned(), "give one of them");
    }
    if published.agree.is_none() && published.printed.is_none() && published.why.is_empty() {
        return wrong("why", "is missing".to_owned(), "say why ours may differ, or how close it must be");
    }
    Ok(())
}

fn axis_of<'a>(part: &'a Part, name: &str) -> Option<&'a Axis> {
    part.axis.iter().find(|axis| axis.name == *name)
}
