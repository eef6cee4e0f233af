//! One server and Poisson arrivals, service by any law.

use super::{LAMBDA, MEAN, MU, QUANTILES, RHO, SERVICE, parameter, poisson, usual};
use crate::queueing::Law;
use crate::queueing::general::{Method as Found, Mg1, Mg1Wait};
use crate::study::queues::answer::{Answer, Method, quantile_key};
use crate::study::queues::catalogue::{Kind, Model, Parameter};
use crate::study::queues::parameters::Values;
use crate::study::queues::plain::{Source, Station, Trial};
use crate::study::queues::problem::QueueProblem;

pub(super) const FAMILY: &str = "Laws of any form, first come, first served";

const TIMES: Parameter =
    parameter("times", "s", Kind::List, "times t at which the probability of a wait up to t is wanted");

pub(super) const MODELS: &[Model] = &[Model {
    name: "mg1",
    family: FAMILY,
    summary: "M/G/1: Poisson arrivals, service by any law",
    reference: "Pollaczek 1930 and Khinchine 1932; Kleinrock 1975, Queueing Systems vol. 1, §5.6 and §5.7",
    parameters: &[LAMBDA, RHO, MU, MEAN, SERVICE, QUANTILES, TIMES],
    example: "--rho 0.8 --service h2:4",
    answer: mg1,
    simulation: Some(mg1_trial),
}];

fn mg1(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let service = values.service()?;
    let lambda = values.arrivals_per_s(1.0 / service.mean_s())?;
    if !service.moment(2).is_finite() {
        return Ok(heavy_tailed(lambda, &service)?.note("The law has no second moment, so the mean wait is infinite."));
    }
    let queue = Mg1::new(lambda, service.mean_s(), service.moment(2))?;
    let mut answer = usual(
        Method::Exact,
        queue.utilization(),
        [queue.mean_in_system(), queue.mean_waiting(), queue.mean_sojourn_s(), queue.mean_wait_s()],
    )
    .exact("p_wait", queue.utilization());
    let wait = Mg1Wait::new(lambda, &service)?;
    let method = match wait.method() {
        Found::Exact => Method::Exact,
        Found::Inversion => Method::Numerical,
    };
    for p in values.quantiles()? {
        answer = answer.with(&quantile_key(p, "wait"), wait.wait_quantile_s(p)?, method);
        answer = answer.with(&quantile_key(p, "sojourn"), wait.sojourn_quantile_s(p)?, method);
    }
    if values.has("times") {
        for t in values.list("times")? {
            let key = format!("p_wait_up_to_{t}");
            let (symbol, what) = (format!("P(Wq ≤ {t})"), format!("wait up to {t} s"));
            answer = answer.named(&key, &symbol, &what, "", wait.wait_cdf(t), method);
        }
    }
    Ok(answer)
}

/// What is left to say without a second moment.
fn heavy_tailed(lambda: f64, service: &Law) -> Result<Answer, QueueProblem> {
    let rho = lambda * service.mean_s();
    if rho >= 1.0 {
        return Err(QueueProblem::Unstable { growth_per_s: lambda - 1.0 / service.mean_s() });
    }
    let mean = if lambda > 0.0 { f64::INFINITY } else { 0.0 };
    Ok(usual(Method::Exact, rho, [mean, mean, mean.max(service.mean_s()), mean]).exact("p_wait", rho))
}

fn mg1_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let service = values.service()?;
    let arrivals = poisson(values.arrivals_per_s(1.0 / service.mean_s())?)?;
    Ok(Station::new(arrivals, Source::Law(service), 1, values.quantiles()?).trial())
}
