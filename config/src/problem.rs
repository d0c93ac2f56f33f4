//! What is wrong with a file: every problem, with its place and, where one exists, the cure.
//!
//! `Display` prints what compilers print, `file:line:column: path: message`, so that editors can jump
//! to it; the hint follows on a line of its own.

use std::fmt;

/// Where something stands in a file. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place {
    pub line: u32,
    pub column: u32,
}

impl Place {
    /// The place of byte `offset` of `text`; an offset past the end is the end.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let before = &text.as_bytes()[..offset.min(text.len())];
        let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |newline| newline + 1);
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        // Bytes that continue a UTF-8 character (0b10xxxxxx) start none.
        let column = before[line_start..].iter().filter(|b| **b & 0xC0 != 0x80).count() + 1;
        Self { line: saturate(line), column: saturate(column) }
    }
}

/// One thing wrong with a file.
///
/// `path` is the key it concerns (`names.vips`, `jobs[3].port`), empty for a syntax error. `line` 0
/// means the file as a whole, such as one that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub file: String,
    pub line: u32,
    pub column: u32,
    pub path: String,
    pub message: String,
    pub hint: Option<String>,
}

impl Problem {
    pub(crate) fn at(file: &str, place: Place, path: &str, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: place.line,
            column: place.column,
            path: path.to_owned(),
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// All that is wrong with a file: at least one [`Problem`], sorted by place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The problems sorted by place, or `None` where there are none.
    pub fn new(mut problems: Vec<Problem>) -> Option<Self> {
        problems
            .sort_by(|a, b| (&a.file, a.line, a.column, &a.path).cmp(&(&b.file, b.line, b.column, &b.path)));
        problems.dedup();
        (!problems.is_empty()).then_some(Self(problems))
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// `value`, unless there are problems.
    pub(crate) fn unless<T>(problems: Vec<Problem>, value: T) -> Result<T, Self> {
        Self::new(problems).map_or(Ok(value), Err)
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}
impl std::error::Error for Problems {}

/// The text of a file of at most `limit` bytes.
pub(crate) fn read_file(path: &std::path::Path, limit: u64) -> Result<String, Problems> {
    use std::io::Read;

    let name = path.display().to_string();
    let refuse = |message: String| Problem::at(&name, Place::default(), "", message);
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        // One byte more than allowed tells a file that is too long from one that just fits.
        .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .map_err(|error| refuse(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > limit {
        return Err(too_long(&name, limit).into());
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid =
            String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]).into_owned();
        let place = Place::of(&valid, valid.len());
        Problem::at(&name, place, "", "is not UTF-8 text from here on").into()
    })
}

/// The problem of a file longer than `limit` bytes.
pub(crate) fn too_long(file: &str, limit: u64) -> Problem {
    let limit = crate::units::ByteSize(limit);
    Problem::at(
        file,
        Place::default(),
        "",
        format!("is longer than {limit}; such a file is no configuration"),
    )
}

fn saturate(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_from_one() {
        let text = "a\nüß = x";
        assert_eq!(Place::of(text, 0), Place { line: 1, column: 1 });
        assert_eq!(Place::of(text, text.find('x').unwrap()), Place { line: 2, column: 6 });
        assert_eq!(Place::of(text, 999), Place { line: 2, column: 7 });
    }

    #[test]
    fn problems_print_like_a_compiler_in_order_of_place() {
        let late = Problem::at("f", Place { line: 3, column: 1 }, "b", "wrong");
        let early = Problem::at("f", Place { line: 1, column: 9 }, "", "odd").with_hint("write c");
        let problems = Problems::new(vec![late, early]).unwrap();
        assert_eq!(problems.to_string(), "f:1:9: odd\n  hint: write c\nf:3:1: b: wrong");
        assert_eq!(Problems::new(vec![]), None);
    }

    #[test]
    fn a_missing_file_is_named() {
        let problems = read_file(std::path::Path::new("no/such.toml"), 10).unwrap_err();
        assert!(problems.to_string().starts_with("no/such.toml: cannot be read: "), "{problems}");
    }
}
