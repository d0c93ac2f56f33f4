//! Each direction ends by itself, and every byte before its end arrives.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::mpsc;

use rand::RngExt;
use roundhouse_tests::{End, Gateway, Server, dial, read_to_its_end};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, tcp};

const CLIENTS: usize = 1_000;
const MOST: usize = 200_000;

type Sum = [u8; 32];

fn sum(bytes: &[u8]) -> Sum {
    Sha256::digest(bytes).into()
}

/// Keeps everything until the client has ended, and only then gives it back: an end that is lost, or that takes the
/// other direction along, fails every connection.
async fn answer_after_the_end(mut stream: TcpStream) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    stream.write_all(&bytes).await?;
    stream.write_all(&sum(&bytes)).await?;
    stream.shutdown().await
}

async fn ask(vip: SocketAddr, bytes: &[u8]) -> std::io::Result<(Vec<u8>, Sum)> {
    let mut stream = TcpStream::connect(vip).await?;
    stream.write_all(bytes).await?;
    stream.shutdown().await?;
    let mut back = Vec::new();
    stream.read_to_end(&mut back).await?;
    let seen = back.split_off(back.len().saturating_sub(32));
    Ok((back, seen.try_into().unwrap_or_default()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_connections_end_their_sending_and_get_all_of_it_back() {
    let gateway = Gateway::start();
    // All may come before one is accepted.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(gateway.net.app(0), 7000)).unwrap();
    let listener = socket.listen(2 * CLIENTS as u32).unwrap();
    let vip = gateway.tcp_job("late", 7000, "", &[listener.local_addr().unwrap()]);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer_after_the_end(stream));
        }
    });
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            tokio::spawn(async move {
                let mut bytes = vec![0; rand::random_range(0..MOST)];
                rand::rng().fill(&mut bytes[..]);
                let (back, seen) = ask(vip, &bytes).await.map_err(|error| error.to_string())?;
                let (sent, back) = (sum(&bytes), sum(&back));
                if sent == seen && sent == back { Ok(()) } else { Err("other bytes".to_owned()) }
            })
        })
        .collect();
    let mut failed = Vec::new();
    for client in clients {
        failed.extend(client.await.unwrap().err());
    }
    assert!(failed.is_empty(), "{} of {CLIENTS} failed: {:?}", failed.len(), failed.first());
}

#[test]
fn a_server_that_ends_first_still_gets_the_upload_to_its_end() {
    let gateway = Gateway::start();
    let (told, heard) = mpsc::channel();
    let server = Server::start(SocketAddr::new(gateway.net.app(0), 7000), move |mut stream| {
        stream.write_all(b"that is all").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let (bytes, end) = read_to_its_end(&mut stream);
        told.send((sum(&bytes), end)).unwrap();
    });
    let vip = gateway.tcp_job("first", 7000, "", &[server.address]);
    for length in [1, 100_000, 5_000_000] {
        let mut client = dial(vip);
        assert_eq!(read_to_its_end(&mut client), (b"that is all".to_vec(), End::Closed));
        let bytes: Vec<u8> = (0..length).map(|n: u32| n as u8).collect();
        client.write_all(&bytes).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(heard.recv_timeout(roundhouse_tests::SOON).unwrap(), (sum(&bytes), End::Closed));
    }
}

#[test]
fn an_end_without_a_byte_passes_both_ways() {
    let gateway = Gateway::start();
    let server = Server::echo(SocketAddr::new(gateway.net.app(0), 7000));
    let vip = gateway.tcp_job("echo", 7000, "", &[server.address]);
    for _ in 0..100 {
        let mut client = dial(vip);
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_its_end(&mut client), (Vec::new(), End::Closed));
    }
}

/// Enough for the pipes of splice(2), both ways at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_both_ways_at_once_arrives_as_it_was_sent() {
    const BULK: usize = 100 << 20;
    let gateway = Gateway::start();
    let listener = TcpListener::bind((gateway.net.app(0), 7000)).await.unwrap();
    let vip = gateway.tcp_job("bulk", 7000, "", &[listener.local_addr().unwrap()]);
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (reader, writer) = stream.split();
        tokio::join!(take(reader), give(writer, 7, BULK))
    });
    let mut client = TcpStream::connect(vip).await.unwrap();
    let (reader, writer) = client.split();
    let (down, up) = tokio::join!(take(reader), give(writer, 3, BULK));
    let (seen_up, sent_down) = served.await.unwrap();
    assert_eq!((down, seen_up), (sent_down, up));
}

async fn give(mut writer: tcp::WriteHalf<'_>, seed: u8, total: usize) -> (Sum, usize) {
    let (mut sum, mut sent) = (Sha256::new(), 0);
    let mut part: Vec<u8> =
        (0..1 << 20).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 13) as u8 ^ seed).collect();
    while sent < total {
        part[sent % 1_000] = part[sent % 1_000].wrapping_add(seed);
        sum.update(&part);
        writer.write_all(&part).await.unwrap();
        sent += part.len();
    }
    writer.shutdown().await.unwrap();
    (sum.finalize().into(), sent)
}

async fn take(mut reader: tcp::ReadHalf<'_>) -> (Sum, usize) {
    let (mut sum, mut taken, mut part) = (Sha256::new(), 0, vec![0; 1 << 20]);
    loop {
        let n = reader.read(&mut part).await.unwrap();
        if n == 0 {
            return (sum.finalize().into(), taken);
        }
        sum.update(&part[..n]);
        taken += n;
    }
}

#[test]
fn bytes_that_come_one_by_one_are_not_held_back() {
    let gateway = Gateway::start();
    let server = Server::echo(SocketAddr::new(gateway.net.app(0), 7000));
    let vip = gateway.tcp_job("echo", 7000, "", &[server.address]);
    let mut client = dial(vip);
    for byte in 0..=255 {
        client.write_all(&[byte]).unwrap();
        let mut back = [0];
        client.read_exact(&mut back).unwrap();
        assert_eq!(back[0], byte);
    }
}
