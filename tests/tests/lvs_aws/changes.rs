//! Who comes and who leaves, in which calls.

use lvs_sync::model::Op;
use lvs_sync::sink::OpError;

use crate::stage::{Stage, add, remove, set, target};

#[test]
fn a_target_comes_drains_and_is_gone() {
    let mut stage = Stage::set();
    assert_eq!(stage.apply(&[add(1), add(2)]), [Ok(()), Ok(())]);
    assert_eq!(stage.shown(), [(target(1), 1, 0), (target(2), 1, 0)]);
    assert_eq!(stage.operator.registered(&stage.blog), [target(1), target(2)]);

    assert_eq!(stage.apply(&[set(1, 0)]), [Ok(())]);
    assert_eq!(stage.operator.registered(&stage.blog), [target(2)]);
    assert_eq!(stage.shown(), [(target(1), 0, 1), (target(2), 1, 0)]);
    stage.proxy.changes();
    // Neither there nor to be added, and nothing is to be done for its end.
    for op in [add(1), set(1, 1)] {
        let outcome = stage.apply(&[op]).remove(0);
        let told = matches!(&outcome, Err(OpError::Later(text)) if text.contains("10.0.0.1:80 still drains"));
        assert!(told, "{outcome:?}");
    }
    assert_eq!(stage.apply(&[set(1, 0), remove(1)]), [Ok(()), Ok(())]);
    assert_eq!(stage.proxy.changes(), [""; 0]);

    stage.proxy.end_drains();
    assert_eq!(stage.shown(), [(target(2), 1, 0)]);
    assert_eq!(stage.apply(&[add(1)]), [Ok(())]);
    // Without a drain of its own it is taken out as gently.
    assert_eq!(stage.apply(&[remove(2)]), [Ok(())]);
    assert_eq!(stage.shown(), [(target(1), 1, 0), (target(2), 0, 1)]);
}

#[test]
fn what_is_not_as_believed_is_told_and_changes_nothing() {
    let mut stage = Stage::set();
    stage.operator.register(&stage.blog, &[target(1)]);
    let outcomes = stage.apply(&[add(1), set(2, 0), set(2, 1), remove(2), set(1, 1)]);
    let gone = Err(OpError::Gone);
    assert_eq!(outcomes, [Err(OpError::Exists), gone.clone(), gone.clone(), gone.clone(), Ok(())]);
    assert_eq!(stage.proxy.changes(), [""; 0]);
    stage.operator.delete(&stage.blog);
    assert_eq!(stage.apply(&[remove(1), set(1, 0)]), [gone.clone(), gone]);
}

#[test]
fn hundreds_go_in_hundreds_and_who_comes_goes_first() {
    let mut stage = Stage::set();
    let come: Vec<Op> = (0..250).map(add).collect();
    assert!(stage.apply(&come).iter().all(Result::is_ok));
    let said = stage.proxy.said();
    let of = |action: &str| -> Vec<usize> {
        said.iter().filter(|(said, _)| said == action).map(|(_, targets)| *targets).collect()
    };
    assert_eq!(of("RegisterTargets"), [100, 100, 50]);
    assert_eq!(of("DescribeTargetHealth"), [100, 100, 50]);
    assert_eq!(stage.operator.registered(&stage.blog).len(), 250);

    let mut ops: Vec<Op> = (0..130).map(|n| set(n, 0)).collect();
    ops.extend((300..310).map(add));
    assert!(stage.apply(&ops).iter().all(Result::is_ok));
    assert_eq!(
        stage.proxy.changes(),
        ["RegisterTargets 10", "DeregisterTargets 100", "DeregisterTargets 30"]
    );
    let shown = stage.shown();
    assert_eq!(shown.iter().filter(|(_, weight, open)| (*weight, *open) == (0, 1)).count(), 130);
    assert_eq!(shown.iter().filter(|(_, weight, open)| (*weight, *open) == (1, 0)).count(), 130);
}
