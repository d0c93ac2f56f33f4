//! Which group is a pool's.

use lvs_sync::model::Op;
use lvs_sync::sink::{OpError, Sink};

use crate::proxy::Fault;
use crate::stage::{Stage, add, add_service, blog, target};

#[test]
fn groups_are_found_by_tag_or_name_and_shown_with_whoever_is_in_them() {
    let mut stage = Stage::set();
    let shop = stage.operator.create("Shop-2", "ip", Some("shop"));
    stage.operator.create("classic", "instance", None);
    stage.operator.register(&stage.blog, &[target(1)]);
    stage.operator.register(&shop, &[target(2), target(3)]);
    let dump = stage.sink.dump().unwrap();
    let shown: Vec<(String, usize)> =
        dump.services.iter().map(|(key, service)| (key.to_string(), service.destinations.len())).collect();
    assert_eq!(shown, [("group/blog".into(), 1), ("group/shop".into(), 2)]);
    // One that goes while tags are asked for takes no other's tag away.
    stage.proxy.fault("DescribeTags", 1, Fault::Error("TargetGroupNotFound"));
    assert_eq!(stage.sink.dump().unwrap().services.len(), 2);
    // Of one alone, one group is looked into.
    stage.proxy.said();
    assert_eq!(stage.sink.dump_of(&[blog()].into()).unwrap().services.len(), 1);
    assert_eq!(stage.proxy.said(), [("DescribeTargetHealth".into(), 0)]);
    stage.operator.delete(&stage.blog);
    assert_eq!(stage.sink.dump_of(&[blog()].into()).unwrap().services.len(), 0);
}

#[test]
fn a_group_that_is_missing_is_asked_for_until_it_is_there() {
    let mut stage = Stage::set();
    stage.operator.delete(&stage.blog);
    assert!(stage.sink.dump().unwrap().services.is_empty());
    let outcomes = stage.apply(&[add_service("blog"), add(1)]);
    for (outcome, said) in outcomes.iter().zip(["create one of target type `ip`", "no target group"]) {
        let told = matches!(outcome, Err(OpError::Refused(text)) if text.contains(said));
        assert!(told, "{outcome:?}");
    }
    let instances = stage.operator.create("blog", "instance", None);
    let outcomes = stage.apply(&[add_service("blog")]);
    let told = matches!(&outcomes[0], Err(OpError::Refused(text)) if text.contains("takes no addresses"));
    assert!(told, "{outcomes:?}");
    stage.operator.delete(&instances);
    let group = stage.operator.create("blog", "ip", None);
    // It may have something in it, which is looked at first.
    let outcomes = stage.apply(&[add_service("blog"), add(1)]);
    assert_eq!(outcomes[0], Err(OpError::Exists));
    assert!(matches!(&outcomes[1], Err(OpError::Later(_))), "{outcomes:?}");
    assert_eq!(stage.shown(), []);
    assert_eq!(stage.apply(&[add(1)]), [Ok(())]);
    assert_eq!(stage.operator.registered(&group), [target(1)]);
    // It is the operator's, and stays.
    assert_eq!(stage.apply(&[Op::RemoveService(blog())]), [Ok(())]);
    assert_eq!(stage.operator.registered(&group), [target(1)]);
}
