//! One direction of a relay as a machine: it has no socket and no clock. A driver asks what it [`Want`]s, does it, and
//! tells what came of it.
//!
//! ```text
//! copying:  Read ─filled─► Write ─written─► Read … ─(full reads in a row)─► splicing
//! splicing: Fill ─filled─► Drain ─written─► Fill … ─(small amounts, or no pipe)─► copying
//! either:   … ─filled(0), nothing left to write─► Shutdown ─shut─► Done
//! ```
//!
//! Small messages are copied through a buffer that all connections of a worker share; what a slow sink does not take is
//! all that a direction keeps. Reads begin small and grow while whole buffers go through, so that a slow reader never
//! has much waiting. A stream that fills whole buffers again and again is bulk, and goes through a pipe (splice(2)) that
//! never copies it; it is given back as soon as it is empty.
//!
//! Each direction ends by itself: a client that has sent its last byte still gets the answer (half-close, RFC 9293,
//! 3.6).

/// The first read: a message of most protocols fits, and it is all that waits for a client that does not read.
pub(super) const LEAST: usize = 16 << 10;
/// The largest read, the shared buffer's size: it costs few system calls and stays in a core's second-level cache.
pub(super) const MOST: usize = 256 << 10;
/// What may be in a pipe at once (pipe(7), F_SETPIPE_SZ): the largest that no privilege is needed for.
pub(super) const PIPE: usize = 1 << 20;
/// A read of this size that is full may be bulk: where the other side sets the pace, larger ones are rarely full.
const LARGE: usize = 64 << 10;
/// So many of them in a row are; before it, a pipe would cost more than it saves.
const FULL_READS: u8 = 3;
/// Less than this between two waits is no bulk,
const SMALL: u64 = 16 << 10;
/// when it happens so many times in a row.
const SMALL_RUNS: u8 = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// Read up to so many bytes from the source into an empty buffer.
    Read {
        most: usize,
    },
    /// Write these bytes of the buffer to the sink.
    Write {
        from: usize,
        to: usize,
    },
    /// Move up to so many bytes of what the source has into an empty pipe.
    Fill {
        most: usize,
    },
    /// Move so many bytes from the pipe to the sink.
    Drain {
        most: usize,
    },
    /// Tell the sink that no more comes.
    Shutdown,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Reads of `size`; so many full ones in a row.
    Copy { size: usize, full: u8 },
    /// Moved since the source was empty last; so many small runs in a row.
    Splice { run: u64, small: u8 },
}

#[derive(Debug)]
pub(super) struct Direction {
    way: Way,
    /// What waits to be written: positions in the buffer, or 0 and the amount in the pipe.
    from: usize,
    to: usize,
    may_splice: bool,
    ended: bool,
    shut: bool,
    moved: u64,
    /// Bytes that may yet be read.
    left: u64,
    /// The sink goes on behind the last byte.
    open_ended: bool,
}

impl Direction {
    /// `may_splice`: both ends are sockets whose bytes go through as they are.
    pub(super) fn new(may_splice: bool) -> Direction {
        Direction {
            way: Way::Copy { size: LEAST, full: 0 },
            from: 0,
            to: 0,
            may_splice,
            ended: false,
            shut: false,
            moved: 0,
            left: u64::MAX,
            open_ended: false,
        }
    }

    /// Of so many bytes, behind which both sides go on.
    pub(super) fn of(left: u64, may_splice: bool) -> Direction {
        Direction { left, open_ended: true, ended: left == 0, ..Direction::new(may_splice) }
    }

    pub(super) fn want(&self) -> Want {
        match self {
            Direction { shut: true, .. } => Want::Done,
            Direction { from, to, way, .. } if from < to => match way {
                Way::Copy { .. } => Want::Write { from: *from, to: *to },
                Way::Splice { .. } => Want::Drain { most: to - from },
            },
            Direction { ended: true, open_ended: true, .. } => Want::Done,
            Direction { ended: true, .. } => Want::Shutdown,
            Direction { way: Way::Copy { size, .. }, .. } => Want::Read { most: self.at_most(*size) },
            Direction { way: Way::Splice { .. }, .. } => Want::Fill { most: self.at_most(PIPE) },
        }
    }

    fn at_most(&self, size: usize) -> usize {
        usize::try_from(self.left).unwrap_or(usize::MAX).min(size)
    }

    /// The source gave `n` bytes; 0 is its end.
    pub(super) fn filled(&mut self, n: usize) {
        self.left = self.left.saturating_sub(n as u64);
        self.ended = n == 0 || self.left == 0;
        (self.from, self.to) = (0, n);
        match &mut self.way {
            Way::Copy { size, full } if n < *size => *full = 0,
            Way::Copy { full, .. } => *full += 1,
            Way::Splice { run, .. } => *run += n as u64,
        }
    }

    /// The sink took `n` of the bytes offered.
    pub(super) fn written(&mut self, n: usize) {
        let n = n.min(self.to - self.from);
        self.from += n;
        self.moved += n as u64;
        if self.from == self.to {
            self.went_through();
        }
    }

    /// The sink takes no more now; the driver keeps the rest, and it begins at 0 there.
    pub(super) fn kept(&mut self) {
        (self.from, self.to) = (0, self.to - self.from);
        if let Way::Copy { size, full } = &mut self.way {
            (*size, *full) = (LEAST, 0);
        }
    }

    /// The source has nothing now, and the pipe is empty.
    pub(super) fn ran_dry(&mut self) {
        if let Way::Splice { run, small } = &mut self.way {
            *small = if *run < SMALL { *small + 1 } else { 0 };
            *run = 0;
            if *small >= SMALL_RUNS {
                self.way = Way::Copy { size: LEAST, full: 0 };
            }
        }
    }

    /// There is no pipe for it, or the kernel cannot splice these two.
    pub(super) fn no_pipe(&mut self, ever: bool) {
        self.may_splice &= !ever;
        // One that may get a pipe later reads no more at once than before: hundreds of such have slow sinks, perhaps.
        let size = if self.may_splice { LARGE } else { MOST };
        self.way = Way::Copy { size, full: 0 };
    }

    pub(super) fn shut(&mut self) {
        self.shut = true;
    }

    /// The sink has been told that no more comes.
    pub(super) fn is_over(&self) -> bool {
        self.shut
    }

    /// Bytes of the source that the sink took.
    pub(super) fn moved(&self) -> u64 {
        self.moved
    }

    /// Nothing waits to be written.
    pub(super) fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// A whole read went through: the next may be larger, or the stream is bulk.
    fn went_through(&mut self) {
        let Way::Copy { size, full } = &mut self.way else { return };
        if *full == 0 {
            return;
        }
        if *size >= LARGE && self.may_splice && *full >= FULL_READS {
            self.way = Way::Splice { run: 0, small: 0 };
        } else if *size < LARGE || !self.may_splice {
            (*size, *full) = ((*size * 4).min(MOST), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_end_comes_after_the_last_byte() {
        let mut direction = Direction::new(false);
        direction.filled(10);
        direction.written(4);
        assert_eq!(direction.want(), Want::Write { from: 4, to: 10 });
        direction.kept();
        assert_eq!(direction.want(), Want::Write { from: 0, to: 6 });
        direction.written(6);
        assert_eq!(direction.want(), Want::Read { most: LEAST });
        direction.filled(0);
        assert_eq!(direction.want(), Want::Shutdown);
        direction.shut();
        assert_eq!((direction.want(), direction.moved()), (Want::Done, 10));
    }

    /// Whole buffers until it splices; how many there were.
    fn until_it_splices(direction: &mut Direction) -> usize {
        for reads in 0.. {
            match direction.want() {
                Want::Read { most } => direction.filled(most),
                Want::Fill { .. } => return reads,
                other => panic!("{other:?}"),
            }
            let Want::Write { from, to } = direction.want() else { panic!("nothing to write") };
            direction.written(to - from);
        }
        0
    }

    #[test]
    fn bulk_grows_into_a_pipe_and_small_messages_leave_it() {
        let mut direction = Direction::new(true);
        // 16K, then 64K three times.
        assert_eq!(until_it_splices(&mut direction), 4);
        for _ in 0..100 {
            direction.filled(SMALL as usize);
            direction.written(SMALL as usize);
            direction.ran_dry();
        }
        assert_eq!(direction.want(), Want::Fill { most: PIPE }, "bulk stays");
        for _ in 0..SMALL_RUNS {
            assert_eq!(direction.want(), Want::Fill { most: PIPE });
            direction.filled(100);
            assert_eq!(direction.want(), Want::Drain { most: 100 });
            direction.written(100);
            direction.ran_dry();
        }
        assert_eq!(direction.want(), Want::Read { most: LEAST });
        assert_eq!(until_it_splices(&mut direction), 4);
        direction.no_pipe(false);
        assert_eq!(until_it_splices(&mut direction), 3, "tried again later");
        direction.no_pipe(true);
        for _ in 0..300 {
            direction.filled(MOST);
            direction.written(MOST);
            assert_eq!(direction.want(), Want::Read { most: MOST });
        }
    }

    #[test]
    fn a_slow_sink_has_little_waiting() {
        let mut direction = Direction::new(true);
        direction.filled(LEAST);
        direction.written(LEAST);
        assert_eq!(direction.want(), Want::Read { most: LEAST * 4 });
        direction.filled(LEAST * 4);
        direction.written(1);
        direction.kept();
        direction.written(LEAST * 4 - 1);
        assert_eq!(direction.want(), Want::Read { most: LEAST });
    }

    /// What a driver with a real buffer and pipe of this machine would do to bytes.
    #[derive(Default)]
    struct Twin {
        buffer: Vec<u8>,
        pipe: Vec<u8>,
        sink: Vec<u8>,
        read: usize,
    }

    proptest! {
        /// Whatever sizes reads and writes come in, the sink gets the source's bytes in order, then the end.
        #[test]
        fn bytes_arrive_as_they_were_sent(
            length in 0usize..4_000_000,
            steps in proptest::collection::vec((1usize..600_000, any::<bool>()), 1..60),
        ) {
            let source: Vec<u8> = (0..length).map(|i| (i * 7) as u8).collect();
            let mut direction = Direction::new(true);
            let mut twin = Twin::default();
            let mut sizes = steps.iter().cycle();
            loop {
                let (size, blocks) = *sizes.next().unwrap();
                match direction.want() {
                    Want::Read { most } => {
                        prop_assert!(twin.pipe.is_empty() && most <= MOST);
                        let n = size.min(most).min(source.len() - twin.read);
                        twin.buffer = source[twin.read..twin.read + n].to_vec();
                        twin.read += n;
                        direction.filled(n);
                    }
                    Want::Write { from, to } => {
                        let n = size.min(to - from);
                        twin.sink.extend_from_slice(&twin.buffer[from..from + n]);
                        direction.written(n);
                        if blocks && from + n < to {
                            twin.buffer.drain(..from + n);
                            direction.kept();
                        }
                    }
                    Want::Fill { most } => {
                        let n = size.min(most).min(source.len() - twin.read);
                        twin.pipe.extend_from_slice(&source[twin.read..twin.read + n]);
                        twin.read += n;
                        direction.filled(n);
                    }
                    Want::Drain { most } => {
                        prop_assert_eq!(most, twin.pipe.len());
                        let n = size.min(most);
                        twin.sink.extend(twin.pipe.drain(..n));
                        direction.written(n);
                        if twin.pipe.is_empty() && blocks {
                            direction.ran_dry();
                        }
                    }
                    Want::Shutdown => direction.shut(),
                    Want::Done => break,
                }
            }
            prop_assert_eq!(direction.moved(), source.len() as u64);
            prop_assert!(twin.sink == source);
        }
    }
}
