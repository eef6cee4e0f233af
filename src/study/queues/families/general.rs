//! One server or several, and laws of any form.

use super::{LAMBDA, MEAN, MU, RHO, SERVICE, poisson};
use crate::queueing::general::Mg1;
use crate::study::queues::answer::{Answer, Method};
use crate::study::queues::catalogue::Model;
use crate::study::queues::parameters::Values;
use crate::study::queues::plain::{Source, Station, Trial};
use crate::study::queues::problem::QueueProblem;

const FAMILY: &str = "Laws of any form, first come, first served";

pub(super) const MODELS: &[Model] = &[Model {
    name: "mg1",
    family: FAMILY,
    summary: "M/G/1: Poisson arrivals, service by any law",
    reference: "Pollaczek 1930 and Khinchine 1932; Kleinrock 1975, Queueing Systems vol. 1, §5.6",
    parameters: &[LAMBDA, RHO, MU, MEAN, SERVICE],
    example: "--rho 0.8 --service h2:4",
    answer: mg1,
    simulation: Some(mg1_trial),
}];

fn mg1(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let service = values.service()?;
    let queue = Mg1::new(values.arrivals_per_s(1.0 / service.mean_s())?, service.mean_s(), service.moment(2))?;
    Ok(Answer::default().all(
        Method::Exact,
        &[
            ("utilization", queue.utilization()),
            ("L", queue.mean_in_system()),
            ("Lq", queue.mean_waiting()),
            ("W", queue.mean_sojourn_s()),
            ("Wq", queue.mean_wait_s()),
            ("p_wait", queue.utilization()),
        ],
    ))
}

fn mg1_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let service = values.service()?;
    let arrivals = poisson(values.arrivals_per_s(1.0 / service.mean_s())?)?;
    Ok(Station::new(arrivals, Source::Law(service), 1, Vec::new()).trial())
}
