//! What whoever started it is told.

use tokio::sync::watch;

use super::{Progress, Refusal};

pub(crate) struct Report(watch::Sender<Progress>);

impl Report {
    pub(crate) fn new() -> (Report, watch::Receiver<Progress>) {
        let (report, progress) = watch::channel(Progress::Pending { error: None });
        (Report(report), progress)
    }

    pub(crate) fn say(&self, progress: Progress) {
        self.0.send_replace(progress);
    }

    pub(crate) fn say_if_new(&self, progress: Progress) {
        self.0.send_if_modified(|now| {
            let new = *now != progress;
            *now = progress;
            new
        });
    }

    /// Why something that was asked while registered did not happen. A refusal is told at once: whoever waits for a TTL of
    /// silence learns too late that a token was revoked.
    pub(crate) fn failed(&self, refusal: Refusal) -> String {
        let refused = !matches!(refusal, Refusal::Unreachable(_));
        let reason = refusal.reason();
        if refused {
            self.say_if_new(Progress::Failing { reason: reason.clone() });
        }
        reason
    }
}
