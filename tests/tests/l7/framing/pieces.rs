//! The same messages cut at every place, and byte by byte: what they mean does not depend on how they come.

use std::io::{Read, Write};
use std::net::TcpStream;

use roundhouse_tests::strict::{self, Message};
use roundhouse_tests::{RawInstance, dial, read_to_its_end};

use crate::Stage;

/// Connections at once: fewer than a listener's backlog.
const TOGETHER: usize = 100;

/// Requests, and what the instance sees of each: its body and its trailers.
const REQUESTS: [(&str, &[(&str, usize)]); 3] = [
    (
        "POST /a?b HTTP/1.1\r\nHost: web.jobs\r\nX-A:  b \r\nContent-Length: 11\r\n\r\nhello\r\nGET ",
        &[("hello\r\nGET ", 0)],
    ),
    (
        "\r\nPUT /a HTTP/1.1\r\nHost: web.jobs\r\nTransfer-Encoding: chunked\r\n\r\n\
         5;a=\"b;\\\"c\"\r\nhello\r\n00A \t\r\n0\r\n\r\nGET /\r\n0;x\r\nX-Sum: 1\r\nX-Empty:\r\n\r\n",
        &[("hello0\r\n\r\nGET /", 2)],
    ),
    (
        "POST /a HTTP/1.1\r\nHost: web.jobs\r\nContent-Length: 5\r\n\r\nhello\
         GET http://web.jobs/b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        &[("hello", 0), ("", 0)],
    ),
];

/// The same for answers to a GET; the client gets this text.
const ANSWERS: [(&str, &str); 4] = [
    ("HTTP/1.1 200 OK\r\nX-A:  b \r\nContent-Length: 11\r\n\r\nhello\r\nHTTP", "hello\r\nHTTP"),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
         5;a=\"b\"\r\nhello\r\n00A \t\r\n0\r\n\r\nHTTP/\r\n0;x\r\nX-Sum: 1\r\n\r\n",
        "hello0\r\n\r\nHTTP/",
    ),
    (
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
        "hello",
    ),
    ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", ""),
];

fn connect(stage: &Stage, count: usize) -> Vec<TcpStream> {
    (0..count).map(|_| dial(stage.gateway.http())).collect()
}

/// What each client gets is whole, and the instance saw what each sent.
#[track_caller]
fn settle(stage: &Stage, clients: Vec<TcpStream>, expected: &[(&str, usize)]) {
    let count = clients.len();
    for mut client in clients {
        let _ = client.shutdown(std::net::Shutdown::Write);
        let answers = strict::responses(&read_to_its_end(&mut client).0, &["POST", "GET"]);
        assert_eq!(answers.iter().map(Message::text).collect::<Vec<_>>(), vec!["seen"; expected.len()]);
    }
    let seen = stage.web.take_whole();
    assert_eq!(seen.len(), count * expected.len());
    for (body, trailers) in expected {
        let same = |one: &&Message| one.text() == *body && one.trailers.len() == *trailers;
        assert_eq!(seen.iter().filter(same).count(), count, "{body:?}");
    }
}

#[test]
fn requests_cut_at_every_place() {
    let stage = Stage::start();
    for (bytes, expected) in REQUESTS {
        let cuts: Vec<usize> = (1..bytes.len()).collect();
        for cuts in cuts.chunks(TOGETHER) {
            let mut clients = connect(&stage, cuts.len());
            // All the first parts before any second: each is read alone, or waits with nobody's help.
            for (client, cut) in clients.iter_mut().zip(cuts) {
                client.write_all(&bytes.as_bytes()[..*cut]).unwrap();
            }
            for (client, cut) in clients.iter_mut().zip(cuts) {
                client.write_all(&bytes.as_bytes()[*cut..]).unwrap();
            }
            settle(&stage, clients, expected);
        }
    }
}

#[test]
fn requests_byte_by_byte() {
    let stage = Stage::start();
    for (bytes, expected) in REQUESTS {
        let mut clients = connect(&stage, 20);
        for byte in bytes.as_bytes().chunks(1) {
            for client in &mut clients {
                client.write_all(byte).unwrap();
            }
        }
        settle(&stage, clients, expected);
    }
}

/// Sends the answer in pieces that begin at these offsets, one list a client, the same piece to all before the next.
#[track_caller]
fn answered(stage: &Stage, instance: &RawInstance, answer: &str, text: &str, cuts: &[Vec<usize>]) {
    let mut clients = connect(stage, cuts.len());
    for client in &mut clients {
        client.write_all(b"GET / HTTP/1.1\r\nHost: raw.jobs\r\nConnection: close\r\n\r\n").unwrap();
    }
    let mut exchanges: Vec<_> = cuts.iter().map(|_| instance.accept()).collect();
    for exchange in &mut exchanges {
        exchange.read_head();
        exchange.stream.get_mut().set_nodelay(true).unwrap();
    }
    let pieces = cuts[0].len() + 1;
    for piece in 0..pieces {
        for (exchange, cuts) in exchanges.iter_mut().zip(cuts) {
            let from = if piece == 0 { 0 } else { cuts[piece - 1] };
            let to = cuts.get(piece).copied().unwrap_or(answer.len());
            exchange.stream.get_mut().write_all(&answer.as_bytes()[from..to]).unwrap();
        }
    }
    if answer.contains("Connection: close") {
        exchanges.clear();
    }
    for mut client in clients {
        let said = read_to_its_end(&mut client).0;
        let answers = strict::responses(&said, &["GET"]);
        assert_eq!(
            answers.len(),
            answer.matches("HTTP/1.1 ").count(),
            "{:?}",
            String::from_utf8_lossy(&said)
        );
        assert_eq!(answers.last().unwrap().text(), text);
    }
    for exchange in &mut exchanges {
        // Otherwise it would be kept for the next client, who is to come on one of its own.
        exchange.stream.get_mut().shutdown(std::net::Shutdown::Both).unwrap();
        let _ = exchange.stream.read(&mut [0]);
    }
}

#[test]
fn answers_cut_at_every_place() {
    let stage = Stage::start();
    let instance = RawInstance::start(&stage.gateway, "raw", 1, 9191);
    for (answer, text) in ANSWERS {
        let cuts: Vec<Vec<usize>> = (1..answer.len()).map(|cut| vec![cut]).collect();
        for cuts in cuts.chunks(TOGETHER) {
            answered(&stage, &instance, answer, text, cuts);
        }
    }
}

#[test]
fn answers_byte_by_byte() {
    let stage = Stage::start();
    let instance = RawInstance::start(&stage.gateway, "raw", 1, 9191);
    for (answer, text) in ANSWERS {
        let each: Vec<usize> = (1..answer.len()).collect();
        answered(&stage, &instance, answer, text, &vec![each; 20]);
    }
}
