//! A worker's side of the log.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use roundhouse_config::{AccessLogSettings, Share};

use super::file::Target;
use super::line::{self, Shown};
use super::sample::is_logged;
use super::time::Stamp;
use super::writer::Writer;
use super::{Entry, State};

/// Bytes of a buffer that is handed over: a hundred lines or more for one system call, and as long as one lasts.
const BATCH: usize = 64 * 1024;
/// Buffers that wait for the writer, of all workers: 16 MiB, which is a second of 30,000 lines. More would only be late.
const QUEUE: usize = 256;
/// How long a worker's last buffer waits for a place in the queue when traffic is over.
const PATIENCE: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_millis(10);

/// Lines on their way to the writer.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    pub(super) lines: u64,
}

/// What makes recorders. The default makes such as do nothing.
#[derive(Clone, Debug, Default)]
pub struct AccessLog {
    on: Option<On>,
    state: Arc<State>,
}

#[derive(Clone, Debug)]
struct On {
    queue: SyncSender<Batch>,
    sample: Share,
    shown: Arc<Shown>,
}

/// One worker's.
#[derive(Debug)]
pub struct Recorder {
    on: RefCell<Option<Recording>>,
    state: Arc<State>,
}

#[derive(Debug)]
struct Recording {
    on: On,
    stamp: Stamp,
    batch: Batch,
}

impl AccessLog {
    /// Opens the file and starts its thread; `None` where the settings want no log. The error says which file.
    pub fn start(settings: &AccessLogSettings) -> io::Result<(AccessLog, Option<Writer>)> {
        let Some(path) = &settings.path else { return Ok((AccessLog::default(), None)) };
        let target = Target::open(path)?;
        let state = Arc::new(State::default());
        let (queue, batches) = sync_channel(QUEUE);
        let writer = Writer::start(target, batches, state.clone())?;
        let shown = Shown { query: settings.query, headers: settings.headers.clone() };
        Ok((AccessLog::of(queue, settings.sample, shown, state), Some(writer)))
    }

    pub(super) fn of(queue: SyncSender<Batch>, sample: Share, shown: Shown, state: Arc<State>) -> AccessLog {
        AccessLog { on: Some(On { queue, sample, shown: Arc::new(shown) }), state }
    }

    pub fn recorder(&self) -> Recorder {
        let recording = |on: On| Recording { on, stamp: Stamp::new(), batch: Batch::default() };
        Recorder { on: RefCell::new(self.on.clone().map(recording)), state: self.state.clone() }
    }

    pub fn state(&self) -> &Arc<State> {
        &self.state
    }
}

impl Recorder {
    /// Whether entries are looked at: without a log nobody need make them.
    pub fn is_on(&self) -> bool {
        self.on.borrow().is_some()
    }

    /// Writes the entry's line, unless it is not among those that are logged. Nothing waits.
    pub fn record(&self, entry: &Entry<'_>) {
        let Ok(mut on) = self.on.try_borrow_mut() else { return };
        let Some(recording) = &mut *on else { return };
        if !is_logged(entry.status, entry.end, recording.on.sample, rand::random) {
            return;
        }
        let Recording { on: On { shown, .. }, stamp, batch } = recording;
        if batch.bytes.capacity() == 0 {
            batch.bytes.reserve_exact(BATCH);
        }
        line::write(&mut batch.bytes, stamp, shown, entry);
        batch.lines += 1;
        // The next line would make the buffer grow, if it is no longer than most.
        if batch.bytes.len() > BATCH - 1024 {
            self.hand_over(recording);
        }
    }

    /// Hands over what waits. Called twice a second, so that a quiet gateway's lines are seen too.
    pub fn tick(&self) {
        if let Some(recording) = &mut *self.on.borrow_mut() {
            self.hand_over(recording);
        }
    }

    /// Hands over what waits, at the worker's end: nothing is recorded from now on. It waits for a slow writer, but not for
    /// one that stands still.
    pub fn finish(&self) {
        let Some(mut recording) = self.on.borrow_mut().take() else { return };
        let deadline = Instant::now() + PATIENCE;
        while let Err(batch) = recording.hand_over() {
            if Instant::now() > deadline {
                return self.state.add_dropped(batch.lines);
            }
            recording.batch = batch;
            std::thread::sleep(AGAIN);
        }
    }

    fn hand_over(&self, recording: &mut Recording) {
        if let Err(batch) = recording.hand_over() {
            self.state.add_dropped(batch.lines);
        }
    }
}

impl Recording {
    /// The batch comes back if there is no place for it.
    fn hand_over(&mut self) -> Result<(), Batch> {
        if self.batch.lines == 0 {
            return Ok(());
        }
        self.on.queue.try_send(std::mem::take(&mut self.batch)).map_err(|error| match error {
            TrySendError::Full(batch) | TrySendError::Disconnected(batch) => batch,
        })
    }
}
