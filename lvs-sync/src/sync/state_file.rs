//! What is ours, on disk.
//!
//! One JSON file for all sinks, written beside it and renamed over it, so that there is always a whole one. It is not synced:
//! what it must survive is this program's end; a machine that goes down takes its kernel's tables along.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use roundhouse_registry::record::Sink;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::plan::State;

/// The layout that this program writes, and the only one it reads.
const VERSION: u32 = 1;

#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    /// Held as long as the program may write.
    _lock: Option<File>,
    states: Mutex<BTreeMap<Sink, State>>,
}

#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(
        "{}: {reason}; without it nothing is known to be ours: restore it, or delete it and take entries over with \
         `lvs-sync adopt`",
        path.display()
    )]
    Unreadable { path: PathBuf, reason: String },
    #[error("{} is held by another lvs-sync; stop that one, or ask it with `lvs-sync status`", path.display())]
    Held { path: PathBuf },
}

#[derive(Serialize, Deserialize)]
struct Written<S> {
    lvs_sync_state: u32,
    sinks: S,
}

impl StateFile {
    /// Of a program that will write: nobody else may.
    pub fn open(path: &Path) -> Result<StateFile, StateError> {
        let lock_path = beside(path, "lock");
        let at = |source| StateError::Io { path: lock_path.clone(), source };
        let lock = File::options().create(true).truncate(false).write(true).open(&lock_path).map_err(at)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(StateError::Held { path: path.to_owned() }),
            Err(error) => return Err(at(error.into())),
        }
        Ok(StateFile { _lock: Some(lock), ..StateFile::peek(path)? })
    }

    /// Of a program that only reads.
    pub fn peek(path: &Path) -> Result<StateFile, StateError> {
        let states = match fs::read(path) {
            Ok(text) => {
                read(&text).map_err(|reason| StateError::Unreadable { path: path.to_owned(), reason })?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(source) => return Err(StateError::Io { path: path.to_owned(), source }),
        };
        Ok(StateFile { path: path.to_owned(), _lock: None, states: Mutex::new(states) })
    }

    pub fn of(&self, sink: Sink) -> State {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).get(&sink).cloned().unwrap_or_default()
    }

    pub fn save(&self, sink: Sink, state: &State) -> Result<(), StateError> {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if states.get(&sink).is_some_and(|saved| saved == state) {
            return Ok(());
        }
        // What could not be written is not taken for saved: the next attempt writes it.
        let mut next = states.clone();
        next.insert(sink, state.clone());
        let written = Written { lvs_sync_state: VERSION, sinks: &next };
        let text = serde_json::to_vec(&written)
            .map_err(|error| StateError::Unreadable { path: self.path.clone(), reason: error.to_string() })?;
        let new = beside(&self.path, "new");
        fs::write(&new, text)
            .and_then(|()| fs::rename(&new, &self.path))
            .map_err(|source| StateError::Io { path: new, source })?;
        *states = next;
        Ok(())
    }
}

fn read(text: &[u8]) -> Result<BTreeMap<Sink, State>, String> {
    let written: Written<BTreeMap<Sink, State>> =
        serde_json::from_slice(text).map_err(|error| error.to_string())?;
    match written.lvs_sync_state {
        VERSION => Ok(written.sinks),
        other => Err(format!("it has version {other}, and this program reads {VERSION}")),
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Owned;

    #[test]
    fn what_is_saved_is_there_for_the_next_one_and_for_no_other_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lvs-sync.state");
        let file = StateFile::open(&path).unwrap();
        let mut state = State::default();
        let owned =
            Owned { destinations: [("10.0.0.1:80".parse().unwrap(), None)].into(), ..Owned::default() };
        state.services.insert("tcp/203.0.113.10:80".parse().unwrap(), owned);
        file.save(Sink::Ipvs, &state).unwrap();
        assert!(matches!(StateFile::open(&path), Err(StateError::Held { .. })));
        assert_eq!(StateFile::peek(&path).unwrap().of(Sink::Ipvs), state);
        drop(file);
        let file = StateFile::open(&path).unwrap();
        assert_eq!((file.of(Sink::Ipvs), file.of(Sink::Haproxy)), (state, State::default()));
    }

    #[test]
    fn what_could_not_be_written_is_written_by_the_next_attempt() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lvs-sync.state");
        let file = StateFile::open(&path).unwrap();
        let state = State { vips: ["203.0.113.10".parse().unwrap()].into(), ..State::default() };
        // A folder is in the new file's way.
        fs::create_dir(folder.path().join("lvs-sync.state.new")).unwrap();
        assert!(matches!(file.save(Sink::Ipvs, &state), Err(StateError::Io { .. })));
        fs::remove_dir(folder.path().join("lvs-sync.state.new")).unwrap();
        file.save(Sink::Ipvs, &state).unwrap();
        assert_eq!(StateFile::peek(&path).unwrap().of(Sink::Ipvs), state);
    }

    #[test]
    fn a_broken_file_is_refused_and_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lvs-sync.state");
        for text in
            ["", "{}", r#"{"lvs_sync_state":2,"sinks":{}}"#, r#"{"lvs_sync_state":1,"sinks":{"f5":{}}}"#]
        {
            fs::write(&path, text).unwrap();
            let error = StateFile::peek(&path).unwrap_err().to_string();
            assert!(error.contains("lvs-sync adopt"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
