//! What nobody may see who may not: looked for in every answer.

use roundhouse_registry::record::{Role, Token, TokenText};
use roundhouse_tests::http::Connection;
use roundhouse_tests::{Certificates, SOON, eventually};
use serde_json::json;

use crate::{Site, on_both_sites};

on_both_sites!(secrets_are_in_no_answer_to_whoever_may_not_see_them);

/// From before the secrets were written.
const WATCH: &str = "/v1/watch";
const PATHS: [&str; 25] = [
    "/v1/jobs",
    "/v1/instances",
    "/v1/domains",
    "/v1/certs",
    "/v1/certs/blog",
    "/v1/rules",
    "/v1/lines",
    "/v1/pools",
    "/v1/guards",
    "/v1/entrypoints",
    "/v1/tokens",
    "/v1/tokens/victim",
    "/v1/directors",
    "/v1/leaders",
    "/v1/gateways",
    "/v1/health",
    "/v1/holds",
    "/v1/quarantine",
    "/v1/snapshot",
    "/v1/status",
    "/v1/explain?target=a:1",
    "/metrics",
    "/healthz",
    "/v1/nothing",
    WATCH,
];

fn secrets_are_in_no_answer_to_whoever_may_not_see_them(site: &Site) {
    let gateway = &site.gateway;
    let before = gateway.api("/healthz").header("x-roundhouse-revision").unwrap().to_owned();
    let certificates = Certificates::new();
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap();
    let (chain, key) = (read(certificates.server().cert), read(certificates.server().key));
    let text = TokenText::generate("victim".parse().unwrap());
    let record = json!(Token::new(Role::Read, text.hash())).to_string();
    assert_eq!(gateway.call("PUT", "/v1/tokens/victim", &record).status, 201);
    let cert = json!({ "chain": chain, "key": key }).to_string();
    assert_eq!(gateway.call("PUT", "/v1/certs/blog", &cert).status, 201);
    // As it stands in JSON, and by its longest line, however it is carried.
    let line = key.lines().nth(1).unwrap().to_owned();
    let hash = text.hash().to_string();
    let secrets = [line.as_str(), hash.as_str()];

    for role in ["read", "register", "operate"] {
        let token = site.token(&format!("t-{role}"), role, "");
        for path in PATHS {
            let answer = everything(site, &token, path, &before);
            for secret in secrets {
                assert!(!answer.contains(secret), "{role} sees a secret at {path}");
            }
            assert!(!answer.contains("PRIVATE KEY"), "{role}: {path}");
        }
        let shown = site.ask(&token, "GET", "/v1/certs/blog", "").json();
        assert!(
            shown["key"].is_null() && shown["chain"] == chain.as_str() && shown["fingerprints"].is_array()
        );
    }
    // Nor does whoever is on this machine and shows no token.
    for path in PATHS.into_iter().filter(|path| *path != WATCH) {
        let answer = gateway.api(path).body;
        assert!(secrets.iter().all(|secret| !answer.contains(secret)), "anybody sees a secret at {path}");
    }
    for role in ["hub", "admin"] {
        let token = site.token(&format!("t-{role}"), role, "");
        for path in ["/v1/certs", "/v1/certs/blog", "/v1/snapshot", WATCH] {
            assert!(
                everything(site, &token, path, &before).contains(&line),
                "{role} needs the key at {path}"
            );
        }
        for path in ["/v1/tokens", "/v1/tokens/victim", "/v1/snapshot", WATCH] {
            assert!(
                everything(site, &token, path, &before).contains(&hash),
                "{role} sees the hash at {path}"
            );
        }
    }
    let log = gateway.process().stderr();
    assert!(secrets.iter().all(|secret| !log.contains(secret)));
}

/// The whole answer; of a watch as much as tells of the certificate and of the token that came before it.
fn everything(site: &Site, token: &str, path: &str, before: &str) -> String {
    if path != WATCH {
        return site.ask(token, "GET", path, "").body;
    }
    let mut connection = Connection::open(site.gateway.admin()).unwrap();
    let head = format!(
        "GET {path}?from={before} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n\r\n",
        site.gateway.admin()
    );
    connection.send(head.as_bytes()).unwrap();
    let mut text = String::new();
    eventually(SOON, "the watch tells of the certificate", || {
        text += &connection.read_line().unwrap();
        text.contains("certs/blog")
    });
    text
}
