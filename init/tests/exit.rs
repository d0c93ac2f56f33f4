//! Exit statuses and what the command leaves behind.

mod support;

use std::time::{Duration, Instant};

use support::{DEADLINE, job_init, proc_status, until, with_perl};

fn status(arguments: &[&str]) -> i32 {
    job_init(arguments).status()
}

#[test]
fn the_commands_own_status() {
    assert_eq!(status(&["true"]), 0);
    assert_eq!(status(&["--", "sh", "-c", "exit 7"]), 7);
    assert_eq!(status(&["--single-child", "--", "sh", "-c", "exit 7"]), 7);
}

#[test]
fn a_signal_adds_128() {
    assert_eq!(status(&["--", "sh", "-c", "kill -TERM $$"]), 143);
    assert_eq!(status(&["--", "sh", "-c", "kill -KILL $$"]), 137);
    // Real-time signals have no name that most libraries know.
    assert_eq!(status(&["--", "sh", "-c", "kill -40 $$"]), 168);
}

#[test]
fn not_found_is_127_and_not_executable_is_126() {
    let mut missing = job_init(&["no-such-command-anywhere"]);
    assert!(missing.stderr_until("job-init:").contains("cannot start `no-such-command-anywhere`"));
    assert_eq!(missing.status(), 127);
    assert_eq!(status(&["/no/such/file"]), 127);
    assert_eq!(status(&["/etc/passwd"]), 126);
    assert_eq!(status(&["/"]), 126);
}

#[test]
fn map_exit_replaces_statuses() {
    assert_eq!(status(&["--map-exit", "143:0", "--", "sh", "-c", "kill -TERM $$"]), 0);
    assert_eq!(status(&["--map-exit", "1:2,2:1", "--", "sh", "-c", "exit 1"]), 2);
    assert_eq!(status(&["--map-exit", "127:3", "no-such-command-anywhere"]), 3);
}

#[test]
fn what_init_itself_cannot_do_is_125() {
    assert_eq!(status(&["--no-such-option", "true"]), 125);
    assert_eq!(status(&[]), 125);
    assert_eq!(status(&["--registry", "http://127.0.0.1:1", "true"]), 125);
    assert_eq!(status(&["--config", "no/such.toml", "true"]), 125);
    assert_eq!(status(&["--help"]), 0);
}

#[test]
fn a_file_says_what_options_say_and_unknown_keys_are_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    std::fs::write(path, "map_exit = [\"1:9\"]\njob = \"app2\"\n").unwrap();
    let mut init = job_init(&["--config", path, "--", "sh", "-c", "echo $JOBNAME; exit 1"]);
    init.expect("job.app2");
    assert_eq!(init.status(), 9);
    std::fs::write(path, "map_exits = [\"1:9\"]\n").unwrap();
    let mut init = job_init(&["--config", path, "true"]);
    assert!(init.stderr_until("job-init:").contains(":1: map_exits: unknown field"));
    assert_eq!(init.status(), 125);
}

#[test]
fn the_command_learns_who_it_is_unless_told_not_to() {
    let script =
        r#"print join(",", map { $ENV{$_} // "-" } qw(JOB_NAME JOBNAME PORT_MAIN PORT_GRPC_ADMIN)), "\n";"#;
    let options = ["--jobname", "cop.coding_job.app2", "--port", "1111,grpc-admin=2222/grpc"];
    with_perl(&options, script).expect("app2,job.app2_cop.coding,1111,2222");
    with_perl(&[&options[..], &["--no-env"]].concat(), script).expect("-,-,-,-");
}

#[test]
fn orphans_are_reaped_while_the_command_runs() {
    // A child forks a grandchild and ends; the grandchild becomes init's and ends when its stdin does.
    let script = r#"
        pipe(my $read, my $write);
        if (!fork) { if (my $pid = fork) { print "$pid\n"; _exit(0) } close $write; <$read>; _exit(0) }
        close $read; wait;
        $SIG{USR1} = sub { close $write; print "closed\n" };
        print "ready\n"; sleep 1 while 1;"#;
    let mut init = with_perl(&[], script);
    let orphan: u32 = init.line().parse().unwrap();
    init.expect("ready");
    until("the orphan to become init's", || proc_status(orphan, "PPid") == Some(init.pid().to_string()));
    init.signal("USR1");
    init.expect("closed");
    until("the orphan to be reaped", || proc_status(orphan, "State").is_none());
    init.signal("TERM");
    assert_eq!(init.status(), 143);
}

#[test]
fn what_the_command_leaves_behind_gets_term_and_is_not_waited_out() {
    let start = Instant::now();
    let script = r#"
        pipe(my $read, my $write);
        if (!fork) { $SIG{TERM} = sub { print "told\n"; _exit(0) }; print $write "x\n"; close $write; sleep 1 while 1 }
        <$read>; _exit(3);"#;
    let mut init = with_perl(&["--grace", "60s"], script);
    init.expect("told");
    assert_eq!(init.status(), 3);
    assert!(start.elapsed() < DEADLINE, "the grace was slept out");
}

#[test]
fn what_ignores_term_is_killed_after_the_grace() {
    let script = r#"
        pipe(my $read, my $write);
        my $pid = fork;
        if (!$pid) { $SIG{TERM} = "IGNORE"; print $write "x\n"; close $write; sleep 1 while 1 }
        <$read>; print "$pid\n"; _exit(3);"#;
    let start = Instant::now();
    let mut init = with_perl(&["--grace", "400ms"], script);
    let left: u32 = init.line().parse().unwrap();
    assert_eq!(init.status(), 3);
    assert!(start.elapsed() >= Duration::from_millis(400), "killed before the grace was over");
    assert!(proc_status(left, "State").is_none(), "still there");
}
