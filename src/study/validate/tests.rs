use super::judge::{Sample, judge};
use super::*;

const SAMPLE: Sample = Sample { trials: 20, lattice: 0.0 };

fn verdict(expected: f64, figure: Figure, tolerance: Tolerance) -> Verdict {
    judge("W", Some(expected), Some(figure), tolerance, SAMPLE, true).verdict
}

#[test]
fn every_file_comes_with_the_program() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/validation/cases");
    let from_disk = from_folder(std::path::Path::new(folder)).unwrap();
    let built_in = embedded().unwrap();
    assert_eq!(from_disk.len(), built_in.len());
    for case in from_disk {
        assert!(built_in.contains(&case), "{} · {} is not in src/study/validate/embedded.rs", case.group, case.name);
    }
}

#[test]
fn names_are_unique_so_that_runs_are_independent() {
    let cases = embedded().unwrap();
    let mut names: Vec<String> = cases.iter().map(|case| format!("{} · {}", case.group, case.name)).collect();
    names.sort();
    let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
    assert_eq!(twice, None);
    assert!(cases.iter().all(|case| !case.source.is_empty()));
}

#[test]
fn tolerances_mean_what_they_say() {
    let exact = |value| Figure::of(value, crate::answer::Method::Exact);
    assert_eq!(verdict(100.0, exact(101.0), Tolerance::Relative(0.01)), Verdict::Right);
    assert_eq!(verdict(100.0, exact(101.1), Tolerance::Relative(0.01)), Verdict::Wrong);
    assert_eq!(verdict(0.0, exact(1e-9), Tolerance::Absolute(0.0)), Verdict::Wrong);
    assert_eq!(verdict(2.34, exact(2.3449), Tolerance::Printed(0.01)), Verdict::Right);
    assert_eq!(verdict(2.34, exact(2.3451), Tolerance::Printed(0.01)), Verdict::Wrong);
    assert_eq!(verdict(1.0, exact(f64::NAN), Tolerance::Relative(1.0)), Verdict::Wrong);
    let interval = Tolerance::Interval { half_width: 0.0 };
    let of = |value: f64| Figure::simulated(value, value - 0.1, value + 0.1);
    assert_eq!(verdict(1.0, of(1.09), interval), Verdict::Right);
    assert_eq!(verdict(1.0, of(1.15), interval), Verdict::Misses);
    // t₁₉ at 1e-5 is 5.9 and at 5 % 2.09: the interval may miss by 2.8 half-widths.
    assert_eq!(verdict(1.0, of(1.27), interval), Verdict::Misses);
    assert_eq!(verdict(1.0, of(1.30), interval), Verdict::Wrong);
    assert_eq!(verdict(1.0, of(1.13), Tolerance::Interval { half_width: 0.09 }), Verdict::Right);
    assert_eq!(verdict(1.0, of(1.0), Tolerance::Equivalence(0.09)), Verdict::Right);
    assert_eq!(verdict(1.0, of(1.0), Tolerance::Equivalence(0.08)), Verdict::Wrong);
    let coarse = judge("W", Some(1.0), Some(of(1.0)), interval, Sample { lattice: 0.011, ..SAMPLE }, true);
    assert_eq!(coarse.verdict, Verdict::Wrong);
    assert_eq!(judge("W", None, Some(of(1.0)), interval, SAMPLE, true).verdict, Verdict::Wrong);
    assert_eq!(judge("W", Some(1.0), None, interval, SAMPLE, true).verdict, Verdict::Wrong);
}

#[test]
fn too_few_and_too_many_misses_fail() {
    let case = embedded().unwrap().remove(0);
    let with = |missed: usize, total: usize| {
        let check = |index: usize| Check {
            quantity: "W".into(),
            expected: Some(1.0),
            obtained: None,
            verdict: if index < missed { Verdict::Misses } else { Verdict::Right },
            counted: true,
            why: String::new(),
        };
        vec![Outcome { case: case.clone(), checks: (0..total).map(check).collect(), seconds: 0.0 }]
    };
    assert!(coverage::all_right(&with(5, 100)));
    assert!(!coverage::all_right(&with(14, 100)));
    assert!(!coverage::all_right(&with(0, 200)));
    assert!(coverage::all_right(&with(0, 0)));
}

#[test]
fn a_law_needs_its_numbers() {
    use crate::study::queues::Parameters;
    let mut parameters = Parameters::new();
    parameters.set("prompt", &2);
    assert!(laws::answer("cycle-ratio", &parameters).unwrap_err().contains("cycle-ratio"));
    parameters.set("output", &2);
    assert_eq!(laws::answer("cycle-ratio", &parameters), Ok(vec![("value".to_owned(), 0.875)]));
    parameters.set("memory", &140);
    parameters.set("start", "21,nineteen");
    assert!(laws::answer("whole-cycle-throughput", &parameters).is_err());
    parameters.set("start", "21,19");
    assert_eq!(laws::answer("whole-cycle-throughput", &parameters), Ok(vec![("value".to_owned(), 17.5)]));
}

#[test]
fn the_busy_share_is_judged_in_the_engine() {
    let cases = embedded().unwrap();
    let judged = |case: &&Case| case.judged.as_deref() == Some("utilization");
    let own: Vec<Case> =
        cases.iter().filter(judged).filter(|case| case.name.contains("M/M/1-PS, rho = 0.8")).cloned().collect();
    let outcomes = run(&own, true, 1, &|| 0.0, &|| ());
    assert!(coverage::all_right(&outcomes) && outcomes.len() == 1, "{outcomes:?}");
}
