//! `Connection` nominates fields for removal (RFC 9110, 7.6.1): not those by which the gateway decides, nor those by which
//! it tells the instance what it decided. HTTP/2 has no such field (RFC 9113, 8.2.2).

use crate::ask::{Ask, Verdict, Version};
use crate::stage::{EVIL, SHARED, Stage, WEB};

const NOMINATED: [&str; 9] = [
    "X-Jobname",
    "x-jobname",
    "close, X-JOBNAME",
    "X-Forwarded-For",
    "x-forwarded-for, x-jobname",
    "x-jobname-proof",
    "X-Jobname-Proof, X-Jobname",
    "X_Jobname",
    "keep-alive, host, x-jobname",
];

#[test]
fn a_nomination_takes_nothing_away_that_is_decided_by() {
    let stage = Stage::start();
    for nominated in NOMINATED {
        for spelled in ["X-Jobname", "x-JOBNAME", "x-jobname"] {
            let fields = [("Connection", nominated), (spelled, "job.web")];
            let at = |from| Ask { fields: &fields, ..Ask::of(&stage, from) };
            at(EVIL).is_in(Version::Http1, &stage, Verdict::Denied);
            // A claim is held against its client though it would like to have it forgotten.
            let false_claim = [("Connection", nominated), (spelled, "job.evil")];
            let web = Ask { fields: &false_claim, ..Ask::of(&stage, WEB) };
            web.is_in(Version::Http1, &stage, Verdict::Denied);
            for from in [WEB, SHARED] {
                let got = at(from).is_in(Version::Http1, &stage, Verdict::Passes("job.web"));
                let got = got.expect("it passed");
                let client = got.field("x-forwarded-for").expect("the instance is told whom it serves");
                assert_eq!(client, stage.address(from).to_string());
            }
        }
    }
}

#[test]
fn a_second_line_does_not_hide_behind_a_nomination() {
    let stage = Stage::start();
    for nominated in NOMINATED {
        let fields = [("Connection", nominated), ("X-Jobname", "job.web"), ("x-jobname", "job.evil")];
        let ask = Ask { fields: &fields, ..Ask::of(&stage, SHARED) };
        ask.is_in(Version::Http1, &stage, Verdict::Denied);
    }
}

/// What HTTP/1.1 takes apart from what one may think: folded lines, spaces before the colon, names with other bytes.
#[test]
fn a_field_that_is_written_wrongly_is_no_field() {
    let stage = Stage::start();
    for head in ["X-Jobname : job.web", "X-Jobname\t: job.web", " X-Jobname: job.web", "X-Jobname\0: job.web"]
    {
        let (name, value) = head.rsplit_once(": ").unwrap();
        for from in [SHARED, EVIL] {
            let ask = Ask { fields: &[("accept", "*/*"), (name, value)], ..Ask::of(&stage, from) };
            ask.is_in(Version::Http1, &stage, Verdict::Refused);
        }
    }
}

/// A trailer says nothing of who sends it, and an instance that merges trailers into fields sees none.
#[test]
fn a_name_behind_the_body_is_nobody_s() {
    let stage = Stage::start();
    for (from, status) in [(SHARED, 403), (EVIL, 403), (WEB, 200)] {
        let mut connection =
            roundhouse_tests::http::Connection::open_from(stage.address(from), stage.gateway.http()).unwrap();
        let head = "POST /public HTTP/1.1\r\nhost: shop.jobs\r\ntransfer-encoding: chunked\r\ntrailer: x-jobname\r\n\r\n";
        let body =
            "2\r\nok\r\n0\r\nX-Jobname: job.reader\r\nx-jobname-proof: a\r\nx_jobname: job.reader\r\n\r\n";
        connection.send(format!("{head}{body}").as_bytes()).unwrap();
        let line = connection.read_line().unwrap();
        assert!(line.starts_with(&format!("HTTP/1.1 {status}")), "{from}: {line}");
        let got = stage.shop.take();
        assert_eq!(got.len(), usize::from(status == 200), "{from}: {got:?}");
        for message in got.into_iter().map(|one| one.whole().expect("a whole request")) {
            assert_eq!(message.field("x-jobname"), Some("job.web"));
            assert!(message.trailers.is_empty(), "{message:?}");
        }
    }
}
