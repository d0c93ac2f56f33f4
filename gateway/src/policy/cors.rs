//! Which fields let a page of another origin use an answer (WHATWG Fetch, 3.2 "CORS protocol").
//!
//! The gateway's word replaces the instance's: whoever writes `cors` into a route takes these fields out of the answer
//! ([`CORS_FIELDS`]) and puts [`Cors::answer`]'s in, so that a browser never sees two. A preflight is answered with 204 and
//! never reaches an instance. An origin that may not gets no fields, upon which the browser refuses its page.

use std::borrow::Cow;
use std::collections::HashSet;

use roundhouse_registry::record::domain::{Cors as Record, Origin};

use super::list::members;

/// A field to add: its name in lower case, and its value.
pub type Field<'a> = (&'static str, Cow<'a, str>);

/// What only the gateway says where a route has `cors`.
pub const CORS_FIELDS: [&str; 6] = [
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-expose-headers",
    "access-control-max-age",
];

/// Bytes of headers that a page asks leave for: what is echoed is bounded.
const MAX_ASKED: usize = 4_096;

#[derive(Debug)]
pub struct Cors {
    any: bool,
    exact: HashSet<Box<str>>,
    /// `https://` and `.example.com`.
    wildcards: Box<[(Box<str>, Box<str>)]>,
    credentials: bool,
    methods: Box<str>,
    headers: Headers,
    expose: Option<Box<str>>,
    /// Seconds.
    max_age: Option<Box<str>>,
}

#[derive(Debug)]
enum Headers {
    /// Whatever is asked for.
    Any,
    These(Box<str>),
}

/// Whether a request only asks for leave: `Origin` and `Access-Control-Request-Method` are there.
pub fn is_preflight(method: &str, has_origin: bool, has_request_method: bool) -> bool {
    method == "OPTIONS" && has_origin && has_request_method
}

impl Cors {
    pub fn new(record: &Record) -> Cors {
        let mut cors = Cors {
            any: false,
            exact: HashSet::new(),
            wildcards: Box::default(),
            credentials: record.credentials,
            methods: match record.methods.is_empty() {
                true => "GET, HEAD, POST".into(),
                false => joined(&record.methods),
            },
            headers: match record.headers.iter().any(|name| name.as_str() == "*") {
                true => Headers::Any,
                false => Headers::These(joined(&record.headers)),
            },
            expose: (!record.expose.is_empty()).then(|| joined(&record.expose)),
            max_age: record.max_age.map(|age| age.as_secs().to_string().into()),
        };
        let mut wildcards = Vec::new();
        for origin in &record.origins {
            match origin {
                Origin::Any => cors.any = true,
                Origin::Exact(origin) => drop(cors.exact.insert(origin.clone())),
                Origin::Wildcard { scheme, suffix } => wildcards.push((scheme.clone(), suffix.clone())),
            }
        }
        cors.wildcards = wildcards.into();
        cors
    }

    /// Whether pages of the origin may. Browsers write an origin in lower case, and one that is not is none of theirs.
    pub fn allows(&self, origin: &[u8]) -> bool {
        self.allowed(origin).is_some()
    }

    fn allowed<'a>(&self, origin: &'a [u8]) -> Option<&'a str> {
        let origin =
            std::str::from_utf8(origin).ok().filter(|origin| origin.bytes().all(|b| b.is_ascii_graphic()))?;
        let under = |(scheme, suffix): &(Box<str>, Box<str>)| {
            let label = origin.strip_prefix(&**scheme).and_then(|rest| rest.strip_suffix(&**suffix));
            label.is_some_and(|label| !label.is_empty() && label.bytes().all(is_of_label))
        };
        (self.any || self.exact.contains(origin) || self.wildcards.iter().any(under)).then_some(origin)
    }

    /// What is added to an instance's answer to a request with this `Origin`, if any.
    pub fn answer<'a>(&'a self, origin: Option<&'a [u8]>) -> impl Iterator<Item = Field<'a>> {
        let origin = origin.and_then(|origin| self.allowed(origin));
        let expose = self.expose.as_deref().filter(|_| origin.is_some());
        self.common(origin).chain(expose.map(|names| ("access-control-expose-headers", names.into())))
    }

    /// What the gateway answers to a preflight itself, with 204 and without a body. `headers` are the
    /// `Access-Control-Request-Headers`.
    pub fn preflight<'a>(
        &'a self,
        origin: &'a [u8],
        headers: impl Iterator<Item = &'a [u8]>,
    ) -> impl Iterator<Item = Field<'a>> {
        let origin = self.allowed(origin);
        let said = origin.map(|_| {
            let headers = match &self.headers {
                Headers::These(names) => Cow::Borrowed(&**names),
                Headers::Any => Cow::Owned(echoed(headers)),
            };
            let headers = (!headers.is_empty()).then_some(("access-control-allow-headers", headers));
            let max_age = self.max_age.as_deref().map(|age| ("access-control-max-age", age.into()));
            let methods = ("access-control-allow-methods", Cow::Borrowed(&*self.methods));
            std::iter::once(methods).chain(headers).chain(max_age)
        });
        let asked = self
            .vary()
            .map(|_| ("vary", "access-control-request-method, access-control-request-headers".into()));
        self.common(origin).chain(asked).chain(said.into_iter().flatten())
    }

    fn common<'a>(&'a self, origin: Option<&'a str>) -> impl Iterator<Item = Field<'a>> {
        let shown = origin.map(|origin| if self.any { "*" } else { origin });
        let credentials = origin.filter(|_| self.credentials).map(|_| "true");
        let allow = shown.map(|origin| ("access-control-allow-origin", origin.into()));
        let with = credentials.map(|yes| ("access-control-allow-credentials", yes.into()));
        allow.into_iter().chain(with).chain(self.vary().map(|names| ("vary", names.into())))
    }

    /// Where the answer depends on who asks, also to those who may not and to those who are of no origin: a cache would
    /// give one's answer to another (Fetch, 3.2.5). It is added to what `Vary` says already.
    fn vary(&self) -> Option<&'static str> {
        (!self.any).then_some("origin")
    }
}

/// Of a host's label, which `*` stands for.
fn is_of_label(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
}

fn joined<T: ToString>(items: &[T]) -> Box<str> {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ").into()
}

/// The names of a list, those that are none left out.
fn echoed<'a>(lines: impl Iterator<Item = &'a [u8]>) -> String {
    let mut names = String::new();
    for name in members(lines) {
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        if !name.iter().all(is_name) || names.len() + name.len() > MAX_ASKED {
            continue;
        }
        if !names.is_empty() {
            names.push_str(", ");
        }
        names.extend(name.iter().map(|byte| char::from(*byte)));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(record: &str) -> Cors {
        Cors::new(&serde_json::from_str(record).unwrap())
    }

    fn lines<'a>(fields: impl Iterator<Item = Field<'a>>) -> Vec<String> {
        fields.map(|(name, value)| format!("{name}: {value}")).collect()
    }

    #[test]
    fn origins_are_exact_or_one_label_under_a_name() {
        let cors = cors(r#"{"origins":["https://app.example.com","https://*.example.org:8443"]}"#);
        for may in ["https://app.example.com", "https://a.example.org:8443", "https://a-1.example.org:8443"] {
            assert!(cors.allows(may.as_bytes()), "{may}");
        }
        for may_not in [
            "",
            "null",
            "*",
            "http://app.example.com",
            "https://app.example.com:444",
            "https://app.example.com.evil",
            "https://example.org:8443",
            "https://.example.org:8443",
            "https://a.b.example.org:8443",
            "https://evil.com/.example.org:8443",
            "https://a.example.org",
            "https://evil@x.example.org:8443",
            "HTTPS://APP.EXAMPLE.COM",
            "https://app.example.com\r\nx: y",
        ] {
            assert!(!cors.allows(may_not.as_bytes()), "{may_not}");
        }
        assert!(!cors.allows(b"\xff"));
    }

    #[test]
    fn an_answer_names_the_origin_and_what_it_depends_on() {
        let strict = cors(
            r#"{"origins":["https://a.b"],"expose":["x-total","x-next"],"credentials":true,"max_age":"10m"}"#,
        );
        assert_eq!(
            lines(strict.answer(Some(b"https://a.b"))),
            [
                "access-control-allow-origin: https://a.b",
                "access-control-allow-credentials: true",
                "vary: origin",
                "access-control-expose-headers: x-total, x-next",
            ]
        );
        assert_eq!(lines(strict.answer(Some(b"https://evil"))), ["vary: origin"]);
        assert_eq!(lines(strict.answer(None)), ["vary: origin"]);
        let open = cors(r#"{"origins":["*"]}"#);
        assert_eq!(lines(open.answer(Some(b"https://any"))), ["access-control-allow-origin: *"]);
        assert_eq!(lines(open.answer(None)), [""; 0]);
    }

    #[test]
    fn a_preflight_is_told_everything_or_nothing() {
        let cors = cors(
            r#"{"origins":["https://a.b"],"methods":["GET","PUT"],"headers":["x-token","content-type"],"max_age":"10m"}"#,
        );
        let vary = "vary: access-control-request-method, access-control-request-headers";
        assert_eq!(
            lines(cors.preflight(b"https://a.b", [&b"x-other"[..]].into_iter())),
            [
                "access-control-allow-origin: https://a.b",
                "vary: origin",
                vary,
                "access-control-allow-methods: GET, PUT",
                "access-control-allow-headers: x-token, content-type",
                "access-control-max-age: 600",
            ]
        );
        assert_eq!(lines(cors.preflight(b"https://evil", std::iter::empty())), ["vary: origin", vary]);
        assert!(is_preflight("OPTIONS", true, true));
        assert!(!is_preflight("OPTIONS", true, false) && !is_preflight("GET", true, true));
    }

    #[test]
    fn any_header_is_echoed_if_it_is_one() {
        let cors = cors(r#"{"origins":["*"],"headers":["*"]}"#);
        let asked: [&[u8]; 2] = [b"X-A, x b ,,", b"x\r\nc,x-d"];
        assert_eq!(
            lines(cors.preflight(b"https://a.b", asked.into_iter())),
            [
                "access-control-allow-origin: *",
                "access-control-allow-methods: GET, HEAD, POST",
                "access-control-allow-headers: X-A, x-d",
            ]
        );
        let long = "x".repeat(5_000);
        let fields = lines(cors.preflight(b"https://a.b", [long.as_bytes()].into_iter()));
        assert_eq!(fields.len(), 2, "nothing to allow is not said");
    }
}
