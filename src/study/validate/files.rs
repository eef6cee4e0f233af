//! Where cases are: in the program, from `validation/cases`, or in a folder of the user's.

use std::path::{Path, PathBuf};

use super::embedded::FILES;
use super::{Case, read};
use crate::scenario::ScenarioError;

/// The cases that come with the program, file by file.
///
/// # Errors
/// A file that cannot be read, which a test excludes.
pub fn embedded() -> Result<Vec<Case>, ScenarioError> {
    let mut found = Vec::new();
    for (group, text) in FILES.iter().filter_map(|(name, text)| Some((name.strip_suffix(".toml")?, text))) {
        let folder = group.rsplit_once('/').map_or("", |(folder, _)| folder);
        let beside = |file: &str| {
            let wanted = if folder.is_empty() { file.to_owned() } else { format!("{folder}/{file}") };
            FILES.iter().find(|(name, _)| *name == wanted).map(|(_, text)| (*text).to_owned())
        };
        found.extend(read::cases(group, &format!("validation/cases/{group}.toml"), text, &beside)?);
    }
    Ok(found)
}

/// The cases of every `.toml` in a folder and below it, in order of their names.
///
/// # Errors
/// A folder without cases, and the first problem in a file.
pub fn from_folder(folder: &Path) -> Result<Vec<Case>, ScenarioError> {
    let mut files = Vec::new();
    collect(folder, &mut files);
    files.sort();
    let mut found = Vec::new();
    for file in &files {
        let origin = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|error| {
            ScenarioError::at("", format!("cannot be read: {error}"), "give a text file").in_file(&origin)
        })?;
        let group =
            file.strip_prefix(folder).unwrap_or(file).with_extension("").display().to_string().replace('\\', "/");
        let place = file.parent().unwrap_or(folder);
        let beside = |name: &str| std::fs::read_to_string(place.join(name)).ok();
        found.extend(read::cases(&group, &origin, &text, &beside)?);
    }
    if found.is_empty() {
        let problem = format!("`{}` holds no cases", folder.display());
        return Err(ScenarioError::at(
            "--cases",
            problem,
            "name a folder with .toml files as validation/README.md tells",
        ));
    }
    Ok(found)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
}
