//! One field of a message after the other. `None`: the message ends before the field does.

pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Where the next field begins.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.rest().get(..length)?;
        self.at += length;
        Some(taken)
    }

    /// What stands before the next zero byte, which is taken too.
    pub(super) fn until_zero(&mut self) -> Option<&'a [u8]> {
        let length = self.rest().iter().position(|byte| *byte == 0)?;
        let text = self.take(length);
        self.at += 1;
        text
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_is_cut_is_none_and_takes_nothing() {
        let mut fields = Fields::new(b"\x07ab\0cd");
        assert_eq!(fields.byte(), Some(7));
        assert_eq!(fields.until_zero(), Some(&b"ab"[..]));
        assert_eq!(fields.until_zero(), None);
        assert_eq!(fields.take(3), None);
        assert_eq!(fields.take(usize::MAX), None);
        assert_eq!((fields.at(), fields.array()), (4, Some(*b"cd")));
        assert!(fields.is_empty());
        assert_eq!((fields.byte(), fields.take(0)), (None, Some(&b""[..])));
    }
}
