//! Named random streams: one seed per run, every stream derived from it by name, so that adding a stream never changes another
//! one and results do not depend on the number of threads.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The generator behind every stream: portable, counter-based, with 2⁶⁴ independent streams per seed.
pub type Stream = ChaCha8Rng;

/// The stream of that name. Two names share a stream with probability 2⁻⁶⁴.
pub fn stream(seed: u64, name: &str) -> Stream {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(fnv1a(name));
    rng
}

/// FNV-1a, 64 bits: stable across releases and machines, unlike the standard library's hashers.
pub fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    #[test]
    fn streams_are_reproducible_and_differ_by_name_and_seed() {
        let first = |seed, name: &str| stream(seed, name).random::<u64>();
        assert_eq!(first(1, "arrivals"), first(1, "arrivals"));
        assert_ne!(first(1, "arrivals"), first(1, "lengths"));
        assert_ne!(first(1, "arrivals"), first(2, "arrivals"));
    }

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv1a(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a("a"), 0xaf63_dc4c_8601_ec8c);
    }
}
