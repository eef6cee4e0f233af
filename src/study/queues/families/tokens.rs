//! Batches of requests with whole numbers of tokens, which last until their longest member is done.

use super::batch::MOST;
use super::{LAMBDA, parameter, poisson};
use crate::queueing::Law;
use crate::queueing::batch::{Elastic, FixedBatches, TokenTime, WholeSizes};
use crate::stats::stream::Stream;
use crate::study::queues::answer::{Answer, Method};
use crate::study::queues::catalogue::{Kind, Model, Parameter};
use crate::study::queues::law;
use crate::study::queues::parameters::Values;
use crate::study::queues::plain::{Batches, Trial};
use crate::study::queues::problem::QueueProblem;

const FAMILY: &str = super::batch::FAMILY;

const TOKENS: Parameter =
    parameter("tokens", "", Kind::Law, "law of the tokens before they are rounded up, such as lognormal:CV2")
        .or("exponential");
const MEAN_TOKENS: Parameter = parameter("mean-tokens", "", Kind::Positive, "mean tokens before they are rounded up");
const CAP: Parameter = parameter("cap", "", Kind::Whole, "most tokens; longer requests are cut to it");
const BASE: Parameter = parameter("base", "s", Kind::NotNegative, "time of a batch apart from its tokens").or("0");
const PER: Parameter = parameter("per", "s", Kind::NotNegative, "time that each request adds to it").or("0");
const TOKEN: Parameter = parameter("token", "s", Kind::NotNegative, "time of a token of the longest request");
const TOKEN_PER: Parameter =
    parameter("token-per", "s", Kind::NotNegative, "time that each request adds to a token").or("0");
const SIZE: Parameter = parameter("batch", "", Kind::Whole, "requests of a batch, for which the server waits");

/// Longest request: the work grows with it and with the size of the batch.
const MOST_TOKENS: u64 = 100_000;
/// Largest batch: the work grows as its third power.
const MOST_BATCH: u64 = 512;

const SOURCE: &str = "Neuts 1967, Annals of Mathematical Statistics 38:759–770; Yang, Jiao and Xu 2024 for tokens";

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "batch-fixed",
        family: FAMILY,
        summary: "The server waits for b requests and serves them until the longest is done",
        reference: SOURCE,
        parameters: &[LAMBDA, SIZE, TOKENS, MEAN_TOKENS, CAP, BASE, PER, TOKEN, TOKEN_PER],
        example: "--lambda 3 --batch 8 --tokens lognormal:1 --mean-tokens 60 --cap 200 --base 0.1 --per 0.01 --token 0.01 --token-per 0.0005",
        answer: fixed,
        simulation: Some(fixed_trial),
    },
    Model {
        name: "batch-elastic",
        family: FAMILY,
        summary: "Whoever waits is taken, up to b; each request leaves when it is done, the batch ends with its longest",
        reference: SOURCE,
        parameters: &[LAMBDA, MOST, TOKENS, MEAN_TOKENS, CAP, BASE, PER, TOKEN, TOKEN_PER],
        example: "--lambda 3 --most 16 --tokens lognormal:1 --mean-tokens 60 --cap 200 --base 0.1 --per 0.01 --token 0.01 --token-per 0.0005",
        answer: elastic,
        simulation: Some(elastic_trial),
    },
];

/// The number of requests at `key`.
fn batch_of(values: &Values<'_>, key: &'static str) -> Result<u32, QueueProblem> {
    let batch = values.whole(key)?;
    if batch > MOST_BATCH {
        return Err(QueueProblem::at(key, format!("is `{batch}`"), "give at most 512"));
    }
    Ok(batch as u32)
}

/// The law of the tokens, their cap, and how long a batch of them lasts.
fn tokens(values: &Values<'_>) -> Result<(Law, u64, TokenTime), QueueProblem> {
    let cap = values.whole("cap")?;
    if cap > MOST_TOKENS {
        return Err(QueueProblem::at("cap", format!("is `{cap}`"), "give at most 100000"));
    }
    let law = law::parse("tokens", values.text("tokens")?, values.number("mean-tokens")?)?;
    let pace = TokenTime {
        base_s: values.number("base")?,
        base_per_request_s: values.number("per")?,
        token_s: values.number("token")?,
        token_per_request_s: values.number("token-per")?,
    };
    Ok((law, cap, pace))
}

fn fixed(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (law, cap, pace) = tokens(values)?;
    let (lambda, batch) = (values.number("lambda")?, batch_of(values, "batch")?);
    let sizes = WholeSizes::rounded_up(&law, cap as u32)?;
    let queue = FixedBatches::new(lambda, batch, pace.of_longest(batch, &sizes)?)?;
    Ok(Answer::default()
        .with("utilization", queue.utilization(), Method::Exact)
        .with("L", queue.mean_in_system(), Method::Numerical)
        .with("Lq", queue.mean_waiting(), Method::Numerical)
        .with("W", queue.mean_sojourn_s(), Method::Numerical)
        .with("Wq", queue.mean_wait_s(), Method::Numerical)
        .named("filling", "", "part of Wq in which a batch fills", "s", queue.mean_filling_s(), Method::Exact)
        .named("capacity", "", "largest rate that can be served", "/s", queue.capacity_per_s(), Method::Exact)
        .named("padding", "", "share of tokens that is padding", "", sizes.padding(batch), Method::Exact))
}

fn elastic(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (law, cap, pace) = tokens(values)?;
    let (lambda, most) = (values.number("lambda")?, batch_of(values, "most")?);
    let queue = Elastic::new(lambda, &WholeSizes::rounded_up(&law, cap as u32)?, pace, most)?;
    let batches = queue.batches();
    Ok(Answer::default()
        .with("utilization", batches.utilization(), Method::Numerical)
        .with("Wq", queue.mean_wait_s(), Method::Numerical)
        .with("W", queue.padded_sojourn_s(), Method::Numerical)
        .named(
            "W_leaving",
            "",
            "time in system where each leaves when done",
            "s",
            queue.mean_sojourn_s(),
            Method::Numerical,
        )
        .named("capacity", "", "largest rate that can be served", "/s", batches.capacity_per_s(), Method::Exact)
        .note("W is the time until the batch ends, as with padding; W_leaving that until one's own last token."))
}

/// The time of a batch of that many requests: of its longest.
fn longest(law: &Law, cap: u64, pace: TokenTime, batch: usize, rng: &mut Stream) -> f64 {
    let most = (0..batch).map(|_| law.sample(rng).ceil().clamp(1.0, cap as f64)).fold(0.0, f64::max);
    pace.seconds(batch as u32, most)
}

fn fixed_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (law, cap, pace) = tokens(values)?;
    let (lambda, batch) = (values.number("lambda")?, values.whole("batch")?);
    poisson(lambda)?;
    Ok(Batches::new(lambda, move |size, rng| longest(&law, cap, pace, size, rng)).with_sizes(batch, batch).trial())
}

fn elastic_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (law, cap, pace) = tokens(values)?;
    let (lambda, most) = (values.number("lambda")?, values.whole("most")?);
    poisson(lambda)?;
    Ok(Batches::new(lambda, move |size, rng| longest(&law, cap, pace, size, rng)).with_sizes(1, most).trial())
}
