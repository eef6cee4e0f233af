//! How irregular the flow out of a queue, a part of a flow, and a union of flows are.
//!
//! ca², cs² and cd² are squared coefficients of variation of the times between arrivals, of service and of those between departures.
//! Marshall (1968), Operations Research 16:651–665; Whitt (1982), Operations Research 30:125–147, and (1983), Bell System
//! Technical Journal 62:2779–2815.

use crate::queueing::error::{QueueError, not_negative, positive};

/// cd² = ca² + 2ρ²cs² − 2ρ(1−ρ)Wq/E\[S\] of any stable GI/G/1 queue: exact if the mean wait is (Marshall 1968). `mean_wait` is in
/// units of the mean service time.
///
/// ```
/// use fluidsim::queueing::general::departure_squared_cv;
/// // M/M/1: Wq = ρ/(1 − ρ), and what leaves is Poisson again (Burke 1956).
/// assert!((departure_squared_cv(0.8, 1.0, 1.0, 4.0)? - 1.0).abs() < 1e-12);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
///
/// # Errors
/// [`QueueError::Parameter`] for a utilization not between 0 and 1 or a negative value.
pub fn departure_squared_cv(
    utilization: f64,
    arrival_squared_cv: f64,
    service_squared_cv: f64,
    mean_wait: f64,
) -> Result<f64, QueueError> {
    let rho = share("utilization", utilization)?;
    not_negative("arrival_squared_cv", arrival_squared_cv)?;
    not_negative("service_squared_cv", service_squared_cv)?;
    not_negative("mean_wait", mean_wait)?;
    Ok(arrival_squared_cv + 2.0 * rho * rho * service_squared_cv - 2.0 * rho * (1.0 - rho) * mean_wait)
}

/// An approximation: cd² ≈ 1 + (1−ρ²)(ca²−1) + ρ²(max(cs², .2) − 1)/√c of GI/G/c (Whitt 1983, eq. 39).
///
/// ```
/// use fluidsim::queueing::general::departure_squared_cv_near;
/// // M/M/c: Poisson again, which is exact.
/// assert_eq!(departure_squared_cv_near(0.7, 1.0, 1.0, 5)?, 1.0);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
///
/// # Errors
/// [`QueueError::Parameter`] for a utilization not between 0 and 1, a negative value or no servers.
pub fn departure_squared_cv_near(
    utilization: f64,
    arrival_squared_cv: f64,
    service_squared_cv: f64,
    servers: u64,
) -> Result<f64, QueueError> {
    let square = share("utilization", utilization)?.powi(2);
    not_negative("arrival_squared_cv", arrival_squared_cv)?;
    not_negative("service_squared_cv", service_squared_cv)?;
    let servers = positive("servers", servers as f64)?;
    let service = (service_squared_cv.max(0.2) - 1.0) / servers.sqrt();
    Ok(1.0 + (1.0 - square) * (arrival_squared_cv - 1.0) + square * service)
}

/// pc² + 1 − p, of the share `p` of a renewal flow that is picked by independent draws: exact (Whitt 1983, eq. 36).
///
/// ```
/// use fluidsim::queueing::general::split_squared_cv;
/// // A thousandth of any renewal flow is nearly Poisson.
/// assert!((split_squared_cv(0.001, 5.0)? - 1.004).abs() < 1e-12);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
///
/// # Errors
/// [`QueueError::Parameter`] for a share not between 0 and 1 or a negative c².
pub fn split_squared_cv(p: f64, squared_cv: f64) -> Result<f64, QueueError> {
    share("p", p)?;
    Ok(p * not_negative("squared_cv", squared_cv)? + 1.0 - p)
}

/// An approximation of c² of a union of flows (rate per second, c²) on their way into a queue with utilization ρ: w·Σ(λᵢ/λ)cᵢ² + 1 − w,
/// w = 1/(1 + 4(1−ρ)²(v−1)), 1/v = Σ(λᵢ/λ)² (Whitt 1983, eq. 29). Of one flow its own c², of many in light traffic near 1.
///
/// ```
/// use fluidsim::queueing::general::superposed_squared_cv;
/// assert!((superposed_squared_cv(0.5, &[(2.0, 3.0)])? - 3.0).abs() < 1e-12);
/// // Two equal flows: v = 2, w = 1/(1 + 4·.25) = ½.
/// assert!((superposed_squared_cv(0.5, &[(1.0, 3.0), (1.0, 3.0)])? - 2.0).abs() < 1e-12);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
///
/// # Errors
/// [`QueueError::Parameter`] for no flows, a rate that is not positive, a negative c² or a utilization not between 0 and 1.
pub fn superposed_squared_cv(utilization: f64, flows: &[(f64, f64)]) -> Result<f64, QueueError> {
    let rho = share("utilization", utilization)?;
    for &(rate_per_s, squared_cv) in flows {
        positive("rate_per_s", rate_per_s)?;
        not_negative("squared_cv", squared_cv)?;
    }
    let total = positive("flows", flows.iter().map(|flow| flow.0).sum())?;
    let concentration: f64 = flows.iter().map(|flow| (flow.0 / total).powi(2)).sum();
    let weight = 1.0 / (1.0 + 4.0 * (1.0 - rho).powi(2) * (1.0 / concentration - 1.0));
    let mean: f64 = flows.iter().map(|flow| flow.0 / total * flow.1).sum();
    Ok(weight * mean + 1.0 - weight)
}

/// `value` if it lies between 0 and 1, both allowed.
fn share(name: &'static str, value: f64) -> Result<f64, QueueError> {
    if (0.0..=1.0).contains(&value) {
        return Ok(value);
    }
    Err(QueueError::Parameter { name, value, must: "between 0 and 1" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::Law;
    use crate::queueing::general::Mg1;
    use approx::assert_relative_eq;

    #[test]
    fn departures_of_mg1_follow_from_the_idle_times() {
        // Between departures lies a service, and an exponential idle time before it with probability 1 − ρ.
        for (rho, cs) in [(0.3, 0.0), (0.6, 0.5), (0.9, 4.0)] {
            let wait = Mg1::from_variance(rho, 1.0, cs).unwrap().mean_wait_s();
            let mean_idle = (1.0 - rho) / rho;
            let variance = cs + 2.0 * (1.0 - rho) / (rho * rho) - mean_idle * mean_idle;
            let found = departure_squared_cv(rho, 1.0, cs, wait).unwrap();
            assert_relative_eq!(found, variance * rho * rho, max_relative = 1e-12);
            // Poisson arrivals make Whitt's form exact too, for cs² ≥ .2.
            if cs >= 0.2 {
                let near = departure_squared_cv_near(rho, 1.0, cs, 1).unwrap();
                assert_relative_eq!(near, found, max_relative = 1e-12);
            }
        }
    }

    #[test]
    fn a_part_of_a_flow_is_a_geometric_sum() {
        // Every second arrival of a Poisson flow would be Erlang; by draws it stays Poisson.
        assert_relative_eq!(split_squared_cv(0.3, 1.0).unwrap(), 1.0, max_relative = 1e-15);
        let law = Law::gamma(1.0, 0.4).unwrap();
        // N geometric with mean 1/p: variance (1/p)·Var A + (1 − p)/p².
        let p: f64 = 0.25;
        let variance = 0.4 / p + (1.0 - p) / (p * p);
        assert_relative_eq!(split_squared_cv(p, law.squared_cv()).unwrap(), variance * p * p, max_relative = 1e-12);
    }

    #[test]
    fn bad_values_are_errors() {
        assert!(departure_squared_cv(1.1, 1.0, 1.0, 1.0).is_err() && split_squared_cv(f64::NAN, 1.0).is_err());
        assert!(superposed_squared_cv(0.5, &[]).is_err() && superposed_squared_cv(0.5, &[(0.0, 1.0)]).is_err());
        assert!(departure_squared_cv_near(0.5, 1.0, 1.0, 0).is_err());
        assert!(departure_squared_cv(0.5, -1.0, 1.0, 1.0).is_err());
    }
}
