//! M/D/1: Poisson arrivals, constant service, one server, first come, first served.
//!
//! The law of the wait (Erlang 1909; Crommelin 1932, Post Office Electrical Engineers' Journal 25:41–50) is usually written as an
//! alternating sum that loses all its digits before it overflows. Here it stands as a sum of positive terms (Franx 2001, Operations Research
//! Letters 29:221–229): for (k−1)D ≤ x < kD and y = λ(kD − x),
//! P(Wq > x) = Σⱼ e^{−y}yʲ/j! · P(L > k − j), and the tail T(n) = P(L > n) of the number in system follows from
//! e^{−ρ}T(n) = Σ_{j>n} āⱼ + (1 − ρ)āₙ + Σ_{j=1..n} āⱼT(n−j), āⱼ = P(Poisson(ρ) > j), where again every term is positive:
//! all digits hold at any load and any depth of the tail.

use crate::queueing::error::{QueueError, positive, probability_below_one};
use crate::queueing::general::Mg1;
use crate::queueing::root::time_at_level;

/// A Poisson law with a mean below 1 is over behind this many terms (1/40! = 1e-48).
const POISSON: usize = 40;
/// From here on the tail is geometric to the last digit: the next zero of z = e^{ρ(z−1)} lies at |z| ≥ 8 as the first nears 1.
const TAILS: usize = 200;

/// A stable M/D/1 queue.
///
/// ```
/// use fluidsim::queueing::general::Md1;
/// let queue = Md1::new(0.9, 1.0)?;
/// // By Crommelin's series with 60 digits.
/// assert!((queue.wait_quantile_s(0.99)? - 21.8982373495).abs() < 1e-9);
/// assert!((queue.wait_cdf(5.0) - 0.668709150508).abs() < 1e-11);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Md1 {
    moments: Mg1,
    service_s: f64,
    /// P(L > n) for n = 0, 1, …
    tails: Vec<f64>,
    /// ln of the ratio of the last two.
    log_ratio: f64,
}

impl Md1 {
    /// The queue with arrival rate λ per second and services of `service_s` each.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] with growth λ − 1/D when ρ ≥ 1; [`QueueError::Parameter`] for a value out of range.
    pub fn new(arrivals_per_s: f64, service_s: f64) -> Result<Self, QueueError> {
        positive("service_s", service_s)?;
        let moments = Mg1::from_variance(arrivals_per_s, service_s, 0.0)?;
        let tails = tails_in_system(moments.utilization());
        let last = tails.len() - 1;
        let log_ratio = (tails[last] / tails[last - 1]).ln();
        Ok(Self { moments, service_s, tails, log_ratio })
    }

    /// ρ = λD.
    ///
    /// ```
    /// # use fluidsim::queueing::general::Md1;
    /// let queue = Md1::new(0.5, 1.0)?;
    /// // λD.
    /// assert!((queue.utilization() - 0.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn utilization(&self) -> f64 {
        self.moments.utilization()
    }

    /// Wq = ρD/(2(1−ρ)), seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::general::Md1;
    /// let queue = Md1::new(0.5, 1.0)?;
    /// // .5/(2·.5).
    /// assert!((queue.mean_wait_s() - 0.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_wait_s(&self) -> f64 {
        self.moments.mean_wait_s()
    }

    /// W = Wq + D, seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::general::Md1;
    /// let queue = Md1::new(0.5, 1.0)?;
    /// // Wq + D.
    /// assert!((queue.mean_sojourn_s() - 1.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sojourn_s(&self) -> f64 {
        self.moments.mean_sojourn_s()
    }

    /// Lq = λWq.
    ///
    /// ```
    /// # use fluidsim::queueing::general::Md1;
    /// let queue = Md1::new(0.5, 1.0)?;
    /// // λWq.
    /// assert!((queue.mean_waiting() - 0.25).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_waiting(&self) -> f64 {
        self.moments.mean_waiting()
    }

    /// L = λW.
    ///
    /// ```
    /// # use fluidsim::queueing::general::Md1;
    /// let queue = Md1::new(0.5, 1.0)?;
    /// // λW.
    /// assert!((queue.mean_in_system() - 0.75).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_in_system(&self) -> f64 {
        self.moments.mean_in_system()
    }

    /// P(Wq > 0) = ρ.
    ///
    /// ```
    /// # use fluidsim::queueing::general::Md1;
    /// let queue = Md1::new(0.5, 1.0)?;
    /// // ρ.
    /// assert!((queue.wait_probability() - 0.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_probability(&self) -> f64 {
        self.utilization()
    }

    /// P(L > n), the share of time with more than `n` in system.
    ///
    /// ```
    /// # use fluidsim::queueing::general::Md1;
    /// let queue = Md1::new(0.5, 1.0)?;
    /// // ρ.
    /// assert!((queue.probability_above(0) - 0.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn probability_above(&self, n: u64) -> f64 {
        let last = self.tails.len() - 1;
        if n <= last as u64 || self.tails[last] == 0.0 {
            return self.tails[last.min(n as usize)];
        }
        self.tails[last] * (self.log_ratio * (n - last as u64) as f64).exp()
    }

    /// P(L = n).
    ///
    /// ```
    /// # use fluidsim::queueing::general::Md1;
    /// let queue = Md1::new(0.5, 1.0)?;
    /// // 1 − ρ.
    /// assert!((queue.probability(0) - 0.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn probability(&self, n: u64) -> f64 {
        let above_one_less = if n == 0 { 1.0 } else { self.probability_above(n - 1) };
        above_one_less - self.probability_above(n)
    }

    /// P(Wq ≤ t), `t_s` in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::general::Md1;
    /// let queue = Md1::new(0.5, 1.0)?;
    /// // Crommelin's series at 60 digits.
    /// assert!((queue.wait_cdf(1.0) - 0.82436063535).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_cdf(&self, t_s: f64) -> f64 {
        1.0 - self.wait_survival(t_s)
    }

    /// P(Wq > t), `t_s` in seconds, without loss of digits in the tail.
    ///
    /// ```
    /// # use fluidsim::queueing::general::Md1;
    /// let queue = Md1::new(0.5, 1.0)?;
    /// // Crommelin's series at 60 digits.
    /// assert!((queue.wait_survival(5.0) - (1.0 - 0.998764270269)).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_survival(&self, t_s: f64) -> f64 {
        if t_s.is_nan() || t_s < 0.0 {
            return 1.0;
        }
        let services = t_s / self.service_s;
        let k = services.floor() + 1.0;
        let y = self.utilization() * (k - services);
        let mut weight = (-y).exp();
        let mut sum = 0.0;
        for j in 0..POISSON {
            let left = k - j as f64;
            sum += weight * if left < 0.5 { 1.0 } else { self.probability_above(left as u64) };
            weight *= y / (j + 1) as f64;
        }
        sum
    }

    /// The `p` quantile of the wait, seconds; 0 for p ≤ 1 − ρ.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless 0 ≤ p < 1.
    ///
    /// ```
    /// # use fluidsim::queueing::general::Md1;
    /// let queue = Md1::new(0.5, 1.0)?;
    /// // Crommelin's series at 60 digits.
    /// assert!((queue.wait_quantile_s(0.95)? - 2.0506384073).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_quantile_s(&self, p: f64) -> Result<f64, QueueError> {
        let beyond = 1.0 - probability_below_one("p", p)?;
        if beyond >= self.utilization() {
            return Ok(0.0);
        }
        Ok(time_at_level(&|t| self.wait_survival(t), beyond, self.service_s))
    }

    /// The `p` quantile of the time in system: D behind that of the wait, seconds.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless 0 ≤ p < 1.
    ///
    /// ```
    /// # use fluidsim::queueing::general::Md1;
    /// let queue = Md1::new(0.5, 1.0)?;
    /// // P(Wq ≤ t) = ½e^(t/2) up to t = D.
    /// assert!((queue.sojourn_quantile_s(0.75)? - (1.0 + 2.0 * 1.5f64.ln())).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn sojourn_quantile_s(&self, p: f64) -> Result<f64, QueueError> {
        Ok(self.service_s + self.wait_quantile_s(p)?)
    }
}

/// P(L > n) by the recursion of the module, at least two values.
fn tails_in_system(utilization: f64) -> Vec<f64> {
    let mut poisson = vec![(-utilization).exp()];
    for j in 1..=POISSON {
        poisson.push(poisson[j - 1] * utilization / j as f64);
    }
    // ā and its tails, summed from the small end.
    let mut above = vec![0.0; POISSON + 1];
    let mut above_that = vec![0.0; POISSON + 1];
    for j in (0..POISSON).rev() {
        above[j] = above[j + 1] + poisson[j + 1];
        above_that[j] = above_that[j + 1] + above[j + 1];
    }
    let mut tails: Vec<f64> = Vec::with_capacity(TAILS);
    for n in 0..TAILS {
        let free = if n <= POISSON { above_that[n] + (1.0 - utilization) * above[n] } else { 0.0 };
        let behind: f64 = (1..=n.min(POISSON)).map(|j| above[j] * tails[n - j]).sum();
        tails.push((free + behind) / poisson[0]);
        if n > 0 && tails[n] < 1e-280 {
            break;
        }
    }
    tails
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    /// D = 1: ρ, P(Wq = 0), P(Wq ≤ 1), P(Wq ≤ 5), p50, p90, p95, p99, by Crommelin's series with 60 digits.
    const TABLE: [[f64; 8]; 3] = [
        [0.5, 0.5, 0.82436063535, 0.998764270269, 0.0, 1.51574484138, 2.0506384073, 3.336255957],
        [0.7, 0.3, 0.604125812241, 0.972724036912, 0.729750891094, 3.07708687311, 4.1028979645, 6.48549942896],
        [0.9, 0.1, 0.245960311116, 0.668709150508, 3.01304751931, 10.782504956, 14.1286738302, 21.8982373495],
    ];

    #[test]
    fn the_table_is_met() {
        for row in TABLE {
            let queue = Md1::new(row[0], 1.0).unwrap();
            for (t, expected) in [0.0, 1.0, 5.0].into_iter().zip(&row[1..4]) {
                assert_relative_eq!(queue.wait_cdf(t), *expected, max_relative = 1e-10);
            }
            for (p, expected) in [0.5, 0.9, 0.95, 0.99].into_iter().zip(&row[4..]) {
                let found = queue.wait_quantile_s(p).unwrap();
                assert!((found - expected).abs() <= 1e-10 * expected, "{} {p}: {found}", row[0]);
            }
        }
    }

    /// Crommelin's series with 60 to 5500 digits by mpmath: ρ, p50, p99, p99.99.
    const HEAVY: [[f64; 4]; 3] = [
        [0.01, 0.0, 0.0, 0.995_033_085_316_809_3],
        [0.9, 3.0130475193115594, 21.898237349540113, 44.129_702_136_699_03],
        [0.99, 34.208_115_268_840_78, 229.15507815438103, 458.6434886478117],
    ];

    #[test]
    fn digits_hold_near_saturation_and_deep_in_the_tail() {
        for row in HEAVY {
            let queue = Md1::new(row[0], 1.0).unwrap();
            for (p, expected) in [0.5, 0.99, 0.9999].into_iter().zip(&row[1..]) {
                assert_relative_eq!(queue.wait_quantile_s(p).unwrap(), *expected, max_relative = 1e-10);
            }
        }
    }

    #[test]
    fn the_law_has_the_mean_of_pollaczek_and_khinchine() {
        for utilization in [0.05, 0.4, 0.8, 0.9] {
            let queue = Md1::new(utilization / 2.0, 2.0).unwrap();
            // L = Σ P(L > n); the wait by Simpson within each service time, where its law is smooth.
            let in_system: f64 = (0..400).map(|n| queue.probability_above(n)).sum();
            assert_relative_eq!(in_system, queue.mean_in_system(), max_relative = 1e-11);
            let cells = 100;
            let wait: f64 = (0..200 * cells)
                .map(|i| {
                    let at = |part: f64| queue.wait_survival((f64::from(i) + part) * 2.0 / f64::from(cells));
                    (at(1e-12) + 4.0 * at(0.5) + at(1.0 - 1e-9)) / 6.0 * 2.0 / f64::from(cells)
                })
                .sum();
            assert_relative_eq!(wait, queue.mean_wait_s(), max_relative = 1e-8);
            assert_relative_eq!(queue.probability(0), 1.0 - utilization, max_relative = 1e-13);
        }
    }

    #[test]
    fn nearly_saturated_the_wait_is_exponential() {
        let queue = Md1::new(1.0 - 1e-6, 1.0).unwrap();
        let tail = 100.0f64.ln() / 2e-6;
        assert_relative_eq!(queue.wait_quantile_s(0.99).unwrap(), tail, max_relative = 1e-5);
    }

    #[test]
    fn an_idle_queue_never_waits() {
        let queue = Md1::new(0.0, 1.0).unwrap();
        assert_eq!((queue.wait_cdf(0.0), queue.wait_quantile_s(0.99).unwrap()), (1.0, 0.0));
        assert_eq!((queue.probability(0), queue.probability(1), queue.probability(9)), (1.0, 0.0, 0.0));
        assert_eq!(queue.sojourn_quantile_s(0.5), Ok(1.0));
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        assert_eq!(Md1::new(2.0, 1.0), Err(QueueError::Unstable { growth_per_s: 1.0 }));
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(Md1::new(bad, 1.0), Err(QueueError::Parameter { .. })));
            assert!(matches!(Md1::new(0.5, bad), Err(QueueError::Parameter { .. })));
        }
        assert!(Md1::new(0.5, 1.0).unwrap().wait_quantile_s(1.0).is_err());
    }
}
