//! Queueing models from the command line: what tables, help and overload look like, and that every model of the catalogue agrees with
//! its simulation.

use fluidsim::study::queues::catalogue;

use crate::run::fluidsim;

fn queue(args: &[&str]) -> crate::run::Ran {
    fluidsim(&[&["queue"], args].concat())
}

#[test]
fn a_newcomer_sees_the_models_and_what_each_needs() {
    insta::assert_snapshot!("queue_help", queue(&["--help"]).fine());
    insta::assert_snapshot!("queue_list", queue(&["list"]).fine());
    insta::assert_snapshot!("queue_mg1_help", queue(&["mg1", "-h"]).fine());
    let rows = queue(&["list", "--format", "csv"]).fine();
    assert_eq!(rows.lines().count(), 1 + catalogue::models().len());
}

#[test]
fn one_point_is_a_list_of_quantities() {
    insta::assert_snapshot!("queue_mm1_point", queue(&["mm1", "--lambda", "0.8", "--mu", "1"]).fine());
    insta::assert_snapshot!("queue_mmc_latex", queue(&["mmc", "--lambda", "9", "--servers", "10", "--latex"]).fine());
    let answer = queue(&["mm1", "--lambda", "0.8", "--quantiles", "0.5,0.999", "--format", "csv"]).fine();
    assert!(answer.starts_with("key,theory,unit,method\nutilization,0.8,,exact\n"), "{answer}");
    assert!(answer.contains("\np99.9_sojourn,34.53877639491"), "{answer}");
}

#[test]
fn a_range_is_a_table_with_a_row_for_each_value() {
    insta::assert_snapshot!("queue_mm1_range", queue(&["mm1", "--rho", ".25:1.25:.25"]).fine());
    let csv = queue(&["mmc", "--lambda", "9", "--servers", "9,10,12", "--format", "csv"]).fine();
    assert!(csv.starts_with("servers (),") || csv.starts_with("servers,"), "{csv}");
    assert!(csv.lines().nth(1).unwrap().ends_with("\"unstable, +0/s\""), "{csv}");
    assert!(csv.lines().nth(2).unwrap().starts_with("10.0,0.9,"), "{csv}");
}

/// To find no stationary state is an answer, so the exit code is 0.
#[test]
fn an_unstable_queue_tells_how_fast_it_grows() {
    insta::assert_snapshot!("queue_mm1_unstable", queue(&["mm1", "--lambda", "1.2"]).fine());
    let simulated =
        queue(&["mm1", "--rho", "0.5,1.5", "--trials", "3", "--customers", "1000", "--format", "csv"]).fine();
    assert!(simulated.contains("\n1.5,growth,0.5,/s,exact,"), "{simulated}");
}

#[test]
fn a_range_can_be_plotted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mm1.svg");
    let path = file.to_str().unwrap();
    queue(&["mm1", "--rho", ".1:.9:.2", "--trials", "2", "--customers", "500", "--plot", path]);
    let picture = std::fs::read_to_string(file).unwrap();
    for word in ["time in system", "waiting", "theory", "simulation", "rho"] {
        assert!(picture.contains(word), "{word}");
    }
}

/// Words as a shell would part them: quotation marks hold blanks together.
fn words(line: &str) -> Vec<&str> {
    let parts = line.split('"').enumerate();
    parts
        .flat_map(|(index, part)| if index % 2 == 1 { vec![part] } else { part.split_whitespace().collect() })
        .collect()
}

/// Fixed seed; the exit code is 1 when a quantity lies where an error rate of 0.001 over the model's quantities does not allow it.
#[test]
fn every_model_agrees_with_its_simulation() {
    for model in catalogue::models() {
        let args = [&[model.name][..], &words(model.example)].concat();
        let answer = queue(&args).fine();
        assert!(answer.contains(model.summary) && !answer.contains("NaN"), "{}: {answer}", model.name);
        if !model.can_be_simulated() {
            continue;
        }
        let ran = queue(&[&args[..], &["--trials", "6", "--customers", "5000", "--seed", "5"]].concat());
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}: {}", model.name, ran.stdout);
        assert!(ran.stdout.contains("±"), "{}: {}", model.name, ran.stdout);
    }
}

#[test]
fn a_simulation_is_the_same_on_any_number_of_threads() {
    let run = |threads: &str| {
        let mut program = crate::run::command();
        let args = ["queue", "las", "--rho", "0.5,0.7", "--trials", "5", "--customers", "2000", "--format", "json"];
        crate::run::finish(program.env("RAYON_NUM_THREADS", threads).args(args))
    };
    let first = run("1");
    assert_eq!(first.code, 0, "{first:?}");
    assert_eq!(first, run("3"));
}
