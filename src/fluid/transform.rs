//! Discrete Fourier transforms and sums of random lengths on a lattice.

use nalgebra::Complex;

/// In-place radix-2 transform, Σ x_j e^{∓2πi jk/n}; the inverse divides by n. The length must be a power of two.
pub(super) fn fourier(values: &mut [Complex<f64>], inverse: bool) {
    let n = values.len();
    debug_assert!(n.is_power_of_two());
    let shift = usize::BITS - n.trailing_zeros();
    for i in 0..n {
        let j = if n == 1 { 0 } else { i.reverse_bits() >> shift };
        if j > i {
            values.swap(i, j);
        }
    }
    let sign = if inverse { 1.0 } else { -1.0 };
    let turns: Vec<Complex<f64>> =
        (0..n / 2).map(|k| Complex::from_polar(1.0, sign * std::f64::consts::TAU * k as f64 / n as f64)).collect();
    let mut half = 1;
    while half < n {
        let stride = n / (2 * half);
        for block in values.chunks_exact_mut(2 * half) {
            let (left, right) = block.split_at_mut(half);
            for (k, (a, b)) in left.iter_mut().zip(right).enumerate() {
                let turned = *b * turns[k * stride];
                *b = *a - turned;
                *a += turned;
            }
        }
        half *= 2;
    }
    if inverse {
        values.iter_mut().for_each(|value| *value /= n as f64);
    }
}

/// The law of the sum of `count` independent lengths with the given masses; the result has `n` entries, a power of two that
/// must hold the sum.
pub(super) fn fold(masses: &[f64], count: u64, n: usize) -> Vec<f64> {
    let mut spectrum = vec![Complex::new(0.0, 0.0); n];
    for (cell, &mass) in spectrum.iter_mut().zip(masses) {
        cell.re = mass;
    }
    fourier(&mut spectrum, false);
    for value in &mut spectrum {
        *value = value.powi(i32::try_from(count).unwrap_or(i32::MAX));
    }
    fourier(&mut spectrum, true);
    spectrum.iter().map(|value| value.re.max(0.0)).collect()
}

/// Puts a law on the lattice of multiples of `cell`: the mass of each length is split between its two neighbours so that
/// the mean is kept.
pub(super) fn on_lattice(masses: &[f64], cell: f64) -> Vec<f64> {
    let mut lattice = vec![0.0; ((masses.len() as f64) / cell) as usize + 2];
    for (length, &mass) in masses.iter().enumerate() {
        let place = length as f64 / cell;
        let index = place as usize;
        let right = place - index as f64;
        lattice[index] += mass * (1.0 - right);
        lattice[index + 1] += mass * right;
    }
    while lattice.len() > 1 && lattice[lattice.len() - 1] == 0.0 {
        lattice.pop();
    }
    lattice
}

/// The compound Poisson law: a Poisson number (mean `count`) of lengths with the given masses, on `n` entries, by Panjer's
/// recursion (Panjer 1981). Mass beyond the last entry is not kept.
pub(super) fn compound_poisson(masses: &[f64], count: f64, n: usize) -> Vec<f64> {
    let mut law = vec![0.0; n];
    let at_zero = masses.first().copied().unwrap_or(0.0);
    law[0] = (-count * (1.0 - at_zero)).exp();
    let reversed: Vec<f64> = masses.iter().enumerate().skip(1).map(|(j, mass)| j as f64 * mass * count).rev().collect();
    for k in 1..n {
        let reach = k.min(reversed.len());
        law[k] = dot(&reversed[reversed.len() - reach..], &law[k - reach..k]) / k as f64;
    }
    law
}

/// The law of a geometric number (0, 1, …, mean `batch` − 1) of lengths with the given masses, on `n` entries.
pub(super) fn compound_geometric(masses: &[f64], batch: f64, n: usize) -> Vec<f64> {
    let more = 1.0 - 1.0 / batch;
    let open = 1.0 - more * masses.first().copied().unwrap_or(0.0);
    let reversed: Vec<f64> = masses.iter().skip(1).rev().copied().collect();
    let mut law = vec![0.0; n];
    law[0] = (1.0 - more) / open;
    for k in 1..n {
        let reach = k.min(reversed.len());
        law[k] = more / open * dot(&reversed[reversed.len() - reach..], &law[k - reach..k]);
    }
    law
}

/// Σ a_i b_i in four lanes, which the compiler turns into vector instructions.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 4];
    let (a_parts, b_parts) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = a_parts.remainder().iter().zip(b_parts.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a_parts.zip(b_parts) {
        for (lane, (x, y)) in lanes.iter_mut().zip(x.iter().zip(y)) {
            *lane += x * y;
        }
    }
    rest + lanes.iter().sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn the_inverse_undoes_the_transform() {
        let mut values: Vec<Complex<f64>> = (0..16).map(|k| Complex::new(f64::from(k).sin(), f64::from(k))).collect();
        let before = values.clone();
        fourier(&mut values, false);
        fourier(&mut values, true);
        for (a, b) in values.iter().zip(&before) {
            assert!((a - b).norm() < 1e-13);
        }
    }

    #[test]
    fn a_fold_of_coins_is_binomial() {
        let law = fold(&[0.3, 0.7], 5, 16);
        for (k, ways) in [1.0, 5.0, 10.0, 10.0, 5.0, 1.0].iter().enumerate() {
            assert_relative_eq!(law[k], ways * 0.7f64.powi(k as i32) * 0.3f64.powi(5 - k as i32), epsilon = 1e-14);
        }
    }

    #[test]
    fn compound_poisson_of_ones_is_poisson() {
        let law = compound_poisson(&[0.0, 1.0], 2.0, 20);
        assert_relative_eq!(law[3], (-2.0f64).exp() * 8.0 / 6.0, max_relative = 1e-12);
        let lattice = on_lattice(&[0.0, 0.0, 0.0, 1.0], 2.0);
        assert_eq!(lattice, vec![0.0, 0.5, 0.5]);
    }
}
