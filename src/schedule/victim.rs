//! Who is preempted: the last admitted (LIFO), until what the residents will hold after the next iteration fits.

/// Whether residents that hold `held` KV tokens, and will hold `growth` more after the next iteration, need a victim.
#[inline]
pub fn needs_victim(held: i64, growth: i64, memory: i64) -> bool {
    held + growth > memory
}
