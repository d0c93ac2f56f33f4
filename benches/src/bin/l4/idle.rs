//! Row 6: user-space memory of a connection on which nothing happens: one that never carried a byte, and one that did.

use std::net::SocketAddr;

use roundhouse_benches::compare::{Against, Comparison, Idle, Skipped, Stage, Who};
use roundhouse_benches::{Nginx, Samples};
use roundhouse_tests::Loopback;

use crate::contender::{self, Way};
use crate::proof::Proof;

const ROW: u8 = 6;
const BACKEND: u16 = 7_306;
const LISTEN: u16 = 7_406;
/// A connection of the client's and one to the backend.
const DESCRIPTORS: usize = 2;

pub(crate) fn run(stage: &mut Stage) -> Result<(), Skipped> {
    let net = Loopback::take();
    let backend = SocketAddr::new(net.app(0), BACKEND);
    let _nginx = Nginx::backend(&[backend]);
    let mut apps = 1..;
    for wanted in [4_000, 8_000] {
        let count = wanted.min(Idle::possible());
        if count < wanted {
            stage
                .report
                .note(ROW, format!("{count} instead of {wanted}: the limit of descriptors allows no more"));
        }
        let mut all = [Who::Roundhouse, Who::Nginx, Who::Haproxy].map(Idle::of);
        for _ in 0..if stage.options.quick { 1 } else { 3 } {
            for idle in &mut all {
                // An address of its own: one that is killed with so many sockets holds its listener for a while.
                let listen = SocketAddr::new(net.app(apps.next().expect("no end")), LISTEN);
                let way = Way { cores: &stage.cores, listen, backend, proof: &Proof::Http };
                // Each time a new process: one that had 8,000 keeps memory for them.
                let contender = match idle.who {
                    Who::Roundhouse => contender::roundhouse(way, "tcp")?,
                    Who::Nginx => contender::nginx(way),
                    _ => contender::haproxy(way, ""),
                };
                idle.measure(&contender, count, DESCRIPTORS);
            }
        }
        for (state, name) in ["never used", "after one exchange"].into_iter().enumerate() {
            let of = |memory: fn(&Idle, usize) -> &Samples| {
                all.iter().map(move |idle| (idle.who, memory(idle, state).clone())).collect::<Vec<_>>()
            };
            let what = format!("{count} idle connections, {name}: Pss");
            let pss = of(|idle, state| &idle.states[state].pss);
            let pss = Comparison::cost(ROW, what, "B/connection", pss);
            stage.report.add(pss.at_most(1.0, Against::Haproxy));
            let rss = of(|idle, state| &idle.states[state].rss);
            stage.report.add(Comparison::cost(ROW, "  RSS", "B/connection", rss));
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
