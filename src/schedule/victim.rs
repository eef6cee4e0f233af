//! Who is preempted, and when.

use crate::scenario::Victim;

/// Whether residents that hold `held` KV tokens, and will hold `growth` more after the next iteration, need a victim.
#[inline]
pub fn needs_victim(held: i64, growth: i64, memory: i64) -> bool {
    held + growth > memory
}

/// What a victim rule may see of a resident.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// Tokens emitted.
    pub emitted: i64,
    /// KV tokens held.
    pub held: i64,
    /// Weight of its class.
    pub weight: f64,
}

/// How much a rule wants to keep a resident; the one with the smallest value goes, the last admitted of several. Of use for the
/// rules that look at every resident.
pub fn worth(rule: Victim, candidate: &Candidate) -> f64 {
    match rule {
        Victim::LeastProgress => candidate.emitted as f64,
        Victim::MostMemory => -(candidate.held as f64),
        Victim::LowestWeight => candidate.weight,
        Victim::Lifo | Victim::Fifo | Victim::LatestBatch => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_worthy_goes() {
        let one = Candidate { emitted: 3, held: 50, weight: 2.0 };
        let other = Candidate { emitted: 9, held: 20, weight: 1.0 };
        assert!(worth(Victim::LeastProgress, &one) < worth(Victim::LeastProgress, &other));
        assert!(worth(Victim::MostMemory, &one) < worth(Victim::MostMemory, &other));
        assert!(worth(Victim::LowestWeight, &other) < worth(Victim::LowestWeight, &one));
        assert!(needs_victim(90, 11, 100) && !needs_victim(90, 10, 100));
    }
}
