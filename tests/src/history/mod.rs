//! What a gateway applied, against what etcd did.
//!
//! ```text
//! etcd ─► Chronicle (a raw watch from the first revision, beside the gateway) ─► Account: every commit, the end
//! gateway ─► registry.record = "applied.jsonl" ─► Recorded, line by line ─► check against the account
//! ```
//!
//! A gateway is right when its lines are etcd's own history: each revision once, in order, whole, with nothing left out
//! except where a listing stands between; each listing what etcd had at that revision; and at the end what a fresh read
//! gives, no key more (a ghost) and none less.

mod chronicle;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use roundhouse_registry::Revision;
use roundhouse_registry::recorder::Recorded;

pub use self::chronicle::Chronicle;

/// Each key with the commit that wrote it last.
pub type Keys = BTreeMap<String, Revision>;

/// What one commit did under the prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    pub put: BTreeSet<String>,
    pub delete: BTreeSet<String>,
}

/// etcd's own history of the prefix, from the first revision to `at`.
#[derive(Clone, Debug)]
pub struct Account {
    /// The cluster's id, as listings say it.
    pub origin: String,
    pub commits: BTreeMap<Revision, Commit>,
    pub at: Revision,
    /// Read afresh at this revision.
    pub fresh: Keys,
}

/// How much was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    pub listings: usize,
    pub revisions: usize,
}

impl Account {
    /// Compares all that was recorded up to the account's end. The error is the first thing that is wrong.
    pub fn check(&self, recorded: &[Recorded]) -> Result<Checked, String> {
        let mut state = State::default();
        let mut checked = Checked::default();
        for (line, number) in recorded.iter().zip(1..) {
            let (Recorded::Listed { listed: at, .. } | Recorded::Applied { revision: at, .. }) = line;
            // What came while the account was closed is not in it.
            if *at > self.at {
                break;
            }
            let outcome = match line {
                Recorded::Listed { origin, keys, .. } => {
                    checked.listings += 1;
                    self.listing(&mut state, origin, *at, keys)
                }
                Recorded::Applied { put, delete, .. } => {
                    checked.revisions += 1;
                    self.applied(&mut state, *at, put, delete)
                }
            };
            outcome.map_err(|wrong| format!("line {number}: {wrong}"))?;
        }
        self.nothing_between(&state, Revision(self.at.0 + 1))?;
        same("at the end", &state.keys, &self.fresh)?;
        Ok(checked)
    }

    fn listing(&self, state: &mut State, origin: &str, at: Revision, keys: &Keys) -> Result<(), String> {
        if origin != self.origin {
            return Err(format!("a listing of {origin}; etcd is {}", self.origin));
        }
        if state.at.is_some_and(|before| at < before) {
            return Err(format!("a listing goes back to {at}, after {:?}", state.at));
        }
        same(&format!("the listing at {at}"), keys, &self.replay(at))?;
        *state = State { at: Some(at), keys: keys.clone() };
        Ok(())
    }

    fn applied(
        &self,
        state: &mut State,
        at: Revision,
        put: &[String],
        delete: &[String],
    ) -> Result<(), String> {
        let before =
            state.at.ok_or_else(|| format!("revision {at} is applied before anything was listed"))?;
        if at == before {
            return Err(format!("revision {at} is applied twice, or was in the listing before it"));
        }
        if at < before {
            return Err(format!("revision {at} is applied after {before}"));
        }
        self.nothing_between(state, at)?;
        let found = Commit { put: put.iter().cloned().collect(), delete: delete.iter().cloned().collect() };
        if found.put.len() < put.len() || found.delete.len() < delete.len() {
            return Err(format!("revision {at} has a key twice: {put:?} {delete:?}"));
        }
        match self.commits.get(&at) {
            Some(commit) if *commit == found => {}
            commit => return Err(format!("revision {at} is {found:?}; etcd did {commit:?}")),
        }
        found.replay(at, &mut state.keys);
        state.at = Some(at);
        Ok(())
    }

    /// No commit was left out after the state and before `next`.
    fn nothing_between(&self, state: &State, next: Revision) -> Result<(), String> {
        let from = state.at.map_or(Revision(0), |at| Revision(at.0 + 1));
        match self.commits.range(from..next.max(from)).next() {
            Some((missing, commit)) => Err(format!("revision {missing} is missing: {commit:?}")),
            None => Ok(()),
        }
    }

    fn replay(&self, until: Revision) -> Keys {
        let mut keys = Keys::new();
        self.commits.range(..=until).for_each(|(at, commit)| commit.replay(*at, &mut keys));
        keys
    }
}

impl Commit {
    fn replay(&self, at: Revision, keys: &mut Keys) {
        keys.extend(self.put.iter().map(|key| (key.clone(), at)));
        for key in &self.delete {
            keys.remove(key);
        }
    }
}

/// The gateway's, as its lines say.
#[derive(Default)]
struct State {
    /// `None`: nothing was listed yet.
    at: Option<Revision>,
    keys: Keys,
}

/// The lines of a gateway's `registry.record`. A last line without its end is still being written.
pub fn recorded(file: &Path) -> Vec<Recorded> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    whole.lines().map(parse).collect()
}

/// Names what one has and the other has not.
pub(crate) fn same(what: &str, found: &Keys, truth: &Keys) -> Result<(), String> {
    if found == truth {
        return Ok(());
    }
    let only = |a: &Keys, b: &Keys| {
        let only: Vec<_> = a.iter().filter(|(key, at)| b.get(*key) != Some(*at)).collect();
        format!("{} {:?}", only.len(), &only[..only.len().min(8)])
    };
    Err(format!("{what}: ghosts: {}; missing: {}", only(found, truth), only(truth, found)))
}

#[cfg(test)]
mod tests;
