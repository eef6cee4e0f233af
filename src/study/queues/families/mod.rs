//! The entries of the catalogue, one file for each family, and the parameters that many of them share.

mod approximations;
mod batch;
mod blind;
mod disciplines;
mod finite;
mod fit;
mod general;
mod loss;
mod markov;
mod matrix;
mod networks;
mod predicted;
mod priority;
mod renewal;
mod sharing;
mod tokens;
mod transient;

use super::answer::{Answer, Method};
use super::catalogue::{Kind, Model, Parameter};
use super::plain::Source;
use super::problem::QueueProblem;
use crate::queueing::Law;

/// Every entry, in the order of the list.
pub(super) fn all() -> impl Iterator<Item = &'static Model> {
    [
        markov::MODELS,
        finite::MODELS,
        loss::MODELS,
        general::MODELS,
        renewal::MODELS,
        approximations::MODELS,
        matrix::MODELS,
        fit::MODELS,
        priority::MODELS,
        blind::MODELS,
        disciplines::MODELS,
        predicted::MODELS,
        batch::MODELS,
        tokens::MODELS,
        sharing::MODELS,
        transient::MODELS,
        networks::MODELS,
    ]
    .into_iter()
    .flatten()
}

const fn parameter(name: &'static str, unit: &'static str, kind: Kind, help: &'static str) -> Parameter {
    Parameter { name, unit, help, default: None, kind }
}

impl Parameter {
    const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }
}

const LAMBDA: Parameter = parameter("lambda", "/s", Kind::NotNegative, "arrival rate λ");
const RHO: Parameter =
    parameter("rho", "", Kind::NotNegative, "utilisation ρ in place of λ, the share of the servers' rate that arrives");
const MU: Parameter = parameter("mu", "/s", Kind::Positive, "service rate μ of one server").or("1");
const MEAN: Parameter = parameter("mean", "s", Kind::Positive, "mean service time, in place of μ");
const SERVERS: Parameter = parameter("servers", "", Kind::Whole, "servers c").or("1");
const SERVICE: Parameter = parameter(
    "service",
    "",
    Kind::Law,
    "law of service, with mean 1/μ: exponential, constant, erlang:PHASES, h2:CV2, gamma:CV2, lognormal:CV2, weibull:SHAPE, \
     pareto:SHAPE; or uniform:LOW,HIGH in seconds",
)
.or("exponential");
const CLASS: Parameter = parameter(
    "class",
    "",
    Kind::Class,
    "a class of customers, such as \"rate=0.3 mean=0.5 law=erlang:2\", the most urgent first",
);
const QUANTILES: Parameter =
    parameter("quantiles", "", Kind::List, "probabilities whose quantiles are wanted").or("0.95,0.99");

/// Poisson arrivals for a simulation.
fn poisson(lambda: f64) -> Result<Source, QueueProblem> {
    if lambda > 0.0 {
        return Ok(Source::Law(Law::exponential(1.0 / lambda)?));
    }
    Err(QueueProblem::at("lambda", format!("is `{lambda}`"), "a simulation needs arrivals: give a rate above 0"))
}

/// ρ and L, Lq, W, Wq.
fn usual(method: Method, utilization: f64, [l, lq, w, wq]: [f64; 4]) -> Answer {
    Answer::default().all(method, &[("utilization", utilization), ("L", l), ("Lq", lq), ("W", w), ("Wq", wq)])
}
