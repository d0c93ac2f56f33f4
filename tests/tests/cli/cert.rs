//! `cert add` and `rm`: certificates from the command line, what is refused, and what is shown of them.

use std::path::Path;

use roundhouse_tests::{Authority, Gateway, SOON, TempDir, eventually, seen};
use serde_json::json;

use crate::{json, ok, run};

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn a_chain_is_looked_at_before_it_is_sent() {
    let gateway = Gateway::start();
    let folder = TempDir::new().unwrap();
    let authority = Authority::new(folder.path());
    let (leaf, _) = authority.sign(&["blog.coding.net", "*.blog.coding.net"]);
    authority.sign(&["other.coding.net"]);
    let chain = folder.path().join("chain.pem");
    std::fs::write(&chain, format!("{leaf}{}", authority.pem())).unwrap();
    let key = text(&authority.key("blog.coding.net"));
    let add = |chain: &Path, key: &str| {
        run(&gateway, &["cert", "add", "blog", "--chain", &text(chain), "--key", key])
    };

    let unfit = add(&chain, &text(&authority.key("other.coding.net")));
    assert!(unfit.code == Some(1) && unfit.err.contains("the key does not fit"), "{unfit:?}");
    assert!(unfit.err.contains("chain.pem with "), "{unfit:?}");
    let reversed = folder.path().join("reversed.pem");
    std::fs::write(&reversed, format!("{}{leaf}", authority.pem())).unwrap();
    assert!(add(&reversed, &key).err.contains("write the leaf first"));
    let strange = folder.path().join("strange.pem");
    let other = std::fs::read_to_string(authority.certificate("other.coding.net")).unwrap();
    std::fs::write(&strange, format!("{leaf}{other}")).unwrap();
    let said = add(&strange, &key);
    assert!(said.err.contains("certificate 2 of the chain did not issue certificate 1"), "{said:?}");
    let missing = add(Path::new("/nonexistent.pem"), &key);
    assert!(
        missing.code == Some(1) && missing.err.contains("/nonexistent.pem cannot be read"),
        "{missing:?}"
    );
    assert_eq!(gateway.api("/v1/certs").json(), json!([]));

    let added = add(&chain, &key);
    assert_eq!((added.code, added.err.as_str()), (Some(0), ""), "{added:?}");
    assert!(
        added.out.starts_with("added certificate blog: *.blog.coding.net, blog.coding.net; "),
        "{added:?}"
    );
    assert!(add(&chain, &key).out.starts_with("replaced certificate blog: "));
    eventually(SOON, "the certificate is served", || {
        seen(ok(&gateway, &["get", "certs"]), |certs| certs.row("blog")[4] == "served")
    });
    let shown = json(&gateway, &["get", "certs"]);
    assert_eq!(shown[0]["names"], json!(["*.blog.coding.net", "blog.coding.net"]));
    assert!(shown[0]["not_after"].is_u64() && !shown.to_string().contains("PRIVATE"), "{shown}");

    assert_eq!(ok(&gateway, &["cert", "rm", "blog"]).out, "removed certificate blog\n");
    assert_eq!(ok(&gateway, &["get", "certs"]).out, "no certs\n");
    let gone = run(&gateway, &["cert", "rm", "blog"]);
    assert!(gone.code == Some(1) && gone.err.contains("there is no certificate `blog`"), "{gone:?}");
}

#[test]
fn one_is_made_for_a_domain_and_seen_everywhere() {
    let gateway = Gateway::start();
    let made = run(&gateway, &["cert", "add", "dev", "--self-signed", "blog.coding.net", "*.coding.net"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(
        made.out.starts_with("-----BEGIN CERTIFICATE-----\n") && !made.out.contains("PRIVATE"),
        "{made:?}"
    );
    assert!(made.err.contains("90 days left") || made.err.contains("89 days left"), "{made:?}");
    assert!(made.err.contains("curl --cacert dev.pem https://blog.coding.net/"), "{made:?}");

    let added = run(&gateway, &["domain", "add", "blog.coding.net", "--to", "x", "--certificate", "dev"]);
    assert_eq!(added.err, "warning: there is no job `x` yet\n");
    let stranger = run(&gateway, &["domain", "add", "a.example", "--to", "x", "--certificate", "dev"]);
    assert!(
        stranger.err.contains("certificate `dev` is for *.coding.net, blog.coding.net, not for"),
        "{stranger:?}"
    );
    eventually(SOON, "the domain is shown with its certificate", || {
        seen(ok(&gateway, &["get", "domains"]).out, |out| {
            out.contains("dev (89 days)") || out.contains("dev (90 days)")
        })
    });

    let status = gateway.api("/v1/status").json();
    let one = &status["certificates"]["list"][0];
    assert_eq!((&one["name"], &status["certificates"]["warnings"]), (&json!("dev"), &json!([])));
    let metrics = gateway.api("/metrics").body;
    let line = format!("roundhouse_certificate_not_after_seconds{{name=\"dev\"}} {}", one["not_after"]);
    assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
}
