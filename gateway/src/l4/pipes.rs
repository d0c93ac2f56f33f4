//! Pipes for splice(2), pooled by worker: a bulk stream takes one while bytes are on their way and gives it back empty.

use std::os::fd::OwnedFd;

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

use super::relay::PIPE;

/// Pipes of one worker. An unprivileged user has 64 MiB for all (pipe(7), pipe-user-pages-soft), and streams beyond
/// these are copied, which is right too, only slower.
const MOST: usize = 32;
/// A pipe smaller than the shared buffer is slower than copying.
const LEAST_SIZE: usize = 256 << 10;

#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) reader: OwnedFd,
    pub(super) writer: OwnedFd,
}

#[derive(Debug, Default)]
pub(super) struct Pipes {
    free: Vec<Pipe>,
    made: usize,
}

impl Pipes {
    /// An empty pipe, if there is one left.
    pub(super) fn take(&mut self) -> Option<Pipe> {
        if let Some(pipe) = self.free.pop() {
            return Some(pipe);
        }
        if self.made >= MOST {
            return None;
        }
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        let size = fcntl_setpipe_size(&writer, PIPE).or_else(|_| fcntl_setpipe_size(&writer, LEAST_SIZE));
        // EPERM: the user's pipes have grown to the limit.
        size.ok()?;
        self.made += 1;
        Some(Pipe { reader, writer })
    }

    /// Takes back an empty one.
    pub(super) fn give(&mut self, pipe: Pipe) {
        self.free.push(pipe);
    }

    /// One that still held bytes was closed.
    pub(super) fn lost(&mut self) {
        self.made -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_an_end_to_pipes_and_each_comes_back() {
        let mut pipes = Pipes::default();
        let taken: Vec<Pipe> = std::iter::from_fn(|| pipes.take()).collect();
        assert!(!taken.is_empty() && taken.len() <= MOST);
        taken.into_iter().for_each(|pipe| pipes.give(pipe));
        let one = pipes.take().unwrap();
        drop(one);
        pipes.lost();
        assert!(pipes.take().is_some());
    }
}
