//! What others do to the same HAProxy.

use lvs_sync::model::Op;
use lvs_sync::sink::Sink;
use lvs_sync::sink::haproxy::Options;

use crate::stage::{Stage, plan, service, weighing};

#[test]
fn what_operators_do_at_the_socket_is_seen_and_put_right() {
    let mut stage = Stage::set();
    let (key, app) = (stage.key(80), stage.app(0));
    let wanted = [(key.clone(), service("wrr", &[(app, 10), (stage.app(1), 10)]))].into();
    stage.make(&wanted);
    let at = format!("rh-tcp-{}-80/{}_7000", stage.net.gateway(), app.ip());
    let (backend, _) = at.split_once('/').unwrap();
    let stranger = stage.app(7);
    for (line, weight) in [
        (format!("set server {at} weight 7"), Some(7)),
        (format!("set server {at} state drain"), Some(0)),
        (format!("set server {at} state maint"), Some(0)),
        (format!("add server {backend}/mine {stranger} weight 5"), Some(10)),
        (format!("set server {at} state maint;del server {at}"), None),
    ] {
        let said = stage.operator(&line);
        assert!(!said.contains("No such"), "{line}: {said}");
        let services = stage.services();
        let found = services[&key].destinations.get(&app).map(|one| one.weight);
        assert_eq!(found, weight, "{line}");
        assert_eq!(services[&key].destinations.contains_key(&stranger), line.contains("mine"), "{line}");
        stage.make(&wanted);
        // Also after a reload, whatever was done.
        stage.reload();
        assert_eq!(stage.services(), wanted, "{line}");
    }
}

#[test]
fn a_fragment_that_somebody_broke_is_written_again_without_a_reload() {
    let mut stage = Stage::set();
    let keys = [stage.key(80), stage.key(81)];
    let pool = service("wrr", &[(stage.app(0), 10), (stage.app(1), 0)]);
    let wanted = keys.clone().map(|key| (key, pool.clone())).into();
    stage.make(&wanted);
    let (whole, pid) = (stage.text(), stage.pid());
    let without_a_server = whole.replacen("    server ", "    # server ", 1);
    let another_weight = whole.replacen("weight 10 ", "weight 11 ", 1);
    for broken in ["", "nonsense\n", without_a_server.as_str(), another_weight.as_str()] {
        std::fs::write(&stage.fragment, broken).unwrap();
        // All is there, and one or both would not be as it is after a reload.
        let found = stage.services();
        assert!(
            found.iter().all(|(key, service)| service.destinations == wanted[key].destinations),
            "{broken}"
        );
        assert!(
            found.values().any(|service| service.settings.scheduler.as_str() == "roundrobin"),
            "{broken}"
        );
        stage.make(&wanted);
        assert_eq!(stage.text(), whole);
    }
    std::fs::remove_file(&stage.fragment).unwrap();
    stage.make(&wanted);
    assert_eq!((stage.text(), stage.pid()), (whole, pid));
}

#[test]
fn a_second_look_changes_nothing_and_a_change_is_a_command() {
    let mut stage = Stage::set();
    let (key, app, new) = (stage.key(80), stage.app(0), stage.app(1));
    let mut wanted = [(key.clone(), service("wrr", &[(app, 10)]))].into();
    stage.make(&wanted);
    let written = std::fs::metadata(&stage.fragment).unwrap().modified().unwrap();
    stage.tap.commands();
    let dump = stage.sink.dump().unwrap();
    assert_eq!(plan(&dump, &wanted), []);
    stage.make(&wanted);
    assert_eq!(stage.tap.commands(), [""; 0]);
    assert_eq!(std::fs::metadata(&stage.fragment).unwrap().modified().unwrap(), written);

    let backend = format!("rh-tcp-{}-80", stage.net.gateway());
    let (old, fresh) = (format!("{backend}/{}_7000", app.ip()), format!("{backend}/{}_7000", new.ip()));
    wanted.insert(key.clone(), service("wrr", &[(app, 9), (new, 3)]));
    let (fragment, (told, texts)) = (stage.fragment.clone(), std::sync::mpsc::channel());
    stage.tap.before(move |line| {
        if !line.starts_with("show ") {
            let _ = told.send(std::fs::read_to_string(&fragment).unwrap());
        }
    });
    stage.make(&wanted);
    stage.tap.before(|_| {});
    // A reload at any of these moments would give what is wanted.
    for text in texts.try_iter() {
        assert!(
            text.contains(&format!("{new} weight 3")) && text.contains(&format!("{app} weight 9")),
            "{text}"
        );
    }
    assert_eq!(
        stage.tap.commands(),
        [
            format!("set server {old} weight 9"),
            format!("add server {fresh} {new} weight 3 check"),
            format!("enable health {fresh}"),
            format!("enable server {fresh}"),
        ]
    );
    // What is there is there, and what is not is not; others are done.
    let outcomes = stage.apply(&[
        Op::AddDestination(key.clone(), app, weighing(1)),
        Op::RemoveDestination(key.clone(), stage.app(5)),
        Op::AddService(key.clone(), wanted[&key].settings.clone()),
        Op::RemoveService(stage.key(99)),
        Op::SetDestination(key.clone(), app, weighing(257)),
        Op::SetDestination(key.clone(), app, weighing(8)),
    ]);
    let told: Vec<String> = outcomes
        .into_iter()
        .map(|outcome| outcome.err().map(|e| e.to_string()).unwrap_or_default())
        .collect();
    let there = "is there already, and not by us";
    let gone = "is not there any more";
    assert_eq!([&told[0], &told[1], &told[2], &told[3], &told[5]], [there, gone, there, gone, ""]);
    assert!(told[4].contains("HAProxy takes 0 to 256"), "{}", told[4]);
    assert_eq!(stage.tap.commands(), [format!("set server {old} weight 8")]);
}

#[test]
fn another_wish_for_checks_is_seen_and_done() {
    let mut stage = Stage::set();
    let wanted = [(stage.key(80), service("wrr", &[(stage.app(0), 10)]))].into();
    stage.make(&wanted);
    let check = |stage: &Stage| stage.text().contains(" check");
    assert!(check(&stage));
    let reload = vec!["kill".to_owned(), "-USR2".to_owned(), stage.haproxy.pid().to_string()];
    stage.sink = stage.another_sink(|options| Options { check: false, reload: Some(reload), ..options });
    assert_ne!(stage.services(), wanted);
    let pid = stage.pid();
    stage.make(&wanted);
    assert!(!check(&stage));
    assert_ne!(stage.pid(), pid, "a check cannot be taken from a server that runs");
    let wanted = [(stage.key(80), service("wrr", &[(stage.app(0), 10), (stage.app(1), 1)]))].into();
    stage.tap.commands();
    stage.make(&wanted);
    assert_eq!(stage.tap.commands().len(), 2, "no check is enabled where there is none");
}
