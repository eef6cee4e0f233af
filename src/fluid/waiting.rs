//! The law of a wait for admission: zero or gamma.

use statrs::function::gamma::gamma_lr;

use super::root;

/// Steps of the table of the distribution function, and its length in means.
const STEPS: usize = 512;
const MEANS: f64 = 16.0;

/// No wait with probability 1 − `probability`, else a gamma law, tabulated.
pub(super) struct WaitLaw {
    pub probability: f64,
    mean: f64,
    shape: f64,
    /// Integral of the distribution function of a positive wait from 0, at multiples of `width`.
    areas: Vec<f64>,
    width: f64,
}

impl WaitLaw {
    pub fn new(probability: f64, mean: f64, shape: f64) -> Self {
        let width = MEANS * mean / STEPS as f64;
        let mut law = Self { probability, mean, shape, areas: Vec::new(), width };
        if probability > 0.0 && mean > 0.0 {
            law.areas = (0..=STEPS).map(|k| law.exact_area(k as f64 * width)).collect();
        }
        law
    }

    /// A wait that is practically never exceeded.
    pub fn longest(&self) -> f64 {
        MEANS * self.mean
    }

    /// P(wait ≤ y | wait > 0).
    fn below(&self, y: f64) -> f64 {
        if y <= 0.0 { 0.0 } else { gamma_lr(self.shape, self.shape * y / self.mean) }
    }

    fn exact_area(&self, y: f64) -> f64 {
        if y <= 0.0 {
            return 0.0;
        }
        if (self.shape - 1.0).abs() < 1e-6 {
            return y - self.mean * (1.0 - (-y / self.mean).exp());
        }
        y * self.below(y) - self.mean * gamma_lr(self.shape + 1.0, self.shape * y / self.mean)
    }

    /// ∫ P(wait ≤ t | wait > 0) dt from 0 to y.
    pub fn area(&self, y: f64) -> f64 {
        if y <= 0.0 || self.areas.is_empty() {
            return y.max(0.0);
        }
        let place = y / self.width;
        let index = place as usize;
        match self.areas.get(index + 1) {
            Some(next) => self.areas[index] + (place - index as f64) * (next - self.areas[index]),
            None => y - self.mean,
        }
    }

    /// A positive wait in `count` slices: equal parts of the lower nine tenths and of the rest, each by its mean.
    pub fn slices(&self, count: usize) -> Vec<(f64, f64)> {
        let low = count * 2 / 3;
        let mut ranks: Vec<f64> = (0..low).map(|k| 0.9 * k as f64 / low as f64).collect();
        ranks.extend((0..=count - low).map(|k| 0.9 + 0.1 * k as f64 / (count - low) as f64));
        let ends: Vec<f64> = ranks.iter().map(|&rank| self.quantile(rank)).collect();
        // ∫ w dF over a slice is the change of w·F − ∫ F.
        let part = |w: f64, rank: f64| if rank >= 1.0 { self.mean } else { w * rank - self.exact_area(w) };
        ranks
            .windows(2)
            .zip(ends.windows(2))
            .map(|(rank, end)| {
                let share = rank[1] - rank[0];
                ((part(end[1], rank[1]) - part(end[0], rank[0])) / share, share)
            })
            .collect()
    }

    fn quantile(&self, rank: f64) -> f64 {
        if rank <= 0.0 {
            return 0.0;
        }
        root::narrow(|y| self.below(y) - rank, 0.0, 60.0 * self.mean, 1e-6)
            .map_or(60.0 * self.mean, |bracket| bracket.middle())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn slices_keep_mass_and_mean_and_areas_grow_to_the_mean() {
        for shape in [0.4, 1.0, 3.0] {
            let law = WaitLaw::new(0.3, 2.0, shape);
            let slices = law.slices(12);
            assert_relative_eq!(slices.iter().map(|slice| slice.1).sum::<f64>(), 1.0, epsilon = 1e-12);
            assert_relative_eq!(slices.iter().map(|slice| slice.0 * slice.1).sum::<f64>(), 2.0, max_relative = 1e-4);
            assert_relative_eq!(law.area(31.0), 29.0, max_relative = 1e-3);
            assert!(slices.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
        let exponential = WaitLaw::new(0.3, 2.0, 1.0);
        assert_relative_eq!(exponential.area(2.0), 2.0 * (-1.0_f64).exp(), max_relative = 1e-3);
    }
}
