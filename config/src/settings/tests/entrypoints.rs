//! `[[entrypoint]]` and `[[certificate]]`: what is taken, and what does not fit together.

use std::path::Path;

use super::{parse, problems};
use crate::entrypoint::{Entrypoint, EntrypointProtocol};
use crate::settings::Settings;

/// The problems of one entrypoint that has these lines besides name and `listen`.
fn refused(lines: &str) -> String {
    problems(&format!("[[entrypoint]]\nname = \"a\"\nlisten = \":443\"\n{lines}"))
}

fn read(lines: &str) -> Entrypoint {
    let text = format!("[[entrypoint]]\nname = \"a\"\nlisten = \":443\"\n{lines}");
    let settings = Settings::parse(&text, "g.toml", Path::new("/etc/roundhouse")).unwrap();
    settings.entrypoints.into_iter().next().unwrap().entrypoint
}

#[test]
fn every_field_is_taken() {
    let tls = read(
        r#"
        protocol = "tls"
        job = "mysql"
        port = "main"
        terminate = true
        trust_proxy = ["10.0.0.0/8", "2001:db8::/32"]
        connections = 1000
        connections_per_client = 10
        client_ca = "clients-ca.pem"
        fast_open = true
        defer_accept = true
        "#,
    );
    assert_eq!(
        tls,
        Entrypoint {
            job: Some("mysql".parse().unwrap()),
            port: Some("main".parse().unwrap()),
            terminate: true,
            trust_proxy: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
            connections: Some(1000),
            connections_per_client: Some(10),
            client_ca: Some("/etc/roundhouse/clients-ca.pem".into()),
            fast_open: true,
            defer_accept: true,
            ..Entrypoint::new(":443".parse().unwrap(), EntrypointProtocol::Tls)
        }
    );
    let web = read("protocol = \"https\"\ntrust_forwarded = [\"10.0.0.0/8\"]");
    assert_eq!(web.trust_forwarded, ["10.0.0.0/8".parse().unwrap()]);
    assert_eq!(read(""), Entrypoint::new(":443".parse().unwrap(), EntrypointProtocol::Http));
    assert_eq!(
        read("client_ca = \"/ca.pem\"\nprotocol = \"https\"").client_ca.unwrap(),
        Path::new("/ca.pem")
    );
}

#[test]
fn what_does_not_fit_is_refused_all_at_once() {
    let text = refused(
        "protocol = \"udp\"\nport = \"main\"\nterminate = true\ntrust_proxy = [\"10.0.0.0/8\"]\n\
         client_ca = \"ca.pem\"\nfast_open = true\ndefer_accept = true\nconnections = 0\n",
    );
    let expected = "\
g.toml:1:1: entrypoint[0].job: is missing: tcp and udp say nowhere which job is meant; write its label, such as `redis`
g.toml:5:8: entrypoint[0].port: is a job's port; write `job` too, or leave it out
g.toml:6:13: entrypoint[0].terminate: is for `tls`, and this is `udp`, which has no TLS to end; leave it out
g.toml:7:15: entrypoint[0].trust_proxy: a PROXY header begins a connection, and udp has none; leave it out
g.toml:8:13: entrypoint[0].client_ca: clients show a certificate only where TLS ends; write protocol `https`, or `tls` with `terminate`, or leave it out
g.toml:9:13: entrypoint[0].fast_open: is TCP's, and this is udp; leave it out
g.toml:10:16: entrypoint[0].defer_accept: is TCP's, and this is udp; leave it out
g.toml:11:15: entrypoint[0].connections: 0 is out of bounds; write 1 to 1000000";
    assert_eq!(text, expected);
    assert!(refused("job = \"a\"").contains("leave `job` out and write a domain for it"));
    assert!(
        refused("protocol = \"https\"\nterminate = true").contains("https always ends TLS; leave it out")
    );
    assert!(refused("protocol = \"tls\"\nclient_ca = \"a\"").contains("only where TLS ends"));
    assert!(refused("protocol = \"tcp\"").contains("entrypoint[0].job: is missing"));
    assert!(refused("connections_per_client = 1000001").contains("1000001 is out of bounds"));
    let range = refused("trust_proxy = [\"10.0.0.7/8\"]");
    assert!(
        range.contains("entrypoint[0].trust_proxy[0]: `10.0.0.7/8` has bits beyond its prefix"),
        "{range}"
    );
    let many = vec!["\"10.0.0.0/8\""; 257].join(", ");
    for field in ["trust_proxy", "trust_forwarded"] {
        let text = refused(&format!("{field} = [{many}]"));
        assert!(text.contains(&format!("{field}: 257 ranges; write at most 256")), "{text}");
    }
    let tcp = refused("protocol = \"tls\"\ntrust_forwarded = [\"10.0.0.0/8\"]");
    assert!(tcp.contains("trust_forwarded: is about fields of HTTP requests, and this is tls; leave it out"));
}

#[test]
fn a_stand_in_contradicts_nothing() {
    for line in ["protocol = \"quic\"\njob = \"a\"", "protocol = \"tcp\"\njob = \"A\"\nport = \"main\""] {
        let text = refused(line);
        assert_eq!(text.lines().count(), 1, "{text}");
    }
    let both = problems("[[entrypoint]]\nname = \"a\"\nlisten = \"80\"\nprotocol = \"tcp\"");
    assert!(both.contains("entrypoint[0].listen: ") && both.contains("entrypoint[0].job: "), "{both}");
}

#[test]
fn certificates_are_pairs_of_files_beside_their_settings() {
    let text = "[[certificate]]\ncert = \"a.pem\"\nkey = \"/keys/a.pem\"\n";
    let settings = Settings::parse(text, "x", Path::new("/etc/roundhouse")).unwrap();
    assert_eq!(settings.certificates.len(), 1);
    assert_eq!(settings.certificates[0].cert, Path::new("/etc/roundhouse/a.pem"));
    assert_eq!(settings.certificates[0].key, Path::new("/keys/a.pem"));
    assert!(parse("").certificates.is_empty());

    let text = problems("[[certificate]]\nname = \"a\"\n[[certificate]]\ncert = \"\"\nkey = \"k\"\n");
    assert!(
        text.contains("g.toml:1:1: certificate[0].cert: is missing\n  hint: write cert = \"blog.pem\""),
        "{text}"
    );
    assert!(text.contains("certificate[0].key: is missing\n  hint: write key = \"blog-key.pem\""), "{text}");
    assert!(text.contains("certificate[0].name: unknown key"), "{text}");
    assert!(text.contains("certificate[1].cert: is no file"), "{text}");
    let many = "[[certificate]]\ncert = \"c\"\nkey = \"k\"\n".repeat(1_001);
    assert!(problems(&many).contains("certificate: 1001 certificates; write at most 1000"));
}
