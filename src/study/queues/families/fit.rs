//! Laws and processes fitted to data and to what is known of a traffic.

use super::matrix::{FAMILY, bare_rows, law_told, rows};
use super::parameter;
use crate::queueing::fit::{fit_hyper_erlang_order, mmpp2};
use crate::study::queues::answer::{Answer, Method};
use crate::study::queues::catalogue::{Kind, Model};
use crate::study::queues::parameters::Values;
use crate::study::queues::problem::QueueProblem;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "fit-data",
        family: FAMILY,
        summary: "A hyper-Erlang law fitted to observed times by EM",
        reference: "Thümmler, Buchholz and Telek 2006, IEEE Transactions on Dependable and Secure Computing 3:245–258",
        parameters: &[
            parameter("data", "s", Kind::List, "observed times"),
            parameter("phases", "", Kind::Whole, "most phases in all").or("4"),
            parameter("branches", "", Kind::Whole, "most branches").or("2"),
        ],
        example: "--data 0.2,0.3,0.5,0.7,0.8,1.1,1.3,1.9,2.6,4.1",
        answer: from_data,
        simulation: None,
    },
    Model {
        name: "fit-mmpp2",
        family: FAMILY,
        summary: "A Poisson process modulated by two states, of given dispersion",
        reference: "Heffes and Lucantoni 1986, IEEE Journal on Selected Areas in Communications 4:856–868",
        parameters: &[
            parameter("rate", "/s", Kind::Positive, "arrivals per second"),
            parameter("cv2", "", Kind::Positive, "squared coefficient of variation of the times between"),
            parameter("dispersion", "", Kind::Positive, "limit of the index of dispersion of counts"),
            parameter("decay", "/s", Kind::Positive, "rate at which the correlation of the arrival rate decays"),
        ],
        example: "--rate 10 --cv2 1.5 --dispersion 20 --decay 0.1",
        answer: modulated,
        simulation: None,
    },
];

fn from_data(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (phases, branches) = (values.whole("phases")?, values.whole("branches")?);
    if phases > 20 {
        return Err(QueueProblem::at("phases", format!("is `{phases}`"), "give at most 20"));
    }
    let fit = fit_hyper_erlang_order(&values.list("data")?, phases as u32, branches.min(phases) as u32)?;
    let answer = law_told(&fit.law()?)
        .named("log_likelihood", "ln L", "log-likelihood", "", fit.log_likelihood(), Method::Numerical)
        .named("bic", "BIC", "Schwarz's criterion", "", fit.bic(), Method::Numerical);
    let told = fit.branches().iter().map(|branch| {
        format!("{} of {} phases at rate {} per second", branch.probability, branch.phases, branch.rate_per_s)
    });
    Ok(answer.note(format!("Branches, each with its share: {}.", told.collect::<Vec<_>>().join("; "))))
}

fn modulated(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let [rate, cv2, limit, decay] = ["rate", "cv2", "dispersion", "decay"].map(|name| values.number(name));
    let map = mmpp2(rate?, cv2?, limit?, decay?)?;
    let (silent, arriving) = (rows(map.silent()), rows(map.arriving()));
    Ok(Answer::default()
        .named("rate", "λ", "arrivals", "/s", map.rate_per_s(), Method::Exact)
        .named("cv2", "cv²", "squared coefficient of variation", "", map.squared_cv()?, Method::Exact)
        .named("dispersion", "IDC(∞)", "index of dispersion", "", map.dispersion_limit(), Method::Exact)
        .named(
            "autocorrelation",
            "r₁",
            "correlation of one interval with the next",
            "",
            map.autocorrelation(1)?,
            Method::Exact,
        )
        .note(format!("As an option: \"map:{};{}\"", bare_rows(&silent), bare_rows(&arriving))))
}
