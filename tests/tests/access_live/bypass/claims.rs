//! Saying that one is somebody else: `X-Jobname` and its proof, in every form in which a client may send them.

use crate::ask::{Ask, Verdict};
use crate::stage::{EVIL, SHARED, STRANGER, Stage, WEB};

const PASSES: Verdict<'_> = Verdict::Passes("job.web");

#[test]
fn a_name_is_believed_of_nobody_who_does_not_live_at_its_address() {
    let stage = Stage::start();
    for from in [EVIL, STRANGER] {
        for name in ["job.web", "job.reader", "web", "JOB.WEB", "job.web, job.evil", "\u{fc}", ""] {
            Ask { fields: &[("x-jobname", name)], ..Ask::of(&stage, from) }.is(&stage, Verdict::Denied);
        }
    }
    for fields in [&[("x-jobname", "job.web")][..], &[]] {
        Ask { fields, ..Ask::of(&stage, WEB) }.is(&stage, PASSES);
    }
}

#[test]
fn a_false_name_takes_away_what_the_address_may() {
    let stage = Stage::start();
    for name in ["job.evil", "job.nobody", "evil", "job.web.more", "job.we", "job.webx", "*"] {
        Ask { fields: &[("x-jobname", name)], ..Ask::of(&stage, WEB) }.is(&stage, Verdict::Denied);
    }
}

#[test]
fn where_several_live_only_the_one_that_is_let_in_gets_in() {
    let stage = Stage::start();
    let at = |fields| Ask { fields, ..Ask::of(&stage, SHARED) };
    at(&[("x-jobname", "job.web")]).is(&stage, PASSES);
    for fields in [
        &[][..],
        &[("x-jobname", "job.evil")],
        &[("x-jobname", "job.reader")],
        &[("x-jobname", "")],
        &[("x-jobname", "job.web"), ("x-jobname", "job.web")],
        &[("x-jobname", "job.web"), ("x-jobname", "job.evil")],
        &[("x-jobname", "job.web,job.web")],
        &[("x_jobname", "job.web")],
    ] {
        at(fields).is(&stage, Verdict::Denied);
    }
    Ask { target: "/admin", ..at(&[("x-jobname", "job.web")]) }.is(&stage, Verdict::Denied);
}

/// Of two lines it cannot be told which one somebody behind the gateway would read.
#[test]
fn two_names_are_none() {
    let stage = Stage::start();
    let twice = [("x-jobname", "job.web"), ("x-jobname", "job.web")];
    Ask { fields: &twice, ..Ask::of(&stage, WEB) }.is(&stage, Verdict::Denied);
    let proofs = [("x-jobname-proof", "one"), ("x-jobname-proof", "two")];
    Ask { fields: &proofs, ..Ask::of(&stage, WEB) }.is(&stage, Verdict::Denied);
}

/// CGI and WSGI make one variable of `X-Jobname` and `X_Jobname` (RFC 3875, 4.1.18).
#[test]
fn a_name_in_disguise_says_nothing_and_is_not_passed_on() {
    let stage = Stage::start();
    for fields in [
        &[("x_jobname", "job.evil")][..],
        &[("x-jobname_proof", "a"), ("x_jobname-proof", "b")],
        &[("x_jobname", "job.evil"), ("x-jobname", "job.web")],
        &[("x_jobname", "job.evil"), ("x_jobname", "job.reader")],
    ] {
        Ask { fields, ..Ask::of(&stage, WEB) }.is(&stage, PASSES);
        Ask { fields, ..Ask::of(&stage, EVIL) }.is(&stage, Verdict::Denied);
    }
}

#[test]
fn a_token_that_is_nobody_s_lets_nobody_in() {
    let stage = Stage::start();
    for from in [EVIL, STRANGER, WEB] {
        let fields = [("x-jobname", "job.web"), ("x-jobname-proof", "made up")];
        Ask { fields: &fields, ..Ask::of(&stage, from) }.is(&stage, Verdict::Denied);
    }
}

/// A token proves that somebody is the instance that registered it, at its own address and nowhere else.
#[test]
fn a_token_is_worth_something_at_its_instance_s_address_alone() {
    let stage = Stage::start();
    // SHA-256 of `secret`.
    let hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    const PROVED: u8 = 25;
    stage.instance("reader", PROVED, &format!(r#","proof":"{hash}""#));
    let wanted = r#""from":{"jobname":"job.reader"},"action":"allow","proof":"token","paths":["/proved"]"#;
    stage.in_force(stage.rule("allow-proved", wanted));
    let at = |from, fields| Ask { target: "/proved", fields, ..Ask::of(&stage, from) };
    let shown: &[(&str, &str)] = &[("x-jobname-proof", "secret")];
    at(PROVED, shown).is(&stage, Verdict::Passes("job.reader"));
    at(PROVED, &[("x-jobname-proof", "secret"), ("x-jobname", "job.reader")])
        .is(&stage, Verdict::Passes("job.reader"));
    at(PROVED, &[]).is(&stage, Verdict::Denied);
    at(PROVED, &[("x-jobname-proof", "Secret")]).is(&stage, Verdict::Denied);
    at(PROVED, &[("x-jobname-proof", "secret"), ("x-jobname", "job.web")]).is(&stage, Verdict::Denied);
    at(PROVED, &[("x-jobname-proof", "secret"), ("x-jobname-proof", "secret")]).is(&stage, Verdict::Denied);
    for from in [EVIL, STRANGER, SHARED, crate::stage::READER] {
        at(from, shown).is(&stage, Verdict::Denied);
    }
}
