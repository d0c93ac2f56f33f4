//! One direction of a TCP relay as a machine: it has no socket and no clock. A driver asks what it [`Want`]s, does it,
//! and tells what came of it.
//!
//! ```text
//! Read ─filled─► Write ─written, empty─► Read … ─eof─► (Write the rest) ─► Shutdown ─shut─► Done
//! ```
//!
//! Each direction ends by itself: a client that has sent its last byte still gets the answer (half-close, RFC 9293,
//! 3.6). Memory is one buffer, held only while bytes wait in it.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// Read from the source into an empty buffer.
    Read,
    /// Write these bytes of the buffer to the sink.
    Write {
        from: usize,
        to: usize,
    },
    /// Tell the sink that no more comes.
    Shutdown,
    Done,
}

#[derive(Debug, Default)]
pub(super) struct Direction {
    from: usize,
    to: usize,
    ended: bool,
    shut: bool,
    moved: u64,
}

impl Direction {
    pub(super) fn want(&self) -> Want {
        match self {
            Direction { shut: true, .. } => Want::Done,
            Direction { from, to, .. } if from < to => Want::Write { from: *from, to: *to },
            Direction { ended: true, .. } => Want::Shutdown,
            _ => Want::Read,
        }
    }

    /// The source gave `n` bytes; 0 is its end.
    pub(super) fn filled(&mut self, n: usize) {
        self.ended = n == 0;
        (self.from, self.to) = (0, n);
    }

    /// The sink took `n` of the bytes offered.
    pub(super) fn written(&mut self, n: usize) {
        self.from += n.min(self.to - self.from);
        self.moved += n as u64;
    }

    pub(super) fn shut(&mut self) {
        self.shut = true;
    }

    /// Bytes that the sink took.
    pub(super) fn moved(&self) -> u64 {
        self.moved
    }

    /// Nothing waits in the buffer.
    pub(super) fn is_empty(&self) -> bool {
        self.from == self.to
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_end_comes_after_the_last_byte() {
        let mut direction = Direction::default();
        direction.filled(10);
        direction.written(4);
        assert_eq!(direction.want(), Want::Write { from: 4, to: 10 });
        direction.written(6);
        assert_eq!(direction.want(), Want::Read);
        direction.filled(0);
        assert_eq!(direction.want(), Want::Shutdown);
        direction.shut();
        assert_eq!((direction.want(), direction.moved()), (Want::Done, 10));
    }

    proptest! {
        /// Whatever sizes reads and writes come in, the sink gets the source's bytes in order, then the end.
        #[test]
        fn bytes_arrive_as_they_were_sent(
            source in proptest::collection::vec(any::<u8>(), 0..400),
            steps in proptest::collection::vec(1usize..40, 1..60),
        ) {
            let mut direction = Direction::default();
            let (mut buffer, mut read, mut sink) = ([0; 32], 0, Vec::new());
            let mut sizes = steps.iter().cycle();
            loop {
                let size = *sizes.next().unwrap();
                match direction.want() {
                    Want::Read => {
                        let n = size.min(32).min(source.len() - read);
                        buffer[..n].copy_from_slice(&source[read..read + n]);
                        read += n;
                        direction.filled(n);
                    }
                    Want::Write { from, to } => {
                        let n = size.min(to - from);
                        sink.extend_from_slice(&buffer[from..from + n]);
                        direction.written(n);
                    }
                    Want::Shutdown => direction.shut(),
                    Want::Done => break,
                }
            }
            prop_assert_eq!(direction.moved(), source.len() as u64);
            prop_assert_eq!(sink, source);
        }
    }
}
