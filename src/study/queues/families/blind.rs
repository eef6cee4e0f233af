//! Orders that neither look at sizes nor interrupt.

use rand::RngExt;

use super::disciplines::{FAMILY, rate_and_law, simulated};
use super::{LAMBDA, MEAN, MU, RHO, SERVICE, usual};
use crate::queueing::disciplines::{Blind, BlindOrder};
use crate::study::queues::answer::{Answer, Method};
use crate::study::queues::catalogue::{Model, Parameter};
use crate::study::queues::parameters::Values;
use crate::study::queues::plain::{Orders, Trial};
use crate::study::queues::problem::QueueProblem;

const PARAMETERS: &[Parameter] = &[LAMBDA, RHO, MU, MEAN, SERVICE];

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "lcfs",
        family: FAMILY,
        summary: "LCFS: the last to come is next, without preemption",
        reference: "Takács 1963, Bell System Technical Journal 42:487–503",
        parameters: PARAMETERS,
        example: "--rho 0.7",
        answer: last,
        simulation: Some(last_trial),
    },
    Model {
        name: "siro",
        family: FAMILY,
        summary: "SIRO: any of those waiting is next, equally likely",
        reference: "Kingman 1962, Proc. Cambridge Phil. Soc. 58:163–164; Takács 1963, BSTJ 42:487–503",
        parameters: PARAMETERS,
        example: "--rho 0.7",
        answer: random,
        simulation: Some(random_trial),
    },
];

fn last(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    told(values, BlindOrder::Last)
}

fn random(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    told(values, BlindOrder::Random)
}

fn told(values: &Values<'_>, order: BlindOrder) -> Result<Answer, QueueProblem> {
    let (lambda, law) = rate_and_law(values)?;
    let queue = Blind::new(lambda, law, order)?;
    let means = [queue.mean_in_system(), queue.mean_waiting(), queue.mean_sojourn_s(), queue.mean_wait_s()];
    let answer = usual(Method::Exact, queue.utilization(), means);
    Ok(match queue.second_moment_of_wait_s2() {
        Ok(moment) => answer.named("second_moment_wait", "E[Wq²]", "its second moment", "s²", moment, Method::Exact),
        Err(_) => answer.note("The law has no third moment, so the wait has no second."),
    })
}

fn last_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (lambda, law) = simulated(values)?;
    Ok(Orders::new(lambda, law, |job| -(job.serial as f64), false).trial())
}

fn random_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (lambda, law) = simulated(values)?;
    Ok(Orders::new(lambda, law, |job| job.predicted, false).with_prediction(|_, rng| rng.random()).trial())
}
