//! What a routing rule makes of unlike instances: λ* of all of them together from the λ* of each alone.
//!
//! References: Bramson, "Stability of join the shortest queue networks", AAP 2011 (join the shortest queue and power of d).

use crate::scenario::Routing;
use crate::schedule::routing::Router;

/// Requests per second that `each` (how many instances, λ* of one) can take together when every instance serves every request.
///
/// Rules that do not look at the instances send each the same share, so that the slowest is full first. Of d instances drawn at
/// random, a set of k receives at least the share of the draws that lie within it, C(k, d)/C(N, d); every other rule keeps all
/// busy before any of them fills up, and reaches the sum.
#[must_use]
pub fn capacity(rule: Routing, choices: Option<u64>, each: &[(u64, f64)]) -> f64 {
    let count: u64 = each.iter().map(|one| one.0).sum();
    match rule {
        Routing::RoundRobin | Routing::Random => {
            count as f64 * each.iter().map(|one| one.1).fold(f64::INFINITY, f64::min)
        }
        Routing::PowerOfD => of_draws(choices.unwrap_or(Router::CHOICES).clamp(1, count.max(1)), count, each),
        Routing::LeastLoaded | Routing::JoinShortestQueue | Routing::ShortestExpectedDelay | Routing::Milp => {
            each.iter().map(|one| one.0 as f64 * one.1).sum()
        }
    }
}

/// The least of Σ μ·C(N, d)/C(k, d) over the k slowest instances, k from d to N.
fn of_draws(draws: u64, count: u64, each: &[(u64, f64)]) -> f64 {
    let mut slowest = each.to_vec();
    slowest.sort_by(|a, b| a.1.total_cmp(&b.1));
    let speeds = slowest.iter().flat_map(|&(many, speed)| std::iter::repeat_n(speed, many as usize));
    let (mut least, mut sum) = (f64::INFINITY, 0.0);
    for (taken, speed) in (1_u64..).zip(speeds) {
        sum += speed;
        if taken >= draws {
            let share: f64 = (0..draws).map(|one| (taken - one) as f64 / (count - one) as f64).product();
            least = least.min(sum / share);
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn like_instances_add_up_under_every_rule() {
        for rule in [
            Routing::RoundRobin,
            Routing::Random,
            Routing::LeastLoaded,
            Routing::JoinShortestQueue,
            Routing::PowerOfD,
            Routing::ShortestExpectedDelay,
            Routing::Milp,
        ] {
            assert_relative_eq!(capacity(rule, None, &[(2, 3.0), (3, 3.0)]), 15.0, max_relative = 1e-12);
        }
    }

    /// Two slow instances of 1 and two fast ones of 10. Of two draws both are slow in one of six.
    #[test]
    fn unlike_instances_depend_on_the_rule() {
        let each = [(2, 10.0), (2, 1.0)];
        let of = |rule, choices| capacity(rule, choices, &each);
        assert_relative_eq!(of(Routing::RoundRobin, None), 4.0);
        assert_relative_eq!(of(Routing::JoinShortestQueue, None), 22.0);
        assert_relative_eq!(of(Routing::PowerOfD, None), 12.0, max_relative = 1e-12);
        assert_relative_eq!(of(Routing::PowerOfD, Some(1)), 4.0, max_relative = 1e-12);
        assert_relative_eq!(of(Routing::PowerOfD, Some(9)), 22.0, max_relative = 1e-12);
    }
}
