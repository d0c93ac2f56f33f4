//! Requests of the API that are refused.

use roundhouse_tests::http::Reply;
use serde_json::Value;

use crate::raw::exchange;
use crate::{PORT, Served};

/// A refused request, and what its problem document says.
struct Refusal<'a> {
    method: &'a str,
    path: &'a str,
    body: &'a str,
    status: u16,
    /// The field that is named; empty for none.
    field: &'a str,
    sentence: &'a str,
}

fn case<'a>(request: [&'a str; 3], status: u16, field: &'a str, sentence: &'a str) -> Refusal<'a> {
    let [method, path, body] = request;
    Refusal { method, path, body, status, field, sentence }
}

/// RFC 9457, with a sentence.
#[track_caller]
fn problem(reply: &Reply) -> Value {
    assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{reply:?}");
    let problem = reply.json();
    assert_eq!(problem["status"], reply.status, "{reply:?}");
    assert!(problem["title"].is_string() && problem["detail"].is_string(), "{reply:?}");
    problem
}

#[track_caller]
fn all_refused(served: &Served, cases: &[Refusal<'_>]) {
    for case in cases {
        let shown: String = case.body.chars().take(100).collect();
        let what = format!("{} {} {shown}", case.method, case.path);
        let reply = served.gateway.call(case.method, case.path, case.body);
        assert_eq!(reply.status, case.status, "{what}: {reply:?}");
        let problem = problem(&reply);
        assert_eq!(problem["path"].as_str().unwrap_or_default(), case.field, "{what}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(case.sentence), "{what}: {problem}");
        assert!(reply.header("x-roundhouse-revision").is_some(), "{what}");
    }
    served.is_unharmed();
}

#[test]
fn a_value_of_the_wrong_type_is_named_by_its_path() {
    let served = Served::start();
    let job = |body| ["PUT", "/v1/jobs/x", body];
    let instance = |body| ["POST", "/v1/instances/web", body];
    all_refused(
        &served,
        &[
            case(instance(r#"{"address":7}"#), 422, "address", "integer `7`, expected IP address"),
            case(instance(r#"{"ports":{"main":1}}"#), 422, "", "missing field `address`"),
            case(
                instance(r#"{"address":"10.0.0.7","ports":{"main":"x"}}"#),
                422,
                "ports.main",
                "expected a whole number up to 65535",
            ),
            case(
                instance(r#"{"address":"10.0.0.7","ports":{"main":65536}}"#),
                422,
                "ports.main",
                "integer `65536`, expected a whole number up to 65535",
            ),
            case(
                instance(r#"{"address":"10.0.0.7","ports":{"main":0}}"#),
                422,
                "ports.main",
                "port 0 cannot be dialled; write 1 to 65535",
            ),
            case(instance(r#"{"address":"10.0.0.7","ports":{}}"#), 422, "ports", "write 1 to 63"),
            case(
                instance(r#"{"address":"10.0.0.7","ports":{"main":1},"weight":5000}"#),
                422,
                "weight",
                "5000 is more than 1000; weights are relative, 100 is usual",
            ),
            case(
                instance(r#"{"address":"10.0.0.7","ports":{"main":1},"state":"gone"}"#),
                422,
                "state",
                "expected one of `up`, `down`, `draining`, `maintenance`",
            ),
            case(
                instance(r#"{"address":"10.0.0.7","ports":{"main":1},"ttl":"10ms"}"#),
                422,
                "ttl",
                r#"write "1s" to "1d""#,
            ),
            case(
                instance(r#"{"address":"0.0.0.0","ports":{"main":1}}"#),
                422,
                "address",
                "nobody can connect",
            ),
            case(job(r#"{"jobname":7}"#), 422, "jobname", "integer `7`, expected a string"),
            case(job(r#"{"jobname":"x"}"#), 422, "jobname", "`tag.value`"),
            case(
                job(r#"{"jobname":"job.x","ports":[{"name":"main","port":0}]}"#),
                422,
                "ports[0]",
                "port 0 cannot be dialled; write 1 to 65535",
            ),
            case(
                job(r#"{"jobname":"job.x","ports":[{"name":"main","port":65536}]}"#),
                422,
                "ports[0].port",
                "expected a whole number up to 65535",
            ),
            case(job(r#"{"jobname":"job.x","schema":7}"#), 422, "schema", "schema 7 is newer"),
            case(job(r#"["job.x"]"#), 422, "", "expected a map"),
        ],
    );
}

#[test]
fn a_body_that_cannot_be_read_is_told_apart() {
    let served = Served::start();
    let deep = format!(r#"{{"jobname":"job.x","a":{}{}}}"#, "[".repeat(40), "]".repeat(40));
    let large = format!(r#"{{"jobname":"job.x","a":"{}"}}"#, "a".repeat(100_000));
    let job = |body| ["PUT", "/v1/jobs/x", body];
    all_refused(
        &served,
        &[
            case(
                job(r#"{"jobname":"#),
                400,
                "",
                "the body is no JSON: EOF while parsing a value at line 1 column 11",
            ),
            case(
                job("{\n  \"jobname\" \"job.x\"}"),
                400,
                "",
                "expected `:` at line 2 column 13; send one JSON object",
            ),
            case(job(""), 400, "", "the body is no JSON"),
            case(job(r#"{"jobname":"job.x"} x"#), 400, "", "trailing characters at line 1 column 21"),
            case(job(&deep), 422, "", "deeper than 32 levels"),
            case(job(&large), 413, "", "a record has at most 65536 bytes"),
        ],
    );
}

#[test]
fn names_in_the_path_are_checked() {
    let served = Served::start();
    let long = format!("/v1/jobs/{}", "a".repeat(64));
    let body = r#"{"jobname":"job.x"}"#;
    let domain = r#"{"routes":[{"to":[{"job":"web"}]}]}"#;
    all_refused(
        &served,
        &[
            case(["PUT", &long, body], 422, "label", "has 64 characters; a DNS label has at most 63"),
            case(["PUT", "/v1/jobs/App2", body], 422, "label", "has upper-case letters; write `app2`"),
            case(["PUT", "/v1/jobs/a_b", body], 422, "label", "contains `_`; use only a-z, 0-9 and `-`"),
            case(["PUT", "/v1/jobs/-a", body], 422, "label", "begin and end with a letter or digit"),
            case(["PUT", "/v1/jobs/instances", body], 422, "label", "reserved"),
            case(["GET", "/v1/jobs/%FF", ""], 400, "", "write the path in UTF-8"),
            case(["POST", "/v1/instances/web/17/state", r#"{"state":"up"}"#], 422, "id", "no UUID"),
            case(["PUT", "/v1/domains/bl%20og.net", domain], 422, "host", "contains ` `"),
            case(["PUT", "/v1/domains/10.0.0.1", domain], 422, "host", "is an IP address"),
            case(["PUT", "/v1/domains/a.jobs.coding.net", domain], 422, "host", "choose another"),
            case(["PUT", "/v1/domains/a.net", r#"{"routes":[]}"#], 422, "routes", "0 routes; write 1 to"),
        ],
    );
}

#[test]
fn what_is_not_there_is_said_with_what_is() {
    let served = Served::start();
    let nobody = "/v1/instances/web/0a1b2c3d-0000-4000-8000-000000000001";
    let state = format!("{nobody}/state");
    all_refused(
        &served,
        &[
            case(["GET", "/v1/nope", ""], 404, "", "nothing at /v1/nope; known paths are /v1/jobs, "),
            case(["GET", "/", ""], 404, "", "/v1/status, /v1/explain, /metrics, /healthz"),
            case(["GET", "/v1/jobs/nobody", ""], 404, "", "no job `nobody`; GET /v1/jobs lists them"),
            case(["GET", nobody, ""], 404, "", "GET /v1/instances/web lists what this job has"),
            case(["POST", &state, r#"{"state":"draining"}"#], 404, "", "there is no instance web/"),
            case(["DELETE", "/v1/domains/nobody.net", ""], 404, "", "there is no domain"),
            case(["POST", "/v1/leases/abc/keepalive", ""], 404, "", "there is no lease abc"),
            case(["POST", "/v1/leases/xyz/keepalive", ""], 422, "id", "`xyz` is no lease id"),
            case(["GET", "/v1/watch?from=x", ""], 400, "from", "as in /v1/watch?from=17"),
            case(["GET", "/v1/explain", ""], 400, "target", "say what to explain"),
            case(["PATCH", "/v1/jobs/web", "{}"], 405, "", "does not take PATCH; the Allow header"),
            case(["POST", "/v1/status", "{}"], 405, "", "does not take POST"),
        ],
    );
    let reply = served.gateway.call("PATCH", "/v1/jobs/web", "{}");
    let allowed = reply.header("allow").unwrap();
    assert!(["GET", "PUT", "DELETE"].iter().all(|method| allowed.contains(method)), "{allowed}");
}

#[test]
fn what_somebody_else_has_is_named_with_its_owner() {
    let served = Served::start();
    let (app, own) = (served.gateway.net.app(0), served.gateway.net.gateway());
    let vip = served.gateway.net.address(200);
    let id = served.gateway.job("web")["instances"][0]["id"].as_str().unwrap().to_owned();
    let at = |address, port: u16| format!(r#"{{"address":"{address}","ports":{{"main":{port}}}}}"#);
    let [same, admin, entrypoint, dns, virtual_one] =
        [at(app, PORT), at(own, 8400), at(own, 8080), at(own, 8053), at(vip, 1111)];
    let stranger = format!(r#"{{"address":"{app}","ports":{{"main":7}},"job":{{"jobname":"job.other"}}}}"#);
    let add = |body| ["POST", "/v1/instances/web", body];
    all_refused(
        &served,
        &[
            case(
                ["PUT", "/v1/jobs/web", r#"{"jobname":"job.other"}"#],
                409,
                "",
                "label `web` belongs to job.web; choose another label for job.other",
            ),
            case(
                ["PUT", "/v1/jobs/web2", r#"{"jobname":"job.web"}"#],
                409,
                "",
                "job.web is already served under the label `web`; dial that",
            ),
            case(add(&stranger), 409, "", "label `web` belongs to job.web"),
            case(
                add(&same),
                409,
                "address",
                &format!("held by the live instance instances/web/{id}; stop that one"),
            ),
            case(
                ["POST", "/v1/instances/other", &same],
                409,
                "address",
                &format!("{app}:{PORT} is held by the live instance instances/web/{id}"),
            ),
            case(add(&admin), 409, "address", "own admin listener"),
            case(add(&entrypoint), 409, "address", "own entrypoint `http` listener"),
            case(add(&dns), 409, "address", "give the app another port"),
            case(add(&virtual_one), 409, "address", "VIP prefix"),
            case(
                ["DELETE", "/v1/jobs/web", ""],
                409,
                "",
                "still has 1 instance(s); stop or drain them first",
            ),
        ],
    );
}

#[test]
fn headers_decide_too() {
    let served = Served::start();
    let admin = served.gateway.admin();
    let revision = served.gateway.job("web")["revision"].as_u64().unwrap();
    let stale = format!("host: {admin}\r\nif-match: \"{}\"\r\n", revision + 1);
    for (method, fields, status, sentence) in [
        ("GET", "host: evil.example\r\n".to_owned(), 403, "answers on loopback names only"),
        ("GET", String::new(), 403, "loopback names only"),
        (
            "PUT",
            format!("host: {admin}\r\norigin: http://evil.example\r\n"),
            403,
            "another site may not write",
        ),
        ("PUT", stale, 412, "not as expected; read it again and repeat the change"),
        ("PUT", format!("host: {admin}\r\nif-none-match: *\r\n"), 412, &format!("is at revision {revision}")),
        ("PUT", format!("host: {admin}\r\nif-match: {revision}\r\n"), 400, "If-Match: \"17\""),
        (
            "PUT",
            format!("host: {admin}\r\nif-match: \"1\"\r\nif-none-match: *\r\n"),
            400,
            "exclude each other",
        ),
    ] {
        let body = r#"{"jobname":"job.web"}"#;
        let request = format!(
            "{method} /v1/jobs/web HTTP/1.1\r\n{fields}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let raw = exchange(admin, request.as_bytes());
        assert_eq!(raw.status(), status, "{fields:?}: {raw:?}");
        assert!(raw.json()["detail"].as_str().unwrap().contains(sentence), "{fields:?}: {raw:?}");
    }
    served.is_unharmed();
}

#[test]
fn more_than_any_record_is_not_read() {
    let served = Served::start();
    let admin = served.gateway.admin();
    // A gigabyte is announced; the answer comes without it.
    let head = format!(
        "PUT /v1/jobs/x HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\ncontent-length: 1073741824\r\n\r\n"
    );
    let raw = exchange(admin, (head + &" ".repeat(200 << 10)).as_bytes());
    assert_eq!(raw.status(), 413, "{raw:?}");
    assert!(raw.json()["detail"].as_str().unwrap().contains("at most 65536 bytes"), "{raw:?}");
    served.is_unharmed();
}
