//! What came of an exchange: counted, and logged where there is a log. It is written when the value goes, so that an
//! exchange that is cut off in the middle of whatever has its line too.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::request::Request;
use super::{Engine, Visit};
use crate::access_log::{End, Entry, Instance, Protocol, Route, Tls};
use crate::client_address::{Client, Scheme};
use crate::h1::Version;
use crate::plane::count;
use crate::table::{DomainEntry, Endpoint, JobEntry, RouteEntry};
use crate::trace::TraceParent;

pub(super) struct Record<'a> {
    engine: &'a Engine,
    status: Cell<Option<u16>>,
    /// Only where somebody will read it: clocks are asked for it, and much is held.
    noted: Option<Box<Noted<'a>>>,
}

/// What the log says of an exchange.
struct Noted<'a> {
    visit: &'a Visit<'a>,
    request: &'a Request,
    client: Client,
    trace: TraceParent,
    time: SystemTime,
    began: Instant,
    end: Cell<Option<End>>,
    attempts: Cell<u32>,
    connect: Cell<Option<Duration>>,
    to_head: Cell<Option<Duration>>,
    bytes: Cell<(u64, u64)>,
    grpc_status: Cell<Option<u32>>,
    job: RefCell<Option<Arc<JobEntry>>>,
    route: RefCell<Option<(Arc<DomainEntry>, Arc<RouteEntry>)>>,
    instance: RefCell<Option<(Arc<Endpoint>, Protocol)>>,
}

impl<'a> Record<'a> {
    pub(super) fn begin(
        engine: &'a Engine,
        visit: &'a Visit<'a>,
        request: &'a Request,
        client: Client,
        trace: TraceParent,
    ) -> Record<'a> {
        let noted = || Noted {
            visit,
            request,
            client,
            trace,
            time: SystemTime::now(),
            began: Instant::now(),
            end: Cell::default(),
            attempts: Cell::default(),
            connect: Cell::default(),
            to_head: Cell::default(),
            bytes: Cell::default(),
            grpc_status: Cell::default(),
            job: RefCell::default(),
            route: RefCell::default(),
            instance: RefCell::default(),
        };
        let is_on = engine.context.access_log().is_on();
        Record { engine, status: Cell::default(), noted: is_on.then(|| Box::new(noted())) }
    }

    pub(super) fn led_to(&self, job: &Arc<JobEntry>, route: Option<(&Arc<DomainEntry>, &Arc<RouteEntry>)>) {
        if let Some(noted) = &self.noted {
            *noted.job.borrow_mut() = Some(job.clone());
            *noted.route.borrow_mut() = route.map(|(domain, route)| (domain.clone(), route.clone()));
        }
    }

    /// An instance is turned to; since when, from the request's beginning.
    pub(super) fn tries(&self, endpoint: &Arc<Endpoint>) -> Option<Duration> {
        let noted = self.noted.as_ref()?;
        noted.attempts.set(noted.attempts.get() + 1);
        *noted.instance.borrow_mut() = Some((endpoint.clone(), Protocol::Http11));
        Some(noted.began.elapsed())
    }

    /// It is asked, on a connection that took from then until now, if it is a new one.
    pub(super) fn asks(&self, endpoint: &Arc<Endpoint>, h2: bool, dialled: Option<Duration>) {
        let Some(noted) = &self.noted else { return };
        noted.connect.set(dialled.map(|before| noted.began.elapsed() - before));
        if h2 {
            *noted.instance.borrow_mut() = Some((endpoint.clone(), Protocol::H2));
        }
    }

    /// The head of an instance's answer goes to the client.
    pub(super) fn begins(&self, status: u16) {
        self.status.set(Some(status));
        if let Some(noted) = &self.noted {
            noted.to_head.set(Some(noted.began.elapsed()));
        }
    }

    /// Bytes of content to the instance and to the client, in all.
    pub(super) fn moved(&self, to_instance: u64, to_client: u64) {
        if let Some(noted) = &self.noted {
            noted.bytes.set((to_instance, to_client));
        }
    }

    pub(super) fn grpc(&self, status: Option<u32>) {
        if let Some(noted) = &self.noted {
            noted.grpc_status.set(status);
        }
    }

    /// The gateway's own answer.
    pub(super) fn answered(&self, status: u16, reason: &'static str) {
        self.status.set(Some(status));
        if let Some(noted) = &self.noted {
            noted.end.set(Some(End::Answered(reason)));
        }
    }

    /// The first that is said of it stands.
    pub(super) fn ended(&self, end: End) {
        if let Some(noted) = &self.noted
            && noted.end.get().is_none()
        {
            noted.end.set(Some(end));
        }
    }
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        let context = &self.engine.context;
        let class = self.status.get().map_or(0, |status| usize::from(status / 100));
        if let Some(counter) = context.counters().answers.get(class) {
            count(counter, 1);
        }
        let Some(noted) = &self.noted else { return };
        let (request, connection) = (noted.request, noted.visit.connection);
        let (job, route, instance) = (noted.job.borrow(), noted.route.borrow(), noted.instance.borrow());
        let jobname = connection.jobname();
        let peer = connection.peer;
        let client = SocketAddr::new(noted.client.address, noted.client.port.unwrap_or_default());
        let (request_bytes, response_bytes) = noted.bytes.get();
        let tls = noted.visit.tls;
        context.access_log().record(&Entry {
            time: noted.time,
            client: noted.client.address,
            client_port: noted.client.port,
            peer: (peer != client).then_some(peer),
            local: connection.local.get(),
            entrypoint: noted.visit.entrypoint.map(|entrypoint| entrypoint.name.as_str()),
            tls: tls.map(|tls| Tls {
                version: tls.version,
                sni: tls.server_name.as_deref(),
                alpn: tls.alpn.as_deref(),
            }),
            protocol: match request.line.version {
                Version::Http10 => Protocol::Http10,
                Version::Http11 => Protocol::Http11,
                Version::Http2 => Protocol::H2,
            },
            method: request.method().as_bytes(),
            scheme: if tls.is_some() { Scheme::Https } else { Scheme::Http },
            host: request.authority().unwrap_or_default().as_bytes(),
            path: request.path().as_bytes(),
            request_bytes,
            status: self.status.get(),
            response_bytes,
            end: noted.end.get().unwrap_or(End::ClientGone),
            job: job.as_ref().map(|job| job.label.as_str()),
            jobname: jobname.as_deref(),
            route: route
                .as_ref()
                .map(|(domain, route)| Route { domain: domain.name.as_str(), path: route.path() }),
            instance: instance.as_ref().map(|(endpoint, protocol)| Instance {
                id: endpoint.id,
                address: endpoint.address,
                protocol: *protocol,
            }),
            attempts: noted.attempts.get(),
            total: noted.began.elapsed(),
            to_head: noted.to_head.get(),
            connect: noted.connect.get(),
            trace: Some(noted.trace),
            user_agent: request.head.named("user-agent").next(),
            referer: request.head.named("referer").next(),
            grpc_status: noted.grpc_status.get(),
            header: &|name| request.head.named(name).next(),
        });
    }
}
