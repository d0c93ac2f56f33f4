//! MySQL, PostgreSQL and Redis: refused in their own words, which their own clients print, and asked there who the client
//! is where its address alone does not say.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Command;

use roundhouse_tests::databases::{MariaDb, Postgres, Redis, said, with_input};
use roundhouse_tests::{Gateway, SOON, dial_from, eventually, read_to_its_end, seen};

use super::{lives, put_rule};

/// A job of this app, whose clients are `web` (let in, alone at its address), `stranger` (not), and both at one address.
struct Stage {
    gateway: Gateway,
    vip: SocketAddr,
    server: SocketAddr,
}

const WEB: u8 = 0;
const STRANGER: u8 = 1;
const BOTH: u8 = 2;
const PROVED: u8 = 3;
const TOKEN: &str = "rhp_0123456789abcdef";

impl Stage {
    fn start(app: &str, port: u16) -> Stage {
        let gateway = Gateway::start();
        let server = SocketAddr::new(gateway.net.app(90), port);
        let vip = gateway.tcp_job("db", port, &format!(r#""app":"{app}""#), &[]);
        gateway.register("db", server);
        lives(&gateway, "web", WEB, "");
        lives(&gateway, "stranger", STRANGER, "");
        lives(&gateway, "web", BOTH, r#","shared_ip":true"#);
        lives(&gateway, "stranger", BOTH, r#","shared_ip":true"#);
        let hash = roundhouse_registry::record::Digest::of(TOKEN.as_bytes());
        lives(&gateway, "prover", PROVED, &format!(r#","proof":"{hash}""#));
        put_rule(&gateway, "web", r#"{"to":{"job":"db"},"from":{"jobname":"job.web"},"action":"allow"}"#);
        let proved =
            r#"{"to":{"job":"db"},"from":{"jobname":"job.prover"},"action":"allow","proof":"token"}"#;
        put_rule(&gateway, "proved", proved);
        gateway.wait_up("db", 1);
        Stage { gateway, vip, server }
    }

    fn client(&self, n: u8) -> IpAddr {
        self.gateway.net.app(n)
    }

    /// Dialled until the rules are in force, which is at once but not before the table is.
    #[track_caller]
    fn dial(&self, n: u8) -> TcpStream {
        dial_from(self.client(n), self.vip)
    }
}

/// A relay in front of the gateway by which a program that cannot choose its source address has one.
struct Via {
    server: roundhouse_tests::Server,
}

impl Via {
    fn new(stage: &Stage, n: u8) -> Via {
        let (client, vip) = (stage.client(n), stage.vip);
        let address = SocketAddr::new(stage.gateway.net.app(80 + n), vip.port());
        let server = roundhouse_tests::Server::start(address, move |near| {
            let far = dial_from(client, vip);
            let (mut near_reader, mut far_writer) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            let up = std::thread::spawn(move || {
                let _ = std::io::copy(&mut near_reader, &mut far_writer);
                let _ = far_writer.shutdown(std::net::Shutdown::Write);
            });
            let (mut far, mut near) = (far, near);
            // No longer than a client waits.
            far.set_read_timeout(Some(SOON)).unwrap();
            let _ = std::io::copy(&mut far, &mut near);
            let _ = near.shutdown(std::net::Shutdown::Write);
            let _ = up.join();
        });
        Via { server }
    }

    fn ip(&self) -> String {
        self.server.address.ip().to_string()
    }
}

/// Until the client prints this.
#[track_caller]
fn prints(what: &str, wanted: &str, mut run: impl FnMut() -> String) {
    eventually(SOON, what, || seen(run(), |said| said.contains(wanted)));
}

#[test]
fn mariadb_s_client_prints_why_it_is_refused() {
    let stage = Stage::start("mysql", 3306);
    let _server = MariaDb::start(stage.server, &[]);
    let run = |via: &Via| {
        let mut client = Command::new("mariadb");
        client.args([
            "--no-defaults",
            "--skip-ssl",
            "-u",
            "root",
            "-h",
            &via.ip(),
            "-N",
            "-e",
            "SELECT 6 * 7",
        ]);
        said(&with_input(client, b""))
    };
    let (web, stranger, both) = (Via::new(&stage, WEB), Via::new(&stage, STRANGER), Via::new(&stage, BOTH));
    prints("a stranger is told", "ERROR 1130", || run(&stranger));
    let told = run(&stranger);
    assert!(told.contains(&format!("Host '{}' is not allowed to connect", stage.client(STRANGER))), "{told}");
    prints("web is served", "42", || run(&web));
    // The client says nothing of who it is, and both might be.
    let told = run(&both);
    assert!(told.contains("ERROR 1045 (28000)") && told.contains("Access denied for user 'root'@"), "{told}");
}

#[test]
fn a_mysql_client_says_who_it_is_in_its_connection_attributes() {
    let stage = Stage::start("mysql", 3306);
    let _server = MariaDb::start(stage.server, &[]);
    eventually(SOON, "the rules are in force", || seen(login(&stage, BOTH, &[]), |answer| answer.1 == 1_045));
    for (who, attributes, wanted) in [
        (BOTH, vec![("jobname", "job.web")], 0),
        (BOTH, vec![("_client_name", "libmariadb"), ("jobname", "job.web")], 0),
        (BOTH, vec![("jobname", "job.stranger")], 1_045),
        (BOTH, vec![("jobname", "job.nobody")], 1_045),
        (BOTH, vec![("jobname", "not a name")], 1_045),
        // Alone at its address it need not say anything, and a claim does not make it another one.
        (WEB, vec![], 0),
        (STRANGER, vec![("jobname", "job.web")], 1_130),
        (PROVED, vec![], 1_045),
        (PROVED, vec![("jobname_proof", "rhp_wrong")], 1_045),
        (PROVED, vec![("jobname_proof", TOKEN)], 0),
        (PROVED, vec![("jobname", "job.prover"), ("jobname_proof", TOKEN)], 0),
    ] {
        let (first, code) = login(&stage, who, &attributes);
        assert_eq!(code, wanted, "{who} {attributes:?}: {first:02x}");
    }
}

/// What a login comes to: the first byte of the last packet and its error, 0 for none.
fn login(stage: &Stage, n: u8, attributes: &[(&str, &str)]) -> (u8, u16) {
    let mut stream = stage.dial(n);
    let greeting = packet(&mut stream);
    if greeting[0] == 0xff {
        return (0xff, u16::from_le_bytes([greeting[1], greeting[2]]));
    }
    // HandshakeResponse41 with PLUGIN_AUTH, SECURE_CONNECTION, PROTOCOL_41 and CONNECT_ATTRS, of a user without a password.
    let capabilities: u32 = 0x0000_0200 | 0x0000_8000 | 0x0008_0000 | 0x0010_0000;
    let mut payload = capabilities.to_le_bytes().to_vec();
    payload.extend_from_slice(&(1u32 << 24).to_le_bytes());
    payload.push(45);
    payload.extend_from_slice(&[0; 23]);
    payload.extend_from_slice(b"root\0\0mysql_native_password\0");
    let mut pairs = Vec::new();
    for (name, value) in attributes {
        for text in [name, value] {
            pairs.push(text.len() as u8);
            pairs.extend_from_slice(text.as_bytes());
        }
    }
    payload.push(pairs.len() as u8);
    payload.extend_from_slice(&pairs);
    let mut message = (payload.len() as u32).to_le_bytes();
    message[3] = 1;
    stream.write_all(&[&message[..], &payload].concat()).unwrap();
    let answer = packet(&mut stream);
    match answer[0] {
        0xff => (0xff, u16::from_le_bytes([answer[1], answer[2]])),
        first => (first, 0),
    }
}

fn packet(stream: &mut TcpStream) -> Vec<u8> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).unwrap();
    let mut payload = vec![0; u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize];
    stream.read_exact(&mut payload).unwrap();
    payload
}

#[test]
fn psql_prints_why_it_is_refused_and_says_who_it_is_by_its_application_name() {
    let stage = Stage::start("postgres", 5432);
    let _server = Postgres::start(stage.server);
    let run = |via: &Via, name: Option<&str>, mode: &str| {
        let mut client = Command::new("psql");
        let target = format!("host={} user=test dbname=postgres sslmode={mode}", via.ip());
        client.args(["-XAtc", "SELECT 6 * 7", &target]).env_remove("PGAPPNAME");
        if let Some(name) = name {
            client.env("PGAPPNAME", name);
        }
        said(&with_input(client, b""))
    };
    let (web, stranger, both) = (Via::new(&stage, WEB), Via::new(&stage, STRANGER), Via::new(&stage, BOTH));
    prints("a stranger is told", "FATAL:  access denied", || run(&stranger, None, "prefer"));
    assert!(run(&stranger, Some("job.web"), "disable").contains("access denied"));
    prints("web is served", "42", || run(&web, None, "prefer"));
    for mode in ["disable", "prefer"] {
        assert_eq!(run(&both, Some("job.web"), mode), "42");
        assert!(run(&both, Some("job.stranger"), mode).contains("FATAL:  access denied"), "{mode}");
        assert!(run(&both, None, mode).contains("FATAL:  access denied"), "{mode}");
    }
}

#[test]
fn redis_cli_prints_why_it_is_refused_and_a_client_names_itself_first() {
    let stage = Stage::start("redis", 6379);
    let _server = Redis::start(stage.server, &[]);
    let run = |via: &Via, input: &[u8]| {
        let mut client = Command::new("redis-cli");
        client.args(["-h", &via.ip()]);
        said(&with_input(client, input))
    };
    let (web, stranger, both) = (Via::new(&stage, WEB), Via::new(&stage, STRANGER), Via::new(&stage, BOTH));
    prints("a stranger is told", "NOPERM access denied", || run(&stranger, b"PING\n"));
    prints("web is served", "PONG", || run(&web, b"PING\n"));
    let unnamed = run(&both, b"PING\n");
    assert!(unnamed.contains("NOPERM name the client first: CLIENT SETNAME"), "{unnamed}");
    assert_eq!(run(&both, b"CLIENT SETNAME job.web\nPING\n"), "OK\nPONG");
    let other = run(&both, b"CLIENT SETNAME job.stranger\nPING\n");
    assert!(other.contains("NOPERM access denied") && !other.contains("PONG"), "{other}");
}

/// What a refused client sent does not reach the server, and the refusal reaches it before the end does.
#[test]
fn nothing_of_a_refused_client_is_forwarded() {
    let stage = Stage::start("redis", 6379);
    let server = roundhouse_tests::Server::echo(stage.server);
    eventually(SOON, "the rules are in force", || {
        let mut stream = stage.dial(STRANGER);
        stream.write_all(b"PING\r\n").unwrap();
        let mut said = [0; 7];
        let read = stream.read_exact(&mut said);
        seen((said, read.is_ok()), |(said, _)| said == b"-NOPERM")
    });
    let accepted = server.accepted();
    let mut stream = stage.dial(STRANGER);
    stream.write_all(b"SET secret 1\r\nGET secret\r\n").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let (said, _) = read_to_its_end(&mut stream);
    assert_eq!(String::from_utf8_lossy(&said).matches("-NOPERM").count(), 2);
    assert_eq!(server.accepted(), accepted);
}
