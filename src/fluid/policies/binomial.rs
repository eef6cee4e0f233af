//! Binomial laws, cut where their tails no longer count.

use statrs::function::gamma::ln_gamma;

/// P(Bin(n, p) = k) for k = start, start + 1, …; what is left out is below 1e-14.
#[derive(Debug, Clone)]
pub(super) struct Binomial {
    pub start: usize,
    pub masses: Vec<f64>,
}

/// The law of the successes in `n` trials of probability `p`: up and down from the mode by the ratio of neighbours.
pub(super) fn binomial(n: u64, p: f64) -> Binomial {
    let p = p.clamp(0.0, 1.0);
    if p == 0.0 || p == 1.0 || n == 0 {
        return Binomial { start: if p == 1.0 { n as usize } else { 0 }, masses: vec![1.0] };
    }
    let (count, odds) = (n as f64, p / (1.0 - p));
    let mode = ((count + 1.0) * p).floor().min(count);
    let log = ln_gamma(count + 1.0) - ln_gamma(mode + 1.0) - ln_gamma(count - mode + 1.0)
        + mode * p.ln()
        + (count - mode) * (-p).ln_1p();
    let top = log.exp();
    let mut below = Vec::new();
    let (mut mass, mut k) = (top, mode);
    while k > 0.0 && mass > 1e-16 {
        mass *= k / ((count - k + 1.0) * odds);
        k -= 1.0;
        below.push(mass);
    }
    let start = mode as usize - below.len();
    below.reverse();
    below.push(top);
    let (mut mass, mut k) = (top, mode);
    while k < count && mass > 1e-16 {
        mass *= (count - k) * odds / (k + 1.0);
        k += 1.0;
        below.push(mass);
    }
    let total: f64 = below.iter().sum();
    below.iter_mut().for_each(|mass| *mass /= total);
    Binomial { start, masses: below }
}

impl Binomial {
    /// (k, P(k)).
    pub fn iter(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        (self.start..).zip(self.masses.iter().copied())
    }

    /// The largest k that counts.
    pub fn last(&self) -> usize {
        self.start + self.masses.len() - 1
    }

    /// E\[f(k)\].
    pub fn mean_of(&self, f: impl Fn(usize) -> f64) -> f64 {
        self.iter().map(|(k, mass)| mass * f(k)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn moments_are_those_of_the_law() {
        for (n, p) in [(5, 0.3), (64, 1.0 / 160.0), (1000, 0.5), (100_000, 0.01)] {
            let law = binomial(n, p);
            let mean = law.mean_of(|k| k as f64);
            assert_relative_eq!(mean, n as f64 * p, max_relative = 1e-10);
            let variance = law.mean_of(|k| (k as f64 - mean).powi(2));
            assert_relative_eq!(variance, mean * (1.0 - p), max_relative = 1e-9);
        }
        assert_relative_eq!(binomial(5, 0.3).masses[2], 10.0 * 0.09 * 0.343, max_relative = 1e-12);
        assert_eq!(binomial(7, 1.0).start, 7);
        assert_eq!(binomial(7, 0.0).last(), 0);
    }
}
