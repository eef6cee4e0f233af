//! M/M/c: Poisson arrivals, exponential service, c servers, one queue, first come first served.
//!
//! Offered load a = λ/μ. Erlang B by B₀ = 1, B_k = aB_{k−1}/(k + aB_{k−1}); Erlang C = B/(1 − (a/c)(1 − B));
//! Wq = C/(cμ − λ); given that one waits, the wait is exponential with rate cμ − λ. Kleinrock (1975), *Queueing
//! Systems* vol. 1, §3.5; Jagers and van Doorn (1986), Operations Research Letters 5:183–184, for the recursion.

use crate::queueing::error::{QueueError, not_negative, positive};

/// Erlang's loss probability B(c, a) for `servers` c and offered load a in erlangs.
///
/// # Errors
/// [`QueueError::Parameter`] for a load that is negative or not finite.
pub fn erlang_b(servers: u64, load: f64) -> Result<f64, QueueError> {
    not_negative("load", load)?;
    Ok((1..=servers).fold(1.0, |blocked, k| load * blocked / (k as f64 + load * blocked)))
}

/// Erlang's delay probability C(c, a): the share of arrivals that wait.
///
/// # Errors
/// [`QueueError::Parameter`] for a load that is negative, not finite, or not below the number of servers.
pub fn erlang_c(servers: u64, load: f64) -> Result<f64, QueueError> {
    let blocked = erlang_b(servers, load)?;
    if load >= servers as f64 {
        return Err(QueueError::Parameter { name: "load", value: load, must: "below the number of servers" });
    }
    Ok(blocked / (1.0 - load / servers as f64 * (1.0 - blocked)))
}

/// A stable M/M/c queue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mmc {
    arrivals_per_s: f64,
    services_per_s: f64,
    spare_per_s: f64,
    delay_probability: f64,
}

impl Mmc {
    /// The queue with arrival rate λ and `servers` servers of rate μ each, per second.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] with growth λ − cμ when λ ≥ cμ; [`QueueError::Parameter`] for a value out of range.
    pub fn new(arrivals_per_s: f64, services_per_s: f64, servers: u64) -> Result<Self, QueueError> {
        not_negative("arrivals_per_s", arrivals_per_s)?;
        positive("services_per_s", services_per_s)?;
        positive("servers", servers as f64)?;
        let spare_per_s = servers as f64 * services_per_s - arrivals_per_s;
        if spare_per_s <= 0.0 {
            return Err(QueueError::Unstable { growth_per_s: -spare_per_s });
        }
        let delay_probability = erlang_c(servers, arrivals_per_s / services_per_s)?;
        Ok(Self { arrivals_per_s, services_per_s, spare_per_s, delay_probability })
    }

    /// C(c, a), the share of arrivals that wait.
    pub fn delay_probability(&self) -> f64 {
        self.delay_probability
    }

    /// Wq = C/(cμ − λ), mean wait in seconds.
    pub fn mean_wait_s(&self) -> f64 {
        self.delay_probability / self.spare_per_s
    }

    /// W = Wq + 1/μ, mean time in system in seconds.
    pub fn mean_sojourn_s(&self) -> f64 {
        self.mean_wait_s() + 1.0 / self.services_per_s
    }

    /// Lq = λWq, mean number waiting.
    pub fn mean_waiting(&self) -> f64 {
        self.arrivals_per_s * self.mean_wait_s()
    }

    /// L = λW, mean number in system.
    pub fn mean_in_system(&self) -> f64 {
        self.arrivals_per_s * self.mean_sojourn_s()
    }

    /// The `p` quantile of the wait, max(0, ln(C/(1−p))/(cμ−λ)), in seconds; 0 ≤ p < 1.
    pub fn wait_quantile_s(&self, p: f64) -> f64 {
        ((self.delay_probability.ln() - (-p).ln_1p()) / self.spare_per_s).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::markov::Mm1;
    use approx::assert_relative_eq;

    /// μ = 1: c, a, B, C, Lq, Wq, W, p95 Wq, p99 Wq, by the formulas of the module evaluated with mpmath to 12 digits.
    #[rustfmt::skip]
    const TABLE: [[f64; 9]; 14] = [
        [1.0, 0.8, 0.444444444444, 0.8, 3.2, 4.0, 5.0, 13.8629436112, 21.9101331734],
        [2.0, 1.0, 0.2, 0.333333333333, 0.333333333333, 0.333333333333, 1.33333333333, 1.89711998489, 3.50655789732],
        [3.0, 2.0, 0.210526315789, 0.444444444444, 0.888888888889, 0.444444444444, 1.44444444444, 2.18480205734, 3.79423996977],
        [3.0, 2.4, 0.268406337372, 0.647191011236, 2.58876404494, 1.07865168539, 2.07865168539, 4.26769745254, 6.95009397326],
        [4.0, 3.0, 0.206106870229, 0.509433962264, 1.52830188679, 0.509433962264, 1.50943396226, 2.32127722601, 3.93071513844],
        [5.0, 4.5, 0.243021001815, 0.762493220733, 6.8624389866, 1.52498644147, 2.52498644147, 5.44914122434, 8.66801704921],
        [8.0, 6.4, 0.144393889853, 0.457644925442, 1.83057970177, 0.286028078401, 1.2860280784, 1.38379412878, 2.38969282405],
        [10.0, 6.0, 0.0431418384104, 0.101299242687, 0.151948864031, 0.0253248106719, 1.02532481067, 0.176513982465, 0.578873460574],
        [10.0, 9.0, 0.167963226292, 0.668731524108, 6.01858371697, 0.668731524108, 1.66873152411, 2.5933596649, 4.20279757733],
        [20.0, 18.0, 0.109212845873, 0.550769004816, 4.95692104335, 0.275384502408, 1.27538450241, 1.19964624341, 2.00436519962],
        [50.0, 45.0, 0.0541044721646, 0.363864467207, 3.27478020486, 0.0727728934414, 1.07277289344, 0.396951690007, 0.718839272494],
        [100.0, 95.0, 0.0488042061787, 0.506456853913, 9.62268022435, 0.101291370783, 1.10129137078, 0.463083225972, 0.784970808459],
        [200.0, 190.0, 0.0279681644587, 0.365263856563, 6.94001327469, 0.0365263856563, 1.03652638566, 0.198859698168, 0.359803489412],
        [500.0, 480.0, 0.0143257807224, 0.266512519962, 6.3963004791, 0.0133256259981, 1.013325626, 0.0836699108148, 0.164141806436],
    ];

    #[test]
    fn the_table_is_met() {
        for row in TABLE {
            let (servers, load) = (row[0] as u64, row[1]);
            let queue = Mmc::new(load, 1.0, servers).unwrap();
            let found = [
                erlang_b(servers, load).unwrap(),
                queue.delay_probability(),
                queue.mean_waiting(),
                queue.mean_wait_s(),
                queue.mean_sojourn_s(),
                queue.wait_quantile_s(0.95),
                queue.wait_quantile_s(0.99),
            ];
            for (value, expected) in found.into_iter().zip(&row[2..]) {
                assert_relative_eq!(value, *expected, max_relative = 1e-10);
            }
        }
    }

    #[test]
    fn one_server_is_mm1() {
        let (many, one) = (Mmc::new(1.4, 2.0, 1).unwrap(), Mm1::new(1.4, 2.0).unwrap());
        assert_relative_eq!(many.mean_in_system(), one.mean_in_system(), max_relative = 1e-13);
        assert_relative_eq!(many.wait_quantile_s(0.9), one.wait_quantile_s(0.9), max_relative = 1e-13);
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        assert_eq!(Mmc::new(5.0, 2.0, 2), Err(QueueError::Unstable { growth_per_s: 1.0 }));
        assert!(matches!(Mmc::new(1.0, 2.0, 0), Err(QueueError::Parameter { name: "servers", .. })));
        assert!(matches!(erlang_c(3, 3.0), Err(QueueError::Parameter { name: "load", .. })));
        assert_eq!(erlang_b(0, 2.0), Ok(1.0));
    }
}
