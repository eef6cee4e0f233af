//! M_t/M/∞: arrivals at a rate λ(t), and nobody waits.
//!
//! N(t) is Poisson from an empty start, with mean m′ = λ(t) − μm, m(t) = m₀e^{−μt} + ∫₀ᵗ λ(u)e^{−μ(t−u)} du. Under λ(t) = λ(1 + A sin ωt)
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

/// m(t) where the rate is constant in pieces: `steps` are (from when, rate per second), in order of time; 0 before the first.
///
/// Ten per second for one second, then none: 10(1 − e^−1)e^−1 = 2.3254415793483 at t = 2.
/// ```
/// use fluidsim::queueing::transient::stepwise_mean;
/// assert!((stepwise_mean(&[(0.0, 10.0), (1.0, 0.0)], 1.0, 0.0, 2.0)? - 2.3254415793483).abs() < 1e-12);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
///
/// # Errors
/// [`QueueError::Parameter`] for a value out of range or steps that are not in order.
pub fn stepwise_mean(steps: &[(f64, f64)], services_per_s: f64, start: f64, t_s: f64) -> Result<f64, QueueError> {
    positive("services_per_s", services_per_s)?;
    not_negative("start", start)?;
    not_negative("t_s", t_s)?;
    for (index, &(from_s, rate)) in steps.iter().enumerate() {
        not_negative("from_s", from_s)?;
        not_negative("rate_per_s", rate)?;
        if index > 0 && from_s <= steps[index - 1].0 {
            return Err(QueueError::Parameter { name: "from_s", value: from_s, must: "after the step before it" });
        }
    }
    let left = |from_s: f64| (-services_per_s * (t_s - from_s).max(0.0)).exp();
    let ends = steps.iter().skip(1).map(|step| step.0).chain([f64::INFINITY]);
    let parts = steps.iter().zip(ends).map(|(&(from_s, rate), to_s)| rate * (left(to_s.min(t_s)) - left(from_s)));
    Ok(start * left(0.0) + parts.sum::<f64>() / services_per_s)
}

/// m(t) under any rate `arrivals_per_s`(t), by Simpson's rule on as many stretches as change the sum by less than 1e-11 of it, at most 2²⁰: as exact
/// as the rate is smooth. [`stepwise_mean`] is for rates that jump.
///
/// ```
/// use fluidsim::queueing::transient::mean_under_rate;
/// let rate = |t: f64| 10.0 * (1.0 + 0.5 * t.sin());
/// assert!((mean_under_rate(&rate, 1.0, 0.0, 5.0)? - 6.84299924719).abs() < 1e-9);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
///
/// # Errors
/// [`QueueError::Parameter`] for a value out of range, or a rate that is negative or not finite at a point where it is asked for.
pub fn mean_under_rate(
    arrivals_per_s: &dyn Fn(f64) -> f64,
    services_per_s: f64,
    start: f64,
    t_s: f64,
) -> Result<f64, QueueError> {
    positive("services_per_s", services_per_s)?;
    not_negative("start", start)?;
    not_negative("t_s", t_s)?;
    let at = |u_s: f64| -> Result<f64, QueueError> {
        Ok(not_negative("rate_per_s", arrivals_per_s(u_s))? * (-services_per_s * (t_s - u_s)).exp())
    };
    let ends = 0.5 * (at(0.0)? + at(t_s)?);
    let (mut inner, mut simpson) = (0.0, 0.0);
    for level in 0..20 {
        let cells = 1u32 << level;
        let width = t_s / f64::from(cells);
        let mut middles = 0.0;
        for cell in 0..cells {
            middles += at((f64::from(cell) + 0.5) * width)?;
        }
        let sum = width / 3.0 * (ends + inner + 2.0 * middles);
        inner += middles;
        let close = (sum - simpson).abs() <= 1e-11 * sum.abs();
        simpson = sum;
        if level > 5 && close {
            break;
        }
    }
    Ok(start * (-services_per_s * t_s).exp() + simpson)
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

    #[test]
    fn any_rate_agrees_with_the_closed_forms() {
        for t_s in [0.0, 0.5, 1.0, 5.0, 40.0] {
            let wave = |t: f64| 10.0 * (1.0 + 0.5 * t.sin());
            let exact = sinusoidal_mean(10.0, 0.5, 1.0, 1.0, 3.0, t_s).unwrap();
            assert_relative_eq!(mean_under_rate(&wave, 1.0, 3.0, t_s).unwrap(), exact, max_relative = 1e-10);
            let flat = stepwise_mean(&[(0.0, 4.0), (0.7, 4.0)], 2.0, 3.0, t_s).unwrap();
            assert_relative_eq!(flat, sinusoidal_mean(4.0, 0.0, 1.0, 2.0, 3.0, t_s).unwrap(), max_relative = 1e-12);
        }
        // Nobody before the first step; a step in the middle is two runs, one after the other.
        assert_eq!(stepwise_mean(&[(2.0, 5.0)], 1.0, 0.0, 1.5), Ok(0.0));
        let first = stepwise_mean(&[(0.0, 4.0)], 2.0, 1.0, 0.7).unwrap();
        let second = stepwise_mean(&[(0.0, 9.0)], 2.0, first, 0.6).unwrap();
        let both = stepwise_mean(&[(0.0, 4.0), (0.7, 9.0)], 2.0, 1.0, 1.3).unwrap();
        assert_relative_eq!(both, second, max_relative = 1e-13);
        assert!(stepwise_mean(&[(1.0, 1.0), (1.0, 2.0)], 1.0, 0.0, 1.0).is_err());
        assert!(mean_under_rate(&|_| f64::NAN, 1.0, 0.0, 1.0).is_err());
    }
}
