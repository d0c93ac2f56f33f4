//! The access log of a gateway that serves: a line for each exchange, which says what the client and the instance saw.

use std::fs;
use std::io::Write;

use roundhouse_tests::{Gateway, Recorder, SOON, dial, eventually, http, read_to_its_end, recorder, seen};
use serde_json::Value;

use super::policies::put_domain;

/// All lines, once there are so many.
#[track_caller]
fn lines(gateway: &Gateway, count: usize) -> Vec<Value> {
    let read = || {
        let text = fs::read_to_string(gateway.folder().join("access.log")).unwrap_or_default();
        // A line may be on its way.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    eventually(SOON, "the lines are written", || seen(read(), |lines| lines.len() >= count))
}

#[test]
fn each_exchange_has_a_line_that_both_sides_agree_with() {
    let more = "[access_log]\npath = \"access.log\"\nheaders = [\"x-request-id\"]\n";
    let mut gateway = Gateway::prepared("embedded", more);
    gateway.run();
    let web = Recorder::answering(&gateway, "web", 0, |_| recorder::answer("seen"));
    put_domain(
        &gateway,
        "blog.example.org",
        r#"{"routes":[{"match":{"path":"/blog"},"to":[{"job":"web"}]}]}"#,
    );
    let before = lines(&gateway, 1).len();
    web.take();

    let mut client = dial(gateway.http());
    let request = "POST /blog?a=\"b HTTP/1.1\r\nhost: blog.example.org\r\nuser-agent: t\r\nx-request-id: 7\r\n\
         content-length: 5\r\n\r\nhello";
    client.write_all(request.as_bytes()).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: nobody.example.org\r\nconnection: close\r\n\r\n").unwrap();
    let port = client.local_addr().unwrap().port();
    read_to_its_end(&mut client);
    let sent = web.take_whole().remove(0);

    let all = lines(&gateway, before + 2).split_off(before);
    let served = &all[0];
    for (field, expected) in [
        ("v", Value::from(1)),
        ("client", "127.0.0.1".into()),
        ("client_port", port.into()),
        ("entrypoint", "http".into()),
        ("protocol", "http/1.1".into()),
        ("method", "POST".into()),
        ("scheme", "http".into()),
        ("host", "blog.example.org".into()),
        ("path", "/blog?a=\"b".into()),
        ("request_bytes", 5.into()),
        ("status", 200.into()),
        ("response_bytes", 4.into()),
        ("reason", "complete".into()),
        ("job", "web".into()),
        ("attempts", 1.into()),
        ("user_agent", "t".into()),
    ] {
        assert_eq!(served[field], expected, "{field} of {served}");
    }
    assert_eq!(served["route"]["path"], "/blog");
    assert_eq!(served["headers"]["x-request-id"], "7");
    assert_eq!(served["instance"]["address"], web.address().to_string());
    // The trace that the instance was told.
    let traced = sent.field("traceparent").unwrap();
    assert_eq!(traced.split('-').nth(1), served["trace_id"].as_str());
    assert!(served["total_us"].as_u64() >= served["head_us"].as_u64(), "{served}");

    let refused = &all[1];
    assert_eq!((&refused["status"], &refused["reason"]), (&404.into(), &"no-route".into()), "{refused}");
    assert!(refused.get("job").is_none() && refused.get("instance").is_none(), "{refused}");
}

/// logrotate(8) moves the file and signals.
#[test]
fn a_moved_file_is_begun_anew_and_nothing_is_lost() {
    let mut gateway = Gateway::prepared("embedded", "[access_log]\npath = \"access.log\"\n");
    gateway.run();
    let ask = |n: usize| {
        for _ in 0..n {
            assert_eq!(http::get(gateway.http(), "nobody.example.org", "/").unwrap().status, 404);
        }
    };
    ask(20);
    assert_eq!(lines(&gateway, 20).len(), 20);
    let (file, moved) = (gateway.folder().join("access.log"), gateway.folder().join("access.log.1"));
    fs::rename(&file, &moved).unwrap();
    gateway.process().signal(roundhouse_tests::Signal::HUP);
    eventually(SOON, "a new file", || seen(file.exists(), |there| *there));
    ask(20);
    let count = |text: String| text.lines().count();
    eventually(SOON, "every line in one of the two", || {
        let both = [&file, &moved].map(|file| count(fs::read_to_string(file).unwrap_or_default()));
        seen(both[0] + both[1], |count| *count == 40)
    });
}
