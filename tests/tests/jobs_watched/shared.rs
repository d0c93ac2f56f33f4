use roundhouse_registry::kv::Change;
use roundhouse_tests::{Etcd, changes_until, eventually, seen};

use crate::{APPLIED, applied, applied_since, has_port, job, prepared, revision, status, write};

fn fixed(address: &str) -> String {
    format!("jobs: < name: \"app\" port: \"1111\" static: true instances: < address: \"{address}\" > >\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_with_one_file_do_not_fight() {
    let etcd = Etcd::running();
    let mut pair = [prepared(&etcd.url()), prepared(&etcd.url())];
    for gateway in &mut pair {
        write(gateway, &fixed("10.9.9.1"));
        gateway.run();
    }
    pair.iter().for_each(applied);
    let before = pair.each_ref().map(revision);
    let kv = etcd.kv("/roundhouse/v1").await;
    let mut watch = kv.watch(kv.list().await.unwrap().revision).await.unwrap();

    let text = fixed("10.9.9.2").replace("1111", "2222");
    pair.iter().for_each(|gateway| write(gateway, &text));
    for (gateway, before) in pair.iter().zip(before) {
        applied_since(gateway, before);
        let job = gateway.job("app");
        let instances = job["instances"].as_array().unwrap();
        assert!(instances.len() == 1 && instances[0]["address"] == "10.9.9.2", "{job}");
    }
    // The job was written once: the second one found nothing to do, or nothing as it had seen it.
    let last = kv.list().await.unwrap().revision;
    let changes = changes_until(&mut watch, last).await;
    let puts =
        changes.iter().filter(|change| matches!(change, Change::Put(entry) if entry.key == "jobs/app"));
    assert_eq!(puts.count(), 1, "{changes:#?}");
}

#[test]
fn an_edit_while_the_registry_is_away_is_applied_when_it_is_back() {
    let mut etcd = Etcd::running();
    let mut gateway = prepared(&etcd.url());
    write(&gateway, &job(1111));
    gateway.run();
    has_port(&gateway, 1111);
    applied(&gateway);
    etcd.stop();
    write(&gateway, &job(2222));
    eventually(APPLIED, "it says that it cannot", || {
        seen(status(&gateway), |status| status["errors"][0]["message"].to_string().contains("tried again"))
    });
    etcd.start();
    // The pauses between attempts have grown meanwhile.
    eventually(APPLIED * 3, "the edit is applied", || {
        seen(gateway.job("app"), |job| job["ports"][0]["port"] == 2222)
    });
    applied(&gateway);
}
