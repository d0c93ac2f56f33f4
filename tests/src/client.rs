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
    try_dial(None, server).unwrap_or_else(|error| panic!("cannot connect to {server}: {error}"))
}

/// From one of this machine's other addresses.
#[track_caller]
pub fn dial_from(local: IpAddr, server: SocketAddr) -> TcpStream {
    try_dial(Some(local), server)
        .unwrap_or_else(|error| panic!("cannot connect to {server} from {local}: {error}"))
}

/// What a new connection is told until its end. A reset may come before the connect returns (tcp(7)): it is that end.
#[track_caller]
pub fn knock(local: Option<IpAddr>, server: SocketAddr) -> (Vec<u8>, End) {
    match try_dial(local, server) {
        Ok(mut stream) => read_to_its_end(&mut stream),
        Err(error) if is_reset(&error) => (Vec::new(), End::Reset),
        Err(error) => panic!("cannot connect to {server}: {error}"),
    }
}

/// Connected, with a deadline for every read and write.
///
/// # Errors
/// Those of connect(2): a server that resets at once may be heard of here.
pub fn try_dial(local: Option<IpAddr>, server: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP))?;
    if let Some(local) = local {
        socket.bind(&SocketAddr::new(local, 0).into())?;
    }
    socket.connect_timeout(&server.into(), SOON)?;
    Ok(with_deadlines(TcpStream::from(socket)))
}

/// Whether a TCP socket listens there (proc(5), `/proc/net/tcp`): a look that nobody notices, as a connect is not.
pub fn listens(address: SocketAddr) -> bool {
    let (file, ip) = match address.ip() {
        IpAddr::V4(ip) => ("/proc/net/tcp", format!("{:08X}", u32::from_ne_bytes(ip.octets()))),
        IpAddr::V6(ip) => {
            let words = ip.octets();
            let words =
                words.chunks_exact(4).map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
            ("/proc/net/tcp6", words.map(|word| format!("{word:08X}")).collect())
        }
    };
    let wanted = format!("{ip}:{:04X}", address.port());
    let table = std::fs::read_to_string(file).unwrap_or_default();
    // 0A is TCP_LISTEN.
    table.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().take(4).collect();
        matches!(fields[..], [_, local, _, "0A"] if local == wanted)
    })
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
