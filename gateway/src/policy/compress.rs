//! Whether an answer is compressed, and how: negotiation alone (RFC 9110, 12.5.3).
//!
//! Whoever does it changes the head too. `Content-Encoding` is set, `Content-Length` and `Accept-Ranges` go, and the
//! entity tag is [`weakened`], since the bytes are no longer those that the instance meant (8.8.3). `Vary: Accept-Encoding`
//! is added to every answer that may be compressed, also where this client gets it as it is ([`Choice::AsItIs`]), or a cache
//! would give one client's coding to another (12.5.5).

use roundhouse_registry::record::domain::{Coding, Compress as Record, MediaType};

use super::list::members;

#[derive(Debug)]
pub struct Compress {
    /// By preference.
    codings: Box<[Coding]>,
    /// Bytes.
    min_size: u64,
    types: Box<[Box<str>]>,
}

/// The head of an instance's answer, as far as it matters.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answer<'a> {
    pub status: u16,
    pub content_type: Option<&'a [u8]>,
    /// `None`: not known yet.
    pub content_length: Option<u64>,
    pub content_encoding: Option<&'a [u8]>,
    pub cache_control: Option<&'a [u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// It is never compressed for anybody: the head stays as it is.
    Never,
    /// Not for this client; `Vary: Accept-Encoding` all the same.
    AsItIs,
    Coded(Coding),
}

/// What a client likes, in thousandths (a weight has three digits, 12.4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    br: Option<u16>,
    zstd: Option<u16>,
    gzip: Option<u16>,
    identity: Option<u16>,
    /// `*`: those that are not named.
    other: Option<u16>,
}

impl Compress {
    pub fn new(record: &Record) -> Compress {
        let types = match record.types.is_empty() {
            true => Record::TYPES.iter().map(|text| Box::from(*text)).collect(),
            false => record.types.iter().map(MediaType::as_str).map(Box::from).collect(),
        };
        let codings = record.encodings.clone().into();
        Compress { codings, min_size: record.min_size.bytes(), types }
    }

    pub fn choose(&self, accepted: &Accepted, answer: &Answer<'_>) -> Choice {
        if !self.may(answer) {
            return Choice::Never;
        }
        // Of several that the client likes as much, the first of ours.
        let mut best: Option<(Coding, u16)> = None;
        for coding in &self.codings {
            let weight = accepted.weight(*coding);
            if weight > best.map_or(0, |(_, weight)| weight) {
                best = Some((*coding, weight));
            }
        }
        match best {
            Some((coding, weight)) if weight >= accepted.identity.unwrap_or(0) => Choice::Coded(coding),
            _ => Choice::AsItIs,
        }
    }

    fn may(&self, answer: &Answer<'_>) -> bool {
        // A part's bytes are counted in the whole as the instance has it; the others have no body.
        let whole = answer.status >= 200 && !matches!(answer.status, 204 | 205 | 206 | 304);
        let plain = answer.content_encoding.is_none_or(|coding| {
            members(std::iter::once(coding)).all(|coding| coding.eq_ignore_ascii_case(b"identity"))
        });
        let large = answer.content_length.is_none_or(|length| length >= self.min_size && length > 0);
        // RFC 9111, 5.2.2.6.
        let forbids = |directive: &[u8]| directive.eq_ignore_ascii_case(b"no-transform");
        let transforms = answer.cache_control.is_none_or(|said| !members(std::iter::once(said)).any(forbids));
        whole && plain && large && transforms && answer.content_type.is_some_and(|text| self.has_type(text))
    }

    fn has_type(&self, content_type: &[u8]) -> bool {
        let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        // Events are sent as they happen, and a compressor keeps some back; who wants that names the type itself.
        let kept = essence.eq_ignore_ascii_case(b"text/event-stream");
        self.types.iter().any(|known| match known.strip_suffix('*') {
            Some(main) => !kept && starts_with(essence, main.as_bytes()),
            None => essence.eq_ignore_ascii_case(known.as_bytes()),
        })
    }
}

impl Accepted {
    /// Of the lines of `Accept-Encoding`; none: a client that says nothing gets what the instance sends.
    pub fn new<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Accepted {
        let mut accepted = Accepted::default();
        for member in members(lines) {
            let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or_default();
            // One that cannot be read is not taken: a client that gets plain text can read it for certain.
            let weight = parts.next().map_or(Some(1_000), weight).unwrap_or(0);
            let place = match () {
                () if name.eq_ignore_ascii_case(b"br") => &mut accepted.br,
                () if name.eq_ignore_ascii_case(b"zstd") => &mut accepted.zstd,
                () if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") => {
                    &mut accepted.gzip
                }
                () if name.eq_ignore_ascii_case(b"identity") => &mut accepted.identity,
                () if name == b"*" => &mut accepted.other,
                () => continue,
            };
            *place = Some(weight);
        }
        accepted
    }

    fn weight(&self, coding: Coding) -> u16 {
        let named = match coding {
            Coding::Br => self.br,
            Coding::Zstd => self.zstd,
            Coding::Gzip => self.gzip,
        };
        named.or(self.other).unwrap_or(0)
    }
}

/// `q=0.5` is 500 (RFC 9110, 12.4.2).
fn weight(parameter: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(parameter).ok()?;
    let (name, value) = text.split_once('=')?;
    if !name.trim_end().eq_ignore_ascii_case("q") {
        return None;
    }
    let (whole, part) = value.trim_start().split_once('.').unwrap_or((value.trim_start(), ""));
    if part.len() > 3 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part: u16 = format!("{part:0<3}").parse().ok()?;
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(1_000),
        _ => None,
    }
}

fn starts_with(text: &[u8], beginning: &[u8]) -> bool {
    text.get(..beginning.len()).is_some_and(|start| start.eq_ignore_ascii_case(beginning))
}

/// A strong entity tag made weak; `None`: it is weak already, or none.
pub fn weakened(etag: &str) -> Option<String> {
    etag.starts_with('"').then(|| format!("W/{etag}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn compress(record: &str) -> Compress {
        Compress::new(
            &serde_json::from_str::<Wrapped>(&format!(r#"{{"to":[],"compress":{record}}}"#))
                .unwrap()
                .compress
                .unwrap(),
        )
    }

    type Wrapped = roundhouse_registry::record::Route;

    const HTML: Answer<'static> = Answer {
        status: 200,
        content_type: Some(b"Text/HTML; charset=utf-8"),
        content_length: Some(4_096),
        content_encoding: None,
        cache_control: None,
    };

    fn accepted(text: &str) -> Accepted {
        Accepted::new(std::iter::once(text.as_bytes()))
    }

    #[test]
    fn the_client_s_weights_come_first_then_our_order() {
        use Choice::{AsItIs, Coded};
        use Coding::{Br, Gzip, Zstd};
        let all = compress("true");
        for (said, expected) in [
            ("gzip, deflate, br, zstd", Coded(Br)),
            ("gzip, zstd", Coded(Zstd)),
            ("gzip;q=1.0, br;q=0.5", Coded(Gzip)),
            ("X-GZIP", Coded(Gzip)),
            ("*", Coded(Br)),
            ("*;q=0.1, br;q=0", Coded(Zstd)),
            ("br;q=0, gzip;q=0.001", Coded(Gzip)),
            ("gzip;q=0.5, identity", AsItIs),
            ("gzip;q=0.5, identity;q=0.5", Coded(Gzip)),
            ("identity;q=0", AsItIs),
            ("*;q=0", AsItIs),
            ("deflate", AsItIs),
            ("", AsItIs),
            ("gzip;q=2", AsItIs),
            ("gzip;q=x, br;level=1", AsItIs),
            ("gzip;q=0.0001", AsItIs),
            ("gzip ; Q=1", Coded(Gzip)),
        ] {
            assert_eq!(all.choose(&accepted(said), &HTML), expected, "{said}");
        }
        assert_eq!(all.choose(&Accepted::new(std::iter::empty()), &HTML), AsItIs);
        let ours = compress(r#"{"encodings":["gzip","br"]}"#);
        assert_eq!(ours.choose(&accepted("br, gzip, zstd"), &HTML), Coded(Gzip));
        assert_eq!(ours.choose(&accepted("zstd"), &HTML), AsItIs);
    }

    #[test]
    fn what_is_never_compressed_is_left_alone() {
        let all = compress("true");
        let choice = |answer: Answer<'_>| all.choose(&accepted("br"), &answer);
        for answer in [
            Answer { status: 206, ..HTML },
            Answer { status: 304, ..HTML },
            Answer { status: 204, ..HTML },
            Answer { status: 101, ..HTML },
            Answer { content_type: Some(b"image/png"), ..HTML },
            Answer { content_type: Some(b"text/event-stream"), ..HTML },
            Answer { content_type: None, ..HTML },
            Answer { content_length: Some(1_023), ..HTML },
            Answer { content_encoding: Some(b"gzip"), ..HTML },
            Answer { cache_control: Some(b"public, No-Transform"), ..HTML },
        ] {
            assert_eq!(choice(answer), Choice::Never, "{answer:?}");
        }
        for answer in [
            HTML,
            Answer { status: 404, ..HTML },
            Answer { content_length: None, ..HTML },
            Answer { content_length: Some(1_024), ..HTML },
            Answer { content_encoding: Some(b"identity"), ..HTML },
            Answer { cache_control: Some(b"max-age=1"), ..HTML },
            Answer { content_type: Some(b"application/json"), ..HTML },
        ] {
            assert_eq!(choice(answer), Choice::Coded(Coding::Br), "{answer:?}");
        }
        let events = compress(r#"{"types":["text/event-stream"],"min_size":"0B"}"#);
        let stream = Answer { content_type: Some(b"text/event-stream"), content_length: None, ..HTML };
        assert_eq!(events.choose(&accepted("gzip"), &stream), Choice::Coded(Coding::Gzip));
        assert_eq!(events.choose(&accepted("gzip"), &HTML), Choice::Never);
        let empty = Answer { content_length: Some(0), ..stream };
        assert_eq!(events.choose(&accepted("gzip"), &empty), Choice::Never);
    }

    #[test]
    fn a_strong_tag_becomes_weak() {
        assert_eq!(weakened("\"a\"").as_deref(), Some("W/\"a\""));
        assert_eq!(weakened("W/\"a\""), None);
        assert_eq!(weakened(""), None);
    }

    proptest! {
        #[test]
        fn a_coding_is_one_that_the_client_named_with_a_weight(said in "(br|zstd|gzip|identity|\\*|x)(;q=[01](\\.[0-9]{0,3})?)?(, ?(br|gzip);q=0)?") {
            if let Choice::Coded(coding) = compress("true").choose(&accepted(&said), &HTML) {
                let members: Vec<&str> = said.split(',').map(str::trim).collect();
                let named = members.iter().rev().find(|member| member.split(';').next() == Some(coding.as_str()));
                let named = named.or_else(|| members.iter().find(|member| member.starts_with('*')));
                prop_assert!(named.is_some_and(|member| !member.ends_with("q=0") && !member.ends_with("q=0.")), "{said}");
            }
        }

        #[test]
        fn any_bytes_are_read(said: Vec<u8>) {
            let _ = compress("true").choose(&Accepted::new(std::iter::once(&said[..])), &HTML);
        }
    }
}
