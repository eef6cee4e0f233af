//! Asks the question of every case.

use rayon::prelude::*;

use super::judge::{Sample, judge};
use super::{Case, Check, Expected, Outcome, Question, engine_run, laws};
use crate::answer::{Figure, FluidSolution, Method};
use crate::fluid;
use crate::study::queues::engine;
use crate::study::queues::measured::{self, Length};
use crate::study::trials::{Progress, silent};

/// Seconds from some moment on.
pub type Clock<'a> = &'a (dyn Fn() -> f64 + Sync);

/// What came of a question.
struct Answer {
    figures: Vec<(String, Figure)>,
    sample: Sample,
    /// Why there is none.
    refusal: Option<String>,
}

/// Runs the cases, in parallel, and returns them in their order. Every case has random streams of its own, made from the seed and its name.
/// `clock` tells seconds; the library has none.
pub fn run(cases: &[Case], quick: bool, seed: u64, clock: Clock<'_>, progress: Progress<'_>) -> Vec<Outcome> {
    cases
        .par_iter()
        .map(|case| {
            let start_s = clock();
            let answer = ask(case, quick, seed_of(case, seed));
            progress();
            Outcome { case: case.clone(), checks: checks(case, &answer), seconds: clock() - start_s }
        })
        .collect()
}

/// FNV-1a of the name, from the user's seed on.
fn seed_of(case: &Case, seed: u64) -> u64 {
    let name = format!("{}/{}", case.group, case.name);
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325 ^ seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn ask(case: &Case, quick: bool, seed: u64) -> Answer {
    let one = Sample { trials: 1, lattice: 0.0 };
    match &case.question {
        Question::Queue { model, parameters } => match laws::answer(model, parameters) {
            Ok(values) => {
                let figures = values.into_iter().map(|(name, value)| (name, Figure::of(value, Method::Exact)));
                Answer { figures: figures.collect(), sample: one, refusal: None }
            }
            Err(problem) => Answer { figures: Vec::new(), sample: one, refusal: Some(problem) },
        },
        Question::EngineQueue { model, parameters } => match engine::prepare(model, parameters) {
            Ok(prepared) => {
                let length = if quick { Length::QUICK } else { Length::FULL };
                let sample = Sample { trials: length.trials, lattice: prepared.lattice };
                Answer { figures: measured::measure(&prepared, length, seed, &silent), sample, refusal: None }
            }
            Err(problem) => Answer { figures: Vec::new(), sample: one, refusal: Some(problem.to_string()) },
        },
        Question::Solve(scenario) => Answer { figures: solved(&fluid::solve(scenario)), sample: one, refusal: None },
        Question::Engine(question) => Answer {
            figures: engine_run::measure(question, seed, &silent),
            sample: Sample { trials: question.trials, lattice: 0.0 },
            refusal: None,
        },
    }
}

fn solved(solution: &FluidSolution) -> Vec<(String, Figure)> {
    let boundary = &solution.boundary;
    let of = |value| Figure::of(value, boundary.method);
    let mut figures = vec![
        ("lambda_star_per_s".to_owned(), of(boundary.low_per_s)),
        ("lambda_star_high_per_s".to_owned(), of(boundary.high_per_s)),
    ];
    figures.extend(solution.summary.quantities().into_iter().filter_map(|(name, figure)| Some((name, figure?))));
    figures
}

fn checks(case: &Case, answer: &Answer) -> Vec<Check> {
    let theory = match &case.question {
        Question::EngineQueue { model, parameters } if case.expected.values().any(|one| *one == Expected::Theory) => {
            laws::answer(model, parameters).unwrap_or_default()
        }
        Question::Engine(question) if case.expected.values().any(|one| *one == Expected::Theory) => {
            let figures = solved(&fluid::solve(&question.scenario));
            figures.into_iter().map(|(name, figure)| (name, figure.value)).collect()
        }
        _ => Vec::new(),
    };
    let simulated = matches!(case.question, Question::EngineQueue { .. } | Question::Engine(_));
    let check = |(quantity, expected): (&String, &Expected)| {
        let expected = match expected {
            Expected::Value(value) => Some(*value),
            Expected::Theory => theory.iter().find(|(name, _)| name == quantity).map(|(_, value)| *value),
        };
        let obtained = answer.figures.iter().find(|(name, _)| name == quantity).map(|(_, figure)| *figure);
        let counted = simulated && case.judged.as_ref() == Some(quantity);
        // Whole tokens move times, not the work.
        let lattice = if quantity == "utilization" { 0.0 } else { answer.sample.lattice };
        let sample = Sample { lattice, ..answer.sample };
        let check = judge(quantity, expected, obtained, case.tolerance, sample, counted);
        match &answer.refusal {
            Some(why) => Check { why: why.clone(), ..check },
            None => check,
        }
    };
    case.expected.iter().map(check).collect()
}
