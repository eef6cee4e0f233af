//! The fluid of M/M/c: q′ = λ − μ min(q, c).
//!
//! An approximation: the limit of many servers. Above c the path is a line, below it an exponential towards λ/μ, so it
//! is known in closed form. Mandelbaum, Massey and Reiman (1998), Strong approximations for Markovian service networks,
//! Queueing Systems 30:149–201.

use crate::queueing::error::{QueueError, not_negative, positive};

/// A fluid queue with c servers.
///
/// ```
/// use fluidsim::queueing::transient::MmcFluid;
/// let fluid = MmcFluid::new(12.0, 1.0, 10.0)?;
/// assert!((fluid.mean_in_system(0.0, 20.0)? - 46.4164810615).abs() < 1e-9);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MmcFluid {
    arrivals_per_s: f64,
    services_per_s: f64,
    servers: f64,
}

impl MmcFluid {
    /// The fluid with arrival rate λ and c servers of rate μ, per second.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for a value out of range.
    pub fn new(arrivals_per_s: f64, services_per_s: f64, servers: f64) -> Result<Self, QueueError> {
        not_negative("arrivals_per_s", arrivals_per_s)?;
        positive("services_per_s", services_per_s)?;
        positive("servers", servers)?;
        Ok(Self { arrivals_per_s, services_per_s, servers })
    }

    /// q(t) from q(0) = `start`.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for a start or time that is negative or not finite.
    ///
    /// ```
    /// # use fluidsim::queueing::transient::MmcFluid;
    /// let fluid = MmcFluid::new(8.0, 1.0, 10.0)?;
    /// // 30 − (10 − 8)·5: all ten servers work.
    /// assert!((fluid.mean_in_system(30.0, 5.0)? - 20.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_in_system(&self, start: f64, t_s: f64) -> Result<f64, QueueError> {
        not_negative("start", start)?;
        not_negative("t_s", t_s)?;
        let growth_per_s = self.growth_per_s();
        if start > self.servers {
            let left_s = self.time_to_drain_s(start)?.map_or(0.0, |drain_s| t_s - drain_s);
            let line = start + growth_per_s * t_s;
            return Ok(if left_s > 0.0 { self.below(self.servers, left_s) } else { line });
        }
        let load = self.arrivals_per_s / self.services_per_s;
        if load > self.servers {
            let filled_s = ((load - start) / (load - self.servers)).ln() / self.services_per_s;
            if t_s > filled_s {
                return Ok(self.servers + growth_per_s * (t_s - filled_s));
            }
        }
        Ok(self.below(start, t_s))
    }

    /// (q(0) − c)⁺/(cμ − λ), seconds until nobody waits; none if some wait and λ ≥ cμ.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for a start that is negative or not finite.
    ///
    /// ```
    /// # use fluidsim::queueing::transient::MmcFluid;
    /// let fluid = MmcFluid::new(8.0, 1.0, 10.0)?;
    /// // (30 − 10)/(10 − 8).
    /// assert_eq!(fluid.time_to_drain_s(30.0)?, Some(10.0));
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn time_to_drain_s(&self, start: f64) -> Result<Option<f64>, QueueError> {
        let waiting = (not_negative("start", start)? - self.servers).max(0.0);
        if waiting == 0.0 {
            return Ok(Some(0.0));
        }
        let growth_per_s = self.growth_per_s();
        Ok((growth_per_s < 0.0).then(|| waiting / -growth_per_s))
    }

    /// λ − cμ, the slope while some wait.
    ///
    /// ```
    /// # use fluidsim::queueing::transient::MmcFluid;
    /// let fluid = MmcFluid::new(8.0, 1.0, 10.0)?;
    /// // 8 − 10 · 1.
    /// assert_eq!(fluid.growth_per_s(), -2.0);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn growth_per_s(&self) -> f64 {
        self.arrivals_per_s - self.servers * self.services_per_s
    }

    fn below(&self, start: f64, t_s: f64) -> f64 {
        let load = self.arrivals_per_s / self.services_per_s;
        load + (start - load) * (-self.services_per_s * t_s).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    /// λ, q(0), t, q(t) at c = 10, μ = 1.
    const TABLE: [[f64; 4]; 9] = [
        [8.0, 0.0, 1.0, 5.05696447063],
        [8.0, 0.0, 5.0, 7.94609642401],
        [8.0, 0.0, 20.0, 7.99999998351],
        [8.0, 30.0, 1.0, 28.0],
        [8.0, 30.0, 5.0, 20.0],
        [8.0, 30.0, 20.0, 8.00009079986],
        [12.0, 0.0, 1.0, 7.58544670594],
        [12.0, 0.0, 5.0, 16.4164810615],
        [12.0, 0.0, 20.0, 46.4164810615],
    ];

    #[test]
    fn the_table_is_met() {
        for [arrivals, start, t_s, expected] in TABLE {
            let fluid = MmcFluid::new(arrivals, 1.0, 10.0).unwrap();
            assert_relative_eq!(fluid.mean_in_system(start, t_s).unwrap(), expected, max_relative = 1e-10);
        }
    }

    #[test]
    fn draining() {
        assert_eq!(MmcFluid::new(8.0, 1.0, 10.0).unwrap().time_to_drain_s(30.0), Ok(Some(10.0)));
        assert_eq!(MmcFluid::new(12.0, 1.0, 10.0).unwrap().time_to_drain_s(30.0), Ok(None));
        assert_eq!(MmcFluid::new(12.0, 1.0, 10.0).unwrap().mean_in_system(30.0, 1.0), Ok(32.0));
        assert!(MmcFluid::new(1.0, 1.0, 0.0).is_err() && MmcFluid::new(f64::NAN, 1.0, 1.0).is_err());
        assert!(MmcFluid::new(1.0, 1.0, 1.0).unwrap().mean_in_system(-1.0, 1.0).is_err());
    }
}
