//! `drain` and `undrain`: an instance out of the rotation and back.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use roundhouse_tests::{Background, Gateway, SOON, eventually, seen};

use crate::{answer, ok, run, sample};

struct Pair {
    gateway: Gateway,
    addresses: [SocketAddr; 2],
    ids: [String; 2],
    _samples: [Background; 2],
}

fn pair() -> Pair {
    let gateway = Gateway::start();
    gateway.put_job("web", 9090, "http");
    let addresses = [0, 1].map(|n| SocketAddr::new(gateway.net.app(n), 9090));
    let samples = addresses.map(|address| sample("web", address));
    let ids = addresses.map(|address| {
        let instance = format!(r#"{{"address":"{}","ports":{{"main":9090}}}}"#, address.ip());
        let reply = gateway.call("POST", "/v1/instances/web", &instance);
        reply.json()["id"].as_str().unwrap().to_owned()
    });
    gateway.wait_healthy("web", 2);
    Pair { gateway, addresses, ids, _samples: samples }
}

impl Pair {
    /// Until exactly these take the requests, in turn.
    #[track_caller]
    fn wait_served_by(&self, expected: &[SocketAddr]) {
        let expected: BTreeSet<String> = expected.iter().map(|address| format!("web {address}")).collect();
        eventually(SOON, "the rotation is as told", || {
            let served: BTreeSet<String> = (0..8)
                .map(|_| {
                    answer(self.gateway.http(), "web.jobs")
                        .split_whitespace()
                        .take(2)
                        .collect::<Vec<_>>()
                        .join(" ")
                })
                .collect();
            seen(served, |served| *served == expected)
        });
    }
}

#[test]
fn an_instance_leaves_the_rotation_and_comes_back() {
    let pair = pair();
    let [first, second] = pair.addresses;
    pair.wait_served_by(&[first, second]);
    // By the beginning of its id, with and without its job, by its id, and by its address.
    let prefix = &pair.ids[0][..13];
    for name in [
        prefix.to_owned(),
        format!("web/{prefix}"),
        format!("web/{}", pair.ids[0]),
        first.to_string(),
        format!("web/{first}"),
    ] {
        let drained = ok(&pair.gateway, &["drain", &name]);
        assert_eq!(drained.out, format!("web/{}: up -> draining\n", pair.ids[0]));
        pair.wait_served_by(&[second]);
        let shown = ok(&pair.gateway, &["get", "instances"]);
        assert_eq!(shown.row(&format!("web/{}", pair.ids[0]))[3], "draining");
        assert_eq!(ok(&pair.gateway, &["get", "jobs"]).row("web")[3], "1/2");

        let back = ok(&pair.gateway, &["undrain", &name]);
        assert_eq!(back.out, format!("web/{}: draining -> up\n", pair.ids[0]));
        pair.wait_served_by(&[first, second]);
    }
}

#[test]
fn a_name_that_fits_none_or_two_is_refused() {
    let pair = pair();
    // An empty beginning fits everybody, a port none has fits nobody.
    let other_port = SocketAddr::new(pair.addresses[0].ip(), 1);
    for (name, sentence) in [
        ("zz".to_owned(), "there is no instance `zz`; `roundhouse get instances` lists them"),
        (other_port.to_string(), "there is no instance"),
        ("web/".to_owned(), "names no instance; write app2/<id>"),
        (format!("nobody/{}", pair.ids[0]), "there is no job `nobody`"),
        (format!("Web/{}", pair.ids[0]), "write `web`"),
    ] {
        let said = run(&pair.gateway, &["drain", &name]);
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{name}: {said:?}");
        assert!(said.err.contains(sentence), "{name}: {said:?}");
    }
    let same = r#"{"address":"10.0.0.7","ports":{"main":1}}"#;
    for id in ["0a1b2c3d-0000-4000-8000-000000000001", "0a1b2c3d-0000-4000-8000-000000000002"] {
        let same = same.replace(":1}", if id.ends_with('1') { ":1}" } else { ":2}" });
        assert_eq!(pair.gateway.call("PUT", &format!("/v1/instances/web/{id}"), &same).status, 201);
    }
    let said = run(&pair.gateway, &["drain", "0a1b2c3d"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.err.contains("`0a1b2c3d` fits 2 instances; write more of one: web/0a1b2c3d-0000-"),
        "{said:?}"
    );
    let instances = pair.gateway.job("web")["instances"].clone();
    assert!(instances.as_array().unwrap().iter().all(|item| item["state"] == "up"), "{instances}");
}
