//! The pool that the instance wants to be in: asked for when the instance registers, then at each keepalive until it is
//! there. After that it is a person's: one that is taken out is not made again while the registration lasts.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::record::InstanceId;
use crate::remote::Target;
use crate::write::NewPool;

/// What the registry said of the pool; `None`: nothing.
pub(super) type PoolTold = Option<Result<(), String>>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PoolProgress {
    /// None is wanted, or the instance is not registered yet.
    #[default]
    Waiting,
    There,
    /// It is not there, or not for this instance. Tried again at each keepalive.
    Failing {
        reason: String,
    },
}

pub(super) struct PoolKeeper {
    wanted: Option<NewPool>,
    /// The registry has not answered for this registration.
    open: bool,
    /// It was not even asked.
    unasked: bool,
    report: watch::Sender<PoolProgress>,
}

impl PoolKeeper {
    pub(super) fn new(wanted: Option<NewPool>) -> (PoolKeeper, watch::Receiver<PoolProgress>) {
        let (report, progress) = watch::channel(PoolProgress::default());
        (PoolKeeper { wanted, open: false, unasked: false, report }, progress)
    }

    /// The instance has registered, perhaps anew, in a registry that may have lost the pool too.
    pub(super) fn registered(&mut self, told: PoolTold) {
        self.open = self.wanted.is_some();
        self.unasked = self.open && told.is_none();
        if let Some(told) = told {
            self.heard(told);
        }
    }

    /// Right after the registration, unless it was made with that.
    pub(super) async fn first(&mut self, target: &Target, id: InstanceId, patience: Duration) {
        if self.unasked {
            self.again(target, id, patience).await;
        }
    }

    pub(super) async fn again(&mut self, target: &Target, id: InstanceId, patience: Duration) {
        let Some(pool) = self.wanted.as_ref().filter(|_| self.open) else { return };
        let told = match timeout(patience, target.ensure_pool(id, pool)).await {
            Ok(told) => told,
            Err(_) => Err("the registry does not answer".to_owned()),
        };
        self.unasked = false;
        self.heard(told);
    }

    fn heard(&mut self, told: Result<(), String>) {
        self.open = told.is_err();
        let progress = match told {
            Ok(()) => PoolProgress::There,
            Err(reason) => PoolProgress::Failing { reason },
        };
        self.report.send_if_modified(|now| {
            let new = *now != progress;
            *now = progress;
            new
        });
    }
}
