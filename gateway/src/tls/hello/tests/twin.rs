//! The twin: it gets a whole message, cuts what it reads off a copy, and knows of a wrong hello only that it is wrong.

use proptest::prelude::*;

use super::built::{Built, alpn, ech, message, records, server_name, vector8, vector16, versions};
use super::read;
use crate::tls::hello::{ClientHello, Outcome};

#[derive(Debug, PartialEq)]
struct Twin {
    name: Option<String>,
    alpn: Vec<Vec<u8>>,
    ech: bool,
    version: u16,
}

fn cut(from: &mut Vec<u8>, n: usize) -> Option<Vec<u8>> {
    (n <= from.len()).then(|| from.drain(..n).collect())
}

/// A number of so many bytes.
fn number(from: &mut Vec<u8>, n: usize) -> Option<usize> {
    Some(cut(from, n)?.iter().fold(0, |sum, byte| sum * 256 + usize::from(*byte)))
}

/// With a length of so many bytes before it.
fn vector(from: &mut Vec<u8>, n: usize) -> Option<Vec<u8>> {
    let length = number(from, n)?;
    cut(from, length)
}

/// The same, and nothing after it.
fn only(mut from: Vec<u8>, n: usize) -> Option<Vec<u8>> {
    vector(&mut from, n).filter(|_| from.is_empty())
}

fn twin(message: &[u8]) -> Option<Twin> {
    let mut body = message.to_vec();
    if number(&mut body, 1)? != 1 || number(&mut body, 3)? != body.len() {
        return None;
    }
    let legacy = number(&mut body, 2)?;
    cut(&mut body, 32)?;
    let session = vector(&mut body, 1)?;
    let suites = vector(&mut body, 2)?;
    let compression = vector(&mut body, 1)?;
    let mut block = if body.is_empty() { vec![] } else { only(body, 2)? };
    if legacy <= 0x0300
        || session.len() > 32
        || suites.len() < 2
        || suites.len() % 2 == 1
        || compression.is_empty()
    {
        return None;
    }
    let mut extensions = std::collections::HashMap::new();
    while !block.is_empty() {
        let kind = number(&mut block, 2)?;
        if extensions.insert(kind, vector(&mut block, 2)?).is_some() {
            return None;
        }
    }
    Some(Twin {
        name: extensions.remove(&0).map_or(Some(None), host)?,
        alpn: extensions.remove(&16).map_or(Some(vec![]), protocols)?,
        ech: extensions.contains_key(&0xfe0d),
        version: extensions.remove(&43).map_or(Some(legacy.min(0x0303)), highest)? as u16,
    })
}

fn host(content: Vec<u8>) -> Option<Option<String>> {
    let mut list = only(content, 2)?;
    let mut hosts = vec![];
    let mut names = 0;
    while !list.is_empty() {
        names += 1;
        let kind = number(&mut list, 1)?;
        let name = vector(&mut list, 2)?;
        if kind == 0 {
            hosts.push(String::from_utf8(name).ok()?);
        }
    }
    if names == 0 || hosts.len() > 1 {
        return None;
    }
    let Some(host) = hosts.pop() else { return Some(None) };
    let host = host.strip_suffix('.').map(str::to_owned).unwrap_or(host).to_lowercase();
    let labels: Vec<&str> = host.split('.').collect();
    let letters = "abcdefghijklmnopqrstuvwxyz0123456789-_";
    let good = |label: &&str| (1..=63).contains(&label.len()) && label.chars().all(|c| letters.contains(c));
    let numeric = |label: &&str| label.chars().all(|c| c.is_ascii_digit());
    (host.len() <= 253 && labels.iter().all(good) && !labels.iter().all(numeric)).then_some(Some(host))
}

fn protocols(content: Vec<u8>) -> Option<Vec<Vec<u8>>> {
    let mut list = only(content, 2)?;
    let mut all = vec![];
    while !list.is_empty() {
        all.push(vector(&mut list, 1)?);
    }
    if all.is_empty() || all.iter().any(Vec::is_empty) {
        return None;
    }
    all.truncate(16);
    Some(all)
}

fn highest(content: Vec<u8>) -> Option<usize> {
    let mut list = only(content, 1)?;
    let mut all = vec![];
    while !list.is_empty() {
        all.push(number(&mut list, 2)?);
    }
    all.into_iter().filter(|version| (0x0301..0x0400).contains(version)).max()
}

fn plain(hello: ClientHello) -> Twin {
    Twin {
        name: hello.server_name.map(|name| name.to_string()),
        alpn: hello.alpn.into_iter().map(Vec::from).collect(),
        ech: hello.ech,
        version: hello.version.0,
    }
}

fn check(message: &[u8], size: usize) -> Result<(), TestCaseError> {
    let ours = match read(&records(message, std::iter::repeat(size))) {
        Outcome::Hello(hello) => Some(plain(hello)),
        Outcome::Invalid(_) => None,
        other => return Err(TestCaseError::fail(format!("{other:?}"))),
    };
    prop_assert_eq!(ours, twin(message));
    Ok(())
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[a-zA-Z0-9_-]{1,9}(\\.[a-zA-Z0-9_-]{1,9}){0,3}\\.?",
        1 => "[0-9]{1,3}(\\.[0-9]{1,3}){3}",
        1 => "[a-f0-9:.*\\[\\]]{0,12}",
        1 => "[a-zA-Z0-9.]{0,300}",
        1 => "\\PC{0,12}",
    ]
}

fn extension() -> impl Strategy<Value = (u16, Vec<u8>)> {
    let bytes = |most| proptest::collection::vec(any::<u8>(), 0..most);
    let protocols = proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..9), 0..30);
    let names = proptest::collection::vec((0..2u8, name()), 0..3);
    let offered = prop_oneof![0x0300..0x0306u16, any::<u16>(), Just(0x0a0a)];
    prop_oneof![
        4 => name().prop_map(|name| server_name(&name)),
        1 => names.prop_map(|names| {
            let list = names.iter().flat_map(|(kind, name)| [vec![*kind], vector16(name.as_bytes())].concat());
            (0, vector16(&list.collect::<Vec<u8>>()))
        }),
        2 => protocols.prop_map(|names| alpn(&names.iter().map(Vec::as_slice).collect::<Vec<_>>())),
        2 => proptest::collection::vec(offered, 0..5).prop_map(|offered| versions(&offered)),
        1 => Just(ech()),
        4 => (64..0x6000u16, bytes(40)),
        1 => (prop_oneof![Just(0u16), Just(16), Just(43)], bytes(12)),
    ]
}

pub(super) fn built() -> impl Strategy<Value = Built> {
    (
        prop_oneof![8 => Just(0x0303u16), 1 => 0x02ff..0x0306u16],
        prop_oneof![8 => Just(32), 1 => 0..36usize],
        prop_oneof![8 => Just(4), 1 => 0..9usize],
        prop_oneof![8 => Just(1), 1 => 0..3usize],
        prop_oneof![8 => proptest::collection::vec(extension(), 0..6).prop_map(Some), 1 => Just(None)],
    )
        .prop_map(|(legacy_version, session_id, cipher_suites, compression_methods, extensions)| Built {
            legacy_version,
            session_id: vec![1; session_id],
            cipher_suites: vec![2; cipher_suites],
            compression_methods: vec![0; compression_methods],
            extensions,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn the_twin_agrees(built in built()) {
        check(&message(&built.body()), 16_384)?;
    }

    /// The message's own length fits; whatever is in it may not.
    #[test]
    fn the_twin_agrees_on_what_is_wrong(
        built in built(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
        more in proptest::collection::vec(any::<u8>(), 0..3),
    ) {
        let mut body = built.body();
        // Small changes to lengths are where a parser goes wrong.
        for (at, by) in changes {
            let at = at.index(body.len());
            body[at] = if by < 128 { body[at].wrapping_add(by % 5).wrapping_sub(2) } else { by };
        }
        if let Some(cut) = cut {
            body.truncate(cut.index(body.len()));
        }
        body.extend(more);
        check(&message(&body), body.len().div_ceil(8).max(1))?;
    }
}

/// Both must see hellos that are right and hellos that are wrong, or the properties above say nothing.
#[test]
fn the_twin_takes_and_refuses() {
    let right = Built::with(&[server_name("app2.jobs"), alpn(&[b"h2"]), versions(&[0x0304])]);
    let expected =
        Twin { name: Some("app2.jobs".into()), alpn: vec![b"h2".to_vec()], ech: false, version: 0x0304 };
    assert_eq!(twin(&message(&right.body())), Some(expected));
    let wrong = Built::with(&[(16, vector16(&vector8(b"")))]);
    assert_eq!(twin(&message(&wrong.body())), None);
}
