//! Suggestions for a misspelt name.

/// The candidate nearest to `word`, when it is near enough to be what was meant. One that begins with it is nearest.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let length = word.chars().count();
    let steps = |candidate: &str| {
        if length > 2 && candidate.starts_with(&word) { 0 } else { distance(&word, candidate) }
    };
    let near = |candidate: &str| steps(candidate) <= 1 + length.min(candidate.len()) / 3;
    candidates.into_iter().filter(|candidate| near(candidate)).min_by_key(|candidate| steps(candidate))
}

/// Levenshtein's distance: insertions, deletions and replacements of one character.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_find_their_word() {
        let words = ["max_sequences", "max_batch_tokens", "kv_tokens", "block_tokens"];
        assert_eq!(nearest("max_seqences", words), Some("max_sequences"));
        assert_eq!(nearest("KV_token", words), Some("kv_tokens"));
        assert_eq!(nearest("max_batch", words), Some("max_batch_tokens"));
        assert_eq!(nearest("memory", words), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
