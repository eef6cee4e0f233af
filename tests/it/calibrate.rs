//! `calibrate`: from a profile to a law that a scenario can hold, and what it says of profiles that it cannot use.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::run::{files_in, fluidsim, fluidsim_in, shared};

/// A hinge of 10 ms + 60 µs over 96 tokens, with a ripple of 1 %.
fn hinge() -> String {
    let time = |b: u32| (0.01 + 6e-5 * f64::from(b.saturating_sub(96))) * (1.0 + 0.01 * f64::from(b * b % 97).sin());
    let rows = (0..120).map(|k| 1 + 11 * k).map(|b| format!("{b},{}\n", time(b)));
    format!("tokens,seconds\n{}", rows.collect::<String>())
}

/// The tables of a JSON report by title.
fn table<'a>(answer: &'a Value, title: &str) -> &'a Value {
    let tables = answer.as_array().unwrap();
    tables.iter().find(|table| table["title"].as_str().unwrap().starts_with(title)).unwrap()
}

#[test]
fn a_profile_becomes_a_law_that_a_scenario_can_hold() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("p.csv"), hinge()).unwrap();
    let args = ["calibrate", "p.csv", "--out", "law.toml", "--plot", "fit.svg"];
    let shown = fluidsim_in(folder.path(), &args).fine();
    assert!(shown.lines().any(|line| line.starts_with("hinge") && line.contains("chosen")), "{shown}");
    assert_eq!(files_in(folder.path()), ["fit.svg", "law.toml", "p.csv"]);
    let law = fs::read_to_string(folder.path().join("law.toml")).unwrap();
    let parsed: toml::Table = law.parse().unwrap();
    let step = &parsed["step_time"];
    let near = |key: &str, value: f64| (step[key].as_float().unwrap() / value - 1.0).abs() < 0.02;
    assert!(step["law"].as_str() == Some("hinge") && near("base_s", 0.01) && near("per_token_s", 6e-5), "{law}");
    assert!((90..=102).contains(&step["free_tokens"].as_integer().unwrap()), "{law}");
    // In place of the law of a built-in scenario.
    let preset = fluidsim(&["scenario", "show", "mm1"]).fine();
    let mut scenario: toml::Table = preset.parse().unwrap();
    scenario.insert("step_time".into(), step.clone());
    fs::write(folder.path().join("s.toml"), toml::to_string(&scenario).unwrap()).unwrap();
    fluidsim_in(folder.path(), &["solve", "s.toml"]).fine();
}

#[test]
fn the_same_profile_and_seed_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("p.csv"), hinge()).unwrap();
    fs::write(folder.path().join("dos.csv"), format!("\u{feff}{}", hinge().replace('\n', "\r\n"))).unwrap();
    for format in ["table", "csv", "json", "latex"] {
        let run =
            |file: &str| fluidsim_in(folder.path(), &["calibrate", file, "--format", format, "--seed", "5"]).fine();
        assert_eq!(run("p.csv"), run("p.csv"), "{format}");
        assert_eq!(run("p.csv"), run("dos.csv"), "{format}");
    }
}

#[test]
fn a_law_can_be_asked_for_and_carried_to_the_boundary() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("p.csv"), hinge()).unwrap();
    let args = ["calibrate", "p.csv", "--law", "affine", "--uncertainty", "decode-heavy", "--format", "json"];
    let answer = fluidsim_in(folder.path(), &args).json();
    let laws = table(&answer, "Step-time laws").to_string();
    assert!(laws.contains("asked for") && laws.contains("would be chosen"), "{laws}");
    let boundary = table(&answer, "λ* under the law").to_string();
    assert!(boundary.contains("over 400 draws"), "{boundary}");
}

#[test]
fn profiles_that_cannot_be_used_are_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let good = hinge();
    let cases: [(&str, Vec<u8>, &str); 8] = [
        ("one.csv", b"tokens,seconds\n5,0.1\n".to_vec(), "has 1 different points to fit; measure at least 5"),
        ("columns.csv", b"batch,ms\n5,0.1\n".to_vec(), "line 1: has the columns `batch,ms`; give `tokens,seconds`"),
        ("half.csv", b"prefill_tokens,seconds\n5,0.1\n".to_vec(), "lacks the column `decode_sequences`"),
        (
            "negative.csv",
            format!("{good}7,-0.5\n").into_bytes(),
            "line 122.seconds: is `-0.5`, expected a number of 0 or more",
        ),
        ("nan.csv", format!("{good}7,NaN\n").into_bytes(), "line 122.seconds: is `NaN`"),
        ("short.csv", format!("{good}7\n").into_bytes(), "line 122: has `1` values where the header has `2`"),
        ("latin.csv", [good.as_bytes(), b"\xff,1\n"].concat(), "line 122: is not UTF-8; save the file as UTF-8"),
        ("empty.csv", Vec::new(), "line 1: has the columns ``; give"),
    ];
    for (name, bytes, expected) in cases {
        fs::write(folder.path().join(name), bytes).unwrap();
        let ran = fluidsim_in(folder.path(), &["calibrate", name, "--out", "law.toml"]);
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.lines().count()), (2, "", 1), "{ran:?}");
        assert!(ran.stderr.starts_with(&format!("error: {name}: ")) && ran.stderr.contains(expected), "{}", ran.stderr);
    }
    assert!(!files_in(folder.path()).contains(&"law.toml".to_owned()));
}

#[test]
fn repeated_points_and_long_ones_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("p.csv"), format!("{}1,0.5\n12,0.01\n1,0.01\n9000,1\n", hinge())).unwrap();
    let shown = fluidsim_in(folder.path(), &["calibrate", "p.csv"]).fine();
    assert!(shown.contains("1 rows above 4096 tokens were left out."), "{shown}");
    assert!(shown.contains("2 points were measured more than once (3 rows too many); the median"), "{shown}");
}

#[test]
fn options_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("p.csv"), hinge()).unwrap();
    for (args, expected) in [
        (&["--layers", "32"][..], "p.csv: --layers, --tp: are for tables of single layers"),
        (&["--max-tokens", "0"], "--max-tokens: is `0`; give from 1"),
        (&["--max-tokens", "30"], "p.csv: has 3 different points"),
        (&["--law", "affine-context"], "--law: is `affine-context`, which has no fit: the profile has no context"),
        (&["--uncertainty", "nowhere"], "`nowhere` is neither a preset nor a file"),
        (&["--out", "none/law.toml"], "there is no folder `none`"),
    ] {
        let ran = fluidsim_in(folder.path(), &[&["calibrate", "p.csv"], args].concat());
        assert!(ran.code == 2 && ran.stderr.contains(expected), "{args:?}: {ran:?}");
    }
    let ran = fluidsim_in(folder.path(), &["calibrate", "absent.csv"]);
    assert!(ran.code == 2 && ran.stderr.starts_with("error: absent.csv: cannot be read: "), "{ran:?}");
}

/// The coefficients of a law on a published profile.
fn published(folder: &Path, name: &str, layers: &str, law: &str) -> Vec<(String, f64)> {
    let file = folder.join("data/profiles/vidur-linear-ops").join(name);
    let written = tempfile::tempdir().unwrap();
    let out = written.path().join("law.toml");
    let [file, out_name] = [&file, &out].map(|path| path.to_str().unwrap());
    fluidsim(&["calibrate", file, "--layers", layers, "--law", law, "--out", out_name]).fine();
    let text = fs::read_to_string(&out).unwrap();
    assert!(!text.contains(folder.to_str().unwrap()), "{text}");
    let parsed: toml::Table = text.parse().unwrap();
    let step = parsed["step_time"].as_table().unwrap();
    let number = |value: &toml::Value| value.as_float().or(value.as_integer().map(|whole| whole as f64));
    step.iter().filter_map(|(key, value)| Some((key.clone(), number(value)?))).collect()
}

/// Golden values: affine 7.27 ms + 65.1 µs, hinge 10.53 ms + 67.3 µs over 75 tokens; Llama-2-70B 51.8 ms + 212.7 µs over 148.
#[test]
fn published_profiles_give_the_published_laws() {
    let Some(folder) = shared() else { return };
    if !folder.join("data/profiles/vidur-linear-ops").is_dir() {
        eprintln!("skipped: the profiles are not at hand");
        return;
    }
    let (small, large) = ("a100-llama-3-8b.csv", "h100-llama-2-70b.csv");
    for (name, layers, law, expected) in [
        (small, "32", "affine", &[("base_s", 7.27e-3), ("per_token_s", 65.1e-6)][..]),
        (small, "32", "hinge", &[("base_s", 10.53e-3), ("per_token_s", 67.3e-6), ("free_tokens", 75.0)]),
        (large, "80", "hinge", &[("base_s", 51.8e-3), ("per_token_s", 212.7e-6), ("free_tokens", 148.0)]),
    ] {
        let found = published(&folder, name, layers, law);
        for (key, value) in expected {
            let fitted = found.iter().find(|(name, _)| name == key).unwrap().1;
            // Half a unit of the last published digit.
            assert!((fitted / value - 1.0).abs() < 1e-3, "{name} {law} {key}: {fitted}, expected {value}");
        }
    }
}
