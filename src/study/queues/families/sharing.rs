//! Processors shared by all who are present, at a pace that depends on their number.

use super::{LAMBDA, QUANTILES, RHO, SERVICE, parameter, poisson};
use crate::queueing::Law;
use crate::queueing::sharing::{LinearSharing, StateDependent};
use crate::study::queues::answer::{Answer, Method, quantile_key};
use crate::study::queues::catalogue::{Kind, Model, Parameter};
use crate::study::queues::parameters::Values;
use crate::study::queues::plain::{Sharing, Trial};
use crate::study::queues::problem::QueueProblem;

const FAMILY: &str = "Servers that slow with the number present";

const WORK: Parameter = parameter("work", "units", Kind::Positive, "mean work of a customer");
const BASE: Parameter =
    parameter("base", "s", Kind::NotNegative, "seconds per unit of work with nobody else, apart from the slope");
const SLOPE: Parameter = parameter("slope", "s", Kind::Positive, "seconds per unit of work that each one present adds");
const MOST: Parameter = parameter("most", "", Kind::Whole, "customers served at once; the others wait");

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "sharing",
        family: FAMILY,
        summary: "With n present each advances by a unit of work in base + slope·n seconds",
        reference: "Cohen 1979, Acta Informatica 12:245–284; Kelly 1979, Reversibility and Stochastic Networks, §3.3",
        parameters: &[LAMBDA, RHO, WORK, BASE, SLOPE, SERVICE],
        example: "--lambda 1 --work 50 --base 1 --slope 0.01 --service h2:4",
        answer: linear,
        simulation: Some(linear_trial),
    },
    Model {
        name: "sharing-limited",
        family: FAMILY,
        summary: "The same with at most K in service, exponential work, and a queue",
        reference: "Cohen 1979, Acta Informatica 12:245–284; a birth–death chain",
        parameters: &[LAMBDA, RHO, WORK, BASE, SLOPE, MOST, QUANTILES],
        example: "--lambda 1 --work 50 --base 1 --slope 0.01 --most 128",
        answer: limited,
        simulation: Some(limited_trial),
    },
];

fn linear(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (work, base_s, slope_s) = (values.number("work")?, values.number("base")?, values.number("slope")?);
    let queue = LinearSharing::new(values.arrivals_per_s(1.0 / (work * slope_s))?, work, base_s, slope_s)?;
    let found = [("load", queue.load()), ("L", queue.mean_in_system()), ("W", queue.mean_sojourn_s())];
    Ok(Answer::default()
        .all(Method::Exact, &found)
        .named("variance_L", "Var N", "variance of the number present", "", queue.variance_in_system(), Method::Exact)
        .named("pace", "W/work", "mean time per unit of work", "s", queue.mean_pace_s(), Method::Exact)
        .note("Only the mean of the work matters; --service chooses what the simulation draws."))
}

fn linear_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (work, base_s, slope_s) = (values.number("work")?, values.number("base")?, values.number("slope")?);
    let lambda = values.arrivals_per_s(1.0 / (work * slope_s))?;
    poisson(lambda)?;
    let law = crate::study::queues::law::parse("service", values.text("service")?, work)?;
    Ok(Sharing::new(lambda, law).with_pace(move |n| n as f64 / (base_s + slope_s * n as f64)).trial())
}

/// λ, work, τ(k) by base and slope, K.
fn limited_parameters(values: &Values<'_>) -> Result<(f64, f64, f64, f64, u64), QueueProblem> {
    let (work, base_s, slope_s) = (values.number("work")?, values.number("base")?, values.number("slope")?);
    let most = values.whole("most")?;
    if most > 1_000_000 {
        return Err(QueueProblem::at("most", format!("is `{most}`"), "give at most 1000000"));
    }
    let capacity = most as f64 / (work * (base_s + slope_s * most as f64));
    Ok((values.arrivals_per_s(capacity)?, work, base_s, slope_s, most))
}

fn limited(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (lambda, work, base_s, slope_s, most) = limited_parameters(values)?;
    let queue = StateDependent::new(lambda, work, most as usize, |k| base_s + slope_s * k as f64)?;
    let found = [
        ("load", lambda / queue.capacity_per_s()),
        ("L", queue.mean_in_system()),
        ("Lq", queue.mean_waiting()),
        ("W", queue.mean_sojourn_s()),
        ("Wq", queue.mean_wait_s()),
        ("p_wait", queue.wait_probability()),
    ];
    let mut answer = Answer::default().all(Method::Exact, &found).named(
        "capacity",
        "λ*",
        "largest rate that can be served",
        "/s",
        queue.capacity_per_s(),
        Method::Exact,
    );
    for p in values.quantiles()? {
        answer = answer.exact(&quantile_key(p, "wait"), queue.wait_quantile_s(p));
    }
    Ok(answer)
}

fn limited_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (lambda, work, base_s, slope_s, most) = limited_parameters(values)?;
    poisson(lambda)?;
    let shared =
        Sharing::new(lambda, Law::exponential(work)?).with_pace(move |n| n as f64 / (base_s + slope_s * n as f64));
    Ok(shared.with_most(most as usize).with_quantiles(values.quantiles()?).trial())
}
