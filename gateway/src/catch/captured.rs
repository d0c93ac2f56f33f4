//! *capture* as the control plane sees it: sockets lent once, and a keeper that sees to the table in the kernel and to
//! the local route. The keeper is a thread of its own, because the programs that it runs may take their time.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ipnet::IpNet;

use super::capture::{Installed, Listeners, NftError, RouteError, Table, nft, route};
use super::{Catch, NotCaught, Place, Wanted};
use crate::worker::{Lender, ListenerId, Site};

/// Between two looks at the table: somebody may have flushed the ruleset, and a network manager the route.
const LOOK: Duration = Duration::from_secs(5);

/// Whoever sees all VIPs' traffic needs no socket for each; what can be wrong is wrong for all of them.
pub struct Capture {
    lender: Lender,
    listeners: Vec<ListenerId>,
    wrong: Arc<Mutex<Option<String>>>,
    /// Dropped to stop the keeper.
    going_on: Option<mpsc::Sender<()>>,
    keeper: Option<JoinHandle<()>>,
}

#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    #[error("no transparent socket: {0}; grant CAP_NET_ADMIN and CAP_NET_RAW, or set names.catch = \"bind\"")]
    Sockets(#[from] io::Error),
    #[error(transparent)]
    Nft(#[from] NftError),
    #[error(transparent)]
    Route(#[from] RouteError),
}

impl Capture {
    /// Opens the sockets, makes the prefix local and installs the table: what cannot be done is said at the start.
    pub fn new(prefix: IpNet, lender: Lender) -> Result<Capture, CaptureError> {
        let sockets = Listeners::open(&[prefix], lender.workers())?;
        let table = Table::new(prefix, sockets.targets());
        let (mut listeners, mut datagrams) = (Vec::new(), Vec::new());
        for family in sockets.families {
            listeners.push(lender.lend_to_all(family.tcp, &Site::Captured));
            datagrams.push(family.udp);
        }
        listeners.push(lender.lend_captured(datagrams));
        let mut keeper = Keeper { prefix, table, installed: None };
        keeper.install()?;
        let (going_on, stopped) = mpsc::channel();
        let wrong = Arc::default();
        let told = Arc::clone(&wrong);
        let keeper =
            thread::Builder::new().name("capture".into()).spawn(move || keeper.run(&stopped, &told))?;
        Ok(Capture { lender, listeners, wrong, going_on: Some(going_on), keeper: Some(keeper) })
    }
}

impl Catch for Capture {
    fn reconcile(&mut self, wanted: &Wanted) -> Vec<NotCaught> {
        self.change(&[], wanted)
    }

    fn change(&mut self, _: &[Place], wanted: &Wanted) -> Vec<NotCaught> {
        let wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(reason) = wrong else { return Vec::new() };
        let all = wanted.iter().map(|(place, (job_port, _))| NotCaught {
            job: job_port.job.clone(),
            port: job_port.port.clone(),
            address: place.address,
            transport: place.transport,
            reason: reason.clone(),
        });
        all.collect()
    }

    fn is_looked_after(&self) -> bool {
        true
    }

    fn stop(&mut self) {
        self.listeners.iter().for_each(|listener| self.lender.take_back(*listener));
        self.going_on.take();
        if let Some(keeper) = self.keeper.take() {
            // A panicked keeper has been reported by its panic already.
            let _ = keeper.join();
        }
    }
}

struct Keeper {
    prefix: IpNet,
    table: Table,
    installed: Option<Installed>,
}

impl Keeper {
    fn run(mut self, stopped: &mpsc::Receiver<()>, told: &Mutex<Option<String>>) {
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(LOOK) {
            let wrong = self.install().err().map(|error| error.to_string());
            *told.lock().unwrap_or_else(PoisonError::into_inner) = wrong;
        }
        self.remove();
    }

    fn install(&mut self) -> Result<(), CaptureError> {
        if let Some(installed) = &self.installed {
            if installed.stands()? && route::is_local(self.prefix)? {
                return Ok(());
            }
            let table = self.table.name();
            tracing::warn!(
                table,
                "somebody changed the nftables table or the local route; they are made anew"
            );
        }
        let local = route::ensure(self.prefix, None)?;
        self.installed = Some(nft::install(&self.table)?);
        tracing::info!(table = self.table.name(), prefix = %self.prefix, ?local, "VIPs are captured");
        Ok(())
    }

    /// Clients are then refused by nobody being there, as at any address of this host.
    fn remove(mut self) {
        if let Some(installed) = self.installed.take()
            && let Err(error) = installed.remove()
        {
            tracing::warn!(%error, table = self.table.name(), "the nftables table is left; it refuses clients");
        }
        if let Err(error) = route::remove(self.prefix) {
            tracing::warn!(%error, prefix = %self.prefix, "the local route is left");
        }
    }
}
