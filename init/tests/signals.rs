//! Signals: what arrives at the command, its group and init itself.

mod support;

use std::process::Command;
use std::time::Duration;

use support::{PROGRAM, afresh, contains, is_stopped, job_init, send, start, until, value, with_perl};

/// Prints its process id, then the name of every signal that arrives.
const ECHO: &str = r#"
    for my $name (qw(HUP INT QUIT ILL TRAP ABRT BUS FPE USR1 SEGV USR2 PIPE ALRM TERM XCPU WINCH RTMIN)) {
        # Perl runs the handlers of fault signals at once, so nothing may be buffered.
        $SIG{$name} = sub { syswrite STDOUT, "$name\n" };
    }
    print "$$\n"; sleep 1 while 1;"#;

fn echo(options: &[&str]) -> support::Running {
    with_perl(options, ECHO)
}

#[test]
fn every_catchable_signal_is_forwarded() {
    let init = echo(&[]);
    init.line();
    for signal in ["HUP", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "USR1", "SEGV", "USR2", "PIPE"] {
        init.signal(signal);
        init.expect(signal);
    }
    for signal in ["ALRM", "XCPU", "WINCH", "RTMIN", "INT", "TERM"] {
        init.signal(signal);
        init.expect(signal);
    }
}

#[test]
fn rewriting_replaces_and_drops() {
    let init = echo(&["--rewrite", "TERM:QUIT", "--rewrite", "1:0"]);
    init.line();
    init.signal("TERM");
    init.expect("QUIT");
    // Had HUP been forwarded, it would come first.
    init.signal("HUP");
    init.signal("USR1");
    init.expect("USR1");
}

#[test]
fn the_third_stop_kills() {
    let mut init = echo(&[]);
    init.line();
    for signal in ["TERM", "INT"] {
        init.signal(signal);
        init.expect(signal);
    }
    init.signal("TERM");
    assert_eq!(init.status(), 137);
}

/// The grandchild prints what it gets; the command's answer to TERM is to end.
const WITH_GRANDCHILD: &str = r#"
    pipe(my $read, my $write);
    if (!fork) {
        $SIG{$_} = sub { print "grandchild $_[0]\n" } for qw(USR1 TERM);
        print $write "x\n"; close $write; close $read; sleep 1 while 1;
    }
    $SIG{USR1} = sub { print "command USR1\n" };
    <$read>; print "ready\n"; sleep 1 while 1;"#;

#[test]
fn the_whole_group_is_signalled() {
    let mut init = with_perl(&["--grace", "200ms"], WITH_GRANDCHILD);
    init.expect("ready");
    init.signal("USR1");
    let mut got = [init.line(), init.line()];
    got.sort();
    assert_eq!(got, ["command USR1", "grandchild USR1"]);
    init.signal("TERM");
    init.expect("grandchild TERM");
    assert_eq!(init.status(), 143);
}

#[test]
fn a_single_child_is_signalled_alone() {
    let script = r#"
        pipe(my $read, my $write);
        my $pid = fork;
        if (!$pid) { $SIG{USR1} = sub { print "grandchild\n" }; print $write "x\n"; close $write; sleep 1 while 1 }
        $SIG{USR1} = sub { print "command\n"; };
        $SIG{TERM} = sub { kill KILL => $pid; wait; _exit(0) };
        <$read>; print getpgrp, "\n"; sleep 1 while 1;"#;
    let mut init = with_perl(&["--single-child"], script);
    assert_ne!(
        init.line(),
        init.pid().to_string(),
        "init leads no group here, and the command shares init's"
    );
    init.signal("USR1");
    init.expect("command");
    init.signal("TERM");
    assert_eq!(init.status(), 0);
    assert_eq!(init.rest(), [""; 0]);
}

#[test]
fn the_command_leads_a_session_and_a_group_unless_it_is_a_single_child() {
    let script = r#"printf "%d %d\n", getpgrp() == $$, (split / /, `cat /proc/$$/stat`)[5] == $$;"#;
    with_perl(&[], script).expect("1 1");
    with_perl(&["--single-child"], script).expect("0 0");
}

#[test]
fn without_a_registry_nothing_is_delayed() {
    let begin = std::time::Instant::now();
    let mut init = job_init(&["--drain-wait", "1h", "--", "sh", "-c", "echo ready; exec sleep 3600"]);
    init.expect("ready");
    init.signal("TERM");
    assert_eq!(init.status(), 143);
    assert!(begin.elapsed() < Duration::from_secs(20));
}

#[test]
fn an_unreachable_registry_holds_up_neither_start_nor_stop() {
    let options = ["--registry", "http://127.0.0.1:1", "--job", "app2", "--port", "1", "--check", "none"];
    let command = ["--drain-wait", "1h", "--", "sh", "-c", "echo $JOB_NAME; exec sleep 3600"];
    let mut init = job_init(&[&options[..], &command[..]].concat());
    init.expect("app2");
    init.stderr_until("not registered");
    init.signal("TERM");
    assert_eq!(init.status(), 143);
}

#[test]
fn a_command_that_does_not_answer_is_not_registered_and_ends_at_once() {
    let options = ["--registry", "http://127.0.0.1:1", "--job", "app2", "--port", "1"];
    let command = ["--drain-wait", "1h", "--", "sh", "-c", "echo ready; exec sleep 3600"];
    let mut init = job_init(&[&options[..], &command[..]].concat());
    init.expect("ready");
    init.stderr_until("127.0.0.1:1 does not answer");
    init.signal("INT");
    assert_eq!(init.status(), 130);
}

/// The signal sets of `cat`, run by job-init, run by a shell that ran `before`.
fn sets(before: &str) -> [String; 2] {
    let script = format!("{before} exec {PROGRAM} -- grep -E '^Sig(Blk|Ign)' /proc/self/status");
    let init = start(afresh("sh").args(["-c", &script]));
    [init.line(), init.line()].map(|line| value(&line))
}

#[test]
fn the_command_inherits_what_init_was_given() {
    const HUP: u32 = 1;
    const PIPE: u32 = 13;
    const CHLD: u32 = 17;
    let [blocked, ignored] = sets("");
    assert_eq!(blocked, "0".repeat(16));
    assert!(!contains(&ignored, HUP) && !contains(&ignored, PIPE) && !contains(&ignored, CHLD), "{ignored}");
    let [_, ignored] = sets("trap '' HUP PIPE;");
    assert!(contains(&ignored, HUP) && contains(&ignored, PIPE), "{ignored}");
}

#[test]
fn an_ignored_sigchld_is_kept_for_the_command_and_costs_no_status() {
    let script = r#"$SIG{CHLD} = "IGNORE"; sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGUSR1)); exec @ARGV;"#;
    let command = "grep -E '^Sig(Blk|Ign)' /proc/self/status; exit 5";
    // A shell would ask for SIGCHLD itself, so grep is looked at first and the status taken from a shell after it.
    let perl = ["-MPOSIX", "-e", script, PROGRAM, "--"];
    let init =
        start(Command::new("perl").args(perl).args(["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]));
    let [blocked, ignored] = [init.line(), init.line()].map(|line| value(&line));
    assert!(contains(&blocked, 10), "USR1 in {blocked}");
    assert!(contains(&ignored, 17), "CHLD in {ignored}");
    let mut init = start(Command::new("perl").args(perl).args(["sh", "-c", command]));
    assert_eq!(init.status(), 5);
}

#[test]
fn a_terminal_stop_stops_the_command_then_init_and_both_continue() {
    let init = echo(&[]);
    let command: u32 = init.line().parse().unwrap();
    for signal in ["TSTP", "TTIN", "TTOU"] {
        init.signal(signal);
        until("the command to stop", || is_stopped(command));
        until("init to stop", || is_stopped(init.pid()));
        send("CONT", init.pid());
        until("the command to continue", || !is_stopped(command) && !is_stopped(init.pid()));
    }
    init.signal("USR1");
    init.expect("USR1");
}

#[test]
fn on_a_terminal_the_command_is_in_the_foreground() {
    // script(1) makes a terminal whose session init leads, as container engines do.
    let perl = r#"perl -MPOSIX -e 'printf "%d %d\n", tcgetpgrp(0) == $$, getpgrp == $$'"#;
    let command = format!("exec {PROGRAM} -- {perl}");
    let terminal = start(Command::new("script").args(["-qec", &command, "/dev/null"]));
    assert_eq!(terminal.line().trim(), "1 1");
}

#[test]
fn giving_up_the_terminal_hangs_nothing_up() {
    // The kernel sends HUP and CONT to the group of a leader that lets go; they are not for the command.
    let perl = r#"perl -MPOSIX -e '$SIG{HUP} = sub { print "HUP\n" }; $| = 1; print "ready\n"; sleep 1; print "end\n"'"#;
    let command = format!("exec {PROGRAM} -- {perl}");
    let terminal = start(Command::new("script").args(["-qec", &command, "/dev/null"]));
    assert_eq!(terminal.line().trim(), "ready");
    assert_eq!(terminal.line().trim(), "end");
}
