//! Phases: Markovian arrivals, phase-type service, and laws fitted to moments.

use nalgebra::DMatrix;

use super::{LAMBDA, MEAN, MU, QUANTILES, RHO, SERVERS, parameter, usual};
use crate::queueing::Law;
use crate::queueing::fit;
use crate::queueing::matrix::{Map, MapMc, MapPh1, PhPh1, PhaseType};
use crate::study::queues::answer::{Answer, Method, quantile_key};
use crate::study::queues::catalogue::{Kind, Model, Parameter};
use crate::study::queues::parameters::Values;
use crate::study::queues::phases;
use crate::study::queues::plain::{Source, Station, Trial};
use crate::study::queues::problem::QueueProblem;

pub(super) const FAMILY: &str = "Phases, by matrices";

const SERVICE: Parameter = parameter(
    "service",
    "",
    Kind::Words,
    "phase-type law of service: exponential, erlang:PHASES, h2:CV2, moments:CV2, or ph:START;RATES as \"ph:[0.5,0.5];[[-2,1],[0,-3]]\"",
)
.or("exponential");
const INTERVALS: Parameter =
    parameter("arrivals", "", Kind::Words, "phase-type law of the times between arrivals, written as a law of service")
        .or("exponential");
const ARRIVALS: Parameter = parameter(
    "arrivals",
    "",
    Kind::Words,
    "poisson, a phase-type law of the times between, mmpp2:LEAVE1,LEAVE2,RATE1,RATE2, or map:D0;D1 as \
     \"map:[[-2,1],[1,-4]];[[1,0],[0,3]]\"",
)
.or("poisson");

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "phph1",
        family: FAMILY,
        summary: "PH/PH/1: phase-type times between arrivals and of service",
        reference: "Neuts 1981, Matrix-Geometric Solutions in Stochastic Models, ch. 3; Latouche and Ramaswami 1993",
        parameters: &[LAMBDA, RHO, INTERVALS, MU, MEAN, SERVICE, QUANTILES],
        example: "--rho 0.8 --arrivals h2:4 --service erlang:2",
        answer: phph1,
        simulation: Some(phph1_trial),
    },
    Model {
        name: "mapph1",
        family: FAMILY,
        summary: "MAP/PH/1: Markovian, so correlated, arrivals and phase-type service",
        reference: "Neuts 1981, Matrix-Geometric Solutions in Stochastic Models, ch. 3; Latouche and Ramaswami 1993",
        parameters: &[LAMBDA, RHO, ARRIVALS, MU, MEAN, SERVICE, QUANTILES],
        example: "--arrivals mmpp2:0.1,0.1,0.2,1 --service erlang:2",
        answer: mapph1,
        simulation: Some(mapph1_trial),
    },
    Model {
        name: "mapmc",
        family: FAMILY,
        summary: "MAP/M/c: Markovian arrivals before several servers",
        reference: "Neuts 1981, Matrix-Geometric Solutions in Stochastic Models, ch. 3; Latouche and Ramaswami 1993",
        parameters: &[LAMBDA, RHO, ARRIVALS, MU, SERVERS, QUANTILES],
        example: "--arrivals mmpp2:0.1,0.1,1,3 --servers 3",
        answer: mapmc,
        simulation: Some(mapmc_trial),
    },
    Model {
        name: "fit",
        family: FAMILY,
        summary: "A phase-type law with given mean, variation and, if wanted, third moment",
        reference: "Tijms 1994, Stochastic Models, app. B; Whitt 1982; Telek and Heindl 2002",
        parameters: &[
            parameter("mean", "s", Kind::Positive, "mean").or("1"),
            parameter("cv2", "", Kind::Positive, "squared coefficient of variation"),
            parameter("third", "", Kind::Positive, "E[X³]/E[X]³, for three moments"),
            parameter(
                "form",
                "",
                Kind::Words,
                "two-moments (Erlang mixture below 1, H2 above), erlang-mixture, h2-balanced, h2-gamma, or coxian",
            )
            .or("two-moments"),
        ],
        example: "--mean 1 --cv2 4 --third 60",
        answer: fitted,
        simulation: None,
    },
];

/// Words with a rate of their own leave none to λ and ρ.
fn rate(values: &Values<'_>, text: &str, capacity_per_s: f64) -> Result<f64, QueueProblem> {
    if !phases::has_its_own_rate(text) {
        let lambda = values.arrivals_per_s(capacity_per_s)?;
        super::poisson(lambda)?;
        return Ok(lambda);
    }
    values.none_of(&["lambda", "rho"], text)?;
    Ok(1.0)
}

fn service(values: &Values<'_>) -> Result<PhaseType, QueueProblem> {
    let text = values.text("service")?;
    if phases::has_its_own_rate(text) {
        values.none_of(&["mu", "mean"], text)?;
        return phases::law("service", text, 1.0);
    }
    phases::law("service", text, values.mean_service_s()?)
}

fn phph1_parts(values: &Values<'_>) -> Result<(PhaseType, PhaseType), QueueProblem> {
    let service = service(values)?;
    let text = values.text("arrivals")?;
    let rate = rate(values, text, 1.0 / service.mean_s())?;
    Ok((phases::law("arrivals", text, 1.0 / rate)?, service))
}

fn phph1(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (interval, service) = phph1_parts(values)?;
    let queue = PhPh1::new(&interval, &service)?;
    let means = [queue.mean_in_system(), queue.mean_waiting(), queue.mean_sojourn_s(), queue.mean_wait_s()];
    let mut answer = usual(Method::Numerical, queue.utilization(), means)
        .with("p_wait", queue.wait_probability(), Method::Numerical)
        .named("spectral_radius", "sp(R)", "decay of the queue", "", queue.spectral_radius(), Method::Numerical);
    for p in values.quantiles()? {
        answer = answer.with(&quantile_key(p, "wait"), queue.wait_quantile_s(p)?, Method::Numerical);
        answer = answer.with(&quantile_key(p, "sojourn"), queue.sojourn_quantile_s(p)?, Method::Numerical);
    }
    Ok(answer)
}

fn phph1_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (interval, service) = phph1_parts(values)?;
    let arrivals = phases::law_source(&interval);
    Ok(Station::new(arrivals, phases::law_source(&service), 1, values.quantiles()?).trial())
}

fn mapph1_parts(values: &Values<'_>) -> Result<(Map, PhaseType), QueueProblem> {
    let service = service(values)?;
    let text = values.text("arrivals")?;
    let rate = rate(values, text, 1.0 / service.mean_s())?;
    Ok((phases::arrivals("arrivals", text, rate)?, service))
}

fn with_dispersion(answer: Answer, arrivals: &Map) -> Answer {
    let limit = arrivals.dispersion_limit();
    answer.named("dispersion", "IDC(∞)", "index of dispersion of arrivals", "", limit, Method::Exact)
}

fn mapph1(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (arrivals, service) = mapph1_parts(values)?;
    let queue = MapPh1::new(&arrivals, &service)?;
    let means = [queue.mean_in_system(), queue.mean_waiting(), queue.mean_sojourn_s(), queue.mean_wait_s()];
    let answer = usual(Method::Numerical, queue.utilization(), means)
        .with("p_wait", queue.wait_probability(), Method::Numerical)
        .named("spectral_radius", "sp(R)", "decay of the queue", "", queue.spectral_radius(), Method::Numerical);
    let mut answer = with_dispersion(answer, &arrivals);
    for p in values.quantiles()? {
        answer = answer.with(&quantile_key(p, "wait"), queue.wait_quantile_s(p)?, Method::Numerical);
        answer = answer.with(&quantile_key(p, "sojourn"), queue.sojourn_quantile_s(p)?, Method::Numerical);
    }
    Ok(answer)
}

fn mapph1_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (arrivals, service) = mapph1_parts(values)?;
    let arrivals = phases::arrival_source(&arrivals);
    Ok(Station::new(arrivals, phases::law_source(&service), 1, values.quantiles()?).trial())
}

fn mapmc_parts(values: &Values<'_>) -> Result<(Map, f64, u64), QueueProblem> {
    let (mu, servers) = (values.number("mu")?, values.whole("servers")?);
    if servers > 1000 {
        return Err(QueueProblem::at("servers", format!("is `{servers}`"), "give at most 1000"));
    }
    let text = values.text("arrivals")?;
    let rate = rate(values, text, mu * servers as f64)?;
    Ok((phases::arrivals("arrivals", text, rate)?, mu, servers))
}

fn mapmc(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (arrivals, mu, servers) = mapmc_parts(values)?;
    let queue = MapMc::new(&arrivals, mu, servers as u32)?;
    let means = [queue.mean_in_system(), queue.mean_waiting(), queue.mean_sojourn_s(), queue.mean_wait_s()];
    let answer = usual(Method::Numerical, queue.utilization(), means).with(
        "p_wait",
        queue.wait_probability(),
        Method::Numerical,
    );
    let mut answer = with_dispersion(answer, &arrivals);
    for p in values.quantiles()? {
        answer = answer.with(&quantile_key(p, "wait"), queue.wait_quantile_s(p)?, Method::Numerical);
        answer = answer.with(&quantile_key(p, "sojourn"), queue.sojourn_quantile_s(p)?, Method::Numerical);
    }
    Ok(answer)
}

fn mapmc_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (arrivals, mu, servers) = mapmc_parts(values)?;
    let service = Source::Law(Law::exponential(1.0 / mu)?);
    Ok(Station::new(phases::arrival_source(&arrivals), service, servers, values.quantiles()?).trial())
}

fn fitted(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (mean_s, cv2) = (values.number("mean")?, values.number("cv2")?);
    let law = match (values.number_if_any("third")?, values.text("form")?) {
        (Some(third), "two-moments") => {
            fit::three_moments(mean_s, (1.0 + cv2) * mean_s.powi(2), third * mean_s.powi(3))
        }
        (Some(_), form) => {
            return Err(QueueProblem::at("third", format!("stands beside the form `{form}`"), "give one of the two"));
        }
        (None, "two-moments") => fit::two_moments(mean_s, cv2),
        (None, "erlang-mixture") => fit::erlang_mixture(mean_s, cv2),
        (None, "h2-balanced") => fit::hyperexponential_balanced(mean_s, cv2),
        (None, "h2-gamma") => fit::hyperexponential_gamma(mean_s, cv2),
        (None, "coxian") => fit::coxian2(mean_s, cv2),
        (None, other) => {
            let remedy = "write two-moments, erlang-mixture, h2-balanced, h2-gamma or coxian";
            return Err(QueueProblem::at("form", format!("is `{other}`"), remedy));
        }
    }?;
    Ok(law_told(&law))
}

/// A law's phases, moments, and how to write it.
pub(super) fn law_told(law: &PhaseType) -> Answer {
    let start: Vec<f64> = law.start().iter().copied().collect();
    let rates = rows(law.rates());
    let third = law.moment(3) / law.mean_s().powi(3);
    let answer = Answer::default()
        .named("phases", "n", "phases", "phases", law.phases() as f64, Method::Exact)
        .named("mean", "E[X]", "mean", "s", law.mean_s(), Method::Exact)
        .named("cv2", "cv²", "squared coefficient of variation", "", law.squared_cv(), Method::Exact)
        .named("third", "E[X³]/E[X]³", "third moment", "", third, Method::Exact);
    if law.phases() > 6 {
        return answer;
    }
    answer.note(format!("As an option: \"ph:{};{}\"", bare(&start), bare_rows(&rates)))
}

pub(super) fn rows(matrix: &DMatrix<f64>) -> Vec<Vec<f64>> {
    matrix.row_iter().map(|row| row.iter().copied().collect()).collect()
}

fn bare(numbers: &[f64]) -> String {
    format!("[{}]", numbers.iter().map(f64::to_string).collect::<Vec<_>>().join(","))
}

pub(super) fn bare_rows(rows: &[Vec<f64>]) -> String {
    format!("[{}]", rows.iter().map(|row| bare(row)).collect::<Vec<_>>().join(","))
}
