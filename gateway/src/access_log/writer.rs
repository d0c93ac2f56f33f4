//! The one thread that touches the file.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::State;
use super::file::Target;
use super::recorder::Batch;

/// Between two looks at which file is at the path, and how late SIGHUP may be.
const LOOK: Duration = Duration::from_secs(1);
/// Between two complaints about a file that cannot be written. It is counted meanwhile.
const COMPLAIN: Duration = Duration::from_secs(60);

/// The thread, from outside.
#[derive(Debug)]
pub struct Writer {
    done: Receiver<()>,
}

impl Writer {
    pub(super) fn start(target: Target, batches: Receiver<Batch>, state: Arc<State>) -> io::Result<Writer> {
        let (finished, done) = sync_channel(1);
        let writing = Writing { target, state, looked: Instant::now(), complained: None };
        thread::Builder::new().name("access-log".into()).spawn(move || {
            writing.run(&batches);
            // Nobody may be waiting.
            let _ = finished.send(());
        })?;
        Ok(Writer { done })
    }

    /// Waits until everything is written that workers handed over, once they and every [`super::AccessLog`] are gone; or
    /// until `patience` is over. Whether it is all written.
    pub fn finish(self, patience: Duration) -> bool {
        let written = self.done.recv_timeout(patience).is_ok();
        if !written {
            tracing::warn!(?patience, "access log not written to its end: the file is too slow");
        }
        written
    }
}

struct Writing {
    target: Target,
    state: Arc<State>,
    looked: Instant,
    /// When, of a file that could not be written the last time.
    complained: Option<Instant>,
}

impl Writing {
    fn run(mut self, batches: &Receiver<Batch>) {
        loop {
            match batches.recv_timeout(LOOK) {
                Ok(batch) => {
                    self.look();
                    self.write(&batch);
                }
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn look(&mut self) {
        let must = self.state.is_to_reopen();
        if !must && self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        if let Err(error) = self.target.look(must) {
            self.failed(&error, "cannot be opened again; the one that was open goes on");
        }
    }

    fn write(&mut self, batch: &Batch) {
        match self.target.write(&batch.bytes) {
            Ok(()) => {
                self.state.add_written(batch.lines);
                if self.complained.take().is_some() {
                    tracing::info!(file = self.target.shown(), "access log is written again");
                }
            }
            Err((written, error)) => {
                let whole = batch.bytes[..written].iter().filter(|byte| **byte == b'\n').count() as u64;
                self.state.add_written(whole);
                self.state.add_dropped(batch.lines - whole);
                self.failed(&error, "cannot be written; lines are dropped until it can");
            }
        }
    }

    fn failed(&mut self, error: &io::Error, what: &str) {
        self.state.add_error();
        if self.complained.is_some_and(|at| at.elapsed() < COMPLAIN) {
            return;
        }
        self.complained = Some(Instant::now());
        let dropped = self.state.dropped();
        tracing::error!(file = self.target.shown(), %error, dropped, "access log {what}");
    }
}
