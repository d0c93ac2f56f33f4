//! Proxies of other people that ask before they forward: a real nginx here, and requests as Traefik and Envoy send them in
//! [`asked`].

mod asked;

use std::net::SocketAddr;

use roundhouse_tests::Recorder;
use roundhouse_tests::http::{Connection, Reply};
use roundhouse_tests::strict::Message;

use crate::nginx::Nginx;
use crate::stage::{EVIL, READER, SHARED, STRANGER, Stage, WEB};

/// The shop behind an nginx of its own, which asks the gateway.
struct Behind {
    stage: Stage,
    shop: Recorder,
    nginx: SocketAddr,
    _process: Nginx,
}

impl Behind {
    fn start() -> Behind {
        let stage = Stage::start();
        let nginx = SocketAddr::new(stage.address(70), 8070);
        let upstream = SocketAddr::new(stage.address(71), 8071);
        let shop = Recorder::at(upstream, |_| roundhouse_tests::recorder::answer("seen"));
        let process = Nginx::start(
            nginx,
            &format!(
                "location / {{
                    auth_request /asked;
                    auth_request_set $jobname $upstream_http_x_jobname;
                    proxy_set_header X-Jobname $jobname;
                    proxy_set_header X-Jobname-Proof '';
                    proxy_pass http://{upstream};
                }}
                location = /asked {{
                    internal;
                    proxy_pass http://{}/v1/access/auth/shop;
                    proxy_pass_request_body off;
                    proxy_set_header Content-Length '';
                    proxy_set_header X-Forwarded-For $remote_addr;
                    proxy_set_header X-Original-URI $request_uri;
                    proxy_set_header X-Original-Method $request_method;
                }}",
                stage.gateway.admin()
            ),
        );
        Behind { stage, shop, nginx, _process: process }
    }

    #[track_caller]
    fn ask(&self, from: u8, method: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
        let mut connection = Connection::open_from(self.stage.address(from), self.nginx).unwrap();
        let fields = [&[("host", "shop.example")], fields].concat();
        connection.request_with(method, path, &fields, "").unwrap()
    }

    #[track_caller]
    fn passes(&self, from: u8, path: &str, fields: &[(&str, &str)]) -> Message {
        let reply = self.ask(from, "GET", path, fields);
        assert_eq!((reply.status, &*reply.body), (200, "seen"), "{path} {fields:?}: {reply:?}");
        let mut got = self.shop.take_whole();
        assert_eq!(got.len(), 1);
        got.remove(0)
    }

    #[track_caller]
    fn denied(&self, from: u8, method: &str, path: &str, fields: &[(&str, &str)]) {
        let reply = self.ask(from, method, path, fields);
        assert_eq!(reply.status, 403, "{from} {method} {path} {fields:?}: {reply:?}");
        assert!(self.shop.take().is_empty(), "{from} {method} {path} {fields:?}");
    }
}

#[test]
fn nginx_lets_in_whom_the_gateway_would_and_tells_the_upstream_who_it_is() {
    let behind = Behind::start();
    for (from, name) in [(WEB, "job.web"), (READER, "job.reader")] {
        let got = behind.passes(from, "/public/x?y", &[]);
        assert_eq!((got.field("x-jobname"), got.target()), (Some(name), "/public/x?y"));
    }
    let got = behind.passes(SHARED, "/x", &[("X-Jobname", "job.web")]);
    assert_eq!(got.field("x-jobname"), Some("job.web"));
    for from in [EVIL, STRANGER, SHARED] {
        behind.denied(from, "GET", "/public", &[]);
    }
}

#[test]
fn nginx_s_client_says_nothing_that_counts() {
    let behind = Behind::start();
    let web = behind.stage.address(WEB).to_string();
    let forged = format!("for={web}");
    for fields in [
        &[("X-Forwarded-For", &*web)][..],
        &[("X-Real-IP", &*web), ("Forwarded", &*forged)],
        &[("X-Jobname", "job.web")],
        &[("X-Jobname", "job.web"), ("X-Forwarded-For", &*web), ("X-Jobname-Proof", "x")],
        &[("X-Original-URI", "/public"), ("X-Forwarded-Uri", "/public"), ("X-Forwarded-For", &*web)],
    ] {
        for from in [EVIL, STRANGER] {
            behind.denied(from, "GET", "/public", fields);
        }
    }
    let evil = behind.stage.address(EVIL).to_string();
    let got = behind.passes(WEB, "/x", &[("X-Forwarded-For", &*evil), ("x_jobname", "job.evil")]);
    assert_eq!(got.field("x-jobname"), Some("job.web"));
    behind.denied(WEB, "GET", "/x", &[("X-Jobname", "job.evil")]);
}

#[test]
fn nginx_s_paths_and_methods_are_its_client_s() {
    let behind = Behind::start();
    behind.stage.in_force(
        behind
            .stage
            .rule("deny-delete", r#""from":{"jobname":"job.web"},"action":"deny","methods":["DELETE"]"#),
    );
    for path in ["/admin", "/%61dmin", "//admin", "/x/../admin", "/x/..%2fadmin", "/admin;a=1", "/admin?x"] {
        behind.denied(WEB, "GET", path, &[]);
        let elsewhere =
            [("X-Original-URI", "/public"), ("X-Forwarded-Uri", "/public"), ("X-Original-Method", "GET")];
        behind.denied(WEB, "GET", path, &elsewhere);
    }
    behind.denied(READER, "GET", "/x", &[]);
    behind.denied(READER, "GET", "/public/../x", &[]);
    behind.denied(WEB, "DELETE", "/x", &[]);
    behind.denied(WEB, "DELETE", "/x", &[("X-Original-Method", "GET"), ("X-Forwarded-Method", "GET")]);
    behind.passes(WEB, "/x", &[]);
}

/// A rule that comes is in force at the next request.
#[test]
fn nginx_hears_of_a_new_rule_at_once() {
    let behind = Behind::start();
    let mut connection = Connection::open_from(behind.stage.address(WEB), behind.nginx).unwrap();
    assert_eq!(connection.get("shop.example", "/x").unwrap().status, 200);
    let denied = behind.stage.rule("deny-web", r#""from":{"jobname":"job.web"},"action":"deny""#);
    behind.stage.in_force(denied);
    assert_eq!(connection.get("shop.example", "/x").unwrap().status, 403);
}
