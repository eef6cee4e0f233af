//! The command `fluidsim`.

use std::process::ExitCode;

fn main() -> ExitCode {
    fluidsim::cli::run()
}
