//! Readers that are nobody's here: hyper's server, and two of Python's.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::runtime::Runtime;

/// What a reader made of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) hosts: Vec<String>,
    pub(super) body: Vec<u8>,
}

pub(super) type Reading = Result<Vec<Seen>, String>;

pub(super) struct Readers {
    python: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    runtime: Runtime,
}

impl Readers {
    pub(super) fn start() -> Readers {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/l7/fuzz/readers.py");
        // Debian's own, which has python3-h11.
        let mut command = Command::new("/usr/bin/python3");
        command.arg(program).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut python = command.spawn().expect("make tools-test installs it");
        let (to, from) = (python.stdin.take().unwrap(), BufReader::new(python.stdout.take().unwrap()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Readers { python, to, from, runtime }
    }

    /// All that is in these bytes, and nothing follows them: by each reader.
    pub(super) fn read(&mut self, bytes: &[u8]) -> [(&'static str, Reading); 3] {
        self.to.write_all(&(bytes.len() as u32).to_be_bytes()).unwrap();
        self.to.write_all(bytes).unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).expect("python3 with h11 (make tools-test) answers");
        [
            ("hyper", self.runtime.block_on(by_hyper(bytes))),
            ("h11", python(&said["h11"])),
            ("http.server", python(&said["http.server"])),
        ]
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        let _ = self.python.kill();
        let _ = self.python.wait();
    }
}

fn python(said: &Value) -> Reading {
    let Some(requests) = said.as_array() else { return Err(said["error"].to_string()) };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(requests
        .iter()
        .map(|request| Seen {
            method: text(&request[0]),
            target: text(&request[1]),
            hosts: request[2].as_array().unwrap().iter().map(text).collect(),
            body: from_hex(&text(&request[3])),
        })
        .collect())
}

fn from_hex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or_default() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

async fn by_hyper(bytes: &[u8]) -> Reading {
    let seen = Arc::<Mutex<Vec<Seen>>>::default();
    let (mut client, server) = tokio::io::duplex(bytes.len() + (1 << 10));
    client.write_all(bytes).await.unwrap();
    client.shutdown().await.unwrap();
    let into = seen.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let into = into.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await?.to_bytes().to_vec();
            let hosts = parts.headers.get_all("host").iter();
            let one = Seen {
                method: parts.method.to_string(),
                target: parts.uri.to_string(),
                hosts: hosts
                    .map(|host| host.as_bytes().iter().map(|byte| char::from(*byte)).collect())
                    .collect(),
                body,
            };
            into.lock().unwrap().push(one);
            Ok::<_, hyper::Error>(hyper::Response::new(Empty::<Bytes>::new()))
        }
    });
    // Its answers must go somewhere.
    let (mut answers, mut rest) = (tokio::io::sink(), client);
    let reading = tokio::io::copy(&mut rest, &mut answers);
    let serving = http1::Builder::new().half_close(true).serve_connection(TokioIo::new(server), service);
    let (served, _) = tokio::join!(serving, reading);
    served.map_err(|error| format!("{error:?}"))?;
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    Ok(seen)
}
