//! What stands between the sink and moto: it writes down the calls, and plays what moto does not.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roundhouse_tests::Server;

use crate::query::{self, Form, send_body, text};

/// `DescribeTargetHealth 100`: the action, and how many targets it is about.
pub(crate) type Said = (String, usize);

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
    _server: Server,
}

pub(crate) struct Inner {
    moto: SocketAddr,
    said: Vec<Said>,
    /// So many calls of this action meet it, and then no more.
    faults: Vec<(&'static str, usize, Fault)>,
    /// The most targets of a group.
    quota: Option<usize>,
    registered: BTreeMap<String, BTreeSet<SocketAddr>>,
    draining: BTreeMap<String, BTreeSet<SocketAddr>>,
    before: Box<dyn FnMut(&str) + Send>,
}

#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The Query API's error.
    Error(&'static str),
    /// Nothing but the status.
    Status(u16),
    /// It is done, and the connection ends without an answer.
    Lost,
}

impl Proxy {
    pub(crate) fn before(moto: SocketAddr) -> Proxy {
        let inner = Arc::new(Mutex::new(Inner {
            moto,
            said: Vec::new(),
            faults: Vec::new(),
            quota: None,
            registered: BTreeMap::new(),
            draining: BTreeMap::new(),
            before: Box::new(|_| {}),
        }));
        let shared = inner.clone();
        let server = Server::start(([127, 0, 0, 1], 0).into(), move |stream| serve(stream, &shared));
        Proxy { address: server.address, inner, _server: server }
    }

    pub(crate) fn fault(&self, action: &'static str, times: usize, fault: Fault) {
        self.lock().faults.push((action, times, fault));
    }

    pub(crate) fn quota(&self, quota: usize) {
        self.lock().quota = Some(quota);
    }

    /// Is called with each action, before it is done.
    pub(crate) fn hook(&self, before: impl FnMut(&str) + Send + 'static) {
        self.lock().before = Box::new(before);
    }

    /// AWS's deregistration delay is over.
    pub(crate) fn end_drains(&self) {
        self.lock().draining.clear();
    }

    /// The calls since the last time.
    pub(crate) fn said(&self) -> Vec<Said> {
        std::mem::take(&mut self.lock().said)
    }

    /// Of these, those that change something, as in `RegisterTargets 100`.
    pub(crate) fn changes(&self) -> Vec<String> {
        let changes = self
            .said()
            .into_iter()
            .filter(|(action, _)| action.ends_with("registerTargets") || action == "RegisterTargets");
        changes.map(|(action, targets)| format!("{action} {targets}")).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request after another.
fn serve(stream: TcpStream, inner: &Mutex<Inner>) {
    let mut stream = BufReader::new(stream);
    while let Some((credential, body)) = read(&mut stream) {
        let answer = inner.lock().unwrap_or_else(PoisonError::into_inner).answer(&credential, &body);
        let Some((status, xml)) = answer else { return };
        let head =
            format!("HTTP/1.1 {status} x\r\ncontent-type: text/xml\r\ncontent-length: {}\r\n\r\n", xml.len());
        if stream.get_mut().write_all(&[head.as_bytes(), xml.as_bytes()].concat()).is_err() {
            return;
        }
    }
}

/// Who asks, and what.
fn read(stream: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let (mut credential, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            match line.trim_end() {
                "" if line.is_empty() => return None,
                "" => break,
                _ => continue,
            }
        };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => credential = value.to_owned(),
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((credential, String::from_utf8(body).ok()?))
}

impl Inner {
    /// `None`: none is given.
    fn answer(&mut self, credential: &str, body: &str) -> Option<(u16, String)> {
        let form = Form::parse(body);
        let (action, group) = (form.get("Action"), form.get("TargetGroupArn").to_owned());
        let targets = form.targets();
        self.said.push((action.to_owned(), targets.len()));
        (self.before)(action);
        let fault = self.faults.iter_mut().find(|(of, times, _)| *of == action && *times > 0);
        let fault = fault.map(|(_, times, fault)| {
            *times -= 1;
            fault.clone()
        });
        match fault {
            Some(Fault::Error(code)) => return Some((400, query::error(code, "Rate exceeded"))),
            Some(Fault::Status(status)) => return Some((status, String::new())),
            Some(Fault::Lost) | None => {}
        }
        let there = self.registered.entry(group.clone()).or_default();
        let would_be = there.iter().chain(&targets).collect::<BTreeSet<_>>().len();
        if action == "RegisterTargets" && self.quota.is_some_and(|quota| would_be > quota) {
            let message = "You cannot have more targets in the target group";
            return Some((400, query::error("TooManyTargets", message)));
        }
        let reply = send_body(self.moto, credential, body);
        let mut xml = reply.body;
        let drains = self.draining.entry(group).or_default();
        match (reply.status, action) {
            (200, "RegisterTargets") => {
                there.extend(&targets);
                drains.retain(|target| !targets.contains(target));
            }
            (200, "DeregisterTargets") => {
                there.retain(|target| !targets.contains(target));
                drains.extend(&targets);
            }
            (200, "DescribeTargetHealth") => xml = with_drains(&xml, drains, &targets),
            _ => {}
        }
        match fault {
            Some(_) => None,
            None => Some((reply.status, xml)),
        }
    }
}

/// moto's answer, in which those that drain are not there.
fn with_drains(xml: &str, drains: &BTreeSet<SocketAddr>, asked: &[SocketAddr]) -> String {
    let (open, close) = ("<TargetHealthDescriptions>", "</TargetHealthDescriptions>");
    let xml = xml.replace("<TargetHealthDescriptions/>", &format!("{open}{close}"));
    let (head, rest) = xml.split_once(open).unwrap();
    let (members, tail) = rest.split_once(close).unwrap();
    let is_told = |member: &&str| {
        let ip = text(member, "Id").and_then(|id| id.parse::<IpAddr>().ok());
        ip.is_some_and(|ip| !drains.iter().any(|target| target.ip() == ip))
    };
    let mut told: Vec<String> =
        members.split_inclusive("</member>").filter(is_told).map(str::to_owned).collect();
    for target in drains.iter().filter(|target| asked.is_empty() || asked.contains(target)) {
        told.push(format!(
            "<member><Target><Id>{}</Id><Port>{}</Port></Target><TargetHealth><State>draining</State>\
             <Reason>Target.DeregistrationInProgress</Reason></TargetHealth></member>",
            target.ip(),
            target.port()
        ));
    }
    format!("{head}{open}{}{close}{tail}", told.concat())
}
