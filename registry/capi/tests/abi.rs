//! The ABI as C calls it. A program in C against a real gateway: `tests/tests/access_sdk`.

// It is about pointers.
#![allow(unsafe_code)]
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::ffi::{CStr, CString, c_char};
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};

use roundhouse_access::abi::*;
use roundhouse_access::answer::*;
use roundhouse_access::asking::*;
use roundhouse_access::opening::*;

const FILE: &str = r#"{
    "jobs/redis": {"jobname": "job.redis", "ports": [{"name": "main", "port": 6379}]},
    "rules/app": {"to": {"job": "redis"}, "from": {"jobname": "job.app"}, "action": "allow"},
    "rules/admin": {"to": {"job": "redis"}, "from": {"cidr": ["::/0", "0.0.0.0/0"]}, "action": "deny", "paths": ["/admin"]},
    "instances/app/0a1b2c3d-0000-4000-8000-000000000001": {"address": "10.0.0.7", "ports": {"main": 1111}}
}"#;
/// Port 9 (discard): nobody is there.
const NOBODY: &CStr = c"etcd://127.0.0.1:9";

/// A guard of the bootstrap file, closed at the end.
struct Opened(*mut rh_guard, #[allow(dead_code)] tempfile::NamedTempFile);

impl Opened {
    fn new() -> Opened {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), FILE).unwrap();
        let path = CString::new(file.path().to_str().unwrap()).unwrap();
        let options = rh_options {
            registry_url: NOBODY.as_ptr(),
            job: c"redis".as_ptr(),
            bootstrap_path: path.as_ptr(),
            ..rh_options::default()
        };
        let guard = unsafe { rh_guard_open_with(&raw const options, null_mut(), 0) };
        assert!(!guard.is_null());
        Opened(guard, file)
    }

    fn ask(&self, ask: &rh_ask) -> (i32, rh_decision) {
        let mut out = MaybeUninit::uninit();
        let answer = unsafe { rh_guard_ask(self.0, ask, out.as_mut_ptr()) };
        (answer, unsafe { out.assume_init() })
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        unsafe { rh_guard_close(self.0) };
    }
}

fn text(of: *const c_char) -> String {
    unsafe { CStr::from_ptr(of) }.to_str().unwrap().to_owned()
}

fn refused(options: &rh_options) -> String {
    let mut error = [1; 400];
    let guard = unsafe { rh_guard_open_with(options, error.as_mut_ptr(), error.len()) };
    assert!(guard.is_null());
    text(error.as_ptr())
}

#[test]
fn a_question_is_answered_with_everything() {
    let opened = Opened::new();
    let ask = rh_ask {
        peer: c"::ffff:10.0.0.7%eth0".as_ptr(),
        port: 6379,
        flags: RH_NOT_HTTP,
        ..rh_ask::default()
    };
    let (answer, decision) = opened.ask(&ask);
    assert_eq!((answer, decision.verdict, text(decision.reason)), (RH_ALLOW, RH_ALLOW, "rule".into()));
    assert_eq!(
        (text(decision.rule.as_ptr()), text(decision.identity.as_ptr())),
        ("app".into(), "job.app".into())
    );
    assert_eq!((decision.flags, decision.revision), (0, 0));
    assert_eq!(unsafe { rh_guard_revision(opened.0) }, 0);
    // As old as the file.
    for stale in [decision.stale_seconds, unsafe { rh_guard_stale_seconds(opened.0) }] {
        assert!(stale < 60, "{stale} s");
    }

    let said = |ask: rh_ask| {
        let (answer, decision) = opened.ask(&ask);
        (answer, text(decision.reason), decision.flags)
    };
    let (request, path) =
        (rh_ask { method: c"GET".as_ptr(), flags: 0, ..ask }, |path: &'static CStr| path.as_ptr());
    assert_eq!(said(rh_ask { path: path(c"/a?b"), ..request }).0, RH_ALLOW);
    for forbidden in [c"/admin/x", c"/a/../admin", c"/\xff"] {
        let denied = said(rh_ask { path: path(forbidden), ..request });
        assert_eq!(denied, (RH_DENY, "rule".into(), RH_REVOKES), "{forbidden:?}");
    }
    // Nobody looks into it.
    assert_eq!(said(rh_ask { flags: 0, ..ask }).0, RH_DENY);
    for claim in [c"job.other", c"\xff"] {
        let false_claim = (RH_DENY, "false_claim".to_owned(), RH_REVOKES);
        assert_eq!(said(rh_ask { claimed: claim.as_ptr(), ..ask }), false_claim);
        assert_eq!(said(rh_ask { token: claim.as_ptr(), flags: RH_NOT_HTTP | RH_WAIT, ..ask }), false_claim);
    }
    assert_eq!(said(rh_ask { claimed: c"".as_ptr(), ..ask }).0, RH_ALLOW);
    let plain = unsafe { rh_guard_check(opened.0, ask.peer, c"job.app".as_ptr(), 6379, null_mut()) };
    assert_eq!(plain, RH_DENY, "rules for paths speak of what nobody looks into");
}

#[test]
fn what_is_no_question_is_answered_no() {
    let opened = Opened::new();
    let ask = rh_ask { peer: c"10.0.0.7".as_ptr(), port: 6379, flags: RH_NOT_HTTP, ..rh_ask::default() };
    assert_eq!(opened.ask(&ask).0, RH_ALLOW);
    // An older header's, which ends before the flags.
    assert_eq!(opened.ask(&rh_ask { size: std::mem::offset_of!(rh_ask, flags), ..ask }).0, RH_DENY);
    for wrong in [
        rh_ask { peer: null(), ..ask },
        rh_ask { peer: c"localhost".as_ptr(), ..ask },
        rh_ask { peer: c"\xff".as_ptr(), ..ask },
        rh_ask { method: c"GET".as_ptr(), ..ask },
        rh_ask { path: c"/".as_ptr(), ..ask },
        rh_ask { flags: 64, ..ask },
        rh_ask { size: 0, ..ask },
        rh_ask { size: size_of::<rh_ask>() + 8, ..ask },
    ] {
        let (answer, decision) = opened.ask(&wrong);
        assert_eq!((answer, decision.verdict), (RH_WRONG, RH_DENY));
        assert_eq!(text(decision.reason), "wrong_argument");
    }
    unsafe {
        assert_eq!(rh_guard_ask(opened.0, null(), null_mut()), RH_WRONG);
        assert_eq!(rh_guard_check(null(), ask.peer, null(), 1, null_mut()), RH_WRONG);
        assert_eq!((rh_guard_revision(null()), rh_guard_stale_seconds(null())), (0, u64::MAX));
        rh_guard_close(null_mut());
    }
}

#[test]
fn a_guard_that_is_not_opened_says_why() {
    let options = rh_options {
        registry_url: NOBODY.as_ptr(),
        job: c"redis".as_ptr(),
        wait_ms: 50,
        ..rh_options::default()
    };
    for (options, wanted) in [
        (options, "no registry at etcd://127.0.0.1:9 "),
        (rh_options { registry_url: null(), ..options }, "registry_url is NULL"),
        (
            rh_options { registry_url: c"redis://h".as_ptr(), ..options },
            "registry_url: registry `redis://h` is none",
        ),
        (rh_options { registry_url: c"embedded".as_ptr(), ..options }, "http://127.0.0.1:8400"),
        (rh_options { registry_url: c"etcds://h".as_ptr(), ..options }, "ca is missing"),
        (rh_options { job: null(), ..options }, "job is NULL"),
        (rh_options { job: c"Redis".as_ptr(), ..options }, "job: label `Redis`"),
        (rh_options { job: c"\xff".as_ptr(), ..options }, "job is no UTF-8"),
        (rh_options { prefix: c"p/".as_ptr(), ..options }, "prefix `p/` is none"),
        (rh_options { ca: c"/ca.pem".as_ptr(), ..options }, "ca is for TLS"),
        (
            rh_options { bootstrap_path: c"/nowhere".as_ptr(), ..options },
            "bootstrap file /nowhere: cannot be read",
        ),
        (rh_options { size: 4, ..options }, "options: NULL, or `size`"),
    ] {
        let error = refused(&options);
        assert!(error.contains(wanted), "no `{wanted}` in {error}");
    }
    // As much as there is room for, or nothing at all.
    let mut error = [1; 8];
    unsafe {
        assert!(rh_guard_open(null(), null(), null(), error.as_mut_ptr(), error.len()).is_null());
        assert_eq!(text(error.as_ptr()), "registr");
        assert!(rh_guard_open(null(), null(), null(), error.as_mut_ptr(), 0).is_null());
        assert!(rh_guard_open_with(null(), null_mut(), 8).is_null());
    }
    assert_eq!(error[0] as u8, b'r');
}

#[test]
fn any_thread_may_ask() {
    fn shared<T: Send + Sync>() {}
    shared::<rh_guard>();
}
