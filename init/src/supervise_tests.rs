use super::*;

const GRACE: Duration = Duration::from_secs(10);
const DRAIN_WAIT: Duration = Duration::from_secs(5);
const OK: ExitStatus = ExitStatus::INIT_FAILED;

fn supervisor(own_session: bool, rules: &[&str], has_registrar: bool) -> Supervisor {
    let rewrites = Rewrites::new(rules.iter().map(|rule| rule.parse().unwrap()).collect());
    Supervisor::new(Policy { own_session, rewrites, grace: GRACE, drain_wait: DRAIN_WAIT }, has_registrar)
}

fn registered() -> Supervisor {
    let mut supervisor = supervisor(true, &[], true);
    assert_eq!(supervisor.on_news(News::Registered, Instant::now()), []);
    supervisor
}

fn signal(name: &str) -> Signal {
    name.parse().unwrap()
}

#[test]
fn without_a_registry_every_signal_passes_at_once() {
    let mut supervisor = supervisor(true, &[], false);
    let now = Instant::now();
    for name in ["HUP", "USR1", "SEGV", "CONT", "RTMIN+3", "TERM", "INT"] {
        assert_eq!(supervisor.on_signal(signal(name), now), [Action::Send(signal(name))], "{name}");
    }
    assert_eq!(supervisor.wake_at(now), None);
}

#[test]
fn the_third_stop_kills() {
    let mut supervisor = supervisor(true, &[], false);
    let now = Instant::now();
    assert_eq!(supervisor.on_signal(Signal::TERM, now), [Action::Send(Signal::TERM)]);
    assert_eq!(supervisor.on_signal(Signal::INT, now), [Action::Send(Signal::INT)]);
    assert_eq!(supervisor.on_signal(Signal::HUP, now), [Action::Send(Signal::HUP)]);
    assert_eq!(supervisor.on_signal(Signal::TERM, now), [Action::Send(Signal::KILL)]);
}

#[test]
fn rewriting_replaces_and_drops() {
    let mut supervisor = supervisor(true, &["TERM:QUIT", "HUP:0"], false);
    let now = Instant::now();
    assert_eq!(supervisor.on_signal(Signal::HUP, now), []);
    assert_eq!(supervisor.on_signal(Signal::TERM, now), [Action::Send(signal("QUIT"))]);
}

#[test]
fn a_dropped_stop_does_not_count() {
    let mut supervisor = supervisor(true, &["TERM:0"], false);
    for _ in 0..5 {
        assert_eq!(supervisor.on_signal(Signal::TERM, Instant::now()), []);
    }
    assert_eq!(supervisor.on_signal(Signal::INT, Instant::now()), [Action::Send(Signal::INT)]);
}

#[test]
fn terminal_stops_stop_the_group_and_then_init() {
    let now = Instant::now();
    let tstp = signal("TSTP");
    let stop_both = [Action::Send(Signal::STOP), Action::StopSelf];
    assert_eq!(supervisor(true, &[], false).on_signal(tstp, now), stop_both);
    // Without a session of its own the command can be stopped by the signal itself.
    assert_eq!(supervisor(false, &[], false).on_signal(tstp, now), [Action::Send(tstp), Action::StopSelf]);
    // What was asked for explicitly is what happens.
    assert_eq!(supervisor(true, &["TSTP:USR1"], false).on_signal(tstp, now), [Action::Send(signal("USR1"))]);
    assert_eq!(supervisor(true, &["TSTP:TSTP"], false).on_signal(tstp, now)[0], Action::Send(tstp));
}

#[test]
fn a_registered_command_is_drained_before_it_is_told() {
    let mut supervisor = registered();
    let start = Instant::now();
    assert_eq!(supervisor.on_signal(Signal::TERM, start), [Action::Drain]);
    let written = start + Duration::from_millis(30);
    assert_eq!(supervisor.on_news(News::Drained, written), []);
    assert_eq!(supervisor.wake_at(written), Some(written + DRAIN_WAIT));
    assert_eq!(supervisor.on_time(written + DRAIN_WAIT - Duration::from_millis(1)), []);
    assert_eq!(supervisor.on_time(written + DRAIN_WAIT), [Action::Send(Signal::TERM)]);
    assert_eq!(supervisor.on_time(written + DRAIN_WAIT), [], "once");
}

#[test]
fn other_signals_pass_during_the_drain() {
    let mut supervisor = registered();
    supervisor.on_signal(Signal::TERM, Instant::now());
    assert_eq!(supervisor.on_signal(Signal::HUP, Instant::now()), [Action::Send(Signal::HUP)]);
}

#[test]
fn a_second_stop_cuts_the_drain_short_and_a_third_kills() {
    let mut supervisor = registered();
    let now = Instant::now();
    supervisor.on_signal(Signal::TERM, now);
    assert_eq!(supervisor.on_signal(Signal::INT, now), [Action::Send(Signal::TERM)]);
    assert_eq!(supervisor.on_signal(Signal::TERM, now), [Action::Send(Signal::KILL)]);
}

#[test]
fn a_registry_that_does_not_answer_does_not_hold_up_the_stop() {
    let mut supervisor = registered();
    let now = Instant::now();
    supervisor.on_signal(Signal::TERM, now);
    assert_eq!(supervisor.on_time(now + DRAIN_WRITE_LIMIT), [Action::Send(Signal::TERM)]);
}

#[test]
fn a_registrar_that_ends_during_the_drain_ends_the_drain() {
    let mut supervisor = registered();
    let now = Instant::now();
    supervisor.on_signal(signal("INT"), now);
    assert_eq!(supervisor.on_news(News::Gone, now), [Action::Send(Signal::INT)]);
}

#[test]
fn what_is_not_registered_is_not_drained_and_not_registered_any_more() {
    let mut supervisor = supervisor(true, &[], true);
    let now = Instant::now();
    supervisor.on_news(News::Registered, now);
    supervisor.on_news(News::Unregistered, now);
    assert_eq!(supervisor.on_signal(Signal::TERM, now), [Action::Leave, Action::Send(Signal::TERM)]);
}

#[test]
fn the_end_of_the_command_ends_its_group_and_its_lease() {
    let mut supervisor = registered();
    let now = Instant::now();
    let told = [Action::Leave, Action::Send(Signal::TERM), Action::Send(Signal::CONT)];
    assert_eq!(supervisor.on_command_ended(OK, now), told);
    assert!(supervisor.awaits_group());
    assert_eq!(supervisor.wake_at(now), Some(now + GROUP_POLL));
    supervisor.on_group_gone();
    assert_eq!(supervisor.finished(now), None, "the lease is still there");
    supervisor.on_news(News::Gone, now);
    assert_eq!(supervisor.finished(now), Some(OK));
}

#[test]
fn a_group_that_ignores_term_is_killed_after_the_grace() {
    let mut supervisor = supervisor(true, &[], false);
    let now = Instant::now();
    supervisor.on_command_ended(OK, now);
    assert_eq!(supervisor.on_time(now + GRACE - Duration::from_millis(1)), []);
    assert_eq!(supervisor.on_time(now + GRACE), [Action::Send(Signal::KILL)]);
    assert_eq!(supervisor.finished(now + GRACE), None);
    assert_eq!(supervisor.on_time(now + GRACE + AFTER_KILL), []);
    assert_eq!(supervisor.finished(now + GRACE + AFTER_KILL), Some(OK), "stuck in the kernel: given up");
}

#[test]
fn a_registrar_that_hangs_does_not_hold_up_the_exit() {
    let mut supervisor = registered();
    let now = Instant::now();
    supervisor.on_command_ended(OK, now);
    supervisor.on_group_gone();
    assert_eq!(supervisor.wake_at(now), Some(now + LEAVE_LIMIT));
    assert_eq!(supervisor.finished(now + LEAVE_LIMIT), Some(OK));
}

#[test]
fn a_single_child_has_no_group_to_end() {
    let mut supervisor = supervisor(false, &[], false);
    let now = Instant::now();
    assert_eq!(supervisor.on_command_ended(OK, now), []);
    assert_eq!(supervisor.finished(now), Some(OK));
}
