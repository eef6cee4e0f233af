//! Quota: at most so many requests of a class enter in one iteration.
//! Source: reserved slots, Dong and Cao, arXiv 2604.11001.

/// How many of each class may enter in an iteration.
pub fn open(quota: i64, classes: usize) -> Vec<i64> {
    vec![quota; classes]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_the_same_quota() {
        assert_eq!(open(4, 3), [4, 4, 4]);
    }
}
