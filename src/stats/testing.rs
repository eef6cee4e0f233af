//! What the tests of coverage share.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Repetitions of an experiment.
const REPETITIONS: u32 = 4000;

/// 3.3 standard errors of a share of 5 % over the repetitions: a test on a right procedure fails one time in a thousand over all seeds.
pub const SHARE_ERROR: f64 = 0.0114;

/// Share of the repetitions in which an interval missed.
pub fn miss_rate(seed: u64, mut missed: impl FnMut(&mut ChaCha8Rng) -> bool) -> f64 {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let misses = (0..REPETITIONS).filter(|_| missed(&mut rng)).count();
    misses as f64 / f64::from(REPETITIONS)
}
