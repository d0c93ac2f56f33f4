//! Hellos by hand.

use crate::tls::hello::{ServerName, Version};

use super::hello;

/// Its parts as a client would have them; each may be replaced.
#[derive(Debug, Clone)]
pub(super) struct Built {
    pub(super) legacy_version: u16,
    pub(super) session_id: Vec<u8>,
    pub(super) cipher_suites: Vec<u8>,
    pub(super) compression_methods: Vec<u8>,
    /// `None`: not even an empty list.
    pub(super) extensions: Option<Vec<(u16, Vec<u8>)>>,
}

impl Built {
    pub(super) fn with(extensions: &[(u16, Vec<u8>)]) -> Built {
        Built {
            legacy_version: 0x0303,
            session_id: vec![7; 32],
            cipher_suites: vec![0x13, 0x01, 0x13, 0x02],
            compression_methods: vec![0],
            extensions: Some(extensions.to_vec()),
        }
    }

    pub(super) fn body(&self) -> Vec<u8> {
        let mut body = self.legacy_version.to_be_bytes().to_vec();
        body.extend([9; 32]);
        body.extend(vector8(&self.session_id));
        body.extend(vector16(&self.cipher_suites));
        body.extend(vector8(&self.compression_methods));
        if let Some(extensions) = &self.extensions {
            let block: Vec<u8> = extensions
                .iter()
                .flat_map(|(kind, content)| [kind.to_be_bytes().to_vec(), vector16(content)].concat())
                .collect();
            body.extend(vector16(&block));
        }
        body
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        record(&message(&self.body()))
    }
}

pub(super) fn message(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap() | 1 << 24;
    [&length.to_be_bytes()[..], body].concat()
}

pub(super) fn record(fragment: &[u8]) -> Vec<u8> {
    [&[22, 3, 1][..], &vector16(fragment)].concat()
}

/// In records of these sizes, over and over.
pub(super) fn records(message: &[u8], sizes: impl IntoIterator<Item = usize>) -> Vec<u8> {
    let (mut rest, mut bytes) = (message, Vec::new());
    for size in sizes {
        let (fragment, after) = rest.split_at(size.min(rest.len()));
        bytes.extend(record(fragment));
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    bytes
}

pub(super) fn vector8(bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

pub(super) fn vector16(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

pub(super) fn server_name(name: &str) -> (u16, Vec<u8>) {
    (0, vector16(&[&[0][..], &vector16(name.as_bytes())].concat()))
}

pub(super) fn alpn(names: &[&[u8]]) -> (u16, Vec<u8>) {
    (16, vector16(&names.iter().flat_map(|name| vector8(name)).collect::<Vec<u8>>()))
}

pub(super) fn versions(versions: &[u16]) -> (u16, Vec<u8>) {
    (43, vector8(&versions.iter().flat_map(|version| version.to_be_bytes()).collect::<Vec<u8>>()))
}

pub(super) fn ech() -> (u16, Vec<u8>) {
    (0xfe0d, vec![0; 40])
}

#[test]
fn what_is_routed_on_is_read() {
    let built = Built::with(&[
        (0x0a0a, vec![]),
        server_name("App2.Jobs."),
        alpn(&[b"\x1a\x1a", b"h2", b"http/1.1"]),
        versions(&[0x7a7a, 0x0304, 0x0303]),
        ech(),
        (0xfafa, vec![0]),
    ]);
    let hello = hello(&built.bytes());
    assert_eq!(hello.server_name.as_ref().map(ServerName::as_str), Some("app2.jobs"));
    assert_eq!(hello.alpn, [&b"\x1a\x1a"[..], b"h2", b"http/1.1"].map(Box::from));
    assert!(hello.ech);
    assert_eq!(hello.version, Version::TLS13);
}

#[test]
fn a_hello_may_say_nothing() {
    for extensions in [None, Some(vec![])] {
        let hello = hello(&Built { session_id: vec![], extensions, ..Built::with(&[]) }.bytes());
        assert_eq!((hello.server_name, hello.alpn.len(), hello.ech), (None, 0, false));
        assert_eq!(hello.version, Version::TLS12);
    }
}

#[test]
fn versions_above_1_2_are_only_in_the_list() {
    let version = |legacy_version, extensions: &[(u16, Vec<u8>)]| {
        hello(&Built { legacy_version, ..Built::with(extensions) }.bytes()).version.0
    };
    assert_eq!(version(0x0301, &[]), 0x0301);
    assert_eq!(version(0x0304, &[]), 0x0303);
    assert_eq!(version(0x0400, &[]), 0x0303);
    assert_eq!(version(0x0303, &[versions(&[0x0302, 0x0301])]), 0x0302);
    assert_eq!(version(0x0303, &[versions(&[0xfafa, 0x7f1c, 0xfefc, 0x0305, 0x0304])]), 0x0305);
}

#[test]
fn names_of_other_types_are_skipped() {
    let other = [&[1][..], &vector16(b"\xff\0")].concat();
    let host = [&[0][..], &vector16(b"app2.jobs")].concat();
    let name = |list: &[&[u8]]| {
        let built = Built::with(&[(0, vector16(&list.concat()))]);
        hello(&built.bytes()).server_name.map(|name| name.to_string())
    };
    assert_eq!(name(&[&other, &host, &other]).unwrap(), "app2.jobs");
    assert_eq!(name(&[&other]), None);
}

#[test]
fn of_many_protocols_the_first_are_kept() {
    let names: Vec<Vec<u8>> = (0..200u8).map(|n| vec![n; 3]).collect();
    let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
    let hello = hello(&Built::with(&[alpn(&names)]).bytes());
    assert_eq!((hello.alpn.len(), &*hello.alpn[15]), (16, &[15; 3][..]));
}
