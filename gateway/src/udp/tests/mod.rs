//! The engine on loopback, between real sockets.

mod failing;
mod fixture;
mod limits;
mod relaying;
