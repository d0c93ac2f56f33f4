//! Row 14: user-space memory of a client's connection on which nothing happens: one that never carried a byte, and one
//! that had an answer. To the backend there is only what the answers took.

use roundhouse_benches::compare::{Against, Comparison, Idle, Skipped, Stage};
use roundhouse_benches::{Nginx, Samples};
use roundhouse_tests::Loopback;

use crate::contender;
use crate::way::{Asked, Spoken, Way};

const ROW: u8 = 14;
const CONNECTIONS: usize = 4_000;
const DESCRIPTORS: usize = 1;

pub(crate) fn run(stage: &mut Stage) -> Result<(), Skipped> {
    let net = Loopback::take();
    let way = Way::new(&net, Spoken::Http1, Asked::SMALL);
    let _nginx = Nginx::backend(&[way.backend]);
    let count = CONNECTIONS.min(Idle::possible());
    if count < CONNECTIONS {
        let few = format!("{count} instead of {CONNECTIONS}: the limit of descriptors allows no more");
        stage.report.note(ROW, few);
    }
    let mut all = contender::ALL.map(Idle::of);
    for _ in 0..if stage.options.quick { 1 } else { 3 } {
        for idle in &mut all {
            // A new process each time, since one that had 4,000 keeps memory for them; and addresses of its own: one that
            // is killed with so many sockets holds its listener for a while.
            let own = Loopback::take();
            let contender = contender::one(idle.who, &stage.cores, Way { net: &own, ..way });
            for contender in stage.able(ROW, [contender]) {
                idle.measure(&contender, count, DESCRIPTORS);
            }
        }
    }
    for (state, name) in ["never used", "after one answer"].into_iter().enumerate() {
        let of = |memory: fn(&Idle, usize) -> &Samples| {
            let measured = all.iter().filter(|idle| idle.states[state].pss.count() > 0);
            measured.map(move |idle| (idle.who, memory(idle, state).clone())).collect::<Vec<_>>()
        };
        let what = format!("{count} idle clients, {name}: Pss");
        let pss = of(|idle, state| &idle.states[state].pss);
        let pss = Comparison::cost(ROW, what, "B/connection", pss);
        stage.report.add(pss.at_most(1.0, Against::Haproxy));
        let rss = of(|idle, state| &idle.states[state].rss);
        stage.report.add(Comparison::cost(ROW, "  RSS", "B/connection", rss));
    }
    stage.report.note(
        ROW,
        "growth of the process, before it has connections to when all are open; not the kernel's memory; nginx has its \
         table of connections allocated at the start, and what is touched counts",
    );
    Ok(())
}
