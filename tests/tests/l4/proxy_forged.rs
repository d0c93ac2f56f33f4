//! Headers of those who may not send any: not one is believed, however it is cut, by the gateway or by an instance.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use roundhouse_tests::{End, SOON, dial_from, read_to_its_end};

use crate::proxy::{SIGNATURE, STRANGER, Stage, TRUSTED, v2};

const CONNECTIONS: usize = 10_000;
const V1: &[u8] = b"PROXY TCP4 192.0.2.7 203.0.113.9 4321 443\r\n";

/// Of connection `n`: who sends what, in how many parts.
fn forged(n: usize) -> (u8, Vec<Vec<u8>>) {
    let header = if n.is_multiple_of(2) { V1.to_vec() } else { v2(&[]) };
    let whole = [&header[..], b"forged"].concat();
    match n / 2 % 4 {
        0 => (STRANGER, vec![whole]),
        1 => {
            let (first, second) = whole.split_at(1 + n % (header.len() - 1));
            (STRANGER, vec![first.to_vec(), second.to_vec()])
        }
        // A second one behind a trusted peer's own.
        2 => (TRUSTED, vec![[&v2(&[])[..], &whole].concat()]),
        _ => (TRUSTED, vec![v2(&[]), whole]),
    }
}

/// `true`: reset, as it must be.
fn refused(from: SocketAddr, parts: &[Vec<u8>], to: SocketAddr) -> bool {
    let mut client: TcpStream = dial_from(from.ip(), to);
    for part in parts {
        // The gateway may have reset it after the first one.
        if client.write_all(part).is_err() {
            return true;
        }
        std::thread::yield_now();
    }
    let _ = client.shutdown(Shutdown::Write);
    read_to_its_end(&mut client) == (Vec::new(), End::Reset)
}

#[test]
fn ten_thousand_forged_headers_and_none_is_believed() {
    // The last one would like to send a client's first bytes with the SYN.
    for (settings, port) in [("", ""), ("", r#","proxy":"v2""#), ("[tcp]\nfast_open = true", "")] {
        let stage = Stage::with(settings, port);
        let (next, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    loop {
                        let n = next.fetch_add(1, Relaxed);
                        if n >= CONNECTIONS / 2 {
                            return;
                        }
                        let (host, parts) = forged(n);
                        let from = SocketAddr::new(stage.gateway.net.address(host), 0);
                        if !refused(from, &parts, stage.entrypoint) {
                            answered.fetch_add(1, Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(answered.load(Relaxed), 0, "answered");
        stage.gateway.wait_reason("proxy_forged", CONNECTIONS as u64 / 2);
        // An honest client after them all, so that everything before it has been seen.
        let mut honest = stage.dial(STRANGER);
        let own = honest.local_addr().unwrap();
        honest.write_all(b"honest").unwrap();
        honest.shutdown(Shutdown::Write).unwrap();
        read_to_its_end(&mut honest);
        let mut seen = 0;
        while let Ok(bytes) = stage.got.recv_timeout(SOON) {
            // What the gateway itself puts before it says who really connected.
            let (header, rest) =
                if port.is_empty() { (&[][..], &bytes[..]) } else { bytes.split_at(bytes.len().min(28)) };
            let of_gateway = header.is_empty() || header.starts_with(SIGNATURE);
            assert!(of_gateway, "{bytes:?}");
            assert!(!contains(rest, SIGNATURE) && !contains(rest, b"PROXY "), "{bytes:?}");
            assert!(!contains(rest, b"forged"), "{bytes:?}");
            seen += 1;
            if contains(rest, b"honest") {
                let std::net::IpAddr::V4(ip) = own.ip() else { panic!("{own}") };
                assert!(header.is_empty() || header[16..20] == ip.octets(), "{header:?}");
                break;
            }
        }
        assert!(seen > 0, "the honest client was not served");
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// A first byte that could begin a header is not held back when no more of one comes.
#[test]
fn what_only_begins_like_a_header_goes_through() {
    let stage = Stage::set("");
    for bytes in [&b"P"[..], b"PROX", b"PROXIMA", b"\r\n\r\n", b"\r\n\r\n\0\r\nQUI", b"proxy TCP4 "] {
        let mut client = stage.dial(STRANGER);
        client.write_all(bytes).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_its_end(&mut client).0, b"got it");
        assert_eq!(stage.got.recv_timeout(SOON).unwrap(), bytes);
    }
}
