//! Servers and clients that people run, unchanged, with the gateway between them.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Output, Stdio};

use roundhouse_tests::{Background, Gateway, SOON, TempDir, dial, eventually};

fn redis(gateway: &Gateway) -> (Background, SocketAddr) {
    let address = SocketAddr::new(gateway.net.app(0), 6379);
    let mut command = Command::new("redis-server");
    command.args(["--bind", &address.ip().to_string(), "--port", "6379"]);
    command.args(["--save", "", "--appendonly", "no", "--dir"]).arg(gateway.folder());
    let server = Background::spawn(command);
    eventually(SOON, "redis listens", || TcpStream::connect(address).is_ok());
    let vip = gateway.tcp_job("redis", 6379, "", &[address]);
    (server, vip)
}

fn redis_cli(server: SocketAddr, arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new("redis-cli");
    command.args(["-h", &server.ip().to_string(), "-p", &server.port().to_string()]).args(arguments);
    with_input(command, input)
}

fn with_input(mut command: Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).trim().to_owned()
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

/// PostgreSQL refuses to be root, so root hands its folder to the user that the package made.
struct Postgres {
    _server: Background,
    _folder: TempDir,
}

impl Postgres {
    fn start(address: SocketAddr) -> Postgres {
        let folder = TempDir::new().unwrap();
        if roundhouse_tests::is_root() {
            let status = Command::new("chown").arg("postgres").arg(folder.path()).status().unwrap();
            assert!(status.success());
        }
        let data = folder.path().join("data");
        let mut init = as_its_user(&program("initdb"));
        init.args(["--auth=trust", "--username=test", "--no-sync", "--pgdata"]).arg(&data);
        let output = init.current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        let mut command = as_its_user(&program("postgres"));
        command.arg("-D").arg(&data).current_dir(folder.path());
        let settings = [
            format!("listen_addresses={}", address.ip()),
            format!("unix_socket_directories={}", folder.path().display()),
            "fsync=off".into(),
            "shared_buffers=16MB".into(),
            "dynamic_shared_memory_type=mmap".into(),
        ];
        for setting in &settings {
            command.args(["-c", setting]);
        }
        let server = Background::spawn(command);
        server.wait_line(SOON * 3, "ready to accept connections");
        Postgres { _server: server, _folder: folder }
    }
}

/// Debian has them in a folder a version, which is in nobody's PATH.
fn program(name: &str) -> String {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("postgresql is installed");
    let mut found: Vec<_> = versions.flatten().map(|version| version.path().join("bin").join(name)).collect();
    found.retain(|path| path.exists());
    found.sort();
    found.pop().expect("postgresql is installed").display().to_string()
}

fn as_its_user(program: &str) -> Command {
    if !roundhouse_tests::is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", program]);
    command
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
    let folder = gateway.folder().join("mariadb");
    let installed = Command::new("mariadb-install-db")
        .args(["--no-defaults", "--user=root", "--auth-root-authentication-method=normal", "--skip-test-db"])
        .arg(format!("--datadir={}", folder.display()))
        .output()
        .unwrap();
    assert!(installed.status.success(), "{}", said(&installed));
    let mut command = Command::new("mariadbd");
    command.args(["--no-defaults", "--user=root", "--skip-grant-tables", "--skip-networking=0"]);
    command.arg(format!("--datadir={}", folder.display()));
    command.arg(format!("--bind-address={}", address.ip()));
    command.arg(format!("--socket={}", folder.join("socket").display()));
    let _server = Background::spawn(command);
    eventually(SOON * 3, "mariadb listens", || TcpStream::connect(address).is_ok());
    let vip = gateway.tcp_job("mysql", 3306, "", &[address]);
    let mut client = Command::new("mariadb");
    client.args(["--no-defaults", "-h", &vip.ip().to_string(), "-N", "-e", "SELECT REPEAT('x', 1000000)"]);
    let answer = said(&with_input(client, b""));
    assert_eq!(answer.len(), 1_000_000, "{}", &answer[..answer.len().min(200)]);
}
