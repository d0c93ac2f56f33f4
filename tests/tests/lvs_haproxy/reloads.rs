//! Who reloads HAProxy, and when, does not matter.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use lvs_sync::sink::haproxy::Options;
use lvs_sync::sink::{OpError, Sink};
use roundhouse_tests::dial_from;

use crate::stage::{Stage, plan, service};

#[test]
fn a_reload_by_anybody_keeps_servers_weights_and_drains() {
    let mut stage = Stage::set();
    let (key, other) = (stage.key(80), stage.key(81));
    let apps: Vec<SocketAddr> = (0..4).map(|n| stage.app(n)).collect();
    stage.make(&[(key.clone(), service("wrr", &[(apps[0], 10), (apps[1], 20)]))].into());
    let hashed = service("sh", &[(apps[0], 1), (apps[1], 2)]);
    stage.make(
        &[(key.clone(), service("wrr", &[(apps[0], 10), (apps[1], 20)])), (other.clone(), hashed)].into(),
    );
    let pid = stage.pid();
    // All of it at run time: another weight, a drain, new ones, and one less.
    let wanted = [
        (key, service("wrr", &[(apps[0], 0), (apps[2], 256), (apps[3], 1)])),
        (other, service("sh", &[(apps[0], 1), (apps[2], 5), (apps[3], 0)])),
    ]
    .into();
    stage.make(&wanted);
    assert_eq!(stage.pid(), pid, "it was reloaded for servers alone");
    stage.reload();
    assert_eq!(stage.services(), wanted);
    // What came with the process can be changed as well as what came later.
    stage.tap.commands();
    stage.make(&wanted);
    assert_eq!(stage.tap.commands(), [""; 0]);
    let pid = stage.pid();
    let changed = wanted.into_keys().map(|key| (key, service("wlc", &[(apps[1], 3)])));
    let fewer = changed
        .map(|(key, service)| (key, lvs_sync::model::Service { settings: service.settings, ..service }));
    stage.make(&fewer.collect());
    assert_ne!(stage.pid(), pid, "another scheduler needs a reload");
    stage.make(&[].into());
    assert!(!stage.text().contains("backend"), "{}", stage.text());
}

#[test]
fn clients_stay_at_their_servers_over_a_reload() {
    let mut stage = Stage::set();
    let (key, vip) = (stage.key(80), stage.vip(80));
    let names = ["s-0", "s-1", "s-2", "s-3", "s-4"];
    let _servers = stage.named(&names);
    let of = |stage: &Stage, which: &[u8]| {
        let destinations: Vec<_> = which.iter().map(|n| (stage.app(*n), 10)).collect();
        [(stage.key(80), service("sh", &destinations))].into()
    };
    // In an order that is not that of the addresses, and with a hole.
    let steps: [&[u8]; 5] = [&[4], &[1, 4], &[1, 3, 4], &[0, 1, 2, 3, 4], &[0, 2, 3, 4]];
    for step in steps {
        stage.make(&of(&stage, step));
    }
    let clients = || (1..=24).map(|n| IpAddr::from(Ipv4Addr::new(127, 0, 9, n)));
    let chosen = || -> Vec<String> {
        let name = |client| {
            let (mut stream, mut name) = (dial_from(client, vip), [0; 3]);
            stream.read_exact(&mut name).unwrap();
            String::from_utf8(name.into()).unwrap()
        };
        clients().map(name).collect()
    };
    let before = chosen();
    let used: std::collections::BTreeSet<_> = before.iter().collect();
    assert!(used.len() > 2, "{used:?}");
    stage.reload();
    assert_eq!(chosen(), before);
    // One more takes some of each other's clients, and no client changes between the others.
    stage.make(&of(&stage, &[0, 1, 2, 3, 4]));
    for (now, before) in chosen().iter().zip(&before) {
        assert!(now == before || now == "s-1", "{before} became {now}");
    }
    assert!(stage.services().contains_key(&key));
}

#[test]
fn without_a_reload_command_somebody_is_told_and_it_is_there_when_he_has_done_it() {
    let mut stage = Stage::with(|options| Options { reload: None, ..options });
    let key = stage.key(80);
    let wanted = [(key.clone(), service("wrr", &[(stage.app(0), 1), (stage.app(1), 0)]))].into();
    let file = stage.fragment.display().to_string();
    // As often as it is tried.
    for _ in 0..2 {
        let ops = plan(&stage.sink.dump().unwrap(), &wanted);
        assert_eq!(ops.len(), 3);
        for outcome in stage.apply(&ops) {
            let told = matches!(&outcome, Err(OpError::Later(text)) if text.contains(&file) && text.contains("reload HAProxy"));
            assert!(told, "{outcome:?}");
        }
        assert!(stage.services().is_empty());
    }
    // Another service does not take the waiting one out of the fragment.
    let mut second = stage.another_sink(|options| options);
    let other = [(stage.key(81), service("wrr", &[(stage.app(0), 1)]))].into();
    let ops = plan(&second.dump().unwrap(), &other);
    second.apply(&ops, None).unwrap();
    stage.reload();
    assert_eq!(stage.services(), wanted.into_iter().chain(other).collect());
}

/// As a master does with a SIGUSR2 that comes too soon after the last.
#[test]
fn a_reload_that_nobody_noticed_is_asked_for_again() {
    let mut stage = Stage::set();
    let (mark, pid) = (stage.fragment.with_extension("asked"), stage.haproxy.pid());
    let script = format!("[ -e {0} ] || {{ touch {0}; exit; }}; kill -USR2 {pid}", mark.display());
    let words = ["sh".to_owned(), "-c".to_owned(), script].to_vec();
    stage.sink = stage.another_sink(|options| Options { reload: Some(words), ..options });
    stage.make(&[(stage.key(80), service("wrr", &[(stage.app(0), 1)]))].into());
}

#[test]
fn a_reload_command_that_fails_leaves_the_fragment_as_it_was() {
    for (command, said) in
        [(&["false"][..], "`false` ended with"), (&["/nonexistent", "x"], "`/nonexistent x`")]
    {
        let words = command.iter().map(|word| (*word).to_owned()).collect();
        let mut stage = Stage::with(|options| Options { reload: Some(words), ..options });
        let wanted = [(stage.key(80), service("wrr", &[(stage.app(0), 1)]))].into();
        let ops = plan(&stage.sink.dump().unwrap(), &wanted);
        for outcome in stage.apply(&ops) {
            assert!(matches!(&outcome, Err(OpError::Later(text)) if text.contains(said)), "{outcome:?}");
        }
        assert!(!stage.text().contains("backend"), "{}", stage.text());
    }
}

#[test]
fn a_vip_that_cannot_be_bound_is_taken_out_again() {
    let mut stage = Stage::set();
    let good = (stage.key(80), service("wrr", &[(stage.app(0), 1)]));
    stage.make(&[good.clone()].into());
    // TEST-NET-3 (RFC 5737) is nobody's.
    let bad = ("tcp/203.0.113.10:80".parse().unwrap(), service("wrr", &[(stage.app(0), 1)]));
    let changed = (good.0.clone(), service("wrr", &[(stage.app(0), 1), (stage.app(1), 7)]));
    let new = (stage.key(81), service("wlc", &[(stage.app(0), 1)]));
    let wanted = [bad.clone(), changed.clone(), new.clone()].into();
    let ops = plan(&stage.sink.dump().unwrap(), &wanted);
    let outcomes = stage.apply(&ops);
    let (mut done, mut later) = (0, 0);
    for (op, outcome) in ops.iter().zip(outcomes) {
        match outcome {
            Ok(()) if *op.service() != bad.0 => done += 1,
            Err(OpError::Later(text)) if text.contains("tcp/203.0.113.10:80") => later += 1,
            other => panic!("{op}: {other:?}"),
        }
    }
    assert_eq!((done, later), (3, 2));
    // So that HAProxy starts with it.
    assert!(!stage.text().contains("203.0.113.10"), "{}", stage.text());
    stage.reload();
    assert_eq!(stage.services(), [changed, new].into());
}
