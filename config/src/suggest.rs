//! "Did you mean": the nearest of a few known words.

/// The known word nearest to `word`, if it is near enough to be a slip of the hand.
///
/// Near enough is a third of the word's length, at least one edit, counted as optimal string alignment
/// (insert, delete, replace, swap two neighbours).
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    // A word far longer than any key is no slip; this also bounds the work below.
    if word.len() > 64 {
        return None;
    }
    let allowed = (word.chars().count() / 3).max(1);
    known
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate))
        .filter(|(edits, _)| *edits <= allowed)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// What to tell somebody who wrote an unknown `word`: the nearest one, or all of them.
pub(crate) fn hint(word: &str, known: &[&str]) -> String {
    match nearest(word, known) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// Edits between two words: insertions, deletions, replacements and swaps of neighbours.
///
/// Optimal string alignment: the time grows with the product of the lengths.
pub fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn slips_are_recognised() {
        let known = ["listen", "ttl", "prefix"];
        assert_eq!(nearest("lisen", &known), Some("listen"));
        assert_eq!(nearest("tlt", &known), Some("ttl"));
        assert_eq!(nearest("perfix", &known), Some("prefix"));
        assert_eq!(nearest("colour", &known), None);
        assert_eq!(hint("colour", &known), "known here: listen, ttl, prefix");
    }

    proptest! {
        #[test]
        fn distance_is_a_metric_at_its_ends(a in "\\PC{0,12}", b in "\\PC{0,12}") {
            prop_assert_eq!(distance(&a, &a), 0);
            prop_assert_eq!(distance(&a, &b), distance(&b, &a));
            prop_assert!(distance(&a, &b) <= a.chars().count().max(b.chars().count()));
        }
    }
}
