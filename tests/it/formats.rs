//! How answers look. Tables and LaTeX are rounded by the program; CSV, which is not, is rounded here, so that no snapshot
//! depends on the last digits of a double.

use crate::run::fluidsim;

const SWEEP: [&str; 3] = ["stability", "--sweep", "instance.kv_tokens=20000:100000:20000"];

#[test]
fn solve() {
    insta::assert_snapshot!("solve_default_table", fluidsim(&["solve"]).fine());
    insta::assert_snapshot!("solve_mm1_table", fluidsim(&["solve", "mm1"]).fine());
    insta::assert_snapshot!("solve_mm1_overloaded", fluidsim(&["solve", "mm1", "--lambda", "2"]).fine());
    insta::assert_snapshot!("solve_mm1_csv", rounded(&fluidsim(&["solve", "mm1", "--format", "csv"]).fine()));
    insta::assert_snapshot!("solve_mm1_latex", fluidsim(&["solve", "mm1", "--latex"]).fine());
}

#[test]
fn stability() {
    insta::assert_snapshot!("stability_mm1", fluidsim(&["stability", "mm1"]).fine());
    insta::assert_snapshot!("sweep_table", fluidsim(&SWEEP).fine());
    insta::assert_snapshot!("sweep_latex", fluidsim(&[&SWEEP[..], &["--latex"]].concat()).fine());
}

#[test]
fn scenarios_and_queues() {
    insta::assert_snapshot!("scenario_list", fluidsim(&["scenario", "list"]).fine());
    insta::assert_snapshot!("queue_mm1", fluidsim(&["queue", "mm1", "--rho", "0.5", "--des-trials", "10"]).fine());
}

#[test]
fn latex_is_short_for_its_format() {
    assert_eq!(fluidsim(&["solve", "--latex"]), fluidsim(&["solve", "--format", "latex"]));
}

#[test]
fn a_sweep_file_holds_what_the_csv_shows() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("grid.csv");
    let shown = fluidsim(&[&SWEEP[..], &["--format", "csv", "--csv", file.to_str().unwrap()]].concat()).fine();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), shown);
    assert_eq!(shown.lines().count(), 6);
}

#[test]
fn a_sweep_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("grid.svg");
    fluidsim(&[&SWEEP[..], &["--plot", file.to_str().unwrap()]].concat()).fine();
    let svg = std::fs::read_to_string(&file).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
    assert!(svg.contains("instance.kv_tokens") && !svg.contains("NaN"));
}

/// Every row of a table on the terminal begins its columns where the heading does.
#[test]
fn long_names_keep_the_columns_straight() {
    for scenario in ["chat-70b-4xa100", "memory-greedy", "mm1"] {
        let ran = fluidsim(&["compare", scenario, "--des-trials", "3", "--duration", "300", "--warmup", "60"]);
        let lines: Vec<Vec<char>> = ran.stdout.lines().map(|line| line.chars().collect()).collect();
        let heading: String = lines[1].iter().collect();
        for name in ["verdict", "method"] {
            let at = heading
                .chars()
                .collect::<Vec<_>>()
                .windows(name.len())
                .position(|w| w.iter().copied().eq(name.chars()));
            let at = at.unwrap();
            for line in lines.iter().skip(3).take_while(|line| line[0] != '·') {
                let text: String = line.iter().collect();
                assert!(line[at - 1] == ' ' && line[at] != ' ', "{scenario}: `{name}` is not straight in `{text}`");
            }
        }
    }
}

#[test]
fn every_command_shows_examples_of_itself() {
    for command in [
        &[][..],
        &["solve"],
        &["simulate"],
        &["compare"],
        &["stability"],
        &["sweep"],
        &["merge"],
        &["compare-policies"],
        &["queue"],
        &["scenario"],
        &["policy"],
    ] {
        let help = fluidsim(&[command, &["--help"]].concat()).fine();
        let (_, examples) = help.split_once("Examples:\n").unwrap_or_else(|| panic!("no examples: {help}"));
        let start = ["fluidsim"].iter().chain(command).copied().collect::<Vec<_>>().join(" ");
        assert!(examples.contains(&format!("  {start}")), "{help}");
        let short = fluidsim(&[command, &["-h"]].concat()).fine();
        assert!(short.contains("Examples:"), "{short}");
    }
}

/// The same CSV with six significant digits.
fn rounded(csv: &str) -> String {
    let field = |field: &str| match field.parse::<f64>() {
        Ok(number) if field.contains('.') => format!("{:.6}", format!("{number:.5e}").parse::<f64>().unwrap()),
        _ => field.to_owned(),
    };
    csv.lines().map(|line| line.split(',').map(field).collect::<Vec<_>>().join(",") + "\n").collect()
}
