//! HTTP/1.1 as the grammar of RFC 9112 has it and no laxer: the tests' own reader, which shares nothing with the
//! gateway's. It reads slowly and plainly, a whole message at a time.

mod body;
mod head;

use self::body::Body;

/// What some bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    Whole(Box<Message>),
    /// The beginning of a message.
    More,
    Wrong(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The request or status line.
    pub first: String,
    /// In order; names in lower case. Bytes beyond ASCII are read as Latin-1.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
    /// How many bytes it takes, with empty lines before it.
    pub bytes: usize,
}

/// How a body's end is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
    Close,
}

/// A request at the front of `bytes`.
pub fn request(bytes: &[u8]) -> Read {
    read(bytes, false, head::Head::of_request)
}

/// A response to a request with this method. `ended`: nothing follows `bytes`.
pub fn response(bytes: &[u8], method: &str, ended: bool) -> Read {
    read(bytes, ended, |head| head.of_response(method))
}

/// Every response that the client of these requests gets until the end of the connection; what is left over is wrong.
///
/// # Panics
/// When the bytes are anything else.
#[track_caller]
pub fn responses(mut bytes: &[u8], methods: &[&str]) -> Vec<Message> {
    let mut all = Vec::new();
    let mut methods = methods.iter();
    let mut method = methods.next().copied().unwrap_or("GET");
    while !bytes.is_empty() {
        match response(bytes, method, true) {
            Read::Whole(message) => {
                bytes = &bytes[message.bytes..];
                if !(100..200).contains(&message.status()) {
                    method = methods.next().copied().unwrap_or("GET");
                }
                all.push(*message);
            }
            other => panic!("{other:?}: {:?}", String::from_utf8_lossy(bytes)),
        }
    }
    all
}

impl Message {
    pub fn status(&self) -> u16 {
        self.first.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    pub fn method(&self) -> &str {
        self.first.split(' ').next().unwrap_or_default()
    }

    pub fn target(&self) -> &str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The value of a field that is there at most once.
    ///
    /// # Panics
    /// When it is there twice.
    #[track_caller]
    pub fn field<'a>(&'a self, name: &str) -> Option<&'a str> {
        let mut values =
            self.fields.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str());
        let first = values.next();
        assert!(values.next().is_none(), "{name} is there twice: {self:?}");
        first
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn read(
    bytes: &[u8],
    ended: bool,
    framing: impl FnOnce(&head::Head) -> Result<Framing, &'static str>,
) -> Read {
    let head = match head::Head::read(bytes) {
        Ok(Some(head)) => head,
        Ok(None) => return Read::More,
        Err(why) => return Read::Wrong(why),
    };
    let rest = &bytes[head.bytes..];
    let body = match framing(&head) {
        Ok(Framing::Length(length)) => body::known(rest, length),
        Ok(Framing::Chunked) => body::chunked(rest),
        Ok(Framing::Close) if ended => {
            Body::Whole { content: rest.to_vec(), trailers: Vec::new(), bytes: rest.len() }
        }
        Ok(Framing::Close) => Body::More,
        Err(why) => return Read::Wrong(why),
    };
    match body {
        Body::More => Read::More,
        Body::Wrong(why) => Read::Wrong(why),
        Body::Whole { content, trailers, bytes } => Read::Whole(Box::new(Message {
            first: head.first,
            fields: head.fields,
            body: content,
            trailers,
            bytes: head.bytes + bytes,
        })),
    }
}
