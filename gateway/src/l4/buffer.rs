//! Read buffers, pooled by worker: one is taken when a socket is readable and given back when it is empty.

/// Large enough that a bulk stream costs few system calls, small enough to stay in a core's second-level cache.
const SIZE: usize = 64 << 10;
/// 4 MiB a worker kept at rest.
const KEPT: usize = 64;

#[derive(Default)]
pub(super) struct BufferPool {
    free: Vec<Box<[u8]>>,
}

impl BufferPool {
    pub(super) fn take(&mut self) -> Box<[u8]> {
        self.free.pop().unwrap_or_else(|| vec![0; SIZE].into_boxed_slice())
    }

    pub(super) fn give(&mut self, buffer: Box<[u8]>) {
        if self.free.len() < KEPT {
            self.free.push(buffer);
        }
    }
}
