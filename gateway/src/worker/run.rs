//! One worker's life: commands until the gateway drains, then what is open to its end.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::accept::Door;
use super::datagrams::Datagrams;
use super::lent::{HANDSHAKES, Lent};
use super::ready::watched;
use super::serve::Engines;
use super::{Command, ListenerId};
use crate::access::Asking;
use crate::phase::Phase;
use crate::plane::{Connection, Context, Filter, Reason, SWEEP};
use crate::table::Endpoint;

/// A client that asks again within this time gets its answer from a draining gateway.
const LAST_CALL: Duration = Duration::from_secs(1);

/// Until the phase is Draining and the last connection is done, or the drain deadline is over.
pub(super) async fn run(
    context: Rc<Context>,
    peers: Vec<mpsc::UnboundedSender<Command>>,
    mut inbox: mpsc::UnboundedReceiver<Command>,
) {
    let engines = Rc::new(Engines::new(context.clone()));
    let sweeper = engines.clone();
    let sweeping = tokio::task::spawn_local(async move { sweeper.l7.sweep().await });
    let datagrams = match Datagrams::new(context.clone()) {
        Ok(datagrams) => Rc::new(datagrams),
        Err(error) => return tracing::error!(%error, "worker cannot start: no descriptor for UDP"),
    };
    let (clock, timed) = (context.clone(), datagrams.clone());
    let ticking = tokio::task::spawn_local(async move {
        loop {
            tokio::time::sleep(SWEEP).await;
            clock.connections().sweep();
            timed.tick();
            clock.access_log().tick();
        }
    });
    let door = Rc::new(Door::new(context.clone(), peers, engines));
    let mut listeners: HashMap<ListenerId, Vec<Lent>> = HashMap::new();
    let mut phase = context.phase();
    loop {
        tokio::select! {
            command = inbox.recv() => match command {
                Some(Command::Receive { id, socket, site }) => {
                    if let Err(error) = datagrams.open(id, socket, site) {
                        tracing::error!(%error, "UDP socket lost: it cannot be watched");
                    }
                }
                Some(Command::Unlisten(id)) => {
                    datagrams.close(id);
                    for lent in listeners.remove(&id).into_iter().flatten() {
                        lent.refuse_new();
                        let door = door.clone();
                        tokio::task::spawn_local(async move {
                            tokio::time::sleep(HANDSHAKES).await;
                            lent.close(|socket, peer, site| door.keep(socket, peer, site)).await;
                        });
                    }
                }
                Some(Command::Listen { id, listener, site }) => match watched(listener) {
                    Ok(listener) => {
                        let listener = Rc::new(listener);
                        let site = Rc::new(RefCell::new(site));
                        let task = tokio::task::spawn_local(door.clone().accept(listener.clone(), site.clone()));
                        listeners.entry(id).or_default().push(Lent::new(listener, site, task));
                    }
                    Err(error) => tracing::error!(%error, "listener lost: the runtime did not take it"),
                },
                Some(Command::Resite { id, site }) => {
                    datagrams.resite(id, &site);
                    for lent in listeners.get(&id).into_iter().flatten() {
                        lent.resite(site.clone());
                    }
                }
                Some(command) => obey(command, &context, &door, &datagrams),
                None => break,
            },
            _ = phase.wait_for(|phase| *phase == Phase::Draining) => break,
        }
    }
    context.connections().last_call(LAST_CALL);
    let listeners: Vec<Lent> = listeners.into_values().flatten().collect();
    listeners.iter().for_each(Lent::refuse_new);
    datagrams.drain();
    tokio::time::sleep(HANDSHAKES).await;
    for lent in listeners {
        lent.close(|socket, peer, site| door.keep(socket, peer, site)).await;
    }
    // Connections handed over just before; from now on whoever accepts one keeps it.
    inbox.close();
    while let Ok(command) = inbox.try_recv() {
        obey(command, &context, &door, &datagrams);
    }
    let connections = context.connections();
    if tokio::time::timeout(context.limits().drain, finished(&context, &datagrams)).await.is_err() {
        let open = connections.len();
        tracing::warn!(worker = context.index, open, "drain deadline over; closing what is open");
        connections.end(&Filter::default(), Reason::Stopping);
        // Each resets both of its sides.
        let _ = tokio::time::timeout(HANDSHAKES, connections.emptied()).await;
    }
    sweeping.abort();
    ticking.abort();
}

/// Once nothing is left but UDP sessions through which nothing goes: they have no end of their own.
async fn finished(context: &Context, datagrams: &Datagrams) {
    let connections = context.connections();
    while connections.len() > datagrams.sessions() || !datagrams.are_quiet() {
        let _ = tokio::time::timeout(SWEEP, connections.emptied()).await;
    }
}

/// Whether the client of an open connection may be where it is.
fn may_stay(context: &Context, connection: &Connection, endpoint: &Endpoint) -> bool {
    let found = context.look(|table| {
        let job = table.job(endpoint.job.as_str())?;
        Some((job.clone(), job.port_named(&endpoint.port)?.clone()))
    });
    // Of a job that is gone its instances are looked after elsewhere.
    let Some((job, port)) = found else { return true };
    let said = connection.said();
    let asking = Asking::of_connection(connection, said.as_deref(), port.unseen());
    context.gate().still_allows(&asking, &job.label, port.asked())
}

fn obey(command: Command, context: &Context, door: &Rc<Door>, datagrams: &Datagrams) {
    match command {
        Command::Serve { socket, peer, site } => door.keep(socket, peer, site),
        Command::End { filter, reason, ended } => {
            let count = context.connections().end(&filter, reason);
            datagrams.end_ended();
            if let Some(ended) = ended {
                let _ = ended.send(count);
            }
        }
        Command::Recheck(recheck) => {
            context
                .connections()
                .recheck(&recheck, |connection, endpoint| !may_stay(context, connection, endpoint));
            datagrams.end_ended();
        }
        Command::List { filter, most, list } => {
            datagrams.show();
            let _ = list.send(context.connections().list(&filter, most));
        }
        // A listener that comes while the gateway stops is closed by being dropped.
        Command::Listen { .. } | Command::Receive { .. } | Command::Resite { .. } | Command::Unlisten(_) => {}
    }
}
