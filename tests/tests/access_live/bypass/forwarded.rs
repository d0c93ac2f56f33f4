//! Who a proxy says that it was asked by: believed of a trusted one alone, and of that one only what it added itself.

use roundhouse_tests::Server;

use crate::ask::{Ask, Verdict};
use crate::stage::{EVIL, PROXY, READER, SHARED, STRANGER, Stage, WEB};

const PASSES: Verdict<'_> = Verdict::Passes("job.web");

/// The fields in which an address may be named.
fn naming(address: &str) -> Vec<Vec<(&'static str, String)>> {
    let plain = address.to_owned();
    vec![
        vec![("x-forwarded-for", plain.clone())],
        vec![("x-forwarded-for", format!("::ffff:{address}"))],
        vec![("x-forwarded-for", format!("{address}:4321"))],
        vec![("x-forwarded-for", format!("[::ffff:{address}]:4321"))],
        vec![("x-forwarded-for", format!("192.0.2.1, {address}"))],
        vec![("x-forwarded-for", "192.0.2.1".into()), ("x-forwarded-for", plain.clone())],
        vec![("forwarded", format!("for={address}"))],
        vec![("forwarded", format!("for=\"{address}:4321\";proto=https"))],
        vec![("forwarded", format!("for=192.0.2.1, FOR=\"[::ffff:{address}]\""))],
        vec![("x-forwarded-for", plain.clone()), ("forwarded", format!("for={address}"))],
        vec![("x-forwarded-for", plain.clone()), ("x-real-ip", plain)],
    ]
}

fn borrowed<'a>(fields: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    fields.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[test]
fn a_stranger_may_name_whom_it_likes() {
    let stage = Stage::start();
    let (web, evil) = (stage.address(WEB).to_string(), stage.address(EVIL).to_string());
    for (mine, others) in naming(&web).into_iter().zip(naming(&evil)) {
        for to in [stage.gateway.http(), stage.forwarding(), stage.vip] {
            for from in [EVIL, STRANGER] {
                Ask { to, fields: &borrowed(&mine), ..Ask::of(&stage, from) }.is(&stage, Verdict::Denied);
            }
            // Nor does it matter whom web names.
            Ask { to, fields: &borrowed(&others), ..Ask::of(&stage, WEB) }.is(&stage, PASSES);
        }
        // It is trusted at its own entrypoint alone.
        for to in [stage.gateway.http(), stage.vip] {
            Ask { to, fields: &borrowed(&mine), ..Ask::of(&stage, PROXY) }.is(&stage, Verdict::Denied);
        }
    }
}

#[test]
fn a_trusted_proxy_s_client_is_the_last_that_it_names() {
    let stage = Stage::start();
    for (named, verdict) in [
        (WEB, PASSES),
        (READER, Verdict::Passes("job.reader")),
        (EVIL, Verdict::Denied),
        (SHARED, Verdict::Denied),
        (STRANGER, Verdict::Denied),
    ] {
        let address = stage.address(named).to_string();
        for fields in naming(&address) {
            let ask = Ask { to: stage.forwarding(), fields: &borrowed(&fields), ..Ask::of(&stage, PROXY) };
            ask.is(&stage, verdict);
            Ask { target: "/admin", ..ask }.is(&stage, Verdict::Denied);
        }
    }
}

/// What stands left of it, anybody may have written.
#[test]
fn what_a_client_wrote_before_a_trusted_proxy_did_is_nothing() {
    let stage = Stage::start();
    let (web, evil) = (stage.address(WEB).to_string(), stage.address(EVIL).to_string());
    for (left, right, verdict) in [(&web, &evil, Verdict::Denied), (&evil, &web, PASSES)] {
        for fields in [
            vec![("x-forwarded-for", format!("{left}, {right}"))],
            vec![("x-forwarded-for", left.clone()), ("x-forwarded-for", right.clone())],
            vec![("x-forwarded-for", format!("{left},,{right},"))],
            vec![("forwarded", format!("for={left}, for={right}"))],
            vec![("forwarded", format!("for=\"{left}, for={right}"))],
            vec![("x-forwarded-for", right.clone()), ("x-real-ip", left.clone())],
            vec![("x-forwarded-for", right.clone()), ("forwarded", format!("for={left}"))],
            vec![("x-forwarded-for", right.clone()), ("x_forwarded_for", left.clone())],
            vec![("x-real-ip", left.clone()), ("forwarded", format!("for={right}"))],
        ] {
            let ask = Ask { to: stage.forwarding(), fields: &borrowed(&fields), ..Ask::of(&stage, PROXY) };
            ask.is(&stage, verdict);
        }
    }
}

/// A proxy that names nobody whom one could look up is itself the client, and it is nobody.
#[test]
fn a_client_that_cannot_be_read_is_not_let_in() {
    let stage = Stage::start();
    let web = stage.address(WEB).to_string();
    let right = format!("{web}, unknown");
    for fields in [
        &[][..],
        &[("x-real-ip", &*web)],
        &[("x_forwarded_for", &*web)],
        &[("x-forwarded-for", "unknown")],
        &[("x-forwarded-for", &*right)],
        &[("x-forwarded-for", "127.0.0.1")],
        &[("x-forwarded-for", "::1")],
        &[("x-forwarded-for", "0x7f.1")],
        &[("forwarded", "for=_hidden")],
        &[("forwarded", "for=unknown")],
    ] {
        Ask { to: stage.forwarding(), fields, ..Ask::of(&stage, PROXY) }.is(&stage, Verdict::Denied);
    }
}

/// The claim that a trusted proxy passes on is its client's.
#[test]
fn a_forwarded_name_must_live_at_the_forwarded_address() {
    let stage = Stage::start();
    let at = |host: u8| stage.address(host).to_string();
    for (named, name, verdict) in [
        (WEB, "job.web", PASSES),
        (SHARED, "job.web", PASSES),
        (SHARED, "job.evil", Verdict::Denied),
        (EVIL, "job.web", Verdict::Denied),
        (WEB, "job.evil", Verdict::Denied),
        (STRANGER, "job.web", Verdict::Denied),
    ] {
        let fields = [("x-forwarded-for", at(named)), ("x-jobname", name.to_owned())];
        let ask = Ask { to: stage.forwarding(), fields: &borrowed(&fields), ..Ask::of(&stage, PROXY) };
        ask.is(&stage, verdict);
    }
}

/// nginx in front says `X-Forwarded-For` in its own way, and a client of it may write one of its own before.
#[test]
fn an_instance_is_told_whom_it_serves_and_not_whom_a_stranger_names() {
    let stage = Stage::start();
    // One that answers with what it was sent.
    let heads = Server::heads(std::net::SocketAddr::new(stage.gateway.net.app(5), 9095));
    stage.gateway.write_job("heads", r#""port":9095,"protocol":"http""#, "");
    stage.gateway.register("heads", heads.address);
    stage.gateway.wait_up("heads", 1);
    let web = stage.address(WEB).to_string();
    let fields =
        [("x-forwarded-for", "192.0.2.1"), ("x-real-ip", "192.0.2.1"), ("forwarded", "for=192.0.2.1")];
    let ask = Ask { host: "heads.jobs", fields: &fields, ..Ask::of(&stage, WEB) };
    for reply in [ask.over_http1(&stage).unwrap(), ask.over_http2(&stage).unwrap()] {
        let head = reply.body.to_lowercase();
        assert!(
            head.contains(&format!("x-forwarded-for: {web}\r\n")) && !head.contains("192.0.2.1"),
            "{head}"
        );
    }
}
