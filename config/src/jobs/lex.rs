//! The tokens of protobuf text format, as far as places and nesting need them.
//!
//! Until the real parser meets its first error, both see the same strings, comments and brackets; what this
//! one makes of the text after that does not matter.

/// One token; what is inside a string or a number is of no interest here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A field's name, a number or a bare word such as `true`.
    Word(&'a str),
    /// A quoted string.
    Quoted,
    /// Anything else, a byte each: brackets, `:`, `,`, `;`.
    Sign(u8),
}

/// The tokens of a text with their byte offsets.
#[derive(Clone)]
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn skip_while(&mut self, matches: impl Fn(u8) -> bool) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().position(|b| !matches(*b)).unwrap_or(rest.len());
    }

    fn skip_blank(&mut self) {
        loop {
            self.skip_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c));
            if self.text.as_bytes().get(self.at) != Some(&b'#') {
                return;
            }
            self.skip_while(|b| b != b'\n');
        }
    }

    /// Goes on after the string that begins here. A line break ends it, since the real parser refuses one.
    fn skip_string(&mut self, quote: u8) {
        self.at += 1;
        while let Some(b) = self.text.as_bytes().get(self.at) {
            self.at += 1;
            match *b {
                b'\\' => self.at = (self.at + 1).min(self.text.len()),
                b'\n' => return,
                b if b == quote => return,
                _ => {}
            }
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = (usize, Token<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.skip_blank();
        let start = self.at;
        let first = *self.text.as_bytes().get(start)?;
        let token = match first {
            b'"' | b'\'' => {
                self.skip_string(first);
                Token::Quoted
            }
            b if in_word(b) => {
                self.skip_while(in_word);
                Token::Word(self.text.get(start..self.at).unwrap_or_default())
            }
            sign => {
                self.at += 1;
                Token::Sign(sign)
            }
        };
        Some((start, token))
    }
}

/// `text` with a blank for each byte of a comment or between tokens, so that offsets stay what they were.
///
/// The real parser's lexer (logos 0.16) calls itself for each comment and for each byte of one; unless the
/// compiler turns that into jumps, which a debug build does not, a long comment overflows the stack.
pub(super) fn without_comments(text: &str) -> String {
    let mut bare = Vec::with_capacity(text.len());
    let mut tokens = Tokens::of(text);
    while let Some((start, _)) = tokens.next() {
        bare.resize(start, b' ');
        bare.extend_from_slice(&text.as_bytes()[start..tokens.at]);
    }
    // Whole characters went in, so nothing is lost.
    String::from_utf8_lossy(&bare).into_owned()
}

fn in_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'+' | b'-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn strings_and_comments_hide_brackets() {
        let tokens: Vec<_> = Tokens::of("a: '<\\'<' # <\n b<\"<\" 'x").map(|(_, token)| token).collect();
        let sign = |c: char| Token::Sign(c as u8);
        assert_eq!(
            tokens,
            [
                Token::Word("a"),
                sign(':'),
                Token::Quoted,
                Token::Word("b"),
                sign('<'),
                Token::Quoted,
                Token::Quoted
            ]
        );
    }

    #[test]
    fn comments_are_blanked_in_place() {
        assert_eq!(without_comments("a # <é>\n'#b' #c"), "a        '#b'");
    }

    proptest! {
        #[test]
        fn blanking_comments_changes_no_token(text in "\\PC*|[a<>{}'\"\\\\#\n é]{0,40}") {
            let bare = without_comments(&text);
            prop_assert_eq!(Tokens::of(&bare).collect::<Vec<_>>(), Tokens::of(&text).collect::<Vec<_>>());
        }

        #[test]
        fn every_text_comes_to_an_end(text in "\\PC*|[a<>{}'\"\\\\#\n é]{0,40}") {
            let offsets: Vec<usize> = Tokens::of(&text).map(|(offset, _)| offset).collect();
            prop_assert!(offsets.is_sorted());
            prop_assert!(offsets.len() <= text.len());
        }
    }
}
