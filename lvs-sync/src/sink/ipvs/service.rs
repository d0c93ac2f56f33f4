//! A service as the kernel tells and takes it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use neli::types::Buffer;

use super::attribute::{
    Attribute, Attributes, Read, SERVICE, attribute, read_family, service, stats, strange,
};
use super::request::text;
use crate::model::{Family, Flags, Persistence, Scheduler, Service, ServiceKey, Settings, Stats, Transport};

/// IP_VS_SVC_F_PERSISTENT.
const PERSISTENT: u32 = 1;
/// IP_VS_SVC_F_HASHED: the kernel sets it for whatever is in its table.
const HASHED: u32 = 2;

/// `None`: of a protocol that no pool has.
pub(super) fn read(attributes: &Attributes) -> io::Result<Option<(ServiceKey, Service, Stats)>> {
    let said = Read::of(attributes, SERVICE)?;
    let family = read_family(said.needed(service::AF)?)?;
    let Some(key) = key(&said, family)? else { return Ok(None) };
    let flags =
        said.bytes(service::FLAGS).and_then(|bytes| bytes.first_chunk()).copied().map(u32::from_ne_bytes);
    let flags = flags.ok_or_else(|| strange("a service without flags"))?;
    let persistence = match flags & PERSISTENT {
        0 => None,
        _ => Some(Persistence { timeout: said.needed(service::TIMEOUT)?, prefix: prefix(&said, family)? }),
    };
    let settings = Settings {
        scheduler: Scheduler::new(&said.text(service::SCHED_NAME).unwrap_or_default()),
        flags: Flags(flags & !(PERSISTENT | HASHED)),
        persistence,
        engine: said.text(service::PE_NAME).map(Into::into),
        send_proxy: None,
    };
    let counted = match said.within(service::STATS64)? {
        Some(counted) => read_stats(&counted)?,
        None => Stats::default(),
    };
    Ok(Some((key, Service { settings, ..Service::default() }, counted)))
}

fn key(said: &Read<'_>, family: Family) -> io::Result<Option<ServiceKey>> {
    // One by mark has no address.
    if let Some(mark) = said.number::<u32>(service::FWMARK)? {
        return Ok(Some(ServiceKey::Mark(mark, family)));
    }
    let transport = match i32::from(said.needed::<u16>(service::PROTOCOL)?) {
        libc::IPPROTO_TCP => Transport::Tcp,
        libc::IPPROTO_UDP => Transport::Udp,
        _ => return Ok(None),
    };
    let vip = SocketAddr::new(said.address(service::ADDR, family)?, said.port(service::PORT)?);
    Ok(Some(ServiceKey::Address(transport, vip)))
}

/// IPv4: a mask in the network's order; IPv6: a length.
fn prefix(said: &Read<'_>, family: Family) -> io::Result<u8> {
    let bytes = said.bytes(service::NETMASK).and_then(|bytes| bytes.try_into().ok());
    let bytes: [u8; 4] = bytes.ok_or_else(|| strange("a service without a mask"))?;
    Ok(match family {
        // At most 32.
        Family::V4 => u32::from_be_bytes(bytes).leading_ones() as u8,
        Family::V6 => u8::try_from(u32::from_ne_bytes(bytes)).unwrap_or(128),
    })
}

fn read_stats(said: &Read<'_>) -> io::Result<Stats> {
    let number = |kind| Ok::<u64, io::Error>(said.number(kind)?.unwrap_or_default());
    Ok(Stats {
        connections: number(stats::CONNS)?,
        packets_in: number(stats::INPKTS)?,
        packets_out: number(stats::OUTPKTS)?,
        bytes_in: number(stats::INBYTES)?,
        bytes_out: number(stats::OUTBYTES)?,
    })
}

/// All settings: the kernel takes the whole of them or nothing.
pub(super) fn attributes(key: &ServiceKey, settings: &Settings) -> io::Result<Vec<Attribute>> {
    let family = key.family().ok_or_else(|| strange("a service of no family"))?;
    let persistent = if settings.persistence.is_some() { PERSISTENT } else { 0 };
    let whole = match family {
        Family::V4 => 32,
        Family::V6 => 128,
    };
    let Persistence { timeout, prefix } =
        settings.persistence.unwrap_or(Persistence { timeout: 0, prefix: whole });
    let mut flags = (settings.flags.0 | persistent).to_ne_bytes().to_vec();
    flags.extend(u32::MAX.to_ne_bytes());
    let mask = match family {
        Family::V4 => mask(prefix).octets(),
        Family::V6 => u32::from(prefix).to_ne_bytes(),
    };
    let mut attributes = vec![
        text(service::SCHED_NAME, settings.scheduler.as_str())?,
        attribute(service::FLAGS, Buffer::from(flags))?,
        attribute(service::TIMEOUT, timeout)?,
        attribute(service::NETMASK, Buffer::from(mask.as_slice()))?,
    ];
    if let Some(engine) = &settings.engine {
        attributes.push(text(service::PE_NAME, engine)?);
    }
    Ok(attributes)
}

fn mask(prefix: u8) -> Ipv4Addr {
    Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0))
}
