//! Row 7: a connection of the client's for each request, which the proxy closes; those to the backend are kept.

use std::time::Duration;

use roundhouse_benches::Nginx;
use roundhouse_benches::compare::{Against, Comparison, Skipped, Stage, each};
use roundhouse_benches::load::ShortLived;
use roundhouse_tests::Loopback;

use crate::contender;
use crate::way::{Asked, Spoken, Way};

const ROW: u8 = 7;
const AT_ONCE: usize = 64;

pub(crate) fn run(stage: &mut Stage) -> Result<(), Skipped> {
    let net = Loopback::take();
    let way = Way::new(&net, Spoken::Http1, Asked::SMALL);
    let _nginx = Nginx::backend(&[way.backend]);
    let contenders = contender::all(stage, ROW, way);
    let load = |server, time| {
        ShortLived { server, at_once: AT_ONCE, fast_open: false }.run(time).expect("loopback has sockets")
    };
    for contender in &contenders {
        load(contender.at, Duration::from_millis(500));
    }
    let (time, mut failed) = (stage.options.seconds(5), 0);
    let samples = stage.alternate(&contenders, |contender| {
        let before = contender.cpu();
        let outcome = load(contender.at, time);
        let spent = contender.cpu().since(&before);
        failed += outcome.failed;
        let done = outcome.done as f64;
        [spent.as_secs_f64() * 1e6 / done, done / time.as_secs_f64()]
    });
    let cost = each(&contenders, &samples, 0);
    let cost = Comparison::cost(ROW, "HTTP/1.1, a connection a request", "us CPU/connection", cost);
    stage.report.add(cost.at_most(0.95, Against::Better));
    stage.report.add(Comparison::yields(ROW, "  connections", "1/s", each(&contenders, &samples, 1)));
    let note = format!("{AT_ONCE} at once for {time:?}, `Connection: close`; {failed} failed");
    stage.report.note(ROW, note);
    Ok(())
}
