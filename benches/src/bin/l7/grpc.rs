//! Row 11: unary gRPC calls, HTTP/2 without TLS on both sides.

use roundhouse_benches::backend::{self, frame};
use roundhouse_benches::compare::{Skipped, Stage};
use roundhouse_benches::h2load::H2load;
use roundhouse_tests::Loopback;

use crate::contender;
use crate::measure::Requests;
use crate::way::{Asked, Spoken, Way};

const ROW: u8 = 11;
const CONNECTIONS: usize = 8;
const STREAMS: usize = 32;
const PATH: &str = "/bench.Served/Call";
const HEADERS: [&str; 2] = ["content-type: application/grpc", "te: trailers"];

pub(crate) fn run(stage: &mut Stage) -> Result<(), Skipped> {
    let net = Loopback::take();
    let way = Way::new(&net, Spoken::Grpc, Asked { path: PATH, ..Asked::SMALL });
    backend::grpc(way.backend).expect("the network is ours");
    let contenders = contender::all(stage, ROW, way);
    let load = format!("h2load -t1 -c{CONNECTIONS} -m{STREAMS}");
    let requests = Requests { row: ROW, what: "gRPC, unary, 30 B".into(), aim: None, load: &load };
    let call = frame(b"thirty bytes make up this call");
    requests.compare(stage, &contenders, |at, time| {
        let (connections, streams) = (CONNECTIONS, STREAMS);
        let (path, body) = (PATH, Some(&call[..]));
        H2load { at, tls: false, path, body, headers: &HEADERS, connections, streams }.run(time)
    });
    stage.report.note(ROW, "the backend is of the bench's own: one message and a status in trailers");
    Ok(())
}
