//! `lvs-sync run`: a director.
//!
//! ```text
//!                                 ┌─► thread: ipvs      ─► Report ─┐
//! registry ─► Follower ─► Store ──┼─► thread: haproxy   ─► Report ─┼─► presence: directors/<id>
//!                                 └─► …                            └─► HTTP: status, metrics
//! ```
//!
//! A sink has a thread of its own, so that one that is slow keeps nobody up: the registry's watch and the own lease least of
//! all. A registry that is lost changes nothing, whatever it said last.

mod http;
mod metrics;
pub(crate) mod presence;
pub(crate) mod source;
mod vips;
mod worker;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use roundhouse_config::{DirectorSettings, SinkSettings};
use roundhouse_registry::follow::{Follower, Options};
use roundhouse_registry::presence::{Campaign, Presence};
use roundhouse_registry::{Snapshot, Store, record};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc, watch};

pub(crate) use self::vips::Binder;
use self::worker::{Order, Shown, Worker};
use crate::desired::Held;
use crate::sink::Sink;
#[cfg(feature = "aws")]
use crate::sink::aws::{self, Aws};
use crate::sink::haproxy::{self, Haproxy};
use crate::sink::ipvs::Ipvs;
use crate::sink::nftables::{self, Nftables};
use crate::sync::{StateFile, Sync, SyncError};

/// Between two attempts to reach the registry at the start.
const AGAIN: Duration = Duration::from_secs(1);

/// What the parts of a director share.
struct Director {
    settings: DirectorSettings,
    store: Arc<Store>,
    sinks: Vec<Running>,
}

/// A sink's thread, as the others see it.
pub(crate) struct Running {
    shown: watch::Receiver<Shown>,
    orders: mpsc::Sender<Order>,
}

/// Runs until SIGTERM or SIGINT.
pub(crate) async fn run(settings: DirectorSettings) -> anyhow::Result<()> {
    let mut ends = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
    let mut hang_up = signal(SignalKind::hangup())?;
    let file = Arc::new(StateFile::open(&settings.state_file)?);
    let listen = settings.listen.socket_addr();
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen at {listen}; change `listen`, or stop who holds it"))?;
    let [terminate, interrupt] = &mut ends;
    let follower = tokio::select! {
        follower = follow(&settings) => follower?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    let store = follower.store();
    tokio::spawn(follower.run());
    let blank = presence::record(&settings, &[]);
    let presence = Presence::start(&settings.registry, settings.director.clone(), blank, presence::TTL)?;
    let news = Arc::new(Notify::new());
    let mut sinks = Vec::new();
    for of in &settings.sinks {
        let campaign = of.shared().map(|name| presence.campaign(name.clone()));
        let running = start(sink(of)?, campaign, &settings, &store, &file)?;
        tokio::spawn(watch(running.shown.clone(), news.clone()));
        sinks.push(running);
    }
    let director = Arc::new(Director { settings, store, sinks });
    tracing::info!(director = director.settings.director, %listen, "running");
    tokio::spawn(http::serve(listener, director.clone()));
    let mut progress = presence.progress();
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => {
                for sink in &director.sinks {
                    let _ = sink.orders.send(Order::Look).await;
                }
            }
            () = news.notified() => presence.set(presence::record(&director.settings, &director.sinks)),
            Ok(()) = progress.changed() => presence::log(&progress.borrow_and_update()),
        }
    }
    // In the middle of a round nobody is stopped: it takes what a sink takes.
    for sink in &director.sinks {
        let (done, ended) = tokio::sync::oneshot::channel();
        if sink.orders.send(Order::End(done)).await.is_ok() {
            let _ = ended.await;
        }
    }
    presence.leave().await;
    tracing::info!("stopped; what is programmed stays");
    Ok(())
}

/// Says that there is something new to be told.
async fn watch(mut shown: watch::Receiver<Shown>, news: Arc<Notify>) {
    while shown.changed().await.is_ok() {
        shown.mark_unchanged();
        news.notify_one();
    }
}

/// However long it takes: without the registry nothing may be changed, and what is programmed works.
async fn follow(settings: &DirectorSettings) -> anyhow::Result<Follower> {
    let source = source::open(&settings.registry)?;
    loop {
        let options = Options { by: settings.director.clone().into(), ..Options::default() };
        match Follower::with(source.clone(), options).await {
            Ok(follower) => return Ok(follower),
            Err(error) => {
                tracing::warn!(registry = %settings.registry.url, %error, "waiting for the registry");
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn start(
    sink: Box<dyn Sink>,
    campaign: Option<Campaign>,
    settings: &DirectorSettings,
    store: &Arc<Store>,
    file: &Arc<StateFile>,
) -> anyhow::Result<Running> {
    let kind = sink.kind();
    let sync = Sync::new(sink, held(settings), file.of(kind));
    let (tell, shown) = watch::channel(Shown::new(kind));
    let (orders, inbox) = mpsc::channel(16);
    let binder = settings.bind.as_ref().map(|device| Binder::new(device.clone()));
    let (store, file, resync) = (store.clone(), file.clone(), settings.resync);
    let worker = Worker { sync, campaign, store, file, tell, inbox, binder, resync };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let work = move || runtime.block_on(worker.run());
    std::thread::Builder::new().name(kind.to_string()).spawn(work).context("no thread")?;
    Ok(Running { shown, orders })
}

/// The sinks of the settings, not dialled yet.
pub(crate) fn sinks(settings: &DirectorSettings) -> anyhow::Result<Vec<Box<dyn Sink>>> {
    settings.sinks.iter().map(sink).collect()
}

pub(crate) fn sink(settings: &SinkSettings) -> anyhow::Result<Box<dyn Sink>> {
    match settings {
        SinkSettings::Ipvs => Ok(Box::new(Ipvs::new())),
        SinkSettings::Nftables { table, masquerade } => {
            let options = nftables::Options { table: table.clone(), masquerade: *masquerade };
            Ok(Box::new(Nftables::new(options)?))
        }
        SinkSettings::Haproxy { socket, fragment, reload, check, shared: _ } => {
            Ok(Box::new(Haproxy::new(haproxy::Options {
                reload: (!reload.is_empty()).then(|| reload.clone()),
                check: *check,
                ..haproxy::Options::new(socket, fragment)
            })))
        }
        #[cfg(feature = "aws")]
        SinkSettings::Aws { shared: _, region, endpoint, credentials_file } => {
            Ok(Box::new(Aws::new(aws::Options {
                region: region.clone(),
                endpoint: endpoint.clone(),
                credentials_file: credentials_file.clone(),
            })?))
        }
        #[cfg(not(feature = "aws"))]
        SinkSettings::Aws { .. } => {
            anyhow::bail!("this lvs-sync was built without the sink `aws`; build it with --features aws")
        }
    }
}

pub(crate) fn held(settings: &DirectorSettings) -> Held {
    match settings.lines.is_empty() {
        true => Held::All,
        false => Held::These(settings.lines.iter().cloned().collect()),
    }
}

/// Gives this host the VIPs that it has to take packets for.
pub(crate) fn bind(
    binder: &Binder,
    sync: &mut Sync,
    snapshot: &Snapshot,
    file: &StateFile,
) -> anyhow::Result<()> {
    let kind = sync.sink.kind();
    let missing = binder.missing(&wanted_vips(sync, snapshot))?;
    if !missing.is_empty() {
        // Before they are there: a crash in between leaves none that we would not take back.
        sync.bound(missing.iter().copied());
        file.save(kind, sync.state()).map_err(SyncError::from)?;
        binder.bind(&missing)?;
    }
    Ok(())
}

/// Takes back those that we gave, and that nothing is programmed for any more.
pub(crate) fn unbind(
    binder: &Binder,
    sync: &mut Sync,
    snapshot: &Snapshot,
    file: &StateFile,
) -> anyhow::Result<()> {
    let kind = sync.sink.kind();
    let mut kept = wanted_vips(sync, snapshot);
    kept.extend(sync.state().services.keys().filter_map(|key| Some(key.vip()?.ip())));
    let gone: BTreeSet<_> = sync.state().vips.difference(&kept).copied().collect();
    if !gone.is_empty() {
        binder.unbind(&gone)?;
        sync.unbound(&gone);
        file.save(kind, sync.state()).map_err(SyncError::from)?;
    }
    Ok(())
}

fn wanted_vips(sync: &Sync, snapshot: &Snapshot) -> BTreeSet<IpAddr> {
    let kind = sync.sink.kind();
    // Its balancers have addresses of their own.
    if kind == record::Sink::Aws {
        return BTreeSet::new();
    }
    let pools = snapshot.pools.values().map(|pool| &pool.value).filter(|pool| pool.sink == kind);
    pools
        .flat_map(record::Pool::vips)
        .filter(|(line, _)| sync.held().holds(line))
        .map(|(_, vip)| vip)
        .collect()
}
