//! The request generator of the fluid ODE simulation project: its load scenarios `normal`, `heavy` and `bursty`.

use rand::RngExt;

use crate::scenario::{ArrivalLaw, Class, LengthLaw, Time, Workload};
use crate::stats::stream::{Stream, stream};

/// A load scenario of that project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Poisson arrivals at 0.5/s; 80 % short requests (10–60, 10–40 tokens), 20 % long ones (150–200, 80–100).
    Normal,
    /// Poisson arrivals at 2/s; 80 % short requests (50–100, 20–50 tokens), 20 % long ones (250–300, 130–150).
    Heavy,
    /// Bursts of 20 requests within 0.5 s, 5–10 s after the request drawn last; 30–150 and 20–80 tokens.
    Bursty,
}

/// Requests of one burst.
const BURST: usize = 20;
/// Seconds over which a burst is spread.
const SPREAD_S: f64 = 0.5;
/// Seconds between bursts, shortest and longest.
const PAUSE_S: [f64; 2] = [5.0, 10.0];

impl Preset {
    /// The traffic. That of `bursty` has the mean rate and the lengths, with Poisson arrivals in place of the bursts.
    pub fn workload(self) -> Workload {
        let uniform = |[min, max]: [u64; 2]| LengthLaw::Uniform { min, max };
        let class =
            |name: &str, share, prompt, output| Class { share, ..Class::new(name, uniform(prompt), uniform(output)) };
        let (rate, class) = match self {
            Self::Normal => {
                (0.5, vec![class("short", 0.8, [10, 60], [10, 40]), class("long", 0.2, [150, 200], [80, 100])])
            }
            Self::Heavy => {
                (2.0, vec![class("short", 0.8, [50, 100], [20, 50]), class("long", 0.2, [250, 300], [130, 150])])
            }
            Self::Bursty => (bursts_per_s() * BURST as f64, vec![class("burst", 1.0, [30, 150], [20, 80])]),
        };
        Workload {
            rate_per_s: Some(rate),
            rate_shape: crate::scenario::RateShape::default(),
            arrivals: ArrivalLaw::default(),
            class,
            trace: None,
            slo: crate::scenario::Slo::default(),
        }
    }
}

/// A burst begins 5–10 s after the last drawn request of the one before, which comes at a uniform time of its 0.5 s.
fn bursts_per_s() -> f64 {
    1.0 / (0.5 * (PAUSE_S[0] + PAUSE_S[1]) + 0.5 * SPREAD_S)
}

/// The endless arrivals of `bursty`, in order of time.
pub struct Bursts {
    rng: Stream,
    /// Times are divided by this, so that the rate is the one asked for.
    pace: f64,
    next_start_s: f64,
    /// Times of the burst under way, the last first.
    waiting: Vec<f64>,
}

impl Bursts {
    /// Bursts at a mean of `rate_per_s` requests per second: their own times, all scaled alike.
    pub fn new(rate_per_s: f64, seed: u64) -> Self {
        let pace = rate_per_s / (bursts_per_s() * BURST as f64);
        Self { rng: stream(seed, "bursts"), pace, next_start_s: 0.0, waiting: Vec::new() }
    }

    /// The next arrival.
    pub fn next_time(&mut self) -> Time {
        if self.waiting.is_empty() {
            let start = self.next_start_s;
            self.waiting = (0..BURST).map(|_| start + self.rng.random::<f64>() * SPREAD_S).collect();
            let last_drawn = self.waiting[BURST - 1];
            self.next_start_s = last_drawn + self.rng.random_range(PAUSE_S[0]..PAUSE_S[1]);
            self.waiting.sort_by(|a, b| b.total_cmp(a));
        }
        Time::from_seconds(self.waiting.pop().unwrap_or(self.next_start_s) / self.pace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 5000 bursts: the mean cycle is 7.75 s with standard deviation 1.45 s, so four standard errors are 0.083 s.
    #[test]
    fn bursts_have_their_size_their_spread_and_their_pauses() {
        let rate = Preset::Bursty.workload().rate_per_s.unwrap();
        let mut bursts = Bursts::new(rate, 4);
        let times: Vec<f64> = (0..5000 * BURST).map(|_| bursts.next_time().seconds()).collect();
        assert!(times.windows(2).all(|pair| pair[0] <= pair[1]));
        for (burst, next) in times.chunks(BURST).zip(times[BURST..].chunks(BURST)) {
            assert!(burst[BURST - 1] - burst[0] <= SPREAD_S && next[0] - burst[BURST - 1] > PAUSE_S[0] - SPREAD_S);
        }
        let cycle = times[4999 * BURST] / 4999.0;
        assert!((cycle - 7.75).abs() < 0.083, "{cycle}");
        let mut twice = Bursts::new(2.0 * rate, 4);
        assert!((twice.next_time().seconds() * 2.0 - times[0]).abs() < 1e-12);
    }

    #[test]
    fn presets_are_valid_traffic() {
        for preset in [Preset::Normal, Preset::Heavy, Preset::Bursty] {
            preset.workload().validate().unwrap();
        }
    }
}
