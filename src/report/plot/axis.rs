//! Ranges and ticks of an axis.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// Ticks aimed at on a linear axis.
const TICKS: f64 = 6.0;
/// Labelled decades at most on a logarithmic axis.
const DECADES: i64 = 7;

/// An axis in drawing units: the values themselves, or their decimal logarithms.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    pub low: f64,
    pub high: f64,
    pub ticks: Vec<f64>,
    log: bool,
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

    /// A logarithmic axis over the positive values.
    pub fn logarithmic(values: impl Iterator<Item = f64>) -> Self {
        let logs = values.filter(|value| value.is_finite() && *value > 0.0).map(f64::log10);
        let (low, high) = spread(logs, 0.0, 1.0);
        if high - low < 1.0 {
            return Self::within_a_decade(low, high);
        }
        let (first, last) = (low.floor() as i64, high.ceil() as i64);
        let step = (last - first + DECADES - 1) / DECADES;
        let ticks = (first..=last).step_by(step as usize).map(|decade| decade as f64).collect();
        Self { low: first as f64, high: last as f64, ticks, log: true, step: 1.0 }
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
                digit
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
        let ticks = ticks.into_iter().filter(|tick| *tick >= low - 1e-9 && *tick <= high + 1e-9).collect();
        Self { low, high, ticks, log: true, step: 1.0 }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let part = (value - self.low) / (self.high - self.low);
        (f64::from(limit.0) + part * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        self.label(*value)
    }
}

/// Least and largest value, opened where they coincide, a default where there are none.
fn spread(values: impl Iterator<Item = f64>, low: f64, high: f64) -> (f64, f64) {
    let ends = values.fold(None, |ends: Option<(f64, f64)>, value| {
        Some(ends.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
    });
    match ends {
        None => (low, high),
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
    if shown.trim_start_matches('-').chars().all(|c| c == '0' || c == '.') { "0".to_owned() } else { shown }
}

fn scientific(tick: f64, largest: f64, step: f64) -> String {
    if tick.abs() < 1e-6 * step {
        return "0".to_owned();
    }
    let digits = (largest.log10().floor() - (step.log10() + 1e-9).floor()).clamp(0.0, 15.0) as usize;
    let shown = format!("{tick:.digits$e}");
    let (mantissa, exponent) = shown.split_once('e').unwrap_or((&shown, "0"));
    let mantissa = if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    format!("{mantissa}e{exponent}")
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
            (&[-1.0, 1.2], "-1.0 -0.5 0 0.5 1.0 1.5"),
            (&[98.0, 103.0], "98 99 100 101 102 103"),
            (&[0.0, 3.4e6], "0 5e5 1e6 1.5e6 2e6 2.5e6 3e6 3.5e6"),
            (&[0.0, 2.2e-4], "0 5e-5 1e-4 1.5e-4 2e-4 2.5e-4"),
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
        let cases: [(&[f64], &str); 4] = [
            (&[0.02, 40.0, -1.0, 0.0], "0.01 0.1 1 10 100"),
            (&[1e-12, 1.0], "1e-12 1e-10 1e-8 1e-6 0.0001 0.01 1"),
            (&[2.2, 6.5], "2 3 4 5 6 7"),
            (&[3.0, 2000.0], "1 10 100 1000 10000"),
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
        assert_eq!(labels(&Axis::logarithmic(std::iter::empty())), "1 10");
    }
}
