//! Phase-type laws with given moments, in closed form.
//!
//! Two moments: mixtures of Erlang laws of k − 1 and k phases of one rate below cv² = 1, two exponential branches of balanced means above
//! (Tijms 1994, *Stochastic Models*, app. B; Whitt 1982, Operations Research 30:125–147), or Marie's Coxian law (Marie 1980, Performance
//! Evaluation Review 9(2):117–125). Three moments: acyclic laws of two phases, with the bounds of Telek and Heindl (2002),
//! International Journal of Simulation 3(3–4):47–57.

use crate::queueing::error::{QueueError, positive};
use crate::queueing::matrix::PhaseType;

const MOST_PHASES: f64 = 1000.0;

/// A law with this mean and squared coefficient of variation: an Erlang mixture below 1, exponential at 1, hyperexponential of balanced
/// means above.
///
/// # Errors
/// [`QueueError::Parameter`] unless both are positive and finite; [`QueueError::Outside`] below cv² = 1/1000, which needs more than 1000 phases.
///
/// ```
/// use fluidsim::queueing::fit::two_moments;
/// let law = two_moments(2.0, 0.4)?;
/// assert!((law.mean_s() - 2.0).abs() < 1e-14 && (law.squared_cv() - 0.4).abs() < 1e-13);
/// assert_eq!(law.phases(), 3);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
pub fn two_moments(mean_s: f64, squared_cv: f64) -> Result<PhaseType, QueueError> {
    positive("mean_s", mean_s)?;
    positive("squared_cv", squared_cv)?;
    if squared_cv > 1.0 {
        return hyperexponential_balanced(mean_s, squared_cv);
    }
    if squared_cv == 1.0 {
        return PhaseType::exponential(mean_s);
    }
    erlang_mixture(mean_s, squared_cv)
}

/// k − 1 phases with probability p, else k, each of rate (k − p)/mean, 1/k ≤ cv² ≤ 1/(k − 1):
/// p = (k·cv² − √(k(1 + cv²) − k²cv²))/(1 + cv²).
///
/// # Errors
/// [`QueueError::Parameter`] for a mean out of range; [`QueueError::Outside`] unless 1/1000 ≤ cv² < 1.
///
/// ```
/// // Of phases of mean 1, one with probability 2/3, else two: E[X] = 4/3, E[X²] = (2·2 + 6)/3, cv² = 7/8.
/// let law = fluidsim::queueing::fit::erlang_mixture(4.0 / 3.0, 0.875)?;
/// assert!((law.start()[1] - 2.0 / 3.0).abs() < 1e-13 && (law.exit()[1] - 1.0).abs() < 1e-13);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
pub fn erlang_mixture(mean_s: f64, squared_cv: f64) -> Result<PhaseType, QueueError> {
    positive("mean_s", mean_s)?;
    within("squared_cv", squared_cv, 1.0 / MOST_PHASES, 1.0)?;
    // A cv² that is 1/k but for rounding takes k phases, not k + 1.
    let k = (1.0 / squared_cv - 1e-9).ceil().max(2.0);
    let root = (k * (1.0 + squared_cv) - k * k * squared_cv).max(0.0).sqrt();
    let shorter = ((k * squared_cv - root) / (1.0 + squared_cv)).clamp(0.0, 1.0);
    let rate = (k - shorter) / mean_s;
    // As one line of k phases, the first of which is skipped with probability `shorter`.
    let n = k as usize;
    let mut start = vec![0.0; n];
    start[0] = 1.0 - shorter;
    start[1] = shorter;
    let row = |i: usize| (0..n).map(|j| if j == i { -rate } else { f64::from(u8::from(j == i + 1)) * rate }).collect();
    PhaseType::new(&start, &(0..n).map(row).collect::<Vec<Vec<f64>>>())
}

/// Two exponential branches, p/μ₁ = (1 − p)/μ₂.
///
/// # Errors
/// [`QueueError::Parameter`] for a mean out of range; [`QueueError::Outside`] unless cv² > 1.
///
/// ```
/// // cv² = 4: p = 0.887298334621, μ₁ = 1.77459666924.
/// let law = fluidsim::queueing::fit::hyperexponential_balanced(1.0, 4.0)?;
/// assert!((law.start()[0] - 0.887298334621).abs() < 1e-12 && (law.exit()[0] - 1.77459666924).abs() < 1e-11);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
pub fn hyperexponential_balanced(mean_s: f64, squared_cv: f64) -> Result<PhaseType, QueueError> {
    positive("mean_s", mean_s)?;
    within("squared_cv", squared_cv, 1.0, f64::INFINITY)?;
    let p = 0.5 * (1.0 + ((squared_cv - 1.0) / (squared_cv + 1.0)).sqrt());
    PhaseType::hyperexponential(&[(p, 2.0 * p / mean_s), (1.0 - p, 2.0 * (1.0 - p) / mean_s)])
}

/// Two exponential branches that also share the third moment of the gamma law, m³(1 + cv²)(1 + 2cv²).
///
/// # Errors
/// [`QueueError::Parameter`] for a mean out of range; [`QueueError::Outside`] unless cv² > 1.
///
/// ```
/// let law = fluidsim::queueing::fit::hyperexponential_gamma(1.0, 4.0)?;
/// // (1 + 4)(1 + 2·4).
/// assert!((law.moment(2) - 5.0).abs() < 1e-12 && (law.moment(3) - 45.0).abs() < 1e-11);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
pub fn hyperexponential_gamma(mean_s: f64, squared_cv: f64) -> Result<PhaseType, QueueError> {
    positive("mean_s", mean_s)?;
    within("squared_cv", squared_cv, 1.0, f64::INFINITY)?;
    let spread = ((squared_cv - 0.5) / (squared_cv + 1.0)).sqrt();
    let (fast, slow) = (2.0 / mean_s * (1.0 + spread), 2.0 / mean_s * (1.0 - spread));
    let p = (fast * (slow * mean_s - 1.0) / (slow - fast)).clamp(0.0, 1.0);
    PhaseType::hyperexponential(&[(p, fast), (1.0 - p, slow)])
}

/// Marie's Coxian law of two phases: rates 2/m and 1/(m·cv²), the second with probability 1/(2cv²).
///
/// # Errors
/// [`QueueError::Parameter`] for a mean out of range; [`QueueError::Outside`] unless cv² ≥ ½.
///
/// ```
/// let law = fluidsim::queueing::fit::coxian2(3.0, 0.8)?;
/// assert!((law.mean_s() - 3.0).abs() < 1e-14 && (law.squared_cv() - 0.8).abs() < 1e-13);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
pub fn coxian2(mean_s: f64, squared_cv: f64) -> Result<PhaseType, QueueError> {
    positive("mean_s", mean_s)?;
    within("squared_cv", squared_cv, 0.5, f64::INFINITY)?;
    PhaseType::coxian(&[(2.0 / mean_s, 0.5 / squared_cv), (1.0 / (mean_s * squared_cv), 0.0)])
}

/// The acyclic law of two phases with these first three moments E\[X\], E\[X²\], E\[X³\]; hyperexponential in law where cv² > 1.
///
/// With hₖ = E\[Xᵏ\]/k!, the means u of the phases solve u² − a₁u + a₂ = 0, a₁ = (h₃ − h₁h₂)/(h₂ − h₁²), a₂ = a₁h₁ − h₂; the second phase
/// follows the first with probability (h₁ − u₁)/u₂.
///
/// # Errors
/// [`QueueError::Parameter`] for a moment that is not positive and finite; [`QueueError::Outside`] with what two phases can have: of `squared_cv`
/// at least ½, of `third_moment` the bounds at this mean and cv².
///
/// ```
/// use fluidsim::queueing::fit::three_moments;
/// let law = three_moments(1.0, 5.0, 60.0)?;
/// assert!((law.moment(2) - 5.0).abs() < 1e-12 && (law.moment(3) - 60.0).abs() < 1e-11);
/// // With cv² = 4 the third moment must exceed 1.5·5² = 37.5.
/// assert!(three_moments(1.0, 5.0, 37.0).is_err());
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
pub fn three_moments(mean_s: f64, second_s2: f64, third_s3: f64) -> Result<PhaseType, QueueError> {
    positive("mean_s", mean_s)?;
    positive("second_moment_s2", second_s2)?;
    positive("third_moment_s3", third_s3)?;
    let squared_cv = second_s2 / (mean_s * mean_s) - 1.0;
    within("squared_cv", squared_cv, 0.5 - 1e-12, f64::INFINITY)?;
    let third = third_s3 / mean_s.powi(3);
    let (least, most) = third_moment_bounds(squared_cv);
    // Bounds meet at cv² = ½ and 1, where rounding must not refuse the one law there is.
    within("third_moment", third, least * (1.0 - 1e-9), most * (1.0 + 1e-9))?;
    if (squared_cv - 1.0).abs() < 1e-9 {
        return PhaseType::exponential(mean_s);
    }
    let (h2, h3) = ((1.0 + squared_cv) / 2.0, third / 6.0);
    let sum = (h3 - h2) / (h2 - 1.0);
    let product = sum - h2;
    let root = (sum * sum - 4.0 * product).max(0.0).sqrt();
    let longer = 0.5 * (sum + root);
    let shorter = product / longer;
    let on = ((1.0 - shorter) / longer).clamp(0.0, 1.0);
    PhaseType::coxian(&[(1.0 / (shorter * mean_s), on), (1.0 / (longer * mean_s), 0.0)])
}

/// Least and greatest E\[X³\]/E\[X\]³ of an acyclic law of two phases with cv² ≥ ½ (Telek and Heindl 2002): between 3(3c − 1 + √2(1 − c)^{3/2})
/// and 6c up to c = cv² = 1, above 1.5(1 + c)² beyond.
///
/// ```
/// use fluidsim::queueing::fit::third_moment_bounds;
/// // Erlang-2, 2·3·4/2³, is all there is at cv² = ½.
/// let (least, most) = third_moment_bounds(0.5);
/// assert!((least - 3.0).abs() < 1e-14 && (most - 3.0).abs() < 1e-14);
/// assert_eq!(third_moment_bounds(4.0), (37.5, f64::INFINITY));
/// ```
pub fn third_moment_bounds(squared_cv: f64) -> (f64, f64) {
    let c = squared_cv;
    if c > 1.0 {
        return (1.5 * (1.0 + c).powi(2), f64::INFINITY);
    }
    (3.0 * (3.0 * c - 1.0 + std::f64::consts::SQRT_2 * (1.0 - c).powf(1.5)), 6.0 * c)
}

fn within(name: &'static str, value: f64, least: f64, most: f64) -> Result<(), QueueError> {
    if value.is_finite() && value >= least && value <= most {
        return Ok(());
    }
    Err(QueueError::Outside { name, value, least, most })
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn two_moments_are_met() {
        let mut rng = ChaCha8Rng::seed_from_u64(21);
        for _ in 0..300 {
            let (mean, cv) = (10.0 * rng.random::<f64>() + 0.01, 8.0 * rng.random::<f64>().powi(3) + 0.02);
            let mut laws = vec![two_moments(mean, cv).unwrap()];
            if cv >= 0.5 {
                laws.push(coxian2(mean, cv).unwrap());
            }
            if cv > 1.0 {
                laws.push(hyperexponential_gamma(mean, cv).unwrap());
                let third = mean.powi(3) * (1.0 + cv) * (1.0 + 2.0 * cv);
                assert_relative_eq!(laws[2].moment(3), third, max_relative = 1e-9);
            }
            for law in laws {
                assert_relative_eq!(law.mean_s(), mean, max_relative = 1e-11);
                assert_relative_eq!(law.squared_cv(), cv, max_relative = 1e-9);
            }
        }
        for k in 2..30 {
            assert_eq!(two_moments(1.0, 1.0 / f64::from(k)).unwrap().phases(), k as usize);
        }
    }

    #[test]
    fn three_moments_of_two_phases_come_back() {
        let mut rng = ChaCha8Rng::seed_from_u64(22);
        for _ in 0..300 {
            let phases =
                [(0.1 + 5.0 * rng.random::<f64>(), rng.random::<f64>()), (0.1 + 5.0 * rng.random::<f64>(), 0.0)];
            let law = PhaseType::coxian(&phases).unwrap();
            let found = three_moments(law.moment(1), law.moment(2), law.moment(3));
            if (law.squared_cv() - 1.0).abs() < 1e-3 {
                continue;
            }
            let found = found.unwrap();
            for k in 1..6 {
                assert_relative_eq!(found.moment(k), law.moment(k), max_relative = 1e-7);
            }
        }
        assert_relative_eq!(three_moments(2.0, 6.0, 24.0).unwrap().squared_cv(), 0.5, max_relative = 1e-6);
        assert_eq!(three_moments(1.0, 2.0, 6.0).unwrap().phases(), 1);
    }

    #[test]
    fn what_cannot_be_matched_is_an_error() {
        assert!(
            two_moments(0.0, 1.0).is_err() && two_moments(1.0, f64::NAN).is_err() && two_moments(1.0, 0.0).is_err()
        );
        assert!(matches!(two_moments(1.0, 1e-4), Err(QueueError::Outside { .. })));
        assert!(matches!(coxian2(1.0, 0.4), Err(QueueError::Outside { name: "squared_cv", .. })));
        assert!(hyperexponential_balanced(1.0, 0.9).is_err() && hyperexponential_gamma(-1.0, 2.0).is_err());
        assert!(matches!(three_moments(1.0, 1.3, 2.0), Err(QueueError::Outside { name: "squared_cv", .. })));
        assert!(matches!(three_moments(1.0, 1.8, 9.0), Err(QueueError::Outside { name: "third_moment", .. })));
        assert!(matches!(three_moments(1.0, 2.0, 7.0), Err(QueueError::Outside { name: "third_moment", .. })));
    }
}
