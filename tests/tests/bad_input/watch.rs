//! Watches from revisions that are not there.

use roundhouse_tests::Signal;

use crate::Served;

#[test]
fn a_watch_from_a_revision_that_is_not_kept_is_told_to_read_a_snapshot() {
    let mut served = Served::start();
    let refused = |served: &Served, from: u64| {
        let reply = served.gateway.api(&format!("/v1/watch?from={from}"));
        assert_eq!(reply.status, 410, "{reply:?}");
        let problem = reply.json();
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with(&format!("revision {from} is not in the history kept")), "{detail}");
        assert!(detail.contains("GET /v1/snapshot, then watch from its revision"), "{detail}");
        assert_eq!(problem["path"], "from");
    };
    refused(&served, 1_000_000);
    refused(&served, u64::MAX);
    served.is_unharmed();

    // A process knows the history since its own start only.
    served.gateway.process().signal(Signal::TERM);
    served.gateway.stopped();
    served.gateway.run();
    served.gateway.wait_healthy("web", 1);
    refused(&served, 1);
    served.still_serves();
}
