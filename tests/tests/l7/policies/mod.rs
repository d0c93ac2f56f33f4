//! What a domain's routes do, written over the API and seen from both sides.

mod bodies;
mod cors;
mod fields;
mod redirects;
mod routes;
mod secure;
mod sticky;

use std::path::Path;
use std::process::Command;

use roundhouse_tests::http::{Connection, Reply};
use roundhouse_tests::{Gateway, SOON, eventually, http, seen};

/// Writes the domain, and waits until requests are routed by it.
#[track_caller]
pub(crate) fn put_domain(gateway: &Gateway, host: &str, record: &str) {
    let reply = gateway.call("PUT", &format!("/v1/domains/{host}"), record);
    assert_eq!(reply.status, 201, "{reply:?}");
    eventually(SOON, "the domain is known", || {
        // A path that no route has, for a method that none has.
        seen(ask(gateway, "X-PROBE", host, "/", &[]), |reply| !reply.body.contains("no domain"))
    });
}

/// One request with these fields, on a connection of its own.
#[track_caller]
pub(crate) fn ask(gateway: &Gateway, method: &str, host: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
    let fields = [&[("host", host)], fields].concat();
    let mut connection = Connection::open(gateway.http()).unwrap();
    connection
        .request_with(method, path, &fields, "")
        .unwrap_or_else(|error| panic!("{method} {host}{path}: {error}"))
}

#[track_caller]
pub(crate) fn get(gateway: &Gateway, host: &str, path: &str) -> Reply {
    http::get(gateway.http(), host, path).unwrap()
}

/// curl(1), whose output is a head and a body.
pub(crate) fn curl(ca: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    command.args(["-s", "-i", "--max-time", "10", "--http1.1", "--cacert"]).arg(ca).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
