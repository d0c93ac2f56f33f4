//! `roundhouse run`: the parts put together, in the order in which each needs the one before.
//!
//! ```text
//! data directory (locked) ─► ports (probed) ─► registry ─► first snapshot ─► workers, catch, health ─► DNS, admin
//! SIGTERM ─► phase Draining: DNS and admin stop, listeners close, exchanges finish until the deadline
//! ```
//!
//! The control plane is one thread with a current-thread runtime; DNS has a thread of its own, so that a large table
//! does not delay an answer.

mod announce;
mod catching;
mod certificates;
mod control;
pub(crate) mod datadir;
mod deciding;
mod departures;
mod differing;
mod entrypoints;
mod places;
mod ports;
pub(crate) mod registry;
mod reload;
mod vips;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU16;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use arc_swap::ArcSwap;
use roundhouse_config::{Answer, Catch as CatchSetting, Limits, Settings};
use roundhouse_registry::Registry;
use roundhouse_registry::probe::Verdict;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc, watch};

pub use self::certificates::CertificateRefused;
use self::certificates::{Files, Keeper};
use self::control::{Control, Kept};
use self::datadir::DataDir;
use self::entrypoints::Entrypoints;
pub use self::entrypoints::{Listed, Origin};
use self::ports::Ports;
pub use self::reload::ConfigStatus;
use self::reload::Reload;
use crate::access::Access;
use crate::access_log::AccessLog;
use crate::catch::{Bind, Capture, Catch};
use crate::descriptors::{self, Share};
use crate::phase::Phase;
use crate::plane::{Counters, Plane};
use crate::shared::Shared;
use crate::table::{Facts, Own, Table};
use crate::worker::Workers;
use crate::{admin, dns, jobs};

/// How long the access log's last lines may take to be written: a disk does it in one second, and a stuck one never.
const LAST_LINES: Duration = Duration::from_secs(5);

/// Runs until SIGTERM or SIGINT, and until what was open then is done.
pub fn run(settings: Settings, config: Option<PathBuf>, wait: bool) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(serve(settings, config, wait));
    // What still hangs (a name that does not resolve, a connection after a second signal) must not hold the end up.
    runtime.shutdown_background();
    served
}

async fn serve(mut settings: Settings, config: Option<PathBuf>, wait: bool) -> anyhow::Result<()> {
    let reread = Arc::new(Notify::new());
    let mut stop = StopSignals::new(reread.clone())?;
    match &config {
        Some(path) => tracing::info!(config = %path.display(), "starting"),
        None => tracing::info!("starting with defaults; no --config given"),
    }
    let data_dir = DataDir::lock(&settings.data_dir)?;
    let workers = worker_count(&settings);
    let available = descriptors::raise();
    let in_file = settings.clone();
    let Limits { connections, udp_sessions, .. } = settings.limits;
    let share = Share::of(available, workers, Share { connections, udp_sessions });
    (settings.limits.connections, settings.limits.udp_sessions) = (share.connections, share.udp_sessions);
    tracing::info!(
        nofile = available,
        connections_a_worker = share.connections,
        udp_sessions_a_worker = share.udp_sessions,
        "descriptor budget"
    );
    let (certificate_files, certificates) = Files::start(&settings.certificates)?;
    let certificates = Arc::new(ArcSwap::from_pointee(certificates));
    let certificate = settings.admin.tls.clone().map(admin::Certificate::read).transpose();
    let certificate = certificate.context("admin.cert and admin.key cannot be used")?;
    let (access_log, log_writer) =
        AccessLog::start(&settings.access_log).context("access_log.path cannot be written")?;
    let ports = Ports::open(&settings, workers)?;
    let id = gateway_id(&data_dir);
    let opened = tokio::select! {
        opened = registry::open(&settings, &data_dir, &id, wait) => opened?,
        // Waiting for a registry is no reason not to stop.
        _ = stop.next() => return Ok(()),
    };
    let registry::Opened { kv, follower, saved } = opened;
    let store = follower.store();

    let own = Own::new(settings.names.vips, ports.own()).with_hub(settings.names.hub_addresses.clone());
    let facts = Facts {
        zone: settings.names.zone.clone(),
        vips: settings.names.vips,
        own: own.clone(),
        workers,
        hub: settings.names.answer == Answer::Hub,
        newcomer: Verdict::Healthy,
    };
    let access = Arc::new(Access::new(store.clone(), kv.clone()));
    let (phase, phases) = watch::channel(Phase::Serving);
    let (failures, failed) = mpsc::unbounded_channel();
    let table = Arc::new(ArcSwap::from_pointee(Table::empty(&facts)));
    let counters: Vec<Arc<Counters>> = (0..workers).map(|_| Arc::default()).collect();
    let https_port = Arc::new(AtomicU16::new(0));
    let plane = Plane {
        table: table.clone(),
        limits: Arc::new(settings.limits.clone()),
        counters: counters.clone(),
        phase: phases.clone(),
        failures,
        capacity: Arc::default(),
        fast_open: settings.tcp.fast_open,
        originations: Arc::default(),
        certificates: certificates.clone(),
        https_port: https_port.clone(),
        access: access.clone(),
        access_log,
    };
    let (origins, log_state) = (plane.originations.clone(), plane.access_log.state().clone());
    let data_plane = Workers::start(&plane).context("cannot start the workers")?;
    drop(plane);

    let jobs_files = settings.jobs.files.iter();
    let jobs_files = jobs_files.map(|file| ArcSwap::from_pointee(jobs::Status::new(file))).collect();
    let shared = Arc::new(Shared {
        id,
        config: ArcSwap::from_pointee(ConfigStatus::started(config.as_deref())),
        reread,
        file_entrypoints: ArcSwap::from_pointee(settings.entrypoints.clone()),
        file_certificates: ArcSwap::from_pointee(settings.certificates.clone()),
        settings,
        table,
        store,
        holds: follower.holds(),
        registry: Registry::new(kv),
        own: ArcSwap::from_pointee(own),
        entrypoints: ArcSwap::default(),
        relisted: Notify::new(),
        https_port,
        certificates: certificates.clone(),
        certificates_refused: ArcSwap::default(),
        workers: data_plane.lender(),
        not_caught: ArcSwap::default(),
        jobs_files,
        counters,
        access,
        access_log: log_state,
        started: Instant::now(),
        phase: phases,
    });
    let catch: Box<dyn Catch> = match shared.settings.names.catch {
        CatchSetting::Bind => Box::new(Bind::new(data_plane.lender())),
        CatchSetting::Capture => Box::new(
            Capture::new(shared.settings.names.vips, data_plane.lender())
                .context("names.catch = \"capture\"")?,
        ),
    };
    let mut entrypoints = Entrypoints::new(data_plane.lender(), certificates);
    let (listening, dns_server) = ports.lend(&mut entrypoints)?;
    let kept = Kept {
        certificates: Keeper::new(shared.clone(), origins, certificate_files),
        reload: Reload::new(shared.clone(), in_file),
    };
    let mut control = Control::new(shared.clone(), facts, catch, entrypoints, kept, failed);
    control.first(&shared.store.load());

    let follow = tokio::spawn(follower.run());
    let (stop_saving, stopped) = watch::channel(false);
    let saving = saved.map(|file| tokio::spawn(file.keep(shared.store.clone(), stopped)));
    let announce = tokio::spawn(announce::run(shared.clone()));
    let jobs_files = tokio::spawn(jobs::watch(shared.clone()));
    let dns_thread = serve_dns(dns_server, &shared)?;
    let listener = tokio::net::TcpListener::from_std(listening.admin)?;
    let admin = tokio::spawn(admin::serve(listener, certificate, shared.clone()));
    let first_token = tokio::spawn(admin::first_token(shared.clone(), data_dir.path().to_owned()));
    let controlling = tokio::spawn(control.run());
    report_ready(&shared);

    let name = stop.next().await;
    tracing::info!(signal = name, deadline = ?shared.settings.limits.drain, "draining");
    phase.send_replace(Phase::Draining);
    let drained = async {
        let _ = announce.await;
        let _ = jobs_files.await;
        let _ = first_token.await;
        let _ = controlling.await;
        let _ = admin.await;
        let _ = tokio::task::spawn_blocking(move || {
            data_plane.join();
            let _ = dns_thread.join();
            // Workers have handed over what they had.
            if let Some(writer) = log_writer {
                writer.finish(LAST_LINES);
            }
        })
        .await;
    };
    tokio::select! {
        () = drained => tracing::info!("drained"),
        name = stop.next() => tracing::warn!(signal = name, "second signal; closing what is open"),
    }
    follow.abort();
    stop_saving.send_replace(true);
    if let Some(saving) = saving {
        let _ = saving.await;
    }
    // The embedded store closes with its last handle; the lock on the data directory goes after it.
    drop(shared);
    let _ = follow.await;
    drop(data_dir);
    Ok(())
}

fn worker_count(settings: &Settings) -> usize {
    match settings.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        count => count,
    }
}

/// Kept in the data directory, so that a restarted gateway is the same one.
fn gateway_id(data_dir: &DataDir) -> String {
    let file = data_dir.path().join("gateway-id");
    if let Ok(id) = std::fs::read_to_string(&file)
        && let Ok(id) = id.trim().parse::<uuid::Uuid>()
    {
        return id.to_string();
    }
    let id = uuid::Uuid::new_v4().to_string();
    if let Err(error) = std::fs::write(&file, format!("{id}\n")) {
        tracing::warn!(file = %file.display(), %error, "gateway id not kept");
    }
    id
}

fn serve_dns(server: dns::Server, shared: &Arc<Shared>) -> anyhow::Result<std::thread::JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (table, store) = (shared.table.clone(), shared.store.clone());
    let phase = shared.phase.clone();
    let ttl = u32::try_from(shared.settings.dns.ttl.as_secs()).unwrap_or(u32::MAX);
    let thread = std::thread::Builder::new().name("dns".into()).spawn(move || {
        runtime.block_on(server.run(table, store, ttl, phase));
    })?;
    Ok(thread)
}

fn report_ready(shared: &Shared) {
    let settings = &shared.settings;
    tracing::info!(
        admin = %settings.admin.listen,
        dns = %settings.dns.listen,
        vips = %settings.names.vips,
        zone = %settings.names.zone,
        registry = %settings.registry.url,
        revision = %shared.store.load().revision,
        workers = shared.counters.len(),
        "ready"
    );
}

/// SIGTERM and SIGINT, from before anything was started: none is missed. SIGHUP ends nothing.
struct StopSignals {
    term: Signal,
    interrupt: Signal,
    hangup: Signal,
    reread: Arc<Notify>,
}

impl StopSignals {
    /// `reread` is notified of SIGHUP.
    fn new(reread: Arc<Notify>) -> std::io::Result<StopSignals> {
        Ok(StopSignals {
            term: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            reread,
        })
    }

    async fn next(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.term.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                // A terminal that closes, or a habit: neither may drop every connection.
                _ = self.hangup.recv() => {
                    tracing::info!("SIGHUP: reading the settings again and opening the access log again; other files are read when they change");
                    self.reread.notify_one();
                }
            }
        }
    }
}
