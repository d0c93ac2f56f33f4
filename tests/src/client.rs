//! A TCP client of the test's own, and how its connection came to an end.

use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::SOON;

/// How a peer ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// In order (FIN).
    Closed,
    /// RST.
    Reset,
}

/// Connected, with a deadline for every read and write.
///
/// # Panics
/// When nobody listens.
#[track_caller]
pub fn dial(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&server, SOON);
    with_deadlines(stream.unwrap_or_else(|error| panic!("cannot connect to {server}: {error}")))
}

/// From one of this machine's other addresses.
#[track_caller]
pub fn dial_from(local: IpAddr, server: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP)).expect("a socket");
    socket.bind(&SocketAddr::new(local, 0).into()).expect("an address of this machine");
    let connected = socket.connect_timeout(&server.into(), SOON);
    connected.unwrap_or_else(|error| panic!("cannot connect to {server} from {local}: {error}"));
    with_deadlines(TcpStream::from(socket))
}

fn with_deadlines(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(SOON)).expect("a timeout can be set");
    stream.set_write_timeout(Some(SOON)).expect("a timeout can be set");
    stream.set_nodelay(true).expect("an option of TCP");
    stream
}

/// What comes until the peer ends it, and how it does.
///
/// # Panics
/// When it does not.
#[track_caller]
pub fn read_to_its_end(stream: &mut TcpStream) -> (Vec<u8>, End) {
    let (mut bytes, mut part) = (Vec::new(), [0; 16 << 10]);
    loop {
        match stream.read(&mut part) {
            Ok(0) => return (bytes, End::Closed),
            Ok(n) => bytes.extend_from_slice(&part[..n]),
            Err(error) if is_reset(&error) => return (bytes, End::Reset),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("after {} bytes: {error}", bytes.len()),
        }
    }
}

pub fn is_reset(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

/// Closing it from now on is a reset (socket(7), SO_LINGER).
pub fn reset_on_close(stream: &TcpStream) {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("an option of a socket");
}
