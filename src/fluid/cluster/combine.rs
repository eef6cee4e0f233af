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
    /// Output lengths with masses, which give the time to the last token its shape; empty where something else does.
    pub outputs: Vec<(f64, f64)>,
}

/// The law of E2E: outputs at the mean pace.
fn by_outputs(share: &Share, e2e: &Latency) -> Law {
    match (share.summary.ttft_s, share.summary.tbt_s) {
        (Some(ttft), Some(tbt)) if share.outputs.len() > 2 => {
            let pace = |&(output, mass): &(f64, f64)| (ttft.mean.value + (output - 1.0) * tbt.mean.value, mass);
            Law::shaped(e2e, &share.outputs.iter().map(pace).collect::<Vec<_>>())
        }
        _ => Law::of(e2e),
    }
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
    let plain: fn(&Share, &Latency) -> Law = |_, latency| Law::of(latency);
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
        ttft_s: mixed(shares, |summary| summary.ttft_s, |share| share.rate, plain),
        tbt_s: mixed(shares, |summary| summary.tbt_s, |share| share.rate * share.gaps, plain),
        e2e_s: mixed(shares, |summary| summary.e2e_s, |share| share.rate, by_outputs),
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

fn mixed(
    shares: &[Share],
    of: fn(&Summary) -> Option<Latency>,
    weight: impl Fn(&Share) -> f64,
    law: fn(&Share, &Latency) -> Law,
) -> Option<Latency> {
    let each = |share: &Share| Some((of(share.summary)?, share.count * weight(share)));
    let parts: Vec<(Latency, f64)> = shares.iter().map(each).collect::<Option<_>>()?;
    let total: f64 = parts.iter().map(|part| part.1).sum();
    let counts = || parts.iter().zip(shares).filter(|(part, _)| part.1 > 0.0);
    let (first, _) = counts().next()?;
    if counts().count() == 1 {
        return Some(first.0);
    }
    let mean = parts.iter().map(|part| part.0.mean.value * part.1).sum::<f64>() / total;
    let method = parts.iter().fold(Method::Exact, |method, part| worse(method, part.0.mean.method));
    let laws: Vec<(Law, f64)> = counts().map(|(part, share)| (law(share, &part.0), part.1 / total)).collect();
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

/// A law by points of its quantile function: the logarithm is taken as piecewise linear in the normal quantile.
pub(super) struct Law {
    /// (normal quantile, ln value), in order.
    nodes: Vec<(f64, f64)>,
}

const KNOWN: [f64; 3] = [0.5, 0.95, 0.99];

impl Law {
    /// Known by its median and two percentiles.
    pub fn of(latency: &Latency) -> Self {
        let values = [latency.p50.value, latency.p95.value, latency.p99.value];
        Self::through(KNOWN.into_iter().zip(values))
    }

    /// The same percentiles, and between them the shape of the values with masses in `shape`.
    pub fn shaped(latency: &Latency, shape: &[(f64, f64)]) -> Self {
        let total: f64 = shape.iter().map(|node| node.1).sum();
        let mut reached = 0.0;
        let points = shape.iter().map(|&(value, mass)| {
            reached += mass / total;
            (reached - 0.5 * mass / total, value)
        });
        let plain = Self::through(points);
        let wanted = [latency.p50.value, latency.p95.value, latency.p99.value];
        let ratios: Vec<(f64, f64)> = KNOWN
            .iter()
            .zip(wanted)
            .map(|(&p, value)| (normal(p), (value / plain.quantile(p)).max(1e-300).ln()))
            .collect();
        let nodes = plain.nodes.iter().map(|&(z, log)| {
            let z_known = z.clamp(ratios[0].0, ratios[2].0);
            (z, log + between(&ratios, z_known))
        });
        Self { nodes: ordered(nodes) }
    }

    fn through(points: impl Iterator<Item = (f64, f64)>) -> Self {
        Self { nodes: ordered(points.map(|(p, value)| (normal(p), value.max(1e-300).ln()))) }
    }

    fn quantile(&self, p: f64) -> f64 {
        between(&self.nodes, normal(p)).exp()
    }

    fn below(&self, x: f64) -> f64 {
        let turned: Vec<(f64, f64)> = self.nodes.iter().map(|&(z, log)| (log, z)).collect();
        Normal::standard().cdf(between(&turned, x.max(1e-300).ln()))
    }
}

fn normal(p: f64) -> f64 {
    Normal::standard().inverse_cdf(p.clamp(1e-9, 1.0 - 1e-9))
}

/// Values that rise by a trifle at least.
fn ordered(nodes: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut last = f64::NEG_INFINITY;
    nodes
        .map(|(z, log)| {
            last = log.max(last + 1e-9);
            (z, last)
        })
        .collect()
}

/// Linear between the nodes, and beyond them as between the outer two.
fn between(nodes: &[(f64, f64)], x: f64) -> f64 {
    let next = nodes.partition_point(|node| node.0 < x).clamp(1, nodes.len() - 1);
    let (from, to) = (nodes[next - 1], nodes[next]);
    from.1 + (to.1 - from.1) * (x - from.0) / (to.0 - from.0)
}
