//! The life of a registration: the own address, readiness, the registry, health, draining, leaving.
//!
//! Runs on the registrar's thread ([`registrar`](crate::registrar)). The command never depends on it: whatever
//! fails here is logged and tried again, for ever.

use std::net::{IpAddr, SocketAddr};

use roundhouse_registry::record::State;
use roundhouse_registry::registrar::{PoolProgress, Progress, Registrar, Registration};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::address;
use crate::log::log;
use crate::ready::{self, Health, Verdict};
use crate::registrar::{Messenger, Order};
use crate::settings::Plan;
use crate::supervise::News;

/// The life of the registration. Returns when told to leave.
pub(crate) async fn keep(plan: Plan, mut orders: UnboundedReceiver<Order>, mut messenger: Messenger) {
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
        () = report_pool(registrar.pool(), &plan) => None,
        () = watch_health(&registrar, checked) => None,
    };
    if order == Some(Order::Drain) {
        tokio::select! {
            biased;
            _ = orders.recv() => return leave(registrar).await,
            () = registrar.set_state(State::Draining) => messenger.tell(News::Drained),
        }
        orders.recv().await;
    }
    leave(registrar).await;
}

/// Nobody follows the progress any more: what the registry refused last is told at the end.
async fn leave(registrar: Registrar) {
    let progress = registrar.progress();
    registrar.leave().await;
    if let Progress::Failing { reason } = &*progress.borrow() {
        log!("the registry refused the last that it was told; the lease runs out by itself: {reason}");
    }
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
        shared_ip: plan.shared_ip,
        proof: Some(plan.identity.proof.1),
        ttl: plan.ttl,
        pool: plan.pool.clone(),
    };
    Registrar::start(&plan.registry, registration, State::Up)
}

/// The own address, once the command answers there.
async fn ready_address(plan: &Plan) -> IpAddr {
    let mut told = String::new();
    let mut waits = ready::retries();
    loop {
        let problem = match attempt(plan).await {
            Ok(address) => return address,
            Err(problem) => problem,
        };
        // Each reason once: a slow start is no news, a reason is.
        if problem != told {
            log!("not registered yet: {problem}");
            told = problem;
        }
        sleep(waits.next().unwrap_or(ready::INTERVAL)).await;
    }
}

async fn attempt(plan: &Plan) -> Result<IpAddr, String> {
    let address = match plan.address {
        Some(address) => address,
        None => {
            address::towards(&plan.registry.url).await.map_err(|error| format!("no own address: {error}"))?
        }
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
            Progress::Failing { reason } => {
                format!("registered still, but the registry refuses to hear of it: {reason}")
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

/// Tells the log what becomes of the pool, each reason once. Never returns.
async fn report_pool(mut progress: watch::Receiver<PoolProgress>, plan: &Plan) {
    let name = plan.pool.as_ref().map(|pool| pool.name.as_str()).unwrap_or_default();
    loop {
        let now = progress.borrow_and_update().clone();
        match now {
            PoolProgress::Waiting => {}
            PoolProgress::There => log!("pool {name} is there"),
            PoolProgress::Failing { reason } => log!("not in pool {name}, trying again: {reason}"),
        }
        if progress.changed().await.is_err() {
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
