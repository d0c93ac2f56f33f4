use super::fixture::*;
use crate::udp::{Reason, UdpLimits};

#[test]
fn sessions_expire_when_they_have_been_idle() {
    run(async {
        let engine = engine(&[echo()], UdpLimits::default());
        engine.host().idle.set(3);
        let (downstream, asked) = open(&engine, "127.0.0.1:0");
        let (busy, idle) = (bound().0, bound().0);
        ask(&busy, asked, b"?").await;
        ask(&idle, asked, b"?").await;
        for _ in 0..2 {
            engine.tick();
            ask(&busy, asked, b"?").await;
        }
        assert_eq!(downstream.sessions(), 2);
        engine.tick();
        assert_eq!(downstream.sessions(), 1);
        let closed = engine.host().closed.borrow()[0];
        assert_eq!((closed.0, closed.1), (idle.local_addr().unwrap(), Reason::Idle));
        // It begins anew.
        ask(&idle, asked, b"?").await;
        (0..3).for_each(|_| engine.tick());
        assert_eq!(downstream.sessions(), 0);
    });
}

#[test]
fn a_flood_does_not_push_out_who_is_served() {
    run(async {
        let limits = UdpLimits { sessions: 8, ..UdpLimits::default() };
        let engine = engine(&[answering(|question| question == b"served")], limits);
        let (downstream, asked) = open(&engine, "127.0.0.1:0");
        let served: Vec<_> = (0..4).map(|_| bound().0).collect();
        for client in &served {
            ask(client, asked, b"served").await;
        }
        let flood: Vec<_> = (0..40).map(|_| bound().0).collect();
        for client in &flood {
            client.send_to(b"forged", asked).await.unwrap();
        }
        until(|| engine.host().opened.borrow().len() == 44).await;
        assert_eq!(downstream.sessions(), 8);
        let host = engine.host();
        let evicted: Vec<_> = host.closed.borrow().iter().map(|closed| (closed.0, closed.1)).collect();
        let expected: Vec<_> =
            flood[..36].iter().map(|client| (client.local_addr().unwrap(), Reason::Evicted)).collect();
        assert_eq!(evicted, expected);

        // When all are served there is no room for one more, and they go on.
        for client in &flood[36..] {
            ask(client, asked, b"served").await;
        }
        bound().0.send_to(b"served", asked).await.unwrap();
        until(|| host.refused() == 1).await;
        for client in &served {
            ask(client, asked, b"served").await;
        }
        assert_eq!(host.opened.borrow().len(), 44);
    });
}

#[test]
fn the_worker_has_a_limit_too() {
    run(async {
        let engine = engine(&[echo()], UdpLimits { sessions_of_worker: 3, ..UdpLimits::default() });
        let (_one, one) = open(&engine, "127.0.0.1:0");
        let (other, another) = open(&engine, "127.0.0.1:0");
        for _ in 0..3 {
            ask(&bound().0, one, b"?").await;
        }
        bound().0.send_to(b"?", another).await.unwrap();
        until(|| engine.host().refused() == 1).await;
        assert_eq!(other.sessions(), 0);
    });
}
