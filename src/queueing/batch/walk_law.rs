//! The whole law of the reflected walk Q' = (Q + Poisson(a) − b)⁺, by the roots of z^b = e^(a(z−1)).
//!
//! With z_1 … z_{b−1} the roots inside the unit circle, E z^Q = (b − a)(z − 1) Π (z − z_i)/(1 − z_i) / (z^b − e^(a(z−1))), and
//! P(Q = 0) = e^a (b − a) Π z_i/(z_i − 1). The only real pole ζ > 1 gives the tail, P(Q = n) → cζ^(−n); what is left of the law
//! when that is taken off falls as the next pair of poles, also close to saturation, and is read off the unit circle by the
//! trapezoidal rule. Bailey (1954), JRSS B 16:80–87; Crommelin (1932) for the roots; Abate and Whitt (1992), Operations
//! Research Letters 12:245–251, for the rule. Absolute error about 1e-13; the work grows as b², so for b up to some hundreds.

use nalgebra::Complex;

use super::batch_time::BatchTime;
use super::chain::{complex_root, real_root};
use crate::queueing::error::{QueueError, positive};

/// The stationary law of the number left behind, with Poisson(a) arrivals per slot and at most b departures.
///
/// a = 3, b = 4:
/// ```
/// # fn main() -> Result<(), fluidsim::queueing::QueueError> {
/// use fluidsim::queueing::batch::BulkLaw;
/// let law = BulkLaw::new(3.0, 4)?;
/// assert!((law.mean() - 0.80088347976).abs() < 1e-10);
/// assert!((law.probability(0) - 0.67801105219).abs() < 1e-10);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct BulkLaw {
    /// P(Q = n) less the tail's cζ^(−n), n = 0, 1, …; beyond, nothing is left.
    rest: Vec<f64>,
    scale: f64,
    ratio: f64,
}

impl BulkLaw {
    /// `arrivals` a > 0 per slot in the mean, `batch` b customers at most per slot.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] with growth a − b per slot when a ≥ b; [`QueueError::Parameter`] for a value out of range.
    pub fn new(arrivals: f64, batch: u32) -> Result<Self, QueueError> {
        positive("arrivals", arrivals)?;
        positive("batch", f64::from(batch))?;
        let size = f64::from(batch);
        if arrivals >= size {
            return Err(QueueError::Unstable { growth_per_s: arrivals - size });
        }
        let inner = inner_roots(arrivals, batch);
        let slot = BatchTime::constant(arrivals)?;
        let pole = real_root(1.0, &slot, size);
        // The residue, by the derivative b ζ^(b−1) − aζ^b of z^b − e^(a(z−1)) at ζ.
        let top = log_product(Complex::new(pole, 0.0), &inner);
        let slope = (size - arrivals * pole).abs();
        let scale = (size - arrivals) * (pole - 1.0) * (top - Complex::new(size * pole.ln(), 0.0)).exp().re / slope;
        let second = complex_root(1.0, &slot, size).unwrap_or(pole);
        let points = ((37.0 / second.ln()).ceil() as usize).max(8);
        let rest = coefficients(points, |z| {
            let below = z.powf(size) - ((z - 1.0) * arrivals).exp();
            let law = (z - 1.0) * (size - arrivals) * log_product(z, &inner).exp() / below;
            law - Complex::new(scale, 0.0) / (Complex::new(1.0, 0.0) - z / pole)
        });
        Ok(Self { rest, scale, ratio: 1.0 / pole })
    }

    /// P(Q = n).
    ///
    /// ```
    /// # use fluidsim::queueing::batch::BulkLaw;
    /// let law = BulkLaw::new(3.0, 4)?;
    /// // The chain, with mpmath.
    /// assert!((law.probability(0) - 0.67801105219).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn probability(&self, n: usize) -> f64 {
        let tail = self.scale * self.ratio.powf(n as f64);
        (tail + self.rest.get(n).copied().unwrap_or(0.0)).max(0.0)
    }

    /// P(Q ≤ n).
    ///
    /// ```
    /// # use fluidsim::queueing::batch::BulkLaw;
    /// let law = BulkLaw::new(3.0, 4)?;
    /// // P(Q = 0), with mpmath.
    /// assert!((law.cdf(0) - 0.67801105219).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn cdf(&self, n: usize) -> f64 {
        let rest: f64 = self.rest.iter().skip(n + 1).sum();
        1.0 - (self.scale * self.ratio.powf(n as f64 + 1.0) / (1.0 - self.ratio) + rest)
    }

    /// E\[Q\].
    ///
    /// ```
    /// # use fluidsim::queueing::batch::BulkLaw;
    /// let law = BulkLaw::new(3.0, 4)?;
    /// // The chain, with mpmath.
    /// assert!((law.mean() - 0.80088347976).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean(&self) -> f64 {
        let rest: f64 = self.rest.iter().enumerate().map(|(n, mass)| n as f64 * mass).sum();
        rest + self.scale * self.ratio / (1.0 - self.ratio).powi(2)
    }

    /// 1/ζ, the ratio of P(Q = n + 1) to P(Q = n) in the tail.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::BulkLaw;
    /// let law = BulkLaw::new(3.0, 4)?;
    /// // 1/ζ of ζ⁴ = e^(3(ζ − 1)) with mpmath.
    /// assert!((law.tail_ratio() - 0.57683400414230868931).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn tail_ratio(&self) -> f64 {
        self.ratio
    }

    /// The smallest n with P(Q ≤ n) ≥ p; 0 ≤ p < 1.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::BulkLaw;
    /// let law = BulkLaw::new(3.0, 4)?;
    /// // P(Q = 0) = .678.
    /// assert_eq!(law.quantile(0.5), 0);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn quantile(&self, p: f64) -> usize {
        let (mut low, mut high) = (0, 1);
        while self.cdf(high) < p {
            high *= 2;
        }
        while low < high {
            let middle = (low + high) / 2;
            if self.cdf(middle) >= p {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }
}

/// The b − 1 roots inside the unit circle, z ← ω e^(a(z−1)/b) with ω the b-th roots of 1 but 1, which contracts there.
fn inner_roots(arrivals: f64, batch: u32) -> Vec<Complex<f64>> {
    let size = f64::from(batch);
    (1..batch)
        .map(|k| {
            let turn = Complex::from_polar(1.0, std::f64::consts::TAU * f64::from(k) / size);
            let mut z = turn * 0.5;
            for _ in 0..1000 {
                let image = turn * ((z - 1.0) * (arrivals / size)).exp();
                // Newton on z − image, whose derivative is 1 − (a/b)·image.
                let step = (z - image) / (Complex::new(1.0, 0.0) - image * (arrivals / size));
                z -= step;
                if step.norm() < 1e-16 {
                    break;
                }
            }
            z
        })
        .collect()
}

/// ln Π (z − z_i)/(1 − z_i).
fn log_product(z: Complex<f64>, roots: &[Complex<f64>]) -> Complex<f64> {
    roots.iter().map(|root| ((z - root) / (Complex::new(1.0, 0.0) - root)).ln()).sum()
}

/// The first coefficients of the power series of `f`, from `points` points between the roots of 1.
fn coefficients(points: usize, f: impl Fn(Complex<f64>) -> Complex<f64>) -> Vec<f64> {
    let angle = |k: usize| std::f64::consts::PI * (2 * k + 1) as f64 / (2 * points) as f64;
    let values: Vec<Complex<f64>> = (0..points).map(|k| f(Complex::from_polar(1.0, angle(k)))).collect();
    (0..points)
        .map(|n| {
            let sum: f64 = values
                .iter()
                .zip(0..)
                .map(|(value, k)| (value * Complex::from_polar(1.0, -angle(k) * n as f64)).re)
                .sum();
            sum / points as f64
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::batch::Bulk;
    use approx::assert_relative_eq;

    /// a, b, E\[Q\], P(Q = 0), to eleven digits.
    const TABLE: [(f64, u32, f64, f64); 4] = [
        (3.0, 4, 0.80088347976, 0.67801105219),
        (2.0, 4, 0.099303477569, 0.93453304705),
        (3.9, 4, 18.494229762, 0.095762357283),
        (1.0, 2, 0.17674105711, 0.87870891034),
    ];

    #[test]
    fn the_table_is_met() {
        for (arrivals, batch, mean, nobody) in TABLE {
            let law = BulkLaw::new(arrivals, batch).unwrap();
            assert_relative_eq!(law.mean(), mean, max_relative = 1e-10);
            assert_relative_eq!(law.probability(0), nobody, max_relative = 1e-10);
        }
    }

    #[test]
    fn one_at_a_time_is_md1_also_near_saturation() {
        for a in [0.1, 0.5, 0.9, 0.999] {
            let law = BulkLaw::new(a, 1).unwrap();
            assert_relative_eq!(law.probability(0), (1.0 - a) * f64::exp(a), max_relative = 1e-10);
            assert_relative_eq!(law.mean(), a * a / (2.0 * (1.0 - a)), max_relative = 1e-10);
        }
    }

    #[test]
    fn the_law_is_its_own_image() {
        for (a, batch) in [(3.0, 4), (3.99, 4), (20.0, 32), (120.0, 128)] {
            let law = BulkLaw::new(a, batch).unwrap();
            // P(Q' ≤ n) = Σ_q P(Q = q) P(A ≤ n + b − q).
            for n in [0usize, 1, 5] {
                let mut poisson = f64::exp(-a);
                let mut image = 0.0;
                for arrivals in 0..=(n + batch as usize) {
                    image += poisson * law.cdf(n + batch as usize - arrivals);
                    poisson *= a / (arrivals + 1) as f64;
                }
                assert_relative_eq!(law.cdf(n), image, max_relative = 1e-10);
            }
            assert_relative_eq!(law.mean(), Bulk::new(a, u64::from(batch)).unwrap().left_behind(), max_relative = 1e-2);
            let middle = law.quantile(0.9);
            assert!(law.cdf(middle) >= 0.9 && (middle == 0 || law.cdf(middle - 1) < 0.9));
        }
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        assert_eq!(BulkLaw::new(3.0, 2).unwrap_err(), QueueError::Unstable { growth_per_s: 1.0 });
        assert!(BulkLaw::new(0.0, 2).is_err() && BulkLaw::new(1.0, 0).is_err());
    }
}
