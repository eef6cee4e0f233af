//! What stands around λ*: sensitivity, cycles, the region of two classes, noise and the margin of memory, as a user sees them and
//! against the engine.

use std::path::Path;

use approx::assert_relative_eq;
use fluidsim::des::{Observer, Options, Sample, StepRecord, simulate, simulate_observed};
use fluidsim::fluid::{self, PathOptions, margin, noise, trajectory};
use fluidsim::scenario::{Class, LengthLaw, Scenario, StepTimeLaw, Time};
use rayon::prelude::*;

use crate::engine::notes::scenario;
use crate::run::{fluidsim, fluidsim_in};

const MIXED: &str = r#"
name = "two-classes"

[workload]
rate_per_s = 2.0

[[workload.class]]
name = "chat"
prompt = { law = "constant", tokens = 10 }
output = { law = "geometric", mean = 200 }

[[workload.class]]
name = "batch"
share = 3.0
prompt = { law = "uniform", min = 150, max = 250 }
output = { law = "uniform", min = 2, max = 20 }

[instance]
max_sequences = 40
max_batch_tokens = 512

[policy]
engine = "vllm-v1"
admission = "greedy"
preemption = "none"

[step_time]
law = "affine"
base_s = 0.02
per_token_s = 1e-4
"#;

fn two_classes(args: &[&str], folder: &Path) -> String {
    std::fs::write(folder.join("two-classes.toml"), MIXED).unwrap();
    fluidsim_in(folder, &[&["stability", "two-classes.toml"], args].concat()).fine()
}

#[test]
fn sensitivity_in_every_format() {
    insta::assert_snapshot!("sensitivity_table", fluidsim(&["stability", "--sensitivity"]).fine());
    insta::assert_snapshot!("sensitivity_memory", fluidsim(&["stability", "memory-greedy", "--sensitivity"]).fine());
    let with = |format: &str| fluidsim(&["stability", "mm1", "--sensitivity", "--format", format]).fine();
    insta::assert_snapshot!("sensitivity_csv", with("csv"));
    insta::assert_snapshot!("sensitivity_json", with("json"));
    insta::assert_snapshot!("sensitivity_latex", with("latex"));
}

#[test]
fn region_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let region = ["--region", "chat,batch"];
    insta::assert_snapshot!("region_table", two_classes(&region, folder.path()));
    let with = |format: &str| two_classes(&[&region[..], &["--format", format]].concat(), folder.path());
    insta::assert_snapshot!("region_json", with("json"));
    insta::assert_snapshot!("region_latex", with("latex"));
    let files = [&region[..], &["--plot", "region.svg", "--csv", "region.csv"]].concat();
    two_classes(&files, folder.path());
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    insta::assert_snapshot!("region_csv", read("region.csv"));
    let svg = read("region.svg");
    for words in ["rate of chat (requests/s)", "rate of batch (requests/s)", "sequence-cap binds", "token-budget binds"]
    {
        assert!(svg.contains(words), "{words}");
    }
    assert!(!svg.contains("NaN"));
}

#[test]
fn margin_in_every_format() {
    for format in ["table", "json", "csv", "latex"] {
        let shown = fluidsim(&["solve", "memory-greedy", "--margin", "0.01", "--format", format]).fine();
        insta::assert_snapshot!(format!("margin_{format}"), shown);
    }
}

#[test]
fn a_full_memory_tells_its_radius() {
    let few = ["--set", "workload.class[0].output={ law = \"constant\", tokens = 400 }"];
    insta::assert_snapshot!("cycle_table", fluidsim(&[&["stability", "memory-greedy"], &few[..]].concat()).fine());
    insta::assert_snapshot!("no_cycle_table", fluidsim(&["stability", "memory-greedy"]).fine());
}

#[test]
fn wrong_values_are_named() {
    for (args, words) in [
        (&["solve", "--margin", "2"][..], "--margin: is `2`"),
        (&["solve", "--lambda", "50", "--margin", "0.01"], "no memory is enough"),
        (&["stability", "--region", "chat"], "--region: names 1 classes"),
        (&["stability", "--region", "chat,code"], "no class of the scenario"),
        (&["stability", "--csv", "x.csv"], "--sweep"),
    ] {
        let ran = fluidsim(args);
        assert_eq!(ran.code, 2, "{args:?}");
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
}

/// Time spent at each number of residents and each number of KV tokens.
#[derive(Default)]
struct Levels {
    numbers: Vec<(f64, f64)>,
    tokens: Vec<(f64, f64)>,
}

impl Observer for Levels {
    fn step(&mut self, step: &StepRecord) {
        let seconds = step.duration.seconds();
        self.numbers.push(((step.waiting + step.running) as f64, seconds));
        self.tokens.push((step.kv_tokens as f64, seconds));
    }

    fn wants_steps(&self) -> bool {
        true
    }
}

impl Levels {
    /// Four trials, each without its first twentieth.
    fn of(question: &Scenario, seconds: f64) -> Self {
        let run = |trial| {
            let (warmup, horizon) = (Time::ZERO, Time::from_seconds(seconds));
            let options = Options { trial, limit: horizon, ..Options::until(warmup, horizon) };
            let mut levels = Self::default();
            simulate_observed(question, &options, &mut levels);
            levels.numbers.drain(..levels.numbers.len() / 20);
            levels.tokens.drain(..levels.tokens.len() / 20);
            levels
        };
        let join = |mut left: Self, right: Self| {
            left.numbers.extend(right.numbers);
            left.tokens.extend(right.tokens);
            left
        };
        (0..4_u64).into_par_iter().map(run).reduce(Self::default, join)
    }
}

fn mean_and_sd(levels: &[(f64, f64)]) -> (f64, f64) {
    let time: f64 = levels.iter().map(|level| level.1).sum();
    let mean = levels.iter().map(|level| level.0 * level.1).sum::<f64>() / time;
    (mean, (levels.iter().map(|level| (level.0 - mean).powi(2) * level.1).sum::<f64>() / time).sqrt())
}

/// Half of the time goes to tokens and prompts: sd of N and of KV, and the tail of KV, against 300 000 requests a law.
#[test]
fn noise_and_tail_against_the_engine() {
    for output in [LengthLaw::Geometric { mean: 100.0 }, LengthLaw::Constant { tokens: 100 }] {
        let step = StepTimeLaw::Affine { base_s: 1.0, per_token_s: 0.005 };
        let question = scenario(LengthLaw::Constant { tokens: 100 }, output.clone(), 0.5, 100_000, step);
        let seen = Levels::of(&question, 150_000.0);
        let ((_, number_sd), (kv_mean, kv_sd)) = (mean_and_sd(&seen.numbers), mean_and_sd(&seen.tokens));
        let found = noise::equilibrium(&question).unwrap();
        let (demand, _) = margin::demand(&question).unwrap();
        let time: f64 = seen.tokens.iter().map(|level| level.1).sum();
        let share =
            |tokens: f64| seen.tokens.iter().filter(|level| level.0 > tokens).map(|level| level.1).sum::<f64>() / time;
        let tails = [0.9, 0.95, 0.99].map(|p| share(demand.quantile(p)));
        eprintln!(
            "{output:?}: theory/engine: sd N {:.3}, sd KV {:.3}, mean KV {:.3}; time above p90, p95, p99: {tails:.4?}",
            found.noise.in_system_sd / number_sd,
            found.noise.kv_sd / kv_sd,
            demand.mean / kv_mean
        );
        assert_relative_eq!(found.noise.in_system_sd, number_sd, max_relative = 0.05);
        assert_relative_eq!(found.noise.kv_sd, kv_sd, max_relative = 0.05);
        assert_relative_eq!(demand.mean, kv_mean, max_relative = 0.02);
        assert!((tails[1] - 0.05).abs() < 0.012, "{tails:?}");
    }
}

/// The band around a path: overload from empty with K full, and a backlog that drains, against the sd over 400 trials. Where some
/// trials are full and others are not, within two sd of K, a linear noise cannot be right.
#[test]
fn noise_along_a_path_against_the_engine() {
    let step = StepTimeLaw::Affine { base_s: 0.02, per_token_s: 1e-4 };
    let mut held = 0;
    for (rate, backlog) in [(60.0, 0_u64), (30.0, 400)] {
        let question =
            scenario(LengthLaw::Constant { tokens: 10 }, LengthLaw::Geometric { mean: 50.0 }, rate, 64, step.clone());
        let path =
            trajectory(&question, &PathOptions { points: 40, ..PathOptions::new(40.0, backlog as f64) }).unwrap();
        let noise = noise::along(&question, &path);
        let run = |trial| {
            let horizon = Time::from_seconds(40.0);
            let options = Options {
                trial,
                backlog,
                sample_every: Some(Time::from_seconds(1.0)),
                limit: horizon,
                ..Options::until(Time::ZERO, horizon)
            };
            simulate(&question, &options).samples
        };
        let trials: Vec<Vec<Sample>> = (0..400_u64).into_par_iter().map(run).collect();
        for second in [5_usize, 10, 20, 35] {
            let at = |samples: &Vec<Sample>| {
                samples.iter().find(|sample| sample.cut.seconds() >= second as f64 - 1e-9).copied()
            };
            let found = trials.iter().filter_map(at);
            let numbers: Vec<(f64, f64)> = found.map(|s| ((s.waiting + s.running) as f64, 1.0)).collect();
            assert!(numbers.len() > 395);
            let (mean, sd) = mean_and_sd(&numbers);
            let fluid = path.points[second].waiting + path.points[second].running;
            eprintln!("λ {rate}, {second} s: N {fluid:.1} / {mean:.1}, sd {:.2} / {sd:.2}", noise[second].in_system_sd);
            if (fluid - 64.0).abs() > 2.0 * sd {
                assert_relative_eq!(noise[second].in_system_sd, sd, max_relative = 0.1);
                held += 1;
            }
        }
    }
    assert!(held >= 6, "{held}");
}

/// Oracle S6: on the hinge with c < a·b0 both ends of the load are stable in their own way: .08/ms lies between the boundary of a
/// full batch, 2.044 tokens/ms, and that of 64 tokens, 6.4 tokens/ms; N ≈ 39.6 from empty, and .041/ms after 150 jobs at once.
#[test]
fn the_hinge_of_the_oracle_is_metastable() {
    let step = StepTimeLaw::Hinge { base_s: 0.01, per_token_s: 0.0005, free_tokens: 64 };
    let output = LengthLaw::Geometric { mean: 50.0 };
    let mut question = scenario(LengthLaw::Constant { tokens: 1 }, output, 80.0, 2048, step);
    question.instance.max_batch_tokens = Some(2048);
    let found = fluid::boundary(&question);
    assert_relative_eq!(found.low_per_s, 1000.0 * 2.044 / 50.0, max_relative = 2e-3);
    assert!(found.high_per_s > 80.0 && found.high_per_s <= 1000.0 * 6.4 / 50.0, "{found:?}");
    let solution = fluid::solve(&question);
    assert!(solution.notes.iter().any(|note| note.contains("b/τ(b) peak before")), "{:?}", solution.notes);
    let run = |backlog: f64| trajectory(&question, &PathOptions::new(60.0, backlog)).unwrap().points;
    let calm = run(0.0);
    let last = calm[calm.len() - 1];
    assert_relative_eq!(last.running, 39.6, max_relative = 0.02);
    let lost = run(150.0);
    let last = lost[lost.len() - 1];
    assert!(last.throughput_per_s < 45.0 && last.running > 1000.0, "{last:?}");
}

#[test]
fn a_class_of_its_own_is_on_the_axis() {
    let step = StepTimeLaw::Affine { base_s: 0.02, per_token_s: 1e-4 };
    let mut question = scenario(LengthLaw::Constant { tokens: 50 }, LengthLaw::Geometric { mean: 80.0 }, 1.0, 64, step);
    let alone = fluid::boundary(&question).low_per_s;
    question.workload.class.push(Class::new(
        "other",
        LengthLaw::Constant { tokens: 5 },
        LengthLaw::Geometric { mean: 30.0 },
    ));
    let region = fluid::region::of(&question, ["only", "other"]).unwrap();
    assert_relative_eq!(region.edges[0].from.0, alone, max_relative = 1e-12);
}
