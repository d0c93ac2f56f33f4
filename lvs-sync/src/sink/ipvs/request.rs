//! What the kernel is told: a command with its attributes.

use std::io;
use std::net::SocketAddr;

use neli::types::Buffer;

use super::attribute::{
    self, Attribute, DEST, SERVICE, address, attribute, command, family, nested, port, service as of_service,
};
use super::link::Request;
use super::{destination, service as services};
use crate::model::{Op, ServiceKey, Transport};

/// All services.
pub(super) fn services() -> Request {
    Request { command: command::GET_SERVICE, attributes: Vec::new() }
}

/// One.
pub(super) fn service(key: &ServiceKey) -> io::Result<Request> {
    Ok(Request { command: command::GET_SERVICE, attributes: vec![nested(SERVICE, &name(key)?)?] })
}

/// All destinations of one; none at all if there is no such service.
pub(super) fn destinations(key: &ServiceKey) -> io::Result<Request> {
    Ok(Request { command: command::GET_DEST, attributes: vec![nested(SERVICE, &name(key)?)?] })
}

pub(super) fn of(op: &Op) -> io::Result<Request> {
    let mut said = name(op.service())?;
    let (command, dest) = match op {
        Op::AddService(key, settings) => {
            said.extend(services::attributes(key, settings)?);
            (command::NEW_SERVICE, None)
        }
        Op::SetService(key, settings) => {
            said.extend(services::attributes(key, settings)?);
            (command::SET_SERVICE, None)
        }
        Op::RemoveService(_) => (command::DEL_SERVICE, None),
        Op::AddDestination(_, at, to) => (command::NEW_DEST, Some(destination::attributes(*at, to)?)),
        Op::SetDestination(_, at, to) => (command::SET_DEST, Some(destination::attributes(*at, to)?)),
        Op::RemoveDestination(_, at) => (command::DEL_DEST, Some(destination::name(*at)?)),
    };
    let mut attributes = vec![nested(SERVICE, &said)?];
    if let Some(dest) = dest {
        attributes.push(nested(DEST, &dest)?);
    }
    Ok(Request { command, attributes })
}

/// By what the kernel knows a service.
fn name(key: &ServiceKey) -> io::Result<Vec<Attribute>> {
    match key {
        ServiceKey::Address(transport, SocketAddr::V4(_) | SocketAddr::V6(_)) => {
            let Some(vip) = key.vip() else { return Ok(Vec::new()) };
            let protocol = match transport {
                Transport::Tcp => libc::IPPROTO_TCP,
                Transport::Udp => libc::IPPROTO_UDP,
            };
            Ok(vec![
                attribute(of_service::AF, family(crate::model::Family::of(vip.ip())))?,
                // 6 and 17.
                attribute(of_service::PROTOCOL, protocol as u16)?,
                address(of_service::ADDR, vip.ip())?,
                port(of_service::PORT, vip.port())?,
            ])
        }
        ServiceKey::Mark(mark, of) => {
            Ok(vec![attribute(of_service::AF, family(*of))?, attribute(of_service::FWMARK, *mark)?])
        }
        ServiceKey::Group(pool) => Err(attribute::strange(&format!("`{pool}` is a group of targets"))),
    }
}

/// With the NUL that ends it.
pub(super) fn text(kind: u16, text: &str) -> io::Result<Attribute> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    attribute(kind, Buffer::from(bytes))
}
