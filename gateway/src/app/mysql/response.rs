//! The client's answer to the greeting.

use std::fmt;
use std::ops::Range;

use super::{
    CONNECT_ATTRS, CONNECT_WITH_DB, HEADER, MAX_USER, PLUGIN_AUTH, PLUGIN_AUTH_LENENC_CLIENT_DATA,
    PROTOCOL_41, Parsed, SECURE_CONNECTION, SSL, packet,
};
use crate::app::fields::Fields;
use crate::app::shown;
use crate::proxy_protocol::MAX_JOBNAME;

/// The names of our attributes. MySQL reserves those that begin with an underscore for itself.
const JOBNAME: &[u8] = b"jobname";
const PROOF: &[u8] = b"jobname_proof";
/// Of a proof, in bytes: several times a token's length.
const MAX_PROOF: usize = 1024;

/// What a client answers to a greeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Response {
    /// SSLRequest: it goes on in TLS, and hears nothing that is said in plain text.
    WantsTls { sequence: u8 },
    /// HandshakeResponse41.
    Login(Login),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) sequence: u8,
    /// To be shown, not to be compared: shortened, without control characters.
    pub(crate) user: String,
    pub(crate) jobname: Option<String>,
    pub(crate) proof: Option<Proof>,
}

/// What proves a claim: a secret, which `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Proof {
    text: String,
    /// In the packet.
    place: Range<usize>,
}

impl Proof {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Blots it out in the packet that this was read from. Servers show attributes to their users
    /// (performance_schema.session_connect_attrs), who are not to learn it.
    pub(crate) fn blot(&self, packet: &mut [u8]) {
        packet.get_mut(self.place.clone()).unwrap_or_default().fill(b'x');
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(..)")
    }
}

/// Reads a client's first packet.
pub(crate) fn response(bytes: &[u8]) -> Parsed<Response> {
    packet(bytes).and_then(|packet| {
        let mut fields = Fields::new(packet.payload);
        let capabilities = capabilities(&mut fields).ok_or("the handshake response is cut")?;
        if capabilities & PROTOCOL_41 == 0 {
            return Err("the client speaks a protocol older than 4.1");
        }
        // In an SSLRequest nothing follows, but servers go by the capability alone.
        if capabilities & SSL != 0 {
            return Ok(Response::WantsTls { sequence: packet.sequence });
        }
        let user = user(&mut fields, capabilities).ok_or("the handshake response is cut")?;
        let user = shown(&String::from_utf8_lossy(user), MAX_USER);
        let mut login = Login { sequence: packet.sequence, user, jobname: None, proof: None };
        if capabilities & CONNECT_ATTRS != 0 {
            login.read_attributes(&mut fields)?;
        }
        Ok(Response::Login(login))
    })
}

/// Capabilities, longest packet, character set, filler. MariaDB has more capabilities in the filler, none of them ours.
fn capabilities(fields: &mut Fields<'_>) -> Option<u32> {
    let capabilities = fields.array().map(u32::from_le_bytes)?;
    fields.take(4 + 1 + 23)?;
    Some(capabilities)
}

/// All up to the attributes; of it only the user's name matters.
fn user<'a>(fields: &mut Fields<'a>, capabilities: u32) -> Option<&'a [u8]> {
    let has = |capability| capabilities & capability != 0;
    let user = fields.until_zero()?;
    let _authentication = if has(PLUGIN_AUTH_LENENC_CLIENT_DATA) {
        length_encoded(fields)?
    } else if has(SECURE_CONNECTION) {
        let length = fields.byte()?;
        fields.take(usize::from(length))?
    } else {
        fields.until_zero()?
    };
    if has(CONNECT_WITH_DB) {
        fields.until_zero()?;
    }
    // Some clients say that they name a plugin, and end; servers let them.
    if has(PLUGIN_AUTH) && !fields.is_empty() {
        fields.until_zero()?;
    }
    Some(user)
}

impl Login {
    fn read_attributes(&mut self, fields: &mut Fields<'_>) -> Result<(), &'static str> {
        const CUT: &str = "the connection attributes are cut";
        let length = match fields.is_empty() {
            true => return Ok(()),
            false => length(fields).ok_or(CUT)?,
        };
        let begin = HEADER + fields.at();
        let mut attributes = Fields::new(fields.take(length).ok_or(CUT)?);
        while !attributes.is_empty() {
            let name = length_encoded(&mut attributes).ok_or(CUT)?;
            let value = length_encoded(&mut attributes).ok_or(CUT)?;
            let end = begin + attributes.at();
            match name {
                JOBNAME if self.jobname.is_some() => return Err("the attribute jobname is there twice"),
                JOBNAME => {
                    self.jobname = Some(text(value, MAX_JOBNAME).ok_or("the jobname is no short text")?);
                }
                PROOF if self.proof.is_some() => return Err("the attribute jobname_proof is there twice"),
                PROOF => {
                    let text = text(value, MAX_PROOF).ok_or("the jobname_proof is no short text")?;
                    self.proof = Some(Proof { text, place: end - value.len()..end });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn text(value: &[u8], most: usize) -> Option<String> {
    let value = Some(value).filter(|value| value.len() <= most)?;
    str::from_utf8(value).ok().map(str::to_owned)
}

fn length_encoded<'a>(fields: &mut Fields<'a>) -> Option<&'a [u8]> {
    let length = length(fields)?;
    fields.take(length)
}

/// A length-encoded integer ("Protocol Basics", Integer Types). 0xfb is NULL, which nothing here may be.
fn length(fields: &mut Fields<'_>) -> Option<usize> {
    match fields.byte()? {
        0xfc => fields.array().map(|bytes| usize::from(u16::from_le_bytes(bytes))),
        0xfd => fields.array().map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]) as usize),
        0xfe => fields.array().and_then(|bytes| u64::from_le_bytes(bytes).try_into().ok()),
        0xfb | 0xff => None,
        small => Some(usize::from(small)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::MAX_BYTES;
    use super::*;
    use crate::app::tests::does_not_matter_how_it_is_cut;

    const ZSTD: u32 = 1 << 26;
    const ALL: u32 = PROTOCOL_41
        | SECURE_CONNECTION
        | PLUGIN_AUTH
        | CONNECT_ATTRS
        | CONNECT_WITH_DB
        | PLUGIN_AUTH_LENENC_CLIENT_DATA;
    const CLAIM: &str = "job.app_service.web_cop.acme";

    fn length_encoded(value: &[u8]) -> Vec<u8> {
        let length = match value.len() {
            small @ ..0xfb => vec![small as u8],
            medium => [&[0xfc], &(medium as u16).to_le_bytes()[..]].concat(),
        };
        [length.as_slice(), value].concat()
    }

    fn pairs<N: AsRef<[u8]>, V: AsRef<[u8]>>(attributes: &[(N, V)]) -> Vec<u8> {
        let encoded =
            |(name, value): &(N, V)| [length_encoded(name.as_ref()), length_encoded(value.as_ref())].concat();
        attributes.iter().flat_map(encoded).collect()
    }

    fn framed(payload: &[u8]) -> Vec<u8> {
        let [low, middle, high, _] = (payload.len() as u32).to_le_bytes();
        [&[low, middle, high, 1], payload].concat()
    }

    fn fixed(capabilities: u32) -> Vec<u8> {
        [&capabilities.to_le_bytes()[..], &[0, 0, 0, 1, 45], &[0; 23]].concat()
    }

    fn answer(capabilities: u32, user: &[u8], proof: &[u8], attributes: &[u8]) -> Vec<u8> {
        let has =
            |capability, bytes: Vec<u8>| if capabilities & capability != 0 { bytes } else { Vec::new() };
        let proof = if capabilities & PLUGIN_AUTH_LENENC_CLIENT_DATA != 0 {
            length_encoded(proof)
        } else if capabilities & SECURE_CONNECTION != 0 {
            [&[proof.len() as u8], proof].concat()
        } else {
            [proof, &[0]].concat()
        };
        let payload = [
            fixed(capabilities),
            [user, &[0]].concat(),
            proof,
            has(CONNECT_WITH_DB, b"shop\0".to_vec()),
            has(PLUGIN_AUTH, b"mysql_native_password\0".to_vec()),
            has(CONNECT_ATTRS, length_encoded(attributes)),
            has(ZSTD, vec![3]),
        ];
        framed(&payload.concat())
    }

    fn read_login(bytes: &[u8]) -> Login {
        does_not_matter_how_it_is_cut(bytes, response);
        match response(bytes) {
            Parsed::Whole { value: Response::Login(login), length } if length == bytes.len() => login,
            other => panic!("{other:?}"),
        }
    }

    fn wrong(bytes: &[u8]) -> &'static str {
        does_not_matter_how_it_is_cut(bytes, response);
        match response(bytes) {
            Parsed::Wrong(what) => what,
            other => panic!("{other:?}"),
        }
    }

    /// MariaDB 10.11's client, of `u` for the database `mydb`.
    #[test]
    fn a_real_clients_answer_is_read() {
        let bytes =
            b"\xd2\0\0\x01\x8c\xa2\xbf\0\0\0\0\x10\0\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x1d\0\0\0\
            u\0\x14\xef\xf0\x32\x88\x73\x60\xff\x6c\x0c\0\x83\x90\xa6\x90\xf1\x37\x50\x41\x2b\x6f\
            mydb\0mysql_native_password\0\x7f\x03_os\x05Linux\x0c_client_name\x0alibmariadb\x04_pid\x0519550\
            \x0f_client_version\x063.3.20\x09_platform\x06x86_64\x0cprogram_name\x05mysql\
            \x0c_server_host\x09127.0.0.1";
        let expected = Login { sequence: 1, user: "u".into(), jobname: None, proof: None };
        assert_eq!(read_login(bytes), expected);
    }

    #[test]
    fn every_form_of_the_answer_is_read() {
        let attributes = pairs(&[("_os", "Linux"), ("jobname", CLAIM), ("jobname_proof", "token"), ("", "")]);
        for dropped in 0..64 {
            let kept = [
                SECURE_CONNECTION,
                PLUGIN_AUTH_LENENC_CLIENT_DATA,
                CONNECT_WITH_DB,
                PLUGIN_AUTH,
                ZSTD,
                CONNECT_ATTRS,
            ];
            let kept = kept.iter().enumerate().filter(|(bit, _)| dropped >> bit & 1 == 0);
            let capabilities = kept.fold(PROTOCOL_41, |all, (_, capability)| all | capability);
            let login = read_login(&answer(capabilities, b"app", b"no zero in it", &attributes));
            assert_eq!((login.sequence, login.user.as_str()), (1, "app"));
            let claims = capabilities & CONNECT_ATTRS != 0;
            assert_eq!(login.jobname.as_deref(), claims.then_some(CLAIM));
            assert_eq!(login.proof.as_ref().map(Proof::text), claims.then_some("token"));
        }
    }

    #[test]
    fn a_proof_is_blotted_out_and_nothing_else() {
        for proof in ["token", "", &"p".repeat(MAX_PROOF)] {
            let attributes = pairs(&[("jobname_proof", proof), ("jobname", CLAIM)]);
            let mut bytes = answer(ALL, b"app", &[7; 300], &attributes);
            let login = read_login(&bytes);
            assert!(!format!("{login:?}").contains("token"));
            let found = login.proof.unwrap();
            found.blot(&mut bytes);
            let attributes =
                pairs(&[("jobname_proof", "x".repeat(proof.len()).as_str()), ("jobname", CLAIM)]);
            assert_eq!(bytes, answer(ALL, b"app", &[7; 300], &attributes));
            found.blot(&mut []);
        }
    }

    #[test]
    fn a_request_for_tls_is_known() {
        let request = framed(&fixed(PROTOCOL_41 | SSL));
        assert_eq!(request.len(), HEADER + 32);
        does_not_matter_how_it_is_cut(&request, response);
        assert_eq!(
            response(&request),
            Parsed::Whole { value: Response::WantsTls { sequence: 1 }, length: 36 }
        );
        let with_login = answer(ALL | SSL, b"u", b"", b"");
        assert!(matches!(response(&with_login), Parsed::Whole { value: Response::WantsTls { .. }, .. }));
    }

    #[test]
    fn what_some_clients_leave_out_is_forgiven() {
        let until_proof =
            [fixed(PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH | CONNECT_ATTRS), b"u\0\0".to_vec()];
        assert_eq!(read_login(&framed(&until_proof.concat())).user, "u");
        let until_plugin = [until_proof.concat(), b"plugin\0".to_vec()].concat();
        assert_eq!(read_login(&framed(&until_plugin)).jobname, None);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let attributes = |attributes: &[u8]| answer(ALL, b"u", b"", attributes);
        for (bytes, part) in [
            (framed(b""), "empty"),
            (b"\x01\0\x01".to_vec(), "too long"),
            (framed(&[0; 40]), "older than 4.1"),
            (framed(&fixed(PROTOCOL_41)[..31]), "response is cut"),
            (framed(&[fixed(ALL), b"u".to_vec()].concat()), "response is cut"),
            (framed(&[fixed(ALL), b"u\0\x05abcd".to_vec()].concat()), "response is cut"),
            (framed(&[fixed(ALL), b"u\0\xfb".to_vec()].concat()), "response is cut"),
            (framed(&[&fixed(ALL), &b"u\0\xfe"[..], &[0xff; 8]].concat()), "response is cut"),
            (framed(&[fixed(ALL), b"u\0\0shop\0plugin\0\x05abcd".to_vec()].concat()), "attributes are cut"),
            (attributes(b"\x07jobname"), "attributes are cut"),
            (attributes(b"\x07jobname\x02a"), "attributes are cut"),
            (attributes(b"\x07jobname\xfb"), "attributes are cut"),
            (attributes(&pairs(&[("jobname", "a"), ("jobname", "a")])), "jobname is there twice"),
            (
                attributes(&pairs(&[("jobname_proof", "a"), ("jobname_proof", "b")])),
                "jobname_proof is there twice",
            ),
            (attributes(&pairs(&[("jobname", b"\xff")])), "no short text"),
            (attributes(&pairs(&[("jobname", "a".repeat(MAX_JOBNAME + 1))])), "no short text"),
            (attributes(&pairs(&[("jobname_proof", "a".repeat(MAX_PROOF + 1))])), "no short text"),
        ] {
            let what = wrong(&bytes);
            assert!(what.contains(part), "{what}, not {part}");
        }
        assert_eq!(read_login(&attributes(&pairs(&[("JOBNAME", "a"), ("Jobname", "b")]))).jobname, None);
    }

    #[test]
    fn a_user_is_shown_short_and_without_control_characters() {
        let login = read_login(&answer(ALL, &[b"\x1b[2J\xff", &[b'u'; 300][..]].concat(), b"", b""));
        assert!(login.user.starts_with("?[2J\u{fffd}uuu"));
        assert_eq!(login.user.chars().count(), MAX_USER);
    }

    #[test]
    fn the_longest_decides() {
        let longest =
            framed(&[fixed(PROTOCOL_41), vec![b'u'; MAX_BYTES - HEADER - 32 - 2], vec![0, 0]].concat());
        assert_eq!(longest.len(), MAX_BYTES);
        assert_eq!(response(&longest[..MAX_BYTES - 1]), Parsed::Incomplete);
        assert!(matches!(response(&longest), Parsed::Whole { length: MAX_BYTES, .. }));
    }

    proptest! {
        #[test]
        fn any_attributes_are_read(
            mut attributes in vec(("_[a-z]{0,9}", "[^\0]{0,300}"), 0..6),
            claim in "[a-z._]{0,300}",
            at in 0usize..6,
        ) {
            attributes.insert(at.min(attributes.len()), ("jobname".into(), claim.clone()));
            let login = read_login(&answer(ALL, b"u", b"proof", &pairs(&attributes)));
            prop_assert_eq!((login.jobname, login.proof), (Some(claim), None));
        }

        #[test]
        fn any_bytes_are_read(bytes in vec(any::<u8>(), 0..120)) {
            does_not_matter_how_it_is_cut(&bytes, response);
        }

        #[test]
        fn any_payload_is_read(capabilities: u32, rest in vec(prop_oneof![Just(0), 0u8..12, any::<u8>()], 0..120)) {
            let bytes = framed(&[fixed((capabilities | PROTOCOL_41) & !SSL), rest].concat());
            does_not_matter_how_it_is_cut(&bytes, response);
            if let Parsed::Whole { value: Response::Login(Login { proof: Some(proof), .. }), .. } = response(&bytes) {
                proof.blot(&mut bytes.clone());
            }
        }

        #[test]
        fn any_change_of_an_answer_is_read(at in 36usize..140, byte: u8) {
            let mut bytes = answer(ALL, b"u", b"proof", &pairs(&[("jobname", CLAIM), ("jobname_proof", "token")]));
            let at = at.min(bytes.len() - 1);
            bytes[at] = byte;
            does_not_matter_how_it_is_cut(&bytes, response);
        }
    }
}
