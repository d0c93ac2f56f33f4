//! Row 12: 10,000 hosts, and requests for all of them in turn.

use roundhouse_benches::compare::{Comparison, Skipped, Stage};
use roundhouse_benches::wrk::Wrk;
use roundhouse_benches::{Nginx, Samples};
use roundhouse_tests::Loopback;

use crate::contender;
use crate::measure::Requests;
use crate::way::{Asked, Spoken, Way};

const ROW: u8 = 12;
const HOSTS: usize = 10_000;
const CONNECTIONS: usize = 64;
const SCRIPT: &str = include_str!("../../../wrk/hosts.lua");

pub(crate) fn run(stage: &mut Stage) -> Result<(), Skipped> {
    let net = Loopback::take();
    // As the script calls them.
    let hosts: Vec<String> = (0..HOSTS).map(|n| format!("h{n}.example.com")).collect();
    let way = Way { hosts: &hosts, ..Way::new(&net, Spoken::Http1, Asked::SMALL) };
    let _nginx = Nginx::backend(&[way.backend]);
    let contenders = contender::all(stage, ROW, way);
    let what = format!("HTTP/1.1, 30 B, {HOSTS} hosts, {CONNECTIONS} connections");
    let (load, script) = (format!("wrk -t1 -c{CONNECTIONS}"), SCRIPT.replace("HOSTS", &HOSTS.to_string()));
    Requests { row: ROW, what, aim: None, load: &load }.compare(stage, &contenders, |at, time| {
        Wrk { at, host: &hosts[0], path: "/", tls: false, connections: CONNECTIONS, script: &script }
            .run(time)
    });
    let memory = contenders
        .iter()
        .map(|contender| (contender.who, Samples::from_iter([contender.memory().pss / f64::from(1 << 20)])));
    stage.report.add(Comparison::cost(ROW, "  memory with them all (Pss)", "MiB", memory));
    let note =
        "domain records, a server block each, a map file, a hash set; the load takes the hosts in turn";
    stage.report.note(ROW, note);
    Ok(())
}
