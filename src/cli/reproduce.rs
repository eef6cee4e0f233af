//! `fluidsim reproduce`

use std::path::{Path, PathBuf};

use super::common::{check_folder, check_trials};
use super::progress::Progress;
use super::{Outcome, pictures, usage_error};
use crate::report::{self, Format};
use crate::study::reproduce::{self, Found, Options, Part, Study, Verdict, grid, read};

/// Studies of others done again: their published figures beside those of both solvers, and why they differ
///
/// Every part is written as CSV, LaTeX and SVG into a folder. A run that was killed goes on where it was
/// when it is started again. Exit code 1 when a figure that must agree does not.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fluidsim reproduce                            the studies by name
  fluidsim reproduce seed-001 --quick           fewer points and shorter runs
  fluidsim reproduce seed-001 --part boundaries
  fluidsim reproduce seed-000 --data recorded/  with recorded requests of that folder
  fluidsim reproduce seed-004 --out seed-004 --trials 50")]
pub struct Args {
    /// Name of the study, or a part of it that no other has, or a TOML file; without it the studies are listed
    name: Option<String>,

    /// Name the studies and their parts instead of running one
    #[arg(long)]
    list: bool,

    /// Fewer points and shorter runs
    #[arg(long)]
    quick: bool,

    /// Folder for the files; `reproduce-NAME` by default. Files of an earlier run are replaced
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Independent trials of every point, in place of the study's
    #[arg(long, allow_negative_numbers = true)]
    trials: Option<u64>,

    /// Only this part of the study; may be repeated
    #[arg(long, value_name = "NAME")]
    part: Vec<String>,

    /// Folder of recorded requests that some parts replay
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub fn run(args: &Args, seed: u64) -> anyhow::Result<Outcome> {
    let name = match &args.name {
        Some(name) if !args.list => name,
        _ => return list(args.name.as_deref()),
    };
    if let Some(trials) = args.trials {
        check_trials("--trials", trials, 2)?;
    }
    if let Some(folder) = args.data.as_deref().filter(|folder| !folder.is_dir()) {
        return Err(usage_error("--data", format!("`{}` is no folder", folder.display()), "name a folder"));
    }
    let study = chosen(args, read::find(name)?)?;
    let folder = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("reproduce-{}", study.name)));
    check_folder("--out", &folder, true)?;
    let options = Options { seed, quick: args.quick, trials: args.trials, data: args.data.as_deref() };
    // Every point is made before the first is run, so that a mistake costs nothing.
    let mut points = 0;
    for part in &study.part {
        points += grid::points(&study, part, &options)?.0.len();
    }
    make(&folder)?;
    report::printer::print(&format!("{}\n{}\n\n", study.title, study.source))?;
    let bar = Progress::over(points as u64, "reproducing");
    let mut differing = 0;
    for part in &study.part {
        let found = reproduce::run(&study, part, &options, Some(&journal_of(&folder, part)), &|| bar.advance())?;
        write(&folder, &part.name, &found)?;
        bar.hide(|| show(&folder, &part.name, &found))?;
        differing += found.judged.iter().filter(|row| row.verdict == Verdict::Differs).count();
    }
    bar.finish();
    // The study is finished and its results are written; a journal left behind would only be read again.
    study.part.iter().for_each(|part| drop(std::fs::remove_file(journal_of(&folder, part))));
    let end = match differing {
        0 => "every published figure that must agree does".to_owned(),
        _ => format!("{differing} published figures that must agree do not"),
    };
    report::printer::print(&format!("{end}; files in {}\n", folder.display()))?;
    Ok(if differing == 0 { Outcome::Fine } else { Outcome::CheckFailed })
}

/// Where the finished points of a part are kept until the study is finished.
fn journal_of(folder: &Path, part: &Part) -> PathBuf {
    folder.join(format!(".{}.jsonl", part.name))
}

fn list(name: Option<&str>) -> anyhow::Result<Outcome> {
    let Some(name) = name else {
        let mut studies = Vec::new();
        for name in read::names() {
            let study = read::find(name)?;
            studies.push((study.name, study.title));
        }
        report::printer::print(&report::render(&report::studies_table(&studies), Format::Table))?;
        return Ok(Outcome::Fine);
    };
    let study = read::find(name)?;
    let parts: Vec<String> = study.part.iter().map(|part| format!("  {:24}{}\n", part.name, part.title)).collect();
    report::printer::print(&format!("{}\n{}\n\n{}", study.title, study.source, parts.concat()))?;
    Ok(Outcome::Fine)
}

/// The study with the parts that were asked for.
fn chosen(args: &Args, mut study: Study) -> anyhow::Result<Study> {
    if let Some(wrong) = args.part.iter().find(|name| study.part.iter().all(|part| part.name != **name)) {
        let names: Vec<&str> = study.part.iter().map(|part| part.name.as_str()).collect();
        let remedy = format!("choose one of {}", names.join(", "));
        return Err(usage_error("--part", format!("is `{wrong}`, which `{}` does not have", study.name), &remedy));
    }
    study.part.retain(|part| args.part.is_empty() || args.part.contains(&part.name));
    Ok(study)
}

fn make(folder: &Path) -> anyhow::Result<()> {
    if !folder.is_dir() {
        std::fs::create_dir(folder).map_err(|error| {
            usage_error("--out", format!("`{}` cannot be made: {error}", folder.display()), "choose another")
        })?;
    }
    Ok(())
}

fn write(folder: &Path, name: &str, found: &Found) -> anyhow::Result<()> {
    report::reproduce::write_table(folder, name, &found.table)?;
    if let Some(comparison) = &found.comparison {
        report::reproduce::write_table(folder, &format!("{name}-published"), comparison)?;
    }
    report::reproduce::write_panels(folder, name, &found.panels)?;
    for (point, samples, panels) in &found.samples {
        let name = format!("{name}-{}-samples", file_name(point));
        report::reproduce::write_samples(folder, &name, samples)?;
        report::reproduce::write_panels(folder, &name, panels)?;
    }
    for (point, seen, kv_tokens) in &found.runs {
        let name = format!("{name}-{}", file_name(point));
        let panels = pictures::dynamics(seen, *kv_tokens);
        report::reproduce::write_panels(folder, &format!("{name}-dynamics"), &panels)?;
        report::file::write_whole(
            &folder.join(format!("{name}-timeline.svg")),
            &report::picture_text(&pictures::timeline(seen).into(), report::Form::Svg { theme: report::Theme::Light }),
        )?;
    }
    Ok(())
}

/// A label as part of a file name.
fn file_name(label: &str) -> String {
    let words = label.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_lowercase()
}

fn show(folder: &Path, name: &str, found: &Found) -> anyhow::Result<()> {
    let file = |name: &str| folder.join(format!("{name}.csv"));
    let mut text = report::reproduce::shown(&found.table, &file(name));
    if let Some(comparison) = &found.comparison {
        text.push('\n');
        text.push_str(&report::reproduce::shown(comparison, &file(&format!("{name}-published"))));
    }
    report::printer::print(&format!("{text}\n"))?;
    Ok(())
}
