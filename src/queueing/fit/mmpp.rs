//! A two-state modulated Poisson process with given characteristics, in closed form.
//!
//! With rates λ₁ > λ₂ and c = r₁ + r₂ the rate has variance σ² = r₁r₂(λ₁ − λ₂)²/c² and covariance σ²e^{−cu}: IDC(∞) = 1 + 2σ²/(cλ),
//! IDC(t) − 1 = (IDC(∞) − 1)(1 − (1 − e^{−ct})/(ct)) and, of an interval, cv² = 1 + 2σ²/(λ₁λ₂ + λc): Heffes and Lucantoni (1986),
//! IEEE Journal on Selected Areas in Communications 4:856–868. Hence λ₁λ₂ = λc((IDC(∞) − 1)/(cv² − 1) − 1) and
//! λ₁ + λ₂ = (σ² + λ² + λ₁λ₂)/λ, which always has two real solutions.

use crate::queueing::error::{QueueError, positive};
use crate::queueing::matrix::Map;

/// The process with this rate, cv² of intervals, limit of the index of dispersion of counts, and rate c (per second) at which the
/// covariance of the rate decays.
///
/// # Errors
/// [`QueueError::Parameter`] for a value that is not positive and finite; [`QueueError::Outside`] unless cv² > 1 and the limit is at least cv².
///
/// ```
/// use fluidsim::queueing::fit::mmpp2;
/// let map = mmpp2(10.0, 1.5, 20.0, 0.1)?;
/// assert!((map.rate_per_s() - 10.0).abs() < 1e-10 && (map.squared_cv()? - 1.5).abs() < 1e-11);
/// assert!((map.dispersion_limit() - 20.0).abs() < 1e-9);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
pub fn mmpp2(rate_per_s: f64, squared_cv: f64, dispersion_limit: f64, decay_per_s: f64) -> Result<Map, QueueError> {
    positive("rate_per_s", rate_per_s)?;
    positive("decay_per_s", decay_per_s)?;
    if !(squared_cv > 1.0 && squared_cv.is_finite()) {
        return Err(QueueError::Outside { name: "squared_cv", value: squared_cv, least: 1.0, most: dispersion_limit });
    }
    if !(dispersion_limit >= squared_cv && dispersion_limit.is_finite()) {
        let (least, most) = (squared_cv, f64::INFINITY);
        return Err(QueueError::Outside { name: "dispersion_limit", value: dispersion_limit, least, most });
    }
    let scale = rate_per_s * decay_per_s;
    let variance = 0.5 * (dispersion_limit - 1.0) * scale;
    let product = scale * (dispersion_limit - squared_cv) / (squared_cv - 1.0);
    let sum = (variance + rate_per_s * rate_per_s + product) / rate_per_s;
    let high = 0.5 * (sum + (sum * sum - 4.0 * product).max(0.0).sqrt());
    let low = product / high;
    // (λ₁ − λ)(λ − λ₂) = σ², and the state of λ₁ has the share (λ − λ₂)/(λ₁ − λ₂).
    let share = (rate_per_s - low) / (high - low);
    Map::mmpp2([decay_per_s * (1.0 - share), decay_per_s * share], [high, low])
}

/// The same with IDC(t) at one `t_s` in place of the rate of decay.
///
/// # Errors
/// As [`mmpp2`]; [`QueueError::Outside`] unless IDC(t) lies between 1 and its limit.
///
/// ```
/// use fluidsim::queueing::fit::mmpp2_through;
/// let map = mmpp2_through(10.0, 1.5, 20.0, 5.0, 4.0)?;
/// assert!((map.dispersion(5.0)? - 4.0).abs() < 1e-9);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
pub fn mmpp2_through(
    rate_per_s: f64,
    squared_cv: f64,
    dispersion_limit: f64,
    t_s: f64,
    dispersion_at_t: f64,
) -> Result<Map, QueueError> {
    positive("t_s", t_s)?;
    let goal = (dispersion_at_t - 1.0) / (dispersion_limit - 1.0);
    if !(goal > 0.0 && goal < 1.0) {
        let (least, most) = (1.0, dispersion_limit);
        return Err(QueueError::Outside { name: "dispersion_at_t", value: dispersion_at_t, least, most });
    }
    // 1 − (1 − e^{−x})/x rises from 0 to 1; it is below x/2 and above 1 − 1/x.
    let reached = |x: f64| 1.0 + (-x).exp_m1() / x;
    let (mut low, mut high) = (goal, 2.0 / (1.0 - goal));
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if reached(middle) < goal {
            low = middle;
        } else {
            high = middle;
        }
    }
    mmpp2(rate_per_s, squared_cv, dispersion_limit, 0.5 * (low + high) / t_s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn processes_come_back() {
        let mut rng = ChaCha8Rng::seed_from_u64(31);
        for _ in 0..200 {
            let mut draw = || 0.05 + 5.0 * rng.random::<f64>();
            let (leave, low) = ([draw(), draw()], draw());
            let arrivals = [low + draw(), low];
            let map = Map::mmpp2(leave, arrivals).unwrap();
            let (rate, cv, limit) = (map.rate_per_s(), map.squared_cv().unwrap(), map.dispersion_limit());
            let found = mmpp2(rate, cv, limit, leave[0] + leave[1]).unwrap();
            assert_relative_eq!(found.arriving()[(0, 0)], arrivals[0], max_relative = 1e-6);
            assert_relative_eq!(found.arriving()[(1, 1)], arrivals[1], max_relative = 1e-6);
            assert_relative_eq!(found.silent()[(0, 1)], leave[0], max_relative = 1e-6);
            assert_relative_eq!(
                found.autocorrelation(1).unwrap(),
                map.autocorrelation(1).unwrap(),
                max_relative = 1e-6
            );
            let through = mmpp2_through(rate, cv, limit, 0.7, map.dispersion(0.7).unwrap()).unwrap();
            assert_relative_eq!(through.dispersion(3.0).unwrap(), map.dispersion(3.0).unwrap(), max_relative = 1e-9);
        }
    }

    #[test]
    fn what_cannot_be_matched_is_an_error() {
        assert!(matches!(mmpp2(1.0, 0.9, 2.0, 1.0), Err(QueueError::Outside { name: "squared_cv", .. })));
        assert!(matches!(mmpp2(1.0, 2.0, 1.5, 1.0), Err(QueueError::Outside { name: "dispersion_limit", .. })));
        assert!(mmpp2(0.0, 1.5, 2.0, 1.0).is_err() && mmpp2(1.0, 1.5, 2.0, f64::NAN).is_err());
        assert!(mmpp2(1.0, f64::NAN, 2.0, 1.0).is_err() && mmpp2(1.0, 1.5, f64::INFINITY, 1.0).is_err());
        assert!(matches!(mmpp2_through(1.0, 1.5, 2.0, 1.0, 2.5), Err(QueueError::Outside { .. })));
        // With IDC(∞) = cv² the low state is silent: an interrupted Poisson process, which is a renewal process.
        let silent = mmpp2(1.0, 3.0, 3.0, 1.0).unwrap();
        assert!(silent.arriving()[(1, 1)].abs() < 1e-14 && silent.autocorrelation(1).unwrap().abs() < 1e-12);
    }
}
