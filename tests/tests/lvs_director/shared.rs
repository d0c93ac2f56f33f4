//! Of two directors at one HAProxy one leads.

use std::time::Duration;

use roundhouse_tests::{SOON, Signal, eventually, seen};

use crate::stage::{Stage, who};

/// A lease of 20 s that runs out, and a candidate that looks every third of it.
const TAKEOVER: Duration = Duration::from_secs(40);

#[test]
fn one_programs_it_and_when_that_one_freezes_the_other() {
    let stage = Stage::new();
    stage.job();
    let first = stage.instance(1, "a");
    let vip = stage.pool();
    stage.config(1, "shared = \"edge\"");
    stage.config(2, "shared = \"edge\"");
    let leader = stage.run(1);
    eventually(SOON, "the first leads", || who(vip));
    let once = stage.lvs_sync(2, &["apply", "--once"]);
    let said = String::from_utf8_lossy(&once.stderr).into_owned();
    assert!(
        !once.status.success() && said.contains("the director `lvs-1` has what is shared as `edge`"),
        "{said}"
    );
    let _other = stage.run(2);
    eventually(SOON, "the second stands by", || seen(stage.status(2), |sink| sink["standby"] == true));
    assert_eq!(stage.gateway.api("/v1/leaders/edge").json()["director"], "lvs-1");

    // It does not notice that it leads no more.
    leader.signal(Signal::STOP);
    let second = stage.instance(2, "b");
    eventually(TAKEOVER, "the second takes over", || seen(stage.status(2), |sink| sink["standby"] == false));
    drop(first);
    eventually(SOON, "and programs what came meanwhile", || {
        seen(who(vip).ok(), |name| name.as_deref() == Some("b"))
    });
    let before = stage.asked("show servers state");

    leader.signal(Signal::CONT);
    eventually(SOON, "the first sees that it leads no more", || {
        seen(stage.status(1), |sink| sink["standby"] == true)
    });
    assert_eq!(stage.asked("show servers state").lines().count(), before.lines().count());
    assert_eq!(stage.gateway.api("/v1/leaders/edge").json()["director"], "lvs-2");
    drop(second);
}
