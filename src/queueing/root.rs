//! Roots of a continuous function of one variable, without derivatives (Brent 1973, *Algorithms for Minimization without
//! Derivatives*, chapter 4).

/// A zero of `f` between `low` and `high`, where f has different signs; to the last digits. The better end if the signs are the same.
pub(crate) fn zero_between(f: &dyn Fn(f64) -> f64, low: f64, high: f64) -> f64 {
    zero_within(f, low, high, 2.0 * f64::EPSILON)
}

/// The same to a relative `accuracy`.
fn zero_within(f: &dyn Fn(f64) -> f64, low: f64, high: f64, accuracy: f64) -> f64 {
    let (mut a, mut b) = (low, high);
    let (mut fa, mut fb) = (f(a), f(b));
    if fa * fb > 0.0 {
        return if fa.abs() < fb.abs() { a } else { b };
    }
    let (mut c, mut fc) = (a, fa);
    let (mut step, mut before) = (b - a, b - a);
    for _ in 0..300 {
        if fb * fc > 0.0 {
            (c, fc) = (a, fa);
            (step, before) = (b - a, b - a);
        }
        if fc.abs() < fb.abs() {
            (a, b, c) = (b, c, b);
            (fa, fb, fc) = (fb, fc, fb);
        }
        let tolerance = accuracy * b.abs();
        let half = 0.5 * (c - b);
        if half.abs() <= tolerance || fb == 0.0 {
            break;
        }
        if before.abs() >= tolerance && fa.abs() > fb.abs() {
            let interpolated = interpolate((a, fa), (b, fb), (c, fc));
            if interpolated.abs() < (1.5 * half.abs() - 0.5 * tolerance).min(0.5 * before.abs())
                && interpolated * half > 0.0
            {
                (before, step) = (step, interpolated);
            } else {
                (before, step) = (half, half);
            }
        } else {
            (before, step) = (half, half);
        }
        (a, fa) = (b, fb);
        b += if step.abs() > tolerance { step } else { tolerance.copysign(half) };
        fb = f(b);
    }
    b
}

/// The step from b by inverse quadratic interpolation, or the secant where two of the points are one.
fn interpolate((a, fa): (f64, f64), (b, fb): (f64, f64), (c, fc): (f64, f64)) -> f64 {
    let s = fb / fa;
    if a == c {
        return s * (c - b) / (1.0 - s);
    }
    let (q, r) = (fa / fc, fb / fc);
    s * ((c - b) * q * (q - r) - (b - a) * (r - 1.0)) / -((q - 1.0) * (r - 1.0) * (s - 1.0))
}

/// The time at which a decreasing `survival` function has fallen to `level`, found from a time of the right order, `scale_s`.
/// 0 where it is there already.
pub(crate) fn time_at_level(survival: &dyn Fn(f64) -> f64, level: f64, scale_s: f64) -> f64 {
    time_near_level(survival, level, scale_s, 2.0 * f64::EPSILON)
}

/// The same to a relative `accuracy`, for a function with errors of its own, in which a root cannot be found to the last digits.
pub(crate) fn time_near_level(survival: &dyn Fn(f64) -> f64, level: f64, scale_s: f64, accuracy: f64) -> f64 {
    let above = |t: f64| (survival(t).max(1e-300) / level).ln();
    let (mut low, mut high) = (0.5 * scale_s, scale_s);
    while above(high) > 0.0 && high < 1e300 {
        (low, high) = (high, 2.0 * high);
    }
    while above(low) <= 0.0 {
        if low < 1e-14 * scale_s {
            return 0.0;
        }
        (low, high) = (0.25 * low, low);
    }
    zero_within(&above, low, high, accuracy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn zeros_are_found_to_the_last_digits() {
        assert_relative_eq!(zero_between(&|x| x * x - 2.0, 0.0, 9.0), 2.0f64.sqrt(), max_relative = 1e-15);
        assert_relative_eq!(
            zero_between(&|x: f64| x.cos() - x, 0.0, 1.0),
            0.739_085_133_215_160_7,
            max_relative = 1e-15
        );
        assert_relative_eq!(zero_between(&|x: f64| (x - 1.0).powi(9), -3.0, 8.0), 1.0, max_relative = 1e-2);
        assert_relative_eq!(zero_between(&|x: f64| x - 1e-9, 0.0, 1.0), 1e-9, max_relative = 1e-14);
        assert_eq!(zero_between(&|x| x + 1.0, 0.0, 4.0), 0.0);
        assert_eq!(zero_between(&|x| x, 0.0, 4.0), 0.0);
    }

    #[test]
    fn levels_are_met() {
        for scale in [1e-6, 1.0, 1e7] {
            let found = time_at_level(&|t| (-3.0 * t).exp(), 0.01, scale);
            assert_relative_eq!(found, 100.0f64.ln() / 3.0, max_relative = 1e-13);
        }
        assert_eq!(time_at_level(&|t| 0.5 * (-t).exp(), 0.6, 1.0), 0.0);
        // A search to ten digits ends within them, and after fewer evaluations.
        let asked = std::cell::Cell::new(0);
        let rough = |t: f64| {
            asked.set(asked.get() + 1);
            (-3.0 * t).exp() + 1e-12 * (1e9 * t).sin()
        };
        let found = time_near_level(&rough, 0.01, 1.0, 1e-10);
        let few = asked.replace(0);
        assert_relative_eq!(found, 100.0f64.ln() / 3.0, max_relative = 3e-10);
        time_at_level(&rough, 0.01, 1.0);
        assert!(few < asked.get(), "{few} {}", asked.get());
    }
}
