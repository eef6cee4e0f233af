//! Independent times between arrivals by any law, exponential service.

use super::general::FAMILY;
use super::{LAMBDA, MU, QUANTILES, RHO, SERVERS, parameter, poisson, usual};
use crate::queueing::Law;
use crate::queueing::general::{Gim1, Gimc};
use crate::study::queues::answer::{Answer, Method, quantile_key};
use crate::study::queues::catalogue::{Kind, Model, Parameter};
use crate::study::queues::law;
use crate::study::queues::parameters::Values;
use crate::study::queues::plain::{Source, Station, Trial};
use crate::study::queues::problem::QueueProblem;

pub(super) const ARRIVALS: Parameter = parameter(
    "arrivals",
    "",
    Kind::Law,
    "law of the times between arrivals, with mean 1/λ, written as a law of service: exponential, constant, erlang:PHASES, h2:CV2, …",
)
.or("exponential");

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "gim1",
        family: FAMILY,
        summary: "GI/M/1: independent times between arrivals by any law, exponential service",
        reference: "Kendall 1953; Kleinrock 1975, Queueing Systems vol. 1, §6.4",
        parameters: &[LAMBDA, RHO, ARRIVALS, MU, QUANTILES],
        example: "--rho 0.8 --arrivals erlang:2",
        answer: gim1,
        simulation: Some(gim1_trial),
    },
    Model {
        name: "gimc",
        family: FAMILY,
        summary: "GI/M/c: the same before several servers",
        reference: "Takács 1962, Introduction to the Theory of Queues, ch. 2; Kleinrock 1975, Queueing Systems vol. 1, §6.2",
        parameters: &[LAMBDA, RHO, ARRIVALS, MU, SERVERS, QUANTILES],
        example: "--rho 0.8 --arrivals h2:4 --servers 3",
        answer: gimc,
        simulation: Some(gimc_trial),
    },
];

/// The law of the times between arrivals, with its mean from λ, or from ρ and the rate at which the servers can work.
pub(super) fn arrivals(values: &Values<'_>, capacity_per_s: f64) -> Result<Law, QueueProblem> {
    let text = values.text("arrivals")?;
    if law::has_its_own_mean(text) {
        values.none_of(&["lambda", "rho"], text)?;
        return law::parse("arrivals", text, 1.0);
    }
    let lambda = values.arrivals_per_s(capacity_per_s)?;
    poisson(lambda)?;
    law::parse("arrivals", text, 1.0 / lambda)
}

fn gim1(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let mu = values.number("mu")?;
    let queue = Gim1::new(&arrivals(values, mu)?, mu)?;
    let mut answer = usual(
        Method::Exact,
        queue.utilization(),
        [queue.mean_in_system(), queue.mean_waiting(), queue.mean_sojourn_s(), queue.mean_wait_s()],
    )
    .exact("p_wait", queue.wait_probability())
    .named("sigma", "σ", "share of arrivals that find the server busy", "", queue.sigma(), Method::Exact);
    for p in values.quantiles()? {
        answer = answer.exact(&quantile_key(p, "wait"), queue.wait_quantile_s(p)?);
        answer = answer.exact(&quantile_key(p, "sojourn"), queue.sojourn_quantile_s(p)?);
    }
    Ok(answer)
}

fn gim1_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    gi_station(values, 1)
}

fn gimc(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (mu, servers) = (values.number("mu")?, values.whole("servers")?);
    let queue = Gimc::new(&arrivals(values, mu * servers as f64)?, mu, servers)?;
    let mut answer = usual(
        Method::Exact,
        queue.utilization(),
        [queue.mean_in_system(), queue.mean_waiting(), queue.mean_sojourn_s(), queue.mean_wait_s()],
    )
    .exact("p_wait", queue.wait_probability());
    for p in values.quantiles()? {
        answer = answer.exact(&quantile_key(p, "wait"), queue.wait_quantile_s(p)?);
    }
    Ok(answer)
}

fn gimc_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    gi_station(values, values.whole("servers")?)
}

fn gi_station(values: &Values<'_>, servers: u64) -> Result<Trial, QueueProblem> {
    let mu = values.number("mu")?;
    let arrivals = Source::Law(arrivals(values, mu * servers as f64)?);
    let service = Source::Law(Law::exponential(1.0 / mu)?);
    Ok(Station::new(arrivals, service, servers, values.quantiles()?).trial())
}
