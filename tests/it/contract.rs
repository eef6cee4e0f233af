//! The JSON that scripts rely on: every promised name is there with the promised kind of value, and the whole shape is
//! pinned, so that a name that comes, goes or changes kind is noticed.

use serde_json::Value;

use crate::run::fluidsim;

const SHORT: [&str; 4] = ["--duration", "200", "--warmup", "50"];
const LATENCIES: [&str; 3] = ["ttft_s", "tbt_s", "e2e_s"];
const PARTS: [&str; 4] = ["mean", "p50", "p95", "p99"];
const STATE: [&str; 7] = ["waiting", "running", "swapped", "kv_tokens", "step_s", "batch_tokens", "throughput_per_s"];

#[test]
fn solve_says_what_is_promised() {
    let answer = fluidsim(&["solve", "--format", "json"]).json();
    assert_eq!((number(&answer, "/lambda_per_s"), text(&answer, "/verdict")), (2.0, "stable"));
    let (low, high) = (number(&answer, "/lambda_star_per_s/low"), number(&answer, "/lambda_star_per_s/high"));
    assert!(low > 2.0 && low <= high);
    assert_eq!(answer["lambda_star_per_s"]["bracket"].as_array().unwrap().len(), 2);
    let (from, to) = (number(&answer, "/lambda_star_per_s/bracket/0"), number(&answer, "/lambda_star_per_s/bracket/1"));
    assert!(from <= low && low <= to, "{from} {low} {to}");
    assert_eq!(text(&answer, "/lambda_star_per_s/binding"), "sequence-cap");
    assert_eq!(text(&answer, "/lambda_star_per_s/runner_up"), "kv-memory");
    for name in STATE {
        assert!(number(&answer, &format!("/equilibrium/{name}")) >= 0.0, "{name}");
    }
    for (latency, part) in latency_parts() {
        assert!(number(&answer, &format!("/latency/{latency}/{part}")) > 0.0, "{latency}.{part}");
    }
    assert!(answer["queue_growth_per_s"].is_null());
    assert!(answer["notes"].as_array().unwrap().iter().all(Value::is_string));
}

#[test]
fn an_overloaded_scenario_has_growth_and_no_latency() {
    let answer = fluidsim(&["solve", "--lambda", "10", "--format", "json"]).json();
    assert_eq!((number(&answer, "/lambda_per_s"), text(&answer, "/verdict")), (10.0, "overloaded"));
    for latency in LATENCIES {
        assert!(answer.pointer(&format!("/latency/{latency}")).is_some_and(Value::is_null), "{latency}");
    }
    let served = number(&answer, "/equilibrium/throughput_per_s");
    let growth = number(&answer, "/queue_growth_per_s");
    assert!((growth + served - 10.0).abs() < 1e-6, "{growth} {served}");
}

#[test]
fn simulate_gives_every_figure_with_its_interval() {
    let answer = fluidsim(&[&["simulate", "--format", "json"][..], &SHORT].concat()).json();
    assert_eq!((number(&answer, "/lambda_per_s"), text(&answer, "/verdict")), (2.0, "stable"));
    let figures = STATE.map(|name| format!("/equilibrium/{name}"));
    for place in figures.into_iter().chain(latency_parts().map(|(name, part)| format!("/latency/{name}/{part}"))) {
        let [value, low, high] = ["value", "ci_low", "ci_high"].map(|end| number(&answer, &format!("{place}/{end}")));
        assert!(low <= value && value <= high, "{place}: {value} not in [{low}, {high}]");
    }
    let [arrived, completed, rejected, left] =
        ["arrived", "completed", "rejected", "in_system"].map(|name| answer["requests"][name].as_u64().unwrap());
    assert!(arrived > 300 && arrived == completed + rejected + left);
    assert_eq!(answer["preemptions"].as_u64(), Some(0));
    assert!(answer["steps"].as_u64().unwrap() > 1000);
    assert!(number(&answer, "/end_time_s") >= 250.0);
}

#[test]
fn an_overloaded_run_has_growth_with_its_interval_and_no_latency() {
    let answer = fluidsim(&[&["simulate", "--lambda", "10", "--format", "json"][..], &SHORT].concat()).json();
    assert_eq!(text(&answer, "/verdict"), "overloaded");
    assert!(LATENCIES.iter().all(|name| answer["latency"][name].is_null()));
    assert!(number(&answer, "/queue_growth_per_s/ci_low") > 0.0);
}

#[test]
fn compare_has_a_row_for_every_quantity() {
    let ran = fluidsim(&[&["compare", "--des-trials", "3", "--format", "json"][..], &SHORT].concat());
    let answer = ran.json();
    assert!(ran.code <= 1);
    let rows = answer["rows"].as_array().unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row["quantity"].as_str().unwrap()).collect();
    for name in STATE {
        assert!(names.contains(&name), "{name}");
    }
    for (latency, part) in latency_parts() {
        assert!(names.contains(&format!("{latency}.{part}").as_str()), "{latency}.{part}");
    }
    for row in rows {
        for key in ["analytic", "simulated", "ci_low", "ci_high", "relative_gap"] {
            assert!(row.get(key).is_some_and(|value| value.is_number() || value.is_null()), "{key}: {row}");
        }
        assert!(row.get("agrees").is_some_and(|value| value.is_boolean() || value.is_null()), "{row}");
        if let (Some(analytic), Some(simulated), Some(gap)) =
            (row["analytic"].as_f64(), row["simulated"].as_f64(), row["relative_gap"].as_f64())
        {
            assert!((gap - (analytic - simulated) / simulated).abs() < 1e-9, "{row}");
        }
    }
}

/// Every place in a JSON text with its kind of value; elements of a list count once.
fn shape(value: &Value) -> String {
    let mut places = Vec::new();
    walk(value, "", &mut places);
    places.sort();
    places.dedup();
    places.join("\n")
}

fn walk(value: &Value, place: &str, places: &mut Vec<String>) {
    let kind = match value {
        Value::Object(members) => {
            return members.iter().for_each(|(name, member)| walk(member, &format!("{place}.{name}"), places));
        }
        Value::Array(elements) => {
            return elements.iter().for_each(|element| walk(element, &format!("{place}[]"), places));
        }
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "text",
    };
    places.push(format!("{place} {kind}"));
}

#[test]
fn the_whole_shape_is_pinned() {
    let of = |args: &[&str]| shape(&fluidsim(&[args, &["--format", "json"]].concat()).json());
    insta::assert_snapshot!("shape_of_solve", of(&["solve"]));
    insta::assert_snapshot!("shape_of_solve_overloaded", of(&["solve", "--lambda", "10"]));
    insta::assert_snapshot!("shape_of_simulate", of(&[&["simulate"][..], &SHORT].concat()));
    insta::assert_snapshot!("shape_of_compare", of(&[&["compare", "--des-trials", "3"][..], &SHORT].concat()));
    insta::assert_snapshot!("shape_of_stability", of(&["stability"]));
}

fn latency_parts() -> impl Iterator<Item = (&'static str, &'static str)> {
    LATENCIES.into_iter().flat_map(|latency| PARTS.map(|part| (latency, part)))
}

#[track_caller]
fn number(value: &Value, place: &str) -> f64 {
    value.pointer(place).and_then(Value::as_f64).unwrap_or_else(|| panic!("no number at {place} in {value}"))
}

#[track_caller]
fn text<'a>(value: &'a Value, place: &str) -> &'a str {
    value.pointer(place).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {place} in {value}"))
}

/// Just above λ* a short run hardly drifts; its latencies would tell how long it was.
#[test]
fn no_latency_is_finite_above_the_boundary() {
    let boundary = number(&fluidsim(&["solve", "--format", "json"]).json(), "/lambda_star_per_s/high");
    let rate = format!("{}", 1.005 * boundary);
    let words = ["simulate", "--lambda", &rate, "--duration", "2000", "--format", "json"];
    let answer = fluidsim(&words).json();
    assert_eq!(text(&answer, "/verdict"), "overloaded");
    for latency in LATENCIES {
        assert!(answer.pointer(&format!("/latency/{latency}")).is_some_and(Value::is_null), "{latency}");
    }
}

#[test]
fn trials_are_added_until_the_precision_is_reached() {
    let args = ["simulate", "mm1", "--precision", "5%", "--duration", "2000", "--format", "json"];
    let latency = &fluidsim(&args).json()["latency"];
    for which in ["ttft_s", "e2e_s"] {
        let of = |key: &str| latency[which]["mean"][key].as_f64().unwrap();
        let half = (of("ci_high") - of("ci_low")) / 2.0;
        assert!(half <= 0.05 / 1.05 * of("value") && half > 0.01 * of("value"), "{half} {}", of("value"));
    }
    // Above λ* only the throughput is judged, and no latency is finite.
    let over =
        fluidsim(&["simulate", "mm1", "--lambda", "2", "--precision", "5%", "--duration", "500", "--format", "json"]);
    assert!(over.json()["latency"]["e2e_s"].is_null());
    let far = fluidsim(&["simulate", "mm1", "--precision", "0.1%", "--duration", "1", "--warmup", "1"]).fine();
    assert!(far.contains("not reached"), "{far}");
}
