use super::fixture::*;
use crate::udp::{Reason, UdpLimits};

#[test]
fn the_first_datagram_finds_an_instance_that_listens() {
    run(async {
        let (_held, nobody) = nobody();
        let engine = engine(&[nobody, echo()], UdpLimits::default());
        let (_downstream, asked) = open(&engine, "127.0.0.1:0");
        assert_eq!(ask(&bound().0, asked, b"once").await.0, b"once");
        assert_eq!(*engine.host().failed.borrow(), [nobody]);
        assert_eq!(engine.host().opened.borrow().len(), 1);
    });
}

#[test]
fn with_nobody_left_it_is_refused() {
    run(async {
        let held: Vec<_> = (0..5).map(|_| nobody()).collect();
        let all: Vec<_> = held.iter().map(|held| held.1).collect();
        let engine = engine(&all, UdpLimits::default());
        let (downstream, asked) = open(&engine, "127.0.0.1:0");
        bound().0.send_to(b"?", asked).await.unwrap();
        until(|| engine.host().refused() == 1).await;
        // Tries end before the instances do.
        assert_eq!((engine.host().failed.borrow().len(), downstream.sessions()), (3, 0));
    });
}

#[test]
fn after_port_unreachable_the_next_datagram_goes_elsewhere() {
    run(async {
        let (first, address) = bound();
        let engine = engine(&[address], UdpLimits::default());
        let (downstream, asked) = open(&engine, "127.0.0.1:0");
        let client = bound().0;
        client.send_to(b"hello", asked).await.unwrap();
        assert_eq!(answer(&first).await.0, b"hello");
        drop(first);
        engine.host().all.borrow_mut().push(echo());

        client.send_to(b"lost", asked).await.unwrap();
        until(|| engine.host().failed.borrow().len() == 1).await;
        assert_eq!(downstream.sessions(), 0);
        assert_eq!(engine.host().closed.borrow()[0].1, Reason::Failed);
        assert_eq!(ask(&client, asked, b"found").await.0, b"found");
        assert_eq!(engine.host().opened.borrow().len(), 2);
        assert_eq!(engine.host().icmp_errors(), 1);
    });
}

/// The second datagram of a batch meets the error of the first, and is not lost with it.
#[test]
fn what_meets_an_earlier_ones_error_goes_elsewhere() {
    run(async {
        let (first, address) = bound();
        let engine = engine(&[address], UdpLimits::default());
        let (_downstream, asked) = open(&engine, "127.0.0.1:0");
        let client = bound().0;
        client.send_to(b"hello", asked).await.unwrap();
        assert_eq!(answer(&first).await.0, b"hello");
        drop(first);
        engine.host().all.borrow_mut().push(echo());

        for question in [b"lost", b"sent", b"more"] {
            client.try_send_to(question, asked).unwrap();
        }
        assert_eq!(answer(&client).await.0, b"sent");
        assert_eq!(answer(&client).await.0, b"more");
        assert_eq!(engine.host().failed.borrow().len(), 1);
    });
}

#[test]
fn the_last_answer_arrives_though_the_port_is_closed() {
    run(async {
        let (instance, address) = bound();
        let engine = engine(&[address], UdpLimits::default());
        let (_downstream, asked) = open(&engine, "127.0.0.1:0");
        let client = bound().0;
        client.send_to(b"hello", asked).await.unwrap();
        let mut buffer = [0; 16];
        let (_, relay) = instance.recv_from(&mut buffer).await.unwrap();
        // Both before the relay has its turn: the answer waits, and then an error comes.
        client.try_send_to(b"lost", asked).unwrap();
        instance.try_send_to(b"bye", relay).unwrap();
        drop(instance);
        assert_eq!(answer(&client).await.0, b"bye");
        until(|| engine.host().failed.borrow().len() == 1).await;
    });
}

#[test]
fn a_datagram_too_long_for_anybody_costs_only_itself() {
    run(async {
        let engine = engine(&[echo()], UdpLimits::default());
        // 20 bytes more than IPv4 can carry to the instance.
        let (downstream, asked) = open(&engine, "[::1]:0");
        let client = tokio::net::UdpSocket::bind("[::1]:0").await.unwrap();
        ask(&client, asked, b"before").await;
        client.send_to(&[7; 65_527], asked).await.unwrap();
        assert_eq!(ask(&client, asked, b"after").await.0, b"after");
        assert_eq!((engine.host().dropped(), downstream.sessions()), (1, 1));
    });
}
