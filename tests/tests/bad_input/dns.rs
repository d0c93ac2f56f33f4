//! Questions that are none, over UDP and TCP, byte by byte.

mod message;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, UdpSocket};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use roundhouse_tests::{SOON, ZONE};

use self::message::{A, AAAA, Answer, FORMERR, NOERROR, NOTIMP, NXDOMAIN, REFUSED, SOA, SRV, question};
use crate::raw::open;
use crate::{PORT, Served};

#[derive(Debug, Clone, Copy)]
enum Over {
    Udp,
    Tcp,
}

const BOTH: [Over; 2] = [Over::Udp, Over::Tcp];

/// The answer to a query, `None` where it is ignored. Over UDP that shows by the answer to a good question, which is
/// asked behind it on the same socket; over TCP by the connection's end.
#[track_caller]
fn ask(server: SocketAddr, over: Over, query: &[u8]) -> Option<Answer> {
    match over {
        Over::Udp => {
            let socket = UdpSocket::bind((server.ip(), 0)).unwrap();
            socket.connect(server).unwrap();
            socket.set_read_timeout(Some(SOON)).unwrap();
            let good = question(0xbeef, &format!("web.{ZONE}"), A);
            socket.send(query).unwrap();
            socket.send(&good).unwrap();
            let next = || {
                let mut buffer = [0; 4096];
                let length = socket.recv(&mut buffer).unwrap();
                Answer::read(&buffer[..length])
            };
            let first = next();
            if first.id == 0xbeef {
                return None;
            }
            let second = next();
            assert_eq!((second.id, second.code), (0xbeef, NOERROR), "{second:?}");
            Some(first)
        }
        Over::Tcp => {
            let mut stream = open(server);
            stream.write_all(&framed(query)).unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).ok()?;
            let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut bytes).unwrap();
            Some(Answer::read(&bytes))
        }
    }
}

fn framed(query: &[u8]) -> Vec<u8> {
    let length = u16::try_from(query.len()).unwrap();
    [&length.to_be_bytes(), query].concat()
}

/// A good question is answered on both transports, and nothing else was harmed.
#[track_caller]
fn is_unharmed(served: &Served) {
    for over in BOTH {
        let answer = ask(served.gateway.dns(), over, &question(7, &format!("web.{ZONE}"), A)).unwrap();
        assert_eq!((answer.id, answer.code), (7, NOERROR), "{answer:?}");
        let std::net::IpAddr::V4(vip) = served.gateway.vip("web") else { panic!("an IPv4 VIP") };
        assert_eq!(answer.answers, [(A, vip.octets().to_vec())]);
    }
    served.is_unharmed();
}

#[test]
fn a_wrong_question_gets_the_code_that_says_so() {
    let served = Served::start();
    let good = question(0x1234, &format!("web.{ZONE}"), A);
    let with = |at: usize, bytes: &[u8]| {
        let mut query = good.clone();
        query[at..at + bytes.len()].copy_from_slice(bytes);
        query
    };
    let end = good.len();
    let pointer = |to: u8| [&good[..12], &[0xc0, to], &[0, 1, 0, 1]].concat();
    let two = [&with(4, &[0, 2])[..], &good[12..]].concat();
    let long = [&good[..12], &[63; 1], &[b'a'; 20]].concat();
    let outside = question(0x1234, "www.example.com", A);
    for (what, query, code) in [
        ("no question", with(4, &[0, 0]), FORMERR),
        ("a header alone that says none", with(4, &[0, 0])[..12].to_vec(), FORMERR),
        ("two questions", two, FORMERR),
        ("65,535 questions", with(4, &[0xff, 0xff]), FORMERR),
        ("65,535 answers", with(6, &[0xff, 0xff]), FORMERR),
        ("65,535 additional records", with(10, &[0xff, 0xff]), FORMERR),
        ("a name that points at itself", pointer(12), FORMERR),
        ("a name that points ahead", pointer(16), FORMERR),
        ("a name that points behind the end", pointer(0xff), FORMERR),
        ("a label behind the end", long, FORMERR),
        ("a question cut short", good[..end - 3].to_vec(), FORMERR),
        ("class CH", with(end - 2, &[0, 3]), REFUSED),
        ("class ANY", with(end - 2, &[0, 255]), REFUSED),
        ("AXFR", with(end - 4, &[0, 252]), REFUSED),
        ("opcode 5, UPDATE", with(2, &[5 << 3]), NOTIMP),
        ("opcode 15", with(2, &[15 << 3]), NOTIMP),
        ("outside the zone", outside, REFUSED),
    ] {
        for over in BOTH {
            let answer = ask(served.gateway.dns(), over, &query);
            let answer = answer.unwrap_or_else(|| panic!("{what} over {over:?} is not answered"));
            assert_eq!((answer.id, answer.code), (0x1234, code), "{what} over {over:?}: {answer:?}");
            assert!(answer.answers.is_empty() && !answer.recursion_available, "{what}: {answer:?}");
        }
    }
    is_unharmed(&served);
}

#[test]
fn what_is_not_there_is_denied_with_the_soa() {
    let served = Served::start();
    for (name, of, code) in [
        (format!("nobody.{ZONE}"), A, NXDOMAIN),
        (format!("a.b.c.d.{ZONE}"), A, NXDOMAIN),
        (format!("web.{ZONE}"), AAAA, NOERROR),
        (format!("web.{ZONE}"), 999, NOERROR),
        (format!("_nope._tcp.web.{ZONE}"), SRV, NXDOMAIN),
        (format!("_main._udp.web.{ZONE}"), SRV, NXDOMAIN),
    ] {
        for over in BOTH {
            let answer = ask(served.gateway.dns(), over, &question(9, &name, of)).unwrap();
            assert_eq!((answer.code, answer.authoritative), (code, true), "{name} {of}: {answer:?}");
            assert!(answer.answers.is_empty(), "{answer:?}");
            let authorities: Vec<u16> = answer.authorities.iter().map(|(of, _)| *of).collect();
            assert_eq!(authorities, [SOA], "{name} {of}: {answer:?}");
        }
    }
    is_unharmed(&served);
}

#[test]
fn a_port_is_found_by_its_name() {
    let served = Served::start();
    for over in BOTH {
        // The case of the question is the client's own.
        for name in [format!("_main._tcp.web.{ZONE}"), format!("_MAIN._tcp.Web.{ZONE}")] {
            let answer = ask(served.gateway.dns(), over, &question(9, &name, SRV)).unwrap();
            assert_eq!(answer.code, NOERROR);
            let [(SRV, data)] = &answer.answers[..] else { panic!("one SRV: {answer:?}") };
            // RFC 2782: priority, weight, port, target.
            assert_eq!(data[4..6], PORT.to_be_bytes(), "{answer:?}");
            assert!(data[6..].starts_with(b"\x03web\x04jobs"), "{answer:?}");
        }
    }
    is_unharmed(&served);
}

#[test]
fn what_asks_for_no_answer_gets_none() {
    let served = Served::start();
    let mut response = question(0x1234, &format!("web.{ZONE}"), A);
    response[2] |= 0x80;
    for query in [&response[..], &response[..12], &response[..11], &[0], &[]] {
        for over in BOTH {
            assert!(ask(served.gateway.dns(), over, query).is_none(), "{query:?} over {over:?}");
        }
    }
    is_unharmed(&served);
}

#[test]
fn garbage_does_no_harm() {
    let served = Served::start();
    let mut random = StdRng::seed_from_u64(12);
    for length in [12, 13, 40, 512] {
        for _ in 0..50 {
            let mut bytes = vec![0; length];
            random.fill(&mut bytes[..]);
            // The id by which the good question is known stays its own.
            bytes[0] = 0x12;
            for over in BOTH {
                let answer = ask(served.gateway.dns(), over, &bytes);
                let is_response = bytes[2] & 0x80 != 0;
                assert_eq!(answer.is_none(), is_response, "{bytes:?} over {over:?}: {answer:?}");
                if let Some(answer) = answer {
                    assert_ne!(answer.code, NOERROR, "{bytes:?}: {answer:?}");
                    assert_eq!(answer.id.to_be_bytes(), bytes[..2]);
                }
            }
        }
    }
    is_unharmed(&served);
}

#[test]
fn a_tcp_length_that_is_wrong_ends_its_connection_alone() {
    let served = Served::start();
    let good = framed(&question(7, &format!("web.{ZONE}"), A));
    let mut bystander = open(served.gateway.dns());
    for bytes in [
        vec![0, 0],
        [&[0, 0], &good[..]].concat(),
        // Longer than any query that is taken.
        [&[0xff, 0xff], &good[..]].concat(),
        // Longer than what comes.
        [&[0, 100], &good[2..]].concat(),
        vec![0],
    ] {
        let mut stream = open(served.gateway.dns());
        stream.write_all(&bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        // An end with our bytes unread is a reset.
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty(), "{bytes:?}: {answer:?}");
    }
    bystander.write_all(&good).unwrap();
    let mut length = [0; 2];
    bystander.read_exact(&mut length).unwrap();
    is_unharmed(&served);
}
