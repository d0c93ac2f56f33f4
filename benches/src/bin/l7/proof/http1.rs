//! HTTP/1.1, over TCP or TLS.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use roundhouse_benches::compare::ATTEMPT;
use roundhouse_benches::load::{Certificate, Stream};
use roundhouse_tests::http::Connection;

use super::{Client, Said};

pub(super) struct Http1<S: Read>(Connection<S>);

impl Http1<TcpStream> {
    pub(super) fn open(at: SocketAddr) -> io::Result<Http1<TcpStream>> {
        Ok(Http1(Connection::open(at)?))
    }
}

impl Http1<Stream> {
    pub(super) fn open_tls(at: SocketAddr, certificate: &Certificate) -> io::Result<Http1<Stream>> {
        Ok(Http1(Connection::over(certificate.connect(at, Some(ATTEMPT))?)))
    }
}

impl<S: Read + Write> Client for Http1<S> {
    fn ask(&mut self, host: &str, path: &str, body: &str) -> io::Result<Said> {
        let method = if body.is_empty() { "GET" } else { "POST" };
        let reply = self.0.request(method, host, path, body)?;
        Ok(Said { good: reply.status == 200, status: reply.status, body: reply.body })
    }
}
