//! Row 3: a connection for each request; the backend closes. The second time with TCP Fast Open wherever there is one.

use std::net::SocketAddr;
use std::time::Duration;

use roundhouse_benches::Nginx;
use roundhouse_benches::compare::{Against, Comparison, Contender, Skipped, Stage, each};
use roundhouse_benches::load::ShortLived;
use roundhouse_tests::Loopback;

use crate::contender::{self, Way};
use crate::proof::Proof;

const ROW: u8 = 3;
const BACKEND: u16 = 7_303;
const LISTEN: u16 = 7_403;
const AT_ONCE: usize = 64;

pub(crate) fn run(stage: &mut Stage) -> Result<(), Skipped> {
    let net = Loopback::take();
    let backends = [0, 1].map(|app| SocketAddr::new(net.app(app), BACKEND));
    let _plain = Nginx::backend(&backends[..1]);
    let _fast = Nginx::backend_with("fastopen=4096", &backends[1..]);
    let way = |app, backend| Way {
        cores: &stage.cores,
        listen: SocketAddr::new(net.app(app), LISTEN),
        backend,
        proof: &Proof::Http,
    };
    let plain = [
        contender::roundhouse(way(2, backends[0]), "tcp")?,
        contender::nginx(way(3, backends[0])),
        contender::haproxy(way(4, backends[0]), ""),
    ];
    let fast = contender::roundhouse_fast_open(way(5, backends[1])).map(|ours| {
        [
            ours,
            contender::nginx_fast_open(way(6, backends[1])),
            contender::haproxy_fast_open(way(7, backends[1])),
        ]
    });
    compare(stage, &plain, false, "a connection a request", 0.92);
    match fast {
        Ok(fast) => compare(stage, &fast, true, "a connection a request, Fast Open", 0.80),
        Err(Skipped(reason)) => stage.report.skip(ROW, Skipped(format!("with Fast Open: {reason}"))),
    }
    Ok(())
}

fn compare(stage: &mut Stage, contenders: &[Contender], fast_open: bool, what: &str, aim: f64) {
    let load = |at, time| {
        ShortLived { server: at, at_once: AT_ONCE, fast_open }.run(time).expect("loopback has sockets")
    };
    for contender in contenders {
        // Also brings the cookies for Fast Open.
        load(contender.at, Duration::from_millis(500));
    }
    let (time, mut failed, opened) = (stage.options.seconds(5), 0, opened_fast());
    let samples = stage.alternate(contenders, |contender| {
        let before = contender.cpu();
        let outcome = load(contender.at, time);
        let spent = contender.cpu().since(&before);
        failed += outcome.failed;
        let done = outcome.done as f64;
        [spent.as_secs_f64() * 1e6 / done, done / time.as_secs_f64()]
    });
    let opened = opened_fast() - opened;
    stage.report.add(
        Comparison::cost(ROW, what, "us CPU/connection", each(contenders, &samples, 0))
            .at_most(aim, Against::Better),
    );
    stage.report.add(Comparison::yields(ROW, "  connections", "1/s", each(contenders, &samples, 1)));
    let note = format!(
        "{what}: {AT_ONCE} at once for {time:?}, the backend closes; {failed} failed; {opened} connections began with data in \
         the SYN, on either side"
    );
    stage.report.note(ROW, note);
    if fast_open {
        stage.report.note(ROW, "nginx takes Fast Open from clients and does not use it towards the backend");
    }
}

/// Connections in this network that were accepted with data in the SYN: TCPFastOpenPassive of /proc/net/netstat, where
/// a line of names is followed by one of numbers.
fn opened_fast() -> u64 {
    let text = std::fs::read_to_string("/proc/self/net/netstat").unwrap_or_default();
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let mut both = names.split(' ').zip(values.split(' '));
    both.find_map(|(name, value)| (name == "TCPFastOpenPassive").then(|| value.parse().ok())?)
        .unwrap_or_default()
}
