//! Where messages begin and end: the tables, and the same messages cut in pieces.

mod forwarded;
mod pieces;
mod refused;
