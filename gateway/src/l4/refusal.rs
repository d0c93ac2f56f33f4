//! How a client that may not come in is told so, in its own protocol where there is one, and how it says who it is where its
//! address alone does not.
//!
//! ```text
//! denied ─► no app: reset
//!        ├► nothing that it could say would help ─► refused in the words of its protocol
//!        └► it could say who it is ─► its claim is read (of MySQL beside the server's greeting) ─► judged again
//! ```
//!
//! Nothing of a client is forwarded before it is let in.

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use roundhouse_config::{App, JobName};
use roundhouse_registry::record::Digest;
use tokio::time::{Instant, timeout_at};

use super::Wire;
use crate::app::{Parsed, mysql, postgres, redis};
use crate::plane::Connection;

/// For a refused client to take its refusal.
const PARTING: Duration = Duration::from_secs(2);
/// Bytes of it that are heard out meanwhile.
const HEARD: usize = 256 << 10;
/// Commands that a client may send before it says who it is.
const COMMANDS: usize = 64;
/// In PostgreSQL's beginning: TLS and GSS are asked for once each, or a few times by a client that is odd.
const ASKS: usize = 8;

/// A client's first words: read, and to be forwarded first if it is let in.
pub(super) type Words = Vec<u8>;

/// What refuses a client whatever it says.
pub(super) async fn refuse<C: Wire>(client: &C, app: App, connection: &Connection, deadline: Instant) {
    let refusing = async {
        match app {
            App::MySql => send(client, &mysql::refusal_at_connect(connection.client().ip())).await?,
            App::Postgres => {
                let mut words = Vec::new();
                startup(client, &mut words).await?;
                send(client, &postgres::refusal(&sentence(connection))).await?;
            }
            App::Redis => refuse_commands(client, &mut Vec::new(), connection).await?,
        }
        part(client).await
    };
    // A client that is too slow for its refusal goes without.
    if !matches!(timeout_at(deadline, refusing).await, Ok(Ok(()))) {
        client.reset();
    }
}

/// Reads the client's claim, of PostgreSQL and Redis, where the client speaks first; what it said so far.
pub(super) async fn claim<C: Wire>(
    client: &C,
    app: App,
    connection: &Connection,
) -> io::Result<Option<Words>> {
    let mut words = Vec::new();
    let claimed = match app {
        App::Postgres => startup(client, &mut words).await?,
        App::Redis => naming(client, &mut words).await?,
        App::MySql => return Ok(None),
    };
    take(connection, claimed, None);
    Ok(Some(words))
}

/// The refusal after a claim of [`claim`].
pub(super) async fn refuse_claimed<C: Wire>(
    client: &C,
    app: App,
    connection: &Connection,
    mut words: Words,
    deadline: Instant,
) {
    let refusing = async {
        match app {
            App::Postgres => send(client, &postgres::refusal(&sentence(connection))).await?,
            App::Redis => refuse_commands(client, &mut words, connection).await?,
            App::MySql => {}
        }
        part(client).await
    };
    if !matches!(timeout_at(deadline, refusing).await, Ok(Ok(()))) {
        client.reset();
    }
}

/// MySQL's claim stands in the answer to the server's greeting, whose salt it needs: the greeting goes to the client, and
/// the answer is read.
pub(super) async fn greet<C: Wire, I: Wire>(
    client: &C,
    instance: &I,
    connection: &Connection,
) -> io::Result<Greeted> {
    let mut greeting = Vec::new();
    let greeted = read(instance, &mut greeting, mysql::MAX_BYTES, mysql::greeting).await?;
    let (value, length) = greeted.map_err(odd)?;
    if greeting.len() > length {
        return Err(odd("the server says more than its greeting"));
    }
    // What the client says has to be read, so that it is not to begin TLS; the server is told nothing of that.
    match &value {
        mysql::Greeting::Offer(_) => value.without_tls(&mut greeting),
        mysql::Greeting::Refusal => {
            send(client, &greeting).await?;
            part(client).await?;
            return Ok(Greeted::Refused);
        }
    }
    send(client, &greeting).await?;
    let mut words = Vec::new();
    let (value, length) = match read(client, &mut words, mysql::MAX_BYTES, mysql::response).await? {
        Ok(response) => response,
        Err(what) => {
            send(client, &mysql::complaint(what)).await?;
            part(client).await?;
            return Ok(Greeted::Refused);
        }
    };
    let login = match value {
        mysql::Response::Login(login) => login,
        // It was told that there is none.
        mysql::Response::WantsTls { sequence } => {
            send(client, &mysql::refusal_after_response(sequence, "", connection.client().ip())).await?;
            part(client).await?;
            return Ok(Greeted::Refused);
        }
    };
    let token = login.proof.as_ref().map(|proof| Digest::of(proof.text().as_bytes()));
    if let Some(proof) = &login.proof {
        // A server shows attributes to whoever may look at its sessions.
        proof.blot(&mut words[..length]);
    }
    take(connection, login.jobname.clone(), token);
    let refusal = mysql::refusal_after_response(login.sequence, &login.user, connection.client().ip());
    Ok(Greeted::Said { words, refusal })
}

/// What became of a greeting.
pub(super) enum Greeted {
    /// The client's answer, and what to say to it if it is not let in.
    Said { words: Words, refusal: Vec<u8> },
    /// It is over, and was said.
    Refused,
}

/// A refusal that is ready, then the end.
pub(super) async fn say<C: Wire>(client: &C, refusal: &[u8], deadline: Instant) {
    let saying = async {
        send(client, refusal).await?;
        part(client).await
    };
    if !matches!(timeout_at(deadline, saying).await, Ok(Ok(()))) {
        client.reset();
    }
}

/// A name that is no JOBNAME is somebody's own affair, and claims nothing.
fn take(connection: &Connection, claimed: Option<String>, token: Option<Digest>) {
    if let Some(name) = claimed.filter(|name| name.parse::<JobName>().is_ok()) {
        connection.set_jobname(Some(name.into()));
    }
    if let Some(token) = token {
        connection.set_token(token);
    }
}

/// Nothing of the rules is told: neither which there are nor who would be let in.
fn sentence(connection: &Connection) -> String {
    format!("access denied: {} may not use this service", connection.client().ip())
}

/// PostgreSQL's StartupMessage stays in `words`; the name of the application that it gives.
async fn startup<C: Wire>(client: &C, words: &mut Words) -> io::Result<Option<String>> {
    for _ in 0..ASKS {
        let (first, length) = match read(client, words, postgres::MAX_BYTES, postgres::first).await? {
            Ok(first) => first,
            Err(what) => {
                send(client, &postgres::complaint(what)).await?;
                part(client).await?;
                return Err(odd(what));
            }
        };
        match first {
            postgres::First::TlsRequest | postgres::First::GssRequest => {
                words.drain(..length);
                // What comes behind it was meant to be in TLS.
                if !words.is_empty() {
                    return Err(odd("bytes behind a request for encryption"));
                }
                send(client, postgres::NO).await?;
            }
            // It has no names, and is answered nothing.
            postgres::First::Cancel => return Ok(None),
            postgres::First::Startup(startup) => return Ok(startup.application_name),
        }
    }
    Err(odd("encryption is asked for again and again"))
}

/// Redis' first command that names the client stays in `words`, with what follows; the others were answered.
async fn naming<C: Wire>(client: &C, words: &mut Words) -> io::Result<Option<String>> {
    for _ in 0..COMMANDS {
        let read = read(client, words, redis::MAX_BYTES, |bytes| match redis::command(bytes) {
            Parsed::Incomplete => Parsed::Incomplete,
            Parsed::Wrong(what) => Parsed::Wrong(what),
            Parsed::Whole { value, length } => match value.client_name() {
                Err(what) => Parsed::Wrong(what),
                Ok(name) => {
                    let name = name.map(|name| String::from_utf8_lossy(name).into_owned());
                    Parsed::Whole { value: (name, value.is_empty()), length }
                }
            },
        });
        match read.await? {
            Ok(((Some(name), _), _)) => return Ok(Some(name)),
            Ok(((None, nothing), length)) => {
                words.drain(..length);
                if !nothing {
                    send(client, redis::NAME_FIRST).await?;
                }
            }
            Err(what) => {
                send(client, &redis::complaint(what)).await?;
                part(client).await?;
                return Err(odd(what));
            }
        }
    }
    Err(odd("commands without a name"))
}

/// Clients that begin with several commands show the answer to the last of them.
async fn refuse_commands<C: Wire>(client: &C, words: &mut Words, connection: &Connection) -> io::Result<()> {
    let refusal = redis::refusal(&sentence(connection));
    for _ in 0..COMMANDS {
        let read = read(client, words, redis::MAX_BYTES, |bytes| match redis::command(bytes) {
            Parsed::Incomplete => Parsed::Incomplete,
            Parsed::Wrong(what) => Parsed::Wrong(what),
            Parsed::Whole { value, length } => Parsed::Whole { value: value.is_empty(), length },
        });
        match read.await {
            Ok(Ok((nothing, length))) => {
                words.drain(..length);
                if !nothing {
                    send(client, &refusal).await?;
                }
            }
            Ok(Err(what)) => return send(client, &redis::complaint(what)).await,
            // It has heard enough.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads until `parse` says what the first bytes are; it is never `Incomplete` with `most` of them.
async fn read<W: Wire, T>(
    wire: &W,
    bytes: &mut Vec<u8>,
    most: usize,
    mut parse: impl FnMut(&[u8]) -> Parsed<T>,
) -> io::Result<Result<(T, usize), &'static str>> {
    let mut some = [0; 4 << 10];
    loop {
        match parse(bytes) {
            Parsed::Whole { value, length } => return Ok(Ok((value, length))),
            Parsed::Wrong(what) => return Ok(Err(what)),
            Parsed::Incomplete if bytes.len() >= most => return Ok(Err("it does not end")),
            Parsed::Incomplete => {}
        }
        match poll_fn(|cx| wire.poll_read(cx, &mut some)).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => bytes.extend_from_slice(&some[..n]),
        }
    }
}

async fn send<W: Wire>(wire: &W, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match poll_fn(|cx| wire.poll_write(cx, bytes)).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n => bytes = &bytes[n..],
        }
    }
    poll_fn(|cx| wire.poll_flush(cx)).await
}

/// The end of what is said, and the client is heard out for a moment: a socket that is closed with unread bytes resets, and
/// a reset overtakes the text (RFC 2525, 2.17).
async fn part<W: Wire>(wire: &W) -> io::Result<()> {
    poll_fn(|cx| wire.poll_shutdown(cx)).await?;
    let (mut some, mut heard) = ([0; 4 << 10], 0);
    let hearing = async {
        while heard < HEARD {
            match poll_fn(|cx| wire.poll_read(cx, &mut some)).await {
                Ok(0) | Err(_) => return,
                Ok(n) => heard += n,
            }
        }
    };
    let _ = tokio::time::timeout(PARTING, hearing).await;
    Ok(())
}

fn odd(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
