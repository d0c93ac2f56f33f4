//! What is asked.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;

use roundhouse_registry::access::guard::{Ask, peer};
use roundhouse_registry::access::{Claim, Guard, Http};

use crate::abi::Extensible;
use crate::answer::{RH_WRONG, rh_decision};

/// A peer that nobody knows is looked for once more.
pub const RH_WAIT: u32 = 1;
/// The connection is for no HTTP: rules that name methods or paths do not speak of it. Without it, and without `method`
/// and `path`, its requests count as ones that nobody looks into: a deny for some of them denies it.
pub const RH_NOT_HTTP: u32 = 2;

/// A question. Set all of it to zero, then `size` to its sizeof, then what is known.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct rh_ask {
    /// sizeof(rh_ask).
    pub size: usize,
    /// An address: of the other end, or whom a proxy named that is trusted. Not NULL.
    pub peer: *const c_char,
    /// The JOBNAME that the peer says it has.
    pub claimed: *const c_char,
    /// The text of the instance's token, as the peer showed it.
    pub token: *const c_char,
    /// The JOBNAME in the peer's client certificate, which you have verified.
    pub certificate: *const c_char,
    /// Of an HTTP request, with `path`; both or neither.
    pub method: *const c_char,
    pub path: *const c_char,
    /// As it stands in the job's record, whichever the socket has.
    pub port: u16,
    /// RH_WAIT, RH_NOT_HTTP.
    pub flags: u32,
}

impl Extensible for rh_ask {}

impl Default for rh_ask {
    fn default() -> rh_ask {
        let none = ptr::null();
        rh_ask {
            size: size_of::<rh_ask>(),
            peer: none,
            claimed: none,
            token: none,
            certificate: none,
            method: none,
            path: none,
            port: 0,
            flags: 0,
        }
    }
}

/// The same with its texts read.
pub(crate) struct Asked<'a> {
    pub(crate) peer: Option<&'a CStr>,
    pub(crate) claimed: Option<&'a CStr>,
    pub(crate) token: Option<&'a CStr>,
    pub(crate) certificate: Option<&'a CStr>,
    pub(crate) method: Option<&'a CStr>,
    pub(crate) path: Option<&'a CStr>,
    pub(crate) port: u16,
    pub(crate) flags: u32,
}

impl Asked<'_> {
    pub(crate) fn of(&self, guard: &Guard) -> (c_int, rh_decision) {
        let Some(ask) = self.ask() else { return (RH_WRONG, rh_decision::wrong()) };
        rh_decision::of(&match self.flags & RH_WAIT {
            0 => guard.check_with(&ask),
            _ => guard.check_fresh_blocking(&ask),
        })
    }

    /// What is no text is taken for what helps nobody: a claim to be several, a token of nobody, no certificate, a request
    /// that is not looked into.
    fn ask(&self) -> Option<Ask<'_>> {
        if self.flags & !(RH_WAIT | RH_NOT_HTTP) != 0 {
            return None;
        }
        let peer = peer(self.peer?.to_str().ok()?)?;
        let claim = match self.claimed.map(CStr::to_str) {
            None | Some(Ok("")) => Claim::None,
            Some(Ok(name)) => Claim::Name(name),
            Some(Err(_)) => Claim::Garbled,
        };
        let http = match (self.method.map(CStr::to_str), self.path.map(CStr::to_str)) {
            (None, None) if self.flags & RH_NOT_HTTP != 0 => Http::Not,
            (None, None) | (Some(Err(_)), Some(_)) | (Some(_), Some(Err(_))) => Http::Unseen,
            (Some(Ok(method)), Some(Ok(path))) => Http::Seen { method, path },
            (Some(_), None) | (None, Some(_)) => return None,
        };
        let token = self.token.map(|token| token.to_str().unwrap_or_default());
        let certificate = self.certificate.and_then(|name| name.to_str().ok());
        Some(Ask { peer, claim, token, certificate, port: self.port, http })
    }
}
