//! A histogram of whole numbers with bins of constant relative width, for quantiles in constant memory.
//!
//! Bins are those of a floating-point number with an 8-bit mantissa: 256 per octave, at most 0.4 % wide. Only the range that
//! was hit is stored. Counts are exact, so that a histogram does not depend on the order or grouping of what is added.

/// Mantissa bits.
const BITS: u32 = 8;
/// Bins per octave.
const PER_OCTAVE: u64 = 1 << BITS;

/// Counts of non-negative whole numbers with their exact sum.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Histogram {
    first: usize,
    bins: Vec<u64>,
    count: u64,
    sum: i128,
}

impl Histogram {
    /// Adds `value`, `weight` times.
    #[inline]
    pub fn add(&mut self, value: i128, weight: u64) {
        self.sum += value * i128::from(weight);
        self.count += weight;
        self.put(bin_of(value), weight);
    }

    /// Adds start, start + growth, …, `steps` values, each `weight` times, at a cost that grows with the bins touched only.
    pub fn add_progression(&mut self, start: i128, growth: i128, steps: i64, weight: u64) {
        let count = i128::from(steps);
        self.sum += (start * count + growth * (count * (count - 1) / 2)) * i128::from(weight);
        self.count += steps as u64 * weight;
        let last_bin = bin_of(start + growth * (count - 1));
        let mut value = start;
        let mut left = count;
        loop {
            let bin = bin_of(value);
            if bin >= last_bin {
                self.put(bin, left as u64 * weight);
                return;
            }
            let inside = div_up(lower_edge(bin + 1) - value, growth);
            self.put(bin, inside as u64 * weight);
            value += growth * inside;
            left -= inside;
        }
    }

    #[inline]
    fn put(&mut self, bin: usize, weight: u64) {
        if let Some(slot) = bin.checked_sub(self.first).and_then(|place| self.bins.get_mut(place)) {
            *slot += weight;
            return;
        }
        self.widen(bin);
        self.bins[bin - self.first] += weight;
    }

    #[cold]
    fn widen(&mut self, bin: usize) {
        if self.bins.is_empty() {
            self.first = bin;
        }
        if bin < self.first {
            let missing = self.first - bin;
            self.bins.splice(0..0, std::iter::repeat_n(0, missing));
            self.first = bin;
        }
        if bin - self.first >= self.bins.len() {
            self.bins.resize(bin - self.first + 1, 0);
        }
    }

    /// Adds everything that `other` holds.
    pub fn merge(&mut self, other: &Self) {
        for (place, &weight) in other.bins.iter().enumerate() {
            if weight > 0 {
                self.put(other.first + place, weight);
            }
        }
        self.count += other.count;
        self.sum += other.sum;
    }

    /// How many values were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Exact sum of the values.
    pub fn sum(&self) -> i128 {
        self.sum
    }

    /// The exact mean; none when empty.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    /// The value below which a share `p` lies, interpolated within its bin; none when empty.
    pub fn quantile(&self, p: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let rank = p.clamp(0.0, 1.0) * self.count as f64;
        let mut below = 0.0;
        for (place, &weight) in self.bins.iter().enumerate() {
            let above = below + weight as f64;
            if weight > 0 && above >= rank {
                let low = lower_edge(self.first + place) as f64;
                let high = lower_edge(self.first + place + 1) as f64;
                return Some(low + (high - low) * ((rank - below) / weight as f64).clamp(0.0, 1.0));
            }
            below = above;
        }
        Some(lower_edge(self.first + self.bins.len()) as f64)
    }
}

#[inline]
fn bin_of(value: i128) -> usize {
    match u64::try_from(value) {
        Ok(small) => bin_of_parts(u64::BITS - small.leading_zeros(), |shift| small >> shift),
        Err(_) if value < 0 => 0,
        Err(_) => bin_of_parts(i128::BITS - value.leading_zeros(), |shift| (value >> shift) as u64),
    }
}

#[inline]
fn bin_of_parts(bits: u32, shifted: impl Fn(u32) -> u64) -> usize {
    let shift = bits.saturating_sub(BITS + 1);
    (u64::from(shift) * PER_OCTAVE + shifted(shift)) as usize
}

/// Smallest value in a bin.
fn lower_edge(bin: usize) -> i128 {
    let bin = bin as u64;
    if bin < 2 * PER_OCTAVE {
        return i128::from(bin);
    }
    let shift = bin / PER_OCTAVE - 1;
    i128::from(bin - shift * PER_OCTAVE) << shift
}

/// ⌈n / d⌉ of positive numbers; by one instruction where they are words.
#[inline]
fn div_up(n: i128, d: i128) -> i128 {
    match (u64::try_from(n), u64::try_from(d)) {
        (Ok(n), Ok(d)) => i128::from(n.div_ceil(d)),
        _ => (n + d - 1) / d,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_and_bins_agree() {
        for value in [0, 1, 255, 256, 511, 512, 513, 70_000, 1_i128 << 62, (1 << 64) - 1, 1 << 64, 3 << 90] {
            let bin = bin_of(value);
            assert!(lower_edge(bin) <= value && value < lower_edge(bin + 1), "{value}");
        }
    }

    #[test]
    fn a_progression_equals_its_values_one_by_one() {
        for (start, growth, steps) in [(10, 0, 5), (1, 1, 5000), (1_000_000, 977, 10_000), (1 << 70, 1 << 60, 3000)] {
            let mut together = Histogram::default();
            together.add_progression(start, growth, steps, 3);
            let mut alone = Histogram::default();
            for step in (0..i128::from(steps)).rev() {
                alone.add(start + growth * step, 3);
            }
            assert_eq!(together, alone);
        }
    }

    #[test]
    fn quantiles_are_within_a_bin() {
        let mut histogram = Histogram::default();
        histogram.add_progression(0, 1_000_000, 100_001, 1);
        for p in [0.1, 0.5, 0.95, 0.99] {
            let quantile = histogram.quantile(p).unwrap();
            assert!((quantile / (p * 1e11) - 1.0).abs() < 0.004, "{p}: {quantile}");
        }
        assert_eq!(histogram.mean(), Some(5e10));
    }

    #[test]
    fn merging_is_adding() {
        let mut left = Histogram::default();
        left.add(5, 1);
        let mut right = Histogram::default();
        right.add(1_000_000, 2);
        right.add(3, 1);
        left.merge(&right);
        assert_eq!((left.count(), left.quantile(0.0).map(f64::floor)), (4, Some(3.0)));
    }
}
