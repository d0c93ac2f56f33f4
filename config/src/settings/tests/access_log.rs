//! `[access_log]`.

use std::path::Path;

use super::{parse, problems};
use crate::settings::{AccessLogSettings, LogPath, Settings};
use crate::units::Share;

#[test]
fn every_key_is_taken() {
    let text = "[access_log]\npath = \"logs/access.log\"\nsample = 0.25\nquery = false\n\
                headers = [\"X-Request-ID\", \"accept-language\"]\n";
    let settings = Settings::parse(text, "x", Path::new("/etc/roundhouse")).unwrap();
    assert_eq!(
        settings.access_log,
        AccessLogSettings {
            path: Some(LogPath::File("/etc/roundhouse/logs/access.log".into())),
            sample: Share::new(0.25).unwrap(),
            query: false,
            headers: vec!["x-request-id".into(), "accept-language".into()],
        }
    );
    assert_eq!(parse("access_log.path = \"-\"").access_log.path, Some(LogPath::Stdout));
    assert_eq!(parse("").access_log, AccessLogSettings::default());
    for (written, share) in [("0", Share::NONE), ("1", Share::ALL), ("0.0", Share::NONE), ("1e0", Share::ALL)]
    {
        assert_eq!(parse(&format!("access_log.sample = {written}")).access_log.sample, share);
    }
}

#[test]
fn what_is_wrong_is_told_what_to_write() {
    for (line, instead) in [
        ("path = \"\"", "is no file; write a path such as `access.log`"),
        ("path = 1", "write path = \"access.log\""),
        ("sample = 1.5", "1.5 is out of bounds; write 0.0 to 1.0"),
        ("sample = -1", "-1 is out of bounds; write 0.0 to 1.0"),
        ("sample = nan", "write 0.0 to 1.0"),
        ("sample = 1e-9", "write 0.000001 or more, or 0.0"),
        ("sample = \"10%\"", "not a share\n  hint: write sample = 1.0"),
        ("query = \"no\"", "write query = true"),
        ("headers = \"a\"", "write headers = [\"x-request-id\"]"),
        ("headers = [\"a b\"]", "`a b` is no name of a field; write a name such as `x-request-id`"),
        ("headers = [\"\"]", "is no name of a field"),
        ("headers = [\"Cookie\"]", "would let readers of the log be them"),
        ("headers = [\"a\", \"A\"]", "`a` stands there twice"),
        ("header = []", "did you mean `headers`?"),
    ] {
        let text = problems(&format!("[access_log]\n{line}\n"));
        let key = line.split(' ').next().unwrap();
        assert!(text.contains(&format!("access_log.{key}")) && text.contains(instead), "{text}");
    }
    let many: Vec<String> = (0..17).map(|n| format!("\"x-{n}\"")).collect();
    let text = problems(&format!("access_log.headers = [{}]", many.join(",")));
    assert!(text.contains("access_log.headers: 17 names; write at most 16"), "{text}");
    let long = "a".repeat(65);
    assert!(problems(&format!("access_log.headers = [\"{long}\"]")).contains("longer than 64 bytes"));
}
