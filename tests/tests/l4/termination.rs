//! TLS that ends at the gateway: its certificates, how they change, and who must show one of their own.

use std::io::Write;
use std::net::SocketAddr;
use std::process::Command;

use roundhouse_tests::{Authority, Gateway, SOON, Server, dial, eventually, seen};
use tokio_rustls::rustls::HandshakeKind;

use crate::tls::{Cut, Tls, config, leaf, line, openssl_client, tls, tls_over};

struct Stage {
    gateway: Gateway,
    authority: Authority,
    /// `tls` with `terminate`, to the job `echo`.
    entrypoint: SocketAddr,
    /// The same for clients with a certificate.
    mutual: SocketAddr,
    https: SocketAddr,
    _server: Server,
}

fn stage() -> Stage {
    let mut gateway = Gateway::prepared("embedded", "");
    let authority = Authority::new(&gateway.folder().join("tls"));
    authority.sign(&["echo.jobs", "web.jobs"]);
    authority.sign(&["client.example.org"]);
    std::fs::copy(authority.ca(), gateway.folder().join("tls/clients-ca.pem")).unwrap();
    let [entrypoint, mutual, https] =
        [7443, 7444, 7445].map(|port| SocketAddr::new(gateway.net.gateway(), port));
    let tls = "protocol = \"tls\"\nterminate = true\njob = \"echo\"";
    gateway.add(&format!(
        "[[entrypoint]]\nname = \"tls\"\nlisten = \"{entrypoint}\"\n{tls}\n\
         [[entrypoint]]\nname = \"mutual\"\nlisten = \"{mutual}\"\n{tls}\nclient_ca = \"tls/clients-ca.pem\"\n\
         [[entrypoint]]\nname = \"https\"\nlisten = \"{https}\"\nprotocol = \"https\"\n\
         [[certificate]]\ncert = \"tls/echo.jobs.pem\"\nkey = \"tls/echo.jobs-key.pem\""
    ));
    gateway.run();
    let server = Server::echo(SocketAddr::new(gateway.net.app(0), 7000));
    gateway.tcp_job("echo", 7000, "", &[server.address]);
    Stage { gateway, authority, entrypoint, mutual, https, _server: server }
}

impl Stage {
    fn client(&self, name: &str) -> Tls {
        tls(self.entrypoint, &self.authority, name, Cut::default())
    }
}

#[test]
fn what_was_inside_reaches_the_instance() {
    let stage = stage();
    let mut client = stage.client("echo.jobs");
    assert_eq!(line(&mut client, "hello").unwrap(), "hello");
    let text = "t".repeat(100_000);
    for _ in 0..100 {
        assert!(line(&mut client, &text).unwrap() == text);
    }
    for cut in [
        Cut { segment: Some(1), ..Cut::default() },
        Cut { record: Some(32), post_quantum: true, ..Cut::default() },
    ] {
        let mut client = tls(stage.entrypoint, &stage.authority, "echo.jobs", cut);
        assert_eq!(line(&mut client, "hello").unwrap(), "hello", "{cut:?}");
    }
    let said = openssl_client(
        stage.entrypoint,
        &stage.authority.ca(),
        &["-servername", "echo.jobs", "-tls1_2"],
        "say it back",
        "say it back",
    );
    assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
}

#[test]
fn a_client_comes_back_by_its_ticket() {
    let stage = stage();
    let config = config(&stage.authority, Cut::default());
    let connect = || {
        let mut client = tls_over(dial(stage.entrypoint), config.clone(), "echo.jobs", Cut::default());
        assert_eq!(line(&mut client, "hello").unwrap(), "hello");
        client.conn.handshake_kind()
    };
    assert_eq!(connect(), Some(HandshakeKind::Full));
    // Any of the workers may be the one that serves it.
    for _ in 0..6 {
        assert_eq!(connect(), Some(HandshakeKind::Resumed));
    }
}

#[test]
fn openssl_comes_back_by_its_session() {
    let stage = stage();
    // s_client(1), -reconnect: five times with the same session. Of TLS 1.3 it would not wait for the ticket.
    let more = ["-servername", "echo.jobs", "-tls1_2", "-reconnect"];
    let said = openssl_client(stage.entrypoint, &stage.authority.ca(), &more, "say it back", "say it back");
    let count = |what: &str| said.matches(what).count();
    assert_eq!((count("New, TLSv1.2"), count("Reused, TLSv1.2")), (1, 5), "{said}");
}

#[test]
fn https_is_http_for_the_instance_which_is_told() {
    let stage = stage();
    let web = Server::heads(SocketAddr::new(stage.gateway.net.app(1), 9090));
    stage.gateway.write_job("web", r#""port":9090,"protocol":"http""#, "");
    stage.gateway.register("web", web.address);
    stage.gateway.wait_up("web", 1);
    let curl = |more: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-s", "--max-time", "10", "--cacert"]).arg(stage.authority.ca()).args(more);
        command
            .args(["--connect-to", &format!("web.jobs:443:{}", stage.https), "https://web.jobs/"])
            .output()
            .unwrap()
    };
    let answer = curl(&[]);
    let body = String::from_utf8_lossy(&answer.stdout).into_owned();
    assert!(answer.status.success() && body.starts_with("GET / HTTP/1.1"), "{answer:?}");
    assert!(body.to_lowercase().contains("x-forwarded-proto: https"), "{body}");
    // TLS 1.1 is not spoken (RFC 8996); curl(1): 35.
    assert_eq!(
        curl(&["--tls-max", "1.1", "--tlsv1.0", "--ciphers", "DEFAULT@SECLEVEL=0"]).status.code(),
        Some(35)
    );
}

#[test]
fn certificates_that_change_reach_new_connections_and_leave_old_ones_alone() {
    let stage = stage();
    let mut old = stage.client("echo.jobs");
    assert_eq!(line(&mut old, "before").unwrap(), "before");
    let first = leaf(&old);
    stage.authority.sign(&["echo.jobs", "web.jobs"]);
    eventually(SOON, "new connections see the new certificate", || {
        let mut client = stage.client("echo.jobs");
        line(&mut client, "hello").map_err(|error| error.to_string())?;
        if leaf(&client) == first { Err("the former".to_owned()) } else { Ok(()) }
    });
    assert_eq!(line(&mut old, "still here").unwrap(), "still here");

    // A bad file takes nobody's certificate away.
    let second = leaf(&{
        let mut client = stage.client("echo.jobs");
        line(&mut client, "hello").unwrap();
        client
    });
    std::fs::write(stage.authority.certificate("echo.jobs"), "no certificate").unwrap();
    stage.gateway.process().wait_line(SOON, "echo.jobs.pem");
    let mut client = stage.client("echo.jobs");
    assert_eq!(line(&mut client, "hello").unwrap(), "hello");
    assert_eq!(leaf(&client), second);
}

#[test]
fn a_certificate_of_the_registry_is_served_by_its_names() {
    let stage = stage();
    let (chain, key) = stage.authority.sign(&["api.example.org"]);
    let record = serde_json::json!({ "chain": chain, "key": key }).to_string();
    assert_eq!(stage.gateway.call("PUT", "/v1/certs/api", &record).status, 201);
    eventually(SOON, "it is served", || {
        let mut client = stage.client("api.example.org");
        line(&mut client, "hello").map(drop).map_err(|error| error.to_string())
    });
    // The other one is still there, and the record's end is the end of it.
    assert_eq!(line(&mut stage.client("echo.jobs"), "hello").unwrap(), "hello");
    assert_eq!(stage.gateway.call("DELETE", "/v1/certs/api", "").status, 200);
    eventually(SOON, "it is gone", || {
        let mut client = stage.client("api.example.org");
        line(&mut client, "hello").is_err()
    });
}

#[test]
fn a_name_without_a_certificate_gets_the_alert() {
    let stage = stage();
    let said = openssl_client(
        stage.entrypoint,
        &stage.authority.ca(),
        &["-servername", "nobody.example.org"],
        "",
        "",
    );
    assert!(said.contains("alert number 112"), "{said}");
    stage.gateway.wait_reason("unknown_name", 1);
}

#[test]
fn what_is_no_tls_is_closed_and_counted() {
    let stage = stage();
    let mut client = dial(stage.entrypoint);
    client.write_all(b"GET / HTTP/1.1\r\nhost: echo.jobs\r\n\r\n").unwrap();
    roundhouse_tests::read_to_its_end(&mut client);
    stage.gateway.wait_reason("not_tls", 1);
}

#[test]
fn a_client_without_a_certificate_is_refused_where_one_is_asked_for() {
    let stage = stage();
    let certificate = stage.authority.certificate("client.example.org").display().to_string();
    let key = stage.authority.key("client.example.org").display().to_string();
    let ask = |more: &[&str]| {
        let more = [&["-servername", "echo.jobs"][..], more].concat();
        openssl_client(stage.mutual, &stage.authority.ca(), &more, "say it back", "say it back")
    };
    let with = ask(&["-cert", &certificate, "-key", &key]);
    assert!(
        with.contains("say it back")
            && with.contains("Verify return code: 0 (ok)")
            && !with.contains("alert number"),
        "{with}"
    );
    // RFC 8446, 6.2: certificate_required, which TLS 1.2 calls handshake_failure.
    let without = ask(&[]);
    assert!(without.contains("alert number 116"), "{without}");

    // Signed by somebody else.
    let stranger = Authority::new(&stage.gateway.folder().join("stranger"));
    stranger.sign(&["client.example.org"]);
    let certificate = stranger.certificate("client.example.org").display().to_string();
    let key = stranger.key("client.example.org").display().to_string();
    let said = ask(&["-cert", &certificate, "-key", &key]);
    assert!(said.contains("alert number 48"), "{said}");
    stage.gateway.wait_reason("handshake", 2);
}

#[test]
fn a_client_ca_that_changes_decides_about_new_clients() {
    let stage = stage();
    let folder = stage.gateway.folder();
    let file = folder.join("tls/clients-ca.pem");
    let other = Authority::new(&folder.join("other"));
    other.sign(&["client.example.org"]);
    let is_let_in = |authority: &Authority| {
        let certificate = authority.certificate("client.example.org").display().to_string();
        let key = authority.key("client.example.org").display().to_string();
        let more = ["-servername", "echo.jobs", "-cert", &certificate, "-key", &key];
        let said = openssl_client(stage.mutual, &stage.authority.ca(), &more, "say it back", "say it back");
        said.contains("say it back") && !said.contains("alert number")
    };
    assert!(is_let_in(&stage.authority) && !is_let_in(&other));
    let write = |text: &str| {
        // As those do who rotate: whole, and in one step.
        std::fs::write(folder.join("new.pem"), text).unwrap();
        std::fs::rename(folder.join("new.pem"), &file).unwrap();
    };
    write(other.pem());
    eventually(SOON, "the other CA is believed", || is_let_in(&other));
    assert!(!is_let_in(&stage.authority));

    write("no certificate");
    let shown = || {
        let status = stage.gateway.api("/v1/status").json();
        let all = status["listeners"]["entrypoints"].as_array().cloned().unwrap_or_default();
        let mutual = all.into_iter().find(|one| one["name"] == "mutual").expect("it is in the file");
        (mutual["state"].clone(), mutual["reason"].as_str().unwrap_or_default().to_owned())
    };
    let (_, reason) =
        eventually(SOON, "it is refused", || seen(shown(), |(state, _)| state == "listening as before"));
    assert!(reason.contains("clients-ca.pem") && reason.contains("write the path of a PEM file"), "{reason}");
    assert!(is_let_in(&other));

    write(stage.authority.pem());
    eventually(SOON, "the first CA is believed again", || is_let_in(&stage.authority));
    eventually(SOON, "nothing is refused", || seen(shown(), |(state, _)| state == "listening"));
}
