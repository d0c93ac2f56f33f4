//! getsid(2). rustix has it too, but cannot hold the 0 that stands for a leader outside the own PID namespace.
#![allow(unsafe_code)] // Any foreign function is unsafe to call; this one takes a number.

/// Whether the calling process leads its session.
pub(crate) fn is_led_by_self() -> bool {
    // SAFETY: takes and returns numbers; 0 means the caller.
    let leader = unsafe { libc::getsid(0) };
    u32::try_from(leader).is_ok_and(|leader| leader == std::process::id())
}
