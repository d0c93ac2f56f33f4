//! The gateway's packets to etcd are dropped, and etcd's to it. Nobody is told: no connection ends.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::time::{Duration, Instant};

use roundhouse_tests::soak::{report, scaled};
use roundhouse_tests::{Background, Etcd, SOON, inside};

use crate::writes::burst;
use crate::{PREFIX, Stage};

/// Where the gateway alone reaches etcd: of this machine, like all of 127.0.0.0/8.
const CUT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 77, 0, 1));

#[test]
fn a_gateway_that_is_cut_off_during_a_compaction_catches_up() {
    // Rules for packets are made in a network of the test's own.
    let Some(outside) = inside("cut_off::a_gateway_that_is_cut_off_during_a_compaction_catches_up") else {
        return tokio::runtime::Runtime::new().unwrap().block_on(cut_off());
    };
    let test = Background::spawn(outside);
    let status = test.wait_exit(SOON * 60);
    assert!(status.success(), "{}\n{}", test.stdout(), test.stderr());
    // Its line goes on to where ours go.
    for line in test.stderr().lines().filter(|line| line.trim_start().starts_with("e  ")) {
        report(line.trim(), "");
    }
}

async fn cut_off() {
    sh("ip link set lo up");
    let etcd = Etcd::also_at(CUT);
    let kv = etcd.kv(PREFIX).await;
    let url = format!("etcd://{CUT}:{}", etcd.port());
    let (_stage, mut judge) = Stage::set(kv.clone(), &etcd.endpoints(), &url, &etcd.url()).await;
    let (count, instances) = scaled((5_000, 300), (50_000, 3_000));
    burst(&*kv, instances, instances).await;
    judge.agrees(Instant::now()).await;

    sh("nft add table inet cut");
    sh("nft add chain inet cut out '{ type filter hook output priority 0; }'");
    for way in ["daddr", "saddr"] {
        sh(&format!("nft add rule inet cut out ip {way} {CUT} drop"));
    }
    let began = Instant::now();
    burst(&*kv, count, instances).await;
    let mark = judge.chronicle.mark().await;
    judge.chronicle.has_seen(mark).await;
    etcd.client().await.compact(mark.0 as i64, None).await.unwrap();
    judge.cpu_while_away().await;
    // HTTP/2 keepalive gives the old connection up after 8 s; nothing of before the cut is left then.
    tokio::time::sleep_until((began + Duration::from_secs(10)).into()).await;
    sh("nft delete table inet cut");
    judge.agrees(Instant::now()).await;
    let verdict = judge.verdict().await;
    assert!(verdict.checked.listings >= 2, "{verdict}: the gap was compacted");
    report(&format!("e  cut off, {count} writes and a compaction"), &verdict.to_string());
}

#[track_caller]
fn sh(command: &str) {
    let output = Command::new("sh").args(["-ec", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}
