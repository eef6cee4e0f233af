//! Ranges and ticks of an axis.

/// Ticks aimed at on a linear axis.
const TICKS: f64 = 5.0;
/// Labelled decades at most on a logarithmic axis.
const DECADES: i64 = 7;

/// An axis in drawing units: the values themselves, or their decimal logarithms.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    pub low: f64,
    pub high: f64,
    pub ticks: Vec<f64>,
    pub log: bool,
    step: f64,
}

impl Axis {
    /// A linear axis over the finite values, just as long as they are: for x.
    pub fn snug(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = spread(values.filter(|value| value.is_finite()), 0.0, 1.0);
        Self::linear(low, high)
    }

    /// A linear axis that ends on ticks and holds zero where the values come near it: for y.
    pub fn round(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = spread(values.filter(|value| value.is_finite()), 0.0, 1.0);
        let low = if low > 0.0 && low < 0.6 * high { 0.0 } else { low };
        let high = if high < 0.0 && high > 0.6 * low { 0.0 } else { high };
        let step = nice_step(high - low);
        Self::linear((low / step + 1e-9).floor() * step, (high / step - 1e-9).ceil() * step)
    }

    /// A logarithmic axis over the positive values that ends at 1, 2 or 5 times a power of ten: for y.
    pub fn logarithmic(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = logs(values);
        if high - low < 1.0 {
            return Self::within_a_decade(low, high);
        }
        let ends = |at: f64| [0.0, 2f64.log10(), 5f64.log10(), 1.0].map(|part| at.floor() + part);
        let low = ends(low).into_iter().filter(|end| *end <= low + 1e-9).fold(low.floor(), f64::max);
        let high = ends(high).into_iter().filter(|end| *end >= high - 1e-9).fold(high.floor() + 1.0, f64::min);
        Self::decades(low, high)
    }

    /// A logarithmic axis over the positive values, just as long as they are: for x.
    pub fn snug_logarithmic(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = logs(values);
        if high - low < 1.0 { Self::within_a_decade(low, high) } else { Self::decades(low, high) }
    }

    fn decades(low: f64, high: f64) -> Self {
        let (first, last) = (low.floor() as i64, high.ceil() as i64);
        let step = (last - first + DECADES - 1) / DECADES;
        let parts: &[f64] = if high - low < 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let ticks = (first..=last)
            .step_by(step as usize)
            .flat_map(|decade| parts.iter().map(move |part| decade as f64 + part.log10()))
            .filter(|tick| (low - 1e-9..=high + 1e-9).contains(tick))
            .collect();
        Self { low, high, ticks, log: true, step: 1.0 }
    }

    /// A linear axis for bars over `count` named places.
    pub fn places(count: usize) -> Self {
        let ticks = (0..count).map(|place| place as f64).collect();
        Self { low: -0.6, high: count as f64 - 0.4, ticks, log: false, step: 1.0 }
    }

    /// The part of the axis below a placed value.
    pub fn part(&self, placed: f64) -> f64 {
        (placed - self.low) / (self.high - self.low)
    }

    /// Places between the decades of a logarithmic axis.
    pub fn minor(&self) -> Vec<f64> {
        let (first, last) = (self.low.floor() as i64, self.high.ceil() as i64);
        if !self.log || last - first > DECADES {
            return Vec::new();
        }
        let between = |decade: i64| (2..=9).map(move |digit| decade as f64 + f64::from(digit).log10());
        (first..last).flat_map(between).filter(|place| (self.low..=self.high).contains(place)).collect()
    }

    /// Where a value stands; `None` where it has no place.
    pub fn place(&self, value: f64) -> Option<f64> {
        let placed = if self.log { value.log10() } else { value };
        placed.is_finite().then_some(placed)
    }

    /// The label of a tick.
    pub fn label(&self, tick: f64) -> String {
        if self.log {
            let value = 10f64.powf(tick);
            let digit = format!("{value:.0e}");
            return if (-4.0..6.0).contains(&tick) {
                plain(digit.parse().unwrap_or(value), -tick.floor())
            } else {
                power(&digit)
            };
        }
        let largest = self.low.abs().max(self.high.abs());
        if largest >= 1e6 || self.step < 1e-4 {
            return scientific(tick, largest, self.step);
        }
        plain(tick, -(self.step.log10() + 1e-9).floor())
    }

    fn linear(low: f64, high: f64) -> Self {
        let step = nice_step(high - low);
        let (first, last) = ((low / step - 1e-6).ceil() as i64, (high / step + 1e-6).floor() as i64);
        Self { low, high, ticks: (first..=last).map(|k| k as f64 * step).collect(), log: false, step }
    }

    fn within_a_decade(low: f64, high: f64) -> Self {
        let decade = low.floor() as i32;
        let ticks: Vec<f64> = (decade..=decade + 2)
            .flat_map(|decade| (1..=9).map(move |digit| f64::from(digit).log10() + f64::from(decade)))
            .collect();
        let low = ticks.iter().copied().filter(|tick| *tick <= low + 1e-9).fold(f64::from(decade), f64::max);
        let high = ticks.iter().copied().filter(|tick| *tick >= high - 1e-9).fold(f64::from(decade + 2), f64::min);
        let ticks: Vec<f64> = ticks.into_iter().filter(|tick| *tick >= low - 1e-9 && *tick <= high + 1e-9).collect();
        if ticks.len() > 7 {
            return Self::decades(low, high);
        }
        Self { low, high, ticks, log: true, step: 1.0 }
    }
}

/// Least and largest decimal logarithm of the positive values.
fn logs(values: impl Iterator<Item = f64>) -> (f64, f64) {
    spread(values.filter(|value| value.is_finite() && *value > 0.0).map(f64::log10), 0.0, 1.0)
}

/// Least and largest value, opened where they coincide, a default where there are none.
fn spread(values: impl Iterator<Item = f64>, low: f64, high: f64) -> (f64, f64) {
    let ends = values.fold(None, |ends: Option<(f64, f64)>, value| {
        Some(ends.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
    });
    match ends {
        None => (low, high),
        Some((0.0, 0.0)) => (0.0, 1.0),
        Some((low, high)) if high - low <= 1e-12 * high.abs().max(low.abs()) => {
            let room = if low == 0.0 { 1.0 } else { 0.1 * low.abs() };
            (low - room, high + room)
        }
        Some(ends) => ends,
    }
}

/// 1, 2 or 5 times a power of ten that cuts `length` into about [`TICKS`] parts.
fn nice_step(length: f64) -> f64 {
    let rough = length / TICKS;
    let power = 10f64.powf(rough.log10().floor());
    let digit = rough / power;
    let nice = match digit {
        _ if digit < 1.5 => 1.0,
        _ if digit < 3.5 => 2.0,
        _ if digit < 7.5 => 5.0,
        _ => 10.0,
    };
    nice * power
}

fn plain(value: f64, decimals: f64) -> String {
    let decimals = decimals.max(0.0) as usize;
    // Zero may come out of a sum as -0 or 1e-17.
    let shown = format!("{value:.decimals$}");
    if shown.trim_start_matches('-').chars().all(|c| c == '0' || c == '.') {
        return "0".to_owned();
    }
    grouped(&shown.replace('-', "−"))
}

/// A decimal with thin spaces between thousands from five digits on.
fn grouped(shown: &str) -> String {
    let (whole, rest) = shown.split_at(shown.find('.').unwrap_or(shown.len()));
    let digits = whole.chars().filter(char::is_ascii_digit).count();
    if digits < 5 {
        return shown.to_owned();
    }
    let mut out = String::new();
    let mut left = digits;
    for c in whole.chars() {
        out.push(c);
        if c.is_ascii_digit() {
            left -= 1;
            if left > 0 && left.is_multiple_of(3) {
                out.push('\u{2009}');
            }
        }
    }
    out + rest
}

/// `1.5e6` as 1.5×10⁶, `1e6` as 10⁶.
fn power(shown: &str) -> String {
    let (mantissa, exponent) = shown.split_once('e').unwrap_or((shown, "0"));
    let high = |c: char| match c {
        '-' => '⁻',
        c => c.to_digit(10).and_then(|digit| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(digit as usize)).unwrap_or(c),
    };
    let exponent: String = exponent.chars().map(high).collect();
    if mantissa == "1" { format!("10{exponent}") } else { format!("{}×10{exponent}", mantissa.replace('-', "−")) }
}

fn scientific(tick: f64, largest: f64, step: f64) -> String {
    if tick.abs() < 1e-6 * step {
        return "0".to_owned();
    }
    let digits = (largest.log10().floor() - (step.log10() + 1e-9).floor()).clamp(0.0, 15.0) as usize;
    let shown = format!("{tick:.digits$e}");
    let (mantissa, exponent) = shown.split_once('e').unwrap_or((&shown, "0"));
    let mantissa = if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    power(&format!("{mantissa}e{exponent}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> String {
        axis.ticks.iter().map(|&tick| axis.label(tick)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn linear_axes() {
        let cases: [(&[f64], &str); 7] = [
            (&[0.0, 10.0], "0 2 4 6 8 10"),
            (&[0.1, 0.93], "0 0.2 0.4 0.6 0.8 1.0"),
            (&[-1.0, 1.2], "−1.0 −0.5 0 0.5 1.0 1.5"),
            (&[98.0, 103.0], "98 99 100 101 102 103"),
            (&[0.0, 3.4e6], "0 5×10⁵ 10⁶ 1.5×10⁶ 2×10⁶ 2.5×10⁶ 3×10⁶ 3.5×10⁶"),
            (&[0.0, 2.2e-4], "0 5×10⁻⁵ 10⁻⁴ 1.5×10⁻⁴ 2×10⁻⁴ 2.5×10⁻⁴"),
            (&[5.0, 5.0, f64::NAN], "4.4 4.6 4.8 5.0 5.2 5.4 5.6"),
        ];
        for (values, expected) in cases {
            assert_eq!(labels(&Axis::round(values.iter().copied())), expected, "{values:?}");
        }
        let snug = Axis::snug([0.3, 9.7].into_iter());
        assert_eq!((snug.low, snug.high, labels(&snug).as_str()), (0.3, 9.7, "2 4 6 8"));
    }

    #[test]
    fn logarithmic_axes() {
        let cases: [(&[f64], &str); 6] = [
            (&[0.02, 40.0, -1.0, 0.0], "0.1 1 10"),
            (&[1e-12, 1.0], "10⁻¹² 10⁻¹⁰ 10⁻⁸ 10⁻⁶ 0.0001 0.01 1"),
            (&[2.2, 6.5], "2 3 4 5 6 7"),
            (&[3.0, 2000.0], "10 100 1000"),
            (&[3.0, 40.0], "2 5 10 20 50"),
            (&[1.0, 40_000.0], "1 10 100 1000 10\u{2009}000"),
        ];
        for (values, expected) in cases {
            let axis = Axis::logarithmic(values.iter().copied());
            assert_eq!(labels(&axis), expected, "{values:?}");
        }
        assert_eq!(Axis::logarithmic([1.0, 10.0].into_iter()).place(0.0), None);
    }

    #[test]
    fn nothing_still_has_an_axis() {
        assert_eq!(labels(&Axis::round(std::iter::empty())), "0 0.2 0.4 0.6 0.8 1.0");
        assert_eq!(labels(&Axis::logarithmic(std::iter::empty())), "1 2 5 10");
    }
}
