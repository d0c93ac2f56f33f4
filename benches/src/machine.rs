//! Where and when figures are taken.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use roundhouse_tests::programs;
use serde::Serialize;

use crate::process;

#[derive(Debug, Serialize)]
pub struct Machine {
    pub profile: String,
    pub quick: bool,
    pub cores: usize,
    pub processor: String,
    pub kernel: String,
    /// Seconds since the epoch.
    pub began: u64,
    pub seconds: u64,
    pub load_before: String,
    pub load_after: String,
}

impl Machine {
    pub fn begin(quick: bool) -> Machine {
        let profile = programs::profile_folder();
        Machine {
            profile: profile.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            quick,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: process::processor(),
            kernel: process::first_line("/proc/sys/kernel/osrelease"),
            began: seconds_now(),
            seconds: 0,
            load_before: process::first_line("/proc/loadavg"),
            load_after: String::new(),
        }
    }

    /// How long it took, and what else ran by then.
    pub fn end(&mut self) {
        self.seconds = seconds_now() - self.began;
        self.load_after = process::first_line("/proc/loadavg");
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { profile, cores, processor, kernel, .. } = self;
        let quick = if self.quick { " (quick)" } else { "" };
        write!(f, "profile {profile}{quick}, {cores} cores of {processor}, Linux {kernel}")
    }
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
