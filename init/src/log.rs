//! One line each, to stderr, prefixed with the program's name; the command's stdout is never touched.

use std::fmt;
use std::io::{Write, stderr};

/// Writes one line. A stderr nobody reads any more must not end PID 1, so a failed write is ignored.
pub(crate) fn line(message: fmt::Arguments<'_>) {
    // One write a line, and no line break inside it: messages of others are quoted in here.
    let text = message.to_string().replace('\n', " ");
    let _ = stderr().write_all(format!("job-init: {text}\n").as_bytes());
}

/// `log!("…", …)`: one line on stderr.
macro_rules! log {
    ($($message:tt)*) => { $crate::log::line(format_args!($($message)*)) };
}

pub(crate) use log;
