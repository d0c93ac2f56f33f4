//! How long one instance's change takes, from the registry's answer to the kernel's table: a gateway with the registry, a
//! director that runs, and somebody who looks at the table all the time.

use std::process::Command;
use std::time::{Duration, Instant};

use lvs_sync::model::ServiceKey;
use lvs_sync::sink::Sink as _;
use lvs_sync::sink::ipvs::Ipvs;
use roundhouse_tests::{Background, Gateway, eventually, programs};

/// A registry of thousands of records takes its time in there.
const SETUP: Duration = Duration::from_secs(120);
const CHANGES: u32 = 50;
/// Written one by one: a registry of 11,000 records takes minutes in there.
pub(crate) const SERVICES: usize = 100;

/// Keys and values of so many jobs with 10 instances and a pool each.
pub(crate) fn records(services: usize) -> impl Iterator<Item = (String, String)> {
    (0..services).flat_map(|n| {
        let pool = format!(r#"{{"to":{{"job":"job-{n}"}},"port":80,"lines":{{"telecom":["{}"]}}}}"#, vip(n));
        let instances = (0..10).map(move |i| {
            let value =
                format!(r#"{{"address":"10.{}.{}.{}","ports":{{"main":80}}}}"#, n / 250, n % 250, i + 1);
            (instance_key(n, i), value)
        });
        std::iter::once((format!("pools/pool-{n}"), pool)).chain(instances)
    })
}

fn vip(n: usize) -> String {
    format!("203.0.{}.{}", n / 250, n % 250 + 1)
}

fn instance_key(n: usize, i: usize) -> String {
    format!("instances/job-{n}/0a1b2c3d-0000-4000-8000-{:012x}", n * 16 + i)
}

/// Milliseconds of each change.
pub(crate) fn run(services: usize) -> Vec<f64> {
    let gateway = Gateway::start();
    for (key, value) in records(services) {
        let reply = gateway.call("PUT", &format!("/v1/{key}"), &value);
        assert!(matches!(reply.status, 200 | 201), "{reply:?}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("lvs-sync.toml");
    let text =
        format!("director = \"bench\"\n[registry]\nurl = \"{}\"\n[[sink]]\nkind = \"ipvs\"\n", gateway.url());
    std::fs::write(&config, text).expect("the folder is ours");
    let mut command = Command::new(programs::program("lvs-sync"));
    command.arg("--config").arg(&config).arg("run");
    let _director = Background::spawn(command);
    let mut table = Ipvs::new();
    let key: ServiceKey = format!("tcp/{}:80", vip(services / 2)).parse().expect("a key");
    let mut weight = |expected: u32| {
        let actual = table.dump_of(&[key.clone()].into()).expect("a table");
        let service = actual.services.get(&key);
        service.is_some_and(|service| service.destinations.values().any(|to| to.weight == expected))
    };
    eventually(SETUP, "the first sync", || weight(100));
    let one = instance_key(services / 2, 3);
    let change = |n: u32| {
        let address = format!("10.{}.{}.4", services / 2 / 250, services / 2 % 250);
        let value = format!(r#"{{"address":"{address}","ports":{{"main":80}},"weight":{}}}"#, 200 + n);
        let reply = gateway.call("PUT", &format!("/v1/{one}"), &value);
        assert_eq!(reply.status, 200, "{reply:?}");
        let began = Instant::now();
        while !weight(200 + n) {
            assert!(began.elapsed() < SETUP, "the change does not come");
            // There is one processor, and who looks all the time has it.
            std::thread::sleep(Duration::from_millis(1));
        }
        began.elapsed().as_secs_f64() * 1e3
    };
    (0..CHANGES).map(change).collect()
}
