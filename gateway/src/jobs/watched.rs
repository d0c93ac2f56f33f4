//! The files of `[jobs]`, looked at every second.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use roundhouse_config::{JobsFile, Problem, Problems};
use tokio::time::{Instant, MissedTickBehavior};

use super::application::{Application, Outcome, Seen};
use super::file::{Print, Taken, look, read, take, whole};
use super::owner::Owner;
use super::status::Status;
use crate::phase::Phase;
use crate::shared::Shared;

/// A person who saves a file looks up after about as long; a `stat` of 64 files costs nothing.
const LOOK: Duration = Duration::from_secs(1);
/// A registry that is away, a name that DNS does not know yet: asked again after the first, at last every last.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// Until the gateway drains. One after the other, in the order of the settings: the first file that has a label has it.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let mut phase = shared.phase.clone();
    let files = shared.settings.jobs.files.iter().enumerate();
    let mut files: Vec<Watched> = files.map(|(index, path)| Watched::new(&shared, index, path)).collect();
    let watching = async {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let mut taken = Taken::new();
            for file in &mut files {
                file.look(&shared, &taken).await;
                if let Some(good) = &file.good {
                    take(&file.path, good, &mut taken);
                }
            }
        }
    };
    tokio::select! {
        () = watching => {}
        _ = phase.wait_for(|phase| *phase == Phase::Draining) => {}
    }
}

type Look = Result<Print, io::ErrorKind>;

struct Watched {
    /// Its place among the files.
    index: usize,
    path: PathBuf,
    owner: Owner,
    /// What the last look saw, and what the last one saw that was acted on.
    last: Option<Look>,
    done: Option<Look>,
    /// The last content in which nothing was wrong.
    good: Option<Arc<JobsFile>>,
    seen: Seen,
    /// When what failed is tried again, and after how long the time after.
    retry: Option<(Instant, Duration)>,
    /// What is wrong with the file now, and what of `good` could not be done.
    wrong: Vec<Problem>,
    failed: Vec<Problem>,
}

impl Watched {
    fn new(shared: &Shared, index: usize, path: &Path) -> Watched {
        Watched {
            index,
            path: path.to_owned(),
            owner: Owner::new(path, &shared.id),
            last: None,
            done: None,
            good: None,
            seen: Seen::new(),
            retry: None,
            wrong: Vec::new(),
            failed: Vec::new(),
        }
    }

    async fn look(&mut self, shared: &Shared, taken: &Taken) {
        let path = self.path.clone();
        let Some(seen) = away(move || look(&path)).await else { return };
        // A file that is being written is another one at each look.
        if self.last.replace(seen) != Some(seen) {
            return;
        }
        if self.done != Some(seen) {
            self.changed(seen, shared, taken).await;
        } else if self.retry.is_some_and(|(at, _)| Instant::now() >= at) {
            self.apply(shared, taken).await;
        }
    }

    async fn changed(&mut self, seen: Look, shared: &Shared, taken: &Taken) {
        let path = self.path.clone();
        let content = match seen {
            Err(kind) => Err(unreadable(&path, kind).into()),
            Ok(_) => {
                let found = away(move || {
                    let content = read(&path);
                    // What was read in two halves is read again at the next look.
                    (look(&path) == seen).then_some(content)
                });
                let Some(Some(content)) = found.await else { return };
                content
            }
        };
        self.done = Some(seen);
        match content {
            Ok(file) => {
                self.wrong.clear();
                self.good = Some(Arc::new(file));
                self.retry = None;
                self.apply(shared, taken).await;
            }
            Err(problems) => {
                self.wrong = problems.iter().cloned().collect();
                tracing::error!(file = %self.path.display(), "jobs file not applied, the last good state stays:\n{problems}");
                self.report(shared, None);
            }
        }
    }

    async fn apply(&mut self, shared: &Shared, taken: &Taken) {
        let Some(good) = self.good.clone() else { return };
        let (path, owner, seen) = (&*self.path, &self.owner, &mut self.seen);
        let outcome = Application { shared, path, owner, taken, seen }.run(&good).await;
        self.retry = (!outcome.failed.is_empty()).then(|| {
            let pause = self.retry.map_or(FIRST_RETRY, |(_, pause)| pause);
            (Instant::now() + pause, (pause * 2).min(LAST_RETRY))
        });
        let news = outcome.failed != self.failed;
        if let (true, Some(problems)) = (news, Problems::new(outcome.failed.clone())) {
            tracing::error!(file = %self.path.display(), "jobs file not wholly applied:\n{problems}");
        }
        if outcome.failed.is_empty() {
            tracing::info!(file = %self.path.display(), revision = %outcome.revision, jobs = good.jobs.len(), "jobs file applied");
        }
        self.report(shared, Some(outcome));
    }

    fn report(&mut self, shared: &Shared, outcome: Option<Outcome>) {
        let Some(place) = shared.jobs_files.get(self.index) else { return };
        let mut status = Status::clone(&place.load());
        if let Some(Outcome { revision, failed }) = outcome {
            if failed.is_empty() {
                status.applied_revision = Some(revision);
                status.at = SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs());
            }
            self.failed = failed;
        }
        status.errors = self.wrong.iter().chain(&self.failed).cloned().collect();
        place.store(Arc::new(status));
    }
}

/// A file server may be slow: not on the thread of the control plane.
async fn away<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

fn unreadable(path: &Path, kind: io::ErrorKind) -> Problem {
    match kind {
        io::ErrorKind::NotFound => whole(path, "is missing; what it put stays as it is"),
        kind => whole(path, format!("cannot be read: {kind}; what it put stays as it is")),
    }
}
