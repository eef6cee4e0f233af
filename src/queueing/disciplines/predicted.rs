//! M/G/1 where the order goes by predicted sizes.
//!
//! The prediction of a customer of size S is Y = S·Z with an error Z of its own law, independent of S: Z exponential of mean 1 is the
//! model of Mitzenmacher (2019, *Scheduling with predictions and the price of misprediction*, ITCS 2020, LIPIcs 151:14); a uniform
//! or lognormal Z is a relative error. All three orders need only f(y), the density of predictions, and the moments of true size
//! below a prediction, E\[Sᵏ; Y ≤ y\]; with ρ'(y) = λE\[S; Y ≤ y\]:
//!
//! * SPJF, no interruption: W = E\[S\] + ∫ f(y) λE\[S²\]/2 / (1 − ρ'(y))² dy;
//! * PSPJF, by prediction on arrival: W = ∫ f(y) λE\[S²; Y ≤ y\]/2 / (1 − ρ'(y))² dy + ln(1/(1 − ρ))/λ, the second part being
//!   ∫ E\[S; Y ∈ dy\]/(1 − ρ'(y));
//! * SPRPT, by prediction less service received (from the SOAP analysis of Scully, Harchol-Balter and Scheller-Wolf 2018, Proc. ACM
//!   Meas. Anal. Comput. Syst. 2:16): the first part with E\[((S − (Y − y)⁺)⁺)²\] for E\[S²; Y ≤ y\], and residence
//!   E ∫₀^S dt/(1 − ρ'((Y − t)⁺)).

use super::quadrature::{corners, expectation, integral, support};
use super::queue::{Queue, finite_second_moment};
use super::{Psjf, Sjf};
use crate::queueing::error::QueueError;
use crate::queueing::law::{Law, Shape};

/// A stable M/G/1 queue whose sizes are predicted.
///
/// ```
/// use fluidsim::queueing::{Law, disciplines::Predicted};
/// let queue = Predicted::new(0.5, Law::exponential(1.0)?, Law::exponential(1.0)?)?;
/// assert!((queue.spjf_sojourn_s()? - 1.79481449169).abs() < 1e-10);
/// assert!((queue.pspjf_sojourn_s() - 1.66366224899).abs() < 1e-10);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Predicted {
    queue: Queue,
    error: Law,
}

impl Predicted {
    /// The queue with arrival rate λ, this law of sizes and this law of the factor that a prediction is off by. Of a factor's mean only
    /// SPRPT takes notice: the other two orders stay the same when all predictions are scaled.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] when ρ ≥ 1; [`QueueError::Parameter`] for a negative rate.
    pub fn new(arrivals_per_s: f64, law: Law, error: Law) -> Result<Self, QueueError> {
        Ok(Self { queue: Queue::new(arrivals_per_s, law)?, error })
    }

    /// ρ = λE\[S\].
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Predicted};
    /// let queue = Predicted::new(0.7, Law::exponential(1.0)?, Law::exponential(1.0)?)?;
    /// // λE[S].
    /// assert!((queue.utilization() - 0.7).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn utilization(&self) -> f64 {
        self.queue.utilization()
    }

    /// P(Y ≤ y), the share of customers predicted to be at most y.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Predicted};
    /// let queue = Predicted::new(0.5, Law::exponential(1.0)?, Law::exponential(1.0)?)?;
    /// // A product of two exponentials: 1 − 2K₁(2).
    /// assert!((queue.prediction_cdf(1.0) - 0.720268236366955145).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn prediction_cdf(&self, y_s: f64) -> f64 {
        self.moment_predicted_below(0, y_s)
    }

    /// E\[Sᵏ; Y ≤ y\], the part of the k-th moment of size predicted to be at most y, secondsᵏ.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Predicted};
    /// let queue = Predicted::new(0.5, Law::exponential(1.0)?, Law::exponential(1.0)?)?;
    /// // 1 − 2K₂(2).
    /// assert!((queue.moment_predicted_below(1, 1.0) - 0.492480490867888274).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn moment_predicted_below(&self, k: u32, y_s: f64) -> f64 {
        if let Shape::Constant { time_s } = self.error.shape() {
            return self.queue.law.moment_below(k, y_s / time_s);
        }
        expectation(&self.queue.law, &self.knots_for(y_s), |x| x.powi(k as i32) * self.error.cdf(y_s / x))
    }

    /// Sizes at which y/x is a corner of the error's law.
    fn knots_for(&self, y_s: f64) -> Vec<f64> {
        corners(&self.error).into_iter().map(|z| y_s / z).collect()
    }

    /// ρ'(y).
    fn load(&self, y_s: f64) -> f64 {
        self.queue.arrivals_per_s * self.moment_predicted_below(1, y_s)
    }

    /// The density of predictions; for errors that have one.
    fn density(&self, y_s: f64) -> f64 {
        expectation(&self.queue.law, &self.knots_for(y_s), |x| self.error.density(y_s / x) / x)
    }

    /// E\[g(Y)\]; for errors that have a density.
    fn mean_over_predictions(&self, g: impl Fn(f64) -> f64) -> f64 {
        let (low, high) = self.range();
        integral(low, high, &self.corners(), |y| {
            let density = self.density(y);
            if density == 0.0 { 0.0 } else { density * g(y) }
        })
    }

    /// The least and the largest prediction.
    fn range(&self) -> (f64, f64) {
        let (size, error) = (support(&self.queue.law), support(&self.error));
        (size.0 * error.0, size.1 * error.1)
    }

    /// Where functions of the prediction have corners.
    fn corners(&self) -> Vec<f64> {
        let errors = corners(&self.error);
        corners(&self.queue.law).iter().flat_map(|x| errors.iter().map(move |z| x * z)).collect()
    }

    fn is_exact_up_to_scale(&self) -> bool {
        matches!(self.error.shape(), Shape::Constant { .. })
    }

    /// W of shortest predicted job first, without interruption, seconds.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for an infinite E\[S²\], with which every wait is infinite.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Predicted};
    /// let queue = Predicted::new(0.7, Law::exponential(1.0)?, Law::exponential(1.0)?)?;
    /// // Bessel's functions, with mpmath.
    /// assert!((queue.spjf_sojourn_s()? - 2.57258335036).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn spjf_sojourn_s(&self) -> Result<f64, QueueError> {
        finite_second_moment(&self.queue.law)?;
        if self.is_exact_up_to_scale() {
            return Ok(Sjf::new(self.queue.arrivals_per_s, self.queue.law.clone())?.mean_sojourn_s());
        }
        let factor = self.mean_over_predictions(|y| (1.0 - self.load(y)).powi(-2));
        Ok(self.queue.law.mean_s() + self.queue.residual_s() * factor)
    }

    /// W of preemptive shortest predicted job first, by the prediction made on arrival, seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Predicted};
    /// let queue = Predicted::new(0.7, Law::exponential(1.0)?, Law::exponential(1.0)?)?;
    /// // Bessel's functions, with mpmath.
    /// assert!((queue.pspjf_sojourn_s() - 2.39706705925).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn pspjf_sojourn_s(&self) -> f64 {
        let rate = self.queue.arrivals_per_s;
        if rate == 0.0 {
            return self.queue.law.mean_s();
        }
        if self.is_exact_up_to_scale() {
            // The queue was checked when it was made.
            return Psjf::new(rate, self.queue.law.clone()).map_or(f64::INFINITY, |queue| queue.mean_sojourn_s());
        }
        let delay_s = self
            .mean_over_predictions(|y| 0.5 * rate * self.moment_predicted_below(2, y) / (1.0 - self.load(y)).powi(2));
        delay_s - (-self.utilization()).ln_1p() / rate
    }

    /// W of shortest predicted remaining processing time, prediction less service received, seconds. Whoever outlives the
    /// prediction is never interrupted again.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for an error without density (perfect predictions are [`super::Srpt`]), or for an infinite
    /// E\[S²\].
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Predicted};
    /// let queue = Predicted::new(0.5, Law::exponential(1.0)?, Law::exponential(1.0)?)?;
    /// // Simulated by Mitzenmacher (2019), three decimals.
    /// assert!((queue.sprpt_sojourn_s()? - 1.659).abs() < 0.0016);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn sprpt_sojourn_s(&self) -> Result<f64, QueueError> {
        if let Shape::Constant { time_s } = self.error.shape() {
            return Err(QueueError::Parameter { name: "error", value: *time_s, must: "of a law with a density" });
        }
        finite_second_moment(&self.queue.law)?;
        let half_rate = 0.5 * self.queue.arrivals_per_s;
        let delay_s = self.mean_over_predictions(|y| half_rate * self.square_seen_by(y) / (1.0 - self.load(y)).powi(2));
        // While s is left of the prediction, 0 < s < Y and s > Y − S, those predicted below s interrupt.
        let residence_s = integral(0.0, f64::INFINITY, &self.residence_corners(), |s| {
            let share = expectation(&self.queue.law, &self.residence_knots(s), |x| {
                self.error.cdf(1.0 + s / x) - self.error.cdf(s / x)
            });
            share / (1.0 - self.load(s))
        });
        let beyond_s = self.queue.law.mean_s() * (self.error.cdf(1.0) - self.error.moment_below(1, 1.0));
        Ok(delay_s + residence_s + beyond_s)
    }

    /// E\[((S − (Y − r)⁺)⁺)²\]: the square of the work that those already there may hold against a rank of r.
    fn square_seen_by(&self, r_s: f64) -> f64 {
        expectation(&self.queue.law, &self.residence_knots(r_s), |x| {
            let (from, to) = (r_s / x, 1.0 + r_s / x);
            let part = |k| self.error.moment_below(k, to) - self.error.moment_below(k, from);
            let whole = x + r_s;
            let partly = whole * whole * part(0) - 2.0 * whole * x * part(1) + x * x * part(2);
            x * x * self.error.cdf(from) + partly
        })
    }

    /// Sizes at which s/x or 1 + s/x is a corner of the error's law.
    fn residence_knots(&self, s: f64) -> Vec<f64> {
        corners(&self.error).into_iter().flat_map(|z| [s / z, s / (z - 1.0)]).filter(|x| x.is_finite()).collect()
    }

    /// Remaining predictions at which the residence has corners.
    fn residence_corners(&self) -> Vec<f64> {
        let errors = corners(&self.error);
        let sizes = corners(&self.queue.law);
        sizes.iter().flat_map(|x| errors.iter().flat_map(move |z| [x * z, x * (z - 1.0)])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::disciplines::Srpt;
    use crate::queueing::disciplines::bessel::bessel_k;
    use approx::assert_relative_eq;

    fn exponential(rate: f64) -> Predicted {
        Predicted::new(rate, Law::exponential(1.0).unwrap(), Law::exponential(1.0).unwrap()).unwrap()
    }

    #[test]
    fn the_table_is_met() {
        for (rate, spjf, pspjf) in [
            (0.5, 1.79481449169, 1.66366224899),
            (0.7, 2.57258335036, 2.39706705925),
            (0.9, 5.36101762365, 5.2237842575),
        ] {
            assert_relative_eq!(exponential(rate).spjf_sojourn_s().unwrap(), spjf, max_relative = 1e-11);
            assert_relative_eq!(exponential(rate).pspjf_sojourn_s(), pspjf, max_relative = 1e-11);
        }
    }

    /// Mitzenmacher's simulated values, three decimals.
    #[test]
    fn remaining_predictions_are_near_the_published_simulation() {
        for (rate, published) in [(0.5, 1.659), (0.7, 2.368), (0.9, 5.097)] {
            let got = exponential(rate).sprpt_sojourn_s().unwrap();
            assert!((got / published - 1.0).abs() < 0.001, "{rate}: {got}");
        }
    }

    /// Independent simulation: exponential sizes, error lognormal of mean and squared variation 1, λ = .7, 6 runs of 400 000
    /// customers; 95 % half-widths .010, .011, .011.
    #[test]
    fn lognormal_errors_are_near_a_simulation() {
        let queue = Predicted::new(0.7, Law::exponential(1.0).unwrap(), Law::lognormal(1.0, 1.0).unwrap()).unwrap();
        let got = [queue.spjf_sojourn_s().unwrap(), queue.pspjf_sojourn_s(), queue.sprpt_sojourn_s().unwrap()];
        for ((got, simulated), half_width) in
            got.into_iter().zip([2.5105, 2.3247, 2.2789]).zip([0.0098, 0.0111, 0.0107])
        {
            assert!((got - simulated).abs() < 1.5 * half_width, "{got} {simulated}");
        }
    }

    #[test]
    fn moments_have_bessel_functions_for_exponential_predictions() {
        let queue = exponential(0.5);
        for y in [0.01f64, 0.3, 1.0, 4.0, 30.0] {
            let z = 2.0 * y.sqrt();
            assert_relative_eq!(queue.density(y), 2.0 * bessel_k(0, z), max_relative = 1e-11);
            let first = 1.0 - 2.0 * y * bessel_k(2, z);
            assert_relative_eq!(queue.moment_predicted_below(1, y), first, max_relative = 1e-10);
            let second = 2.0 - 2.0 * y.powf(1.5) * bessel_k(3, z);
            assert_relative_eq!(queue.moment_predicted_below(2, y), second, max_relative = 1e-9, epsilon = 1e-12);
        }
    }

    #[test]
    fn small_errors_are_nearly_full_knowledge_and_only_the_spread_matters() {
        let size = Law::lognormal(1.0, 2.0).unwrap();
        let with = |error: Result<Law, _>| Predicted::new(0.8, size.clone(), error.unwrap()).unwrap();
        let known = (
            Sjf::new(0.8, size.clone()).unwrap().mean_sojourn_s(),
            Psjf::new(0.8, size.clone()).unwrap().mean_sojourn_s(),
            Srpt::new(0.8, size.clone()).unwrap().mean_sojourn_s(),
        );
        let perfect = with(Law::constant(1.0));
        assert_relative_eq!(perfect.spjf_sojourn_s().unwrap(), known.0, max_relative = 1e-12);
        assert_relative_eq!(perfect.pspjf_sojourn_s(), known.1, max_relative = 1e-12);
        let mut before = known;
        for half_width in [0.001, 0.2, 0.9] {
            let queue = with(Law::uniform(1.0 - half_width, 1.0 + half_width));
            let now = (queue.spjf_sojourn_s().unwrap(), queue.pspjf_sojourn_s(), queue.sprpt_sojourn_s().unwrap());
            assert!(now.0 > before.0 && now.1 > before.1 && now.2 > before.2, "{half_width}: {now:?} {before:?}");
            if half_width == 0.001 {
                assert_relative_eq!(now.0, known.0, max_relative = 1e-5);
                assert_relative_eq!(now.1, known.1, max_relative = 1e-5);
                assert_relative_eq!(now.2, known.2, max_relative = 2e-3);
            }
            before = now;
        }
        let (near, far) = (with(Law::lognormal(1.0, 0.5)), with(Law::lognormal(3.0, 0.5)));
        assert_relative_eq!(near.spjf_sojourn_s().unwrap(), far.spjf_sojourn_s().unwrap(), max_relative = 1e-10);
        assert_relative_eq!(near.pspjf_sojourn_s(), far.pspjf_sojourn_s(), max_relative = 1e-10);
    }

    #[test]
    fn equal_sizes_with_meaningless_predictions_are_served_at_random() {
        // Predictions of equal sizes only draw lots; without interruption the wait is that of first come, first served.
        let queue = Predicted::new(0.8, Law::constant(1.0).unwrap(), Law::uniform(0.5, 1.5).unwrap()).unwrap();
        assert_relative_eq!(queue.spjf_sojourn_s().unwrap(), 3.0, max_relative = 1e-10);
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        let law = Law::exponential(1.0).unwrap();
        assert!(matches!(Predicted::new(1.0, law.clone(), law.clone()), Err(QueueError::Unstable { .. })));
        assert!(Predicted::new(f64::NAN, law.clone(), law.clone()).is_err());
        assert!(Predicted::new(0.5, law.clone(), Law::constant(1.0).unwrap()).unwrap().sprpt_sojourn_s().is_err());
        let heavy = Predicted::new(0.5, Law::pareto(1.0, 1.5).unwrap(), law.clone()).unwrap();
        assert!(heavy.spjf_sojourn_s().is_err());
        let idle = Predicted::new(0.0, law.clone(), law).unwrap();
        assert_relative_eq!(idle.pspjf_sojourn_s(), 1.0, max_relative = 1e-12);
        assert_relative_eq!(idle.sprpt_sojourn_s().unwrap(), 1.0, max_relative = 1e-10);
        assert_relative_eq!(idle.prediction_cdf(1e9), 1.0, max_relative = 1e-10);
    }
}
