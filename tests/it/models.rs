//! GPUs, models and profiles in place of a scenario's iteration times.

use std::fs;

use crate::run::{fluidsim, fluidsim_in};

const PLACED: [&str; 6] = ["--gpu", "h100-sxm", "--model", "llama-3-70b", "--tp", "4"];

fn with(command: &[&'static str], more: &[&'static str]) -> Vec<&'static str> {
    [command, more].concat()
}

#[test]
fn lists_and_files() {
    let lists = fluidsim(&["models"]).fine();
    for word in ["h100-sxm", "mi300x", "llama-3-70b", "deepseek-v3", "70272"] {
        assert!(lists.contains(word), "{word}");
    }
    assert_eq!(
        fluidsim(&["models", "gpus", "--format", "csv"]).fine().lines().filter(|line| line.contains("sxm,")).count(),
        3
    );
    assert!(fluidsim(&["models", "llms", "--format", "json"]).json().is_array());
    let file = fluidsim(&["models", "--show", "llama-3-8b"]).fine();
    assert!(file.contains("kv_heads = 8"));
    let wrong = fluidsim(&["models", "--show", "llama3-8b"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("--show: `llama3-8b`") && wrong.stderr.contains("did you mean `llama-3-8b`?"));
}

/// Both answers take the hardware, and agree.
#[test]
fn hardware_in_place_of_the_law() {
    let solved = fluidsim(&with(&["solve", "--lambda", "2", "--format", "json"], &PLACED));
    assert_eq!(solved.code, 0);
    assert!(solved.stderr.starts_with("note: Llama-3-70B on 4 × NVIDIA H100 SXM: fits; per GPU 35.3 GB of weights"));
    assert!(solved.stderr.contains("KV tokens"));
    let slower = fluidsim(&["solve", "--lambda", "2", "--format", "json"]);
    let capacity = |ran: &crate::run::Ran| ran.json()["lambda_star_per_s"]["high"].as_f64();
    assert!(capacity(&solved) > capacity(&slower), "{:?} {:?}", capacity(&solved), capacity(&slower));
    let compared = fluidsim(&with(&["compare", "--lambda", "2", "--des-trials", "3", "--duration", "300"], &PLACED));
    assert_eq!(compared.code, 0, "{}{}", compared.stdout, compared.stderr);
}

#[test]
fn wrong_hardware_names_option_value_and_remedy() {
    for (args, parts) in [
        (
            &["--gpu", "h100-sx", "--model", "llama-3-8b"][..],
            ["--gpu: hardware.gpu: `h100-sx`", "did you mean `h100-sxm`"],
        ),
        (
            &["--gpu", "l4", "--model", "lama-3-8b"],
            ["--model: hardware.model: `lama-3-8b`", "did you mean `llama-3-8b`"],
        ),
        (&["--gpu", "l4"], ["hardware.model: is missing", "--model"]),
        (
            &["--gpu", "l4", "--model", "llama-3-70b", "--tp", "2"],
            ["--tp: hardware.tp: `llama-3-70b` does not fit", "fits from tp = 8"],
        ),
        (
            &["--gpu", "l4", "--model", "llama-3-8b", "--memory-share", "2"],
            ["--memory-share: hardware.memory_share: is `2`", "0.9"],
        ),
        (
            &["disaggregated", "--profile", "no.csv"],
            ["--profile: step_time.file: `no.csv` cannot be read", "give a CSV file"],
        ),
    ] {
        let ran = fluidsim(&[&["solve"][..], args].concat());
        assert_eq!(ran.code, 2, "{args:?}");
        for part in parts {
            assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
        }
    }
}

/// A profile of an affine law answers as that law does; its path is relative to the scenario's.
#[test]
fn a_profile_in_place_of_the_law() {
    let folder = tempfile::tempdir().unwrap();
    let rows = [1, 64, 4096].map(|tokens| format!("{tokens},{}\n", 0.02 + 1e-4 * f64::from(tokens)));
    fs::write(folder.path().join("p.csv"), format!("tokens,seconds\n{}", rows.concat())).unwrap();
    let preset = fluidsim(&["scenario", "show", "chat-70b-4xa100"]).fine();
    let head = preset.split("[step_time]").next().unwrap().replace("name = \"chat-70b-4xa100\"", "name = \"mine\"");
    let write =
        |name: &str, law: &str| fs::write(folder.path().join(name), format!("{head}\n[step_time]\n{law}\n")).unwrap();
    write("table.toml", "law = \"table\"\nfile = \"p.csv\"");
    write("affine.toml", "law = \"affine\"\nbase_s = 0.02\nper_token_s = 1e-4");
    let path = folder.path().join("table.toml");
    let capacity = |ran: crate::run::Ran| ran.json()["lambda_star_per_s"]["high"].as_f64().unwrap();
    let elsewhere = capacity(fluidsim(&["solve", path.to_str().unwrap(), "--format", "json"]));
    let affine = capacity(fluidsim_in(folder.path(), &["solve", "affine.toml", "--format", "json"]));
    let option =
        capacity(fluidsim_in(folder.path(), &["solve", "affine.toml", "--profile", "p.csv", "--format", "json"]));
    assert!(
        (elsewhere / affine - 1.0).abs() < 1e-6 && (option / affine - 1.0).abs() < 1e-6,
        "{elsewhere} {affine} {option}"
    );
    fs::write(folder.path().join("p.csv"), b"tokens,seconds\n1,0.1\n\xff,2\n").unwrap();
    let latin = fluidsim_in(folder.path(), &["solve", "table.toml"]);
    assert_eq!(latin.code, 2);
    assert!(latin.stderr.contains("p.csv: line 3: is not UTF-8 text"), "{}", latin.stderr);
}
