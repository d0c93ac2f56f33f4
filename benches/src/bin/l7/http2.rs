//! Row 10: HTTP/2 from the client, HTTP/1.1 to the backend; inside TLS as browsers have it, and without.

use roundhouse_benches::Nginx;
use roundhouse_benches::compare::{Skipped, Stage};
use roundhouse_benches::h2load::H2load;
use roundhouse_benches::load::Certificate;
use roundhouse_tests::Loopback;

use crate::contender;
use crate::measure::Requests;
use crate::way::{Asked, Spoken, Way};

const ROW: u8 = 10;
const CONNECTIONS: usize = 8;
const STREAMS: usize = 32;

pub(crate) fn run(stage: &mut Stage) -> Result<(), Skipped> {
    let certificate = Certificate::generate();
    for (name, spoken, aim) in
        [("TLS 1.3", Spoken::Http2Tls(&certificate), Some(1.0)), ("no TLS", Spoken::Http2, None)]
    {
        let net = Loopback::take();
        let way = Way::new(&net, spoken, Asked::SMALL);
        let _nginx = Nginx::backend(&[way.backend]);
        let contenders = contender::all(stage, ROW, way);
        let what = format!("HTTP/2 in, HTTP/1.1 out, {name}, 30 B");
        let load = format!("h2load -t1 -c{CONNECTIONS} -m{STREAMS}");
        Requests { row: ROW, what, aim, load: &load }.compare(stage, &contenders, |at, time| {
            let tls = spoken.certificate().is_some();
            let (connections, streams) = (CONNECTIONS, STREAMS);
            H2load { at, tls, path: "/", body: None, headers: &[], connections, streams }.run(time)
        });
    }
    Ok(())
}
