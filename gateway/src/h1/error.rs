//! Why bytes are no message.

use std::fmt;

/// What is wrong with a head or a body. What is said of it goes to whoever sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) wrong: Wrong,
    pub(crate) sentence: &'static str,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It has no meaning, or two.
    Syntax,
    /// More bytes or fields than a head may have.
    TooLarge,
    /// A version that is not spoken here.
    Version,
    /// A coding or a method that is not served.
    Unserved,
    /// An expectation that is not met (RFC 9110, 10.1.1).
    Expectation,
}

impl Malformed {
    pub(crate) const fn syntax(sentence: &'static str) -> Malformed {
        Malformed { wrong: Wrong::Syntax, sentence }
    }

    pub(crate) const fn too_large(sentence: &'static str) -> Malformed {
        Malformed { wrong: Wrong::TooLarge, sentence }
    }

    pub(crate) const fn unserved(sentence: &'static str) -> Malformed {
        Malformed { wrong: Wrong::Unserved, sentence }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence)
    }
}

impl From<httparse::Error> for Malformed {
    fn from(error: httparse::Error) -> Malformed {
        use httparse::Error;
        match error {
            Error::HeaderName => Malformed::syntax(
                "a field name is empty, folded, followed by a space or has a byte that no name has; write `name: value`",
            ),
            Error::HeaderValue => {
                Malformed::syntax("a field value has a control byte; leave it out or encode it")
            }
            Error::NewLine => Malformed::syntax("a line does not end with CR LF; end each with both"),
            Error::Status => Malformed::syntax("the status is not three digits and a phrase"),
            Error::Token => Malformed::syntax("the first line is none; write `METHOD target HTTP/1.1`"),
            Error::TooManyHeaders => Malformed::too_large("the head has more than 100 fields; send fewer"),
            Error::Version => Malformed {
                wrong: Wrong::Version,
                sentence: "the version is not spoken here; write HTTP/1.1",
            },
        }
    }
}
