//! PostgreSQL's protocol 3 up to the StartupMessage (PostgreSQL 17's manual, 55.2.1 Start-up, 55.7 Message Formats).
//!
//! The client speaks first, and often asks for encryption before anything else. An error in answer to that is not
//! shown: nobody can tell whose it is (55.2.10). So a client that is refused is told "no encryption", and why only
//! once it has sent its StartupMessage.

use super::fields::Fields;
use super::{MAX_TEXT, Parsed, shown};

/// Of a first message without its length: the server's own limit (MAX_STARTUP_PACKET_LENGTH in libpq/pqcomm.h).
const MAX_MESSAGE: usize = 10_000;
/// With as many bytes as this, the outcome is never `Incomplete`.
pub(crate) const MAX_BYTES: usize = LENGTH + MAX_MESSAGE;

/// Of the length, which counts itself.
const LENGTH: usize = 4;

/// In place of a version (55.7, SSLRequest, GSSENCRequest, CancelRequest): its upper half is one that will not be.
const TLS_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;
const MAJOR: u32 = 3;

/// The answer to who asks for encryption: the client may go on without, in this connection.
pub(crate) const NO: &[u8] = b"N";

/// The answer to a StartupMessage. `invalid_authorization_specification`, and FATAL: nothing follows it.
pub(crate) fn refusal(text: &str) -> Vec<u8> {
    error("28000", text)
}

/// To a client whose first message is wrong, as `sentence` says. `protocol_violation`.
pub(crate) fn complaint(sentence: &str) -> Vec<u8> {
    error("08P01", sentence)
}

/// ErrorResponse: fields that each end with a zero byte, and one more zero (55.7, 55.8).
fn error(code: &str, text: &str) -> Vec<u8> {
    let text = shown(text, MAX_TEXT);
    let fields = format!("SFATAL\0VFATAL\0C{code}\0M{text}\0\0");
    let length = ((LENGTH + fields.len()) as u32).to_be_bytes();
    [b"E", &length[..], fields.as_bytes()].concat()
}

/// What a client says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum First {
    TlsRequest,
    GssRequest,
    /// It ends a query of another connection, and is never answered.
    Cancel,
    Startup(Startup),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Startup {
    /// To be shown, not to be compared: shortened, without control characters.
    pub(crate) user: String,
    /// What is not UTF-8 in it is replaced, by what no JOBNAME has. Many clients send their own name: `psql`.
    pub(crate) application_name: Option<String>,
}

/// Of a user's name, in characters: names that are longer are cut to 63 bytes by the server (NAMEDATALEN).
const MAX_USER: usize = 63;

/// Reads a client's first message, or the one after [`NO`].
pub(crate) fn first(bytes: &[u8]) -> Parsed<First> {
    // The length of any message that is taken begins with a zero byte.
    if let [TLS_HANDSHAKE, ..] = bytes {
        return Parsed::Wrong("the client begins with TLS, without asking");
    }
    let Some((length, _)) = bytes.split_first_chunk::<LENGTH>() else { return Parsed::Incomplete };
    let length = u32::from_be_bytes(*length) as usize;
    if length < LENGTH + VERSION {
        return Parsed::Wrong("the first message is too short");
    }
    if length > MAX_BYTES {
        return Parsed::Wrong("the first message is too long");
    }
    let Some(message) = bytes.get(LENGTH..length) else { return Parsed::Incomplete };
    Parsed::Whole { value: message, length }.and_then(read)
}

/// A record's type (RFC 8446, 5.1): what `sslnegotiation=direct` begins with (55.2.10).
const TLS_HANDSHAKE: u8 = 22;

/// Of the version, or what stands in its place.
const VERSION: usize = 4;

fn read(message: &[u8]) -> Result<First, &'static str> {
    let mut fields = Fields::new(message);
    let version = fields.array().map(u32::from_be_bytes).ok_or("the first message is too short")?;
    match (version, message.len()) {
        (TLS_REQUEST, VERSION) => Ok(First::TlsRequest),
        (GSS_REQUEST, VERSION) => Ok(First::GssRequest),
        (TLS_REQUEST | GSS_REQUEST, _) => Err("the request for encryption is too long"),
        // The process, and a key of 4 bytes; in protocol 3.2 of up to 256.
        (CANCEL_REQUEST, 12..=264) => Ok(First::Cancel),
        (CANCEL_REQUEST, _) => Err("the length of the request to cancel is wrong"),
        (version, _) if version >> 16 == MAJOR => startup(&mut fields).map(First::Startup),
        _ => Err("the client's protocol is not version 3"),
    }
}

/// Pairs of a name and a value, and an empty name. Of a parameter that is there twice the server takes the last; of the
/// one that the verdict goes by, nobody is to hold another than we do. It takes its names in any case, as all settings.
fn startup(fields: &mut Fields<'_>) -> Result<Startup, &'static str> {
    const CUT: &str = "the startup message is cut";
    let (mut user, mut application_name) = (None, None);
    loop {
        let name = fields.until_zero().ok_or(CUT)?;
        if name.is_empty() {
            break;
        }
        let value = String::from_utf8_lossy(fields.until_zero().ok_or(CUT)?);
        if name == b"user" {
            user = Some(shown(&value, MAX_USER));
        } else if name.eq_ignore_ascii_case(b"application_name")
            && application_name.replace(value.into_owned()).is_some()
        {
            return Err("the application_name is there twice");
        }
    }
    if !fields.is_empty() {
        return Err("the startup message goes on after its end");
    }
    let user = user.filter(|user| !user.is_empty()).ok_or("the startup message names no user")?;
    Ok(Startup { user, application_name })
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::app::tests::does_not_matter_how_it_is_cut;

    const V3: u32 = 3 << 16;

    fn message(version: u32, body: &[u8]) -> Vec<u8> {
        let length = (LENGTH + VERSION + body.len()) as u32;
        [&length.to_be_bytes()[..], &version.to_be_bytes(), body].concat()
    }

    fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
        let pairs: String = parameters.iter().map(|(name, value)| format!("{name}\0{value}\0")).collect();
        message(V3, format!("{pairs}\0").as_bytes())
    }

    fn read_whole(bytes: &[u8]) -> First {
        does_not_matter_how_it_is_cut(bytes, first);
        match first(bytes) {
            Parsed::Whole { value, length } if length == bytes.len() => value,
            other => panic!("{other:?}"),
        }
    }

    fn wrong(bytes: &[u8]) -> &'static str {
        does_not_matter_how_it_is_cut(bytes, first);
        match first(bytes) {
            Parsed::Wrong(what) => what,
            other => panic!("{other:?}"),
        }
    }

    /// As psql 15 sends it.
    #[test]
    fn a_startup_message_is_read() {
        let bytes = b"\0\0\0\x50\0\x03\0\0user\0alice\0database\0shop\0\
            application_name\0job.app_service.web_cop.acme\0\0";
        let application_name = Some("job.app_service.web_cop.acme".to_owned());
        assert_eq!(read_whole(bytes), First::Startup(Startup { user: "alice".into(), application_name }));
    }

    #[test]
    fn a_request_is_known_by_its_code() {
        assert_eq!(read_whole(b"\0\0\0\x08\x04\xd2\x16\x2f"), First::TlsRequest);
        assert_eq!(read_whole(b"\0\0\0\x08\x04\xd2\x16\x30"), First::GssRequest);
        assert_eq!(read_whole(b"\0\0\0\x10\x04\xd2\x16\x2eprocskey"), First::Cancel);
        assert_eq!(read_whole(&message(CANCEL_REQUEST, &[1; 260])), First::Cancel);
    }

    #[test]
    fn what_follows_is_left() {
        let bytes = [message(TLS_REQUEST, b""), startup(&[("user", "u")])].concat();
        assert_eq!(first(&bytes), Parsed::Whole { value: First::TlsRequest, length: 8 });
    }

    #[test]
    fn a_parameter_in_any_case_and_any_minor_version() {
        let named = startup(&[("USER", "x"), ("user", "u\n"), ("Application_Name", "")]);
        let named = [&named[..7], &[2], &named[8..]].concat();
        let application_name = Some(String::new());
        assert_eq!(read_whole(&named), First::Startup(Startup { user: "u?".into(), application_name }));
        assert!(matches!(read_whole(&startup(&[("user", "a"), ("user", "b")])),
            First::Startup(Startup { user, application_name: None }) if user == "b"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let user = ("user", "u");
        for (bytes, part) in [
            (b"\0\0\0\x07".to_vec(), "too short"),
            (b"\0\0\x27\x15".to_vec(), "too long"),
            (b"GET / HTTP/1.1\r\n".to_vec(), "too long"),
            (b"\x16\x03\x01\x02".to_vec(), "TLS"),
            (message(2 << 16, &[0; 288]), "not version 3"),
            (message(TLS_REQUEST, b"\0"), "encryption"),
            (message(GSS_REQUEST, b"\0"), "encryption"),
            (message(CANCEL_REQUEST, &[0; 7]), "cancel"),
            (message(CANCEL_REQUEST, &[0; 261]), "cancel"),
            (message(V3, b""), "is cut"),
            (message(V3, b"user\0u\0"), "is cut"),
            (message(V3, b"user\0u"), "is cut"),
            (message(V3, b"user\0\0"), "is cut"),
            (message(V3, b"user\0u\0\0\0"), "goes on"),
            (startup(&[]), "names no user"),
            (startup(&[("user", "")]), "names no user"),
            (startup(&[user, ("application_name", "a"), ("application_name", "a")]), "twice"),
            (startup(&[user, ("application_name", "a"), ("APPLICATION_NAME", "b")]), "twice"),
        ] {
            let what = wrong(&bytes);
            assert!(what.contains(part), "{bytes:?}: {what}");
        }
    }

    #[test]
    fn the_longest_message_is_the_servers() {
        let fitting = startup(&[("user", &"u".repeat(MAX_MESSAGE - VERSION - 7))]);
        assert_eq!(fitting.len(), MAX_BYTES);
        assert!(matches!(read_whole(&fitting), First::Startup(startup) if startup.user.len() == MAX_USER));
        assert_eq!(
            first(&startup(&[("user", &"u".repeat(MAX_MESSAGE))])),
            Parsed::Wrong("the first message is too long")
        );
    }

    #[test]
    fn an_error_is_fields_that_end() {
        let expected = b"E\0\0\0\x22SFATAL\0VFATAL\0C28000\0Mno?way\0\0";
        assert_eq!(refusal("no\0way"), expected);
        let long = refusal(&"\u{e9}".repeat(1_000));
        assert_eq!(long.len(), 1 + 4 + 7 + 7 + 7 + 1 + 2 * MAX_TEXT + 1 + 1);
        assert_eq!(long[1..5], ((long.len() - 1) as u32).to_be_bytes());
        assert_eq!(complaint("x")[19..26], *b"C08P01\0");
    }

    proptest! {
        #[test]
        fn any_parameters_come_back(
            user in "[a-z]{1,63}",
            name in proptest::option::of("[^\0]{0,80}"),
            others in vec(("x[a-z_]{0,8}", "[^\0]{0,8}"), 0..8),
        ) {
            let mut parameters: Vec<_> = others.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            parameters.push(("user", &user));
            parameters.extend(name.as_deref().map(|name| ("application_name", name)));
            let expected = Startup { user: user.clone(), application_name: name.clone() };
            prop_assert_eq!(read_whole(&startup(&parameters)), First::Startup(expected));
        }

        #[test]
        fn any_bytes_are_read(bytes in vec(any::<u8>(), 0..100)) {
            does_not_matter_how_it_is_cut(&bytes, first);
        }

        #[test]
        fn any_message_is_read(minor in 0u32..4, body in vec(prop_oneof![Just(0), any::<u8>()], 0..60)) {
            does_not_matter_how_it_is_cut(&message(V3 + minor, &body), first);
        }
    }
}
