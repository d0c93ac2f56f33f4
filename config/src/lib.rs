//! Text in, valid values out.
//!
//! Everything a person can write for Roundhouse passes through this crate: names, durations, sizes,
//! listeners, `gateway.toml` and the jobs file. A value that left it needs no second check.
//!
//! - [`names`]: labels, JOBNAMEs, selectors, zones and domains.
//! - [`units`]: durations, byte sizes, listeners, address ranges and registry URLs.
//! - [`service`]: ports, checks, timeouts and limits of jobs, as files, records and the API share them.
//! - [`access`]: how a program gets into etcd.
//! - [`Entrypoint`]: a listener, as `gateway.toml` and the registry share it.
//! - [`settings`]: `gateway.toml`, raw to resolved.
//! - [`jobs`]: the jobs file, protobuf text format (feature `jobs-file`).
//!
//! Invariants: the crate does no I/O but `from_file`; no input makes it panic; a file's errors are
//! reported all at once as [`Problems`], each with file, line, column, path and, where one exists, the cure.

pub mod access;
mod entrypoint;
#[cfg(feature = "jobs-file")]
pub mod jobs;
pub mod names;
mod problem;
mod report;
pub mod service;
pub mod settings;
pub mod suggest;
mod text;
pub mod units;
mod word;

pub use access::{Access, RawAccess};
pub use entrypoint::{Entrypoint, EntrypointProtocol};
#[cfg(feature = "jobs-file")]
pub use jobs::{CheckSpec, JobSpec, JobsFile, Served, StaticInstance};
pub use names::{DomainName, JobName, Label, Name, NameError, NameFormError, PortName, Selector, Tag, Zone};
pub use problem::{Place, Problem, Problems};
pub use service::{
    App, Balance, Check, CheckKind, DefaultAccess, HttpVersion, JobLimits, OnUnhealthy, OriginateTls, Outage,
    Policy, Port, Protocol, ProxyVersion, ServiceError, Stale, Timeouts, TrustedCa,
};
pub use settings::{
    AccessLogSettings, AccessSettings, AdminSettings, Answer, Catch, DirectorSettings, DnsSettings,
    HoldSettings, JobsSettings, Limits, LogPath, NameSettings, NamedEntrypoint, RegistrySettings, Settings,
    SinkSettings, TcpSettings,
};
pub use units::{
    ByteSize, ByteSizeError, DialledError, DurationError, Listen, ListenError, Network, NetworkError,
    RegistryUrl, RegistryUrlError, Share, ShareError, dialled, duration,
};
pub use word::WordError;
