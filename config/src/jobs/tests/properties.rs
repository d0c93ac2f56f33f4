//! What holds for every text.

use proptest::prelude::*;

use crate::jobs::JobsFile;
use crate::problem::Place;

/// What a jobs file is made of.
const WORD: &str = "jobs|hosts|name|port|ports|check|tls|ca|proxy|timeouts|limits|idle|hold|<|>|[{}]|:|,|;|\\[|\\]|'[a-z0-9\\\\.]{0,3}'|\"\"|-?[0-9]{1,3}f?|true|#|\n";
const BLANK: &str = "[ \n\t]|# [<>'\"é]{0,4}\n";

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC*") {
        let _ = JobsFile::parse(&text, "f");
    }

    #[test]
    fn no_tokens_make_it_panic(
        words in prop::collection::vec(WORD, 0..40)
    ) {
        if let Err(problems) = JobsFile::parse(&words.join(" "), "f") {
            prop_assert!(problems.iter().all(|problem| problem.line >= 1 && problem.column >= 1));
        }
    }

    /// Whatever the layout, the place of a field is where its name stands.
    #[test]
    fn places_are_where_names_are(blanks in prop::collection::vec(BLANK, 4..20), braces: bool) {
        let (open, close) = if braces { ("{", "}") } else { ("<", ">") };
        let mut text = String::new();
        for n in 0..blanks.len() / 4 {
            let [a, b, c, d] = [0, 1, 2, 3].map(|k| blanks[n * 4 + k].as_str());
            text += &format!("{a}jobs{b}:{open}name{c}:'é{n}'{d}port:'1'{close}");
        }
        let names: Vec<usize> = text.match_indices("name").map(|(offset, _)| offset).collect();
        let found = JobsFile::parse(&text, "f").unwrap_err();
        let expected: Vec<_> = names.iter().map(|offset| Place::of(&text, *offset)).collect();
        let found: Vec<_> = found.iter().map(|p| Place { line: p.line, column: p.column }).collect();
        prop_assert_eq!(found, expected);
    }
}
