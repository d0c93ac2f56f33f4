//! TLS by its SNI: the gateway reads the name, and every byte reaches the server as the client sent it.

use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use roundhouse_tests::{Authority, Background, End, Gateway, dial, read_to_its_end};
use tokio_rustls::rustls::{Error, PeerIncompatible};

use crate::tls::{
    Cut, certificate_of, config_with_ech, hello, leaf, line, openssl_client, openssl_server, tls, tls_over,
};

struct Stage {
    gateway: Gateway,
    authority: Authority,
    entrypoint: SocketAddr,
    _servers: Vec<Background>,
}

/// Two TLS jobs, `one` and `two`, and a domain for the second.
fn stage() -> Stage {
    let mut gateway = Gateway::prepared("embedded", "[limits]\nhello_timeout = \"1s\"");
    let entrypoint = SocketAddr::new(gateway.net.gateway(), 7443);
    gateway.add(&format!("[[entrypoint]]\nname = \"tls\"\nlisten = \"{entrypoint}\"\nprotocol = \"tls\""));
    gateway.run();
    let authority = Authority::new(&gateway.folder().join("tls"));
    let mut servers = Vec::new();
    for (n, label, domain) in [(0, "one", "one.jobs"), (1, "two", "two.example.org")] {
        authority.sign(&[domain, &format!("{label}.jobs.coding.net")]);
        let address = SocketAddr::new(gateway.net.app(n), 7443);
        servers.push(openssl_server(address, &authority, domain, &[]));
        gateway.write_job(label, r#""port":7443,"protocol":"tls""#, "");
        gateway.register(label, address);
        gateway.wait_up(label, 1);
    }
    let domain = r#"{"routes":[{"to":[{"job":"two"}]}]}"#;
    assert_eq!(gateway.call("PUT", "/v1/domains/two.example.org", domain).status, 201);
    gateway.vip("two");
    Stage { gateway, authority, entrypoint, _servers: servers }
}

#[test]
fn a_name_leads_to_its_job_and_the_server_s_own_certificate_is_seen() {
    let stage = stage();
    for name in ["one.jobs", "one.jobs.coding.net", "two.example.org", "two.jobs.coding.net"] {
        let mut client = tls(stage.entrypoint, &stage.authority, name, Cut::default());
        assert_eq!(line(&mut client, "hello").unwrap(), "olleh", "{name}");
    }
    let said = openssl_client(
        stage.entrypoint,
        &stage.authority.ca(),
        &["-servername", "one.jobs"],
        "hello",
        "olleh",
    );
    assert!(said.contains("Verify return code: 0 (ok)") && said.contains("olleh"), "{said}");
    // At a VIP the address chooses, whatever the name.
    let vip = stage.gateway.listening_vip("two", 7443);
    let mut client = tls(vip, &stage.authority, "two.example.org", Cut::default());
    assert_eq!(line(&mut client, "hello").unwrap(), "olleh");
}

/// The inner name is for whoever has the key; until he has read it the outer one is all there is.
#[test]
fn an_encrypted_hello_goes_where_its_outer_name_leads() {
    let stage = stage();
    let config = config_with_ech(&stage.authority, "one.jobs");
    let mut client = tls_over(dial(stage.entrypoint), config, "secret.example.org", Cut::default());
    // openssl 3.0 knows nothing of it and answers as the outer name, whose certificate the client verifies before it
    // says so (section 6.1.6).
    let error = line(&mut client, "hello").unwrap_err();
    let said = error.get_ref().and_then(|error| error.downcast_ref::<Error>());
    let rejected = PeerIncompatible::ServerRejectedEncryptedClientHello(None);
    assert_eq!(said, Some(&Error::PeerIncompatible(rejected)), "{error:?}");
    assert_eq!(leaf(&client), certificate_of(&stage.authority, "one.jobs"));
}

#[test]
fn a_hello_in_any_number_of_segments_and_records_is_the_same_hello() {
    let stage = stage();
    for cut in [
        Cut { segment: Some(1), ..Cut::default() },
        Cut { segment: Some(7), record: Some(40), ..Cut::default() },
        Cut { record: Some(32), ..Cut::default() },
        Cut { post_quantum: true, ..Cut::default() },
        Cut { segment: Some(600), post_quantum: true, ..Cut::default() },
        Cut { segment: Some(1), record: Some(33), post_quantum: true },
    ] {
        let mut client = tls(stage.entrypoint, &stage.authority, "two.example.org", cut);
        assert_eq!(line(&mut client, "hello").unwrap(), "olleh", "{cut:?}");
        drop(leaf(&client));
    }
}

#[test]
fn bulk_goes_through_unchanged() {
    let stage = stage();
    let mut client = tls(stage.entrypoint, &stage.authority, "one.jobs", Cut::default());
    let text: String = (0..8_000).map(|n: u32| char::from(b'a' + (n % 26) as u8)).collect();
    let back: String = text.chars().rev().collect();
    for _ in 0..200 {
        assert!(line(&mut client, &text).unwrap() == back);
    }
}

/// RFC 6066, 3; 112 is unrecognized_name.
#[test]
fn a_name_that_leads_nowhere_and_none_at_all_get_the_alert() {
    let stage = stage();
    for more in
        [&["-servername", "nobody.example.org"][..], &["-servername", "nobody.jobs"], &["-noservername"]]
    {
        let said = openssl_client(stage.entrypoint, &stage.authority.ca(), more, "", "");
        assert!(said.contains("alert number 112"), "{more:?}: {said}");
    }
    let mut client = tls(stage.entrypoint, &stage.authority, "nobody.jobs", Cut::default());
    let error = line(&mut client, "hello").unwrap_err().to_string();
    assert!(error.contains("UnrecognisedName"), "{error}");
    stage.gateway.wait_reason("unknown_name", 4);
}

#[test]
fn what_is_no_tls_is_closed_and_counted() {
    let stage = stage();
    for bytes in
        [&b"GET / HTTP/1.1\r\nhost: one.jobs\r\n\r\n"[..], b"SSH-2.0-OpenSSH\r\n", &[0x80, 0x2e, 1, 3, 1]]
    {
        let mut client = dial(stage.entrypoint);
        client.write_all(bytes).unwrap();
        assert_eq!(read_to_its_end(&mut client).1, End::Reset);
    }
    stage.gateway.wait_reason("not_tls", 3);
}

#[test]
fn half_a_hello_is_waited_for_and_then_no_more() {
    let stage = stage();
    let bytes = hello(&stage.authority, "one.jobs");
    let began = Instant::now();
    let mut clients: Vec<_> = [0, 1, 5, 100].map(|n| (n, dial(stage.entrypoint))).into();
    for (n, client) in &mut clients {
        client.write_all(&bytes[..*n]).unwrap();
    }
    for (n, client) in &mut clients {
        let (said, _) = read_to_its_end(client);
        assert_eq!(said, b"", "{n}");
    }
    // hello_timeout is a second here.
    assert!((900..5_000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    stage.gateway.wait_reason("hello_timeout", 4);

    // Whoever leaves in the middle is let go at once.
    let began = Instant::now();
    let mut client = dial(stage.entrypoint);
    client.write_all(&bytes[..50]).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    read_to_its_end(&mut client);
    assert!(began.elapsed() < Duration::from_millis(800), "{:?}", began.elapsed());
    stage.gateway.wait_reason("hello_cut", 1);
}

/// An alert each (RFC 8446, 6.2): 50 decode_error, 47 illegal_parameter or 22 record_overflow; what matters is that one
/// comes, and that it is counted.
#[test]
fn a_broken_hello_gets_an_alert() {
    let stage = stage();
    let good = hello(&stage.authority, "one.jobs");
    // Its session id's length, past its header, version and random, and the length of its handshake message.
    for (at, byte) in [(43, 0xff), (6, 0xff)] {
        let mut bytes = good.clone();
        bytes[at] = byte;
        let mut client = dial(stage.entrypoint);
        client.write_all(&bytes).unwrap();
        let (said, _) = read_to_its_end(&mut client);
        assert!(matches!(said[..], [21, 3, _, 0, 2, 2, _]), "{at}: {said:?}");
    }
    stage.gateway.wait_reason("hello_invalid", 2);
}
