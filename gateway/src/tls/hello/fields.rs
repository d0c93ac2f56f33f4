//! A message's fields in their order, each with a length that must add up (the presentation language of RFC 8446, 3).

use super::{HelloError, Part};

/// What is left of one part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    part: Part,
}

impl<'a> Fields<'a> {
    pub(super) fn new(part: Part, bytes: &'a [u8]) -> Fields<'a> {
        Fields { rest: bytes, part }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn bytes(&mut self, length: usize) -> Result<&'a [u8], HelloError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(HelloError::Length(self.part))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, HelloError> {
        let (byte, rest) = self.rest.split_first().ok_or(HelloError::Length(self.part))?;
        self.rest = rest;
        Ok(*byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, HelloError> {
        Ok(u16::from_be_bytes([self.u8()?, self.u8()?]))
    }

    /// With a length of one byte before it.
    pub(super) fn vector8(&mut self) -> Result<&'a [u8], HelloError> {
        let length = self.u8()?;
        self.bytes(length.into())
    }

    /// With a length of two bytes before it.
    pub(super) fn vector16(&mut self) -> Result<&'a [u8], HelloError> {
        let length = self.u16()?;
        self.bytes(length.into())
    }

    /// Nothing follows.
    pub(super) fn end(&self) -> Result<(), HelloError> {
        if self.is_empty() { Ok(()) } else { Err(HelloError::Length(self.part)) }
    }
}
