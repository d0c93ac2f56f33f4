//! Clients of HTTP/2 that mean ill: each is told so or let go, memory stays where it was, and whoever asks in between is
//! answered.

mod bombs;
mod stalls;
mod talk;
mod wrong;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use roundhouse_tests::{Load, Server};

use crate::origin::h1;
use crate::stage::Stage;

/// RFC 9113, 7.
const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE_ERROR: u32 = 6;
const COMPRESSION_ERROR: u32 = 9;
const ENHANCE_YOUR_CALM: u32 = 11;

/// More memory than that is not given to whoever asks for it badly.
const BOUND: u64 = 64 << 20;

/// The job `web` with good clients that ask all the time.
struct Siege {
    stage: Stage,
    load: Load,
    began: u64,
    watching: Arc<AtomicBool>,
    watcher: std::thread::JoinHandle<()>,
    peak: Arc<AtomicU64>,
    _origin: Server,
}

impl Siege {
    fn lay() -> Siege {
        let stage = Stage::start();
        let origin = h1::start(stage.app(0));
        stage.job("web", "", &[stage.app(0)]);
        let load = Load::keep_alive(2, stage.gateway.http(), "web.jobs");
        load.wait_for(100);
        let (watching, peak) = (Arc::new(AtomicBool::new(true)), Arc::<AtomicU64>::default());
        let began = stage.gateway.resident();
        let (on, most, pid) = (watching.clone(), peak.clone(), stage.gateway.process().pid());
        let watcher = std::thread::spawn(move || {
            while on.load(Relaxed) {
                most.fetch_max(resident(pid), Relaxed);
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        Siege { stage, load, began, watching, watcher, peak, _origin: origin }
    }

    /// Nobody noticed it, and it cost little.
    #[track_caller]
    fn lift(self) {
        // The good ones go on when all is over.
        self.load.wait_for(100);
        self.watching.store(false, Relaxed);
        self.watcher.join().unwrap();
        let outcome = self.load.stop();
        assert!(outcome.failed == 0 && outcome.requests > 200, "{outcome:?}");
        let grown = self.peak.load(Relaxed).saturating_sub(self.began);
        assert!(grown < BOUND, "grew by {} MiB", grown >> 20);
        assert_eq!(self.stage.gateway.process().exit_status(), None);
    }
}

/// Memory of a process (proc(5), statm), in bytes.
fn resident(pid: u32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * rustix::param::page_size() as u64
}
