//! `[limits]` and `[tcp]` of the L4 engine, and hubs.

use std::time::Duration;

use super::{parse, problems};
use crate::settings::{Answer, Catch};

#[test]
fn limits_are_taken() {
    let limits = parse(
        r#"
        [limits]
        lifetime = "1d"
        hello_timeout = "100ms"
        connections_per_client = 1
        client_prefix_v4 = 24
        client_prefix_v6 = 56
        udp_idle = "1h"
        udp_sessions = 1000000
        handshakes = 1
        [tcp]
        fast_open = true
        "#,
    );
    assert!(limits.tcp.fast_open);
    let limits = limits.limits;
    assert_eq!(limits.lifetime, Some(Duration::from_secs(86_400)));
    assert_eq!(limits.hello_timeout, Duration::from_millis(100));
    assert_eq!(limits.connections_per_client, Some(1));
    assert_eq!((limits.client_prefix_v4, limits.client_prefix_v6), (24, 56));
    assert_eq!(limits.udp_idle, Duration::from_secs(3_600));
    assert_eq!((limits.udp_sessions, limits.handshakes), (1_000_000, 1));
    assert_eq!(parse("").limits.lifetime, None);
    assert_eq!(parse("").limits.connections_per_client, None);
}

#[test]
fn limits_have_bounds() {
    for (line, instead) in [
        ("lifetime = \"999ms\"", "write \"1s\" to \"30d\""),
        ("lifetime = \"31d\"", "write \"1s\" to \"30d\""),
        ("lifetime = 5", "write lifetime = \"1d\""),
        ("hello_timeout = \"2m\"", "write \"100ms\" to \"1m\""),
        ("connections_per_client = 0", "write 1 to 1000000"),
        ("connections_per_client = \"5\"", "write connections_per_client = 1000"),
        ("client_prefix_v4 = 33", "write 8 to 32"),
        ("client_prefix_v6 = 15", "write 16 to 128"),
        ("udp_idle = \"2h\"", "write \"1s\" to \"1h\""),
        ("udp_sessions = 0", "write 1 to 1000000"),
        ("handshakes = 0", "write 1 to 10000"),
    ] {
        let text = problems(&format!("[limits]\n{line}\n"));
        let key = line.split(' ').next().unwrap();
        assert!(text.contains(&format!("limits.{key}: ")) && text.contains(instead), "{text}");
    }
    assert!(problems("tcp.fast_open = 1").contains("not true or false\n  hint: write fast_open = true"));
    assert!(problems("tcp.fast = true").contains("tcp.fast: unknown key\n  hint: known here: fast_open"));
}

#[test]
fn hubs_and_capture_are_taken() {
    let names = parse("[names]\nanswer = \"hub\"\nhub_addresses = [\"10.0.0.5\", \"2001:db8::5\"]").names;
    assert_eq!(names.answer, Answer::Hub);
    assert_eq!(names.hub_addresses.len(), 2);
    assert_eq!(names.catch, Catch::Bind);
    assert_eq!(parse("names.catch = \"capture\"").names.catch, Catch::Capture);
    assert!(parse("names.hub_addresses = []").names.hub_addresses.is_empty());
}
