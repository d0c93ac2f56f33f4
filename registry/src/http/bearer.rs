//! Who asks: a bearer token (RFC 6750).

use std::fmt;
use std::path::{Path, PathBuf};

use hyper::header::HeaderValue;

/// The environment variable that holds a token.
pub(super) const TEXT: &str = "ROUNDHOUSE_TOKEN";
/// The environment variable that names a token's file.
pub(super) const FILE: &str = "ROUNDHOUSE_TOKEN_FILE";

/// Servers take some 8 KiB of headers in all; tokens have some dozens of characters.
const MAX_TOKEN: usize = 4 << 10;

/// Where a client has its token from. A file is read again for every request: tokens expire, and a program that runs for
/// months takes up the next one by itself.
#[derive(Clone, Debug, Default)]
pub enum TokenSource {
    #[default]
    None,
    Fixed(Bearer),
    File(PathBuf),
}

/// A secret: it goes into a request's header and nowhere else.
#[derive(Clone)]
pub struct Bearer {
    header: HeaderValue,
    source: String,
}

#[derive(Debug, thiserror::Error)]
pub enum BearerError {
    #[error("{source_name}: {source}")]
    File { source_name: String, source: std::io::Error },
    #[error("{0} has no token in it")]
    Empty(String),
    #[error("{0}: a token is one line of at most {MAX_TOKEN} visible ASCII characters without spaces")]
    Form(String),
    #[error("both {TEXT} and {FILE} are set; keep one")]
    Both,
}

impl TokenSource {
    /// `ROUNDHOUSE_TOKEN`, or the file that `ROUNDHOUSE_TOKEN_FILE` names.
    pub fn from_env() -> Result<TokenSource, BearerError> {
        match (std::env::var_os(TEXT), std::env::var_os(FILE)) {
            (None, None) => Ok(TokenSource::None),
            (Some(text), None) => Bearer::parse(&text.to_string_lossy(), TEXT).map(TokenSource::Fixed),
            (None, Some(file)) => Ok(TokenSource::File(file.into())),
            (Some(_), Some(_)) => Err(BearerError::Both),
        }
    }

    pub(super) fn read(&self) -> Result<Option<Bearer>, BearerError> {
        match self {
            TokenSource::None => Ok(None),
            TokenSource::Fixed(token) => Ok(Some(token.clone())),
            TokenSource::File(path) => Bearer::from_file(path).map(Some),
        }
    }

    /// For messages; `None`: there is no token.
    pub(super) fn name(&self) -> Option<String> {
        match self {
            TokenSource::None => None,
            TokenSource::Fixed(token) => Some(token.source().to_owned()),
            TokenSource::File(path) => Some(path.display().to_string()),
        }
    }
}

impl Bearer {
    /// `source` says where it came from, for messages.
    pub fn parse(text: &str, source: impl Into<String>) -> Result<Bearer, BearerError> {
        let (text, source) = (text.trim_ascii(), source.into());
        if text.is_empty() {
            return Err(BearerError::Empty(source));
        }
        if text.len() > MAX_TOKEN || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BearerError::Form(source));
        }
        let Ok(mut header) = HeaderValue::from_str(&format!("Bearer {text}")) else {
            return Err(BearerError::Form(source));
        };
        header.set_sensitive(true);
        Ok(Bearer { header, source })
    }

    pub fn from_file(path: &Path) -> Result<Bearer, BearerError> {
        let source_name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Bearer::parse(&text, source_name),
            Err(source) => Err(BearerError::File { source_name, source }),
        }
    }

    pub(super) fn header(&self) -> &HeaderValue {
        &self.header
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bearer(from {})", self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_from_a_file_and_never_shown() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "s3cret-of-the-house\n").unwrap();
        let token = Bearer::from_file(&path).unwrap();
        assert_eq!(token.header(), "Bearer s3cret-of-the-house");
        let client = crate::http::HttpClient::new("hub:8400").with_token(Some(token));
        for shown in [format!("{client:?}"), format!("{client:#?}")] {
            assert!(!shown.contains("s3cret") && shown.contains(path.to_str().unwrap()), "{shown}");
        }
        // A file that is written over is taken up.
        let source = TokenSource::File(path.clone());
        assert_eq!(source.read().unwrap().unwrap().header(), "Bearer s3cret-of-the-house");
        std::fs::write(&path, "the-next-one").unwrap();
        assert_eq!(source.read().unwrap().unwrap().header(), "Bearer the-next-one");
        let error = Bearer::from_file(&folder.path().join("none")).unwrap_err().to_string();
        assert!(error.contains("none: No such file"), "{error}");
    }

    #[test]
    fn what_is_no_token_is_refused_without_being_repeated() {
        for text in ["", " \n", "two words", "two\nlines", "with\u{e9}", &"x".repeat(MAX_TOKEN + 1)] {
            let error = Bearer::parse(text, "here").unwrap_err().to_string();
            assert!(error.starts_with("here"), "{error}");
            assert!(!error.contains("two") && !error.contains("xx"), "{error}");
        }
    }
}
