//! Redis' protocol, as much as one command needs ("Redis serialization protocol specification", redis.io: Sending
//! commands to a Redis server, Inline commands).
//!
//! The client speaks first, and its replies come in the order of its commands. A client that says who it is does so
//! in a command: CLIENT SETNAME, or HELLO with SETNAME in it, which the server is sent like any other.

use std::fmt;

use super::{MAX_TEXT, Parsed, shown};

/// Of a command that may come before the verdict. Servers are as careful before a client has logged in: 10 arguments of
/// 16 KiB (networking.c); ours are for passwords that are tokens, and must fit into a socket's buffer.
const MAX_ARGUMENTS: usize = 64;
const MAX_ARGUMENT: usize = 8 << 10;
const MAX_INLINE: usize = 8 << 10;
/// With as many bytes as this, the outcome is never `Incomplete`.
pub(crate) const MAX_BYTES: usize = 64 << 10;

/// The reply to each command before one that names, where the address alone does not say who the client is. It may be
/// sent on the same connection any number of times: many clients' first command is another, and fails harmlessly.
pub(crate) const NAME_FIRST: &[u8] =
    b"-NOPERM name the client first: CLIENT SETNAME <jobname>, or HELLO 3 SETNAME <jobname>\r\n";

/// The reply to each command of a refused client, as long as it is heard out: some send CLIENT SETINFO or COMMAND DOCS
/// first, and show the reply to none of these. NOPERM is what clients know as the refusal of an ACL.
pub(crate) fn refusal(text: &str) -> Vec<u8> {
    format!("-NOPERM {}\r\n", shown(text, MAX_TEXT)).into_bytes()
}

/// To a client whose command is wrong, as `sentence` says; as servers say it, before they close.
pub(crate) fn complaint(sentence: &str) -> Vec<u8> {
    format!("-ERR Protocol error: {}\r\n", shown(sentence, MAX_TEXT)).into_bytes()
}

/// One command; an empty one is skipped by servers, without a reply.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Command<'a> {
    arguments: Vec<&'a [u8]>,
}

/// Passwords are arguments.
impl fmt::Debug for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({} arguments)", self.arguments.len())
    }
}

impl<'a> Command<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.arguments.is_empty()
    }

    /// The name that the command gives its client. An empty one takes a name away, and is none.
    ///
    /// # Errors
    ///
    /// Where the command is one that names, but not in a way that all servers read alike: it goes to none. In HELLO
    /// with two names the last counts, and not by any document.
    pub(crate) fn client_name(&self) -> Result<Option<&'a [u8]>, &'static str> {
        let name = match self.arguments.as_slice() {
            [client, setname, rest @ ..] if is(client, "CLIENT") && is(setname, "SETNAME") => match rest {
                [name] => Some(*name),
                _ => return Err("CLIENT SETNAME takes one name"),
            },
            [hello, _version, options @ ..] if is(hello, "HELLO") => named_by_hello(options)?,
            _ => None,
        };
        Ok(name.filter(|name| !name.is_empty()))
    }
}

/// `[AUTH user password] [SETNAME name]`, in any order.
fn named_by_hello<'a>(mut options: &[&'a [u8]]) -> Result<Option<&'a [u8]>, &'static str> {
    let mut found = None;
    loop {
        options = match options {
            [] => return Ok(found),
            [auth, _user, _password, rest @ ..] if is(auth, "AUTH") => rest,
            [setname, name, rest @ ..] if is(setname, "SETNAME") => {
                if found.replace(*name).is_some() {
                    return Err("HELLO has two names");
                }
                rest
            }
            _ => return Err("HELLO takes AUTH with a user and a password, and SETNAME with a name"),
        };
    }
}

fn is(argument: &[u8], word: &str) -> bool {
    argument.eq_ignore_ascii_case(word.as_bytes())
}

/// Reads a client's next command.
pub(crate) fn command(bytes: &[u8]) -> Parsed<Command<'_>> {
    let parsed = match bytes {
        [] => Parsed::Incomplete,
        [b'*', ..] => array(bytes),
        _ => inline(bytes),
    };
    match parsed {
        Parsed::Incomplete if bytes.len() >= MAX_BYTES => Parsed::Wrong(TOO_LONG),
        Parsed::Whole { length, .. } if length > MAX_BYTES => Parsed::Wrong(TOO_LONG),
        parsed => parsed,
    }
}

const TOO_LONG: &str = "the command is too long";

/// An array of bulk strings: `*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`.
fn array(bytes: &[u8]) -> Parsed<Command<'_>> {
    let (count, mut at) = match number(bytes, b'*', 0) {
        Parsed::Whole { value, .. } if value > MAX_ARGUMENTS => return Parsed::Wrong("too many arguments"),
        Parsed::Whole { value, length } => (value, length),
        Parsed::Incomplete => return Parsed::Incomplete,
        Parsed::Wrong(what) => return Parsed::Wrong(what),
    };
    let mut arguments = Vec::with_capacity(count);
    for _ in 0..count {
        match bulk(bytes, at) {
            Parsed::Whole { value, length } => {
                arguments.push(value);
                at += length;
            }
            Parsed::Incomplete => return Parsed::Incomplete,
            Parsed::Wrong(what) => return Parsed::Wrong(what),
        }
    }
    Parsed::Whole { value: Command { arguments }, length: at }
}

fn bulk(bytes: &[u8], at: usize) -> Parsed<&[u8]> {
    let (size, header) = match number(bytes, b'$', at) {
        Parsed::Whole { value, .. } if value > MAX_ARGUMENT => {
            return Parsed::Wrong("an argument is too long");
        }
        Parsed::Whole { value, length } => (value, length),
        Parsed::Incomplete => return Parsed::Incomplete,
        Parsed::Wrong(what) => return Parsed::Wrong(what),
    };
    let from = at + header;
    let end = bytes.get(from + size..).unwrap_or_default();
    if !end.iter().zip(LINE_END).all(|(byte, expected)| byte == expected) {
        return Parsed::Wrong("an argument is longer than it says");
    }
    match bytes.get(from..from + size) {
        Some(value) if end.len() >= LINE_END.len() => {
            Parsed::Whole { value, length: header + size + LINE_END.len() }
        }
        _ => Parsed::Incomplete,
    }
}

const LINE_END: &[u8] = b"\r\n";

/// A line of a marker and a number, as servers take it: no sign, no zero in front. As `length` that of the line.
fn number(bytes: &[u8], marker: u8, at: usize) -> Parsed<usize> {
    const MAX_DIGITS: usize = 6;
    let line = bytes.get(at..).unwrap_or_default();
    let Some((first, line)) = line.split_first() else { return Parsed::Incomplete };
    if *first != marker {
        return Parsed::Wrong("a command is an array of bulk strings");
    }
    let digits = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, end) = line.split_at(digits);
    let leads_with_zero = matches!(digits, [b'0', _, ..]);
    let ends_well = end.iter().zip(LINE_END).all(|(byte, expected)| byte == expected);
    if leads_with_zero || digits.len() > MAX_DIGITS || !ends_well || (digits.is_empty() && !end.is_empty()) {
        return Parsed::Wrong("a length is no number, or too large");
    }
    if end.len() < LINE_END.len() {
        return Parsed::Incomplete;
    }
    let value = digits.iter().fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
    Parsed::Whole { value, length: 1 + digits.len() + LINE_END.len() }
}

/// A line of words, as a person types it. Quotes would have to be read as a server does, down to its escapes; who needs
/// them has a client that sends arrays.
fn inline(bytes: &[u8]) -> Parsed<Command<'_>> {
    let end = bytes.iter().take(MAX_INLINE).position(|byte| *byte == b'\n');
    let line = bytes.get(..end.unwrap_or(bytes.len().min(MAX_INLINE))).unwrap_or_default();
    let words = line.strip_suffix(b"\r").unwrap_or(line);
    match words
        .iter()
        .find(|byte| !matches!(byte, b'\t') && (byte.is_ascii_control() || b"\"'".contains(byte)))
    {
        Some(b'"' | b'\'') => return Parsed::Wrong("quotes in an inline command"),
        Some(_) => return Parsed::Wrong("neither an array nor a line of text"),
        None => {}
    }
    let arguments = words.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    let arguments: Vec<_> = arguments.take(MAX_ARGUMENTS + 1).collect();
    if arguments.len() > MAX_ARGUMENTS {
        return Parsed::Wrong("too many arguments");
    }
    match end {
        Some(end) => Parsed::Whole { value: Command { arguments }, length: end + 1 },
        None if bytes.len() >= MAX_INLINE => Parsed::Wrong(TOO_LONG),
        None => Parsed::Incomplete,
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::app::tests::does_not_matter_how_it_is_cut;

    fn encoded<A: AsRef<[u8]>>(arguments: &[A]) -> Vec<u8> {
        let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
        for argument in arguments {
            let argument = argument.as_ref();
            bytes.extend(format!("${}\r\n", argument.len()).bytes());
            bytes.extend(argument);
            bytes.extend(b"\r\n");
        }
        bytes
    }

    fn name(words: &str) -> Result<Option<String>, &'static str> {
        let bytes = encoded(&words.split(' ').collect::<Vec<_>>());
        let typed = format!("{words}\n").into_bytes();
        let (Parsed::Whole { value: sent, .. }, Parsed::Whole { value: typed, .. }) =
            (command(&bytes), command(&typed))
        else {
            panic!("{words} is no command")
        };
        assert_eq!(sent.client_name().is_err(), typed.client_name().is_err());
        sent.client_name().map(|name| name.map(|name| String::from_utf8_lossy(name).into_owned()))
    }

    fn wrong(bytes: &[u8]) -> &'static str {
        does_not_matter_how_it_is_cut(bytes, command);
        match command(bytes) {
            Parsed::Wrong(what) => what,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_client_is_named_by_two_commands() {
        let named = Ok(Some("job.web_cop.acme".to_owned()));
        assert_eq!(name("CLIENT SETNAME job.web_cop.acme"), named);
        assert_eq!(name("client SetName job.web_cop.acme"), named);
        assert_eq!(name("HELLO 3 SETNAME job.web_cop.acme"), named);
        assert_eq!(name("hello 2 setname job.web_cop.acme auth u p"), named);
        assert_eq!(name("HELLO 3 AUTH SETNAME SETNAME SETNAME job.web_cop.acme"), named);
        for other in
            ["GET k", "HELLO", "HELLO 3", "HELLO 3 AUTH u p", "CLIENT", "CLIENT ID", "AUTH SETNAME a"]
        {
            assert_eq!(name(other), Ok(None), "{other}");
        }
    }

    #[test]
    fn what_servers_may_read_otherwise_names_nobody_and_is_not_let_in_as_nameless() {
        for doubtful in [
            "HELLO 3 SETNAME a SETNAME b",
            "HELLO 3 SETNAME a SETNAME a",
            "HELLO 3 SETNAME",
            "HELLO 3 AUTH u",
            "HELLO 3 NAME a",
            "CLIENT SETNAME",
            "CLIENT SETNAME a b",
        ] {
            assert!(name(doubtful).is_err(), "{doubtful}");
        }
    }

    #[test]
    fn an_empty_name_is_none() {
        let bytes = encoded(&["CLIENT", "SETNAME", ""]);
        assert!(matches!(command(&bytes), Parsed::Whole { value, .. } if value.client_name() == Ok(None)));
        let bytes = encoded(&["HELLO", "3", "SETNAME", "", "SETNAME", "b"]);
        assert!(matches!(command(&bytes), Parsed::Whole { value, .. } if value.client_name().is_err()));
    }

    /// As redis-cli 7 sends it.
    #[test]
    fn only_the_first_command_is_taken() {
        let bytes = b"*2\r\n$7\r\nCOMMAND\r\n$4\r\nDOCS\r\n*1\r\n$7\r\nCOMMAND\r\n";
        does_not_matter_how_it_is_cut(bytes, command);
        let arguments = vec![&b"COMMAND"[..], b"DOCS"];
        assert_eq!(command(bytes), Parsed::Whole { value: Command { arguments }, length: 27 });
    }

    #[test]
    fn an_empty_command_is_one() {
        for (bytes, length) in [(&b"*0\r\nx"[..], 4), (b"\r\n*1", 2), (b"\n", 1), (b" \t \r\n", 5)] {
            let arguments = Vec::new();
            assert_eq!(command(bytes), Parsed::Whole { value: Command { arguments }, length });
            assert!(matches!(command(bytes), Parsed::Whole { value, .. } if value.is_empty()));
        }
    }

    #[test]
    fn what_is_wrong_is_said_at_once() {
        for (bytes, part) in [
            (&b"*-1\r\n"[..], "no number"),
            (b"*\r\n", "no number"),
            (b"*01\r\n", "no number"),
            (b"*1\n", "no number"),
            (b"*1\rx", "no number"),
            (b"*1234567", "too large"),
            (b"*65\r\n", "too many arguments"),
            (b"*1\r\n:1\r\n", "bulk strings"),
            (b"*1\r\n$8193\r\n", "an argument is too long"),
            (b"*1\r\n$1\r\nab", "longer than it says"),
            (b"*1\r\n$1\r\na\rb", "longer than it says"),
            (b"\x16\x03\x01", "neither"),
            (b"GET a\rb", "neither"),
            (b"GET \0", "neither"),
            (b"CLIENT SETNAME \"a", "quotes"),
            (b"\x27CLIENT\x27 SETNAME a", "quotes"),
        ] {
            let what = wrong(bytes);
            assert!(what.contains(part), "{bytes:?}: {what}");
        }
        assert_eq!(wrong("a ".repeat(65).as_bytes()), "too many arguments");
    }

    #[test]
    fn the_longest_decide() {
        let argument = vec![b'a'; MAX_ARGUMENT];
        let seven = encoded(&[&argument; 7]);
        assert!(matches!(command(&seven), Parsed::Whole { length, .. } if length == seven.len()));
        let eight = encoded(&[&argument; 8]);
        assert_eq!(command(&eight), Parsed::Wrong(TOO_LONG));
        assert_eq!(command(&eight[..MAX_BYTES - 1]), Parsed::Incomplete);
        assert_eq!(command(&eight[..MAX_BYTES]), Parsed::Wrong(TOO_LONG));
        let mut line = vec![b'a'; MAX_INLINE - 1];
        assert_eq!(command(&line), Parsed::Incomplete);
        line.extend(b"\n");
        assert!(matches!(command(&line), Parsed::Whole { length: MAX_INLINE, .. }));
        line.insert(0, b'a');
        assert_eq!(command(&line), Parsed::Wrong(TOO_LONG));
    }

    #[test]
    fn replies_are_one_line() {
        assert_eq!(refusal("no\r\n+OK"), b"-NOPERM no??+OK\r\n");
        assert_eq!(complaint("too\nlong"), b"-ERR Protocol error: too?long\r\n");
        assert_eq!(NAME_FIRST.iter().filter(|byte| byte.is_ascii_control()).count(), 2);
        assert!(NAME_FIRST.ends_with(b"\r\n"));
    }

    #[test]
    fn a_password_is_not_shown() {
        let bytes = encoded(&["AUTH", "secret"]);
        assert!(!format!("{:?}", command(&bytes)).contains(&format!("{:?}", b"secret")));
    }

    proptest! {
        #[test]
        fn any_arguments_come_back(arguments in vec(vec(any::<u8>(), 0..40), 0..12), more in vec(any::<u8>(), 0..9)) {
            let bytes = encoded(&arguments);
            let length = bytes.len();
            let all = [bytes, more].concat();
            does_not_matter_how_it_is_cut(&all, command);
            let arguments = arguments.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(command(&all), Parsed::Whole { value: Command { arguments }, length });
        }

        #[test]
        fn any_bytes_are_read(bytes in vec(any::<u8>(), 0..200)) {
            does_not_matter_how_it_is_cut(&bytes, command);
        }

        #[test]
        fn nearly_right_bytes_are_read(
            bytes in "[*$0-9a\r\n \"]{0,60}|(\\*[0-3]\r\n)([$][0-3]\r\n[a\r]{0,3}\r\n){0,3}",
        ) {
            does_not_matter_how_it_is_cut(bytes.as_bytes(), command);
            if let Parsed::Whole { value, .. } = command(bytes.as_bytes()) {
                let _ = value.client_name();
            }
        }
    }
}
