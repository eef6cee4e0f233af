//! One run out of those of the instances of a cluster.
//!
//! A window of the cluster adds up those of its instances. Each begins and ends at the first boundary of its instance at or after the
//! edge; the window of the cluster begins and ends at the mean of these times.

use super::super::instance::Watch;
use super::super::record::{Run, Sample, Totals, Window, Work};
use super::node::Node;
use crate::scenario::Time;

/// `between` are the arrival times of the `unrouted` requests that are in no instance; `unrouted_arrivals` of them were never in one.
pub(super) fn runs(
    mut nodes: Vec<Node>,
    between: &[i128],
    unrouted: u64,
    unrouted_arrivals: u64,
    watch: &mut Watch<'_>,
) -> Run {
    let in_system: u64 = nodes.iter_mut().map(|node| node.instance.close(watch)).sum();
    let instances = nodes.len() as u64;
    let end = nodes.iter().map(|node| node.instance.now).max().unwrap_or(0);
    let last_completion = nodes.iter().map(|node| node.instance.log.last_completion).max().unwrap_or(0);
    let mut totals = nodes.iter().fold(Totals::default(), |sum, node| sum.plus(&node.instance.log.totals));
    totals.arrived += unrouted_arrivals;
    let work = nodes.iter().fold(Work::default(), |sum, node| Work {
        leaps: sum.leaps + node.instance.work.leaps,
        heap: sum.heap + node.instance.work.heap,
        looks: sum.looks + node.instance.work.looks,
    });
    let samples = samples(&nodes);
    let edges = nodes[0].instance.log.edges().to_vec();
    let mut windows = windows(nodes);
    for time in between {
        if let Some(window) = edges.partition_point(|edge| edge.0 <= *time).checked_sub(1)
            && let Some(window) = windows.get_mut(window)
        {
            window.censored += 1;
        }
    }
    Run {
        windows,
        samples,
        totals,
        end: Time(end),
        last_completion: Time(last_completion),
        in_system: in_system + unrouted,
        instances,
        work,
    }
}

fn samples(nodes: &[Node]) -> Vec<Sample> {
    let mut merged: Vec<Sample> = nodes[0].instance.log.samples.clone();
    for node in &nodes[1..] {
        merged.truncate(node.instance.log.samples.len());
        for (sum, sample) in merged.iter_mut().zip(&node.instance.log.samples) {
            sum.time = sum.time.max(sample.time);
            sum.waiting += sample.waiting;
            sum.running += sample.running;
            sum.swapped += sample.swapped;
            sum.kv_tokens += sample.kv_tokens;
            sum.totals = sum.totals.plus(&sample.totals);
        }
    }
    merged
}

fn windows(nodes: Vec<Node>) -> Vec<Window> {
    let count = nodes.len() as i128;
    let mut instances = nodes.into_iter().map(|node| node.instance.log.windows);
    let mut merged = instances.next().unwrap_or_default();
    for windows in instances {
        for (sum, window) in merged.iter_mut().zip(&windows) {
            add(sum, window);
        }
    }
    for window in &mut merged {
        window.start = Time(window.start.0 / count);
        window.end = Time(window.end.0 / count);
    }
    merged
}

fn add(sum: &mut Window, window: &Window) {
    sum.start += window.start;
    sum.end += window.end;
    sum.totals = sum.totals.plus(&window.totals);
    sum.in_system_at_start += window.in_system_at_start;
    sum.in_system_at_end += window.in_system_at_end;
    sum.ttft.merge(&window.ttft);
    sum.e2e.merge(&window.e2e);
    sum.gaps.merge(&window.gaps);
    sum.censored += window.censored;
    for (total, tally) in sum.classes.iter_mut().zip(&window.classes) {
        total.completed += tally.completed;
        total.attained += tally.attained;
        total.ttft += tally.ttft;
        total.e2e += tally.e2e;
        total.e2e_per_token += tally.e2e_per_token;
    }
}
