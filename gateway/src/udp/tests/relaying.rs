use std::collections::HashMap;
use std::net::SocketAddr;

use super::fixture::*;
use crate::udp::{Arrival, Reason, Traffic, UdpLimits};

#[test]
fn a_thousand_clients_get_their_own_answers() {
    raise_descriptors();
    run(async {
        let engine = engine(&[echo(), echo()], UdpLimits::default());
        let (downstream, asked) = open(&engine, "127.0.0.1:0");
        let clients: Vec<_> = (0..1_000).map(|_| bound().0).collect();
        for round in 0..3 {
            // As many as the sockets' buffers hold at once.
            for (group, clients) in clients.chunks(100).enumerate() {
                for (index, client) in clients.iter().enumerate() {
                    client.send_to(format!("{round} {group} {index}").as_bytes(), asked).await.unwrap();
                }
                for (index, client) in clients.iter().enumerate() {
                    let (answer, from) = answer(client).await;
                    assert_eq!(String::from_utf8(answer).unwrap(), format!("{round} {group} {index}"));
                    assert_eq!(from, asked);
                }
            }
        }
        assert_eq!(downstream.sessions(), 1_000);
        let counters = engine.host().counters_now();
        assert_eq!(counters, [1_000, 1_000, 3_000, 3_000]);
    });
}

#[test]
fn answers_come_from_the_address_asked() {
    run(async {
        let engine = engine(&[echo()], UdpLimits::default());
        let (_four, port) = open(&engine, "0.0.0.0:0");
        let (_both, port_of_both) = open(&engine, "[::]:0");
        let (_one, one) = open(&engine, "[::1]:0");
        let asked = [
            format!("127.1.2.3:{}", port.port()),
            format!("127.99.0.1:{}", port.port()),
            format!("127.99.0.2:{}", port_of_both.port()),
            format!("[::1]:{}", port_of_both.port()),
            one.to_string(),
        ];
        let four = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let six = tokio::net::UdpSocket::bind("[::1]:0").await.unwrap();
        for asked in asked {
            let asked: SocketAddr = asked.parse().unwrap();
            let client = if asked.is_ipv4() { &four } else { &six };
            assert_eq!(ask(client, asked, b"who?").await, (b"who?".to_vec(), asked));
        }
        // One client, and yet a session for each address.
        assert_eq!(engine.host().opened.borrow().len(), 5);
        let clients = [four.local_addr().unwrap(), six.local_addr().unwrap()];
        assert!(engine.host().opened.borrow().iter().all(|(client, _)| clients.contains(client)));
    });
}

#[test]
fn captured_traffic_is_answered_by_whoever_captured_it() {
    run(async {
        let engine = engine(&[echo()], UdpLimits::default());
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&SocketAddr::from(([0, 0, 0, 0], 0)).into()).unwrap();
        let downstream = engine.open(socket.into(), Arrival::Captured).unwrap();
        let port = downstream.local_addr().port();
        let client = bound().0;
        for last in 1..=5 {
            let asked = SocketAddr::from(([127, 99, 0, last], port));
            assert_eq!(ask(&client, asked, b"?").await, (b"?".to_vec(), asked));
        }
        assert_eq!((engine.host().replies.get(), downstream.sessions()), (5, 5));
    });
}

#[test]
fn empty_and_largest_datagrams_pass() {
    run(async {
        let engine = engine(&[echo()], UdpLimits::default());
        let (_downstream, asked) = open(&engine, "0.0.0.0:0");
        let asked = SocketAddr::from(([127, 0, 0, 1], asked.port()));
        let client = bound().0;
        for size in [0, 1, 1_472, 1_473, 65_507, 0] {
            let question: Vec<u8> = (0..size).map(|index| (index % 251) as u8).collect();
            assert_eq!(ask(&client, asked, &question).await, (question, asked));
        }
    });
}

#[test]
fn a_burst_arrives_in_order() {
    run(async {
        let engine = engine(&[echo()], UdpLimits::default());
        let (downstream, asked) = open(&engine, "127.0.0.1:0");
        let clients: Vec<_> = (0..4).map(|_| bound().0).collect();
        // 10,000 in all; 160 at once are what the default buffers hold.
        for round in 0..63u32 {
            for number in 0..40u32 {
                for client in &clients {
                    client.send_to(&(round * 40 + number).to_be_bytes(), asked).await.unwrap();
                }
            }
            for client in &clients {
                for number in 0..40u32 {
                    assert_eq!(answer(client).await.0, (round * 40 + number).to_be_bytes());
                }
            }
        }
        let expected = Traffic {
            datagrams_to_instance: 2_520,
            bytes_to_instance: 4 * 2_520,
            datagrams_to_client: 2_520,
            bytes_to_client: 4 * 2_520,
        };
        downstream.for_each(|session| assert_eq!((session.traffic, session.answered), (expected, true)));
        assert_eq!(downstream.sessions(), 4);
    });
}

#[test]
fn a_session_keeps_its_instance() {
    run(async {
        let instances = [echo(), echo(), echo()];
        let engine = engine(&instances, UdpLimits::default());
        let (downstream, asked) = open(&engine, "127.0.0.1:0");
        let clients: Vec<_> = (0..9).map(|_| bound().0).collect();
        let see = || {
            let mut seen = HashMap::new();
            downstream.for_each(|session| assert!(seen.insert(session.client, session.instance).is_none()));
            seen
        };
        for client in &clients {
            ask(client, asked, b"first").await;
        }
        let first = see();
        for instance in instances {
            assert_eq!(first.values().filter(|picked| **picked == instance).count(), 3);
        }
        for client in clients.iter().chain(&clients) {
            ask(client, asked, b"later").await;
        }
        assert_eq!(see(), first);
        assert_eq!(engine.host().opened.borrow().len(), 9);
    });
}

#[test]
fn sessions_are_closed_from_outside() {
    run(async {
        let (one, other) = (echo(), echo());
        let engine = engine(&[one, other], UdpLimits::default());
        let (downstream, asked) = open(&engine, "127.0.0.1:0");
        let clients: Vec<_> = (0..4).map(|_| bound().0).collect();
        for client in &clients {
            ask(client, asked, b"?").await;
        }
        let closed = downstream.close_where(|session| session.instance == one, Reason::InstanceGone);
        assert_eq!((closed, downstream.sessions()), (2, 2));
        downstream.for_each(|session| assert_eq!(session.instance, other));
        engine.host().all.borrow_mut().retain(|instance| *instance == other);
        for client in &clients {
            ask(client, asked, b"?").await;
        }
        downstream.for_each(|session| assert_eq!(session.instance, other));

        downstream.drain();
        ask(&clients[0], asked, b"goes on").await;
        let late = bound().0;
        late.send_to(b"too late", asked).await.unwrap();
        until(|| engine.host().refused() == 1).await;
        downstream.stop();
        let host = engine.host();
        let reasons: Vec<_> = host.closed.borrow().iter().map(|closed| closed.1).collect();
        assert_eq!(reasons[..2], [Reason::InstanceGone; 2]);
        assert_eq!(reasons[2..], [Reason::Stopped; 4]);
        assert_eq!(host.counters_now()[1], 0);
        // The socket is closed when its task is: nobody is in the way any more.
        until(|| std::net::UdpSocket::bind(asked).is_ok()).await;
    });
}
