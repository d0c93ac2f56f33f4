//! A registry that does what a test says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;

use crate::kv::{Batch, Change, Entry, Event, KvError, Listing, Pending, Revision, Source, Watch};

type Watcher = mpsc::Sender<Result<Event, KvError>>;

#[derive(Default)]
pub(super) struct Scripted(Mutex<State>);

#[derive(Default)]
struct State {
    up: bool,
    entries: BTreeMap<String, Entry>,
    revision: u64,
    watchers: Vec<Watcher>,
    said: Vec<Batch>,
    /// Written and not said to watchers before somebody asks how far the registry is.
    kept_back: Vec<Batch>,
}

impl Scripted {
    pub(super) fn up() -> Arc<Scripted> {
        let scripted = Scripted::default();
        scripted.state().up = true;
        Arc::new(scripted)
    }

    pub(super) fn down() -> Arc<Scripted> {
        Arc::default()
    }

    pub(super) fn start(&self) {
        self.state().up = true;
    }

    /// Watches end, and nothing is answered.
    pub(super) fn stop(&self) {
        let mut state = self.state();
        state.up = false;
        state.watchers.clear();
    }

    pub(super) fn put(&self, key: &str, value: &str) {
        let mut state = self.state();
        let batch = state.write(key, value);
        state.tell(batch);
    }

    /// The watch says it late.
    pub(super) fn put_unsaid(&self, key: &str, value: &str) {
        let mut state = self.state();
        let batch = state.write(key, value);
        state.kept_back.push(batch);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn answer<T>(&self, answer: impl FnOnce(&mut State) -> T) -> Result<T, KvError> {
        let mut state = self.state();
        match state.up {
            true => Ok(answer(&mut state)),
            false => Err(KvError::Unavailable { store: self.name(), reason: "it is down".into() }),
        }
    }
}

impl State {
    fn write(&mut self, key: &str, value: &str) -> Batch {
        self.revision += 1;
        let at = Revision(self.revision);
        let created = self.entries.get(key).map_or(at, |entry| entry.created);
        let value = value.to_owned().into();
        let entry = Entry { key: key.into(), value, created, modified: at, lease: None };
        self.entries.insert(key.into(), entry.clone());
        Batch { revision: at, changes: vec![Change::Put(entry)] }
    }

    fn tell(&mut self, batch: Batch) {
        for watcher in &self.watchers {
            let _ = watcher.try_send(Ok(Event::Batch(batch.clone())));
        }
        self.said.push(batch);
    }
}

impl Source for Scripted {
    fn name(&self) -> String {
        "scripted://".into()
    }

    fn list(&self) -> Pending<'_, Listing> {
        let listing = self.answer(|state| Listing {
            origin: "scripted".into(),
            revision: Revision(state.revision),
            entries: state.entries.values().cloned().collect(),
        });
        Box::pin(async { listing })
    }

    fn watch(&self, after: Revision) -> Pending<'_, Watch> {
        let watch = self.answer(|state| {
            let (watcher, watch) = mpsc::channel(64);
            for batch in state.said.iter().filter(|batch| batch.revision > after) {
                let _ = watcher.try_send(Ok(Event::Batch(batch.clone())));
            }
            state.watchers.push(watcher);
            watch
        });
        Box::pin(async { watch })
    }

    fn newest(&self) -> Pending<'_, Revision> {
        let newest = self.answer(|state| {
            for batch in std::mem::take(&mut state.kept_back) {
                state.tell(batch);
            }
            Revision(state.revision)
        });
        Box::pin(async { newest })
    }
}
