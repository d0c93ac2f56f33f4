//! System calls that neither the standard library, socket2 nor rustix offers in a safe form. None decides anything.

pub(super) mod message;
pub(super) mod option;
