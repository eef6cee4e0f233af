//! Queues whose state is a number of customers.

use super::{LAMBDA, MU, QUANTILES, RHO, SERVERS, parameter, poisson};
use crate::queueing::Law;
use crate::queueing::markov::{Mm1, Mmc, servers_for_waiting, square_root_staffing};
use crate::study::queues::answer::{Answer, Method, quantile_key};
use crate::study::queues::catalogue::{Kind, Model, Parameter};
use crate::study::queues::parameters::Values;
use crate::study::queues::plain::{Source, Station, Trial};
use crate::study::queues::problem::QueueProblem;

pub(super) const FAMILY: &str = "Poisson arrivals, exponential service";

const TARGET: Parameter = parameter(
    "target-wait-probability",
    "",
    Kind::Share,
    "in place of servers: as few as will do for no more than this share of arrivals to wait",
);

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "mm1",
        family: FAMILY,
        summary: "M/M/1: one server, first come, first served",
        reference: "Kleinrock 1975, Queueing Systems vol. 1, §3.2",
        parameters: &[LAMBDA, RHO, MU, QUANTILES],
        example: "--lambda 0.8 --mu 1",
        answer: mm1,
        simulation: Some(mm1_trial),
    },
    Model {
        name: "mmc",
        family: FAMILY,
        summary: "M/M/c: several servers, one queue (Erlang C)",
        reference: "Kleinrock 1975, Queueing Systems vol. 1, §3.5",
        parameters: &[LAMBDA, RHO, MU, SERVERS, TARGET, QUANTILES],
        example: "--lambda 9 --mu 1 --servers 10",
        answer: mmc,
        simulation: Some(mmc_trial),
    },
];

fn mm1(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let mu = values.number("mu")?;
    let queue = Mm1::new(values.arrivals_per_s(mu)?, mu)?;
    let mut answer = Answer::default().all(
        Method::Exact,
        &[
            ("utilization", queue.utilization()),
            ("L", queue.mean_in_system()),
            ("Lq", queue.mean_waiting()),
            ("W", queue.mean_sojourn_s()),
            ("Wq", queue.mean_wait_s()),
            ("p_wait", queue.utilization()),
        ],
    );
    for p in values.quantiles()? {
        answer = answer.exact(&quantile_key(p, "wait"), queue.wait_quantile_s(p));
        answer = answer.exact(&quantile_key(p, "sojourn"), queue.sojourn_quantile_s(p));
    }
    Ok(answer)
}

fn mm1_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let mu = values.number("mu")?;
    station(values, values.arrivals_per_s(mu)?, 1).map(Station::trial)
}

fn mmc(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (mu, servers) = (values.number("mu")?, servers(values)?);
    let lambda = values.arrivals_per_s(mu * servers as f64)?;
    let queue = Mmc::new(lambda, mu, servers)?;
    let mut answer = Answer::default();
    if values.has(TARGET.name) {
        let rule = square_root_staffing(lambda / mu, values.number(TARGET.name)?)? as f64;
        answer = answer
            .named("servers", "c", "fewest servers for the target", "servers", servers as f64, Method::Exact)
            .named(
                "servers_square_root",
                "c″",
                "the same by the square-root rule",
                "servers",
                rule,
                Method::Approximation,
            );
    }
    answer = answer.all(
        Method::Exact,
        &[
            ("utilization", lambda / (mu * servers as f64)),
            ("L", queue.mean_in_system()),
            ("Lq", queue.mean_waiting()),
            ("W", queue.mean_sojourn_s()),
            ("Wq", queue.mean_wait_s()),
            ("p_wait", queue.delay_probability()),
        ],
    );
    for p in values.quantiles()? {
        answer = answer.exact(&quantile_key(p, "wait"), queue.wait_quantile_s(p));
        answer = answer.exact(&quantile_key(p, "sojourn"), queue.sojourn_quantile_s(p));
    }
    Ok(answer)
}

/// c: given, or the fewest of whom no more than the target's share of arrivals waits.
fn servers(values: &Values<'_>) -> Result<u64, QueueProblem> {
    let Some(target) = values.number_if_any(TARGET.name)? else { return values.whole("servers") };
    if let Some(name) = ["servers", "rho"].into_iter().find(|name| values.has(name)) {
        return Err(QueueProblem::at(name, format!("stands beside `{}`", TARGET.name), "give one of the two"));
    }
    if !(target > 0.0 && target < 1.0) {
        return Err(QueueProblem::at(TARGET.name, format!("is `{target}`"), "give a share above 0 and below 1"));
    }
    Ok(servers_for_waiting(values.number("lambda")? / values.number("mu")?, target)?)
}

fn mmc_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (mu, servers) = (values.number("mu")?, servers(values)?);
    station(values, values.arrivals_per_s(mu * servers as f64)?, servers).map(Station::trial)
}

/// A station with exponential times.
fn station(values: &Values<'_>, lambda: f64, servers: u64) -> Result<Station, QueueProblem> {
    let service = Source::Law(Law::exponential(1.0 / values.number("mu")?)?);
    Ok(Station::new(poisson(lambda)?, service, servers, values.quantiles()?))
}
