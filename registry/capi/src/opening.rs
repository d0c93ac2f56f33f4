//! How a guard is opened.

use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr;
use std::time::Duration;

use roundhouse_config::{RawAccess, RegistryUrl};
use roundhouse_registry::access::Guard;
use roundhouse_registry::access::guard::Options;

use crate::abi::Extensible;

/// How a guard is opened. Set all of it to zero, then `size` to its sizeof, then what is not to be the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct rh_options {
    /// sizeof(rh_options).
    pub size: usize,
    /// `http://hub:8400` (a gateway), `etcd://h1:2379,h2:2379`, or with TLS `https://…`, `etcds://…`. Not NULL.
    pub registry_url: *const c_char,
    /// The label of the job whose door it is. Not NULL.
    pub job: *const c_char,
    /// A file for this guard alone, in which it keeps what the registry said last. NULL: nowhere.
    pub snapshot_path: *const c_char,
    /// A file that decides where the registry was never heard. NULL: then the guard is not opened.
    pub bootstrap_path: *const c_char,
    /// What the keys in etcd begin with. NULL: `/roundhouse/v1`.
    pub prefix: *const c_char,
    /// PEM: who signs the registry's certificate; needed for `etcds://`.
    pub ca: *const c_char,
    /// PEM: a client certificate for etcd, and its key.
    pub cert: *const c_char,
    pub key: *const c_char,
    /// A user of etcd, and the file with the password.
    pub user: *const c_char,
    pub password_file: *const c_char,
    /// The file with the token for a gateway's API. NULL: ROUNDHOUSE_TOKEN_FILE or ROUNDHOUSE_TOKEN, if they are set.
    pub token_file: *const c_char,
    /// Milliseconds for the registry to answer where there is nothing else to decide from. 0: 5000.
    pub wait_ms: u64,
}

impl Extensible for rh_options {}

impl Default for rh_options {
    fn default() -> rh_options {
        let none = ptr::null();
        rh_options {
            size: size_of::<rh_options>(),
            registry_url: none,
            job: none,
            snapshot_path: none,
            bootstrap_path: none,
            prefix: none,
            ca: none,
            cert: none,
            key: none,
            user: none,
            password_file: none,
            token_file: none,
            wait_ms: 0,
        }
    }
}

/// The same with its texts read.
pub(crate) struct Opened<'a> {
    pub(crate) registry_url: Option<&'a CStr>,
    pub(crate) job: Option<&'a CStr>,
    pub(crate) snapshot_path: Option<&'a CStr>,
    pub(crate) bootstrap_path: Option<&'a CStr>,
    pub(crate) prefix: Option<&'a CStr>,
    pub(crate) ca: Option<&'a CStr>,
    pub(crate) cert: Option<&'a CStr>,
    pub(crate) key: Option<&'a CStr>,
    pub(crate) user: Option<&'a CStr>,
    pub(crate) password_file: Option<&'a CStr>,
    pub(crate) token_file: Option<&'a CStr>,
    pub(crate) wait_ms: u64,
}

impl Opened<'_> {
    pub(crate) fn open(&self) -> Result<Guard, String> {
        let url = needed("registry_url", self.registry_url, "http://127.0.0.1:8400")?;
        let url: RegistryUrl = url.parse().map_err(said("registry_url"))?;
        let job = needed("job", self.job, "redis")?.parse().map_err(said("job"))?;
        let mut options = Options::new(url, job);
        options.registry.access = self.access().resolve(&options.registry.url).map_err(|problems| {
            let problems: Vec<String> =
                problems.iter().map(|(key, problem)| format!("{key} {problem}")).collect();
            problems.join("; ")
        })?;
        if let Some(prefix) = self.prefix {
            options.registry.prefix = checked(utf8("prefix", prefix)?)?;
        }
        options.snapshot = path(self.snapshot_path);
        options.bootstrap = path(self.bootstrap_path);
        if self.wait_ms > 0 {
            options.wait = Duration::from_millis(self.wait_ms);
        }
        Guard::open(options).map_err(|error| error.to_string())
    }

    fn access(&self) -> RawAccess {
        RawAccess {
            ca: path(self.ca),
            cert: path(self.cert),
            key: path(self.key),
            user: self.user.map(|user| user.to_string_lossy().into_owned()),
            password_file: path(self.password_file),
            token_file: path(self.token_file),
        }
    }
}

fn needed<'a>(name: &str, text: Option<&'a CStr>, example: &str) -> Result<&'a str, String> {
    utf8(name, text.ok_or_else(|| format!("{name} is NULL; write as in \"{example}\""))?)
}

fn utf8<'a>(name: &str, text: &'a CStr) -> Result<&'a str, String> {
    text.to_str().map_err(|_| format!("{name} is no UTF-8"))
}

fn said<E: std::fmt::Display>(name: &str) -> impl Fn(E) -> String {
    move |error| format!("{name}: {error}")
}

/// As a gateway's configuration wants it: another spelling would be another registry.
fn checked(prefix: &str) -> Result<String, String> {
    match prefix.starts_with('/')
        && !prefix.ends_with('/')
        && prefix.bytes().all(|byte| byte.is_ascii_graphic())
    {
        true => Ok(prefix.to_owned()),
        false => Err(format!("prefix `{}` is none; write as in \"/roundhouse/v1\"", prefix.escape_debug())),
    }
}

/// Of any bytes; an empty one is none.
fn path(text: Option<&CStr>) -> Option<PathBuf> {
    let bytes = text?.to_bytes();
    (!bytes.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(bytes)))
}
