//! Load where wrk has none. Each client is one thread over epoll, but for those that only move bytes.

mod certificate;
mod fast_open;
mod open_loop;
mod ready;
mod short_lived;
pub mod stream;

pub use self::certificate::{Certificate, Stream};
pub use self::open_loop::OpenLoop;
pub use self::ready::{CLOSED_REQUEST, HOST, KEPT_REQUEST, Ready};
pub use self::short_lived::ShortLived;
