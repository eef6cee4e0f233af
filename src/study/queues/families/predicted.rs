//! M/G/1 by orders that go by predicted sizes, or by one bit of them.

use super::disciplines::{FAMILY, rate_and_law, simulated};
use super::{LAMBDA, MEAN, MU, RHO, SERVICE, parameter};
use crate::queueing::Law;
use crate::queueing::disciplines::{OneBit, Predicted};
use crate::study::queues::answer::{Answer, Method};
use crate::study::queues::catalogue::{Kind, Model, Parameter};
use crate::study::queues::law;
use crate::study::queues::parameters::Values;
use crate::study::queues::plain::{Orders, Trial};
use crate::study::queues::problem::QueueProblem;

const ERROR: Parameter = parameter(
    "error",
    "",
    Kind::Law,
    "law of the factor by which a prediction is off, mean 1: exponential, constant (no error), erlang:PHASES, lognormal:CV2, …",
)
.or("exponential");
const PARAMETERS: &[Parameter] = &[LAMBDA, RHO, MU, MEAN, SERVICE, ERROR];
const THRESHOLD: Parameter =
    parameter("threshold", "s", Kind::Positive, "size from which customers are long; the best one unless given");

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "spjf",
        family: FAMILY,
        summary: "SPJF: the shortest predicted job next, without preemption",
        reference: "Mitzenmacher 2019, Scheduling with predictions and the price of misprediction, §3.1",
        parameters: PARAMETERS,
        example: "--rho 0.7",
        answer: spjf,
        simulation: Some(spjf_trial),
    },
    Model {
        name: "pspjf",
        family: FAMILY,
        summary: "PSPJF: the shortest predicted job first, with preemption",
        reference: "Mitzenmacher 2019, Scheduling with predictions and the price of misprediction, §3.2",
        parameters: PARAMETERS,
        example: "--rho 0.7",
        answer: pspjf,
        simulation: Some(pspjf_trial),
    },
    Model {
        name: "sprpt",
        family: FAMILY,
        summary: "SPRPT: the shortest predicted remaining time first, with preemption",
        reference: "Mitzenmacher 2019, ibid., §3.3; Scully, Harchol-Balter and Scheller-Wolf 2018",
        parameters: PARAMETERS,
        example: "--rho 0.7",
        answer: sprpt,
        simulation: Some(sprpt_trial),
    },
    Model {
        name: "one-bit",
        family: FAMILY,
        summary: "One bit says whether a customer is short; the short go first",
        reference: "Mitzenmacher 2021, Queues with small advice, ACDA 2021",
        parameters: &[LAMBDA, RHO, MU, MEAN, SERVICE, THRESHOLD],
        example: "--rho 0.7",
        answer: one_bit,
        simulation: Some(one_bit_trial),
    },
];

fn queue(values: &Values<'_>) -> Result<(f64, Predicted), QueueProblem> {
    let (lambda, law) = rate_and_law(values)?;
    Ok((lambda, Predicted::new(lambda, law, error(values)?)?))
}

fn error(values: &Values<'_>) -> Result<Law, QueueProblem> {
    law::parse("error", values.text("error")?, 1.0)
}

fn told(lambda: f64, utilization: f64, sojourn_s: f64, mean_s: f64) -> Answer {
    let found = [("utilization", utilization), ("L", lambda * sojourn_s), ("W", sojourn_s), ("Wq", sojourn_s - mean_s)];
    Answer::default()
        .all(Method::Numerical, &found)
        .note("The wait is the time in the system beyond the service itself.")
}

fn spjf(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (lambda, queue) = queue(values)?;
    Ok(told(lambda, queue.utilization(), queue.spjf_sojourn_s()?, values.service()?.mean_s()))
}

fn pspjf(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (lambda, queue) = queue(values)?;
    Ok(told(lambda, queue.utilization(), queue.pspjf_sojourn_s(), values.service()?.mean_s()))
}

fn sprpt(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (lambda, queue) = queue(values)?;
    Ok(told(lambda, queue.utilization(), queue.sprpt_sojourn_s()?, values.service()?.mean_s()))
}

fn predicting(values: &Values<'_>, orders: Orders) -> Result<Trial, QueueProblem> {
    let error = error(values)?;
    Ok(orders.with_prediction(move |size, rng| size * error.sample(rng)).trial())
}

fn spjf_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (lambda, law) = simulated(values)?;
    predicting(values, Orders::new(lambda, law, |job| job.predicted, false))
}

fn pspjf_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (lambda, law) = simulated(values)?;
    predicting(values, Orders::new(lambda, law, |job| job.predicted, true))
}

/// A prediction that has been outlived stays below every other: nobody then interrupts.
fn sprpt_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (lambda, law) = simulated(values)?;
    predicting(values, Orders::new(lambda, law, |job| job.predicted - (job.size - job.remaining), true))
}

fn threshold(values: &Values<'_>, queue: &OneBit) -> Result<f64, QueueProblem> {
    values.number_if_any("threshold")?.map_or_else(|| Ok(queue.best_threshold_s()?), Ok)
}

fn one_bit(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (lambda, law) = rate_and_law(values)?;
    let mean_s = law.mean_s();
    let queue = OneBit::new(lambda, law)?;
    let at = threshold(values, &queue)?;
    let preemptive = values.number_if_any("threshold")?.map_or_else(|| queue.best_preemptive_threshold_s(), Ok)?;
    Ok(told(lambda, queue.utilization(), queue.mean_sojourn_s(at)?, mean_s)
        .named("threshold", "T", "size from which customers are long", "s", at, Method::Numerical)
        .named("threshold_preemptive", "T'", "the same where the short interrupt", "s", preemptive, Method::Numerical)
        .named(
            "W_preemptive",
            "W'",
            "time in system where the short interrupt, the last first",
            "s",
            queue.preemptive_sojourn_s(preemptive)?,
            Method::Numerical,
        ))
}

fn one_bit_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (lambda, law) = simulated(values)?;
    let at = threshold(values, &OneBit::new(lambda, law.clone())?)?;
    let orders = Orders::new(lambda, law, |job| job.predicted, false);
    Ok(orders.with_prediction(move |size, _| f64::from(u8::from(size >= at))).trial())
}
