//! What shows that a way leads from a client to the backend: a first exchange, as the row has them later.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use roundhouse_benches::compare::{self, ATTEMPT};
use roundhouse_benches::load::{CLOSED_REQUEST, Certificate};

pub(crate) enum Proof {
    /// An HTTP backend answers.
    Http,
    /// The backend speaks first.
    Bytes,
    /// A datagram comes back.
    Datagram,
    /// An HTTP backend answers inside TLS.
    Tls(Certificate),
    /// The backend speaks first, inside TLS.
    TlsBytes(Certificate),
}

impl Proof {
    /// Until it is proven; else what the last attempt said.
    pub(crate) fn within(&self, patience: Duration, at: SocketAddr) -> Result<(), String> {
        compare::within(patience, || self.attempt(at))
    }

    fn attempt(&self, at: SocketAddr) -> io::Result<()> {
        match self {
            Proof::Http => {
                let mut stream = connect(at)?;
                stream.write_all(CLOSED_REQUEST)?;
                something(&mut stream)
            }
            Proof::Bytes => something(&mut connect(at)?),
            Proof::Datagram => datagram(at),
            Proof::Tls(certificate) => certificate.exchange(at, Some(ATTEMPT)).map(drop),
            Proof::TlsBytes(certificate) => something(&mut certificate.connect(at, Some(ATTEMPT))?),
        }
    }
}

fn connect(at: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&at, ATTEMPT)?;
    stream.set_read_timeout(Some(ATTEMPT))?;
    Ok(stream)
}

fn something(stream: &mut impl Read) -> io::Result<()> {
    let mut byte = [0];
    stream.read_exact(&mut byte)
}

fn datagram(at: SocketAddr) -> io::Result<()> {
    let socket = UdpSocket::bind(("127.0.0.1", 0))?;
    socket.connect(at)?;
    socket.set_read_timeout(Some(ATTEMPT))?;
    socket.send(b"there?")?;
    let mut answer = [0; 16];
    let count = socket.recv(&mut answer)?;
    if &answer[..count] == b"there?" { Ok(()) } else { Err(io::Error::other("another answer came")) }
}
