//! M/G/1 shared equally, and by classes of priority.

use super::disciplines::{FAMILY, PARAMETERS, rate_and_law, simulated};
use super::{CLASS, parameter, usual};
use crate::queueing::disciplines::{Preemption, Priority, ProcessorSharing};
use crate::queueing::{Law, QueueError};
use crate::study::queues::answer::{Answer, Method};
use crate::study::queues::catalogue::{Kind, Model, Parameter};
use crate::study::queues::parameters::Values;
use crate::study::queues::plain::{Orders, Sharing, Trial};
use crate::study::queues::problem::QueueProblem;

const PREEMPTION: Parameter = parameter("preemption", "", Kind::Words, "none, or resume: the urgent interrupt the others")
    .or("none");

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "ps",
        family: FAMILY,
        summary: "M/G/1-PS: the server is shared equally by all",
        reference: "Kleinrock 1976, Queueing Systems vol. 2, §4.4; Sakata, Noguchi and Oizumi 1969",
        parameters: PARAMETERS,
        example: "--rho 0.8 --service h2:4",
        answer: ps,
        simulation: Some(ps_trial),
    },
    Model {
        name: "priority",
        family: FAMILY,
        summary: "Classes of strict priority, the first class first",
        reference: "Cobham 1954, Operations Research 2:70–76; Kleinrock 1976, Queueing Systems vol. 2, §3.4",
        parameters: &[CLASS, PREEMPTION],
        example: "--class \"rate=0.3 mean=0.5\" --class \"rate=0.4 mean=1.2 law=erlang:2\" --preemption resume",
        answer: priority,
        simulation: Some(priority_trial),
    },
];

fn ps(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (lambda, law) = rate_and_law(values)?;
    let queue = ProcessorSharing::new(lambda, law)?;
    let (wait, sojourn) = (queue.mean_wait_s(), queue.mean_sojourn_s());
    Ok(usual(Method::Exact, queue.utilization(), [queue.mean_in_system(), lambda * wait, sojourn, wait])
        .with("slowdown", queue.mean_slowdown(), Method::Exact)
        .note("The wait is the time in the system beyond the service itself."))
}

fn ps_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (lambda, law) = simulated(values)?;
    Ok(Sharing::new(lambda, law).trial())
}

fn preemption(values: &Values<'_>) -> Result<Preemption, QueueProblem> {
    match values.text("preemption")? {
        "none" => Ok(Preemption::None),
        "resume" => Ok(Preemption::Resume),
        other => Err(QueueProblem::at("preemption", format!("is `{other}`"), "write none or resume")),
    }
}

fn priority(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let preemption = preemption(values)?;
    let classes: Vec<(f64, Law)> =
        values.classes()?.into_iter().map(|class| (class.arrivals_per_s, class.service)).collect();
    let queue = Priority::new(&classes, preemption)?;
    let mut answer = Answer::default().exact("utilization", queue.utilization());
    match queue.overall_sojourn_s() {
        Ok(sojourn) => answer = answer.exact("W", sojourn),
        Err(QueueError::Unstable { growth_per_s }) if classes.len() == 1 => {
            return Err(QueueProblem::Unstable { growth_per_s });
        }
        Err(_) => {}
    }
    for index in 0..classes.len() {
        let number = index + 1;
        match queue.mean_sojourn_s(index) {
            Ok(sojourn) => {
                answer = answer
                    .exact(&format!("W_{number}"), sojourn)
                    .exact(&format!("Wq_{number}"), queue.mean_wait_s(index)?)
                    .exact(&format!("L_{number}"), queue.mean_in_system(index)?);
            }
            Err(error @ QueueError::Unstable { .. }) if index == 0 => return Err(error.into()),
            Err(QueueError::Unstable { growth_per_s }) => {
                answer = answer.note(format!("Class {number} is unstable: it grows by {growth_per_s} customers per second."));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(answer)
}

fn priority_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let classes = values.classes()?;
    let load: f64 = classes.iter().map(|class| class.arrivals_per_s * class.service.mean_s()).sum();
    if load >= 1.0 {
        let problem = format!("load the server with {load}");
        return Err(QueueProblem::at("class", problem, "a simulation needs less than 1: lower a rate or a mean"));
    }
    let preemptive = preemption(values)? == Preemption::Resume;
    Ok(Orders::of_classes(classes, |job| job.class as f64, preemptive).trial())
}
