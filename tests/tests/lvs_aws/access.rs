//! Endpoints and credentials that do not do.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::Duration;

use lvs_sync::sink::aws::{Aws, Options};
use lvs_sync::sink::{Sink, SinkError};
use roundhouse_tests::{Background, Server, TempDir};

use crate::stage::credentials;

/// Set for the process that looks for credentials, whose environment is its own.
const LOOK: &str = "TEST_LOOK_AT";

fn fails(endpoint: &str, folder: &TempDir) -> SinkError {
    let options = Options {
        region: Some("us-east-1".into()),
        endpoint: Some(endpoint.into()),
        credentials_file: Some(credentials(folder)),
    };
    Aws::new(options).unwrap().dump().unwrap_err()
}

#[test]
fn a_wrong_endpoint_says_which() {
    let folder = TempDir::new().unwrap();
    // A port that is held and not listened at.
    let held = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = fails(&format!("http://{held}"), &folder);
    let told =
        matches!(&error, SinkError::Io { source, .. } if source.to_string().contains(&held.to_string()));
    assert!(told, "{error}");
    let web = Server::heads(([127, 0, 0, 1], 0).into());
    let error = fails(&format!("http://{}", web.address), &folder);
    let told = matches!(&error, SinkError::Strange(text) if text.contains("`endpoint`"));
    assert!(told, "{error}");
    let error = fails("no endpoint", &folder);
    assert!(error.to_string().contains("endpoint"), "{error}");
}

#[test]
fn a_credentials_file_that_is_not_there_is_named() {
    let options = Options {
        region: Some("us-east-1".into()),
        endpoint: Some("http://127.0.0.1:1".into()),
        credentials_file: Some("/nonexistent/credentials".into()),
    };
    let error = Aws::new(options).unwrap().dump().unwrap_err();
    let told = matches!(&error, SinkError::Refused(text) if text.contains("/nonexistent/credentials"));
    assert!(told, "{error}");
}

#[test]
fn without_credentials_it_says_where_they_come_from_and_hangs_nowhere() {
    if let Ok(endpoint) = std::env::var(LOOK) {
        let region = std::env::var("TEST_REGION").ok();
        let mut sink =
            Aws::new(Options { region, endpoint: Some(endpoint), credentials_file: None }).unwrap();
        println!("said: {}", sink.dump().unwrap_err());
        return;
    }
    // One that takes connections, and says nothing.
    let silent = Server::start(([127, 0, 0, 1], 0).into(), |stream| {
        let _ = std::io::copy(&mut &stream, &mut std::io::sink());
    });
    let metadata = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", silent.address)];
    let task = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", silent.address)];
    for (looking, said) in [
        (look(&[], Some("us-east-1")), "AWS_ACCESS_KEY_ID"),
        (look(&[], None), "no AWS region"),
        (look(&metadata, Some("us-east-1")), "AWS_ACCESS_KEY_ID"),
        // Left to itself, the SDK would wait for longer.
        (look(&task, Some("us-east-1")), "within 10 s"),
    ] {
        let line = looking.wait_line(Duration::from_secs(13), "said: ");
        assert!(line.contains(said), "{line}");
    }
}

/// A process with nothing in its environment but where to ask for credentials.
fn look(sources: &[(&str, SocketAddr)], region: Option<&str>) -> Background {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let name = "access::without_credentials_it_says_where_they_come_from_and_hangs_nowhere";
    command.args(["--exact", name, "--nocapture"]);
    command.env_clear().env(LOOK, "http://127.0.0.1:1").env("HOME", "/nonexistent");
    for (name, address) in sources {
        command.env(name, format!("http://{address}/"));
    }
    if sources.iter().all(|(name, _)| !name.contains("EC2")) {
        command.env("AWS_EC2_METADATA_DISABLED", "true");
    }
    if let Some(region) = region {
        command.env("TEST_REGION", region);
    }
    Background::spawn(command)
}
