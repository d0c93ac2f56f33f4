//! What came of an exchange: counted, and logged where there is a log. It is written when the value goes, so that an
//! exchange that is cut off in the middle of whatever has its line too.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime};

use super::request::Request;
use super::{Engine, Visit};
use crate::access_log::{End, Entry, Instance, Protocol, Route, Tls};
use crate::client_address::{Client, Scheme};
use crate::h1::Version;
use crate::table::{DomainEntry, Endpoint, JobEntry, RouteEntry};
use crate::trace::TraceParent;

pub(super) struct Record<'a> {
    engine: &'a Engine,
    visit: Visit<'a>,
    request: &'a Request,
    client: Client,
    trace: Option<TraceParent>,
    /// Only where somebody will read it: a clock is asked for each.
    began: Option<(SystemTime, Instant)>,
    pub(super) status: Cell<Option<u16>>,
    pub(super) end: Cell<Option<End>>,
    attempts: Cell<u32>,
    connect: Cell<Option<Duration>>,
    pub(super) to_head: Cell<Option<Duration>>,
    pub(super) bytes: Cell<(u64, u64)>,
    pub(super) grpc_status: Cell<Option<u32>>,
    job: RefCell<Option<Arc<JobEntry>>>,
    route: RefCell<Option<(Arc<DomainEntry>, Arc<RouteEntry>)>>,
    instance: RefCell<Option<(Arc<Endpoint>, Protocol)>>,
}

impl<'a> Record<'a> {
    pub(super) fn begin(
        engine: &'a Engine,
        visit: Visit<'a>,
        request: &'a Request,
        client: Client,
        trace: TraceParent,
    ) -> Record<'a> {
        let is_on = engine.context.access_log().is_on();
        Record {
            engine,
            visit,
            request,
            client,
            trace: Some(trace),
            began: is_on.then(|| (SystemTime::now(), Instant::now())),
            status: Cell::default(),
            end: Cell::default(),
            attempts: Cell::default(),
            connect: Cell::default(),
            to_head: Cell::default(),
            bytes: Cell::default(),
            grpc_status: Cell::default(),
            job: RefCell::default(),
            route: RefCell::default(),
            instance: RefCell::default(),
        }
    }

    pub(super) fn led_to(&self, job: &Arc<JobEntry>, route: Option<(&Arc<DomainEntry>, &Arc<RouteEntry>)>) {
        if self.began.is_some() {
            *self.job.borrow_mut() = Some(job.clone());
            *self.route.borrow_mut() = route.map(|(domain, route)| (domain.clone(), route.clone()));
        }
    }

    /// An instance is turned to; since when, from the request's beginning.
    pub(super) fn tries(&self, endpoint: &Arc<Endpoint>) -> Option<Duration> {
        self.attempts.set(self.attempts.get() + 1);
        if self.began.is_some() {
            *self.instance.borrow_mut() = Some((endpoint.clone(), Protocol::Http11));
        }
        self.elapsed()
    }

    /// It is asked, on a connection that took from then until now, if it is a new one.
    pub(super) fn asks(&self, endpoint: &Arc<Endpoint>, h2: bool, dialled: Option<Duration>) {
        self.connect.set(self.elapsed().zip(dialled).map(|(now, before)| now - before));
        if h2 && self.began.is_some() {
            *self.instance.borrow_mut() = Some((endpoint.clone(), Protocol::H2));
        }
    }

    /// Since the request's head was whole.
    pub(super) fn elapsed(&self) -> Option<Duration> {
        self.began.map(|(_, began)| began.elapsed())
    }

    /// The gateway's own answer.
    pub(super) fn answered(&self, status: u16, reason: &'static str) {
        self.status.set(Some(status));
        self.end.set(Some(End::Answered(reason)));
    }

    /// The first that is said of it stands.
    pub(super) fn ended(&self, end: End) {
        if self.end.get().is_none() {
            self.end.set(Some(end));
        }
    }
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        let context = &self.engine.context;
        let class = self.status.get().map_or(0, |status| usize::from(status / 100));
        if let Some(count) = context.counters().answers.get(class) {
            count.fetch_add(1, Relaxed);
        }
        let Some((time, began)) = self.began else { return };
        let (request, connection) = (self.request, self.visit.connection);
        let (job, route, instance) = (self.job.borrow(), self.route.borrow(), self.instance.borrow());
        let jobname = connection.jobname.borrow();
        let peer = connection.peer;
        let client = SocketAddr::new(self.client.address, self.client.port.unwrap_or_default());
        let (request_bytes, response_bytes) = self.bytes.get();
        let tls = self.visit.tls;
        context.access_log().record(&Entry {
            time,
            client: self.client.address,
            client_port: self.client.port,
            peer: (peer != client).then_some(peer),
            local: connection.local.get(),
            entrypoint: self.visit.entrypoint.map(|entrypoint| entrypoint.name.as_str()),
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
            end: self.end.get().unwrap_or(End::ClientGone),
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
            attempts: self.attempts.get(),
            total: began.elapsed(),
            to_head: self.to_head.get(),
            connect: self.connect.get(),
            trace: self.trace,
            user_agent: request.head.named("user-agent").next(),
            referer: request.head.named("referer").next(),
            grpc_status: self.grpc_status.get(),
            header: &|name| request.head.named(name).next(),
        });
    }
}
