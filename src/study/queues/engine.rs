//! Queueing models run by the event engine: each becomes a scenario, and theory says how long to run it.
//!
//! Exponential, Erlang and hyperexponential services are exact, by random iteration times. Where a service time must be known in advance
//! (orders by size) or shared (processor sharing) it is a whole number of small tokens; [`Prepared::lattice`] bounds what that changes.

use super::Kind;
use super::class::Class as Stream;
use super::law;
use super::parameters::{Parameters, number_of};
use super::problem::QueueProblem;
use crate::queueing::{Law, Shape};
use crate::scenario::{
    Admission, ArrivalLaw, Class, Cluster, Engine, Instance, LengthLaw, Order, Policy, Preemption, Prompts, RateShape,
    Routing, Scenario, Slo, StepNoise, StepTimeLaw, Workload,
};

/// Tokens of a mean service that is a whole number of tokens.
const GRAIN: f64 = 100_000.0;

/// The models that the engine can run, by the names of the catalogue where it has them.
pub const MODELS: [&str; 12] = [
    "mm1",
    "mmc",
    "mg1",
    "ps",
    "sjf",
    "psjf",
    "srpt",
    "priority",
    "priority-preemptive",
    "batch",
    "bulk",
    "sharing-limited",
];

/// A model as the engine runs it.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// The scenario.
    pub scenario: Scenario,
    /// Servers, whose busy share is the utilisation.
    pub servers: u64,
    /// Mean service, which a time in system holds beside the wait; none where others change it.
    pub service_s: Option<f64>,
    /// ρ.
    pub utilization: f64,
    /// Time in which a deviation fades by a factor e, about: c times the service time, (1 + cv²)/2 (1 − √ρ)⁻².
    pub relaxation_s: f64,
    /// Share of the mean time in system by which whole tokens may move it, at most.
    pub lattice: f64,
}

/// The parameters of a model, as words.
struct Words<'a>(&'a Parameters);

impl Words<'_> {
    fn texts(&self, name: &str) -> Vec<String> {
        self.0.iter().find(|(key, _)| *key == name).map_or(Vec::new(), |(_, values)| values.to_vec())
    }

    fn number(&self, name: &str, usual: Option<f64>) -> Result<f64, QueueProblem> {
        match (self.texts(name).last(), usual) {
            (Some(text), _) => number_of(name, text, Kind::Positive),
            (None, Some(usual)) => Ok(usual),
            (None, None) => Err(QueueProblem::at(name, "is missing", "give a number above 0")),
        }
    }

    fn whole(&self, name: &str) -> Result<u64, QueueProblem> {
        self.texts(name).last().map_or(Ok(1), |text| number_of(name, text, Kind::Whole).map(|value| value as u64))
    }

    fn mean_s(&self) -> Result<f64, QueueProblem> {
        let usual = 1.0 / self.number("mu", Some(1.0))?;
        self.number("mean", Some(usual))
    }

    fn arrivals_per_s(&self, capacity_per_s: f64) -> Result<f64, QueueProblem> {
        match self.texts("rho").last() {
            Some(text) => Ok(number_of("rho", text, Kind::Positive)? * capacity_per_s),
            None => self.number("lambda", None),
        }
    }

    fn service(&self) -> Result<Law, QueueProblem> {
        let text = self.texts("service").last().cloned().unwrap_or_else(|| "exponential".to_owned());
        law::parse("service", &text, self.mean_s()?)
    }
}

/// Makes the scenario of a model.
///
/// # Errors
/// A model that the engine does not know, a parameter that is missing or out of range, or a queue that grows without end.
pub fn prepare(model: &str, parameters: &Parameters) -> Result<Prepared, QueueProblem> {
    let words = Words(parameters);
    let prepared = match model {
        "mm1" | "mmc" => first_come(&words, &Law::exponential(words.mean_s()?)?, words.whole("servers")?)?,
        "mg1" => first_come(&words, &words.service()?, 1)?,
        "ps" => sharing(&words)?,
        "sjf" => by_size(&words, Order::ShortestJob, false)?,
        "psjf" => by_size(&words, Order::ShortestJob, true)?,
        "srpt" => by_size(&words, Order::Srpt, true)?,
        "priority" => by_class(&words, false)?,
        "priority-preemptive" => by_class(&words, true)?,
        "batch" | "bulk" => in_batches(&words, model == "bulk")?,
        "sharing-limited" => slowing(&words)?,
        _ => {
            let remedy = format!("the engine runs {}", MODELS.join(", "));
            return Err(QueueProblem::at("model", format!("is `{model}`"), remedy));
        }
    };
    let scenario = &prepared.scenario;
    scenario.validate().map_err(|error| QueueProblem::at(&error.key, error.problem, error.remedy))?;
    if prepared.utilization < 1.0 {
        return Ok(prepared);
    }
    let rate = scenario.workload.rate();
    Err(QueueProblem::Unstable { growth_per_s: rate * (1.0 - 1.0 / prepared.utilization) })
}

/// A policy, a pool of `servers` GPUs, steps of `step_s` and these classes.
fn pool(rate_per_s: f64, class: Vec<Class>, servers: u64, step_s: f64, noise: StepNoise) -> Scenario {
    let mut policy = Policy::of(Engine::RunToCompletion, Admission::Greedy, Preemption::None);
    policy.order = Order::Fcfs;
    Scenario {
        name: "queue".to_owned(),
        description: String::new(),
        workload: Workload {
            rate_per_s: Some(rate_per_s),
            rate_shape: RateShape::default(),
            arrivals: ArrivalLaw::Poisson {},
            class,
            trace: None,
            slo: Slo::default(),
        },
        instance: Instance {
            max_sequences: 1,
            max_batch_tokens: None,
            kv_tokens: None,
            block_tokens: 1,
            prefix_cache_tokens: None,
        },
        policy,
        step_time: StepTimeLaw::Affine { base_s: step_s, per_token_s: 0.0 },
        step_noise: noise,
        step_noise_cv: None,
        cluster: Some(Cluster { gpus: Some(servers), ..Cluster::replicas(1, Routing::default()) }),
    }
}

fn constant(tokens: u64) -> LengthLaw {
    LengthLaw::Constant { tokens }
}

/// The classes, steps and noise whose service times have this law; the share of the mean that whole tokens may change. `tokens` asks for
/// lengths that are known on arrival.
fn steps_of(service: &Law, tokens: bool) -> Result<(Vec<Class>, f64, StepNoise, f64), QueueProblem> {
    let mean = service.mean_s();
    let alone = |output| vec![Class::new("customer", constant(1), output)];
    let unlike = || {
        QueueProblem::at(
            "service",
            "has no counterpart in the engine",
            "choose exponential, constant, erlang, h2 or uniform",
        )
    };
    Ok(match service.shape() {
        Shape::Constant { .. } => (alone(constant(1)), mean, StepNoise::None, 0.0),
        Shape::Gamma { shape, .. } if !tokens && (shape - shape.round()).abs() < 1e-9 => {
            (alone(constant(shape.round() as u64)), mean / shape.round(), StepNoise::Exponential, 0.0)
        }
        Shape::Gamma { shape, .. } if (shape - 1.0).abs() < 1e-9 => {
            (alone(LengthLaw::Geometric { mean: GRAIN }), mean / GRAIN, StepNoise::None, 1.0 / GRAIN)
        }
        Shape::Uniform { low_s, high_s } => {
            let grain = mean / GRAIN;
            let law = LengthLaw::Uniform {
                min: (low_s / grain).round().max(1.0) as u64,
                max: (high_s / grain).round() as u64,
            };
            (alone(law), grain, StepNoise::None, 1.0 / GRAIN)
        }
        Shape::Hyperexponential { branches } if !tokens => {
            let class = branches.iter().enumerate().map(|(index, &(share, rate))| Class {
                share,
                step_time: Some(StepTimeLaw::Affine { base_s: 1.0 / rate, per_token_s: 0.0 }),
                ..Class::new(&format!("branch {index}"), constant(1), constant(1))
            });
            (class.collect(), mean, StepNoise::Exponential, 0.0)
        }
        _ => return Err(unlike()),
    })
}

fn relaxation_s(rho: f64, mean_s: f64, squared_cv: f64, servers: f64) -> f64 {
    mean_s + 0.5 * (1.0 + squared_cv) * mean_s / (servers * (1.0 - rho.sqrt()).powi(2))
}

fn served(scenario: Scenario, rate: f64, service: &Law, servers: u64, lattice: f64) -> Prepared {
    let rho = rate * service.mean_s() / servers as f64;
    Prepared {
        scenario,
        servers,
        service_s: Some(service.mean_s()),
        utilization: rho,
        relaxation_s: relaxation_s(rho, service.mean_s(), service.squared_cv(), servers as f64),
        lattice,
    }
}

fn first_come(words: &Words<'_>, service: &Law, servers: u64) -> Result<Prepared, QueueProblem> {
    let rate = words.arrivals_per_s(servers as f64 / service.mean_s())?;
    let (class, step_s, noise, lattice) = steps_of(service, false)?;
    Ok(served(pool(rate, class, servers, step_s, noise), rate, service, servers, lattice))
}

fn by_size(words: &Words<'_>, order: Order, preempts: bool) -> Result<Prepared, QueueProblem> {
    let service = words.service()?;
    let rate = words.arrivals_per_s(1.0 / service.mean_s())?;
    let (class, step_s, noise, lattice) = steps_of(&service, true)?;
    let mut scenario = pool(rate, class, 1, step_s, noise);
    scenario.policy.order = order;
    scenario.policy.order_preempts = preempts;
    Ok(Prepared { service_s: None, ..served(scenario, rate, &service, 1, lattice) })
}

/// Classes in their order, the first the most urgent. Preempted work is resumed, so that lengths are known tokens there.
fn by_class(words: &Words<'_>, preempts: bool) -> Result<Prepared, QueueProblem> {
    let streams = words.texts("class").iter().map(|text| Stream::parse(text)).collect::<Result<Vec<_>, _>>()?;
    let given: f64 = streams.iter().map(|stream| stream.arrivals_per_s).sum();
    let load: f64 = streams.iter().map(|stream| stream.arrivals_per_s * stream.service.mean_s()).sum();
    let scale = match words.texts("rho").last() {
        Some(text) => number_of("rho", text, Kind::Positive)? / load,
        None => 1.0,
    };
    let (mut classes, mut lattice, mut noise, mut second) = (Vec::new(), 0.0f64, StepNoise::None, 0.0);
    for (rank, stream) in streams.iter().enumerate() {
        let (class, step_s, own, error) = steps_of(&stream.service, preempts)?;
        let step_time = Some(StepTimeLaw::Affine { base_s: step_s, per_token_s: 0.0 });
        classes.extend(class.into_iter().map(|class| Class {
            name: format!("class {}", rank + 1),
            share: stream.arrivals_per_s,
            weight: (streams.len() - rank) as f64,
            step_time: step_time.clone(),
            ..class
        }));
        (lattice, noise) = (lattice.max(error), if own.is_none() { noise } else { own });
        second += stream.arrivals_per_s / given * stream.service.moment(2);
    }
    let mut scenario = pool(scale * given, classes, 1, 1.0, noise);
    scenario.policy.order = Order::WeightedFcfs;
    scenario.policy.order_preempts = preempts;
    let (rho, mean) = (scale * load, load / given);
    let relaxation_s = relaxation_s(rho, mean, second / (mean * mean) - 1.0, 1.0);
    Ok(Prepared { scenario, servers: 1, service_s: None, utilization: rho, relaxation_s, lattice })
}

/// Everybody advances by a token in a step as long as their number.
fn sharing(words: &Words<'_>) -> Result<Prepared, QueueProblem> {
    let service = words.service()?;
    let rate = words.arrivals_per_s(1.0 / service.mean_s())?;
    let (class, step_s, noise, _) = steps_of(&service, true)?;
    let (class, grain) = match service.shape() {
        Shape::Constant { .. } => (vec![Class::new("customer", constant(1), constant(GRAIN as u64))], step_s / GRAIN),
        _ => (class, step_s),
    };
    let mut scenario = pool(rate, class, 1, grain, noise);
    scenario.cluster = None;
    scenario.instance.max_sequences = 1 << 20;
    scenario.policy = Policy::of(Engine::VllmV1, Admission::Greedy, Preemption::None);
    scenario.policy.batching.prompts = Some(Prompts::Present);
    scenario.step_time = StepTimeLaw::Affine { base_s: 0.0, per_token_s: grain };
    let rho = rate * service.mean_s();
    // A newcomer waits for the end of a step of up to N tokens: E[N] grains, of E[S]/(1 − ρ).
    let lattice = 2.0 / GRAIN / (1.0 - rho).max(f64::MIN_POSITIVE);
    Ok(Prepared { service_s: None, ..served(scenario, rate, &service, 1, lattice) })
}

/// Up to `most` together in `base` + `per` · their number seconds.
fn in_batches(words: &Words<'_>, exponential: bool) -> Result<Prepared, QueueProblem> {
    let (base_s, most) = (words.number("base", Some(1.0))?, words.whole("most")?);
    let per_s = if exponential { 0.0 } else { words.number("per", None)? };
    let full_s = base_s + per_s * most as f64;
    let rate = words.arrivals_per_s(most as f64 / full_s)?;
    let noise = if exponential { StepNoise::Exponential } else { StepNoise::None };
    let mut scenario = pool(rate, vec![Class::new("customer", constant(1), constant(1))], 1, base_s, noise);
    scenario.cluster = None;
    scenario.instance.max_sequences = most;
    scenario.policy = Policy::of(Engine::VllmV1, Admission::Greedy, Preemption::None);
    scenario.step_time = StepTimeLaw::Affine { base_s, per_token_s: per_s };
    let rho = rate * full_s / most as f64;
    let relaxation_s = full_s + full_s / (1.0 - rho.sqrt()).powi(2);
    Ok(Prepared { scenario, servers: 1, service_s: None, utilization: rho, relaxation_s, lattice: 0.0 })
}

/// Up to `most` at once, each a unit of work further in `base` + `slope` · their number seconds; exponential work.
fn slowing(words: &Words<'_>) -> Result<Prepared, QueueProblem> {
    let (work, base_s, slope_s) =
        (words.number("work", None)?, words.number("base", None)?, words.number("slope", None)?);
    let most = words.whole("most")?;
    let full_s = work * (base_s + slope_s * most as f64);
    let capacity_per_s = most as f64 / full_s;
    let rate = words.arrivals_per_s(capacity_per_s)?;
    let grain = work / GRAIN;
    let class = Class::new("customer", constant(1), LengthLaw::Geometric { mean: GRAIN });
    let mut scenario = pool(rate, vec![class], 1, grain, StepNoise::None);
    scenario.cluster = None;
    scenario.instance.max_sequences = most;
    scenario.policy = Policy::of(Engine::VllmV1, Admission::Greedy, Preemption::None);
    scenario.policy.batching.prompts = Some(Prompts::Present);
    scenario.step_time = StepTimeLaw::Affine { base_s: base_s * grain, per_token_s: slope_s * grain };
    let rho = rate / capacity_per_s;
    // Those in service fade at the pace of the fluid, those who wait like a queue with the rate of a full server.
    let inside_s = work * base_s / (1.0 - rate * work * slope_s).powi(2);
    let relaxation_s = full_s + inside_s + 1.0 / (capacity_per_s * (1.0 - rho.sqrt()).powi(2));
    // A newcomer waits for the end of a step, and a geometric number of tokens stands for an exponential one.
    Ok(Prepared { scenario, servers: 1, service_s: None, utilization: rho, relaxation_s, lattice: 3.0 / GRAIN })
}
