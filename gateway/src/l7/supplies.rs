//! What an exchange needs for its time and gives back: an idle connection has nothing of it.

use std::cell::RefCell;

use crate::h1::Head;

/// A read: most heads, and most small bodies with them, are shorter.
const BUFFER: usize = 16 << 10;
/// Kept of each kind; more were needed at once, and will not be soon again.
const KEPT: usize = 256;
/// One that has grown beyond this is not kept.
const GROWN: usize = 64 << 10;

/// One worker's.
#[derive(Default)]
pub(super) struct Supplies {
    buffers: RefCell<Vec<Buffer>>,
    heads: RefCell<Vec<Head>>,
    texts: RefCell<Vec<Vec<u8>>>,
}

/// Bytes that came and were not taken yet.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Box<[u8]>,
    from: usize,
    to: usize,
}

impl Supplies {
    pub(super) fn buffer(&self) -> Buffer {
        self.buffers.borrow_mut().pop().unwrap_or_else(|| Buffer::of(BUFFER))
    }

    pub(super) fn give_buffer(&self, mut buffer: Buffer) {
        let mut kept = self.buffers.borrow_mut();
        if kept.len() < KEPT && buffer.bytes.len() == BUFFER {
            (buffer.from, buffer.to) = (0, 0);
            kept.push(buffer);
        }
    }

    pub(super) fn head(&self) -> Head {
        self.heads.borrow_mut().pop().unwrap_or_default()
    }

    pub(super) fn give_head(&self, mut head: Head) {
        let mut kept = self.heads.borrow_mut();
        if kept.len() < KEPT && head.text.capacity() <= GROWN {
            head.clear();
            kept.push(head);
        }
    }

    pub(super) fn text(&self) -> Vec<u8> {
        self.texts.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(1 << 10))
    }

    pub(super) fn give_text(&self, mut text: Vec<u8>) {
        let mut kept = self.texts.borrow_mut();
        if kept.len() < KEPT && text.capacity() <= GROWN {
            text.clear();
            kept.push(text);
        }
    }
}

impl Buffer {
    fn of(size: usize) -> Buffer {
        Buffer { bytes: vec![0; size].into_boxed_slice(), from: 0, to: 0 }
    }

    pub(super) fn holding(bytes: &[u8]) -> Buffer {
        let mut buffer = Buffer::of(BUFFER.max(bytes.len()));
        buffer.bytes[..bytes.len()].copy_from_slice(bytes);
        buffer.to = bytes.len();
        buffer
    }

    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes[self.from..self.to]
    }

    pub(super) fn unread_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.from..self.to]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.from == self.to
    }

    pub(super) fn consume(&mut self, n: usize) {
        self.from = self.from.saturating_add(n).min(self.to);
    }

    /// Where more goes: behind what is there, which is moved to the front, and to a larger place if it fills this one.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.to == self.bytes.len() {
            let unread = self.to - self.from;
            if self.from > 0 {
                self.bytes.copy_within(self.from..self.to, 0);
            } else {
                let mut larger = vec![0; self.bytes.len() * 2].into_boxed_slice();
                larger[..unread].copy_from_slice(&self.bytes);
                self.bytes = larger;
            }
            (self.from, self.to) = (0, unread);
        }
        &mut self.bytes[self.to..]
    }

    pub(super) fn filled(&mut self, n: usize) {
        self.to += n;
    }
}
