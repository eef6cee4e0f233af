//! A prefill pool, a link and a decode pool one after another. λ* is the least of theirs. Below it each has its own law, with the
//! variability of the arrivals that the one before leaves, after Whitt, "The queueing network analyzer" (1983).

use super::super::single;
use super::combine::{self, Law, Share};
use super::part::{self, Part, Stage};
use super::pool::{Capacity, Pool};
use super::replicas::{self, Answer};
use crate::answer::{Boundary, Figure, FluidSolution, Latency, Limit, Method, Summary, Verdict};
use crate::queueing::markov::erlang_c;
use crate::scenario::{Cluster, Contention, Link, Moments, PrefillPool, Scenario};

pub(super) fn solve(scenario: &Scenario, cluster: &Cluster, pool: &PrefillPool) -> FluidSolution {
    let moments = served(scenario);
    // Requests with one token end in the prefill pool.
    let goes_on = moments.output_survival.get(1).copied().unwrap_or(0.0);
    let rate = scenario.workload.rate() * (1.0 - moments.rejected);
    let prefill = prefill_pool(scenario, cluster, pool);
    let prefill_capacity = prefill.capacity();
    let service = Transfer::of(cluster.link.as_ref(), &moments);
    let before = Departures::of(&prefill, &prefill_capacity, rate);
    let mut decode =
        Pool::new(replicas::parts(scenario, cluster, Stage::Rest), cluster, cluster.routing, &scenario.workload);
    decode.arrivals = before.squared_cv();
    let decode_capacity = decode.capacity();
    let limits = limits(&prefill_capacity, &service, &decode_capacity, goes_on);
    let boundary = boundary(&limits);
    let verdict = verdict(rate, &boundary);
    let first = replicas::answer(&prefill, &prefill_capacity, rate);
    let flow = goes_on * rate.min(prefill_capacity.boundary.low_per_s).min(service.most());
    let second = replicas::answer(&decode, &decode_capacity, flow);
    let mut summary = held(&first.summary, &second.summary, (rate, flow), &moments);
    summary.throughput_per_s = Some(match verdict {
        Verdict::Stable => Figure::of(rate, Method::Exact),
        _ => Figure::of(boundary.low_per_s, boundary.method),
    });
    if verdict == Verdict::Stable {
        let link = service.at(flow, &before);
        latencies(&mut summary, &first.summary, link, &second.summary, (goes_on, &moments));
    } else {
        summary.queue_growth_per_s = Some(Figure::of(rate - boundary.low_per_s, Method::Fluid));
        (summary.ttft_s, summary.tbt_s, summary.e2e_s, summary.waiting) = (None, None, None, None);
    }
    let notes = notes(&moments, &boundary, (&prefill_capacity, &decode_capacity), [first, second]);
    FluidSolution { lambda_per_s: scenario.workload.rate(), verdict, boundary, summary, notes }
}

/// The requests that neither pool turns away, by the least memory of either.
fn served(scenario: &Scenario) -> Moments {
    Moments::of(&scenario.members().swap_remove(0).0)
}

fn prefill_pool(scenario: &Scenario, cluster: &Cluster, pool: &PrefillPool) -> Pool {
    let mut members = scenario.members();
    let serves = vec![true; scenario.workload.class_rates().len()];
    let parts = members.pop().map(|(member, count)| Part::new(member, count, Stage::Prompt, serves));
    Pool::new(parts.into_iter().collect(), cluster, pool.routing, &scenario.workload)
}

/// How requests leave the prefill pool. While all servers are busy the variability is that of the services, else that of the arrivals.
struct Departures {
    servers: f64,
    /// ρ times the probability that all servers are busy (ρ² for one), where each serves one request at a time; else 0.
    busy: f64,
    arrivals: f64,
    /// Squared cv of a service, and its covariance with the prompt: both relative to the means.
    spread: f64,
    with_prompt: f64,
}

impl Departures {
    fn of(pool: &Pool, capacity: &Capacity, rate: f64) -> Self {
        let load = pool.parts[0].load(rate);
        let servers = pool.instances();
        if load.cap > 1.0 {
            return Self { servers, busy: 0.0, arrivals: pool.arrivals, spread: 1.0, with_prompt: 0.0 };
        }
        let service = single::service(&load);
        let rho = (rate / capacity.boundary.low_per_s).min(1.0);
        let all_busy = erlang_c(servers as u64, servers * rho).unwrap_or(1.0);
        let spread = service.second / (service.mean_s * service.mean_s) - 1.0;
        let prompt = load.moments.raw(2, 0) / (load.prompt() * load.prompt()) - 1.0;
        // A service is nearly linear in the prompt.
        Self { servers, busy: rho * all_busy, arrivals: pool.arrivals, spread, with_prompt: (spread * prompt).sqrt() }
    }

    fn squared_cv(&self) -> f64 {
        (1.0 - self.busy) * self.arrivals + self.busy * self.spread
    }
}

/// Seconds that one transfer holds the link.
struct Transfer {
    mean_s: f64,
    squared_cv: f64,
    /// Share of it that grows with the prompt.
    per_prompt: f64,
    one_by_one: bool,
}

impl Transfer {
    fn of(link: Option<&Link>, moments: &Moments) -> Self {
        let Some(link) = link else { return Self { mean_s: 0.0, squared_cv: 0.0, per_prompt: 0.0, one_by_one: false } };
        // The prompt and the first token.
        let mean_s = link.latency_s + (moments.prompt_mean() + 1.0) / link.tokens_per_s;
        let variance = moments.raw(2, 0) - moments.prompt_mean() * moments.prompt_mean();
        Self {
            mean_s,
            squared_cv: variance / (link.tokens_per_s * mean_s).powi(2),
            per_prompt: moments.prompt_mean() / (link.tokens_per_s * mean_s),
            one_by_one: link.contention == Contention::Fifo,
        }
    }

    fn most(&self) -> f64 {
        if self.one_by_one && self.mean_s > 0.0 { 1.0 / self.mean_s } else { f64::INFINITY }
    }

    /// Mean and standard deviation of wait and transfer at `flow` transfers per second. A long prompt holds the link long, and its
    /// server, too: what comes and what is served vary together, and only the difference waits. While the link is idle the
    /// transfers of one server do not meet.
    fn at(&self, flow: f64, before: &Departures) -> (f64, f64) {
        let own = self.squared_cv * self.mean_s * self.mean_s;
        let rho = flow / self.most();
        if !self.one_by_one || rho >= 1.0 {
            return (self.mean_s, own.sqrt());
        }
        let together = before.busy * self.per_prompt * before.with_prompt;
        let varies =
            (1.0 - before.busy) * before.arrivals + before.busy * before.spread + self.squared_cv - 2.0 * together;
        let apart = 1.0 - (1.0 - rho) / before.servers;
        let wait = apart * rho / (1.0 - rho) * self.mean_s * varies.max(0.0) / 2.0;
        // The wait is zero or exponential.
        let variance = wait * wait * (2.0 / rho.max(1e-12) - 1.0);
        (wait + self.mean_s, (own + variance).sqrt())
    }
}

/// λ of all requests at which each of the three is full, the least first.
fn limits(prefill: &Capacity, link: &Transfer, decode: &Capacity, goes_on: f64) -> Vec<(Limit, Boundary)> {
    let over = |boundary: &Boundary, factor: f64| Boundary {
        high_per_s: boundary.high_per_s * factor,
        low_per_s: boundary.low_per_s * factor,
        bracket_per_s: (boundary.bracket_per_s.0 * factor, boundary.bracket_per_s.1 * factor),
        ..*boundary
    };
    let rest = 1.0 / goes_on.max(f64::MIN_POSITIVE);
    let mut found =
        vec![(Limit::PrefillPool, over(&prefill.boundary, 1.0)), (Limit::DecodePool, over(&decode.boundary, rest))];
    let most = link.most() * rest;
    if most.is_finite() {
        let boundary = Boundary {
            high_per_s: most,
            low_per_s: most,
            bracket_per_s: (most, most),
            binding: Limit::Link,
            runner_up: None,
            method: Method::Exact,
        };
        found.push((Limit::Link, boundary));
    }
    found.sort_by(|a, b| a.1.low_per_s.total_cmp(&b.1.low_per_s));
    found
}

fn boundary(limits: &[(Limit, Boundary)]) -> Boundary {
    let (first, boundary) = limits[0];
    let high = limits.iter().map(|limit| limit.1.high_per_s).fold(f64::INFINITY, f64::min);
    Boundary {
        binding: first,
        high_per_s: high.max(boundary.low_per_s),
        runner_up: limits.get(1).map(|(limit, boundary)| (*limit, boundary.low_per_s)),
        ..boundary
    }
}

fn verdict(rate: f64, boundary: &Boundary) -> Verdict {
    if rate < boundary.low_per_s {
        Verdict::Stable
    } else if rate < boundary.high_per_s {
        Verdict::Metastable
    } else {
        Verdict::Overloaded
    }
}

/// What both pools hold and do.
fn held(first: &Summary, second: &Summary, (rate, flow): (f64, f64), moments: &Moments) -> Summary {
    let prompt =
        Share { summary: first, count: 1.0, rate, work: moments.prompt_mean(), gaps: 0.0, outputs: Vec::new() };
    let rest = moments.after_first_token();
    let mut decodes = second.clone();
    let context = part::context_of_prompts(moments);
    decodes.kv_tokens = second
        .kv_tokens
        .zip(second.running)
        .map(|(held, running)| Figure { value: held.value + context * running.value, ..held });
    let decode =
        Share { summary: &decodes, count: 1.0, rate: flow, work: rest.output_mean(), gaps: 0.0, outputs: Vec::new() };
    combine::all(&[prompt, decode])
}

/// TTFT is the prefill pool's. The first gap crosses the link and waits for an iteration of the decode pool.
fn latencies(
    summary: &mut Summary,
    first: &Summary,
    (link, link_deviation): (f64, f64),
    second: &Summary,
    (goes_on, moments): (f64, &Moments),
) {
    summary.ttft_s = first.ttft_s;
    let (Some(ttft), Some(rest), Some(start)) = (first.ttft_s, second.e2e_s, second.ttft_s) else {
        (summary.tbt_s, summary.e2e_s) = (None, None);
        return;
    };
    let gaps = moments.after_first_token().output_mean();
    let after = link + rest.mean.value;
    let near = |value: f64| Figure::of(value, Method::Approximation);
    let first_gap = Latency {
        mean: near(link + start.mean.value),
        p50: near(link + start.p50.value),
        p95: near(link + start.mean.value + (start.p95.value - start.mean.value).hypot(1.645 * link_deviation)),
        p99: near(link + start.mean.value + (start.p99.value - start.mean.value).hypot(2.326 * link_deviation)),
    };
    let laws = match second.tbt_s {
        Some(others) if gaps > 1.0 => vec![(Law::of(&first_gap), 1.0 / gaps), (Law::of(&others), 1.0 - 1.0 / gaps)],
        _ => vec![(Law::of(&first_gap), 1.0)],
    };
    let [p50, p95, p99] = combine::percentiles(&laws);
    summary.tbt_s = (goes_on > 0.0).then(|| Latency { mean: near(after / gaps), p50, p95, p99 });
    let pass = Latency {
        mean: near(link),
        p50: near(link),
        p95: near(link + 1.645 * link_deviation),
        p99: near(link + 2.326 * link_deviation),
    };
    let [p50, p95, p99] = sum_of(&[ttft, pass, rest]);
    summary.e2e_s = Some(Latency { mean: near(ttft.mean.value + goes_on * after), p50, p95, p99 });
}

/// Percentiles of a sum of independent times: deviations of the upper percentiles from the mean add by their squares, those of
/// the median with their shares of the variance, as third cumulants do.
fn sum_of(parts: &[Latency]) -> [Figure; 3] {
    let mean: f64 = parts.iter().map(|part| part.mean.value).sum();
    let above = |of: fn(&Latency) -> f64| {
        let squares: f64 = parts.iter().map(|part| (of(part) - part.mean.value).max(0.0).powi(2)).sum();
        Figure::of(mean + squares.sqrt(), Method::Approximation)
    };
    let variance = |part: &Latency| (part.p95.value - part.mean.value).max(0.0).powi(2);
    let total: f64 = parts.iter().map(variance).sum::<f64>().max(f64::MIN_POSITIVE);
    let skew: f64 = parts.iter().map(|part| (part.p50.value - part.mean.value) * variance(part) / total).sum();
    [Figure::of(mean + skew, Method::Approximation), above(|part| part.p95.value), above(|part| part.p99.value)]
}

fn notes(
    moments: &Moments,
    boundary: &Boundary,
    (prefill, decode): (&Capacity, &Capacity),
    answers: [Answer; 2],
) -> Vec<String> {
    let mut notes = Vec::new();
    match boundary.binding {
        Limit::PrefillPool => {
            notes.push(format!("In the prefill pool the limit is the {}", prefill.boundary.binding.name()));
        }
        Limit::DecodePool => {
            notes.push(format!("In the decode pool the limit is the {}", decode.boundary.binding.name()));
        }
        _ => {}
    }
    if moments.rejected > 0.0 {
        notes.push(format!("{:.3} % of the requests exceed the KV memory and are rejected", 100.0 * moments.rejected));
    }
    notes.extend(prefill.notes.iter().chain(&decode.notes).cloned());
    for note in answers.into_iter().flat_map(|answer| answer.notes) {
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    notes
}
