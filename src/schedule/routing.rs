//! Which instance a request goes to, from what a router may see of each. Unknown output lengths stay unknown: work outstanding
//! is what the runner counts for it.
//!
//! References: Winston, "Optimality of the shortest line discipline", 1977 (join the shortest queue); Mitzenmacher, "The power
//! of two choices in randomized load balancing", IEEE TPDS 2001; Weber, "On the optimal assignment of customers to parallel
//! servers", 1978 (shortest expected delay).

use rand::{Rng, RngExt};

use crate::scenario::Routing;

/// What a router sees of one instance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Requests in it or on their way to it: waiting, resident and preempted.
    pub requests: i64,
    /// Tokens that these requests have still to be processed for.
    pub outstanding_tokens: i64,
    /// Seconds of its time that one token takes when it is full; only ratios between instances matter.
    pub s_per_token: f64,
    /// Whether it serves the model that the request asks for.
    pub serves: bool,
}

/// A routing rule with its memory. Deciding allocates nothing.
#[derive(Debug, Clone)]
pub struct Router {
    rule: Routing,
    choices: usize,
    /// By instance: the number of the last decision for it.
    chosen: Vec<u64>,
    decisions: u64,
    candidates: Vec<usize>,
}

impl Router {
    /// Instances that `power-of-d` looks at when the scenario does not say.
    pub const CHOICES: u64 = 2;

    /// The rule over so many instances; `choices` is d of `power-of-d`.
    #[must_use]
    pub fn new(rule: Routing, choices: Option<u64>, instances: usize) -> Self {
        Self {
            rule,
            choices: choices.unwrap_or(Self::CHOICES).max(1) as usize,
            chosen: vec![0; instances],
            decisions: 0,
            candidates: Vec::with_capacity(instances),
        }
    }

    /// The instance for a request of `tokens` tokens of work; none when no instance serves it. Ties go to the first instance.
    ///
    /// `milp` assigns batches by [`super::assignment::assign_seen`]; for a request alone shortest expected delay is an optimum of
    /// the same objective.
    pub fn choose(&mut self, instances: &[View], tokens: i64, rng: &mut impl Rng) -> Option<usize> {
        debug_assert_eq!(instances.len(), self.chosen.len());
        let serving = || instances.iter().enumerate().filter(|(_, view)| view.serves);
        let choice = match self.rule {
            Routing::RoundRobin => serving().min_by_key(|(index, _)| self.chosen[*index]).map(|(index, _)| index),
            Routing::Random => random(instances, rng),
            Routing::LeastLoaded => serving().min_by_key(|(_, view)| view.outstanding_tokens).map(|(index, _)| index),
            Routing::JoinShortestQueue => serving().min_by_key(|(_, view)| view.requests).map(|(index, _)| index),
            Routing::PowerOfD => self.shortest_of_some(instances, rng),
            Routing::ShortestExpectedDelay | Routing::Milp => {
                let delay = |view: &View| (view.outstanding_tokens + tokens) as f64 * view.s_per_token;
                serving().min_by(|(_, left), (_, right)| delay(left).total_cmp(&delay(right))).map(|(index, _)| index)
            }
        };
        if let Some(index) = choice {
            self.decisions += 1;
            self.chosen[index] = self.decisions;
        }
        choice
    }

    /// The shortest queue of d different instances drawn at random, the first drawn of several.
    fn shortest_of_some(&mut self, instances: &[View], rng: &mut impl Rng) -> Option<usize> {
        self.candidates.clear();
        self.candidates.extend((0..instances.len()).filter(|&index| instances[index].serves));
        let candidates = &mut self.candidates;
        let looks = self.choices.min(candidates.len());
        for place in 0..looks {
            let drawn = rng.random_range(place..candidates.len());
            candidates.swap(place, drawn);
        }
        candidates[..looks].iter().copied().min_by_key(|&index| instances[index].requests)
    }
}

/// One of those that serve the request, each as likely as another.
fn random(instances: &[View], rng: &mut impl Rng) -> Option<usize> {
    let serving = instances.iter().filter(|view| view.serves).count();
    if serving == 0 {
        return None;
    }
    let rank = rng.random_range(0..serving);
    instances.iter().enumerate().filter(|(_, view)| view.serves).nth(rank).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const RULES: [Routing; 7] = [
        Routing::RoundRobin,
        Routing::Random,
        Routing::LeastLoaded,
        Routing::JoinShortestQueue,
        Routing::PowerOfD,
        Routing::ShortestExpectedDelay,
        Routing::Milp,
    ];

    fn view(requests: i64, outstanding_tokens: i64) -> View {
        View { requests, outstanding_tokens, s_per_token: 1.0, serves: true }
    }

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(7)
    }

    fn choose(rule: Routing, instances: &[View]) -> Option<usize> {
        Router::new(rule, None, instances.len()).choose(instances, 100, &mut rng())
    }

    #[test]
    fn round_robin_takes_turns_among_those_that_serve() {
        let mut router = Router::new(Routing::RoundRobin, None, 4);
        let mut rng = rng();
        // Two models on two instances each: neither model's turns disturb the other's.
        let serve = |pair: usize| [0, 1, 2, 3].map(|index| View { serves: index / 2 == pair, ..view(0, 0) });
        let turns: Vec<_> = (0..8).map(|turn| router.choose(&serve(turn % 2), 1, &mut rng).unwrap()).collect();
        assert_eq!(turns, [0, 2, 1, 3, 0, 2, 1, 3]);
    }

    #[test]
    fn the_shortest_queue_and_the_least_load_are_the_first_of_several() {
        let instances = [view(3, 10), view(2, 40), view(2, 10), view(9, 9), view(9, 9)];
        assert_eq!(choose(Routing::JoinShortestQueue, &instances), Some(1));
        assert_eq!(choose(Routing::LeastLoaded, &instances), Some(3));
    }

    #[test]
    fn expected_delay_counts_the_request_and_the_speed() {
        let slow = View { s_per_token: 4.0, ..view(0, 0) };
        let fast = view(5, 250);
        // 4·100 against 250 + 100; then 4·80 against 250 + 80.
        let mut router = Router::new(Routing::ShortestExpectedDelay, None, 2);
        assert_eq!(router.choose(&[slow, fast], 100, &mut rng()), Some(1));
        assert_eq!(router.choose(&[slow, fast], 80, &mut rng()), Some(0));
    }

    #[test]
    fn nobody_is_chosen_who_does_not_serve() {
        let instances = [View { serves: false, ..view(0, 0) }, view(9, 900), View { serves: false, ..view(0, 0) }];
        let none = instances.map(|view| View { serves: false, ..view });
        for rule in RULES {
            assert_eq!(choose(rule, &instances), Some(1), "{rule:?}");
            assert_eq!(choose(rule, &none), None, "{rule:?}");
        }
    }

    /// Of n queues of different lengths the k-th shortest is taken with probability C(n − k, d − 1)/C(n, d).
    #[test]
    fn power_of_d_takes_the_shortest_of_d_different_ones() {
        let instances = [4, 0, 3, 1, 2].map(|requests| view(requests, 0));
        let mut router = Router::new(Routing::PowerOfD, Some(3), 5);
        let mut rng = rng();
        let mut counts = [0_u32; 5];
        for _ in 0..20_000 {
            let index = router.choose(&instances, 1, &mut rng).unwrap();
            counts[instances[index].requests as usize] += 1;
        }
        for (count, probability) in counts.into_iter().zip([0.6, 0.3, 0.1, 0.0, 0.0]) {
            let variance: f64 = 20_000.0 * probability * (1.0 - probability);
            assert!((f64::from(count) - 20_000.0 * probability).abs() <= 4.0 * variance.sqrt(), "{counts:?}");
        }
    }

    #[test]
    fn all_choices_are_the_shortest_queue_and_one_is_random() {
        let instances = [4, 2, 3, 1].map(|requests| view(requests, 0));
        let mut all = Router::new(Routing::PowerOfD, Some(99), 4);
        assert_eq!(all.choose(&instances, 1, &mut rng()), Some(3));
        let mut one = Router::new(Routing::PowerOfD, Some(1), 4);
        let mut any = Router::new(Routing::Random, None, 4);
        let (mut left, mut right) = (rng(), rng());
        let mut seen = [0; 4];
        for _ in 0..400 {
            seen[one.choose(&instances, 1, &mut left).unwrap()] += 1;
            seen[any.choose(&instances, 1, &mut right).unwrap()] += 1;
        }
        assert!(seen.iter().all(|&count| count > 130), "{seen:?}");
    }

    #[test]
    fn the_same_stream_gives_the_same_choices() {
        for rule in RULES {
            let run = || {
                let mut router = Router::new(rule, None, 6);
                let mut rng = rng();
                let views = [5, 1, 4, 4, 1, 0].map(|requests| view(requests, 10 * requests));
                (0..50).map(|_| router.choose(&views, 30, &mut rng)).collect::<Vec<_>>()
            };
            assert_eq!(run(), run());
        }
    }
}
