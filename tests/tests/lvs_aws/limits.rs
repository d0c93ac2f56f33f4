//! What AWS does not take at once, and what it never takes.

use std::time::{Duration, Instant};

use lvs_sync::model::Op;
use lvs_sync::sink::{OpError, Sink};

use crate::proxy::Fault;
use crate::stage::{Stage, add, set, target};

#[test]
fn throttled_calls_come_again() {
    let mut stage = Stage::set();
    stage.proxy.fault("DescribeTargetGroups", 1, Fault::Error("Throttling"));
    stage.proxy.fault("DescribeTags", 1, Fault::Error("RequestLimitExceeded"));
    stage.proxy.fault("DescribeTargetHealth", 2, Fault::Status(503));
    stage.proxy.fault("RegisterTargets", 3, Fault::Error("Throttling"));
    stage.proxy.fault("DeregisterTargets", 1, Fault::Status(503));
    assert_eq!(stage.shown(), []);
    assert_eq!(stage.apply(&[add(1)]), [Ok(())]);
    assert_eq!(stage.apply(&[set(1, 0)]), [Ok(())]);
    let said: Vec<String> = stage.proxy.said().into_iter().map(|(action, _)| action).collect();
    let of = |action: &str| said.iter().filter(|said| *said == action).count();
    // By us and nobody else.
    assert_eq!(
        ["DescribeTargetGroups", "DescribeTags", "RegisterTargets", "DeregisterTargets"].map(of),
        [2, 2, 4, 2]
    );
    assert_eq!(of("DescribeTargetHealth"), 2 + 3);
    assert_eq!(stage.shown(), [(target(1), 0, 1)]);
}

#[test]
fn one_that_stays_throttled_is_left_for_later_and_asked_no_more() {
    let mut stage = Stage::set();
    stage.proxy.fault("RegisterTargets", usize::MAX, Fault::Error("Throttling"));
    // A lease that ends is waited for no longer than it lasts.
    let ops: Vec<Op> = (0..150).map(add).collect();
    let began = Instant::now();
    let until = began + Duration::from_millis(700);
    let outcomes = stage.sink.apply(&ops, Some(until)).unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    for outcome in &outcomes {
        let told = matches!(outcome, Err(OpError::Later(text)) if text.contains("Throttling"));
        assert!(told, "{outcome:?}");
    }
    let changes = stage.proxy.changes();
    assert!(changes.len() > 1 && changes.iter().all(|call| call == "RegisterTargets 100"), "{changes:?}");
    // Nor is a deadline passed over without one.
    let began = Instant::now();
    let outcomes = stage.apply(&[add(1)]);
    assert!(matches!(&outcomes[0], Err(OpError::Later(_))), "{outcomes:?}");
    assert!((5..15).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert!(stage.operator.registered(&stage.blog).is_empty());
}

#[test]
fn where_a_quota_is_reached_who_leaves_makes_room() {
    let mut stage = Stage::set();
    stage.proxy.quota(3);
    assert!(stage.apply(&[add(1), add(2), add(3)]).iter().all(Result::is_ok));
    stage.proxy.changes();
    assert!(stage.apply(&[add(4), add(5), set(1, 0), set(2, 0)]).iter().all(Result::is_ok));
    assert_eq!(stage.proxy.changes(), ["RegisterTargets 2", "DeregisterTargets 2", "RegisterTargets 2"]);
    assert_eq!(stage.operator.registered(&stage.blog), [target(3), target(4), target(5)]);
    // And where that is not enough, it is said what is.
    let outcomes = stage.apply(&[add(6), add(7), set(3, 0)]);
    for outcome in &outcomes[..2] {
        let told = matches!(outcome, Err(OpError::Refused(text)) if text.contains("TooManyTargets")
            && text.contains("Service Quotas"));
        assert!(told, "{outcome:?}");
    }
    assert_eq!(outcomes[2], Ok(()));
    assert_eq!(stage.operator.registered(&stage.blog), [target(4), target(5)]);
}

#[test]
fn nothing_is_begun_when_the_lease_is_over() {
    let mut stage = Stage::set();
    stage.sink.dump().unwrap();
    let ops: Vec<Op> = (0..150).map(add).collect();
    let outcomes = stage.sink.apply(&ops, Some(Instant::now())).unwrap();
    assert!(outcomes.iter().all(|outcome| *outcome == Err(OpError::Late)), "{outcomes:?}");
    assert_eq!(stage.proxy.changes(), [""; 0]);

    // It runs out in the first call; the second is not begun.
    let until = Instant::now() + Duration::from_secs(2);
    stage.proxy.hook(move |action| {
        while action == "RegisterTargets" && Instant::now() <= until {
            std::thread::sleep(until - Instant::now() + Duration::from_millis(1));
        }
    });
    let outcomes = stage.sink.apply(&ops, Some(until)).unwrap();
    assert!(outcomes[..100].iter().all(Result::is_ok), "{outcomes:?}");
    assert!(outcomes[100..].iter().all(|outcome| *outcome == Err(OpError::Late)), "{outcomes:?}");
    assert_eq!(stage.proxy.changes(), ["RegisterTargets 100"]);
}

#[test]
fn what_was_done_without_an_answer_is_ours() {
    let mut stage = Stage::set();
    stage.proxy.fault("RegisterTargets", 1, Fault::Lost);
    let outcomes = stage.apply(&[add(1)]);
    assert!(matches!(&outcomes[0], Err(OpError::Later(_))), "{outcomes:?}");
    assert_eq!(stage.proxy.changes(), ["RegisterTargets 1"], "nobody else calls again");
    assert_eq!(stage.operator.registered(&stage.blog), [target(1)]);
    // Not as if somebody else had been faster.
    assert_eq!(stage.apply(&[add(1)]), [Ok(())]);
    assert_eq!(stage.apply(&[add(1)]), [Err(OpError::Exists)]);
    assert_eq!(stage.proxy.changes(), [""; 0]);
}

#[test]
fn one_that_does_not_answer_is_given_up_and_asked_no_more() {
    let mut stage = Stage::set();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    stage.proxy.hook(move |action| {
        if action == "RegisterTargets" {
            // Until the test is over.
            let _ = ended.recv();
        }
    });
    let began = Instant::now();
    let outcomes = stage.apply(&(0..250).map(add).collect::<Vec<Op>>());
    assert!((5..15).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    for outcome in &outcomes {
        let told = matches!(outcome, Err(OpError::Later(text)) if text.contains("did not answer within"));
        assert!(told, "{outcome:?}");
    }
    drop(end);
    assert_eq!(stage.proxy.changes(), ["RegisterTargets 100"]);
}
