//! Row 6: requests with bodies.

use roundhouse_benches::backend;
use roundhouse_benches::compare::{Skipped, Stage};
use roundhouse_benches::load::HOST;
use roundhouse_benches::wrk::Wrk;
use roundhouse_tests::Loopback;

use crate::contender;
use crate::measure::Requests;
use crate::way::{Answer, Asked, Spoken, Way};

const ROW: u8 = 6;
const SCRIPT: &str = include_str!("../../../wrk/post.lua");

pub(crate) fn run(stage: &mut Stage) -> Result<(), Skipped> {
    for (name, length, connections) in [("1 KB", 1 << 10, 64), ("1 MB", 1 << 20, 16)] {
        let net = Loopback::take();
        let (body, said) = ("x".repeat(length), length.to_string());
        let asked = Asked { path: "/", body: &body, answer: Answer::Text(&said) };
        let way = Way::new(&net, Spoken::Http1, asked);
        backend::bodies(way.backend).expect("the network is ours");
        let contenders = contender::all(stage, ROW, way);
        let what = format!("HTTP/1.1, POST of {name}, {connections} connections");
        let load = format!("wrk -t1 -c{connections}");
        let script = SCRIPT.replace("SIZE", &said);
        Requests { row: ROW, what, aim: None, load: &load }.compare(stage, &contenders, |at, time| {
            Wrk { at, host: HOST, path: "/", tls: false, connections, script: &script }.run(time)
        });
    }
    stage.report.note(ROW, "the backend is of the bench's own, and answers when it has the whole body");
    Ok(())
}
