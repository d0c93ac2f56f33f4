//! The names people write: labels, JOBNAMEs, selectors of JOBNAMEs, zones and domains.
//!
//! Each is a newtype over `Arc<str>` in one canonical spelling, so clones are cheap and equality is
//! equality of names. Each parses by `FromStr`, and reads and writes as a plain string in JSON.
//!
//! Labels and port names follow RFC 1035 section 2.3.1 as relaxed by RFC 1123 section 2.1 (a digit may
//! come first) in lower case: DNS ignores case, registry keys do not, so one spelling is enforced where a
//! name becomes a key; so it is with [`Name`], of records that are no job's. Zones and domains are never keys
//! people type twice, so there case is folded.

mod domain;
mod error;
mod host;
mod jobname;
mod label;
mod name;
mod selector;
mod tag;
mod tree;
mod zone;

pub use domain::DomainName;
pub use error::NameError;
pub(crate) use host::is_host_name;
pub use jobname::JobName;
pub use label::{Label, PortName};
pub use name::{Name, NameFormError};
pub use selector::Selector;
pub use tag::Tag;
pub use zone::Zone;
