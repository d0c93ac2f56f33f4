//! The registrar: a thread with a runtime of its own, started only when there is a registry.
//!
//! ```text
//! main loop ── Order (channel) ──► address -> ready -> registered -> draining -> left
//!           ◄── News (pipe, one byte each; its end means the thread is done) ──┘
//! ```
//!
//! The main loop waits in poll(2), so news come through a pipe. The command never depends on this thread: whatever
//! fails here is logged and tried again, for ever.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;
use std::time::Duration;

use roundhouse_config::{Label, RegistryUrl};
use roundhouse_registry::record::State;
use roundhouse_registry::registrar::{Progress, Registrar, Registration};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::address;
use crate::log::log;
use crate::ready::{self, Health, Verdict};
use crate::settings::Identity;
use crate::supervise::News;

/// What is registered, and where.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) registry: RegistryUrl,
    /// Of the keys, in etcd.
    pub(crate) prefix: String,
    pub(crate) identity: Identity,
    /// `None`: the one the way to the registry starts from.
    pub(crate) address: Option<IpAddr>,
    pub(crate) line: Option<Label>,
    pub(crate) weight: u32,
    pub(crate) version: Option<String>,
    pub(crate) ttl: Duration,
    /// The port a connect to which must succeed before anything is registered.
    pub(crate) check: Option<u16>,
}

/// What the main loop wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Drain,
    Leave,
}

/// The main loop's end of the thread.
pub(crate) struct RegistrarThread {
    orders: UnboundedSender<Order>,
    news: PipeReader,
}

impl RegistrarThread {
    pub(crate) fn start(plan: Plan) -> io::Result<Self> {
        let (orders, received) = unbounded_channel();
        let (news, writer) = io::pipe()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("registrar".into()).spawn(move || {
            // The writer goes with the future, so the main loop hears of any end, a panic's too.
            runtime.block_on(keep(plan, received, Messenger(writer)));
        })?;
        Ok(Self { orders, news })
    }

    /// Asks for the state `draining`; the answer is [`News::Drained`].
    pub(crate) fn drain(&self) {
        self.order(Order::Drain);
    }

    /// Asks for the end; the answer is [`News::Gone`].
    pub(crate) fn leave(&self) {
        self.order(Order::Leave);
    }

    /// What has been told since the last call. Blocks unless the descriptor is readable.
    pub(crate) fn news(&mut self) -> Vec<News> {
        let mut bytes = [0; 16];
        match self.news.read(&mut bytes) {
            Ok(0) | Err(_) => vec![News::Gone],
            Ok(count) => bytes[..count].iter().map(|byte| decode(*byte)).collect(),
        }
    }

    fn order(&self, order: Order) {
        // A thread that has ended is past every order; its end is told by the pipe.
        let _ = self.orders.send(order);
    }
}

impl AsFd for RegistrarThread {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }
}

/// The registrar's end of the pipe.
struct Messenger(PipeWriter);

impl Messenger {
    fn tell(&mut self, news: News) {
        // A main loop that does not listen any more is about to exit.
        let _ = self.0.write_all(&[encode(news)]);
    }
}

fn encode(news: News) -> u8 {
    match news {
        News::Registered => b'r',
        News::Unregistered => b'u',
        News::Drained => b'd',
        News::Gone => b'g',
    }
}

fn decode(byte: u8) -> News {
    match byte {
        b'r' => News::Registered,
        b'u' => News::Unregistered,
        b'd' => News::Drained,
        _ => News::Gone,
    }
}

/// The life of the registration. Returns when told to leave.
async fn keep(plan: Plan, mut orders: UnboundedReceiver<Order>, mut messenger: Messenger) {
    let address = tokio::select! {
        biased;
        _ = orders.recv() => return,
        address = ready_address(&plan) => address,
    };
    let checked = plan.check.map(|port| SocketAddr::new(address, port));
    let registrar = match start(&plan, address) {
        Ok(registrar) => registrar,
        Err(error) => return log!("not registered: {error}"),
    };
    let order = tokio::select! {
        biased;
        order = orders.recv() => order,
        () = report(registrar.progress(), &plan, address, &mut messenger) => None,
        () = watch_health(&registrar, checked) => None,
    };
    if order == Some(Order::Drain) {
        tokio::select! {
            biased;
            _ = orders.recv() => return registrar.leave().await,
            () = registrar.set_state(State::Draining) => messenger.tell(News::Drained),
        }
        orders.recv().await;
    }
    registrar.leave().await;
}

fn start(plan: &Plan, address: IpAddr) -> Result<Registrar, impl std::error::Error + use<>> {
    let registration = Registration {
        job: plan.identity.job.clone(),
        jobname: plan.identity.jobname.clone(),
        ports: plan.identity.ports.clone(),
        id: plan.identity.id,
        address,
        host: rustix::system::uname().nodename().to_str().ok().map(str::to_owned),
        line: plan.line.clone(),
        weight: plan.weight,
        version: plan.version.clone(),
        ttl: plan.ttl,
    };
    Registrar::start(&plan.registry, &plan.prefix, registration, State::Up)
}

/// The own address, once the command answers there.
async fn ready_address(plan: &Plan) -> IpAddr {
    let mut told = String::new();
    for wait in ready::retries() {
        let problem = match attempt(plan).await {
            Ok(address) => return address,
            Err(problem) => problem,
        };
        // Each reason once: a slow start is no news, a reason is.
        if problem != told {
            log!("not registered yet: {problem}");
            told = problem;
        }
        sleep(wait).await;
    }
    unreachable!("retries never end")
}

async fn attempt(plan: &Plan) -> Result<IpAddr, String> {
    let address = match plan.address {
        Some(address) => address,
        None => address::towards(&plan.registry).await.map_err(|error| format!("no own address: {error}"))?,
    };
    if let Some(port) = plan.check {
        let target = SocketAddr::new(address, port);
        ready::connect(target).await.map_err(|error| format!("{target} does not answer: {error}"))?;
    }
    Ok(address)
}

/// Tells the main loop and the log how the registration fares. Never returns.
async fn report(
    mut progress: watch::Receiver<Progress>,
    plan: &Plan,
    address: IpAddr,
    messenger: &mut Messenger,
) {
    let identity = &plan.identity;
    let mut told = String::new();
    loop {
        let now = progress.borrow_and_update().clone();
        let line = match now {
            Progress::Registered => {
                messenger.tell(News::Registered);
                format!("registered {} as {} at {address}", identity.job, identity.id)
            }
            Progress::Pending { error } => {
                messenger.tell(News::Unregistered);
                error.map_or_else(String::new, |error| format!("not registered, trying again: {error}"))
            }
            Progress::Refused { reason } => {
                messenger.tell(News::Unregistered);
                format!("registration refused: {reason}")
            }
        };
        if !line.is_empty() && line != told {
            log!("{line}");
            told = line;
        }
        if progress.changed().await.is_err() {
            // Only a registrar that ended tells nothing more; the orders still come.
            std::future::pending::<()>().await;
        }
    }
}

/// Goes on checking, and writes what changes. Never returns.
async fn watch_health(registrar: &Registrar, checked: Option<SocketAddr>) {
    let Some(target) = checked else { return std::future::pending().await };
    let mut health = Health::default();
    loop {
        sleep(ready::INTERVAL).await;
        let result = ready::connect(target).await;
        match (health.count(result.is_ok()), result) {
            (Some(Verdict::Down), Err(error)) => {
                log!("down: {target} does not answer: {error}");
                registrar.set_state(State::Down).await;
            }
            (Some(Verdict::Up), _) => {
                log!("up: {target} answers again");
                registrar.set_state(State::Up).await;
            }
            _ => {}
        }
    }
}
