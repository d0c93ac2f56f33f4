//! The HAProxy sink against a real HAProxy, in master-worker mode, on a loopback network of the test's own.
//!
//! ```text
//! stage     a HAProxy that reloads by SIGUSR2, its sink, and a tap on the socket that writes down every command
//! under_load  servers come, go and change while requests go on, and none fails
//! draining  who is drained keeps its connections and gets no new ones; who is removed loses them
//! reloads   whoever reloads it at whatever moment, it goes on as it was
//! outside   what operators do at the socket and to the file is seen, and put right
//! spoken    PROXY protocol and IPv6, as instances and clients see them
//! refused   sockets, leases and VIPs that do not do
//! ```

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod draining;
mod outside;
mod refused;
mod reloads;
mod spoken;
mod stage;
mod tap;
mod under_load;
