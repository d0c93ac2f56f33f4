//! Load where wrk has none. Each client is one thread over epoll, but for those that only move bytes.

pub(crate) mod datagrams;
pub(crate) mod open_loop;
pub(crate) mod short_lived;
pub(crate) mod stream;
