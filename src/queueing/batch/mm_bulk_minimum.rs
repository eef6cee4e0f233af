//! M/M^\[a,b\]/1, Neuts' general bulk service rule: the server waits until a are there and takes up to b.
//!
//! With the r of M/M^\[1,b\]/1: busy with n waiting P_n = P_0 rⁿ; idle with n < a waiting p_n = (μ/λ)P_0(1 − r^(n+1))/(1 − r).
//! Neuts (1967), Annals of Mathematical Statistics 38:759–770; Medhi (2003), *Stochastic Models in Queueing Theory*,
//! 2nd ed., §4.3.

use crate::queueing::error::{QueueError, not_negative, positive};

/// A stable M/M^\[a,b\]/1 queue.
///
/// λ = 2, μ = 1, a = b = 1 is M/M/1 at half of μ = 4; Lq = ρ²/(1 − ρ) = ½:
/// ```
/// # fn main() -> Result<(), fluidsim::queueing::QueueError> {
/// use fluidsim::queueing::batch::MmBulkMinimum;
/// let queue = MmBulkMinimum::new(2.0, 4.0, 1, 1)?;
/// assert!((queue.mean_waiting() - 0.5).abs() < 1e-12);
/// // λ = 1.5, μ = 1, batches of 2 and 3, from the balance equations solved to 400 states with numpy.
/// let queue = MmBulkMinimum::new(1.5, 1.0, 2, 3)?;
/// assert!((queue.mean_waiting() - 1.66606883979).abs() < 1e-9);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MmBulkMinimum {
    arrivals_per_s: f64,
    services_per_s: f64,
    least: u64,
    most: u64,
    /// r, and P(busy with nobody waiting).
    root: f64,
    busy_alone: f64,
}

impl MmBulkMinimum {
    /// The queue with arrival rate λ, μ batches per second, and `least` a to `most` b customers in each.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] with growth λ − bμ when λ ≥ bμ; [`QueueError::Parameter`] for a value out of range, also
    /// when there are no arrivals (the server then waits for ever) or a > b.
    pub fn new(arrivals_per_s: f64, services_per_s: f64, least: u64, most: u64) -> Result<Self, QueueError> {
        positive("arrivals_per_s", arrivals_per_s)?;
        positive("services_per_s", services_per_s)?;
        positive("least", least as f64)?;
        not_negative("most", most as f64)?;
        if least > most {
            return Err(QueueError::Parameter { name: "most", value: most as f64, must: "at least the least batch" });
        }
        let growth_per_s = arrivals_per_s - most as f64 * services_per_s;
        if growth_per_s >= 0.0 {
            return Err(QueueError::Unstable { growth_per_s });
        }
        let decay = super::mm_bulk::decay(arrivals_per_s / services_per_s, most as f64);
        let root = (-decay).exp();
        let queue = Self { arrivals_per_s, services_per_s, least, most, root, busy_alone: 1.0 };
        let idle: f64 = (0..least).map(|n| queue.idle_probability(n)).sum();
        let total = idle + 1.0 / -(-decay).exp_m1();
        Ok(Self { busy_alone: 1.0 / total, ..queue })
    }

    /// ρ = λ/(bμ), the share of the capacity that is used.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::MmBulkMinimum;
    /// let queue = MmBulkMinimum::new(2.0, 4.0, 1, 1)?;
    /// // λ/(bμ).
    /// assert!((queue.utilization() - 0.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn utilization(&self) -> f64 {
        self.arrivals_per_s / (self.most as f64 * self.services_per_s)
    }

    /// P(idle, n waiting) = (μ/λ)P_0(1 + r + … + rⁿ), n < a; 0 from there.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::MmBulkMinimum;
    /// let queue = MmBulkMinimum::new(2.0, 4.0, 1, 1)?;
    /// // M/M/1: 1 − ρ.
    /// assert!((queue.idle_probability(0) - 0.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn idle_probability(&self, waiting: u64) -> f64 {
        if waiting >= self.least {
            return 0.0;
        }
        let sum = (1.0 - self.root.powf(waiting as f64 + 1.0)) / (1.0 - self.root);
        self.services_per_s / self.arrivals_per_s * self.busy_alone * sum
    }

    /// P(busy, n waiting) = P_0 rⁿ.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::MmBulkMinimum;
    /// let queue = MmBulkMinimum::new(2.0, 4.0, 1, 1)?;
    /// // M/M/1 with two present: (1 − ρ)ρ².
    /// assert!((queue.busy_probability(1) - 0.125).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn busy_probability(&self, waiting: u64) -> f64 {
        self.busy_alone * self.root.powf(waiting as f64)
    }

    /// Lq = Σ_{n<a} n p_n + P_0 r/(1 − r)², mean number waiting.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::MmBulkMinimum;
    /// let queue = MmBulkMinimum::new(2.0, 4.0, 1, 1)?;
    /// // M/M/1: ρ²/(1 − ρ).
    /// assert!((queue.mean_waiting() - 0.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_waiting(&self) -> f64 {
        let idle: f64 = (0..self.least).map(|n| n as f64 * self.idle_probability(n)).sum();
        idle + self.busy_alone * self.root / (1.0 - self.root).powi(2)
    }

    /// Wq = Lq/λ, mean wait in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::MmBulkMinimum;
    /// let queue = MmBulkMinimum::new(2.0, 4.0, 1, 1)?;
    /// // M/M/1: ρ/(μ − λ).
    /// assert!((queue.mean_wait_s() - 0.25).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_wait_s(&self) -> f64 {
        self.mean_waiting() / self.arrivals_per_s
    }

    /// L = Lq + λ/μ, mean number in system.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::MmBulkMinimum;
    /// let queue = MmBulkMinimum::new(2.0, 4.0, 1, 1)?;
    /// // M/M/1: ρ/(1 − ρ).
    /// assert!((queue.mean_in_system() - 1.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_in_system(&self) -> f64 {
        self.mean_waiting() + self.arrivals_per_s / self.services_per_s
    }

    /// W = Wq + 1/μ, mean time in system in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::MmBulkMinimum;
    /// let queue = MmBulkMinimum::new(2.0, 4.0, 1, 1)?;
    /// // M/M/1: 1/(μ − λ).
    /// assert!((queue.mean_sojourn_s() - 0.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sojourn_s(&self) -> f64 {
        self.mean_wait_s() + 1.0 / self.services_per_s
    }

    /// E\[B\] = λ/(μ P(busy)), mean size of a batch.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::MmBulkMinimum;
    /// let queue = MmBulkMinimum::new(2.0, 4.0, 1, 1)?;
    /// // Nobody is served together.
    /// assert!((queue.mean_batch() - 1.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_batch(&self) -> f64 {
        self.arrivals_per_s / self.services_per_s * (1.0 - self.root) / self.busy_alone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::batch::MmBulk;
    use approx::assert_relative_eq;

    /// λ, μ, a, b, Lq: the balance equations on 600 states, solved with numpy.
    const TABLE: [(f64, f64, u64, u64, f64); 3] =
        [(1.5, 1.0, 2, 3, 1.66606883979), (6.0, 2.0, 4, 4, 6.44291743196), (0.3, 1.0, 5, 9, 2.00012977042)];

    #[test]
    fn the_balance_equations_are_met() {
        for (lambda, mu, least, most, waiting) in TABLE {
            let queue = MmBulkMinimum::new(lambda, mu, least, most).unwrap();
            assert_relative_eq!(queue.mean_waiting(), waiting, max_relative = 1e-10);
            let room = 1e-12 * most as f64;
            assert!(queue.mean_batch() >= least as f64 - room && queue.mean_batch() <= most as f64 + room);
        }
    }

    #[test]
    fn a_minimum_of_one_is_no_minimum() {
        for (lambda, batch) in [(0.3, 1), (1.9, 2), (7.0, 10)] {
            let (with, without) =
                (MmBulkMinimum::new(lambda, 1.0, 1, batch).unwrap(), MmBulk::new(lambda, 1.0, batch).unwrap());
            assert_relative_eq!(with.mean_waiting(), without.mean_waiting(), max_relative = 1e-11);
            assert_relative_eq!(with.idle_probability(0), without.idle_probability(), max_relative = 1e-11);
            assert_relative_eq!(with.mean_batch(), without.mean_batch(), max_relative = 1e-11);
            assert_relative_eq!(with.utilization(), without.utilization());
            assert_relative_eq!(with.busy_probability(3), without.busy_probability(3), max_relative = 1e-11);
        }
    }

    #[test]
    fn with_few_arrivals_one_waits_for_company() {
        let queue = MmBulkMinimum::new(1e-6, 1.0, 5, 9).unwrap();
        assert_relative_eq!(queue.mean_wait_s(), 2e6, max_relative = 1e-5);
        assert_relative_eq!(queue.mean_sojourn_s(), queue.mean_wait_s() + 1.0);
        assert_relative_eq!(queue.mean_in_system(), queue.mean_waiting() + 1e-6);
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        assert_eq!(MmBulkMinimum::new(5.0, 2.0, 1, 2), Err(QueueError::Unstable { growth_per_s: 1.0 }));
        assert!(matches!(MmBulkMinimum::new(1.0, 2.0, 3, 2), Err(QueueError::Parameter { name: "most", .. })));
        assert!(MmBulkMinimum::new(0.0, 2.0, 1, 2).is_err());
    }
}
