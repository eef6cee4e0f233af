//! M_t/M/∞ under a sinusoidal arrival rate λ(t) = λ(1 + A sin ωt).
//!
//! N(t) is Poisson from an empty start, with mean m′ = λ(t) − μm:
//! m(t) = m₀e^{−μt} + (λ/μ)(1 − e^{−μt}) + λA(μ sin ωt − ω cos ωt + ωe^{−μt})/(μ² + ω²). Eick, Massey and Whitt (1993),
//! M_t/G/∞ queues with sinusoidal arrival rates, Management Science 39(2):241–252.

use crate::queueing::error::{QueueError, not_negative, positive};

/// m(t), the mean number in system at t from m₀ = `start`, with |A| ≤ 1 and ω in radians per second.
///
/// ```
/// use fluidsim::queueing::transient::sinusoidal_mean;
/// assert!((sinusoidal_mean(10.0, 0.5, 1.0, 1.0, 0.0, 5.0)? - 6.84299924719).abs() < 1e-10);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
///
/// # Errors
/// [`QueueError::Parameter`] for a value out of range.
pub fn sinusoidal_mean(
    arrivals_per_s: f64,
    amplitude: f64,
    omega_per_s: f64,
    services_per_s: f64,
    start: f64,
    t_s: f64,
) -> Result<f64, QueueError> {
    not_negative("arrivals_per_s", arrivals_per_s)?;
    positive("services_per_s", services_per_s)?;
    not_negative("omega_per_s", omega_per_s)?;
    not_negative("start", start)?;
    not_negative("t_s", t_s)?;
    if !(-1.0..=1.0).contains(&amplitude) {
        return Err(QueueError::Parameter { name: "amplitude", value: amplitude, must: "between -1 and 1" });
    }
    let left = (-services_per_s * t_s).exp();
    let (sine, cosine) = (omega_per_s * t_s).sin_cos();
    let swing = services_per_s * sine + omega_per_s * (left - cosine);
    let steady = -(-services_per_s * t_s).exp_m1() / services_per_s;
    let swung = amplitude * swing / (services_per_s.powi(2) + omega_per_s.powi(2));
    Ok(start * left + arrivals_per_s * (steady + swung))
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn the_table_is_met() {
        let table = [(0.5, 4.45562749394), (1.0, 7.99382588856), (5.0, 6.84299924719), (10.0, 10.737285546)];
        for (t_s, expected) in table {
            let found = sinusoidal_mean(10.0, 0.5, 1.0, 1.0, 0.0, t_s).unwrap();
            assert_relative_eq!(found, expected, max_relative = 1e-10);
        }
        assert_relative_eq!(sinusoidal_mean(6.0, 0.0, 1.0, 2.0, 9.0, 50.0).unwrap(), 3.0, max_relative = 1e-13);
        assert!(sinusoidal_mean(1.0, 1.5, 1.0, 1.0, 0.0, 1.0).is_err());
        assert!(sinusoidal_mean(f64::NAN, 0.5, 1.0, 1.0, 0.0, 1.0).is_err());
        assert!(sinusoidal_mean(1.0, 0.5, 1.0, 0.0, 0.0, 1.0).is_err());
    }
}
