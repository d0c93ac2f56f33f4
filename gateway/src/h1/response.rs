//! A response's head.

use std::mem::MaybeUninit;

use super::head::{Head, Span};
use super::request::Connection;
use super::{Length, MAX_FIELDS, Malformed, Version};

/// What a response says of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StatusLine {
    pub(crate) status: u16,
    pub(crate) reason: Span,
    pub(crate) length: Length,
    /// The instance would go on with this connection.
    pub(crate) persistent: bool,
}

/// Reads a whole head, as [`super::Scan`] has found it, into `head`. `to_head`: it answers a HEAD, so that it has no
/// body whatever it says (RFC 9112, 6.3).
pub(crate) fn read_response(bytes: &[u8], to_head: bool, head: &mut Head) -> Result<StatusLine, Malformed> {
    let mut slots = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let httparse::Status::Complete(_) =
        config.parse_response_with_uninit_headers(&mut response, bytes, &mut slots)?
    else {
        return Err(Malformed::from(httparse::Error::Status));
    };
    let (Some(status), Some(minor)) = (response.code, response.version) else {
        return Err(Malformed::from(httparse::Error::Status));
    };
    if !(100..600).contains(&status) {
        return Err(Malformed::from(httparse::Error::Status));
    }
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    head.read(bytes, response.headers);
    let reason = response.reason.map_or(Span::default(), |reason| Span::of(bytes, reason.as_bytes()));
    let said = Length::said(head, version == Version::Http11)?;
    let bodiless = to_head || status < 200 || status == 204 || status == 304;
    let connection = Connection::of(head);
    head.nominates = connection.nominates;
    let length = if bodiless { Length::NONE } else { said.unwrap_or(Length::UntilClose) };
    let asked_to_stay = if version == Version::Http10 { connection.keep_alive } else { true };
    Ok(StatusLine {
        status,
        reason: if reason.is_empty() { Span::default() } else { reason },
        length,
        persistent: asked_to_stay && !connection.close && length != Length::UntilClose,
    })
}
