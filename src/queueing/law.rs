//! Laws of a positive time: of service, or between arrivals.
//!
//! Every discipline needs the same few things of a law: moments, the distribution function, and the moments of the part below
//! x. They stand here once, in closed form, from the incomplete gamma function (Abramowitz and Stegun 1964, §6.5 and §26.2).

use rand::{Rng, RngExt};
use rand_distr::{Distribution, Exp1, Gamma, Open01, StandardNormal};
use statrs::function::gamma::{gamma, gamma_lr, gamma_ur, ln_gamma};

use super::error::{QueueError, positive};
use super::normal::normal_cdf;

mod quantile;
mod transform;

/// A law of a positive time in seconds, checked when it is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Law {
    shape: Shape,
}

/// The family and its parameters.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Shape {
    /// Always the same time.
    Constant {
        /// Seconds.
        time_s: f64,
    },
    /// Every time between two equally likely.
    Uniform {
        /// Shortest, seconds.
        low_s: f64,
        /// Longest, seconds.
        high_s: f64,
    },
    /// Gamma; Erlang where the shape is whole, exponential where it is 1.
    Gamma {
        /// a.
        shape: f64,
        /// Seconds; the mean is shape · scale.
        scale_s: f64,
    },
    /// One of several exponential laws, each with its probability.
    Hyperexponential {
        /// (probability, rate per second).
        branches: Vec<(f64, f64)>,
    },
    /// exp of a normal variable.
    Lognormal {
        /// Mean of the logarithm.
        mu: f64,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
    /// P(S > t) = exp(−(t/scale)^shape).
    Weibull {
        /// c.
        shape: f64,
        /// Seconds.
        scale_s: f64,
    },
    /// P(S > t) = (least/t)^shape from `least_s` on.
    Pareto {
        /// Shortest time, seconds.
        least_s: f64,
        /// Tail exponent α.
        shape: f64,
    },
}

impl Law {
    /// Always `time_s`.
    ///
    /// ```
    /// # use fluidsim::queueing::Law;
    /// let law = Law::constant(2.0)?;
    /// assert_eq!((law.mean_s(), law.squared_cv()), (2.0, 0.0));
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless positive and finite, as in every constructor here.
    pub fn constant(time_s: f64) -> Result<Self, QueueError> {
        positive("time_s", time_s)?;
        Ok(Self { shape: Shape::Constant { time_s } })
    }

    /// Uniform on [`low_s`, `high_s`].
    ///
    /// ```
    /// # use fluidsim::queueing::Law;
    /// // Variance (high − low)²/12 = 1/3.
    /// let law = Law::uniform(0.0, 2.0)?;
    /// assert!((law.squared_cv() - 1.0 / 3.0).abs() < 1e-14);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless 0 ≤ low < high, both finite.
    pub fn uniform(low_s: f64, high_s: f64) -> Result<Self, QueueError> {
        super::error::not_negative("low_s", low_s)?;
        positive("high_s", high_s)?;
        if low_s >= high_s {
            return Err(QueueError::Parameter { name: "high_s", value: high_s, must: "above the lower end" });
        }
        Ok(Self { shape: Shape::Uniform { low_s, high_s } })
    }

    /// Exponential.
    ///
    /// ```
    /// # use fluidsim::queueing::Law;
    /// let law = Law::exponential(2.0)?;
    /// assert!((law.survival(2.0) - (-1.0f64).exp()).abs() < 1e-15);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for a mean that is not positive and finite.
    pub fn exponential(mean_s: f64) -> Result<Self, QueueError> {
        Self::gamma(mean_s, 1.0)
    }

    /// Erlang: the sum of `phases` exponential times of equal mean.
    ///
    /// ```
    /// # use fluidsim::queueing::Law;
    /// // The squared coefficient of variation is one over the number of phases.
    /// assert!((Law::erlang(3.0, 4)?.squared_cv() - 0.25).abs() < 1e-15);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for no phases or a mean that is not positive and finite.
    pub fn erlang(mean_s: f64, phases: u32) -> Result<Self, QueueError> {
        Self::gamma(mean_s, 1.0 / positive("phases", f64::from(phases))?)
    }

    /// Gamma by its mean and squared coefficient of variation.
    ///
    /// ```
    /// # use fluidsim::queueing::Law;
    /// let law = Law::gamma(2.0, 0.5)?;
    /// // E[S²] = mean²(1 + cv²).
    /// assert!((law.moment(2) - 6.0).abs() < 1e-13);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless both are positive and finite.
    pub fn gamma(mean_s: f64, squared_cv: f64) -> Result<Self, QueueError> {
        positive("mean_s", mean_s)?;
        positive("squared_cv", squared_cv)?;
        Ok(Self { shape: Shape::Gamma { shape: 1.0 / squared_cv, scale_s: mean_s * squared_cv } })
    }

    /// Hyperexponential: branch i with probability pᵢ has rate μᵢ per second.
    ///
    /// ```
    /// # use fluidsim::queueing::Law;
    /// // p₁/μ₁ + p₂/μ₂ = 0.5/1 + 0.5/0.5.
    /// let law = Law::hyperexponential(&[(0.5, 1.0), (0.5, 0.5)])?;
    /// assert!((law.mean_s() - 1.5).abs() < 1e-14);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for no branches, a rate or probability that is not positive and finite, or probabilities that do not
    /// sum to 1 (to 1e-9).
    pub fn hyperexponential(branches: &[(f64, f64)]) -> Result<Self, QueueError> {
        for &(probability, rate) in branches {
            positive("probability", probability)?;
            positive("rate_per_s", rate)?;
        }
        let total: f64 = branches.iter().map(|branch| branch.0).sum();
        if (total - 1.0).abs() > 1e-9 {
            return Err(QueueError::Parameter { name: "probabilities", value: total, must: "1 in sum" });
        }
        Ok(Self { shape: Shape::Hyperexponential { branches: branches.to_vec() } })
    }

    /// Two exponential branches of balanced means, p/μ₁ = (1 − p)/μ₂ (Whitt 1982, Operations Research 30:125–147).
    ///
    /// ```
    /// # use fluidsim::queueing::Law;
    /// let law = Law::hyperexponential_balanced(1.0, 4.0)?;
    /// // p = .887298334621, E[S²] = 5.
    /// assert!((law.moment(2) - 5.0).abs() < 1e-12 && (law.squared_cv() - 4.0).abs() < 1e-12);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless the mean is positive and finite and the squared coefficient of variation above 1.
    pub fn hyperexponential_balanced(mean_s: f64, squared_cv: f64) -> Result<Self, QueueError> {
        positive("mean_s", mean_s)?;
        if !(squared_cv.is_finite() && squared_cv > 1.0) {
            return Err(QueueError::Parameter { name: "squared_cv", value: squared_cv, must: "above 1 and finite" });
        }
        let p = 0.5 * (1.0 + ((squared_cv - 1.0) / (squared_cv + 1.0)).sqrt());
        Self::hyperexponential(&[(p, 2.0 * p / mean_s), (1.0 - p, 2.0 * (1.0 - p) / mean_s)])
    }

    /// Lognormal by its mean and squared coefficient of variation.
    ///
    /// ```
    /// # use fluidsim::queueing::Law;
    /// // The median is mean/√(1 + cv²).
    /// let law = Law::lognormal(3.0, 8.0)?;
    /// assert!((law.cdf(1.0) - 0.5).abs() < 1e-14);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless both are positive and finite.
    pub fn lognormal(mean_s: f64, squared_cv: f64) -> Result<Self, QueueError> {
        let variance = positive("squared_cv", squared_cv)?.ln_1p();
        let mu = positive("mean_s", mean_s)?.ln() - 0.5 * variance;
        Ok(Self { shape: Shape::Lognormal { mu, sigma: variance.sqrt() } })
    }

    /// Weibull by its mean and shape.
    ///
    /// ```
    /// # use fluidsim::queueing::Law;
    /// // Shape ½ and mean 1: P(S > t) = e^−√(2t), E[S²] = 6.
    /// let law = Law::weibull(1.0, 0.5)?;
    /// assert!((law.survival(2.0) - (-2.0f64).exp()).abs() < 1e-13 && (law.moment(2) - 6.0).abs() < 1e-11);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless both are positive and finite.
    pub fn weibull(mean_s: f64, shape: f64) -> Result<Self, QueueError> {
        positive("mean_s", mean_s)?;
        positive("shape", shape)?;
        Ok(Self { shape: Shape::Weibull { shape, scale_s: mean_s / gamma(1.0 + 1.0 / shape) } })
    }

    /// Pareto by its mean and tail exponent.
    ///
    /// ```
    /// # use fluidsim::queueing::Law;
    /// // Least 1, exponent 3: mean 3/2.
    /// assert!((Law::pareto(1.5, 3.0)?.survival(2.0) - 0.125).abs() < 1e-14);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless the mean is positive and finite and the exponent above 1.
    pub fn pareto(mean_s: f64, shape: f64) -> Result<Self, QueueError> {
        positive("mean_s", mean_s)?;
        if !(shape.is_finite() && shape > 1.0) {
            return Err(QueueError::Parameter { name: "shape", value: shape, must: "above 1 and finite" });
        }
        Ok(Self { shape: Shape::Pareto { least_s: mean_s * (shape - 1.0) / shape, shape } })
    }

    /// The family and its parameters.
    ///
    /// ```
    /// # use fluidsim::queueing::Law;
    /// use fluidsim::queueing::Shape;
    /// assert_eq!(*Law::constant(2.0)?.shape(), Shape::Constant { time_s: 2.0 });
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// E\[S\], seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::Law;
    /// assert_eq!(Law::uniform(1.0, 4.0)?.mean_s(), 2.5);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_s(&self) -> f64 {
        self.moment(1)
    }

    /// Var S / E\[S\]²; infinite for a Pareto law with α ≤ 2.
    ///
    /// ```
    /// # use fluidsim::queueing::Law;
    /// assert_eq!(Law::exponential(7.0)?.squared_cv(), 1.0);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn squared_cv(&self) -> f64 {
        match &self.shape {
            Shape::Constant { .. } => 0.0,
            Shape::Gamma { shape, .. } => 1.0 / shape,
            Shape::Lognormal { sigma, .. } => (sigma * sigma).exp_m1(),
            _ => self.moment(2) / self.mean_s().powi(2) - 1.0,
        }
    }

    /// E\[Sᵏ\], secondsᵏ; infinite where it does not exist.
    ///
    /// ```
    /// # use fluidsim::queueing::Law;
    /// // Exponential: E[Sᵏ] = k! meanᵏ.
    /// assert!((Law::exponential(2.0)?.moment(3) - 48.0).abs() < 1e-12);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn moment(&self, k: u32) -> f64 {
        self.moment_below(k, f64::INFINITY)
    }

    /// E\[Sᵏ; S ≤ x\], the k-th moment of the part up to `x_s`, secondsᵏ. With k = 0 the distribution function.
    ///
    /// ```
    /// # use fluidsim::queueing::Law;
    /// // Uniform on 0 to 2: ∫₀¹ t/2 dt.
    /// assert!((Law::uniform(0.0, 2.0)?.moment_below(1, 1.0) - 0.25).abs() < 1e-15);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn moment_below(&self, k: u32, x_s: f64) -> f64 {
        if x_s.is_nan() || x_s <= 0.0 {
            return 0.0;
        }
        let order = f64::from(k);
        match &self.shape {
            Shape::Constant { time_s } => f64::from(u8::from(x_s >= *time_s)) * time_s.powi(k as i32),
            Shape::Uniform { low_s, high_s } => {
                let to = x_s.clamp(*low_s, *high_s);
                (to.powi(k as i32 + 1) - low_s.powi(k as i32 + 1)) / ((order + 1.0) * (high_s - low_s))
            }
            Shape::Gamma { shape, scale_s } => gamma_moment_below(*shape, *scale_s, k, x_s),
            Shape::Hyperexponential { branches } => {
                branches.iter().map(|&(p, rate)| p * gamma_moment_below(1.0, 1.0 / rate, k, x_s)).sum()
            }
            Shape::Lognormal { mu, sigma } => {
                let whole = (order * mu + 0.5 * (order * sigma).powi(2)).exp();
                whole * normal_cdf((x_s.ln() - mu - order * sigma * sigma) / sigma)
            }
            Shape::Weibull { shape, scale_s } => {
                let a = 1.0 + order / shape;
                let whole = (order * scale_s.ln() + ln_gamma(a)).exp();
                whole * lower_gamma(a, (x_s / scale_s).powf(*shape))
            }
            Shape::Pareto { least_s, shape } => pareto_moment_below(*least_s, *shape, order, x_s),
        }
    }

    /// P(S ≤ x).
    ///
    /// ```
    /// # use fluidsim::queueing::Law;
    /// assert_eq!(Law::uniform(0.0, 2.0)?.cdf(0.5), 0.25);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn cdf(&self, x_s: f64) -> f64 {
        self.moment_below(0, x_s)
    }

    /// P(S > x), without loss of digits in the tail.
    ///
    /// ```
    /// # use fluidsim::queueing::Law;
    /// // e^−50 is far below the rounding of 1 − P(S ≤ x).
    /// assert!((Law::exponential(1.0)?.survival(50.0) / (-50.0f64).exp() - 1.0).abs() < 1e-12);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn survival(&self, x_s: f64) -> f64 {
        if x_s.is_nan() || x_s <= 0.0 {
            return 1.0;
        }
        match &self.shape {
            Shape::Constant { .. } | Shape::Uniform { .. } => 1.0 - self.cdf(x_s),
            Shape::Gamma { shape, scale_s } => upper_gamma(*shape, x_s / scale_s),
            Shape::Hyperexponential { branches } => branches.iter().map(|&(p, rate)| p * (-rate * x_s).exp()).sum(),
            Shape::Lognormal { mu, sigma } => normal_cdf((mu - x_s.ln()) / sigma),
            Shape::Weibull { shape, scale_s } => (-(x_s / scale_s).powf(*shape)).exp(),
            Shape::Pareto { least_s, shape } => (least_s / x_s).min(1.0).powf(*shape),
        }
    }

    /// The density at x, per second; 0 for a constant, which has none.
    ///
    /// ```
    /// # use fluidsim::queueing::Law;
    /// // Erlang of two phases, mean 2: t e^−t.
    /// assert!((Law::erlang(2.0, 2)?.density(3.0) - 3.0 * (-3.0f64).exp()).abs() < 1e-14);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn density(&self, x_s: f64) -> f64 {
        if x_s.is_nan() || x_s < 0.0 {
            return 0.0;
        }
        match &self.shape {
            Shape::Constant { .. } => 0.0,
            Shape::Uniform { low_s, high_s } => f64::from(u8::from(*low_s <= x_s && x_s <= *high_s)) / (high_s - low_s),
            Shape::Gamma { shape, scale_s } if *shape == 1.0 => (-x_s / scale_s).exp() / scale_s,
            Shape::Gamma { shape, scale_s } => {
                let z = x_s / scale_s;
                ((shape - 1.0) * z.ln() - z - ln_gamma(*shape)).exp() / scale_s
            }
            Shape::Hyperexponential { branches } => {
                branches.iter().map(|&(p, rate)| p * rate * (-rate * x_s).exp()).sum()
            }
            Shape::Lognormal { .. } if x_s == 0.0 => 0.0,
            Shape::Lognormal { mu, sigma } => {
                let z = (x_s.ln() - mu) / sigma;
                (-0.5 * z * z).exp() / (x_s * sigma * std::f64::consts::TAU.sqrt())
            }
            Shape::Weibull { shape, scale_s } => {
                let z = x_s / scale_s;
                shape / scale_s * z.powf(shape - 1.0) * (-z.powf(*shape)).exp()
            }
            Shape::Pareto { least_s, .. } if x_s < *least_s => 0.0,
            Shape::Pareto { least_s, shape } => shape / x_s * (least_s / x_s).powf(*shape),
        }
    }

    /// E\[min(S, x)\], seconds: the integral of the survival function up to x.
    ///
    /// ```
    /// # use fluidsim::queueing::Law;
    /// // Exponential: 1 − e^−x.
    /// assert!((Law::exponential(1.0)?.mean_up_to(2.0) - (1.0 - (-2.0f64).exp())).abs() < 1e-14);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_up_to(&self, x_s: f64) -> f64 {
        if x_s == f64::INFINITY {
            return self.mean_s();
        }
        self.moment_below(1, x_s) + x_s.max(0.0) * self.survival(x_s)
    }

    /// E\[min(S, x)²\], seconds².
    ///
    /// ```
    /// # use fluidsim::queueing::Law;
    /// // A constant of 3 s, cut at 2.
    /// assert_eq!(Law::constant(3.0)?.second_moment_up_to(2.0), 4.0);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn second_moment_up_to(&self, x_s: f64) -> f64 {
        if x_s == f64::INFINITY {
            return self.moment(2);
        }
        self.moment_below(2, x_s) + x_s.max(0.0).powi(2) * self.survival(x_s)
    }

    /// One time, seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::Law;
    /// use rand::SeedableRng;
    /// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    /// let law = Law::uniform(1.0, 2.0)?;
    /// assert!((0..100).all(|_| (1.0..=2.0).contains(&law.sample(&mut rng))));
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn sample(&self, rng: &mut impl Rng) -> f64 {
        let exponential = |rng: &mut _| -> f64 { Exp1.sample(rng) };
        match &self.shape {
            Shape::Constant { time_s } => *time_s,
            Shape::Uniform { low_s, high_s } => low_s + (high_s - low_s) * rng.random::<f64>(),
            Shape::Gamma { shape, scale_s } if *shape == 1.0 => scale_s * exponential(rng),
            Shape::Gamma { shape, scale_s } => {
                Gamma::new(*shape, *scale_s).map_or(shape * scale_s, |law| law.sample(rng))
            }
            Shape::Hyperexponential { branches } => {
                let mut rest: f64 = rng.random();
                for &(probability, rate) in branches {
                    rest -= probability;
                    if rest < 0.0 {
                        return exponential(rng) / rate;
                    }
                }
                exponential(rng) / branches[branches.len() - 1].1
            }
            Shape::Lognormal { mu, sigma } => {
                let normal: f64 = StandardNormal.sample(rng);
                (mu + sigma * normal).exp()
            }
            Shape::Weibull { shape, scale_s } => scale_s * exponential(rng).powf(1.0 / shape),
            Shape::Pareto { least_s, shape } => {
                let u: f64 = Open01.sample(rng);
                least_s * u.powf(-1.0 / shape)
            }
        }
    }
}

/// E\[Sᵏ; S ≤ x\] of a gamma law: E\[Sᵏ\]·P(a + k, x/θ), E\[Sᵏ\] = θᵏ a(a+1)…(a+k−1).
fn gamma_moment_below(shape: f64, scale_s: f64, k: u32, x_s: f64) -> f64 {
    let whole: f64 = (0..k).map(|i| scale_s * (shape + f64::from(i))).product();
    whole * lower_gamma(shape + f64::from(k), x_s / scale_s)
}

fn pareto_moment_below(least_s: f64, shape: f64, order: f64, x_s: f64) -> f64 {
    if x_s <= least_s {
        return 0.0;
    }
    let (from, log) = (least_s.powf(order), (x_s / least_s).ln());
    if order == shape {
        return shape * from * log;
    }
    shape * from * ((order - shape) * log).exp_m1() / (order - shape)
}

/// P(a, x), also at the ends where the library's function has none.
fn lower_gamma(a: f64, x: f64) -> f64 {
    match x {
        0.0 => 0.0,
        f64::INFINITY => 1.0,
        _ if a == 1.0 => -(-x).exp_m1(),
        _ => gamma_lr(a, x),
    }
}

/// Q(a, x) = 1 − P(a, x).
fn upper_gamma(a: f64, x: f64) -> f64 {
    match x {
        0.0 => 1.0,
        f64::INFINITY => 0.0,
        _ if a == 1.0 => (-x).exp(),
        _ => gamma_ur(a, x),
    }
}

#[cfg(test)]
mod tests;
