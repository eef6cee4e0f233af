//! Mean and variance of a stream in one pass.
//!
//! Welford (1962), Technometrics 4:419–420, for one value; Chan, Golub and LeVeque (1979), Stanford STAN-CS-79-773, for
//! merging two accumulators. Both avoid the cancellation of Σx² − (Σx)²/n.

/// Running mean and sum of squared deviations. Unitless: the unit is that of the values.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Accumulator {
    count: u64,
    mean: f64,
    squared_deviations: f64,
}

impl Accumulator {
    /// An accumulator that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one value: m ← m + (x − m)/n, S ← S + (x − m_old)(x − m_new).
    pub fn push(&mut self, value: f64) {
        self.count += 1;
        let gap = value - self.mean;
        self.mean += gap / self.count as f64;
        self.squared_deviations += gap * (value - self.mean);
    }

    /// Adds everything that `other` has seen: S ← S₁ + S₂ + δ² n₁n₂/(n₁ + n₂).
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *other;
            return;
        }
        let (mine, theirs) = (self.count as f64, other.count as f64);
        let gap = other.mean - self.mean;
        self.count += other.count;
        self.mean += gap * theirs / (mine + theirs);
        self.squared_deviations += other.squared_deviations + gap * gap * mine * theirs / (mine + theirs);
    }

    /// Values seen.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The mean; `None` of nothing.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    /// The unbiased variance S/(n − 1); `None` of fewer than two values.
    pub fn variance(&self) -> Option<f64> {
        (self.count > 1).then(|| self.squared_deviations / (self.count - 1) as f64)
    }

    /// The standard error of the mean of independent values, √(s²/n); `None` of fewer than two values.
    pub fn standard_error(&self) -> Option<f64> {
        self.variance().map(|variance| (variance / self.count as f64).sqrt())
    }
}

impl FromIterator<f64> for Accumulator {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut accumulator = Self::new();
        values.into_iter().for_each(|value| accumulator.push(value));
        accumulator
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn small_series_by_hand() {
        let seen: Accumulator = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0].into_iter().collect();
        assert_eq!(seen.count(), 8);
        assert_eq!(seen.mean(), Some(5.0));
        assert_relative_eq!(seen.variance().unwrap(), 32.0 / 7.0, max_relative = 1e-15);
        assert_relative_eq!(seen.standard_error().unwrap(), (4.0f64 / 7.0).sqrt(), max_relative = 1e-15);
    }

    #[test]
    fn nothing_and_one_value_have_no_variance() {
        assert_eq!(Accumulator::new().mean(), None);
        let one: Accumulator = [3.0].into_iter().collect();
        assert_eq!((one.mean(), one.variance(), one.standard_error()), (Some(3.0), None, None));
    }

    #[test]
    fn a_large_offset_does_not_cancel() {
        let seen: Accumulator = [4.0, 7.0, 13.0, 16.0].into_iter().map(|x| x + 1e9).collect();
        assert_relative_eq!(seen.variance().unwrap(), 30.0, max_relative = 1e-12);
    }

    #[test]
    fn merging_is_the_same_as_seeing_all() {
        let values: Vec<f64> = (0..1000).map(|k| f64::from(k * k % 97)).collect();
        let whole: Accumulator = values.iter().copied().collect();
        for cut in [0, 1, 333, 1000] {
            let mut left: Accumulator = values[..cut].iter().copied().collect();
            let right: Accumulator = values[cut..].iter().copied().collect();
            left.merge(&right);
            assert_eq!(left.count(), whole.count());
            assert_relative_eq!(left.mean().unwrap(), whole.mean().unwrap(), max_relative = 1e-13);
            assert_relative_eq!(left.variance().unwrap(), whole.variance().unwrap(), max_relative = 1e-13);
        }
    }
}
