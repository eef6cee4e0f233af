//! Two moments of the times between arrivals and of service: approximations and bounds.

use super::general::FAMILY;
use super::{LAMBDA, MU, RHO, SERVERS, SERVICE, parameter};
use crate::queueing::Law;
use crate::queueing::general::{Gg1, Ggc};
use crate::study::queues::answer::{Answer, Method};
use crate::study::queues::catalogue::{Kind, Model, Parameter};
use crate::study::queues::parameters::Values;
use crate::study::queues::plain::{Source, Station, Trial};
use crate::study::queues::problem::QueueProblem;

const CA2: Parameter = parameter(
    "ca2",
    "",
    Kind::NotNegative,
    "squared coefficient of variation of the times between arrivals, in place of their law",
);
const CS2: Parameter =
    parameter("cs2", "", Kind::NotNegative, "squared coefficient of variation of service, in place of its law");

/// What stands beside the wait of a simulation.
const WAITS: &[&str] = &[
    "Wq_klb",
    "Wq_kingman",
    "Wq_marchal",
    "Wq_kimura",
    "Wq_whitt",
    "Wq_allen_cunneen",
    "Wq_bound",
    "Wq_daley",
    "Wq_least",
];

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "gg1",
        family: FAMILY,
        summary: "G/G/1: independent times of any law; approximations and bounds by two moments",
        reference: "Kingman 1961 and 1962; Krämer and Langenbach-Belz 1976; Marchal 1976; Daley 1977; Kimura 1986",
        parameters: &[LAMBDA, RHO, super::renewal::ARRIVALS, CA2, MU, SERVICE, CS2],
        example: "--rho 0.8 --arrivals erlang:2 --service h2:4",
        answer: gg1,
        simulation: Some(gg1_trial),
    },
    Model {
        name: "ggc",
        family: FAMILY,
        summary: "G/G/c: times of any law, several servers; approximations by two moments",
        reference: "Allen 1990, Probability, Statistics, and Queueing Theory, §5.3; Kimura 1986; Whitt 1993; Wolff 1977",
        parameters: &[LAMBDA, RHO, super::renewal::ARRIVALS, CA2, MU, SERVICE, CS2, SERVERS],
        example: "--rho 0.8 --servers 3 --arrivals erlang:2 --service h2:4",
        answer: ggc,
        simulation: Some(ggc_trial),
    },
];

/// λ, μ, ca², cs².
struct Moments {
    lambda: f64,
    mu: f64,
    ca2: f64,
    cs2: f64,
}

/// Each from its law, or the variation from a number where that was given.
fn moments(values: &Values<'_>, servers: f64) -> Result<Moments, QueueProblem> {
    let squared_cv = |number: &str, law: &str| match values.number_if_any(number)? {
        Some(_) if values.has(law) => {
            Err(QueueProblem::at(number, format!("stands beside `{law}`"), "give one of the two"))
        }
        other => Ok(other),
    };
    let (ca2, cs2) = (squared_cv("ca2", "arrivals")?, squared_cv("cs2", "service")?);
    let service = values.service()?;
    let mu = 1.0 / service.mean_s();
    let arrivals = super::renewal::arrivals(values, mu * servers)?;
    let (ca2, cs2) = (ca2.unwrap_or(arrivals.squared_cv()), cs2.unwrap_or(service.squared_cv()));
    Ok(Moments { lambda: 1.0 / arrivals.mean_s(), mu, ca2, cs2 })
}

fn utilization(rho: f64) -> Answer {
    Answer::default().exact("utilization", rho)
}

/// With a wait by one of the formulas.
fn wait(answer: Answer, key: &str, by: &str, value_s: f64) -> Answer {
    answer.named(&format!("Wq_{key}"), "Wq", &format!("wait by {by}"), "s", value_s, Method::Approximation)
}

/// With a wait that no such queue is beyond.
fn bound(answer: Answer, key: &str, what: &str, value_s: f64) -> Answer {
    answer.named(&format!("Wq_{key}"), "Wq", what, "s", value_s, Method::Bound)
}

/// With Kimura's wait, or why there is none.
fn kimura(answer: Answer, value_s: Option<f64>) -> Answer {
    match value_s {
        Some(value_s) => wait(answer, "kimura", "Kimura", value_s),
        None => answer.note("Kimura's formula is for ca² ≤ 1."),
    }
}

fn gg1(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let Moments { lambda, mu, ca2, cs2 } = moments(values, 1.0)?;
    let queue = Gg1::new(lambda, mu, ca2, cs2)?;
    let mut answer = wait(utilization(queue.utilization()), "klb", "Krämer and Langenbach-Belz", queue.klb_wait_s());
    answer = wait(answer, "kingman", "Kingman, in heavy traffic", queue.kingman_wait_s());
    answer = wait(answer, "marchal", "Marchal", queue.marchal_wait_s());
    answer = kimura(answer, queue.kimura_wait_s());
    answer = bound(answer, "bound", "wait at most, Kingman's bound", queue.kingman_bound_s());
    answer = bound(answer, "daley", "wait at most, Daley's bound", queue.daley_bound_s());
    Ok(bound(answer, "least", "wait at least", queue.lower_bound_s()))
}

fn ggc(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let servers = values.whole("servers")?;
    let Moments { lambda, mu, ca2, cs2 } = moments(values, servers as f64)?;
    let queue = Ggc::new(lambda, mu, servers, ca2, cs2)?;
    let mut answer = wait(utilization(queue.utilization()), "whitt", "Whitt", queue.whitt_wait_s());
    answer = wait(answer, "allen_cunneen", "Allen and Cunneen", queue.allen_cunneen_wait_s());
    answer = wait(answer, "klb", "Krämer and Langenbach-Belz", queue.klb_wait_s());
    answer = kimura(answer, queue.kimura_wait_s());
    Ok(bound(answer, "bound", "wait at most, dealt to the servers in turn", queue.cyclic_bound_s()))
}

fn gg1_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    station(values, 1)
}

fn ggc_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    station(values, values.whole("servers")?)
}

/// By the laws, which a simulation needs whole.
fn station(values: &Values<'_>, servers: u64) -> Result<Trial, QueueProblem> {
    for number in ["ca2", "cs2"] {
        if let Some(value) = values.number_if_any(number)? {
            let remedy = "a simulation needs the law itself: give `arrivals` and `service`";
            return Err(QueueProblem::at(number, format!("is `{value}`"), remedy));
        }
    }
    let service: Law = values.service()?;
    let arrivals = super::renewal::arrivals(values, servers as f64 / service.mean_s())?;
    Ok(Station::new(Source::Law(arrivals), Source::Law(service), servers, Vec::new()).trial_with_wait_as(WAITS))
}
