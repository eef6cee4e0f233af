//! M/G/1 by other orders than first come, first served.

use super::{LAMBDA, MEAN, MU, RHO, SERVICE, usual};
use crate::queueing::Law;
use crate::queueing::disciplines::{Las, Psjf, Sjf, Srpt};
use crate::study::queues::answer::{Answer, Method};
use crate::study::queues::catalogue::{Model, Parameter};
use crate::study::queues::parameters::Values;
use crate::study::queues::plain::{Orders, Sharing, Trial};
use crate::study::queues::problem::QueueProblem;

pub(super) const FAMILY: &str = "M/G/1 by other orders of service";
pub(super) const PARAMETERS: &[Parameter] = &[LAMBDA, RHO, MU, MEAN, SERVICE];
pub(super) const MODELS: &[Model] = &[
    Model {
        name: "sjf",
        family: FAMILY,
        summary: "SJF: the shortest job next, without preemption",
        reference: "Phipps 1956; Conway, Maxwell and Miller 1967, Theory of Scheduling, §8-6",
        parameters: PARAMETERS,
        example: "--rho 0.8 --service lognormal:2",
        answer: sjf,
        simulation: Some(sjf_trial),
    },
    Model {
        name: "psjf",
        family: FAMILY,
        summary: "PSJF: the shortest job first, by its whole size, with preemption",
        reference: "Harchol-Balter 2013, Performance Modeling and Design of Computer Systems, §32.3",
        parameters: PARAMETERS,
        example: "--rho 0.8",
        answer: psjf,
        simulation: Some(psjf_trial),
    },
    Model {
        name: "srpt",
        family: FAMILY,
        summary: "SRPT: the shortest remaining time first, with preemption",
        reference: "Schrage and Miller 1966, Operations Research 14:670–684",
        parameters: PARAMETERS,
        example: "--rho 0.8 --service weibull:0.5",
        answer: srpt,
        simulation: Some(srpt_trial),
    },
    Model {
        name: "las",
        family: FAMILY,
        summary: "LAS (foreground–background): those with the least service so far first",
        reference: "Kleinrock 1976, Queueing Systems vol. 2, §4.6",
        parameters: PARAMETERS,
        example: "--rho 0.8 --service weibull:0.5",
        answer: las,
        simulation: Some(las_trial),
    },
];

pub(super) fn rate_and_law(values: &Values<'_>) -> Result<(f64, Law), QueueProblem> {
    let service = values.service()?;
    Ok((values.arrivals_per_s(1.0 / service.mean_s())?, service))
}

/// The arrivals and the law, for a simulation, which needs a stable queue.
pub(super) fn simulated(values: &Values<'_>) -> Result<(f64, Law), QueueProblem> {
    let (lambda, law) = rate_and_law(values)?;
    super::poisson(lambda)?;
    Ok((lambda, law))
}

fn sjf(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (lambda, law) = rate_and_law(values)?;
    let queue = Sjf::new(lambda, law)?;
    let means = [queue.mean_in_system(), queue.mean_waiting(), queue.mean_sojourn_s(), queue.mean_wait_s()];
    Ok(integrals(queue.utilization(), means, queue.mean_slowdown()))
}

fn psjf(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (lambda, law) = rate_and_law(values)?;
    let queue = Psjf::new(lambda, law)?;
    let means = [queue.mean_in_system(), queue.mean_waiting(), queue.mean_sojourn_s(), queue.mean_wait_s()];
    Ok(integrals(queue.utilization(), means, queue.mean_slowdown()))
}

fn srpt(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (lambda, law) = rate_and_law(values)?;
    let queue = Srpt::new(lambda, law)?;
    let means = [queue.mean_in_system(), queue.mean_waiting(), queue.mean_sojourn_s(), queue.mean_wait_s()];
    Ok(integrals(queue.utilization(), means, queue.mean_slowdown()))
}

fn las(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (lambda, law) = rate_and_law(values)?;
    let queue = Las::new(lambda, law)?;
    let means = [queue.mean_in_system(), queue.mean_waiting(), queue.mean_sojourn_s(), queue.mean_wait_s()];
    Ok(integrals(queue.utilization(), means, queue.mean_slowdown()))
}

/// Means that are integrals over the sizes.
fn integrals(utilization: f64, means: [f64; 4], slowdown: f64) -> Answer {
    usual(Method::Numerical, utilization, means)
        .with("slowdown", slowdown, Method::Numerical)
        .note("The wait is the time in the system beyond the service itself.")
}

fn sjf_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (lambda, law) = simulated(values)?;
    Ok(Orders::new(lambda, law, |job| job.size, false).trial())
}

fn psjf_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (lambda, law) = simulated(values)?;
    Ok(Orders::new(lambda, law, |job| job.size, true).trial())
}

fn srpt_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (lambda, law) = simulated(values)?;
    Ok(Orders::new(lambda, law, |job| job.remaining, true).trial())
}

fn las_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (lambda, law) = simulated(values)?;
    Ok(Sharing::new(lambda, law).with_least_attained_first().trial())
}
