//! What is answered.

use std::ffi::{CStr, c_char, c_int};

use roundhouse_registry::access::guard::Decision;
use roundhouse_registry::access::{Reason, Verdict};

/// The peer may come in. The only yes.
pub const RH_ALLOW: c_int = 0;
/// It may not.
pub const RH_DENY: c_int = 1;
/// An argument is NULL where it may not be, or no address. It may not.
pub const RH_WRONG: c_int = -1;

/// Other jobs live at the peer's address.
pub const RH_SHARED_IP: u32 = 1;
/// The identity is proved.
pub const RH_PROVED: u32 = 2;
/// The verdict would be the other one if the rules that are only tried out were in force.
pub const RH_WOULD_DIFFER: u32 = 4;
/// A session of this peer that was let in earlier ends now. Not set where what is known has only grown old.
pub const RH_REVOKES: u32 = 8;

/// Bytes of a rule's id, which has 128 at most, and its NUL.
pub const RH_RULE: usize = 136;
/// Bytes of a JOBNAME, which has 600 at most, and its NUL.
pub const RH_IDENTITY: usize = 608;

/// A decision. All texts end with NUL and are empty where there is nothing to say.
#[repr(C)]
pub struct rh_decision {
    /// RH_ALLOW or RH_DENY.
    pub verdict: i32,
    /// RH_SHARED_IP, RH_PROVED, RH_WOULD_DIFFER, RH_REVOKES.
    pub flags: u32,
    /// Why, as one of a closed list of words. Static, never NULL.
    pub reason: *const c_char,
    /// The registry's revision by which it was decided; 0: by the bootstrap file.
    pub revision: u64,
    /// How many seconds ago the registry was last heard; 0 while it is there. How old the bootstrap file is, while that
    /// decides. UINT64_MAX: nobody decided.
    pub stale_seconds: u64,
    /// The rule that decided.
    pub rule: [c_char; RH_RULE],
    /// The JOBNAME that the peer has, where that is one alone and somebody had to know.
    pub identity: [c_char; RH_IDENTITY],
}

impl rh_decision {
    pub(crate) fn of(decision: &Decision) -> (c_int, rh_decision) {
        let verdict = match decision.verdict {
            Verdict::Allow => RH_ALLOW,
            Verdict::Deny => RH_DENY,
        };
        let flag = |set: bool, flag: u32| if set { flag } else { 0 };
        let flags = flag(decision.shared_ip, RH_SHARED_IP)
            | flag(decision.proved, RH_PROVED)
            | flag(decision.would.is_some(), RH_WOULD_DIFFER)
            | flag(decision.revokes(), RH_REVOKES);
        let answer = rh_decision {
            verdict,
            flags,
            reason: reason(decision.reason).as_ptr(),
            revision: decision.revision.0,
            stale_seconds: decision.stale.as_secs(),
            rule: copied(decision.rule.as_ref().map_or("", |rule| rule.as_str())),
            identity: copied(decision.identity.as_ref().map_or("", |name| name.as_str())),
        };
        (verdict, answer)
    }

    /// To whoever asks something that is no question.
    pub(crate) fn wrong() -> rh_decision {
        rh_decision::without_guard(c"wrong_argument")
    }

    pub(crate) fn panicked() -> rh_decision {
        rh_decision::without_guard(c"internal_error")
    }

    fn without_guard(reason: &'static CStr) -> rh_decision {
        rh_decision {
            verdict: RH_DENY,
            flags: 0,
            reason: reason.as_ptr(),
            revision: 0,
            stale_seconds: u64::MAX,
            rule: [0; RH_RULE],
            identity: [0; RH_IDENTITY],
        }
    }
}

/// The words of [`Reason::as_str`], with their NUL.
fn reason(reason: Reason) -> &'static CStr {
    match reason {
        Reason::Open => c"open",
        Reason::Rule => c"rule",
        Reason::DefaultAllow => c"default_allow",
        Reason::DefaultDeny => c"default_deny",
        Reason::Guarded => c"guarded",
        Reason::FalseClaim => c"false_claim",
        Reason::Forged => c"forged",
        Reason::Unproved => c"unproved",
        Reason::Stale => c"stale",
        Reason::StaleUnproved => c"stale_unproved",
        Reason::NoJob => c"no_job",
        Reason::Unheard => c"unheard",
    }
}

/// As much of it as there is room for, and NUL.
fn copied<const N: usize>(text: &str) -> [c_char; N] {
    let mut out = [0; N];
    let room = text.floor_char_boundary(N - 1);
    for (to, byte) in out.iter_mut().zip(text[..room].bytes()) {
        *to = byte.cast_signed() as c_char;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_the_same_words() {
        for one in Reason::ALL {
            assert_eq!(reason(one).to_str(), Ok(one.as_str()));
        }
    }

    #[test]
    fn a_text_is_whole_or_cut_between_characters() {
        let text = |out: &[c_char]| -> Vec<u8> {
            let bytes = out.iter().take_while(|byte| **byte != 0);
            bytes.map(|byte| *byte as u8).collect()
        };
        assert_eq!(text(&copied::<8>("job.é")), "job.é".as_bytes());
        assert_eq!(text(&copied::<6>("job.é")), b"job.");
        assert_eq!(text(&copied::<6>("")), b"");
    }
}
