//! A server on port 0, asked over both transports.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use roundhouse_registry::{Snapshot, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::dns::Server;
use crate::dns::sample::{TTL, data, query, records, table_of};
use crate::phase::Phase;

const DEADLINE: Duration = Duration::from_secs(5);

/// Runs `client` against a server, then stops the server and sees it end.
fn serve<F: Future<Output = ()>>(client: impl FnOnce(SocketAddr) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let table = table_of("127.99.0.0/16", &records(200));
    let table = Arc::new(ArcSwap::from_pointee(table));
    let server = Server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = server.local_addr().unwrap();
    let (phase, stop) = watch::channel(Phase::Serving);
    runtime.block_on(async {
        let server = tokio::spawn(server.run(table, Arc::new(Store::new(Snapshot::default())), TTL, stop));
        timeout(DEADLINE, client(address)).await.unwrap();
        phase.send(Phase::Draining).unwrap();
        timeout(DEADLINE, server).await.unwrap().unwrap();
    });
}

fn framed(query: &Message) -> Vec<u8> {
    let bytes = query.to_vec().unwrap();
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], &bytes].concat()
}

async fn receive(stream: &mut TcpStream) -> Message {
    let mut bytes = vec![0; usize::from(stream.read_u16().await.unwrap())];
    stream.read_exact(&mut bytes).await.unwrap();
    Message::from_vec(&bytes).unwrap()
}

#[test]
fn a_cut_answer_is_asked_for_again_over_tcp() {
    serve(|address| async move {
        let query = query("app2.instances.jobs.coding.net.", RecordType::A);
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        // Garbage and answers first: neither is answered nor in the way.
        udp.send_to(b"?", address).await.unwrap();
        udp.send_to(&[0xff; 5000], address).await.unwrap();
        udp.send_to(&query.to_vec().unwrap(), address).await.unwrap();
        let mut buffer = [0; 2000];
        let (length, from) = udp.recv_from(&mut buffer).await.unwrap();
        assert_eq!(from, address);
        assert!(length <= 512 && Message::from_vec(&buffer[..length]).unwrap().metadata.truncation);

        let mut tcp = TcpStream::connect(address).await.unwrap();
        tcp.write_all(&framed(&query)).await.unwrap();
        assert_eq!(receive(&mut tcp).await.answers.len(), 200);
    });
}

#[test]
fn queries_on_a_connection_are_answered_in_order_however_they_are_cut() {
    serve(|address| async move {
        let mut tcp = TcpStream::connect(address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let mut bytes = Vec::new();
        for id in 0..50 {
            let mut query = query("app2.jobs.coding.net.", RecordType::A);
            query.metadata.id = id;
            bytes.extend(framed(&query));
        }
        for piece in bytes.chunks(7) {
            tcp.write_all(piece).await.unwrap();
        }
        for id in 0..50 {
            let reply = receive(&mut tcp).await;
            assert_eq!((reply.metadata.id, data(&reply.answers)), (id, vec!["127.99.0.7".to_owned()]));
        }
    });
}

#[test]
fn a_wrong_length_ends_the_connection_and_only_that_one() {
    serve(|address| async move {
        for wrong in [[0, 0], [0xff, 0xff]] {
            let mut tcp = TcpStream::connect(address).await.unwrap();
            tcp.write_all(&wrong).await.unwrap();
            assert_eq!(tcp.read(&mut [0]).await.unwrap_or(0), 0);
        }
        let mut tcp = TcpStream::connect(address).await.unwrap();
        tcp.write_all(&framed(&query("bare.jobs.coding.net.", RecordType::A))).await.unwrap();
        assert!(receive(&mut tcp).await.answers.is_empty());
    });
}

#[test]
fn a_second_server_at_the_address_is_an_error() {
    let first = Server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let error = Server::bind(first.local_addr().unwrap()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}
