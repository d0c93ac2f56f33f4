//! Over TLS: what is said there alone, and whom a connection is for.

use std::net::SocketAddr;

use roundhouse_tests::{Authority, Gateway, Recorder};

use super::{curl, put_domain};

#[test]
fn over_tls() {
    let mut gateway = Gateway::prepared("embedded", "");
    let authority = Authority::new(&gateway.folder().join("tls"));
    authority.sign(&["a.example.org", "b.example.org"]);
    authority.sign(&["c.example.org"]);
    let https = SocketAddr::new(gateway.net.gateway(), 8443);
    gateway.add(&format!(
        "[[entrypoint]]\nname = \"https\"\nlisten = \"{https}\"\nprotocol = \"https\"\n\
         [[certificate]]\ncert = \"tls/a.example.org.pem\"\nkey = \"tls/a.example.org-key.pem\"\n\
         [[certificate]]\ncert = \"tls/c.example.org.pem\"\nkey = \"tls/c.example.org-key.pem\""
    ));
    gateway.run();
    let web = Recorder::answering(&gateway, "web", 0, |_| {
        b"HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=1\r\nContent-Length: 4\r\n\r\nseen".to_vec()
    });
    for host in ["a.example.org", "b.example.org", "c.example.org"] {
        let record = r#"{"routes":[{"match":{"path":"/moved"},"redirect":{"path":"/"}},
            {"to":[{"job":"web"}],"sticky":{"cookie":"where"}}],
            "https":"redirect","hsts":{"max_age":"180d","include_subdomains":true}}"#;
        put_domain(&gateway, host, record);
    }
    let ask = |name: &str, host: &str, path: &str| {
        let connect = format!("{name}:443:{https}");
        let url = format!("https://{name}{path}");
        curl(&authority.ca(), &["--connect-to", &connect, "-H", &format!("Host: {host}"), &url])
            .to_lowercase()
    };
    let hsts = "strict-transport-security: max-age=15552000; includesubdomains\r\n";
    let answer = ask("a.example.org", "a.example.org", "/");
    assert!(answer.starts_with("http/1.1 200 ") && answer.ends_with("seen"), "{answer}");
    // The domain's word, once, in place of the instance's.
    assert!(answer.contains(hsts) && answer.matches("strict-transport-security").count() == 1, "{answer}");
    assert!(answer.contains("set-cookie: where=") && answer.contains("; secure"), "{answer}");
    let moved = ask("a.example.org", "a.example.org", "/moved");
    assert!(moved.contains("location: https://a.example.org/\r\n") && moved.contains(hsts), "{moved}");
    assert_eq!(super::get(&gateway, "a.example.org", "/").status, 308);

    // The certificate is for both names, so a browser that has one connection uses it for the other; a third is another's.
    let shared = ask("a.example.org", "b.example.org", "/");
    assert!(shared.starts_with("http/1.1 200 "), "{shared}");
    web.take();
    for (name, host) in [
        ("a.example.org", "c.example.org"),
        ("c.example.org", "a.example.org"),
        ("a.example.org", "web.jobs"),
    ] {
        let answer = ask(name, host, "/");
        assert!(
            answer.starts_with("http/1.1 421 ") && answer.contains("misdirected"),
            "{name} {host}: {answer}"
        );
    }
    assert!(web.take().is_empty());
    let forwarded = ask("c.example.org", "c.example.org:443", "/x");
    assert!(forwarded.starts_with("http/1.1 200 "), "{forwarded}");
    let sent = crate::only(web.take_whole());
    assert_eq!(sent.field("x-forwarded-proto"), Some("https"));
}
