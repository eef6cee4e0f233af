//! Service in batches.

use super::{LAMBDA, QUANTILES, RHO, parameter, poisson, usual};
use crate::queueing::Law;
use crate::queueing::batch::{Bulk, BulkLaw, Dynamic, DynamicUnbounded, MmBulk, MmBulkMinimum, WholeSizes};
use crate::queueing::general::Mg1;
use crate::stats::stream::Stream;
use crate::study::queues::answer::{Answer, Method, quantile_key};
use crate::study::queues::catalogue::{Kind, Model, Parameter};
use crate::study::queues::law;
use crate::study::queues::parameters::Values;
use crate::study::queues::plain::{Batches, Trial, slots};
use crate::study::queues::problem::QueueProblem;

pub(super) const FAMILY: &str = "Service in batches";

const BATCH_TIME: Parameter = parameter("base", "s", Kind::Positive, "mean time of a batch, exponential").or("1");
/// Largest batch whose law is told: the work grows as its square.
const MOST_ROOTS: u64 = 300;
const LEAST: Parameter = parameter("least", "", Kind::Whole, "smallest batch: the server waits for so many").or("1");
pub(super) const MOST: Parameter = parameter("most", "", Kind::Whole, "largest batch");
pub(super) const BASE: Parameter =
    parameter("base", "s", Kind::NotNegative, "time of a batch apart from its customers, τ0");
pub(super) const PER: Parameter =
    parameter("per", "s", Kind::NotNegative, "time that each customer adds to a batch, α");

const SIZE: Parameter =
    parameter("size", "", Kind::Law, "law of the size before it is rounded up, such as lognormal:CV2")
        .or("exponential");
const MEAN_SIZE: Parameter = parameter("mean-size", "units", Kind::Positive, "mean size before it is rounded up");
const CAP: Parameter = parameter("cap", "units", Kind::Whole, "largest size; larger ones are cut to it");
const UNIT: Parameter = parameter("unit", "s", Kind::Positive, "time that each unit takes");

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "bulk",
        family: FAMILY,
        summary: "M/M^[1,b]/1: whoever waits is taken, up to b; exponential batch times",
        reference: "Bailey 1954; Medhi 2003, Stochastic Models in Queueing Theory, §4.3",
        parameters: &[LAMBDA, RHO, BATCH_TIME, MOST, QUANTILES],
        example: "--rho 0.8 --most 10",
        answer: bulk,
        simulation: Some(bulk_trial),
    },
    Model {
        name: "bulk-minimum",
        family: FAMILY,
        summary: "M/M^[a,b]/1: the server waits until a are there and takes up to b",
        reference: "Neuts 1967, Annals of Mathematical Statistics 38:759–770",
        parameters: &[LAMBDA, RHO, BATCH_TIME, LEAST, MOST],
        example: "--rho 0.5 --least 2 --most 3",
        answer: bulk_minimum,
        simulation: Some(bulk_minimum_trial),
    },
    Model {
        name: "batch",
        family: FAMILY,
        summary: "Dynamic batching up to b: a batch of n lasts exactly τ0 + αn",
        reference: "Inoue 2021, Performance Evaluation 147:102183; Bailey 1954, JRSS B 16:80–87",
        parameters: &[LAMBDA, RHO, BASE, PER, MOST],
        example: "--lambda 2 --base 1.8874 --per 0.1438 --most 8",
        answer: dynamic,
        simulation: Some(dynamic_trial),
    },
    Model {
        name: "batch-unlimited",
        family: FAMILY,
        summary: "Dynamic batching without a cap: a batch of b lasts exactly τ0 + αb",
        reference: "Inoue 2021, Performance Evaluation 147:102183",
        parameters: &[LAMBDA, RHO, BASE, PER],
        example: "--rho 0.5 --base 1.8874 --per 0.1438",
        answer: unlimited,
        simulation: Some(unlimited_trial),
    },
    Model {
        name: "whole-sizes",
        family: FAMILY,
        summary: "M/G/1 with whole sizes: a size is rounded up and cut at a cap, each unit of it takes a fixed time",
        reference: "Pollaczek 1930, Khinchine 1932; Yang, Jiao and Xu 2024 for tokens",
        parameters: &[LAMBDA, RHO, SIZE, MEAN_SIZE, CAP, UNIT],
        example: "--lambda 0.025 --size lognormal:0.6323 --mean-size 1401.1 --cap 800 --unit 0.0225",
        answer: whole_sizes,
        simulation: Some(whole_sizes_trial),
    },
    Model {
        name: "slots",
        family: FAMILY,
        summary: "A queue in slots: up to b leave in each, then a Poisson number comes",
        reference: "Bailey 1954, JRSS B 16:80–87; Spitzer 1956",
        parameters: &[
            parameter("arrivals", "", Kind::Positive, "mean number that comes in a slot"),
            parameter("batch", "", Kind::Whole, "most that leave in a slot"),
            QUANTILES,
        ],
        example: "--arrivals 3 --batch 4",
        answer: in_slots,
        simulation: Some(in_slots_trial),
    },
];

/// λ, batches per second and the largest batch.
fn bulk_rates(values: &Values<'_>) -> Result<(f64, f64, u64), QueueProblem> {
    let (mu, most) = (1.0 / values.number("base")?, values.whole("most")?);
    Ok((values.arrivals_per_s(mu * most as f64)?, mu, most))
}

fn bulk(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (lambda, mu, most) = bulk_rates(values)?;
    let queue = MmBulk::new(lambda, mu, most)?;
    let found = [
        ("load", queue.utilization()),
        ("p_idle", queue.idle_probability()),
        ("L", queue.mean_in_system()),
        ("Lq", queue.mean_waiting()),
        ("W", queue.mean_sojourn_s()),
        ("Wq", queue.mean_wait_s()),
        ("p_wait", queue.wait_probability()),
        ("mean_batch", queue.mean_batch()),
    ];
    let mut answer = Answer::default().all(Method::Exact, &found);
    for p in values.quantiles()? {
        answer = answer.exact(&quantile_key(p, "wait"), queue.wait_quantile_s(p));
        answer = answer.exact(&quantile_key(p, "sojourn"), queue.sojourn_quantile_s(p));
    }
    Ok(answer)
}

fn bulk_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (lambda, mu, most) = bulk_rates(values)?;
    Ok(exponential_batches(lambda, mu)?.with_sizes(1, most).with_quantiles(values.quantiles()?).trial())
}

fn exponential_batches(lambda: f64, mu: f64) -> Result<Batches, QueueProblem> {
    poisson(lambda)?;
    let law = Law::exponential(1.0 / mu)?;
    Ok(Batches::new(lambda, move |_, rng| law.sample(rng)))
}

fn bulk_minimum(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (lambda, mu, most) = bulk_rates(values)?;
    let queue = MmBulkMinimum::new(lambda, mu, values.whole("least")?, most)?;
    let found = [
        ("load", queue.utilization()),
        ("L", queue.mean_in_system()),
        ("Lq", queue.mean_waiting()),
        ("W", queue.mean_sojourn_s()),
        ("Wq", queue.mean_wait_s()),
        ("mean_batch", queue.mean_batch()),
    ];
    Ok(Answer::default().all(Method::Exact, &found))
}

fn bulk_minimum_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (lambda, mu, most) = bulk_rates(values)?;
    Ok(exponential_batches(lambda, mu)?.with_sizes(values.whole("least")?, most).trial())
}

/// λ, τ0, α.
fn linear(values: &Values<'_>) -> Result<(f64, f64, f64), QueueProblem> {
    let (base_s, per_s) = (values.number("base")?, values.number("per")?);
    if values.has("rho") && per_s == 0.0 {
        return Err(QueueProblem::at("rho", "has no meaning where `per` is 0", "give the arrival rate `lambda`"));
    }
    Ok((values.arrivals_per_s(1.0 / per_s)?, base_s, per_s))
}

fn unlimited(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (lambda, base_s, per_s) = linear(values)?;
    let queue = DynamicUnbounded::new(lambda, per_s, base_s)?;
    let found = [
        ("load", queue.load()),
        ("utilization", queue.utilization()),
        ("L", queue.mean_in_system()),
        ("Lq", queue.mean_waiting()),
        ("W", queue.mean_sojourn_s()),
        ("Wq", queue.mean_wait_s()),
        ("p_idle", queue.idle_probability()),
        ("mean_batch", queue.mean_batch()),
        ("second_moment_batch", queue.second_moment_batch()),
    ];
    let answer = Answer::default().all(Method::Numerical, &found);
    let bounds = [
        ("W_bound", "W ≤", "time in system, at most", queue.sojourn_bound_s()),
        ("W_bound_light", "W ≤ φ0", "the bound that is close at light load", queue.light_bound_s()),
        ("W_bound_heavy", "W ≤ φ1", "the bound that is close at heavy load", queue.heavy_bound_s()),
    ];
    Ok(bounds
        .into_iter()
        .fold(answer, |answer, (key, symbol, what, value)| answer.named(key, symbol, what, "s", value, Method::Bound)))
}

fn unlimited_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (lambda, base_s, per_s) = linear(values)?;
    poisson(lambda)?;
    Ok(Batches::new(lambda, move |size, _| base_s + per_s * size as f64).trial())
}

/// λ, τ0, α, b.
fn dynamic_parts(values: &Values<'_>) -> Result<(f64, f64, f64, u64), QueueProblem> {
    let (base_s, per_s, most) = (values.number("base")?, values.number("per")?, values.whole("most")?);
    if most > 2000 {
        return Err(QueueProblem::at("most", format!("is `{most}`"), "give at most 2000, or ask `batch-unlimited`"));
    }
    let lambda = values.arrivals_per_s(most as f64 / (base_s + per_s * most as f64))?;
    poisson(lambda)?;
    Ok((lambda, base_s, per_s, most))
}

fn dynamic(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (lambda, base_s, per_s, most) = dynamic_parts(values)?;
    let queue = Dynamic::linear(lambda, per_s, base_s, most as u32)?;
    let found = [
        ("load", lambda / queue.capacity_per_s()),
        ("utilization", queue.utilization()),
        ("L", queue.mean_in_system()),
        ("Lq", queue.mean_waiting()),
        ("W", queue.mean_sojourn_s()),
        ("Wq", queue.mean_wait_s()),
        ("p_idle", queue.idle_probability()),
        ("mean_batch", queue.mean_batch()),
    ];
    let answer = Answer::default().all(Method::Numerical, &found);
    let capacity = queue.capacity_per_s();
    Ok(answer.named("capacity", "λ*", "largest rate that can be served", "/s", capacity, Method::Exact))
}

fn dynamic_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (lambda, base_s, per_s, most) = dynamic_parts(values)?;
    Ok(Batches::new(lambda, move |size, _| base_s + per_s * size as f64).with_sizes(1, most).trial())
}

/// λ, the law before it is rounded up, cap, seconds for each unit, and the whole sizes.
fn sizes(values: &Values<'_>) -> Result<(f64, Law, u64, f64, WholeSizes), QueueProblem> {
    let (cap, unit_s) = (values.whole("cap")?, values.number("unit")?);
    if cap > 10_000_000 {
        return Err(QueueProblem::at("cap", format!("is `{cap}`"), "give at most 10000000"));
    }
    let law = law::parse("size", values.text("size")?, values.number("mean-size")?)?;
    let sizes = WholeSizes::rounded_up(&law, cap as u32)?;
    Ok((values.arrivals_per_s(1.0 / (unit_s * sizes.mean()))?, law, cap, unit_s, sizes))
}

fn whole_sizes(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (lambda, law, cap, unit_s, sizes) = sizes(values)?;
    let queue = Mg1::new(lambda, unit_s * sizes.mean(), unit_s * unit_s * sizes.second_moment())?;
    let means = [queue.mean_in_system(), queue.mean_waiting(), queue.mean_sojourn_s(), queue.mean_wait_s()];
    Ok(usual(Method::Exact, queue.utilization(), means)
        .named("mean_size", "E[n]", "units", "", sizes.mean(), Method::Exact)
        .named("second_moment_size", "E[n²]", "their second moment", "", sizes.second_moment(), Method::Exact)
        .named("mean_service", "E[S]", "service", "s", unit_s * sizes.mean(), Method::Exact)
        .named("p_cut", "P(N > cap)", "cut at the cap", "", law.survival(cap as f64), Method::Exact))
}

fn whole_sizes_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (lambda, law, cap, unit_s, _) = sizes(values)?;
    poisson(lambda)?;
    let whole = move |rng: &mut Stream| law.sample(rng).ceil().clamp(1.0, cap as f64);
    Ok(Batches::new(lambda, move |_, rng| unit_s * whole(rng)).with_sizes(1, 1).trial())
}

fn in_slots(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (arrivals, batch) = (values.number("arrivals")?, values.whole("batch")?);
    let queue = Bulk::new(arrivals, batch)?;
    let full = queue.left_behind_full_batches();
    let mut answer = Answer::default();
    if batch <= MOST_ROOTS {
        let law = BulkLaw::new(arrivals, batch as u32)?;
        answer = answer.with("p_empty", law.probability(0), Method::Numerical);
        for p in values.quantiles()? {
            let key = quantile_key(p, "left_behind");
            answer = answer.named(&key, &key, &key, "", law.quantile(p) as f64, Method::Numerical);
        }
    }
    Ok(answer.named("left_behind", "E[Q]", "left behind by a slot", "", queue.left_behind(), Method::Numerical).named(
        "left_behind_full",
        "E[Q], full",
        "the same if only full batches leave",
        "",
        full,
        Method::Numerical,
    ))
}

fn in_slots_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    Ok(slots(values.number("arrivals")?, values.whole("batch")?))
}
