//! Reserve: the head enters only when its peak fits beside the peaks of all residents.
//! Source: Orca, Yu et al., OSDI 2022, which reserves the longest output; here the predicted one.

/// Tokens that a request holds at its end, if its output has the predicted length; never fewer than after its next token.
#[inline]
pub fn peak(prompt: i64, predicted: i64, progress: i64) -> i64 {
    prompt + predicted.max(progress + 1)
}

/// Whether a peak fits beside what is reserved.
#[inline]
pub fn fits(reserved: i64, peak: i64, memory: i64) -> bool {
    reserved + peak <= memory
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_outgrows_a_short_prediction() {
        assert_eq!(peak(100, 50, 10), 150);
        assert_eq!(peak(100, 50, 60), 161);
        assert!(fits(850, 150, 1000) && !fits(851, 150, 1000));
    }
}
