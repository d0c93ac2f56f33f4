//! How deep a text nests, and where each of its fields stands.

use std::collections::BTreeMap;

use prost_reflect::{Kind, MessageDescriptor};

use super::lex::{Token, Tokens};
use crate::problem::Place;

/// The schema needs 5. A parser that goes down a level a bracket would overflow its stack without a bound.
pub(super) const MAX_DEPTH: usize = 32;

/// The text nests deeper than [`MAX_DEPTH`] from this byte on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooDeep(pub(super) usize);

/// The innermost bracket that is still open at the text's end, if any.
pub(super) fn open_bracket(text: &str) -> Result<Option<usize>, TooDeep> {
    let mut open = Vec::with_capacity(MAX_DEPTH);
    for (offset, token) in Tokens::of(text) {
        match token {
            Token::Sign(b'<' | b'{' | b'[') if open.len() == MAX_DEPTH => return Err(TooDeep(offset)),
            Token::Sign(b'<' | b'{' | b'[') => open.push(offset),
            Token::Sign(b'>' | b'}' | b']') => drop(open.pop()),
            _ => {}
        }
    }
    Ok(open.pop())
}

/// Tells `found` the path and place of each field of `text`, which the real parser has taken for a `message`.
/// An element of a repeated field is placed at its value where it stands in a `[list]`, else at its name; the
/// field itself at each of its names.
pub(super) fn places(text: &str, message: &MessageDescriptor, found: impl FnMut(&str, Place)) {
    let tokens = Tokens::of(text);
    let mut walk = Walk { text, tokens, reached: 0, place: Place { line: 1, column: 1 }, found };
    // `None` would mean a text the parser would have refused: what was found up to there stays.
    let _ = walk.message(message, "", None);
}

struct Walk<'a, F> {
    text: &'a str,
    tokens: Tokens<'a>,
    /// The byte up to which lines and columns are counted: it only moves on, so that a text is counted once.
    reached: usize,
    /// The place of that byte.
    place: Place,
    found: F,
}

impl<'a, F: FnMut(&str, Place)> Walk<'a, F> {
    /// Walks the fields up to `end`, or to the end of the text.
    fn message(&mut self, message: &MessageDescriptor, path: &str, end: Option<u8>) -> Option<()> {
        let mut counts: BTreeMap<&'a str, usize> = BTreeMap::new();
        loop {
            let Some((offset, token)) = self.tokens.next() else { return end.is_none().then_some(()) };
            let name = match token {
                Token::Word(name) => name,
                Token::Sign(b',' | b';') => continue,
                Token::Sign(sign) if Some(sign) == end => return Some(()),
                _ => return None,
            };
            let field = message.get_field_by_name(name)?;
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            let kind = field.kind();
            if field.is_list() {
                self.elements(&kind, &path, offset, counts.entry(name).or_default())?;
            } else {
                self.note(&path, offset);
                self.value(&kind, &path)?;
            }
        }
    }

    /// Walks what follows the name of a repeated field: one element, or several in brackets.
    fn elements(&mut self, kind: &Kind, path: &str, name: usize, count: &mut usize) -> Option<()> {
        self.note(path, name);
        self.skip(b':');
        if !self.skip(b'[') {
            let path = format!("{path}[{count}]");
            *count += 1;
            self.note(&path, name);
            return self.value(kind, &path);
        }
        while !self.skip(b']') {
            let (offset, _) = self.peek()?;
            let path = format!("{path}[{count}]");
            *count += 1;
            self.note(&path, offset);
            self.value(kind, &path)?;
            self.skip(b',');
        }
        Some(())
    }

    /// Walks one value.
    fn value(&mut self, kind: &Kind, path: &str) -> Option<()> {
        self.skip(b':');
        match (self.tokens.next()?.1, kind) {
            (Token::Sign(b'<'), Kind::Message(message)) => self.message(message, path, Some(b'>')),
            (Token::Sign(b'{'), Kind::Message(message)) => self.message(message, path, Some(b'}')),
            (Token::Quoted, _) => {
                // Strings that stand side by side are one.
                while matches!(self.peek(), Some((_, Token::Quoted))) {
                    self.tokens.next();
                }
                Some(())
            }
            (Token::Word(_), _) => Some(()),
            _ => None,
        }
    }

    fn note(&mut self, path: &str, offset: usize) {
        for c in self.text.get(self.reached..offset).unwrap_or_default().chars() {
            if c == '\n' {
                self.place = Place { line: self.place.line.saturating_add(1), column: 1 };
            } else {
                self.place.column = self.place.column.saturating_add(1);
            }
        }
        self.reached = offset;
        (self.found)(path, self.place);
    }

    /// Takes the next token if it is `sign`.
    fn skip(&mut self, sign: u8) -> bool {
        let found = matches!(self.peek(), Some((_, Token::Sign(next))) if next == sign);
        if found {
            self.tokens.next();
        }
        found
    }

    fn peek(&self) -> Option<(usize, Token<'a>)> {
        self.tokens.clone().next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_is_bounded() {
        assert_eq!(open_bracket("a < b { } >"), Ok(None));
        assert_eq!(open_bracket("a < b {"), Ok(Some(6)));
        assert_eq!(open_bracket(">>"), Ok(None));
        assert_eq!(open_bracket(&"<".repeat(MAX_DEPTH)), Ok(Some(MAX_DEPTH - 1)));
        assert_eq!(open_bracket(&"[".repeat(1_000_000)), Err(TooDeep(MAX_DEPTH)));
    }

    #[test]
    fn every_field_is_found() {
        let text = "jobs < name: 'a' domains: ['b', \"c\" 'd'] domains: 'e'\n\
            \x20ports { port: '1' }, ports: <> >\njobs: { static: true; }";
        let message = crate::jobs::schema::parse(text, "f").unwrap();
        let mut found = Vec::new();
        places(text, &prost_reflect::ReflectMessage::descriptor(&message), |path, place| {
            found.push(format!("{path} {}:{}", place.line, place.column));
        });
        assert_eq!(
            found,
            [
                "jobs 1:1",
                "jobs[0] 1:1",
                "jobs[0].name 1:8",
                "jobs[0].domains 1:18",
                "jobs[0].domains[0] 1:28",
                "jobs[0].domains[1] 1:33",
                "jobs[0].domains 1:42",
                "jobs[0].domains[2] 1:42",
                "jobs[0].ports 2:2",
                "jobs[0].ports[0] 2:2",
                "jobs[0].ports[0].port 2:10",
                "jobs[0].ports 2:23",
                "jobs[0].ports[1] 2:23",
                "jobs 3:1",
                "jobs[1] 3:1",
                "jobs[1].static 3:9",
            ]
        );
    }
}
