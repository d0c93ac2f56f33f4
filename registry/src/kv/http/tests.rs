//! Answers that no gateway gives: cut off, wrong, refused. What a real one gives is in tests/tests/kv_conformance.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::http::Bearer;

/// What the adapter makes of one answer to each request, and the last request.
async fn answered<T>(answer: &str, ask: impl AsyncFnOnce(Http) -> T) -> (T, String) {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let token = Bearer::parse("s3cret", "/etc/roundhouse/token").unwrap();
    let client = HttpClient::new(server.local_addr().unwrap().to_string()).with_token(Some(token));
    let serve = async {
        let mut stream = server.accept().await.unwrap().0;
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        // Closing is part of the answer.
        stream.shutdown().await.unwrap();
        String::from_utf8(request).unwrap()
    };
    tokio::join!(ask(Http::new(client)), serve)
}

fn ok(media_type: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\n\r\n{body}")
}

const ENTRY: &str = r#"{"key":"jobs/a","value":{},"created":1,"revision":2}"#;

#[tokio::test]
async fn a_snapshot_that_is_not_whole_is_no_listing() {
    let list = async |http: Http| http.list().await;
    let whole = format!(r#"{{"origin":"o","revision":2,"later":[],"entries":[{ENTRY}]}}"#);
    let (listing, request) = answered(&ok("application/json", &whole), list).await;
    let listing = listing.unwrap();
    assert_eq!((listing.origin.as_str(), listing.revision, listing.entries.len()), ("o", Revision(2), 1));
    assert!(request.starts_with("GET /v1/snapshot HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\r\nauthorization: Bearer s3cret\r\n"), "{request}");

    let cut = &ok("application/json", &whole)[..ok("application/json", &whole).len() - 10];
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{whole}\r\n",
        whole.len()
    );
    for (answer, why) in [
        (cut.to_owned(), "does not answer"),
        // All of the text is there, but not the end of the body.
        (chunked, "does not answer"),
        (ok("application/json", &whole[..whole.len() - 2]), "EOF while parsing"),
        (ok("application/json", "{}"), "missing field `origin`"),
        (ok("application/json", &whole.replace("jobs/a", &"k".repeat(70_000))), "key has 70000 bytes"),
        (ok("text/html", &whole), "/v1/snapshot is text/html, not application/json"),
    ] {
        let error = answered(&answer, list).await.0.unwrap_err();
        assert!(matches!(error, KvError::Unavailable { .. }), "{error:?}");
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_with_the_servers_words_and_what_to_do() {
    let refused = |status: &str, detail: &str| {
        let body = format!(r#"{{"type":"about:blank","title":"x","detail":"{detail}"}}"#);
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    };
    let watch = async |http: Http| http.watch(Revision(7)).await.err().unwrap();
    let (gone, request) = answered(&refused("410 Gone", "not kept"), watch).await;
    assert!(matches!(gone, KvError::Compacted(Revision(7))), "{gone:?}");
    assert!(request.starts_with("GET /v1/watch?from=7 HTTP/1.1\r\n"), "{request}");
    let busy = answered(&refused("503 Service Unavailable", "1024 watches are open"), watch).await.0;
    assert!(
        matches!(busy, KvError::Unavailable { .. }) && busy.to_string().contains("1024 watches"),
        "{busy}"
    );
    for (status, detail) in [("401 Unauthorized", "who are you"), ("403 Forbidden", "you may only register")]
    {
        let error = answered(&refused(status, detail), watch).await.0;
        assert!(matches!(error, KvError::Invalid(_)), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(detail) && text.contains("token of /etc/roundhouse/token"), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[tokio::test]
async fn half_a_commit_is_none_and_a_stream_without_sense_ends() {
    let put =
        |id: &str| format!("{id}event: put\ndata: {}\n\n", ENTRY.replace("\"revision\":2", "\"revision\":8"));
    let whole = put("id: 8\n");
    for (stream, batches, why) in [
        (whole.clone() + &put("").replace('8', "9"), 1, "the watch was closed"),
        (whole.clone() + "event: gone\ndata: list again\n\n", 1, "compacted"),
        (whole.clone() + &whole, 1, "a change of revision 8 after 8"),
        (format!("{whole}data: {}", "x".repeat(5 << 20)), 1, "an event of more than"),
        ("event: put\ndata: <html>\n\n".to_owned(), 0, "a `put` event that is none"),
    ] {
        let read = async |http: Http| {
            let mut watch = http.watch(Revision(7)).await.unwrap();
            let mut batches = 0;
            loop {
                match watch.recv().await.unwrap() {
                    Ok(Event::Batch(batch)) => batches += batch.changes.len(),
                    Ok(_) => {}
                    Err(error) => return (batches, error.to_string()),
                }
            }
        };
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        let ((given, error), _) = answered(&format!("{head}{stream}"), read).await;
        assert!(given == batches && error.contains(why), "{given}: {error}");
    }
}
