//! `fluidsim compare-policies`

use super::common::{LengthArgs, OutputArgs, ScenarioArgs, check_files, check_trials};
use super::plot::{self, PlotArgs};
use super::progress::Progress;
use super::sweep::{bundle, source};
use super::{Outcome, usage_error};
use crate::report::{Format, Report, csv};
use crate::scenario::Scenario;
use crate::study::policies::{PolicyOptions, compare_policies, pairs_table, plots, ranking_tables};
use crate::study::sweep::{Axis, Choice, Design, Point, Setting, Source};

/// Policies ranked on common random numbers, and which differences are real
#[derive(Debug, clap::Args)]
#[command(mut_arg("plot", |arg| arg.help(plot::help("means and intervals"))), after_help = "\
Examples:
  fluidsim compare-policies --vary policy.order=fcfs,shortest-prompt,srpt
  fluidsim compare-policies --policy \"orca: policy.engine=orca\" --policy \"chunked: policy.engine=vllm-v1\" --metric ttft_s.p95,tbt_s.p95
  fluidsim compare-policies --lambda 3.4 --trials 40 --plot policies.svg
  fluidsim compare-policies --replicas 4 --lambda 12 --vary cluster.routing=round-robin,join-shortest-queue

Trial k of every policy has the same arrivals and lengths. Every pair is tested by its paired differences, with Holm's correction over all
pairs and metrics: the chance of any false claim in the report is at most 5 %.")]
pub struct Args {
    #[command(flatten)]
    scenario: ScenarioArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    length: LengthArgs,

    /// A policy and the keys that it sets; may be repeated
    #[arg(long, value_name = "NAME: KEY=VALUE KEY=VALUE")]
    policy: Vec<String>,

    /// One policy for every value, or combination of values; may be repeated
    #[arg(long, value_name = "KEY=V1,V2,…")]
    vary: Vec<String>,

    /// What to rank by, names as in `fluidsim sweep --list`
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', default_value = "ttft_s.mean,e2e_s.mean")]
    metric: Vec<String>,

    /// Trials of each policy
    #[arg(long, default_value_t = 20, allow_negative_numbers = true)]
    trials: u64,

    /// Show every pair of policies too, as CSV, JSON and LaTeX always do
    #[arg(long)]
    pairs: bool,

    #[command(flatten)]
    plot: PlotArgs,
}

pub fn run(args: &Args, seed: u64) -> anyhow::Result<Outcome> {
    check_trials("--trials", args.trials, 2)?;
    args.plot.check()?;
    let [out, page] = args.output.files();
    check_files(&[out, page, ("--plot", args.plot.file())])?;
    let (option, axis) = policies(args)?;
    let source = source(&args.scenario, std::slice::from_ref(&axis))?;
    let choices = if axis.choices.is_empty() { usual(&args.scenario.open()?) } else { axis.choices };
    if choices.len() < 2 {
        return Err(usage_error(option, "gives one policy", "name at least two"));
    }
    let metrics = args.metric.iter().map(|name| name.trim().to_owned()).collect();
    let options = PolicyOptions { seed, trials: args.trials, wishes: args.length.wishes()?, metrics };
    let bar = Progress::over(args.trials * choices.len() as u64, "simulating");
    let found = compare_policies(option, &source, &choices, &options, &|| bar.advance())?;
    bar.finish();
    let picture = plots(&found).into();
    args.plot.draw(&picture)?;
    let mut tables = ranking_tables(&found);
    let pairs = pairs_table(&found);
    let csv = Some(csv::table_csv(&pairs));
    if args.pairs || args.output.format() != Format::Table {
        tables.push(pairs);
    }
    let report = Report { csv, ..tables.into() }.titled("Policies on common random numbers").with_picture(picture);
    args.output.deliver(&report, Some(seed))?;
    Ok(Outcome::Fine)
}

/// The policies that are named, as one axis, and the option that messages call them by; none when none is.
fn policies(args: &Args) -> anyhow::Result<(&'static str, Axis)> {
    let mut choices = args.policy.iter().map(|text| bundle("--policy", text)).collect::<anyhow::Result<Vec<_>>>()?;
    if !args.vary.is_empty() {
        let axes = args.vary.iter().map(|text| Axis::parse("--vary", text)).collect::<Result<Vec<_>, _>>()?;
        let design = Design::grid(axes).map_err(|error| error.in_file("--vary"))?;
        choices.extend((0..design.len()).map(|index| combined(design.point(index))));
    }
    for (place, choice) in choices.iter().enumerate() {
        if choices[..place].iter().any(|other| other.value == choice.value) {
            let problem = format!("names `{}` twice", choice.value.shown());
            return Err(usage_error("--policy", problem, "give each policy its own name"));
        }
    }
    let option = if args.vary.is_empty() { "--policy" } else { "--vary" };
    Ok((option, Axis { key: "policy".to_owned(), choices, interval: None }))
}

fn combined(point: Point) -> Choice {
    let name = point.settings.iter().map(Setting::shown).collect::<Vec<_>>().join(", ");
    Choice { value: Setting::Word(name), sets: point.sets }
}

/// The scenario as it is, other ways to form an iteration, and other orders of its queue, as far as it allows them.
fn usual(scenario: &Scenario) -> Vec<Choice> {
    const KEYS: [(&str, &[&str]); 2] =
        [("policy.engine", &["vllm-v1", "vllm-v0", "sarathi", "orca"]), ("policy.order", &["shortest-prompt", "srpt"])];
    let own = Choice { value: Setting::Word("as given".to_owned()), sets: Vec::new() };
    let others = KEYS.iter().flat_map(|(key, names)| names.iter().map(move |name| (*key, *name)));
    let choice = |(key, name): (&str, &str)| Choice {
        value: Setting::Word(name.to_owned()),
        sets: vec![(key.to_owned(), name.to_owned())],
    };
    let source = Source::of(scenario.clone());
    let differs = |choice: &Choice| {
        let point = Point { settings: Vec::new(), sets: choice.sets.clone() };
        source.at("", &point).is_ok_and(|other| other.policy != scenario.policy)
    };
    std::iter::once(own).chain(others.map(choice).filter(differs)).collect()
}
