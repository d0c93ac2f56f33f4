use std::net::IpAddr;

use roundhouse_tests::{Gateway, eventually, seen};

use crate::{APPLIED, applied_since, error, revision, started, write};

fn stack(addresses: &[IpAddr]) -> String {
    let instance = |address| format!("  instances: < address: \"{address}\" >\n");
    let instances: String = addresses.iter().map(instance).collect();
    format!("jobs: <\n  name: \"app\" port: \"1111\" static: true\n{instances}>\n")
}

fn addresses(gateway: &Gateway) -> Vec<String> {
    let job = gateway.job("app");
    let instances = job["instances"].as_array().into_iter().flatten();
    let mut found: Vec<String> =
        instances.map(|instance| instance["address"].as_str().unwrap().to_owned()).collect();
    found.sort();
    found
}

#[track_caller]
fn has(gateway: &Gateway, wanted: &[IpAddr]) {
    let mut wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    wanted.sort();
    eventually(APPLIED, "the instances are as in the file", || {
        seen(addresses(gateway), |found| *found == wanted)
    });
}

#[test]
fn instances_come_and_go_with_the_file_and_others_stay() {
    let net_only = started(&stack(&[[10, 9, 9, 9].into()]));
    let [one, two, own] = [0, 1, 2].map(|n| net_only.net.app(n));
    let gateway = net_only;
    write(&gateway, &stack(&[one, two]));
    has(&gateway, &[one, two]);
    let table = String::from_utf8(gateway.cli(&["get", "instances"]).stdout).unwrap();
    assert!(table.lines().next().unwrap().ends_with("KIND"), "{table}");
    assert_eq!(table.lines().filter(|line| line.ends_with("static")).count(), 2, "{table}");

    // A person's static instance, and a leased one, are none of the file's business.
    for (address, ttl) in [(own, ""), (gateway.net.app(3), r#","ttl":"60s""#)] {
        let body = format!(r#"{{"address":"{address}","ports":{{"main":1111}}{ttl}}}"#);
        assert_eq!(gateway.call("POST", "/v1/instances/app", &body).status, 201);
    }
    // What a person did to one at run time stays through the next application.
    let drained = gateway.cli(&["drain", &format!("{one}:1111")]);
    assert!(drained.status.success(), "{drained:?}");
    let before = revision(&gateway);
    write(&gateway, &stack(&[one]));
    applied_since(&gateway, before);
    has(&gateway, &[one, own, gateway.net.app(3)]);
    let job = gateway.job("app");
    let instances = job["instances"].as_array().unwrap();
    let first = instances.iter().find(|instance| instance["address"] == one.to_string()).unwrap();
    assert_eq!(first["state"], "draining", "{job}");
}

#[test]
fn what_vanished_while_the_gateway_was_down_goes_at_its_start() {
    let mut gateway = started(&stack(&[[10, 9, 9, 1].into(), [10, 9, 9, 2].into()]));
    has(&gateway, &[[10, 9, 9, 1].into(), [10, 9, 9, 2].into()]);
    gateway.process().signal(roundhouse_tests::Signal::TERM);
    gateway.stopped();
    write(&gateway, &stack(&[[10, 9, 9, 2].into()]));
    gateway.run();
    has(&gateway, &[[10, 9, 9, 2].into()]);
}

#[test]
fn an_address_that_cannot_be_is_told_with_the_jobs_place_and_the_others_are_applied() {
    let gateway = started("jobs: < name: \"first\" port: \"1\" >");
    let own = gateway.net.gateway();
    let text = format!(
        "jobs: < name: \"loop\" port: \"8400\" static: true instances: < address: \"{own}\" > >\n{}",
        stack(&[[10, 9, 9, 1].into()])
    );
    write(&gateway, &text);
    has(&gateway, &[[10, 9, 9, 1].into()]);
    let wrong = error(&gateway, "job `loop`: ");
    assert_eq!(wrong["line"], 1, "{wrong}");
}
