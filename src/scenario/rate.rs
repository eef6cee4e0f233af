//! λ(t): how the arrival rate changes over time, as a factor on `rate_per_s`.
//!
//! Every shape has a long-run mean, which is what steady-state answers take for λ: the last level of a piecewise rate or of a
//! ramp, the base of a spike, the mean of a cycle.

use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};

use super::Time;
use super::error::{ScenarioError, require_at_most, require_non_negative, require_positive};
use super::trace::Trace;

/// Most steps and bins.
const MOST: usize = 1_000_000;
/// Largest factor.
const LARGEST: f64 = 1e6;

/// The factor on `rate_per_s` over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "law", rename_all = "kebab-case", deny_unknown_fields)]
pub enum RateShape {
    /// λ does not change.
    Constant {},
    /// Steps: from each time on a factor; 1 before the first.
    Piecewise {
        /// The steps in order of time.
        steps: Vec<RateStep>,
    },
    /// From 1 in a straight line to another factor, which stays.
    Ramp {
        /// The factor at the end.
        factor: f64,
        /// Seconds at which the ramp begins.
        start_s: f64,
        /// Seconds that it takes.
        duration_s: f64,
    },
    /// Another factor for some time, 1 before and after.
    Spike {
        /// The factor of the spike.
        factor: f64,
        /// Seconds at which it begins.
        start_s: f64,
        /// Seconds that it lasts.
        duration_s: f64,
    },
    /// A cycle: 1 + amplitude · cos(2π (t − peak_s)/period_s).
    Diurnal {
        /// From 0 to 1.
        amplitude: f64,
        /// Seconds of a cycle.
        period_s: f64,
        /// Seconds at which the rate is highest; a quarter of the period when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peak_s: Option<f64>,
    },
    /// Requests counted per bin; the factor is the count over the mean count. After the last bin the first follows.
    Binned {
        /// Seconds of a bin.
        bin_s: f64,
        /// The counts.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        counts: Vec<u64>,
        /// A trace that the loader counts the requests of, in place of counts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<String>,
    },
}

/// One step of a piecewise rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateStep {
    /// Seconds from which the factor holds.
    pub from_s: f64,
    /// The factor.
    pub factor: f64,
}

impl Default for RateShape {
    fn default() -> Self {
        Self::Constant {}
    }
}

impl RateShape {
    /// Whether λ does not change.
    pub fn is_constant(&self) -> bool {
        *self == Self::default()
    }

    /// The mean factor of a long time: the last level, or the mean of a cycle.
    pub fn long_run(&self) -> f64 {
        match self {
            Self::Piecewise { steps } => steps.last().map_or(1.0, |step| step.factor),
            Self::Ramp { factor, .. } => *factor,
            Self::Constant {} | Self::Spike { .. } | Self::Diurnal { .. } | Self::Binned { .. } => 1.0,
        }
    }

    /// What a steady-state answer takes for λ, in words; none when λ does not change.
    pub fn steady_state(&self) -> Option<&'static str> {
        match self {
            Self::Constant {} => None,
            Self::Piecewise { .. } => Some("the rate of the last step"),
            Self::Ramp { .. } => Some("the rate at the end of the ramp"),
            Self::Spike { .. } => Some("the rate outside the spike"),
            Self::Diurnal { .. } | Self::Binned { .. } => Some("the mean rate of a cycle"),
        }
    }

    /// # Errors
    /// A time or a factor outside its domain, steps out of order, or a rate that ends at zero.
    pub fn validate(&self) -> Result<(), ScenarioError> {
        match self {
            Self::Constant {} => Ok(()),
            Self::Piecewise { steps } => validate_steps(steps),
            Self::Ramp { factor, start_s, duration_s } => {
                require_positive("factor", *factor)?;
                validate_span(*factor, *start_s, *duration_s)
            }
            Self::Spike { factor, start_s, duration_s } => {
                require_non_negative("factor", *factor)?;
                validate_span(*factor, *start_s, *duration_s)
            }
            Self::Diurnal { amplitude, period_s, peak_s } => {
                if !(0.0..=1.0).contains(amplitude) {
                    let remedy = "give 0 to 1, so that the rate is never negative";
                    return Err(ScenarioError::at("amplitude", format!("is `{amplitude}`"), remedy));
                }
                require_positive("period_s", *period_s)?;
                require_at_most("period_s", *period_s, 1e9)?;
                peak_s.map_or(Ok(()), |peak| require_non_negative("peak_s", peak))
            }
            Self::Binned { bin_s, counts, file } => {
                require_positive("bin_s", *bin_s)?;
                require_at_most("bin_s", *bin_s, 1e9)?;
                if file.is_some() && !counts.is_empty() {
                    return Err(ScenarioError::at("file", "stands beside counts", "keep one of the two"));
                }
                if counts.iter().all(|&count| count == 0) || counts.len() > MOST {
                    let problem = format!("are `{}` bins, or all are empty", counts.len());
                    let remedy = "give 1 to 1000000 counts, one of them above 0, or the file of a trace";
                    return Err(ScenarioError::at("counts", problem, remedy));
                }
                Ok(())
            }
        }
    }

    /// The shape as a function of time that can be integrated and inverted.
    pub fn pace(&self) -> Pace {
        let levels = |levels: &[(f64, f64)]| Pace::of_levels(levels, f64::INFINITY);
        match self {
            Self::Constant {} => levels(&[(0.0, 1.0)]),
            Self::Piecewise { steps } => {
                let before = std::iter::once((0.0, 1.0));
                levels(&before.chain(steps.iter().map(|step| (step.from_s, step.factor))).collect::<Vec<_>>())
            }
            Self::Spike { factor, start_s, duration_s } => {
                levels(&[(0.0, 1.0), (*start_s, *factor), (start_s + duration_s, 1.0)])
            }
            Self::Ramp { factor, start_s, duration_s } => {
                let mut pace = levels(&[(0.0, 1.0), (*start_s, 1.0), (start_s + duration_s, *factor)]);
                let index = pace.pieces.len() - 2;
                pace.pieces[index].slope = (factor - 1.0) / duration_s;
                pace.cumulate();
                pace
            }
            Self::Diurnal { amplitude, period_s, peak_s } => {
                let turn = TAU / period_s;
                let peak_s = peak_s.unwrap_or(period_s / 4.0);
                Pace { wave: Some(Wave { amplitude: *amplitude, turn, peak_s }), ..levels(&[(0.0, 1.0)]) }
            }
            Self::Binned { bin_s, counts, .. } => {
                let mean = counts.iter().sum::<u64>() as f64 / counts.len() as f64;
                let bins = counts.iter().enumerate();
                let levels: Vec<_> = bins.map(|(k, &count)| (k as f64 * bin_s, count as f64 / mean)).collect();
                Pace::of_levels(&levels, counts.len() as f64 * bin_s)
            }
        }
    }
}

/// Requests of a trace per whole bin of `bin_s` seconds from its first arrival on.
///
/// # Errors
/// A trace shorter than one bin, or bins without end.
pub(super) fn counts_of(trace: &Trace, bin_s: f64) -> Result<Vec<u64>, ScenarioError> {
    require_positive("bin_s", bin_s)?;
    let origin = trace.first().map_or(Time::ZERO, |request| request.arrival);
    let bins = (trace.span().seconds() / bin_s).floor();
    if !(1.0..=MOST as f64).contains(&bins) {
        let problem = format!("is `{bin_s}`, and the trace lasts {:.3} s", trace.span().seconds());
        return Err(ScenarioError::at("bin_s", problem, "choose 1 to 1000000 bins within the trace"));
    }
    let mut counts = vec![0; bins as usize];
    for request in trace {
        let bin = ((request.arrival - origin).seconds() / bin_s) as usize;
        if let Some(count) = counts.get_mut(bin) {
            *count += 1;
        }
    }
    Ok(counts)
}

fn validate_steps(steps: &[RateStep]) -> Result<(), ScenarioError> {
    if steps.is_empty() || steps.len() > MOST {
        let problem = format!("are `{}`", steps.len());
        return Err(ScenarioError::at("steps", problem, "give from 1 to 1000000 steps"));
    }
    for (index, step) in steps.iter().enumerate() {
        let place = format!("steps[{index}]");
        require_non_negative("from_s", step.from_s).map_err(|error| error.under(&place))?;
        require_non_negative("factor", step.factor).map_err(|error| error.under(&place))?;
        require_at_most("factor", step.factor, LARGEST).map_err(|error| error.under(&place))?;
        if index > 0 && step.from_s <= steps[index - 1].from_s {
            let problem = format!("is `{}`, not after the step before", step.from_s);
            return Err(ScenarioError::at("from_s", problem, "put the steps in order of time").under(&place));
        }
    }
    let last = steps.len() - 1;
    require_positive("factor", steps[last].factor).map_err(|error| error.under(&format!("steps[{last}]")))
}

fn validate_span(factor: f64, start_s: f64, duration_s: f64) -> Result<(), ScenarioError> {
    require_at_most("factor", factor, LARGEST)?;
    require_non_negative("start_s", start_s)?;
    require_at_most("start_s", start_s, 1e9)?;
    require_positive("duration_s", duration_s)?;
    require_at_most("duration_s", duration_s, 1e9)
}

/// A stretch of time on which the factor is a straight line.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Piece {
    from_s: f64,
    factor: f64,
    slope: f64,
    /// ∫ of the factor up to `from_s`.
    before_s: f64,
}

impl Piece {
    fn integral(&self, span: f64) -> f64 {
        span * (self.factor + 0.5 * self.slope * span)
    }

    /// The span over which the integral is `sum`.
    fn inverse(&self, sum: f64) -> f64 {
        if self.slope == 0.0 {
            return sum / self.factor;
        }
        let root = (self.factor * self.factor + 2.0 * self.slope * sum).max(0.0).sqrt();
        2.0 * sum / (self.factor + root)
    }
}

/// The wave on top of a factor of 1.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Wave {
    amplitude: f64,
    turn: f64,
    peak_s: f64,
}

impl Wave {
    /// ∫₀ᵗ of the wave.
    fn integral(&self, t_s: f64) -> f64 {
        let sine = |t_s: f64| (self.turn * (t_s - self.peak_s)).sin();
        self.amplitude / self.turn * (sine(t_s) - sine(0.0))
    }
}

/// A rate shape as a function of time: its factor, the integral Λ of the factor, and the inverse of Λ. Times in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Pace {
    pieces: Vec<Piece>,
    /// After this time it begins anew; infinite when it does not.
    cycle_s: f64,
    /// Λ of a cycle.
    cycle_sum_s: f64,
    wave: Option<Wave>,
}

impl Pace {
    fn of_levels(levels: &[(f64, f64)], cycle_s: f64) -> Self {
        let mut pieces: Vec<Piece> = Vec::with_capacity(levels.len());
        for &(from_s, factor) in levels {
            if pieces.last().is_some_and(|last| last.from_s >= from_s) {
                pieces.pop();
            }
            pieces.push(Piece { from_s, factor, slope: 0.0, before_s: 0.0 });
        }
        let mut pace = Self { pieces, cycle_s, cycle_sum_s: f64::INFINITY, wave: None };
        pace.cumulate();
        pace
    }

    fn cumulate(&mut self) {
        let mut sum = 0.0;
        for index in 0..self.pieces.len() {
            self.pieces[index].before_s = sum;
            let end = self.pieces.get(index + 1).map_or(self.cycle_s, |next| next.from_s);
            if end.is_finite() {
                sum += self.pieces[index].integral(end - self.pieces[index].from_s);
            }
        }
        self.cycle_sum_s = if self.cycle_s.is_finite() { sum } else { f64::INFINITY };
    }

    /// Whether the factor is 1 at all times.
    pub fn is_constant(&self) -> bool {
        self.wave.is_none() && self.pieces.len() == 1 && self.pieces[0].factor == 1.0
    }

    /// Whole cycles before `t_s`, and the time in the cycle.
    fn in_cycle(&self, t_s: f64) -> (f64, f64) {
        if self.cycle_s.is_infinite() {
            return (0.0, t_s);
        }
        let cycles = (t_s / self.cycle_s).floor();
        (cycles, t_s - cycles * self.cycle_s)
    }

    fn piece_at(&self, t_s: f64) -> Piece {
        self.pieces[self.pieces.partition_point(|piece| piece.from_s <= t_s).max(1) - 1]
    }

    /// The factor at a time; at a jump that after it.
    pub fn factor(&self, t_s: f64) -> f64 {
        if let Some(wave) = self.wave {
            return 1.0 + wave.amplitude * (wave.turn * (t_s - wave.peak_s)).cos();
        }
        let (_, t_s) = self.in_cycle(t_s);
        let piece = self.piece_at(t_s);
        piece.factor + piece.slope * (t_s - piece.from_s)
    }

    /// Λ(t) = ∫₀ᵗ of the factor.
    pub fn integral(&self, t_s: f64) -> f64 {
        if let Some(wave) = self.wave {
            return t_s + wave.integral(t_s);
        }
        let (cycles, t_s) = self.in_cycle(t_s);
        let piece = self.piece_at(t_s);
        let whole = if cycles > 0.0 { cycles * self.cycle_sum_s } else { 0.0 };
        whole + piece.before_s + piece.integral(t_s - piece.from_s)
    }

    /// Λ⁻¹: the first time at which Λ is `sum`.
    pub fn inverse(&self, sum: f64) -> f64 {
        if let Some(wave) = self.wave {
            return invert(&wave, sum);
        }
        let cycles = if self.cycle_s.is_finite() { (sum / self.cycle_sum_s).floor() } else { 0.0 };
        let rest = if cycles > 0.0 { sum - cycles * self.cycle_sum_s } else { sum };
        // The last piece that begins below the sum: pieces without arrivals are passed over.
        let index = self.pieces.partition_point(|piece| piece.before_s < rest).max(1) - 1;
        let piece = self.pieces[index];
        let start = if cycles > 0.0 { cycles * self.cycle_s } else { 0.0 };
        if rest <= piece.before_s {
            return start + piece.from_s;
        }
        start + piece.from_s + piece.inverse(rest - piece.before_s)
    }

    /// The time at which the integral is that of `clock` at a factor of 1; the same time, to the attosecond, where the rate does not
    /// change.
    pub fn when(&self, clock: Time) -> Time {
        if self.is_constant() { clock } else { Time::from_seconds(self.inverse(clock.seconds())) }
    }

    /// The time after `t_s` at which the factor next jumps or bends; infinite when it never does.
    pub fn next_break(&self, t_s: f64) -> f64 {
        if self.wave.is_some() {
            return f64::INFINITY;
        }
        let (cycles, inside) = self.in_cycle(t_s);
        let start = if cycles > 0.0 { cycles * self.cycle_s } else { 0.0 };
        let later = self.pieces.iter().map(|piece| piece.from_s).find(|&from| start + from > t_s && from > inside);
        later.map_or(start + self.cycle_s, |from| start + from)
    }

    /// Whether the factor stays the same from `t_s` to the next break.
    pub fn is_level(&self, t_s: f64) -> bool {
        self.wave.is_none() && self.piece_at(self.in_cycle(t_s).1).slope == 0.0
    }
}

/// The time at which t + wave has the integral `sum`: Newton's method inside a bracket that shrinks.
fn invert(wave: &Wave, sum: f64) -> f64 {
    let reach = 2.0 * wave.amplitude / wave.turn;
    let (mut low, mut high) = ((sum - reach).max(0.0), sum + reach);
    let mut t = sum;
    for _ in 0..200 {
        let excess = t + wave.integral(t) - sum;
        let end = if excess > 0.0 { &mut high } else { &mut low };
        *end = t;
        let slope = 1.0 + wave.amplitude * (wave.turn * (t - wave.peak_s)).cos();
        let next = t - excess / slope;
        let next = if next > low && next < high { next } else { 0.5 * (low + high) };
        if (next - t).abs() <= 1e-15 * high.max(1e-300) || next == low || next == high {
            return next;
        }
        t = next;
    }
    t
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    fn shapes() -> Vec<RateShape> {
        let step = |from_s, factor| RateStep { from_s, factor };
        vec![
            RateShape::Piecewise { steps: vec![step(0.0, 0.5), step(10.0, 0.0), step(20.0, 3.0)] },
            RateShape::Ramp { factor: 3.0, start_s: 5.0, duration_s: 10.0 },
            RateShape::Ramp { factor: 0.25, start_s: 0.0, duration_s: 8.0 },
            RateShape::Spike { factor: 4.0, start_s: 10.0, duration_s: 2.0 },
            RateShape::Diurnal { amplitude: 0.8, period_s: 24.0, peak_s: None },
            RateShape::Diurnal { amplitude: 1.0, period_s: 7.0, peak_s: Some(3.0) },
            RateShape::Binned { bin_s: 3.0, counts: vec![4, 0, 1, 3], file: None },
        ]
    }

    /// Λ is the integral of the factor (midpoint rule), and Λ⁻¹ its inverse.
    #[test]
    fn the_integral_is_that_of_the_factor_and_is_inverted() {
        for shape in shapes() {
            shape.validate().unwrap();
            let pace = shape.pace();
            let (mut sum, width) = (0.0, 1.0 / 1024.0);
            for k in 0..61_440 {
                let t = f64::from(k) * width;
                if k % 1000 == 7 {
                    assert!((pace.integral(t) - sum).abs() < 1e-5 * (1.0 + sum), "{shape:?} at {t}");
                    let back = pace.inverse(pace.integral(t));
                    assert!((pace.integral(back) - pace.integral(t)).abs() < 1e-12 * (1.0 + sum), "{shape:?} at {t}");
                    let passed = pace.factor(t) > 1e-3;
                    assert!(!passed || (back - t).abs() < 1e-9 * (1.0 + t), "{shape:?} at {t}: {back}");
                }
                sum += pace.factor(t + width / 2.0) * width;
            }
            assert_relative_eq!(pace.integral(1e7) / 1e7, shape.long_run(), max_relative = 1e-4);
        }
    }

    #[test]
    fn breaks_are_where_the_factor_jumps_or_bends() {
        let breaks = |shape: &RateShape, count: usize| -> Vec<f64> {
            let pace = shape.pace();
            let next = |t: &f64| Some(pace.next_break(*t)).filter(|t| t.is_finite());
            std::iter::successors(next(&0.0), next).take(count).collect()
        };
        let shapes = shapes();
        assert_eq!(breaks(&shapes[0], 9), [10.0, 20.0]);
        assert_eq!(breaks(&shapes[1], 9), [5.0, 15.0]);
        assert_eq!(breaks(&shapes[3], 9), [10.0, 12.0]);
        assert!(breaks(&shapes[4], 9).is_empty());
        assert_eq!(breaks(&shapes[6], 6), [3.0, 6.0, 9.0, 12.0, 15.0, 18.0]);
    }

    #[test]
    fn constant_time_is_the_same_time() {
        let pace = RateShape::default().pace();
        for clock in [Time::ZERO, Time(1), Time(123_456_789_012_345_678_901)] {
            assert_eq!(pace.when(clock), clock);
        }
    }

    #[test]
    fn bad_shapes_are_refused_with_their_key() {
        let step = |from_s, factor| RateStep { from_s, factor };
        let cases = [
            (RateShape::Piecewise { steps: vec![] }, "steps"),
            (RateShape::Piecewise { steps: vec![step(5.0, 1.0), step(5.0, 2.0)] }, "steps[1].from_s"),
            (RateShape::Piecewise { steps: vec![step(5.0, 0.0)] }, "steps[0].factor"),
            (RateShape::Spike { factor: -1.0, start_s: 0.0, duration_s: 1.0 }, "factor"),
            (RateShape::Spike { factor: 2.0, start_s: f64::NAN, duration_s: 1.0 }, "start_s"),
            (RateShape::Ramp { factor: 2.0, start_s: 0.0, duration_s: 0.0 }, "duration_s"),
            (RateShape::Diurnal { amplitude: 1.5, period_s: 1.0, peak_s: None }, "amplitude"),
            (RateShape::Binned { bin_s: 1.0, counts: vec![0, 0], file: None }, "counts"),
        ];
        for (shape, key) in cases {
            let error = shape.validate().unwrap_err();
            assert!(error.key == key && !error.remedy.is_empty(), "{error}");
        }
    }
}
