//! One subcommand for every model of the catalogue: its parameters are its options.

use clap::builder::StyledStr;
use clap::{Arg, ArgAction, ArgMatches, Args as _, Command, Error, FromArgMatches, Subcommand};

use super::{ListOptions, Options};
use crate::report::Format;
use crate::study::queues::{Kind, Model, Parameter, Parameters, catalogue};

const LIST: &str = "list";

/// What was asked for.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one per run")]
pub enum Chosen {
    /// The models.
    List { format: Format },
    /// One model's answer.
    Model { name: String, parameters: Parameters, options: Options },
}

/// The models by family, as the help shows them.
pub fn overview() -> StyledStr {
    let width = catalogue::models().iter().map(|model| model.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    let mut family = "";
    for model in catalogue::models() {
        if model.family != family {
            family = model.family;
            let gap = if text.is_empty() { "" } else { "\n" };
            text.extend([gap, family, ":\n"]);
        }
        text.extend([format!("  {:width$}  {}\n", model.name, model.summary)]);
    }
    text.push_str(
        "\nA number may be a range, FROM:TO:STEP or V1,V2: then there is a row for each value.

Examples:
  fluidsim queue list
  fluidsim queue mm1 --lambda 0.8 --mu 1
  fluidsim queue mm1 --rho .1:.95:.05 --plot mm1.svg
  fluidsim queue mg1 --rho 0.5,0.8,0.9 --service lognormal:4 --simulate
  fluidsim queue mmc --lambda 100 --servers 105:125:5 --latex",
    );
    text.into()
}

fn command(model: &'static Model) -> Command {
    let mut command = Command::new(model.name)
        .hide(true)
        .after_help(format!("Example:\n  fluidsim queue {} {}", model.name, model.example));
    for parameter in model.parameters {
        command = command.arg(argument(parameter));
    }
    let words = format!("{}\n\n{}", model.summary, model.reference);
    Options::augment_args(command).about(model.summary).long_about(words)
}

fn argument(parameter: &'static Parameter) -> Arg {
    let repeated = parameter.kind == Kind::Class;
    let unit = if parameter.unit.is_empty() { String::new() } else { format!(" ({})", parameter.unit) };
    let default = parameter.default.map_or(String::new(), |default| format!(" [default: {default}]"));
    let more = if repeated { "; once for each class" } else { "" };
    Arg::new(parameter.name)
        .long(parameter.name)
        .value_name(parameter.kind.placeholder())
        .help(format!("{}{unit}{more}{default}", parameter.help))
        .allow_hyphen_values(true)
        .action(ArgAction::Append)
}

impl Subcommand for Chosen {
    fn augment_subcommands(command_so_far: Command) -> Command {
        let list = ListOptions::augment_args(Command::new(LIST)).about("Every model with its summary and reference");
        catalogue::models()
            .iter()
            .fold(command_so_far.subcommand(list), |all, model| all.subcommand(command(model)))
            .subcommand_required(true)
            .subcommand_value_name("MODEL")
            .subcommand_help_heading("Commands")
            .arg_required_else_help(true)
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        name == LIST || catalogue::named(name).is_ok()
    }
}

impl FromArgMatches for Chosen {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let Some((name, inner)) = matches.subcommand() else {
            return Err(Error::new(clap::error::ErrorKind::MissingSubcommand));
        };
        if name == LIST {
            return Ok(Self::List { format: ListOptions::from_arg_matches(inner)?.format });
        }
        let mut parameters = Parameters::new();
        let model =
            catalogue::named(name).map_err(|problem| Error::raw(clap::error::ErrorKind::InvalidSubcommand, problem))?;
        for parameter in model.parameters {
            for value in inner.get_many::<String>(parameter.name).into_iter().flatten() {
                parameters.add(parameter.name, value);
            }
        }
        Ok(Self::Model { name: name.to_owned(), parameters, options: Options::from_arg_matches(inner)? })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
