//! Over HTTP/1.1: a thread for each connection.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use roundhouse_tests::Server;

use super::{BLOCK, hash, wanted};

type Stream = BufReader<TcpStream>;

pub(crate) fn start(address: SocketAddr) -> Server {
    Server::start(address, |stream| {
        let mut stream = BufReader::new(stream);
        while let Ok(Some(head)) = read_head(&mut stream) {
            if answer(&mut stream, &head).is_err() {
                return;
            }
        }
    })
}

fn answer(stream: &mut Stream, head: &[String]) -> io::Result<()> {
    let path = head[0].split(' ').nth(1).unwrap_or_default().to_owned();
    if let Some(n) = wanted(&path) {
        let out = stream.get_mut();
        write!(out, "HTTP/1.1 200 OK\r\ncontent-length: {n}\r\n\r\n")?;
        let head_only = head[0].starts_with("HEAD");
        let mut left = if head_only { 0 } else { n };
        while left > 0 {
            let part = left.min(BLOCK.len());
            out.write_all(&BLOCK[..part])?;
            left -= part;
        }
        return Ok(());
    }
    let (body, trailers) = read_body(stream, head)?;
    let out = stream.get_mut();
    match path.as_str() {
        "/echo" => {
            write!(out, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            for chunk in body.chunks(10_000) {
                write!(out, "{:x}\r\n", chunk.len())?;
                out.write_all(&[chunk, b"\r\n"].concat())?;
            }
            let lines: String = trailers.iter().map(|line| format!("{line}\r\n")).collect();
            write!(out, "0\r\nx-hash: {}\r\n{lines}\r\n", hash(&body))
        }
        "/stall" => {
            write!(out, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            stream.read(&mut [0]).map(drop)
        }
        _ => write!(out, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
    }
}

/// Its lines; `None`: there is none.
pub(crate) fn read_head(stream: &mut impl BufRead) -> io::Result<Option<Vec<String>>> {
    let lines = read_lines(stream)?;
    Ok((!lines.is_empty()).then_some(lines))
}

/// Lines until an empty one, or the end.
pub(crate) fn read_lines(stream: &mut impl BufRead) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        match line.trim_end() {
            "" => return Ok(lines),
            line => lines.push(line.to_owned()),
        }
    }
}

pub(crate) fn field<'a>(head: &'a [String], name: &str) -> Option<&'a str> {
    head.iter().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// A body and the lines of its trailers.
pub(crate) fn read_body(stream: &mut impl BufRead, head: &[String]) -> io::Result<(Vec<u8>, Vec<String>)> {
    if field(head, "transfer-encoding").is_none() {
        let length = field(head, "content-length").map_or(0, |length| length.parse().unwrap_or(0));
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        return Ok((body, Vec::new()));
    }
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        stream.read_line(&mut size)?;
        let size = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
        if size == 0 {
            return Ok((body, read_lines(stream)?));
        }
        let from = body.len();
        body.resize(from + size, 0);
        stream.read_exact(&mut body[from..])?;
        stream.read_exact(&mut [0; 2])?;
    }
}
