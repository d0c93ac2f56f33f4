//! Servers and clients that people run, unchanged, with the gateway between them.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Output};

use roundhouse_tests::databases::{MariaDb, Postgres, Redis, said, with_input};
use roundhouse_tests::{Gateway, dial};

fn redis(gateway: &Gateway) -> (Redis, SocketAddr) {
    let address = SocketAddr::new(gateway.net.app(0), 6379);
    let server = Redis::start(address, &[]);
    (server, gateway.tcp_job("redis", 6379, "", &[address]))
}

fn redis_cli(server: SocketAddr, arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new("redis-cli");
    command.args(["-h", &server.ip().to_string(), "-p", &server.port().to_string()]).args(arguments);
    with_input(command, input)
}

#[test]
fn redis_sets_gets_and_takes_a_pipeline() {
    let gateway = Gateway::start();
    let (_server, vip) = redis(&gateway);
    assert_eq!(said(&redis_cli(vip, &["SET", "name", "value"], b"")), "OK");
    assert_eq!(said(&redis_cli(vip, &["GET", "name"], b"")), "value");

    let commands: String = (0..10_000).map(|n| format!("SET key{n} {n}\r\n")).collect();
    let piped = said(&redis_cli(vip, &["--pipe"], commands.as_bytes()));
    assert!(piped.contains("errors: 0, replies: 10000"), "{piped}");
    assert_eq!(said(&redis_cli(vip, &["DBSIZE"], b"")), "10001");
    let value = "v".repeat(8_000_000);
    assert_eq!(said(&redis_cli(vip, &["-x", "SET", "large"], value.as_bytes())), "OK");
    assert_eq!(said(&redis_cli(vip, &["GET", "large"], b"")).len(), value.len());
}

#[test]
fn a_subscriber_stays_while_others_come_and_go() {
    let gateway = Gateway::start();
    let (_server, vip) = redis(&gateway);
    let mut subscriber = BufReader::new(dial(vip));
    subscriber.get_mut().write_all(b"SUBSCRIBE news\r\n").unwrap();
    let lines = |reader: &mut BufReader<TcpStream>, last: &str| loop {
        let mut line = String::new();
        assert!(reader.read_line(&mut line).unwrap() > 0, "closed before {last}");
        if line.trim_end() == last {
            return;
        }
    };
    lines(&mut subscriber, ":1");
    for n in 0..20 {
        let message = format!("message-{n}");
        assert_eq!(said(&redis_cli(vip, &["PUBLISH", "news", &message], b"")), "1");
        lines(&mut subscriber, &message);
    }
}

#[test]
fn postgresql_answers_queries_and_copies_a_million_rows() {
    let gateway = Gateway::start();
    let address = SocketAddr::new(gateway.net.app(0), 5432);
    let _postgres = Postgres::start(address);
    let vip = gateway.tcp_job("db", 5432, "", &[address]);
    let psql = |statement: &str, input: &[u8]| {
        let mut command = Command::new("psql");
        command.args(["-h", &vip.ip().to_string(), "-U", "test", "-d", "postgres", "-XAtc", statement]);
        said(&with_input(command, input))
    };
    assert_eq!(psql("SELECT 6 * 7", b""), "42");
    assert_eq!(psql("CREATE TABLE numbers (n int, text text)", b""), "CREATE TABLE");
    let rows: String = (0..300_000).map(|n| format!("{n}\tthe row of number {n}\n")).collect();
    assert_eq!(psql("COPY numbers FROM STDIN", rows.as_bytes()), "COPY 300000");
    let back = psql("COPY (SELECT * FROM numbers ORDER BY n) TO STDOUT", b"");
    assert!(back == rows.trim(), "{} bytes of {}", back.len(), rows.len());
    assert_eq!(psql("SELECT count(*) FROM generate_series(1, 1000000)", b""), "1000000");
}

/// The server speaks first, and a client that waits for it must not have to send a byte.
#[test]
fn mariadb_greets_before_the_client_says_anything() {
    let gateway = Gateway::start();
    let address = SocketAddr::new(gateway.net.app(0), 3306);
    let _server = MariaDb::start(address, &[]);
    let vip = gateway.tcp_job("mysql", 3306, "", &[address]);
    let mut client = Command::new("mariadb");
    client.args(["--no-defaults", "-h", &vip.ip().to_string(), "-N", "-e", "SELECT REPEAT('x', 1000000)"]);
    let answer = said(&with_input(client, b""));
    assert_eq!(answer.len(), 1_000_000, "{}", &answer[..answer.len().min(200)]);
}
