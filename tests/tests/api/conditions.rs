//! ETags and conditions (RFC 9110, 13): what a writer believes, and what a reader has.

use crate::{Site, on_both_sites, refused};

on_both_sites!(a_writer_is_told_that_somebody_was_faster, a_reader_is_told_that_nothing_changed);

const RECORD: &str = r#"{"listen":":3306","protocol":"tcp","job":"mysql"}"#;

fn a_writer_is_told_that_somebody_was_faster(site: &Site) {
    let gateway = &site.gateway;
    gateway.put_job("app2", 1111, "tcp");
    let job = gateway.api("/v1/jobs/app2").body;
    assert_eq!(gateway.call("PUT", "/v1/entrypoints/mysql", RECORD).status, 201);
    for (path, record) in [("/v1/jobs/app2", job.as_str()), ("/v1/entrypoints/mysql", RECORD)] {
        let etag = || gateway.api(path).header("etag").unwrap().to_owned();
        let put = |name, value: &str| gateway.call_with("PUT", path, &[(name, value)], record);
        // Two read the same; one writes first.
        let (one, other) = (etag(), etag());
        assert_eq!(put("if-match", &one).status, 200);
        let stale = put("if-match", &other);
        refused(&stale, 412, "read it again and repeat the change");
        assert_eq!(stale.header("etag"), Some(etag().as_str()), "the current one");
        assert_eq!(put("if-match", stale.header("etag").unwrap()).status, 200);

        assert_eq!(put("if-match", &format!("{other}, {}", etag())).status, 200, "any of a list");
        refused(&put("if-match", &format!("{one}, {other}")), 412, "not as expected");
        refused(&put("if-match", &format!("W/{}", etag())), 412, "not as expected");
        assert_eq!(put("if-match", "*").status, 200);
        refused(&put("if-none-match", "*"), 412, "not as expected");
        refused(&put("if-match", "17"), 400, "If-Match: \"17\"");
        let gone = gateway.call_with("DELETE", path, &[("if-match", &one)], "");
        refused(&gone, 412, "not as expected");
        assert_eq!(gateway.call_with("DELETE", path, &[("if-match", &etag())], "").status, 200);
        let absent = put("if-match", "*");
        refused(&absent, 412, "none (absent)");
        assert_eq!(absent.header("etag"), None);
    }
}

fn a_reader_is_told_that_nothing_changed(site: &Site) {
    let gateway = &site.gateway;
    assert_eq!(gateway.call("PUT", "/v1/entrypoints/mysql", RECORD).status, 201);
    let path = "/v1/entrypoints/mysql";
    let get = |method, etag: &str| gateway.call_with(method, path, &[("if-none-match", etag)], "");
    let shown = gateway.api(path);
    let etag = shown.header("etag").unwrap();
    for same in [etag, "*", &format!("\"1\", {etag}"), &format!("W/{etag}")] {
        for method in ["GET", "HEAD"] {
            let reply = get(method, same);
            assert_eq!((reply.status, reply.body.as_str()), (304, ""), "{reply:?}");
            assert_eq!((reply.header("etag"), reply.header("content-type")), (Some(etag), None));
        }
    }
    assert_eq!(get("GET", "\"999\"").body, shown.body);
    gateway.call("PUT", path, &RECORD.replace("3306", "3307"));
    assert_eq!(get("GET", etag).status, 200);
    let head = gateway.call_with("HEAD", path, &[], "");
    let shown = gateway.api(path);
    assert_eq!((head.status, head.body.as_str(), head.header("etag")), (200, "", shown.header("etag")));
    assert_eq!(head.header("content-length"), Some(shown.body.len().to_string().as_str()));
    assert_eq!(gateway.call_with("HEAD", "/v1/jobs/nobody", &[], "").status, 404);
}
