//! Networks of queues.

use super::parameter;
use crate::queueing::networks::{Closed, Jackson, Mva, asymptotic_bounds};
use crate::study::queues::answer::{Answer, Method};
use crate::study::queues::catalogue::{Kind, Model};
use crate::study::queues::parameters::Values;
use crate::study::queues::plain::{Chain, Jump, Trial};
use crate::study::queues::problem::QueueProblem;

const FAMILY: &str = "Networks";

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "jackson",
        family: FAMILY,
        summary: "An open network of M/M/c queues",
        reference: "Jackson 1957, Operations Research 5:518–521",
        parameters: &[
            parameter("outside", "/s", Kind::List, "arrivals from outside at each node"),
            parameter("routing", "", Kind::Matrix, "where customers go next, by rows; what is missing to 1 leaves"),
            parameter("rates", "/s", Kind::List, "service rate of one server at each node"),
            parameter("servers", "", Kind::List, "servers at each node; one each unless given"),
        ],
        example: "--outside 1,0.5,0 --routing [[0,0.6,0.2],[0.1,0,0.5],[0.1,0,0]] --rates 2,2,1.5",
        answer: jackson,
        simulation: Some(jackson_trial),
    },
    Model {
        name: "mva",
        family: FAMILY,
        summary: "A closed network of single servers with a think time (mean value analysis)",
        reference: "Reiser and Lavenberg 1980, Journal of the ACM 27:313–322",
        parameters: &[
            parameter("demands", "s", Kind::List, "work of a customer at each station in one round"),
            parameter("think", "s", Kind::NotNegative, "think time between two rounds").or("0"),
            parameter("customers-inside", "", Kind::Whole, "customers"),
        ],
        example: "--demands 0.5,0.3,0.1 --think 2 --customers-inside 10",
        answer: mva,
        simulation: Some(mva_trial),
    },
    Model {
        name: "closed",
        family: FAMILY,
        summary: "A closed network of several servers at each station (convolution)",
        reference: "Gordon and Newell 1967, Operations Research 15:254–265; Buzen 1973, Communications of the ACM 16:527–531",
        parameters: &[
            parameter("demands", "s", Kind::List, "work of a customer at each station in one round"),
            parameter("servers", "", Kind::List, "servers at each station; one each unless given"),
            parameter("think", "s", Kind::NotNegative, "think time between two rounds").or("0"),
            parameter("customers-inside", "", Kind::Whole, "customers"),
        ],
        example: "--demands 0.5,0.3 --servers 2,1 --think 1 --customers-inside 5",
        answer: convolved,
        simulation: Some(closed_trial),
    },
];

struct Open {
    outside: Vec<f64>,
    routing: Vec<Vec<f64>>,
    rates: Vec<f64>,
    servers: Vec<u64>,
}

fn open(values: &Values<'_>) -> Result<Open, QueueProblem> {
    let (outside, routing, rates) = (values.list("outside")?, values.matrix("routing")?, values.list("rates")?);
    let servers = servers(values, outside.len())?;
    let nodes = outside.len();
    for (name, count) in [("routing", routing.len()), ("rates", rates.len()), ("servers", servers.len())] {
        if count != nodes {
            return Err(QueueProblem::at(name, format!("has {count} nodes"), format!("`outside` has {nodes}")));
        }
    }
    Ok(Open { outside, routing, rates, servers })
}

/// One each unless given.
fn servers(values: &Values<'_>, nodes: usize) -> Result<Vec<u64>, QueueProblem> {
    if !values.has("servers") {
        return Ok(vec![1; nodes]);
    }
    let given = values.list("servers")?;
    match given.iter().find(|count| !(count.fract() == 0.0 && **count >= 1.0 && **count <= 1e6)) {
        Some(wrong) => {
            Err(QueueProblem::at("servers", format!("holds `{wrong}`"), "give whole numbers from 1 to 1000000"))
        }
        None => Ok(given.into_iter().map(|count| count as u64).collect()),
    }
}

fn jackson(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let parts = open(values)?;
    let network = Jackson::new(&parts.outside, &parts.routing, &parts.rates, &parts.servers)?;
    let found =
        [("L", network.mean_in_system()), ("W", network.mean_sojourn_s()), ("throughput", network.throughput_per_s())];
    let mut answer = Answer::default().all(Method::Exact, &found);
    for index in 0..parts.outside.len() {
        let (node, number) = (network.node(index), index + 1);
        answer = answer
            .exact(&format!("throughput_{number}"), network.arrivals_per_s(index))
            .exact(&format!("utilization_{number}"), node.utilization())
            .exact(&format!("L_{number}"), node.mean_in_system())
            .exact(&format!("W_{number}"), node.mean_sojourn_s());
    }
    Ok(answer)
}

fn jackson_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let Open { outside, routing, rates, servers } = open(values)?;
    let nodes = outside.len();
    let from_outside: f64 = outside.iter().sum();
    let pace: Vec<(f64, u64)> = rates.into_iter().zip(servers).collect();
    let working = |(rate, servers): (f64, u64), present: u64| rate * present.min(servers) as f64;
    let inside = pace.clone();
    let mut chain = Chain::new(vec![0; nodes], move |state, jumps| {
        for node in 0..nodes {
            if outside[node] > 0.0 {
                jumps.push(Jump { rate_per_s: outside[node], from: None, to: Some((node, 1)) });
            }
            let rate = working(inside[node], state[node]);
            if rate == 0.0 {
                continue;
            }
            let mut leaves = 1.0;
            for (to, &share) in routing[node].iter().enumerate().filter(|(_, share)| **share > 0.0) {
                leaves -= share;
                jumps.push(Jump { rate_per_s: rate * share, from: Some((node, 1)), to: Some((to, 1)) });
            }
            if leaves > 0.0 {
                jumps.push(Jump { rate_per_s: rate * leaves, from: Some((node, 1)), to: None });
            }
        }
    })
    .read("L", |state| state.iter().sum::<u64>() as f64)
    .read("from_outside", move |_| from_outside)
    .quotient("W", "L", "from_outside");
    for (node, &both) in pace.iter().enumerate() {
        let number = node + 1;
        chain = chain
            .read(format!("L_{number}"), move |state| state[node] as f64)
            .read(format!("throughput_{number}"), move |state| working(both, state[node]))
            .read(format!("utilization_{number}"), move |state| working(both, state[node]) / (both.0 * both.1 as f64))
            .quotient(format!("W_{number}"), format!("L_{number}"), format!("throughput_{number}"));
    }
    Ok(chain.trial())
}

fn closed(values: &Values<'_>) -> Result<(Vec<f64>, f64, u64), QueueProblem> {
    let demands = values.list("demands")?;
    if let Some(wrong) = demands.iter().find(|demand| **demand <= 0.0) {
        return Err(QueueProblem::at("demands", format!("holds `{wrong}`"), "give seconds above 0"));
    }
    let customers = values.whole("customers-inside")?;
    if customers > 1_000_000 {
        return Err(QueueProblem::at("customers-inside", format!("is `{customers}`"), "give at most 1000000"));
    }
    Ok((demands, values.number("think")?, customers))
}

fn mva(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (demands, think, customers) = closed(values)?;
    let network = Mva::new(&demands, think, customers)?;
    let mut answer =
        Answer::default().exact("throughput", network.throughput_per_s()).exact("W", network.mean_sojourn_s());
    for index in 0..demands.len() {
        answer = answer
            .exact(&format!("L_{}", index + 1), network.mean_at(index))
            .exact(&format!("utilization_{}", index + 1), network.utilization(index));
    }
    let (low, high) = asymptotic_bounds(&demands, think, customers)?;
    Ok(answer.named("throughput_low", "X ≥", "throughput, at least", "/s", low, Method::Bound).named(
        "throughput_high",
        "X ≤",
        "throughput, at most",
        "/s",
        high,
        Method::Bound,
    ))
}

fn convolved(values: &Values<'_>) -> Result<Answer, QueueProblem> {
    let (demands, think, customers) = closed(values)?;
    let network = Closed::new(&demands, &station_servers(values, &demands)?, think, customers as usize)?;
    let mut answer =
        Answer::default().exact("throughput", network.throughput_per_s()).exact("W", network.mean_sojourn_s());
    for index in 0..demands.len() {
        answer = answer.exact(&format!("L_{}", index + 1), network.mean_at(index));
    }
    Ok(answer)
}

fn station_servers(values: &Values<'_>, demands: &[f64]) -> Result<Vec<u64>, QueueProblem> {
    let servers = servers(values, demands.len())?;
    if servers.len() != demands.len() {
        let problem = format!("has {} stations", servers.len());
        return Err(QueueProblem::at("servers", problem, format!("`demands` has {}", demands.len())));
    }
    Ok(servers)
}

fn mva_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (demands, think, customers) = closed(values)?;
    let servers = vec![1; demands.len()];
    Ok(round(demands, servers, think, customers))
}

fn closed_trial(values: &Values<'_>) -> Result<Trial, QueueProblem> {
    let (demands, think, customers) = closed(values)?;
    let servers = station_servers(values, &demands)?;
    Ok(round(demands, servers, think, customers))
}

/// One visit to each station in turn, the thinkers last.
fn round(demands: Vec<f64>, servers: Vec<u64>, think: f64, customers: u64) -> Trial {
    let stations = demands.len();
    let places = stations + usize::from(think > 0.0);
    let mut start = vec![0; places];
    start[places - 1] = customers;
    let pace: Vec<(f64, u64)> = demands.into_iter().zip(servers).collect();
    let (first, inside) = (pace[0], pace.clone());
    let mut chain = Chain::new(start, move |state, jumps| {
        for (place, &present) in state.iter().enumerate().filter(|(_, present)| **present > 0) {
            let rate_per_s = match inside.get(place) {
                Some(&(demand, servers)) => present.min(servers) as f64 / demand,
                None => present as f64 / think,
            };
            jumps.push(Jump { rate_per_s, from: Some((place, 1)), to: Some(((place + 1) % places, 1)) });
        }
    })
    .read("present", move |state| state[..stations].iter().sum::<u64>() as f64)
    .read("throughput", move |state| state[0].min(first.1) as f64 / first.0);
    for (station, (_, servers)) in pace.into_iter().enumerate() {
        chain = chain
            .read(format!("L_{}", station + 1), move |state| state[station] as f64)
            .read(format!("utilization_{}", station + 1), move |state| {
                state[station].min(servers) as f64 / servers as f64
            });
    }
    chain.quotient("W", "present", "throughput").trial()
}
