//! One summary out of those of the instances: sums of what they hold and do, means over the requests, iterations or gaps that a
//! figure is a mean of, and percentiles of the mixture.

use statrs::distribution::{ContinuousCDF, Normal};

use super::super::root;
use crate::answer::{Figure, Latency, Method, Summary};

/// Instances with the same summary.
pub(super) struct Share<'a> {
    pub summary: &'a Summary,
    /// How many there are.
    pub count: f64,
    /// λ of one of them.
    pub rate: f64,
    /// Tokens that one request brings to it.
    pub work: f64,
    /// Gaps between tokens that one request has there.
    pub gaps: f64,
}

/// The summary of all instances together; latencies only where every instance has one.
pub(super) fn all(shares: &[Share]) -> Summary {
    let sum = |of: fn(&Summary) -> Option<Figure>| weighted(shares, of, |_| 1.0, false);
    // An iteration serves so many of the tokens that come per second.
    let per_step = |of: fn(&Summary) -> Option<Figure>| {
        let steps = |share: &Share| {
            let tokens = share.summary.batch_tokens.map_or(1.0, |figure| figure.value);
            share.rate * share.work / tokens.max(f64::MIN_POSITIVE)
        };
        weighted(shares, of, steps, true)
    };
    let latency = |of: fn(&Summary) -> Option<Latency>, gaps: bool| {
        mixed(shares, of, |share| share.rate * if gaps { share.gaps } else { 1.0 })
    };
    Summary {
        waiting: sum(|summary| summary.waiting),
        running: sum(|summary| summary.running),
        swapped: sum(|summary| summary.swapped),
        kv_tokens: sum(|summary| summary.kv_tokens),
        step_s: per_step(|summary| summary.step_s),
        batch_tokens: per_step(|summary| summary.batch_tokens),
        throughput_per_s: sum(|summary| summary.throughput_per_s),
        preemptions_per_request: weighted(shares, |summary| summary.preemptions_per_request, |share| share.rate, true),
        queue_growth_per_s: None,
        ttft_s: latency(|summary| summary.ttft_s, false),
        tbt_s: latency(|summary| summary.tbt_s, true),
        e2e_s: latency(|summary| summary.e2e_s, false),
    }
}

/// The less certain of two methods.
pub(super) fn worse(a: Method, b: Method) -> Method {
    let rank = |method: Method| match method {
        Method::Exact => 0,
        Method::Fluid => 1,
        Method::Approximation => 2,
        Method::Simulated => 3,
    };
    if rank(a) < rank(b) { b } else { a }
}

fn weighted(
    shares: &[Share],
    of: fn(&Summary) -> Option<Figure>,
    weight: impl Fn(&Share) -> f64,
    mean: bool,
) -> Option<Figure> {
    let (mut sum, mut total, mut method) = (0.0, 0.0, Method::Exact);
    for share in shares {
        let figure = of(share.summary)?;
        let weight = share.count * weight(share);
        sum += weight * figure.value;
        total += weight;
        method = worse(method, figure.method);
    }
    let value = if mean { sum / total.max(f64::MIN_POSITIVE) } else { sum };
    Some(Figure::of(value, method))
}

fn mixed(shares: &[Share], of: fn(&Summary) -> Option<Latency>, weight: impl Fn(&Share) -> f64) -> Option<Latency> {
    let parts: Vec<(Latency, f64)> =
        shares.iter().map(|share| Some((of(share.summary)?, share.count * weight(share)))).collect::<Option<_>>()?;
    let parts: Vec<(Latency, f64)> = parts.into_iter().filter(|part| part.1 > 0.0).collect();
    let (first, _) = *parts.first()?;
    if parts.len() == 1 {
        return Some(first);
    }
    let total: f64 = parts.iter().map(|part| part.1).sum();
    let mean = parts.iter().map(|part| part.0.mean.value * part.1).sum::<f64>() / total;
    let method = parts.iter().fold(Method::Exact, |method, part| worse(method, part.0.mean.method));
    let laws: Vec<(Law, f64)> = parts.iter().map(|part| (Law::of(&part.0), part.1 / total)).collect();
    let [p50, p95, p99] = percentiles(&laws);
    Some(Latency { mean: Figure::of(mean, method), p50, p95, p99 })
}

/// The p50, p95 and p99 of a mixture of laws with weights that sum to one.
pub(super) fn percentiles(laws: &[(Law, f64)]) -> [Figure; 3] {
    [0.5, 0.95, 0.99].map(|p| {
        let each = || laws.iter().map(|law| law.0.quantile(p));
        let (low, high) = (each().fold(f64::INFINITY, f64::min), each().fold(0.0, f64::max));
        let below = |x: f64| laws.iter().map(|law| law.1 * law.0.below(x)).sum::<f64>() - p;
        let value = root::narrow(below, low, high, 1e-6).map_or(high, |bracket| bracket.middle());
        Figure::of(value, Method::Approximation)
    })
}

/// A law known by its median and two percentiles: the logarithm is taken as piecewise linear in the normal quantile.
pub(super) struct Law {
    /// (normal quantile, ln value).
    nodes: [(f64, f64); 3],
}

impl Law {
    pub fn of(latency: &Latency) -> Self {
        let log = |figure: Figure| figure.value.max(1e-300).ln();
        Self { nodes: [(0.0, log(latency.p50)), (1.644_854, log(latency.p95)), (2.326_348, log(latency.p99))] }
    }

    fn quantile(&self, p: f64) -> f64 {
        let z = Normal::standard().inverse_cdf(p);
        let [a, b, c] = self.nodes;
        let (from, to) = if z <= b.0 { (a, b) } else { (b, c) };
        (from.1 + (to.1 - from.1) * (z - from.0) / (to.0 - from.0)).exp()
    }

    fn below(&self, x: f64) -> f64 {
        let log = x.max(1e-300).ln();
        let [a, b, c] = self.nodes;
        let (from, to) = if log <= b.1 { (a, b) } else { (b, c) };
        let slope = (to.1 - from.1) / (to.0 - from.0);
        if slope < 1e-12 {
            return if log >= from.1 { 1.0 } else { 0.0 };
        }
        Normal::standard().cdf(from.0 + (log - from.1) / slope)
    }
}
