//! Customers who are turned away or give up, so that the queue is stable at any load.

use super::markov::FAMILY;
use super::{LAMBDA, MU, QUANTILES, RHO, SERVERS, parameter, poisson, usual};
use crate::queueing::Law;
use crate::queueing::markov::{ErlangA, Mm1k, Mmck, halfin_whitt_wait_probability};
use crate::study::queues::answer::{Answer, Method, quantile_key};
use crate::study::queues::catalogue::{Kind, Model, Parameter};
use crate::study::queues::parameters::Values;
use crate::study::queues::plain::{Source, Station, Trial};
use crate::study::queues::problem::QueueProblem;

const CAPACITY: Parameter = parameter("capacity", "", Kind::Whole, "places K, those in service among them");
const THETA: Parameter = parameter("theta", "/s", Kind::Positive, "rate θ at which a waiting customer gives up");

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "mm1k",
        family: FAMILY,
        summary: "M/M/1/K: one server, K places; who finds none is turned away",
        reference: "Kleinrock 1975, Queueing Systems vol. 1, §3.6",
        parameters: &[LAMBDA, RHO, MU, CAPACITY, QUANTILES],
        example: "--rho 0.9 --capacity 10",
        answer: mm1k,
        simulation: Some(mm1k_trial),
    },
    Model {
        name: "mmck",
        family: FAMILY,
        summary: "M/M/c/K: several servers, K places",
        reference: "Kleinrock 1975, Queueing Systems vol. 1, §3.7",
        parameters: &[LAMBDA, RHO, MU, SERVERS, CAPACITY, QUANTILES],
        example: "--lambda 2.4 --servers 3 --capacity 10",
        answer: mmck,
        simulation: Some(mmck_trial),
    },
    Model {
        name: "erlang-a",
        family: FAMILY,
        summary: "M/M/c+M (Erlang A): waiting customers give up",
        reference: "Palm 1957; Garnett, Mandelbaum and Reiman 2002, Manufacturing & Service Operations Management 4:208–227",
        parameters: &[LAMBDA, RHO, MU, SERVERS, THETA, QUANTILES],
        example: "--lambda 9 --servers 10 --theta 0.5",
        answer: erlang_a,
        simulation: Some(erlang_a_trial),
    },
    Model {
        name: "halfin-whitt",
        family: FAMILY,
        summary: "Halfin and Whitt's approximation of the share that waits before many servers",
        reference: "Halfin and Whitt 1981, Operations Research 29:567–588",
        parameters: &[LAMBDA, RHO, MU, SERVERS],
        example: "--lambda 95 --servers 100",
        answer: halfin_whitt,
        simulation: Some(many_servers_trial),
    },
];

fn mm1k(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let mu = values.number("mu")?;
    let queue = Mm1k::new(values.arrivals_per_s(mu)?, mu, values.whole("capacity")?)?;
    let means = [queue.mean_in_system(), queue.mean_waiting(), queue.mean_sojourn_s(), queue.mean_wait_s()];
    let mut answer = usual(Method::Exact, queue.utilization(), means)
        .exact("p_wait", queue.wait_probability())
        .exact("p_block", queue.loss_probability())
        .exact("throughput", queue.throughput_per_s());
    for p in values.quantiles()? {
        answer = answer.exact(&quantile_key(p, "wait"), queue.wait_quantile_s(p));
    }
    Ok(answer.note("Times and waits are of those who are admitted."))
}

fn mm1k_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    Ok(station(values, 1)?.with_room(values.whole("capacity")?).trial())
}

fn mmck(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (mu, servers) = (values.number("mu")?, values.whole("servers")?);
    let queue = Mmck::new(values.arrivals_per_s(mu * servers as f64)?, mu, servers, values.whole("capacity")?)?;
    let means = [queue.mean_in_system(), queue.mean_waiting(), queue.mean_sojourn_s(), queue.mean_wait_s()];
    let mut answer = usual(Method::Exact, queue.utilization(), means)
        .exact("p_wait", queue.wait_probability())
        .exact("p_block", queue.loss_probability())
        .exact("throughput", queue.throughput_per_s());
    for p in values.quantiles()? {
        answer = answer.exact(&quantile_key(p, "wait"), queue.wait_quantile_s(p));
    }
    Ok(answer.note("Times and waits are of those who are admitted."))
}

fn mmck_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    Ok(station(values, values.whole("servers")?)?.with_room(values.whole("capacity")?).trial())
}

fn erlang_a(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (mu, servers) = (values.number("mu")?, values.whole("servers")?);
    let queue = ErlangA::new(values.arrivals_per_s(mu * servers as f64)?, mu, values.number("theta")?, servers)?;
    let found = [
        ("utilization", queue.utilization()),
        ("L", queue.mean_in_system()),
        ("Lq", queue.mean_waiting()),
        ("Wq", queue.mean_wait_s()),
        ("p_wait", queue.wait_probability()),
        ("p_abandon", queue.abandon_probability()),
        ("throughput", queue.throughput_per_s()),
    ];
    let mut answer = Answer::default().all(Method::Exact, &found);
    for p in values.quantiles()? {
        answer = answer.exact(&quantile_key(p, "wait"), queue.wait_quantile_s(p));
    }
    Ok(answer.note("Waits are of all, those who give up among them."))
}

fn erlang_a_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let patience = Law::exponential(1.0 / values.number("theta")?)?;
    Ok(station(values, values.whole("servers")?)?.with_patience(patience).trial())
}

fn halfin_whitt(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (mu, servers) = (values.number("mu")?, values.whole("servers")?);
    let lambda = values.arrivals_per_s(mu * servers as f64)?;
    let growth_per_s = lambda - mu * servers as f64;
    if growth_per_s >= 0.0 {
        return Err(QueueProblem::Unstable { growth_per_s });
    }
    let waits = halfin_whitt_wait_probability(servers as f64, lambda / mu)?;
    let wait_s = waits / -growth_per_s;
    let found = [("p_wait", waits), ("Wq", wait_s), ("Lq", lambda * wait_s)];
    Ok(Answer::default().exact("utilization", lambda / (mu * servers as f64)).all(Method::Approximation, &found))
}

fn many_servers_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let servers = values.whole("servers")?;
    let mu = values.number("mu")?;
    let service = Source::Law(Law::exponential(1.0 / mu)?);
    let lambda = values.arrivals_per_s(mu * servers as f64)?;
    Ok(Station::new(poisson(lambda)?, service, servers, Vec::new()).trial())
}

fn station(values: &Values<'_>, servers: u64) -> Result<Station, QueueProblem> {
    let mu = values.number("mu")?;
    let lambda = values.arrivals_per_s(mu * servers as f64)?;
    let service = Source::Law(Law::exponential(1.0 / mu)?);
    Ok(Station::new(poisson(lambda)?, service, servers, values.quantiles()?))
}
