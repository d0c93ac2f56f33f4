//! Which gateway is asked, and what happens when nobody answers or nobody listens.

use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use roundhouse_tests::{Gateway, SOON, free_port, programs};

use crate::Said;

fn without_server(arguments: &[&str]) -> std::process::Command {
    let mut command = programs::roundhouse();
    command.args(arguments).env_remove("ROUNDHOUSE_SERVER");
    command
}

#[test]
fn the_server_is_named_by_option_or_environment() {
    let gateway = Gateway::start();
    gateway.put_job("app2", 1111, "tcp");
    let asked = |said: Said| {
        assert!(said.code == Some(0) && said.out.contains("app2"), "{said:?}");
    };
    let get = || without_server(&["get", "jobs"]);
    asked(get().env("ROUNDHOUSE_SERVER", gateway.url()).output().unwrap().into());
    // Without a scheme too, and the option goes before the environment, wherever it stands.
    asked(get().env("ROUNDHOUSE_SERVER", gateway.admin().to_string()).output().unwrap().into());
    let nobody = format!("http://127.0.0.1:{}", free_port());
    asked(get().env("ROUNDHOUSE_SERVER", nobody).args(["--server", &gateway.url()]).output().unwrap().into());
}

#[test]
fn a_server_that_is_not_there_is_named_with_how_to_name_another() {
    let gateway = Gateway::start();
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let file = crate::example("stack.jobs").display().to_string();
    for arguments in [
        &["get", "jobs"][..],
        &["apply", &file],
        &["diff", &file],
        &["describe", "app2"],
        &["drain", "app2/17"],
        &["explain", "app2.jobs"],
    ] {
        let began = Instant::now();
        let said: Said = without_server(arguments).args(["--server", &nobody]).output().unwrap().into();
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{said:?}");
        assert!(said.err.starts_with(&format!("error: {nobody} does not answer: ")), "{said:?}");
        assert!(said.err.contains("start it with `roundhouse run`"), "{said:?}");
        assert!(said.err.contains("--server or ROUNDHOUSE_SERVER"), "{said:?}");
        assert!(began.elapsed() < SOON, "{arguments:?}");
    }
    for (server, sentence) in [
        ("etcd://127.0.0.1:2379", "is no gateway; write its admin address, as in http://127.0.0.1:8400"),
        (&format!("https://{}", gateway.admin()), "does it speak TLS there?"),
        // The entrypoint answers, but not with the API.
        (&format!("http://{}", gateway.http()), "answered 404"),
    ] {
        let said: Said = without_server(&["--server", server, "get", "jobs"]).output().unwrap().into();
        assert!(said.code == Some(1) && said.err.contains(sentence), "{server}: {said:?}");
    }
}

#[test]
fn a_server_that_says_nothing_or_nonsense_is_not_waited_for_long() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let began = Instant::now();
    let said: Said = without_server(&["--server", &address, "get", "jobs"]).output().unwrap().into();
    assert!(said.code == Some(1) && said.err.contains("no answer within 5s"), "{said:?}");
    assert!(began.elapsed() < Duration::from_secs(15));

    let talker = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = talker.local_addr().unwrap().to_string();
    let talking = std::thread::spawn(move || {
        let (mut stream, _) = talker.accept().unwrap();
        stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").unwrap();
        // Held open until the client has had enough.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let said: Said = without_server(&["--server", &address, "get", "jobs"]).output().unwrap().into();
    assert!(said.code == Some(1) && said.err.contains(&address), "{said:?}");
    talking.join().unwrap();
}

#[test]
fn output_into_a_closed_pipe_is_no_panic() {
    let gateway = Gateway::start();
    gateway.put_job("app2", 1111, "tcp");
    for arguments in
        [&["get", "jobs"][..], &["get", "jobs", "-o", "json"], &["describe", "app2"], &["--help"]]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = without_server(arguments);
        let output = command.env("ROUNDHOUSE_SERVER", gateway.url()).stdout(writer).output().unwrap();
        let said = Said::from(output);
        assert!(said.code == Some(0) && said.err.is_empty(), "{arguments:?}: {said:?}");
    }
}

#[test]
fn a_wrong_command_line_is_1_and_not_2() {
    // 2 means differences.
    for arguments in [&[][..], &["get", "nothing"], &["apply"], &["get", "jobs", "--colour"], &["nope"]] {
        let said: Said = without_server(arguments).output().unwrap().into();
        assert_eq!(said.code, Some(1), "{arguments:?}: {said:?}");
        assert!(!said.err.is_empty(), "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["--version"], &["get", "--help"]] {
        let said: Said = without_server(arguments).output().unwrap().into();
        assert!(said.code == Some(0) && !said.out.is_empty(), "{arguments:?}: {said:?}");
    }
}
