//! M/G/1 shared equally, and by classes of priority.

use super::disciplines::{FAMILY, PARAMETERS, rate_and_law, simulated};
use super::{CLASS, parameter};
use crate::queueing::disciplines::{Preemption, Priority, ProcessorSharing};
use crate::queueing::{Law, QueueError};
use crate::study::queues::answer::{Answer, Method};
use crate::study::queues::catalogue::{Kind, Model, Parameter};
use crate::study::queues::class::Class;
use crate::study::queues::parameters::Values;
use crate::study::queues::plain::{Orders, Sharing, Trial};
use crate::study::queues::problem::QueueProblem;

const SCALED: Parameter = parameter(
    "rho",
    "",
    Kind::Positive,
    "utilisation ρ to which the rates of all classes are scaled, in their proportions",
);

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
        summary: "Classes of strict priority, the first class first, without preemption",
        reference: "Cobham 1954, Operations Research 2:70–76",
        parameters: &[CLASS, SCALED],
        example: "--class \"rate=0.3 mean=0.5\" --class \"rate=0.4 mean=1.2 law=erlang:2\"",
        answer: priority,
        simulation: Some(priority_trial),
    },
    Model {
        name: "priority-preemptive",
        family: FAMILY,
        summary: "The same with preemption; what is interrupted resumes later",
        reference: "Kleinrock 1976, Queueing Systems vol. 2, §3.4",
        parameters: &[CLASS, SCALED],
        example: "--class \"rate=0.3 mean=0.5\" --class \"rate=0.4 mean=1.2\"",
        answer: preemptive,
        simulation: Some(preemptive_trial),
    },
];

fn ps(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (lambda, law) = rate_and_law(values)?;
    let queue = ProcessorSharing::new(lambda, law)?;
    let values = [
        ("utilization", queue.utilization()),
        ("L", queue.mean_in_system()),
        ("W", queue.mean_sojourn_s()),
        ("Wq", queue.mean_wait_s()),
        ("slowdown", queue.mean_slowdown()),
    ];
    Ok(Answer::default()
        .all(Method::Exact, &values)
        .note("The wait is the time in the system beyond the service itself."))
}

fn ps_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (lambda, law) = simulated(values)?;
    Ok(Sharing::new(lambda, law).trial())
}

fn priority(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    by_class(values, Preemption::None)
}

fn preemptive(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    by_class(values, Preemption::Resume)
}

/// The classes, at the utilisation asked for.
fn scaled(values: &Values<'_>) -> Result<Vec<Class>, QueueProblem> {
    let mut classes = values.classes()?;
    if let Some(rho) = values.number_if_any("rho")? {
        let load: f64 = classes.iter().map(|class| class.arrivals_per_s * class.service.mean_s()).sum();
        classes.iter_mut().for_each(|class| class.arrivals_per_s *= rho / load);
    }
    Ok(classes)
}

fn by_class(values: &Values<'_>, preemption: Preemption) -> Result<Answer, QueueProblem> {
    let classes: Vec<(f64, Law)> =
        scaled(values)?.into_iter().map(|class| (class.arrivals_per_s, class.service)).collect();
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
                answer = answer
                    .note(format!("Class {number} is unstable: it grows by {growth_per_s} customers per second."));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(answer)
}

fn priority_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    classes_trial(values, false)
}

fn preemptive_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    classes_trial(values, true)
}

fn classes_trial(values: &Values<'_>, preemptive: bool) -> Result<Trial, QueueProblem> {
    let classes = scaled(values)?;
    let load: f64 = classes.iter().map(|class| class.arrivals_per_s * class.service.mean_s()).sum();
    if load >= 1.0 {
        let problem = format!("load the server with {load}");
        return Err(QueueProblem::at("class", problem, "a simulation needs less than 1: lower a rate or a mean"));
    }
    Ok(Orders::of_classes(classes, |job| job.class as f64, preemptive).trial())
}
