//! Writes `papers/generated/`: every number, table and data file of the paper, from what `fluidsim` prints.
//!
//! `recipes.toml` says which commands are run and what is taken from them. Commands marked `slow` are not run unless `--measure` is
//! given: what they printed lies in `measured/`, with the command and version that made it.

use std::path::Path;
use std::process::ExitCode;

mod recipe;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (program, measure) = match words.as_slice() {
        [program] => (program, false),
        [program, flag] if flag == "--measure" => (program, true),
        _ => {
            eprintln!("usage: paper FLUIDSIM [--measure]");
            return ExitCode::from(2);
        }
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("papers");
    let written = recipe::Kitchen::open(Path::new(program), &folder, measure).and_then(|kitchen| {
        for (name, text) in kitchen.write()? {
            let path = folder.join("generated").join(&name);
            std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(())
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
