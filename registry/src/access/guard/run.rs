//! The thread of a guard: follows the registry, keeps the snapshot on disk, and the table at the newest revision.
//!
//! ```text
//! Follower ─► Store ─► Compiler ─► Known (the table that decides)
//!               └────► SavedFile, once the registry was heard
//! ```

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::known::{BEAT, Known};
use super::open::{OpenError, Start};
use crate::access::{CatchUp, Compiler};
use crate::follow::{Follower, Options};
use crate::kv::{KvError, Revision, Source};
use crate::record::Timestamp;
use crate::saved::SavedFile;
use crate::store::Store;

/// Between two attempts at the first listing.
const AGAIN: Duration = Duration::from_millis(100);
/// For the last save; what it would add is of the last second.
const LAST_SAVE: Duration = Duration::from_secs(2);

/// Dropping it ends the thread, and waits for that.
pub(super) struct Running {
    pub(super) known: Arc<Known>,
    pub(super) catch_up: CatchUp,
    pub(super) runtime: Handle,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread hands out when it is ready.
type Ready = (Arc<Known>, CatchUp, Handle);

impl Running {
    pub(super) fn start(start: Start) -> Result<Running, OpenError> {
        let (stop, stopped) = watch::channel(false);
        let (ready, answer) = channel();
        let builder = std::thread::Builder::new().name("roundhouse-guard".into());
        let thread = builder.spawn(move || run(start, &ready, stopped)).map_err(OpenError::Thread)?;
        // A thread that ends without a word panicked.
        let answer =
            answer.recv().unwrap_or_else(|_| Err(OpenError::Thread(std::io::Error::other("it ended"))));
        let (known, catch_up, runtime) = answer?;
        Ok(Running { known, catch_up, runtime, stop, thread: Some(thread) })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // One that panicked is at its end too.
            let _ = thread.join();
        }
    }
}

fn run(start: Start, ready: &Sender<Result<Ready, OpenError>>, stop: watch::Receiver<bool>) {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(ready.send(Err(OpenError::Thread(error)))),
    };
    runtime.block_on(follow(start, ready, stop));
    // A write that hangs in the file system must not hold up whoever closes the guard.
    runtime.shutdown_background();
}

async fn follow(start: Start, ready: &Sender<Result<Ready, OpenError>>, mut stop: watch::Receiver<bool>) {
    let file = start.file.clone();
    let (follower, source) = match first(start).await {
        Ok(first) => first,
        Err(error) => return drop(ready.send(Err(error))),
    };
    let mut compiler = Compiler::default();
    let store = follower.store();
    // What changes after this look is seen.
    let changes = store.changes();
    compiler.update(&store.load());
    let known = Arc::new(Known::new(compiler.table(), store.clone()));
    let catch_up = CatchUp::start(source, known.changes());
    let saving = file.map(|file| tokio::spawn(save(file, store, stop.clone())));
    if ready.send(Ok((known.clone(), catch_up, Handle::current()))).is_err() {
        return;
    }
    tokio::select! {
        () = follower.run() => {}
        () = compile(compiler, &known, changes) => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
    if let Some(saving) = saving {
        let _ = timeout(LAST_SAVE, saving).await;
    }
}

/// The follower, once there is something to decide from.
async fn first(start: Start) -> Result<(Follower, Arc<dyn Source>), OpenError> {
    let Start { url, connect, saved, refused: snapshot, wait, .. } = start;
    let source = connect()?;
    let follower = match saved {
        Some(saved) => {
            let options = Options { saved: Some(saved), ..Options::default() };
            Follower::with(source.clone(), options).await
        }
        None => first_listing(&source, wait).await,
    };
    match follower {
        Ok(follower) => Ok((follower, source)),
        Err(source) => Err(OpenError::Nothing { url, source, snapshot }),
    }
}

async fn first_listing(source: &Arc<dyn Source>, wait: Duration) -> Result<Follower, KvError> {
    let until = Instant::now() + wait;
    loop {
        let error = match timeout_at(until, Follower::start(source.clone())).await {
            Ok(Err(error @ KvError::Unavailable { .. })) => error,
            // There, or there and in need of a person.
            Ok(follower) => return follower,
            Err(_) => {
                let reason = format!("no answer within {wait:?}");
                KvError::Unavailable { store: source.name(), reason }
            }
        };
        if Instant::now() + AGAIN >= until {
            return Err(error);
        }
        sleep(AGAIN).await;
    }
}

/// The bootstrap file is never saved: in the snapshot it would outlive its own deletion.
async fn save(file: SavedFile, store: Arc<Store>, stop: watch::Receiver<bool>) {
    let (mut changes, mut stopped) = (store.changes(), stop.clone());
    while store.load().origin.is_empty() {
        tokio::select! {
            // What was heard last is saved, also at the end.
            biased;
            _ = changes.changed() => {}
            _ = stopped.wait_for(|stop| *stop) => return,
        }
    }
    file.keep(store, stop).await;
}

/// Brings the table along; changes that come meanwhile are one.
async fn compile(mut compiler: Compiler, known: &Known, mut changes: watch::Receiver<Revision>) {
    let store = known.store();
    let mut looked = Timestamp::now();
    loop {
        let changed = timeout(BEAT, changes.changed()).await.is_ok();
        known.beat();
        let now = Timestamp::now();
        if changed {
            compiler.update(&store.load());
            known.publish(compiler.table());
            known.beat();
        } else if !compiler.expired(looked, now).is_empty() {
            known.wake();
        }
        looked = now;
    }
}
