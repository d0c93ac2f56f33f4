//! System calls that neither the standard library nor rustix offers in a safe form.
//!
//! [`recvmmsg`], [`sendmmsg`], [`option`] and [`readable`] wrap one call each and are the only places with `unsafe`. What
//! the kernel writes beside a datagram (its addresses, its control messages) is read as bytes by [`address`] and
//! [`control`]. None of them decides anything.

pub(super) mod address;
pub(super) mod control;
pub(super) mod option;
pub(super) mod readable;
pub(super) mod recvmmsg;
pub(super) mod sendmmsg;

/// Datagrams of one call: by 32 the call's own cost is spread thin, and a longer batch only makes the first datagram
/// wait for the last.
pub(super) const BATCH: usize = 32;
