//! What is wrong with one rules file, and where.

use std::cell::RefCell;

use roundhouse_config::{Place, Problem, Problems};

use crate::cli::columns;

pub(super) struct Notes<'t> {
    file: &'t str,
    text: &'t str,
    /// Where each line starts, so that a place costs the same however long the file is.
    lines: Vec<usize>,
    problems: RefCell<Vec<Problem>>,
}

impl<'t> Notes<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> Notes<'t> {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(ends).collect();
        Notes { file, text, lines, problems: RefCell::default() }
    }

    /// Lines and columns count from 1, columns in characters.
    pub(super) fn place(&self, offset: usize) -> Place {
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let before = self.text.get(start..offset).unwrap_or_default().chars().count();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Place { line: number(line), column: number(before + 1) }
    }

    /// `file:line:column`.
    pub(super) fn reference(&self, place: Place) -> String {
        format!("{}:{}:{}", self.file, place.line, place.column)
    }

    pub(super) fn wrong(&self, offset: usize, path: &str, message: impl AsRef<str>, hint: Option<String>) {
        let Place { line, column } = self.place(offset);
        let (file, path) = (self.file.to_owned(), path.to_owned());
        // The parser of a value repeats what was written, and that may be anything.
        let message = columns::clean(message.as_ref());
        self.problems.borrow_mut().push(Problem { file, line, column, path, message, hint });
    }

    /// `value` if nothing was wrong.
    pub(super) fn finish<T>(self, value: T) -> Result<T, Problems> {
        Problems::new(self.problems.into_inner()).map_or(Ok(value), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_from_one() {
        let text = "a\nüß = x\n";
        let notes = Notes::new("f", text);
        assert_eq!(notes.place(0), Place { line: 1, column: 1 });
        assert_eq!(notes.place(text.find('x').unwrap()), Place { line: 2, column: 6 });
        assert_eq!(notes.place(text.len()), Place { line: 3, column: 1 });
        notes.wrong(0, "", "odd\x1b", None);
        assert_eq!(notes.finish(()).unwrap_err().to_string(), "f:1:1: odd\\u{1b}");
    }
}
