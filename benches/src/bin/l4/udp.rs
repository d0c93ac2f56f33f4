//! Row 5: small datagrams there and back, each client a session that stays.

use std::net::SocketAddr;
use std::time::Duration;

use roundhouse_benches::compare::{Against, Comparison, Skipped, Stage, each};
use roundhouse_tests::Loopback;

use crate::contender::{self, Way};
use crate::datagrams::{self, Clients};
use crate::proof::Proof;

const ROW: u8 = 5;
const BACKEND: u16 = 7_305;
const LISTEN: u16 = 7_405;
const CLIENTS: usize = 64;

pub(crate) fn run(stage: &mut Stage) -> Result<(), Skipped> {
    let net = Loopback::take();
    let backend = SocketAddr::new(net.app(0), BACKEND);
    datagrams::echo(backend).expect("the network is ours");
    let way = |app| Way {
        cores: &stage.cores,
        listen: SocketAddr::new(net.app(app), LISTEN),
        backend,
        proof: &Proof::Datagram,
    };
    let contenders = [contender::roundhouse(way(1), "udp")?, contender::nginx_udp(way(2))];
    let with_clients = contenders.each_ref().map(|contender| {
        let mut clients = Clients::new(contender.at, CLIENTS).expect("loopback has sockets");
        clients.run(Duration::from_millis(500)).expect("epoll works");
        (contender, std::cell::RefCell::new(clients))
    });
    let (time, mut lost) = (stage.options.seconds(5), 0);
    let samples = stage.alternate(&with_clients, |(contender, clients)| {
        let before = contender.cpu();
        let outcome = clients.borrow_mut().run(time).expect("epoll works");
        let spent = contender.cpu().since(&before);
        lost += outcome.lost;
        let done = outcome.done as f64;
        [spent.as_secs_f64() * 1e6 / done, done / time.as_secs_f64()]
    });
    let what = "UDP, 32 bytes there and back";
    stage.report.add(
        Comparison::cost(ROW, what, "us CPU/exchange", each(&contenders, &samples, 0))
            .at_most(0.6, Against::Nginx),
    );
    stage.report.add(Comparison::yields(ROW, "  exchanges", "1/s", each(&contenders, &samples, 1)));
    let note = format!(
        "{CLIENTS} clients with one datagram on its way each, for {time:?}; {lost} lost; HAProxy relays no UDP"
    );
    stage.report.note(ROW, note);
    Ok(())
}
