//! Quantities and places as people write them: `5s`, `64KiB`, `:80`, `etcd://h1:2379`.
//!
//! A number without a unit is refused everywhere: whoever wrote `timeout = 10` meant something, and we
//! do not know what. Every unit prints in the form it is written, so that output can be pasted back.

mod bytesize;
mod dialled;
pub mod duration;
mod file;
mod listen;
mod network;
mod registry_url;
mod share;

pub use bytesize::{ByteSize, ByteSizeError};
pub use dialled::{DialledError, dialled};
pub use duration::DurationError;
pub use file::is_absolute_file;
pub use listen::{Listen, ListenError};
pub use network::{Network, NetworkError};
pub use registry_url::{RegistryUrl, RegistryUrlError};
pub use share::{Share, ShareError};
