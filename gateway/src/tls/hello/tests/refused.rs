//! What is no hello: which error, at which byte, and with which alert.

use super::built::{Built, alpn, message, record, records, server_name, vector8, vector16, versions};
use super::{error, read};
use crate::tls::hello::{HelloError, NameError, Outcome, Part, UNRECOGNIZED_NAME, Version, alert_record};

fn with(kind: u16, content: &[u8]) -> HelloError {
    error(&Built::with(&[(kind, content.to_vec())]).bytes())
}

#[test]
fn the_first_byte_that_is_not_tls_says_so() {
    assert_eq!(read(b""), Outcome::Incomplete);
    assert_eq!(read(b"\x16"), Outcome::Incomplete);
    assert_eq!(read(b"\x16\x03"), Outcome::Incomplete);
    // HTTP, SSH, an SSLv2 hello, an alert, a PROXY header.
    for text in [&b"G"[..], b"SSH-2.0", b"\x80\x2e\x01", b"\x15\x03\x03", b"\r\n\r\n"] {
        assert_eq!(read(text), Outcome::NotTls);
    }
    assert_eq!(read(b"\x16\x02"), Outcome::NotTls);
    assert_eq!(read(b"\x16\xfe\xff"), Outcome::NotTls, "DTLS");
}

#[test]
fn records_are_checked() {
    assert_eq!(error(b"\x16\x03\x05"), HelloError::RecordVersion(0x0305));
    assert_eq!(error(b"\x16\x03\x01\x00\x00"), HelloError::EmptyRecord);
    assert_eq!(error(b"\x16\x03\x01\x40\x01"), HelloError::RecordLength(16_385));
    assert_eq!(read(b"\x16\x03\x01\x40\x00"), Outcome::Incomplete);
    for version in 0..=4 {
        let mut bytes = Built::with(&[]).bytes();
        bytes[2] = version;
        assert!(matches!(read(&bytes), Outcome::Hello(_)), "3.{version}");
    }
    let first = record(&message(&Built::with(&[]).body())[..20]);
    let then = |more: &[u8]| error(&[&first[..], more].concat());
    for kind in [20, 21, 23, 24, b'G'] {
        assert_eq!(then(&[kind]), HelloError::RecordType(kind));
    }
    assert_eq!(then(b"\x16\x02\x00"), HelloError::RecordVersion(0x0200));
    assert_eq!(then(b"\x16\x03\x03\x00\x00"), HelloError::EmptyRecord);
    assert_eq!(then(b"\x16\x03\x03\xff\xff"), HelloError::RecordLength(65_535));
}

#[test]
fn the_first_message_is_a_hello_of_bounded_length() {
    for kind in [0, 2, 11, 255] {
        assert_eq!(error(&[22, 3, 1, 0, 9, kind]), HelloError::MessageType(kind));
    }
    assert_eq!(error(b"\x16\x03\x01\x00\x09\x01\xff\xff\xff"), HelloError::MessageLength((1 << 24) + 3));
    assert_eq!(error(&records(b"\x01\xff\xff\xff", [1, 1, 1, 1])), HelloError::MessageLength((1 << 24) + 3));
}

#[test]
fn lengths_add_up() {
    let usual = Built::with(&[]);
    let part = |built: Built| error(&built.bytes());
    let session_id = Built { session_id: vec![0; 33], ..usual.clone() };
    assert_eq!(part(session_id), HelloError::Length(Part::SessionId));
    for cipher_suites in [vec![], vec![0; 3]] {
        let built = Built { cipher_suites, ..usual.clone() };
        assert_eq!(part(built), HelloError::Length(Part::CipherSuites));
    }
    let compression = Built { compression_methods: vec![], ..usual.clone() };
    assert_eq!(part(compression), HelloError::Length(Part::CompressionMethods));
    let body = Built::with(&[server_name("app2.jobs")]).body();
    let without = usual.body().len() - 2;
    for length in (0..body.len()).filter(|length| *length != without) {
        assert_eq!(error(&record(&message(&body[..length]))), HelloError::Length(Part::Hello), "{length}");
    }
    assert_eq!(error(&record(&message(&[&body[..], &[0]].concat()))), HelloError::Length(Part::Hello));
    let block = [&usual.body()[..without], &vector16(&[0, 21, 0, 2, 0])].concat();
    assert_eq!(error(&record(&message(&block))), HelloError::Length(Part::Extensions));
}

#[test]
fn an_extension_comes_once() {
    for kind in [0u16, 16, 43, 21, 0x0a0a, 0xfe0d] {
        let built = Built::with(&[(kind, vec![]), (22, vec![]), (kind, vec![])]);
        assert_eq!(error(&built.bytes()), HelloError::DuplicateExtension(kind));
    }
}

#[test]
fn as_many_extensions_as_fit_are_compared() {
    let mut extensions: Vec<(u16, Vec<u8>)> = (0..16_000).map(|kind| (kind + 100, vec![])).collect();
    let bytes =
        |extensions: &[_]| records(&message(&Built::with(extensions).body()), std::iter::repeat(16_384));
    assert!(matches!(read(&bytes(&extensions)), Outcome::Hello(_)));
    extensions[3].0 = 16_099;
    assert_eq!(error(&bytes(&extensions)), HelloError::DuplicateExtension(16_099));
}

#[test]
fn server_names_are_checked() {
    let host = |name: &[u8]| [&[0][..], &vector16(name)].concat();
    for content in [
        vec![],
        vec![0],
        vector16(&[]),
        vector16(&[0]),
        vector16(&[0, 0]),
        vector16(&host(b"")),
        vector16(&[1, 0, 9, b'a']),
        [vector16(&host(b"a")), vec![0]].concat(),
    ] {
        assert_eq!(with(0, &content), HelloError::Length(Part::ServerName), "{content:?}");
    }
    let two = vector16(&[host(b"app2.jobs"), host(b"app3.jobs")].concat());
    assert_eq!(with(0, &two), HelloError::SeveralNames);
    for (name, why) in [
        ("10.0.0.7", NameError::Address),
        ("fd00::7", NameError::Address),
        ("*.jobs", NameError::Character),
        ("app2.jobs:443", NameError::Character),
        ("app2..jobs", NameError::Label),
        (&"a.".repeat(130), NameError::TooLong),
    ] {
        let error = error(&Built::with(&[server_name(name)]).bytes());
        assert_eq!((error, error.alert()), (HelloError::Name(why), UNRECOGNIZED_NAME), "{name}");
    }
}

#[test]
fn protocols_and_versions_are_checked() {
    let late = [vec![b"h2".as_slice(); 20], vec![b""]].concat();
    for content in [
        vec![],
        vector16(&[]),
        vector16(&[0]),
        vector16(&[2, b'h']),
        [vector16(&vector8(b"h2")), vec![0]].concat(),
    ] {
        assert_eq!(with(16, &content), HelloError::Length(Part::Alpn), "{content:?}");
    }
    assert_eq!(with(16, &alpn(&late).1), HelloError::Length(Part::Alpn), "also what is not kept");
    for content in [vec![], vec![0], vec![1, 3], vec![3, 3, 4, 3], vec![2, 3, 4, 0]] {
        assert_eq!(with(43, &content), HelloError::Length(Part::SupportedVersions), "{content:?}");
    }
    assert_eq!(with(43, &versions(&[0x0300, 0x0a0a, 0x7f1c]).1), HelloError::NoVersion);
    let ssl = Built { legacy_version: 0x0300, ..Built::with(&[versions(&[0x0304])]) };
    assert_eq!(error(&ssl.bytes()), HelloError::Version(Version(0x0300)));
}

#[test]
fn each_error_has_its_alert_and_its_label() {
    let told = [
        (HelloError::RecordType(23), 10, "record_type"),
        (HelloError::EmptyRecord, 10, "record_length"),
        (HelloError::RecordLength(16_385), 22, "record_length"),
        (HelloError::RecordVersion(0x0305), 70, "version"),
        (HelloError::TooManyRecords, 10, "too_many_records"),
        (HelloError::MessageType(2), 10, "message_type"),
        (HelloError::MessageLength(1 << 20), 47, "message_length"),
        (HelloError::Length(Part::Alpn), 50, "decode"),
        (HelloError::DuplicateExtension(0), 50, "duplicate_extension"),
        (HelloError::SeveralNames, 47, "server_name"),
        (HelloError::Name(NameError::Address), 112, "server_name"),
        (HelloError::Version(Version(0x0300)), 70, "version"),
        (HelloError::NoVersion, 70, "version"),
    ];
    for (error, alert, reason) in told {
        assert_eq!((error.alert(), error.reason()), (alert, reason), "{error}");
    }
    assert_eq!(
        HelloError::Length(Part::SessionId).to_string(),
        "a length in the session id of the client's hello is out of range or does not add up"
    );
    assert_eq!(alert_record(UNRECOGNIZED_NAME), [21, 3, 3, 0, 2, 2, 112]);
}
