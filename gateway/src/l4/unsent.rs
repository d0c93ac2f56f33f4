//! What a socket has not been able to deliver yet.

use std::ffi::c_int;
use std::os::fd::AsFd;

use rustix::ioctl::{Getter, Opcode, ioctl};

/// SIOCOUTQ (tcp(7); linux/sockios.h).
const OUTQ: Opcode = libc::TIOCOUTQ as Opcode;

/// Whether the peer's kernel has acknowledged every byte, so that a reset (which drops what was not) loses none.
#[allow(unsafe_code)]
pub(super) fn is_all_acknowledged(socket: impl AsFd) -> bool {
    // SAFETY: SIOCOUTQ writes one int and touches nothing else, whatever the descriptor is.
    let waiting = unsafe { ioctl(socket, Getter::<OUTQ, c_int>::new()) };
    waiting.is_ok_and(|bytes| bytes == 0)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn bytes_that_nobody_reads_are_seen() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut receiver, _) = listener.accept().unwrap();
        assert!(is_all_acknowledged(&sender));
        sender.set_nonblocking(true).unwrap();
        while sender.write(&[0; 1 << 16]).is_ok() {}
        assert!(!is_all_acknowledged(&sender));
        drop(sender);
        std::io::copy(&mut receiver, &mut std::io::sink()).unwrap();
        assert!(!is_all_acknowledged(std::fs::File::open("/dev/null").unwrap()));
    }
}
