//! A client of HTTP/2 that writes its frames by hand (RFC 9113, 4.1), right or wrong.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use roundhouse_tests::{SOON, dial, is_reset};
use socket2::SockRef;

/// Bytes of a flood that its sender's own socket holds.
const UNSENT: usize = 64 << 10;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field that no table keeps (RFC 7541, 6.2.2), with a name and value of less than 127 bytes.
pub(crate) fn literal(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [&[0][..], &text(name), &text(value)].concat()
}

/// The fields of a request to the job `web`.
pub(crate) fn fields(method: &str, path: &str) -> Vec<u8> {
    let all = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "web.jobs")];
    all.iter().flat_map(|(name, value)| literal(name, value)).collect()
}

pub(crate) fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &fields("GET", path))
}

/// Its body is to come.
pub(crate) fn post(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &fields("POST", "/"))
}

pub(crate) fn setting(key: u16, value: u32) -> Vec<u8> {
    [&key.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    fn word(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

/// How the gateway answered what it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// The connection is over, with this code.
    GoAway(u32),
    /// That stream is, with this one.
    Reset(u32, u32),
    /// With 200 (RFC 7541, A: the eighth of the static table),
    Served(u32),
    /// or another status.
    Head(u32),
    /// Closed without a word.
    Closed,
    /// It does as if nothing was.
    Silent,
}

pub(crate) struct Frames {
    stream: TcpStream,
    unread: VecDeque<u8>,
}

impl Frames {
    pub(crate) fn dial(server: SocketAddr) -> Frames {
        Frames::with(server, &[])
    }

    /// With settings of its own, as payload of the frame.
    pub(crate) fn with(server: SocketAddr, settings: &[u8]) -> Frames {
        let mut frames = Frames::bare(server);
        frames.send(&[PREFACE, &frame(SETTINGS, 0, 0, settings)].concat()).expect("nobody minds yet");
        frames
    }

    /// That has said nothing.
    pub(crate) fn bare(server: SocketAddr) -> Frames {
        Frames { stream: dial(server), unread: VecDeque::new() }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next frame; `None` at the end. SETTINGS and PING are answered on the way.
    pub(crate) fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.parsed() {
                if frame.flags & 1 == 0 && matches!(frame.kind, SETTINGS | PING) {
                    let payload = if frame.kind == PING { &frame.payload[..] } else { &[] };
                    let _ = self.send(&self::frame(frame.kind, 1, 0, payload));
                }
                return Ok(Some(frame));
            }
            let mut part = [0; 16 << 10];
            match self.stream.read(&mut part) {
                Ok(0) => return Ok(None),
                Ok(n) => self.unread.extend(&part[..n]),
                Err(error) if is_reset(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    fn parsed(&mut self) -> Option<Frame> {
        let head: Vec<u8> = self.unread.iter().take(9).copied().collect();
        let &[a, b, c, kind, flags, w, x, y, z] = &head[..] else { return None };
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        if self.unread.len() < 9 + length {
            return None;
        }
        let payload = self.unread.drain(..9 + length).skip(9).collect();
        Some(Frame { kind, flags, stream: u32::from_be_bytes([w & 0x7f, x, y, z]), payload })
    }

    /// The next one of this kind.
    #[track_caller]
    pub(crate) fn wait(&mut self, kind: u8) -> Frame {
        loop {
            match self.next().expect("the gateway answers in time") {
                Some(frame) if frame.kind == kind => return frame,
                Some(_) => {}
                None => panic!("the connection is over, and no frame of kind {kind} came"),
            }
        }
    }

    /// What the gateway says to what was sent: the first word that ends something, or a head.
    pub(crate) fn answered(&mut self, patience: Duration) -> Answered {
        let end = Instant::now() + patience;
        loop {
            let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(left)).unwrap();
            let next = self.next();
            self.stream.set_read_timeout(Some(SOON)).unwrap();
            match next {
                Ok(Some(frame)) => match frame.kind {
                    GOAWAY => return Answered::GoAway(frame.word(4)),
                    RST_STREAM => return Answered::Reset(frame.stream, frame.word(0)),
                    HEADERS if frame.payload[0] == 0x88 => return Answered::Served(frame.stream),
                    HEADERS => return Answered::Head(frame.stream),
                    _ if Instant::now() >= end => return Answered::Silent,
                    _ => {}
                },
                Ok(None) => return Answered::Closed,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Answered::Silent;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The code of the GOAWAY with which it ends, however much else comes before; `None`: without one.
    pub(crate) fn farewell(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.next().expect("the gateway ends it in time") {
            if frame.kind == GOAWAY {
                code = Some(frame.word(4));
            }
        }
        code
    }

    /// Writes the same again and again while it reads, until the gateway has enough or `times` is over. How many were
    /// taken, and the code of the GOAWAY.
    pub(crate) fn flood(mut self, times: usize, mut bytes: impl FnMut(usize) -> Vec<u8>) -> Flooded {
        // Else megabytes of small frames lie on the way (tcp(7), tcp_wmem) to a gateway that is not even at work.
        SockRef::from(&self.stream).set_send_buffer_size(UNSENT).unwrap();
        let mut reader = Frames { stream: self.stream.try_clone().unwrap(), unread: VecDeque::new() };
        std::mem::swap(&mut reader.unread, &mut self.unread);
        let reading = std::thread::spawn(move || {
            let (mut flooded, mut heads) = (None, 0);
            while let Ok(Some(frame)) = reader.next() {
                match frame.kind {
                    GOAWAY => flooded = Some(frame.word(4)),
                    HEADERS => heads += 1,
                    _ => {}
                }
            }
            (flooded, heads)
        });
        let mut taken = 0;
        while taken < times && self.send(&bytes(taken)).is_ok() {
            taken += 1;
        }
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
        let (code, heads) = reading.join().unwrap();
        Flooded { taken, code, heads }
    }
}

#[derive(Debug)]
pub(crate) struct Flooded {
    /// How many times it could write.
    pub(crate) taken: usize,
    pub(crate) code: Option<u32>,
    /// Answers that came.
    pub(crate) heads: usize,
}
