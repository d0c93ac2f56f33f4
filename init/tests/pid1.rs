//! As PID 1 of a namespace of its own, where nobody else reaps and default actions do not exist.

mod support;

use std::process::Command;

use support::{PROGRAM, Running, send, start, until_some};

/// `job-init <options> -- perl -e <script>` as PID 1; without root, in a user namespace too.
fn as_pid_1(options: &[&str], script: &str) -> Running {
    let root = support::proc_status(std::process::id(), "Uid").is_some_and(|uids| uids.starts_with('0'));
    let mut unshare = Command::new("unshare");
    if !root {
        unshare.arg("-r");
    }
    unshare.args(["--pid", "--fork", "--mount-proc", "--kill-child", "--", PROGRAM]).args(options);
    start(unshare.args(["--", "perl", "-MPOSIX", "-e", &format!("$| = 1; {script}")]))
}

/// init's process id as it is outside.
fn pid_of_init(unshare: &Running) -> u32 {
    let path = format!("/proc/{0}/task/{0}/children", unshare.pid());
    until_some("PID 1 to start", || std::fs::read_to_string(&path).ok()?.trim().parse().ok())
}

#[test]
fn the_status_is_the_commands() {
    let mut init = as_pid_1(&[], r#"print getppid, "\n"; _exit(7);"#);
    init.expect("1");
    assert_eq!(init.status(), 7);
    assert_eq!(as_pid_1(&[], "kill KILL => $$; sleep 1 while 1;").status(), 137);
}

#[test]
fn signals_reach_the_command() {
    let script = r#"
        $SIG{$_} = sub { print "$_[0]\n" } for qw(HUP USR1 INT);
        $SIG{TERM} = sub { print "TERM\n"; _exit(4) };
        print "ready\n"; sleep 1 while 1;"#;
    let mut unshare = as_pid_1(&[], script);
    unshare.expect("ready");
    let init = pid_of_init(&unshare);
    for signal in ["HUP", "USR1", "INT", "TERM"] {
        send(signal, init);
        unshare.expect(signal);
    }
    assert_eq!(unshare.status(), 4);
}

#[test]
fn a_terminal_stop_does_not_stop_pid_1() {
    let mut unshare = as_pid_1(&[], r#"print "ready\n"; sleep 1 while 1;"#);
    unshare.expect("ready");
    let init = pid_of_init(&unshare);
    send("TSTP", init);
    send("CONT", init);
    send("TERM", init);
    assert_eq!(unshare.status(), 143);
}

#[test]
fn orphans_are_reaped() {
    // Many at once, so that their SIGCHLDs coalesce.
    let script = r#"
        for (1 .. 50) { if (!fork) { if (!fork) { _exit(0) } _exit(0) } }
        1 while wait > 0;
        my $left = 1;
        for (1 .. 2000) {
            $left = () = grep { !m{^/proc/(1|$$)$} } glob "/proc/[0-9]*";
            last if !$left;
            select undef, undef, undef, 0.005;
        }
        print "left $left\n";"#;
    let mut init = as_pid_1(&[], script);
    init.expect("left 0");
    assert_eq!(init.status(), 0);
}

#[test]
fn a_group_that_ignores_term_is_killed() {
    let script = r#"
        pipe(my $read, my $write);
        if (!fork) { $SIG{TERM} = "IGNORE"; print $write "x\n"; close $write; sleep 1 while 1 }
        <$read>; _exit(3);"#;
    assert_eq!(as_pid_1(&["--grace", "200ms"], script).status(), 3);
}
