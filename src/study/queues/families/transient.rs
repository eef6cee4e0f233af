//! The number of customers at a time, before the stationary state.

use super::{LAMBDA, MU, parameter};
use crate::queueing::transient::{Mm1At, MmcDiffusion, MmcFluid, sinusoidal_mean};
use crate::study::queues::answer::{Answer, Method};
use crate::study::queues::catalogue::{Kind, Model, Parameter};
use crate::study::queues::parameters::Values;
use crate::study::queues::plain::{Paths, Trial};
use crate::study::queues::problem::QueueProblem;

const FAMILY: &str = "At a time, before the stationary state";

const START: Parameter = parameter("start", "", Kind::Count, "customers at time 0").or("0");
const TIME: Parameter = parameter("time", "s", Kind::NotNegative, "the time t");
const SERVERS: Parameter = parameter("servers", "", Kind::Whole, "servers c");
const AMPLITUDE: Parameter = parameter("amplitude", "", Kind::Share, "A, the part of λ that swings").or("0.5");
const OMEGA: Parameter = parameter("omega", "rad/s", Kind::Positive, "ω, how fast it swings").or("1");

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "mm1-at",
        family: FAMILY,
        summary: "M/M/1 at time t, stable or not, by uniformisation",
        reference: "Jensen 1953; Kleinrock 1975, Queueing Systems vol. 1, §2.14",
        parameters: &[LAMBDA, MU, START, TIME],
        example: "--lambda 0.8 --start 20 --time 10",
        answer: mm1,
        simulation: Some(mm1_trial),
    },
    Model {
        name: "mtminf",
        family: FAMILY,
        summary: "M_t/M/∞ under the arrival rate λ(1 + A sin ωt)",
        reference: "Eick, Massey and Whitt 1993, Management Science 39:241–252",
        parameters: &[LAMBDA, AMPLITUDE, OMEGA, MU, START, TIME],
        example: "--lambda 10 --time 5",
        answer: mtminf,
        simulation: Some(mtminf_trial),
    },
    Model {
        name: "mmc-fluid",
        family: FAMILY,
        summary: "The fluid path of M/M/c",
        reference: "Mandelbaum, Massey and Reiman 1998, Queueing Systems 30:149–201",
        parameters: &[LAMBDA, MU, SERVERS, START, TIME],
        example: "--lambda 8 --servers 10 --start 30 --time 5",
        answer: fluid,
        simulation: Some(fluid_trial),
    },
    Model {
        name: "mmc-diffusion",
        family: FAMILY,
        summary: "The diffusion of M/M/c: mean and variance along the fluid path",
        reference: "Mandelbaum, Massey and Reiman 1998, Queueing Systems 30:149–201; Massey and Pender 2013, Queueing Systems 75:243–277",
        parameters: &[LAMBDA, MU, SERVERS, START, TIME],
        example: "--lambda 90 --servers 100 --start 150 --time 5",
        answer: diffusion,
        simulation: Some(fluid_trial),
    },
];

fn number(answer: Answer, mean: f64, method: Method) -> Answer {
    answer.named("mean_number", "E N(t)", "customers at t", "", mean, method)
}

fn mm1(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (start, time) = (values.whole("start")? as usize, values.number("time")?);
    let queue = Mm1At::new(values.number("lambda")?, values.number("mu")?, start, time)?;
    Ok(number(Answer::default(), queue.mean_in_system(), Method::Numerical)
        .named("variance_number", "Var N(t)", "their variance", "", queue.variance_in_system(), Method::Numerical)
        .named("p_empty", "P(N(t) = 0)", "empty at t", "", queue.probability(0), Method::Numerical))
}

fn paths(
    values: &Values<'_>,
    births: impl Fn(f64) -> f64 + Send + Sync + 'static,
    most: f64,
    deaths: impl Fn(u64) -> f64 + Send + Sync + 'static,
) -> Result<Trial, QueueProblem> {
    let (start, until_s) = (values.whole("start")?, values.number("time")?);
    Ok(Paths { start, until_s, births: (Box::new(births), most), deaths: Box::new(deaths) }.trial())
}

fn mm1_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (lambda, mu) = (values.number("lambda")?, values.number("mu")?);
    paths(values, move |_| lambda, lambda, move |present| if present > 0 { mu } else { 0.0 })
}

fn mtminf(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let mean = sinusoidal_mean(
        values.number("lambda")?,
        values.number("amplitude")?,
        values.number("omega")?,
        values.number("mu")?,
        values.number("start")?,
        values.number("time")?,
    )?;
    Ok(number(Answer::default(), mean, Method::Exact))
}

fn mtminf_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (lambda, mu) = (values.number("lambda")?, values.number("mu")?);
    let (amplitude, omega) = (values.number("amplitude")?, values.number("omega")?);
    let births = move |t: f64| lambda * (1.0 + amplitude * (omega * t).sin());
    paths(values, births, lambda * (1.0 + amplitude), move |present| mu * present as f64)
}

fn fluid(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let servers = values.number("servers")?;
    let fluid = MmcFluid::new(values.number("lambda")?, values.number("mu")?, servers)?;
    let start = values.number("start")?;
    let answer = number(Answer::default(), fluid.mean_in_system(start, values.number("time")?)?, Method::Approximation);
    Ok(match fluid.time_to_drain_s(start)? {
        Some(time) => answer.named("time_to_drain", "t₀", "time until nobody waits", "s", time, Method::Approximation),
        None => answer.note("The waiting line never ends: it grows, or keeps its length."),
    })
}

fn fluid_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (lambda, mu, servers) = (values.number("lambda")?, values.number("mu")?, values.whole("servers")?);
    paths(values, move |_| lambda, lambda, move |present| mu * present.min(servers) as f64)
}

fn diffusion(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let queue = MmcDiffusion::new(values.number("lambda")?, values.number("mu")?, values.number("servers")?)?;
    let (mean, variance) = queue.at(values.number("start")?, values.number("time")?)?;
    Ok(number(Answer::default(), mean, Method::Approximation).named(
        "variance_number",
        "Var N(t)",
        "their variance",
        "",
        variance,
        Method::Approximation,
    ))
}
