//! The records of a node.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::ProtoError;
use hickory_proto::op::Query;
use hickory_proto::rr::rdata::{A, AAAA, NS, SOA, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::names::Node;
use crate::table::{Endpoint, JobEntry, PoolEntry, Table};

/// Seconds for which "there is none" may be kept: a job that appears is reachable this soon.
const MAX_NEGATIVE: u32 = 5;

/// Seconds for which the VIPs of a line may be kept, and those that stand in for them: a director that fails is gone from
/// everybody's cache this soon.
const MAX_LINE: u32 = 60;
const MAX_STAND_IN: u32 = 30;

/// Of a port at its VIP: an instance's default. There is one target only, so it decides nothing.
const VIP_WEIGHT: u16 = 100;

/// Bytes of the smallest record: a pointer to its name, type, class, TTL, length, an IPv4 address.
const SMALLEST: usize = 16;

/// What every answer says besides what was asked.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How long a client may keep an answer, in seconds.
    pub ttl: u32,
    /// For how long the registry has not been heard; `None` while it is.
    pub stale: Option<Duration>,
}

/// Where answers come from, and how much room one has.
pub(super) struct Zone<'a> {
    pub table: &'a Table,
    pub terms: Terms,
    /// Bytes of the whole answer.
    pub room: u16,
}

/// What is asked, and by whom.
pub(super) struct Asked<'a> {
    pub question: &'a Query,
    /// Where the client is; `None`: it does not say.
    pub client: Option<IpAddr>,
    /// Rotates among equals.
    pub turn: u16,
}

#[derive(Default)]
pub(super) struct Records {
    /// For how much of the client's address they are right, in bits; 0: for everybody.
    pub scope: u8,
    pub answers: Vec<Record>,
    pub authorities: Vec<Record>,
    pub additionals: Vec<Record>,
}

impl Zone<'_> {
    /// What the node has of the type; the SOA when it has none.
    pub(super) fn records(&self, node: &Node, asked: &Asked<'_>) -> Result<Records, ProtoError> {
        // RFC 8482: who asks for anything gets the first set there is, not everything.
        const ANY: [RecordType; 5] =
            [RecordType::A, RecordType::AAAA, RecordType::SRV, RecordType::TXT, RecordType::SOA];
        let of = asked.question.query_type;
        let types = if of == RecordType::ANY { &ANY[..] } else { std::slice::from_ref(&of) };
        for of in types {
            let records = self.set(node, *of, asked)?;
            if !records.answers.is_empty() {
                return Ok(records);
            }
        }
        self.nothing(matches!(node, Node::Published(_)).then_some(&asked.question.name))
    }

    /// With the SOA, whose TTL is how long a resolver may remember it (RFC 2308, 5): that of the zone, or of a name that is
    /// one by itself.
    pub(super) fn nothing(&self, apex: Option<&Name>) -> Result<Records, ProtoError> {
        let apex = apex.cloned().map_or_else(|| self.name(), Ok)?;
        let soa = Record::from_rdata(apex, self.negative_ttl(), self.soa()?);
        Ok(Records { authorities: vec![soa], ..Records::default() })
    }

    fn set(&self, node: &Node, of: RecordType, asked: &Asked<'_>) -> Result<Records, ProtoError> {
        let (owner, turn) = (&asked.question.name, asked.turn);
        let one = |data| Ok(Records { answers: vec![self.record(owner, data)], ..Records::default() });
        match (node, of) {
            // A public domain is a zone of one name, so it has what every apex has (RFC 2181, 6).
            (Node::Apex | Node::Published(_), RecordType::SOA) => one(self.soa()?),
            (Node::Apex | Node::Published(_), RecordType::NS) => {
                one(RData::NS(NS(self.name()?.prepend_label("ns")?)))
            }
            (Node::Revision, RecordType::TXT) => {
                let stale = self.terms.stale.map(|age| format!("stale_seconds={}", age.as_secs()));
                let text = TXT::new([self.table.revision.to_string()].into_iter().chain(stale).collect());
                // Whoever asks wants to know it now.
                let record = Record::from_rdata(owner.clone(), 0, RData::TXT(text));
                Ok(Records { answers: vec![record], ..Records::default() })
            }
            (Node::Service { job, port }, RecordType::SRV) => self.service(job, *port, owner, turn),
            (Node::Instances(job), RecordType::SRV) => self.instance_services(job, owner, turn),
            (Node::Instances(job), RecordType::A | RecordType::AAAA) => {
                Ok(self.addresses(rotated(addresses(job, of), turn).into_iter().take(self.most()), owner))
            }
            (Node::Job(job), RecordType::A | RecordType::AAAA) => {
                let targets = self.targets(job, turn).into_iter().filter(|target| record_type(*target) == of);
                Ok(self.addresses(targets.take(self.most()), owner))
            }
            (Node::Published(pool), RecordType::A | RecordType::AAAA) => Ok(self.published(pool, of, asked)),
            (Node::Instance(address), RecordType::A | RecordType::AAAA) => {
                Ok(self.addresses(Some(*address).into_iter().filter(|ip| record_type(*ip) == of), owner))
            }
            _ => Ok(Records::default()),
        }
    }

    fn addresses(&self, addresses: impl Iterator<Item = IpAddr>, owner: &Name) -> Records {
        let answers = addresses.map(|address| self.record(owner, address_data(address))).collect();
        Records { answers, ..Records::default() }
    }

    fn published(&self, pool: &PoolEntry, of: RecordType, asked: &Asked<'_>) -> Records {
        let (answer, scope) = pool.answer(of == RecordType::AAAA, asked.client);
        let ttl = self.terms.ttl.min(if answer.stands_in { MAX_STAND_IN } else { MAX_LINE });
        let vips = rotated(answer.addresses.to_vec(), asked.turn).into_iter().take(self.most());
        let record = |vip| Record::from_rdata(asked.question.name.clone(), ttl, address_data(vip));
        Records { scope, answers: vips.map(record).collect(), ..Records::default() }
    }

    /// Where the job's ports are served: at its VIP, or at every hub.
    fn targets(&self, job: &JobEntry, turn: u16) -> Vec<IpAddr> {
        match &*self.table.hub_addresses {
            [] => job.vip.into_iter().collect(),
            hubs => rotated(hubs.to_vec(), turn),
        }
    }

    /// None before the job has a VIP: the target would have no address, and that would be remembered for longer.
    fn service(&self, job: &JobEntry, port: u16, owner: &Name, turn: u16) -> Result<Records, ProtoError> {
        let targets = self.targets(job, turn);
        if targets.is_empty() {
            return Ok(Records::default());
        }
        let target = self.name()?.prepend_label(job.label.as_str())?;
        let additionals = targets.into_iter().take(self.most());
        let additionals = additionals.map(|address| self.record(&target, address_data(address))).collect();
        let answer = self.record(owner, RData::SRV(SRV::new(0, VIP_WEIGHT, port, target)));
        Ok(Records { answers: vec![answer], additionals, ..Records::default() })
    }

    fn instance_services(&self, job: &JobEntry, owner: &Name, turn: u16) -> Result<Records, ProtoError> {
        let mut records = Records::default();
        let mut named = HashSet::new();
        let instances = self.name()?.prepend_label("instances")?.prepend_label(job.label.as_str())?;
        let services = working(job, |endpoint| Some((endpoint.id, endpoint.address, endpoint.weight)));
        for (id, address, weight) in rotated(services, turn).into_iter().take(self.most()) {
            let target = instances.prepend_label(id.to_string())?;
            if named.insert(id) {
                records.additionals.push(self.record(&target, address_data(address.ip())));
            }
            let weight = u16::try_from(weight).unwrap_or(u16::MAX);
            records.answers.push(self.record(owner, RData::SRV(SRV::new(0, weight, address.port(), target))));
        }
        Ok(records)
    }

    /// Records beyond which none has room, and one more: then the answer is seen to be cut.
    fn most(&self) -> usize {
        usize::from(self.room) / SMALLEST + 1
    }

    fn record(&self, owner: &Name, data: RData) -> Record {
        Record::from_rdata(owner.clone(), self.terms.ttl, data)
    }

    fn soa(&self) -> Result<RData, ProtoError> {
        let zone = self.name()?;
        // Serials are compared in a circle (RFC 1982), so the low bits of a revision are one.
        let serial = (self.table.revision.0 & u64::from(u32::MAX)) as u32;
        let (server, person) = (zone.prepend_label("ns")?, zone.prepend_label("hostmaster")?);
        Ok(RData::SOA(SOA::new(server, person, serial, 60, 10, 3600, self.negative_ttl())))
    }

    fn negative_ttl(&self) -> u32 {
        self.terms.ttl.min(MAX_NEGATIVE)
    }

    fn name(&self) -> Result<Name, ProtoError> {
        Name::from_labels(self.table.zone.as_str().split('.').map(str::as_bytes))
    }
}

fn address_data(address: IpAddr) -> RData {
    match address {
        IpAddr::V4(address) => RData::A(A(address)),
        IpAddr::V6(address) => RData::AAAA(AAAA(address)),
    }
}

fn record_type(address: IpAddr) -> RecordType {
    if address.is_ipv4() { RecordType::A } else { RecordType::AAAA }
}

/// Each address once: an instance has one endpoint for each of its ports.
fn addresses(job: &JobEntry, of: RecordType) -> Vec<IpAddr> {
    let mut seen = HashSet::new();
    working(job, |endpoint| {
        let address = endpoint.address.ip();
        (record_type(address) == of && seen.insert(address)).then_some(address)
    })
}

/// What `take` takes of each endpoint that takes work, port by port.
fn working<T>(job: &JobEntry, mut take: impl FnMut(&Endpoint) -> Option<T>) -> Vec<T> {
    let mut taken = Vec::new();
    for port in &job.ports {
        let set = port.endpoints();
        taken.extend(set.endpoints.iter().filter(|endpoint| endpoint.takes_work()).filter_map(|it| take(it)));
    }
    taken
}

/// Clients take the first, so everybody comes first in turn; `turn` is the query's id, which is as good as random.
fn rotated<T>(mut items: Vec<T>, turn: u16) -> Vec<T> {
    if !items.is_empty() {
        let first = usize::from(turn) % items.len();
        items.rotate_left(first);
    }
    items
}
