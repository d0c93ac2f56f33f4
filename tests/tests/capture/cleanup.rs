//! What is left of it: nothing after an orderly end, and after a kill something that refuses, until the next start.

use std::net::TcpStream;

use roundhouse_tests::{SOON, Signal, eventually};

use crate::network::{asked, ruleset, sh};
use crate::{Host, in_a_network_of_its_own, refused};

#[test]
fn an_orderly_end_leaves_nothing_and_a_kill_something_that_refuses() {
    in_a_network_of_its_own(
        "cleanup::an_orderly_end_leaves_nothing_and_a_kill_something_that_refuses",
        || {
            let mut host = Host::start("10.77.0.0/16");
            assert_eq!(asked(host.stream(), "a"), "instance a");
            let (stream, datagram) = (host.stream(), host.datagram());
            host.gateway.process().signal(Signal::KILL);
            host.gateway.stopped();
            // The apps on the same ports get nobody who dialled a job.
            refused(stream, datagram);
            host.apps_saw_nothing();

            // The next one takes over what the killed one left, once.
            host.run();
            assert_eq!(ruleset().matches("chain catch").count(), 1);
            eventually(SOON, "it serves again", || {
                TcpStream::connect(stream).is_ok().then(|| asked(stream, "b")) == Some("instance b".into())
            });
            host.gateway.process().signal(Signal::TERM);
            host.gateway.stopped();
            assert_eq!(ruleset(), "");
            assert_eq!(sh("ip route show table all proto 157"), "");
        },
    );
}

#[test]
fn an_edit_by_somebody_else_is_made_good() {
    in_a_network_of_its_own("cleanup::an_edit_by_somebody_else_is_made_good", || {
        let host = Host::start("127.99.0.0/16");
        let before = ruleset();
        sh("nft flush ruleset");
        eventually(SOON * 2, "the table is back", || ruleset() == before);
        assert_eq!(asked(host.stream(), "a"), "instance a");
        assert!(host.gateway.process().stderr().contains("they are made anew"));
    });
}
