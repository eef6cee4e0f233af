//! M/G/1 by other orders than first come, first served.

use super::{CLASS, LAMBDA, MEAN, MU, RHO, SERVICE, parameter, usual};
use crate::queueing::Law;
use crate::queueing::disciplines::{Las, Preemption, Priority, ProcessorSharing, Psjf, Sjf, Srpt};
use crate::queueing::QueueError;
use crate::study::queues::answer::{Answer, Method};
use crate::study::queues::catalogue::{Kind, Model, Parameter};
use crate::study::queues::parameters::Values;
use crate::study::queues::plain::{Orders, Sharing, Trial};
use crate::study::queues::problem::QueueProblem;

const FAMILY: &str = "M/G/1 by other orders of service";
const PARAMETERS: &[Parameter] = &[LAMBDA, RHO, MU, MEAN, SERVICE];
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
        summary: "LAS (foreground–background): those with the least service so far share the server",
        reference: "Kleinrock 1976, Queueing Systems vol. 2, §4.6",
        parameters: PARAMETERS,
        example: "--rho 0.8 --service weibull:0.5",
        answer: las,
        simulation: Some(las_trial),
    },
];

fn rate_and_law(values: &Values<'_>) -> Result<(f64, Law), QueueProblem> {
    let service = values.service()?;
    Ok((values.arrivals_per_s(1.0 / service.mean_s())?, service))
}

/// The arrivals and the law, for a simulation, which needs a stable queue.
fn simulated(values: &Values<'_>) -> Result<(f64, Law), QueueProblem> {
    let (lambda, law) = rate_and_law(values)?;
    super::poisson(lambda)?;
    Ok((lambda, law))
}

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
