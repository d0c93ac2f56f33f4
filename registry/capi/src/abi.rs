//! The entry points. Everything unsafe is here: reading what the caller points to, and writing where it says.
//!
//! What C promises of every pointer: it is NULL, or valid for what is read or written there, until the call returns; a text
//! ends with NUL; a guard is one that was opened and not closed. Nothing else is believed.

#![allow(unsafe_code)]
// The promises are those above, and the header's.
#![allow(clippy::missing_safety_doc)]

use std::ffi::{CStr, c_char, c_int};
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use roundhouse_registry::access::Guard;

use crate::answer::{RH_DENY, RH_WRONG, rh_decision};
use crate::asking::{Asked, rh_ask};
use crate::opening::{Opened, rh_options};

/// The guard of one job's door. Any number of threads may ask it at once. It does not outlive fork(2): open it in the child.
pub struct rh_guard(Guard);

/// Opens a guard. Waits for the registry, 5 s at most. NULL: it was not opened, and `error` says why.
/// `registry_url`: `http://hub:8400` (a gateway), `etcd://h1:2379,h2:2379`, or with TLS `https://…`.
/// `job`: the label of the job whose door it is. `snapshot_path`: a file for this guard alone, in which it keeps what the
/// registry said last, or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rh_guard_open(
    registry_url: *const c_char,
    job: *const c_char,
    snapshot_path: *const c_char,
    error: *mut c_char,
    error_len: usize,
) -> *mut rh_guard {
    let options = rh_options { registry_url, job, snapshot_path, ..rh_options::default() };
    // SAFETY: the options are ours, and their texts the caller's.
    unsafe { rh_guard_open_with(&raw const options, error, error_len) }
}

/// The same with everything that there is to say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rh_guard_open_with(
    options: *const rh_options,
    error: *mut c_char,
    error_len: usize,
) -> *mut rh_guard {
    let opened = caught(Err("internal error: it panicked; see standard error".into()), || {
        // SAFETY: NULL or the caller's options, which say how long they are; so with the texts in them.
        let options =
            unsafe { own(options) }.ok_or("options: NULL, or `size` is not that of this library's header")?;
        Opened {
            registry_url: unsafe { text(options.registry_url) },
            job: unsafe { text(options.job) },
            snapshot_path: unsafe { text(options.snapshot_path) },
            bootstrap_path: unsafe { text(options.bootstrap_path) },
            prefix: unsafe { text(options.prefix) },
            ca: unsafe { text(options.ca) },
            cert: unsafe { text(options.cert) },
            key: unsafe { text(options.key) },
            user: unsafe { text(options.user) },
            password_file: unsafe { text(options.password_file) },
            token_file: unsafe { text(options.token_file) },
            wait_ms: options.wait_ms,
        }
        .open()
    });
    match opened {
        Ok(guard) => Box::into_raw(Box::new(rh_guard(guard))),
        Err(reason) => {
            // SAFETY: the caller's buffer, of the length that it says.
            unsafe { tell(&reason, error, error_len) };
            ptr::null_mut()
        }
    }
}

/// Whether the peer may come to the job's port: RH_ALLOW (0), RH_DENY (1) or RH_WRONG (-1: an argument is none). Only 0 is
/// a yes. `peer`: an address, also with a zone or IPv4-mapped. `claimed`: the JOBNAME that the peer says it has; NULL or
/// empty: it says none. `out`: where the decision goes, or NULL. Takes no lock and no memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rh_guard_check(
    guard: *const rh_guard,
    peer: *const c_char,
    claimed: *const c_char,
    port: u16,
    out: *mut rh_decision,
) -> c_int {
    let ask = rh_ask { peer, claimed, port, ..rh_ask::default() };
    // SAFETY: the question is ours, and its texts the caller's.
    unsafe { rh_guard_ask(guard, &raw const ask, out) }
}

/// The same with everything that may be known of the peer; with RH_WAIT one that nobody knows is looked for once more,
/// which may take half a second.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rh_guard_ask(
    guard: *const rh_guard,
    ask: *const rh_ask,
    out: *mut rh_decision,
) -> c_int {
    let (answer, decision) = caught((RH_DENY, rh_decision::panicked()), || {
        // SAFETY: NULL, or one that was opened and not closed.
        let guard = unsafe { guard.as_ref() };
        // SAFETY: NULL or the caller's question, which says how long it is; so with the texts in it.
        let ask = unsafe { own(ask) };
        let (Some(guard), Some(ask)) = (guard, ask) else { return (RH_WRONG, rh_decision::wrong()) };
        Asked {
            peer: unsafe { text(ask.peer) },
            claimed: unsafe { text(ask.claimed) },
            token: unsafe { text(ask.token) },
            certificate: unsafe { text(ask.certificate) },
            method: unsafe { text(ask.method) },
            path: unsafe { text(ask.path) },
            port: ask.port,
            flags: ask.flags,
        }
        .of(&guard.0)
    });
    if !out.is_null() {
        // SAFETY: the caller's own.
        unsafe { out.write(decision) };
    }
    answer
}

/// The registry's revision by which is decided now; 0: the bootstrap file decides, or the guard is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rh_guard_revision(guard: *const rh_guard) -> u64 {
    // SAFETY: NULL, or one that was opened and not closed.
    caught(0, || unsafe { guard.as_ref() }.map_or(0, |guard| guard.0.status().revision.0))
}

/// How many seconds ago the registry was last heard: 0 while it is there. How old the bootstrap file is, while that decides.
/// UINT64_MAX: the guard is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rh_guard_stale_seconds(guard: *const rh_guard) -> u64 {
    // SAFETY: NULL, or one that was opened and not closed.
    caught(u64::MAX, || unsafe { guard.as_ref() }.map_or(u64::MAX, |guard| guard.0.status().stale.as_secs()))
}

/// Closes the guard, which nobody may ask any more, and waits for the last look at its snapshot: 2 s at most. NULL is
/// closed already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rh_guard_close(guard: *mut rh_guard) {
    if !guard.is_null() {
        // SAFETY: it came from `Box::into_raw`, and the caller gives it back.
        caught((), || drop(unsafe { Box::from_raw(guard) }));
    }
}

/// No panic crosses into C.
fn caught<T>(otherwise: T, answer: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(answer)).unwrap_or(otherwise)
}

/// What a caller may point to that was compiled with an older header: it begins with its own size, and where it ends the
/// rest is zero.
pub(crate) trait Extensible: Copy {}

/// `None`: NULL, or longer than this library knows.
unsafe fn own<T: Extensible>(from: *const T) -> Option<T> {
    if from.is_null() {
        return None;
    }
    // SAFETY: the first field of each is its size.
    let size = unsafe { from.cast::<usize>().read() };
    if !(size_of::<usize>()..=size_of::<T>()).contains(&size) {
        return None;
    }
    let mut own = MaybeUninit::<T>::zeroed();
    // SAFETY: so many bytes are the caller's, and no more are ours.
    unsafe { ptr::copy_nonoverlapping(from.cast::<u8>(), own.as_mut_ptr().cast::<u8>(), size) };
    // SAFETY: numbers and pointers, of which zero is one.
    Some(unsafe { own.assume_init() })
}

unsafe fn text<'a>(from: *const c_char) -> Option<&'a CStr> {
    // SAFETY: not NULL, so a text that ends.
    (!from.is_null()).then(|| unsafe { CStr::from_ptr(from) })
}

/// As much of it as there is room for.
unsafe fn tell(reason: &str, out: *mut c_char, len: usize) {
    if out.is_null() || len == 0 {
        return;
    }
    let end = reason.floor_char_boundary(len - 1);
    // SAFETY: `end` bytes and the NUL are at most `len`.
    unsafe {
        ptr::copy_nonoverlapping(reason.as_ptr(), out.cast::<u8>(), end);
        out.add(end).write(0);
    }
}
