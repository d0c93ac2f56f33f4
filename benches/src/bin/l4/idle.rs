//! Row 6: user-space memory of a connection on which nothing happens: one that never carried a byte, and one that did.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use roundhouse_benches::{Nginx, Samples, process};
use roundhouse_tests::{Loopback, eventually, seen};
use rustix::net::sockopt::set_socket_linger;
use rustix::process::{Resource, getrlimit};

use crate::comparison::{Against, Comparison};
use crate::contender::{Contender, Way, Who};
use crate::proof::Proof;
use crate::ready::KEPT_REQUEST;
use crate::stage::{Skipped, Stage};

const ROW: u8 = 6;
const BACKEND: u16 = 7_306;
const LISTEN: u16 = 7_406;
const PATIENCE: Duration = Duration::from_secs(30);
/// Connections opened at once: fewer than wait for accept(2) anywhere on the way, since what overflows there is lost.
const TOGETHER: usize = 250;
const REST: Duration = Duration::from_millis(300);
/// Descriptors that a proxy needs beside two for each connection.
const RESERVE: u64 = 2_000;
const WHO: [Who; 3] = [Who::Roundhouse, Who::Nginx, Who::Haproxy];

/// Bytes a connection.
#[derive(Default)]
struct Cost {
    pss: Samples,
    rss: Samples,
}

pub(crate) fn run(stage: &mut Stage) -> Result<(), Skipped> {
    let net = Loopback::take();
    let backend = SocketAddr::new(net.app(0), BACKEND);
    let _nginx = Nginx::backend(&[backend]);
    let mut apps = 1..;
    for wanted in [4_000, 8_000] {
        let count = wanted.min(possible());
        if count < wanted {
            stage
                .report
                .note(ROW, format!("{count} instead of {wanted}: the limit of descriptors allows no more"));
        }
        let mut costs: [[Cost; 2]; 3] = Default::default();
        for _ in 0..if stage.options.quick { 1 } else { 3 } {
            for (who, [fresh, used]) in WHO.into_iter().zip(&mut costs) {
                // An address of its own: one that is killed with so many sockets holds its listener for a while.
                let listen = SocketAddr::new(net.app(apps.next().expect("no end")), LISTEN);
                let way = Way { cores: &stage.cores, listen, backend, proof: &Proof::Http };
                // Each time a new process: one that had 8,000 keeps memory for them.
                let contender = match who {
                    Who::Roundhouse => Contender::roundhouse(way, "tcp")?,
                    Who::Nginx => Contender::nginx(way),
                    Who::Haproxy => Contender::haproxy(way, ""),
                };
                measure(&contender, count, fresh, used);
            }
        }
        let all = |kind: usize, of: fn(&Cost) -> &Samples| {
            WHO.into_iter().zip(&costs).map(move |(who, costs)| (who, of(&costs[kind]).clone()))
        };
        for (kind, state) in ["never used", "after one exchange"].into_iter().enumerate() {
            let what = format!("{count} idle connections, {state}: Pss");
            let pss = Comparison::cost(ROW, what, "B/connection", all(kind, |cost| &cost.pss));
            stage.report.add(pss.at_most(1.0, Against::Haproxy));
            stage.report.add(Comparison::cost(ROW, "  RSS", "B/connection", all(kind, |cost| &cost.rss)));
        }
    }
    stage.report.note(
        ROW,
        "growth of the process, before it has connections to when all are open; not the kernel's memory",
    );
    stage.report.note(
        ROW,
        "nginx and HAProxy have their tables of connections allocated at the start; what is touched counts",
    );
    Ok(())
}

fn possible() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit.saturating_sub(RESERVE) / 2).unwrap_or(usize::MAX)
}

fn measure(contender: &Contender, count: usize, fresh: &mut Cost, used: &mut Cost) {
    let open = at_rest(contender.pid());
    let before = contender.memory();
    let mut clients = Vec::with_capacity(count);
    while clients.len() < count {
        let some = TOGETHER.min(count - clients.len());
        clients.extend((0..some).map(|_| connect(contender)));
        eventually(PATIENCE, "every connection is relayed", || {
            seen(process::descriptors(contender.pid()), |now| *now >= open + 2 * clients.len())
        });
    }
    fresh.add(contender, before, count);
    let mut answer = [0; 1024];
    for client in &mut clients {
        client.write_all(KEPT_REQUEST).expect("the connection is open");
        assert!(client.read(&mut answer).expect("the connection is open") > 0, "the backend answers");
    }
    used.add(contender, before, count);
}

fn connect(contender: &Contender) -> TcpStream {
    let client = TcpStream::connect(contender.at).expect("loopback has ports");
    // Closed by a reset: thousands in TIME_WAIT would be in the next one's way.
    let _ = set_socket_linger(&client, Some(Duration::ZERO));
    client
}

/// Open descriptors, once none is closed any more: those of the proof, and of the API, are still there for a moment.
fn at_rest(pid: u32) -> usize {
    let mut last = usize::MAX;
    loop {
        let now = process::descriptors(pid);
        if now == last {
            return now;
        }
        last = now;
        std::thread::sleep(REST);
    }
}

impl Cost {
    fn add(&mut self, contender: &Contender, before: process::Memory, count: usize) {
        let now = contender.memory();
        self.pss.push((now.pss - before.pss) / count as f64);
        self.rss.push((now.rss - before.rss) / count as f64);
    }
}
