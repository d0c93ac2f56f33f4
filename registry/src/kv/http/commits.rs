//! The events of a watch, put together to commits. Pure.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::http::sse;
use crate::kv::{Batch, Change, Entry, Event, Revision};

/// Bytes (of keys and values) that a commit may have before its end comes. etcd takes 1.5 MiB in one transaction; a
/// commit that a revoked lease makes has keys only.
const MAX_COMMIT: usize = 64 << 20;

pub(super) struct Commits {
    /// The last commit that was given.
    at: Revision,
    listed: Option<Listed>,
    /// Of the commit that is coming.
    changes: Vec<Change>,
    bytes: usize,
    /// What the gateway last said of its own registry.
    stale: Option<(Duration, String)>,
}

/// What was listed: a watch builds on it and on nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) origin: String,
    pub(super) epoch: u64,
}

/// Why the stream cannot go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// List again.
    Gone(Revision),
    Strange(String),
}

#[derive(Deserialize)]
struct Deleted {
    key: String,
    revision: Revision,
}

#[derive(Deserialize)]
struct Progress {
    origin: String,
    #[serde(default)]
    epoch: u64,
    stale_seconds: f64,
    lost: Option<String>,
}

impl Commits {
    pub(super) fn after(at: Revision, listed: Option<Listed>) -> Commits {
        Commits { at, listed, changes: Vec::new(), bytes: 0, stale: None }
    }

    /// What the event completes.
    pub(super) fn take(&mut self, event: &sse::Event) -> Result<Vec<Event>, Broken> {
        let change = match event.name.as_str() {
            "put" => Change::Put(read::<Entry>(event)?),
            "delete" => {
                let Deleted { key, revision } = read(event)?;
                Change::Delete { key, revision }
            }
            "progress" => return self.progress(read(event)?).map(|event| vec![event]),
            "gone" => return Err(Broken::Gone(self.at)),
            // A newer gateway may have more to say.
            _ => return Ok(Vec::new()),
        };
        self.change(change, event.id.as_deref())
    }

    fn change(&mut self, change: Change, id: Option<&str>) -> Result<Vec<Event>, Broken> {
        let (revision, bytes) = match &change {
            Change::Put(entry) => (entry.modified, entry.key.len() + entry.value.len()),
            Change::Delete { key, revision } => (*revision, key.len()),
        };
        if revision <= self.at {
            return strange(&format!("a change of revision {revision} after {}", self.at));
        }
        self.changes.push(change);
        self.bytes += bytes;
        if self.bytes > MAX_COMMIT {
            return strange(&format!("a commit of more than {MAX_COMMIT} bytes"));
        }
        let Some(id) = id else { return Ok(Vec::new()) };
        if id.parse() != Ok(revision.0) {
            return strange(&format!("the id `{id}` at the end of revision {revision}"));
        }
        self.at = revision;
        self.bytes = 0;
        let batch = Event::Batch(Batch { revision, changes: std::mem::take(&mut self.changes) });
        // A change is a sign of life, but not of a gateway that hears its registry.
        let stale = self.stale.clone().map(|(age, reason)| Event::Stale { age, reason });
        Ok([batch].into_iter().chain(stale).collect())
    }

    fn progress(&mut self, progress: Progress) -> Result<Event, Broken> {
        let now = Listed { origin: progress.origin, epoch: progress.epoch };
        if *self.listed.get_or_insert_with(|| now.clone()) != now {
            return Err(Broken::Gone(self.at));
        }
        let age = Duration::try_from_secs_f64(progress.stale_seconds);
        let Ok(age) = age else { return strange(&format!("stale for {} seconds", progress.stale_seconds)) };
        self.stale = progress.lost.map(|reason| (age, reason));
        Ok(match self.stale.clone() {
            Some((age, reason)) => Event::Stale { age, reason },
            None => Event::Progress,
        })
    }
}

fn read<T: DeserializeOwned>(event: &sse::Event) -> Result<T, Broken> {
    serde_json::from_str(&event.data)
        .map_err(|error| Broken::Strange(format!("a `{}` event that is none: {error}", event.name)))
}

fn strange<T>(reason: &str) -> Result<T, Broken> {
    Err(Broken::Strange(format!("the watch had {reason}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, id: &str, data: &str) -> sse::Event {
        let id = Some(id.to_owned()).filter(|id| !id.is_empty());
        sse::Event { name: name.into(), data: data.into(), id }
    }

    fn put(key: &str, revision: u64, id: &str) -> sse::Event {
        event("put", id, &format!(r#"{{"key":"{key}","value":1,"created":1,"revision":{revision}}}"#))
    }

    fn progress(origin: &str, lost: &str) -> sse::Event {
        event(
            "progress",
            "",
            &format!(r#"{{"origin":"{origin}","revision":9,"stale_seconds":7.5,"lost":{lost}}}"#),
        )
    }

    fn commits() -> Commits {
        Commits::after(Revision(5), Some(Listed { origin: "a".into(), epoch: 0 }))
    }

    #[test]
    fn a_commit_is_given_when_its_end_has_come() {
        let mut commits = commits();
        assert!(commits.take(&put("a", 6, "")).unwrap().is_empty());
        assert!(commits.take(&event("later", "6", "{}")).unwrap().is_empty());
        let deleted = event("delete", "6", r#"{"key":"b","revision":6}"#);
        let events = commits.take(&deleted).unwrap();
        let [Event::Batch(batch)] = &events[..] else { panic!("{events:?}") };
        assert_eq!((batch.revision, batch.changes[0].key(), batch.changes[1].key()), (Revision(6), "a", "b"));
        assert!(matches!(commits.take(&put("a", 9, "9")).unwrap()[..], [Event::Batch(_)]));
    }

    #[test]
    fn what_cannot_be_the_next_commit_ends_the_stream() {
        for (wrong, why) in [
            (put("a", 5, "5"), "revision 5 after 5"),
            (put("a", 7, "6"), "the id `6` at the end of revision 7"),
            (put("a", 7, "x"), "the id `x`"),
            (event("put", "6", "{}"), "a `put` event that is none: missing field `key`"),
            (event("delete", "6", ""), "a `delete` event"),
            (
                event("progress", "", r#"{"origin":"a","stale_seconds":-1,"lost":null}"#),
                "stale for -1 seconds",
            ),
        ] {
            let Err(Broken::Strange(reason)) = commits().take(&wrong) else { panic!("{wrong:?}") };
            assert!(reason.contains(why), "{reason}");
        }
        let gone = commits().take(&event("gone", "", "")).unwrap_err();
        assert_eq!(gone, Broken::Gone(Revision(5)));
        assert_eq!(commits().take(&progress("b", "null")).unwrap_err(), Broken::Gone(Revision(5)));
    }

    #[test]
    fn a_commit_that_never_ends_is_bounded() {
        let mut commits = commits();
        let long = "k".repeat(60 << 10);
        let end = (0..2_000).find_map(|_| commits.take(&put(&long, 6, "")).err());
        assert!(matches!(end, Some(Broken::Strange(_))));
    }

    #[test]
    fn a_gateway_that_lost_its_registry_stays_stale_until_it_says_otherwise() {
        let mut commits = commits();
        let is_stale = |events: &[Event]| match events.last() {
            Some(Event::Stale { age, reason }) => *age == Duration::from_millis(7_500) && reason == "etcd",
            _ => false,
        };
        assert!(matches!(commits.take(&progress("a", "null")).unwrap()[..], [Event::Progress]));
        assert!(is_stale(&commits.take(&progress("a", r#""etcd""#)).unwrap()));
        let events = commits.take(&put("a", 6, "6")).unwrap();
        assert!(matches!(events[0], Event::Batch(_)) && is_stale(&events));
        assert!(matches!(commits.take(&progress("a", "null")).unwrap()[..], [Event::Progress]));
        assert!(matches!(commits.take(&put("a", 7, "7")).unwrap()[..], [Event::Batch(_)]));
    }
}
