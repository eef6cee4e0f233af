//! A bracketing root finder for monotone residuals. It returns the bracket, not a point: the residual changes sign between
//! its ends, so the caller can prove where the root lies.

/// Two abscissae with residuals of opposite sign (or zero), `low` ≤ root ≤ `high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bracket {
    /// Where the residual is negative or zero.
    pub low: f64,
    /// Where the residual is positive or zero.
    pub high: f64,
}

impl Bracket {
    /// The middle of the bracket.
    pub fn middle(&self) -> f64 {
        0.5 * (self.low + self.high)
    }
}

/// Narrows `[low, high]` around the root of an increasing residual until it is relatively narrower than `tolerance`:
/// regula falsi with the Illinois rule, and a bisection wherever that gains less than half.
///
/// # Errors
/// `None` when the residual does not change sign over the given interval or is not a number.
pub fn narrow(residual: impl Fn(f64) -> f64, low: f64, high: f64, tolerance: f64) -> Option<Bracket> {
    let (mut low, mut high) = (low, high);
    let (mut at_low, mut at_high) = (residual(low), residual(high));
    if at_low.is_nan() || at_high.is_nan() || at_low > 0.0 || at_high < 0.0 {
        return None;
    }
    for _ in 0..200 {
        let width = high - low;
        if width <= tolerance * high.abs() {
            break;
        }
        let secant = low + width * (-at_low / (at_high - at_low)).clamp(0.0, 1.0);
        // A step to the far side of the root by half a tolerance closes the bracket from both ends.
        let nudge = 0.4 * tolerance * high.abs();
        for point in [secant - nudge, secant + nudge, 0.5 * (low + high)] {
            if point > low && point < high {
                let value = residual(point);
                if value.is_nan() {
                    return None;
                }
                if value <= 0.0 {
                    (low, at_low) = (point, value);
                } else {
                    (high, at_high) = (point, value);
                }
            }
            if high - low <= 0.5 * width {
                break;
            }
        }
    }
    Some(Bracket { low, high })
}

/// Finds a sign change of an increasing residual upwards from `start` > 0 by doubling or halving, then narrows it.
///
/// # Errors
/// `None` when no sign change is found within 200 doublings.
pub fn find(residual: impl Fn(f64) -> f64, start: f64, tolerance: f64) -> Option<Bracket> {
    let (mut low, mut high) = (start, start);
    for _ in 0..200 {
        if residual(low) <= 0.0 {
            break;
        }
        high = low;
        low *= 0.5;
    }
    for _ in 0..200 {
        if residual(high) >= 0.0 {
            return narrow(residual, low, high, tolerance);
        }
        low = high;
        high *= 2.0;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_hold_their_root() {
        type Case = (fn(f64) -> f64, f64);
        let cases: [Case; 4] = [
            (|x| x * x - 2.0, std::f64::consts::SQRT_2),
            (|x| (x - 0.3).powi(3), 0.3),
            (|x| if x < 5.25 { -1.0 } else { 1.0 }, 5.25),
            (|x| x.exp() - 1e6, 1e6_f64.ln()),
        ];
        for (residual, root) in cases {
            let bracket = find(residual, 1.0, 1e-12).unwrap();
            assert!(bracket.low <= root * (1.0 + 1e-15) && root <= bracket.high * (1.0 + 1e-15), "{bracket:?}");
            assert!(bracket.high - bracket.low <= 1.1e-12 * root.max(1.0), "{bracket:?}");
            assert!(residual(bracket.low) <= 0.0 && residual(bracket.high) >= 0.0);
        }
    }

    #[test]
    fn no_sign_change_is_no_root() {
        assert_eq!(narrow(|x| x + 1.0, 0.0, 1.0, 1e-9), None);
        assert_eq!(narrow(|_| f64::NAN, 0.0, 1.0, 1e-9), None);
    }
}
