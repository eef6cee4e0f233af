//! Roots of functions that fall, for quantiles and inverse formulas.

use crate::queueing::error::QueueError;

/// The x > `low` at which the falling `f` passes from positive to not positive; `low` itself if f(low) ≤ 0. Doubling
/// brackets the root and halving closes in on it to the last digits, so it cannot run away.
pub(crate) fn falling_root(low: f64, first_step: f64, f: impl Fn(f64) -> f64) -> f64 {
    if f(low) <= 0.0 {
        return low;
    }
    let (mut low, mut step) = (low, first_step);
    while step < f64::MAX / 4.0 && f(low + step) > 0.0 {
        low += step;
        step *= 2.0;
    }
    let mut high = low + step;
    loop {
        let middle = low + 0.5 * (high - low);
        if middle <= low || middle >= high {
            return high;
        }
        if f(middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// `value` if it lies strictly between 0 and 1.
pub(crate) fn share(name: &'static str, value: f64) -> Result<f64, QueueError> {
    if value > 0.0 && value < 1.0 {
        return Ok(value);
    }
    Err(QueueError::Parameter { name, value, must: "between 0 and 1" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_met_to_its_last_digits() {
        for target in [1e-12, 0.3, 7.0, 1e9] {
            let found = falling_root(0.0, 1.0, |x| target - x);
            assert!((found / target - 1.0).abs() < 1e-15);
        }
        assert_eq!(falling_root(2.0, 1.0, |x| 1.0 - x), 2.0);
        assert!(share("p", f64::NAN).is_err() && share("p", 0.0).is_err() && share("p", 0.5).is_ok());
    }
}
