//! The path of replicas and groups in time: the sum of the paths of its instances, each under its share of the traffic and of the backlog.

use super::super::path::{Path, PathError, PathOptions, trajectory as of_one};
use super::part::Stage;
use super::pool::Pool;
use super::replicas;
use super::split;
use crate::scenario::{Cluster, Scenario};

/// # Errors
/// Pools behind one another and pools of GPUs have no path; the others as for one instance.
pub(in super::super) fn trajectory(
    scenario: &Scenario,
    cluster: &Cluster,
    options: &PathOptions,
) -> Result<Path, PathError> {
    if cluster.gpus.is_some() || cluster.prefill.is_some() {
        let what = if cluster.gpus.is_some() { "a pool of GPUs" } else { "a prefill pool before a decode pool" };
        return Err(PathError::Cluster { what });
    }
    let parts = replicas::parts(scenario, cluster, Stage::Whole);
    let pool = Pool::new(parts, cluster, cluster.routing, &scenario.workload);
    let capacity = pool.capacity();
    let rate = scenario.workload.rate();
    let rates = split::given(&pool, &capacity, rate).into_iter().map(|given| given.rate);
    let mut sum = Path::default();
    for ((part, mix), own) in pool.parts.iter().zip(&capacity.mixes).zip(rates) {
        let mut one = part.under(mix).scenario;
        one.workload.rate_per_s = Some(own.max(f64::MIN_POSITIVE));
        let path = of_one(&one, &PathOptions { backlog: options.backlog * own / rate, ..*options })?;
        add(&mut sum, &path, part.count as f64);
    }
    Ok(sum)
}

fn add(sum: &mut Path, path: &Path, count: f64) {
    if sum.points.is_empty() {
        sum.points.clone_from(&path.points);
        for point in &mut sum.points {
            (point.waiting, point.running, point.swapped, point.kv_tokens, point.throughput_per_s) =
                (0.0, 0.0, 0.0, 0.0, 0.0);
        }
    }
    for (total, point) in sum.points.iter_mut().zip(&path.points) {
        total.waiting += count * point.waiting;
        total.running += count * point.running;
        total.swapped += count * point.swapped;
        total.kv_tokens += count * point.kv_tokens;
        total.throughput_per_s += count * point.throughput_per_s;
        // The longest iteration of all instances.
        total.step_s = total.step_s.max(point.step_s);
    }
}
