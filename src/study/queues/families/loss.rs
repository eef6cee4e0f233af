//! A server for everybody, Erlang's formulas, and how many servers it takes.

use super::{LAMBDA, MU, QUANTILES, parameter, poisson};
use crate::queueing::Law;
use crate::queueing::markov::{
    MmInf, erlang_b_real, erlang_c_real, servers_for_blocking, servers_for_waiting, square_root_staffing,
};
use crate::study::queues::answer::{Answer, Method, quantile_key};
use crate::study::queues::catalogue::{Kind, Model};
use crate::study::queues::parameters::Values;
use crate::study::queues::plain::{Source, Station, Trial};
use crate::study::queues::problem::QueueProblem;

use super::markov::FAMILY;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "mminf",
        family: FAMILY,
        summary: "M/M/∞: a server for everybody",
        reference: "Kleinrock 1975, Queueing Systems vol. 1, §3.4",
        parameters: &[LAMBDA, MU, QUANTILES],
        example: "--lambda 9 --mu 1",
        answer: mminf,
        simulation: Some(mminf_trial),
    },
    Model {
        name: "erlang",
        family: FAMILY,
        summary: "Erlang's B and C, also between whole numbers of servers",
        reference: "Erlang 1917; Jagers and van Doorn 1986, Operations Research Letters 5:183–184",
        parameters: &[
            parameter("load", "erlangs", Kind::NotNegative, "offered load a = λ/μ"),
            parameter("servers", "", Kind::Positive, "servers c, whole or not"),
        ],
        example: "--load 9 --servers 10",
        answer: erlang,
        simulation: Some(erlang_trial),
    },
    Model {
        name: "staffing",
        family: FAMILY,
        summary: "The fewest servers for a wanted share that waits or is turned away",
        reference: "Erlang 1917; Halfin and Whitt 1981, Operations Research 29:567–588",
        parameters: &[
            parameter("load", "erlangs", Kind::NotNegative, "offered load a = λ/μ"),
            parameter("target", "", Kind::Share, "share of arrivals").or("0.2"),
        ],
        example: "--load 100 --target 0.2",
        answer: staffing,
        simulation: None,
    },
];

fn mminf(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let queue = MmInf::new(values.number("lambda")?, values.number("mu")?)?;
    let found = [
        ("L", queue.mean_in_system()),
        ("W", queue.mean_sojourn_s()),
        ("throughput", queue.throughput_per_s()),
        ("p_empty", queue.probability(0)),
    ];
    let variance = queue.variance_in_system();
    let mut answer = Answer::default().all(Method::Exact, &found);
    answer = answer.named("variance_L", "Var N", "variance of the number in system", "", variance, Method::Exact);
    for p in values.quantiles()? {
        answer = answer.exact(&quantile_key(p, "sojourn"), queue.sojourn_quantile_s(p));
    }
    Ok(answer)
}

fn mminf_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let service = Source::Law(Law::exponential(1.0 / values.number("mu")?)?);
    let station = Station::new(poisson(values.number("lambda")?)?, service, 1, values.quantiles()?);
    Ok(station.with_a_server_each().trial())
}

fn erlang(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (load, servers) = (values.number("load")?, values.number("servers")?);
    let answer = Answer::default().named(
        "p_block",
        "B(c, a)",
        "turned away, without a queue (Erlang B)",
        "",
        erlang_b_real(servers, load)?,
        Method::Exact,
    );
    if load >= servers {
        return Ok(answer.note("With a queue it grows without end, so there is no Erlang C: a ≥ c."));
    }
    let waits = erlang_c_real(servers, load)?;
    Ok(answer.named("p_wait", "C(c, a)", "must wait, with a queue (Erlang C)", "", waits, Method::Exact))
}

/// Without a queue: room for as many as are served.
fn erlang_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (load, servers) = (values.number("load")?, values.number("servers")?);
    if servers.fract() != 0.0 || servers > 1e6 {
        let remedy = "a simulation needs a whole number, at most 1000000";
        return Err(QueueProblem::at("servers", format!("is `{servers}`"), remedy));
    }
    let whole = servers as u64;
    let lossy = Station::new(poisson(load)?, Source::Law(Law::exponential(1.0)?), whole, Vec::new()).with_room(whole);
    Ok(lossy.trial_of(&["p_block"]))
}

fn staffing(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (load, target) = (values.number("load")?, values.number("target")?);
    let (waiting, blocking) = (servers_for_waiting(load, target)?, servers_for_blocking(load, target)?);
    let rule = square_root_staffing(load, target)?;
    let achieved = |servers: u64| erlang_c_real(servers as f64, load);
    Ok(Answer::default()
        .named("servers_waiting", "c", "servers, if they may wait", "servers", waiting as f64, Method::Exact)
        .named(
            "servers_square_root",
            "c″",
            "the same by the square-root rule",
            "servers",
            rule as f64,
            Method::Approximation,
        )
        .named("p_wait", "C(c, a)", "must wait then", "", achieved(waiting)?, Method::Exact)
        .named("servers_blocking", "c'", "servers, if they are turned away", "servers", blocking as f64, Method::Exact)
        .named("p_block", "B(c', a)", "turned away then", "", erlang_b_real(blocking as f64, load)?, Method::Exact))
}
