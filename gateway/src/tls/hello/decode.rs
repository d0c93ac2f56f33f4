//! A ClientHello's body (RFC 8446, 4.1.2), as far as it says where the connection wants to go.

use super::fields::Fields;
use super::{ClientHello, HelloError, MAX_ALPN, Part, ServerName, Version};

/// Extension types (IANA, TLS ExtensionType Values).
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;
/// The same in the drafts since the thirteenth.
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;

const RANDOM: usize = 32;
const MAX_SESSION_ID: usize = 32;
/// The only name type there is (RFC 6066, 3).
const HOST_NAME: u8 = 0;

pub(super) fn decode(body: &[u8]) -> Result<ClientHello, HelloError> {
    let mut body = Fields::new(Part::Hello, body);
    let legacy_version = Version(body.u16()?);
    body.bytes(RANDOM)?;
    if body.vector8()?.len() > MAX_SESSION_ID {
        return Err(HelloError::Length(Part::SessionId));
    }
    let cipher_suites = body.vector16()?;
    if cipher_suites.is_empty() || !cipher_suites.len().is_multiple_of(2) {
        return Err(HelloError::Length(Part::CipherSuites));
    }
    if body.vector8()?.is_empty() {
        return Err(HelloError::Length(Part::CompressionMethods));
    }
    // TLS 1.2 and before may do without extensions altogether (RFC 5246, 7.4.1.2).
    let extensions = if body.is_empty() { &[] } else { body.vector16()? };
    body.end()?;
    let extensions = Extensions::read(extensions)?;
    Ok(ClientHello {
        version: version(legacy_version, extensions.supported_versions)?,
        server_name: extensions.server_name.map(server_name).transpose()?.flatten(),
        alpn: extensions.alpn.map(alpn).transpose()?.unwrap_or_default(),
        ech: extensions.ech,
    })
}

/// Contents of those that matter here.
#[derive(Default)]
struct Extensions<'a> {
    server_name: Option<&'a [u8]>,
    alpn: Option<&'a [u8]>,
    supported_versions: Option<&'a [u8]>,
    ech: bool,
}

impl<'a> Extensions<'a> {
    fn read(block: &'a [u8]) -> Result<Extensions<'a>, HelloError> {
        let mut rest = Fields::new(Part::Extensions, block);
        let (mut found, mut types) = (Extensions::default(), Vec::new());
        while !rest.is_empty() {
            let (kind, content) = (rest.u16()?, rest.vector16()?);
            types.push(kind);
            match kind {
                SERVER_NAME => found.server_name = Some(content),
                ALPN => found.alpn = Some(content),
                SUPPORTED_VERSIONS => found.supported_versions = Some(content),
                ENCRYPTED_CLIENT_HELLO => found.ech = true,
                _ => {}
            }
        }
        // Sorted, because 16,000 empty ones fit: comparing each with each would be a gift to whoever sends them.
        types.sort_unstable();
        match types.array_windows().find(|[one, next]| one == next) {
            Some([kind, _]) => Err(HelloError::DuplicateExtension(*kind)),
            None => Ok(found),
        }
    }
}

/// RFC 6066, 3.
fn server_name(content: &[u8]) -> Result<Option<ServerName>, HelloError> {
    let mut names = list16(Part::ServerName, content)?;
    let mut found = None;
    while !names.is_empty() {
        // Whatever types come, their names have a length of two bytes.
        let (kind, name) = (names.u8()?, names.vector16()?);
        if kind != HOST_NAME {
            continue;
        }
        if name.is_empty() {
            return Err(HelloError::Length(Part::ServerName));
        }
        if found.is_some() {
            return Err(HelloError::SeveralNames);
        }
        found = Some(ServerName::parse(name)?);
    }
    Ok(found)
}

/// RFC 7301, 3.1.
fn alpn(content: &[u8]) -> Result<Vec<Box<[u8]>>, HelloError> {
    let mut names = list16(Part::Alpn, content)?;
    let mut kept = Vec::new();
    while !names.is_empty() {
        let name = names.vector8()?;
        if name.is_empty() {
            return Err(HelloError::Length(Part::Alpn));
        }
        if kept.len() < MAX_ALPN {
            kept.push(name.into());
        }
    }
    Ok(kept)
}

/// RFC 8446, 4.2.1: the list alone counts where there is one, and without it nothing above TLS 1.2 is meant. But a hello
/// from before TLS 1.0 is refused whatever its list says (D.5).
fn version(legacy: Version, supported: Option<&[u8]>) -> Result<Version, HelloError> {
    if legacy < Version::TLS10 {
        return Err(HelloError::Version(legacy));
    }
    let Some(content) = supported else { return Ok(legacy.min(Version::TLS12)) };
    let mut versions = Fields::new(Part::SupportedVersions, content);
    let list = versions.vector8()?;
    versions.end()?;
    if list.is_empty() {
        return Err(HelloError::Length(Part::SupportedVersions));
    }
    let mut versions = Fields::new(Part::SupportedVersions, list);
    let mut highest = None;
    while !versions.is_empty() {
        let version = Version(versions.u16()?);
        // Reserved values (RFC 8701) and drafts of TLS 1.3 would be the highest of all.
        if version.is_tls() {
            highest = highest.max(Some(version));
        }
    }
    highest.ok_or(HelloError::NoVersion)
}

/// The whole content is one list with a length of two bytes, and not an empty one.
fn list16(part: Part, content: &[u8]) -> Result<Fields<'_>, HelloError> {
    let mut content = Fields::new(part, content);
    let list = content.vector16()?;
    content.end()?;
    if list.is_empty() {
        return Err(HelloError::Length(part));
    }
    Ok(Fields::new(part, list))
}
