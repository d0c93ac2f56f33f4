//! What a job is, where its protocol has a way of its own to refuse a client.

use crate::serde_as_text;
use crate::word::words;

/// What is spoken on a job's TCP ports. A client that may not come in is told so in the words of its protocol, and a
/// JOBNAME that stands inside the protocol is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum App {
    /// MySQL and MariaDB.
    MySql,
    /// PostgreSQL, and what speaks its protocol.
    Postgres,
    /// Redis, Valkey and their like (RESP).
    Redis,
}

words!(App { MySql = "mysql", Postgres = "postgres", Redis = "redis" });
serde_as_text!(App);
