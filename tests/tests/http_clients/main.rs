//! HTTP through a real gateway, by clients and servers that people run and by some that mean ill.
//!
//! ```text
//! curl, nghttp, h2load, grpcio, websockets, chromium ─► gateway ─► nginx, nghttpd, grpcio, websockets, Origin
//! Frames (bytes by hand), Http2 (the h2 crate)       ─►
//! ```
//!
//! The Python ones live in `tests/peers`, in an environment that `make tools-test` lays.

// Helpers of tests stop where they stand, as tests do.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod browser;
mod curl;
mod events;
mod floods;

mod flow;
mod frames;
mod grpc;
mod http2;
mod matrix;
mod nghttp;
mod origin;
mod peers;
mod shared;
mod stage;
mod websocket;
