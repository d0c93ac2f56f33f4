use proptest::prelude::*;

use super::super::{ReadError, Reader, misfits};
use super::{contents, entry, some, text};

fn read(text: &[u8]) -> Result<super::Contents, ReadError> {
    let mut reader = Reader::default();
    reader.push(text)?;
    reader.finish()
}

fn refusal(text: &[u8]) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn an_export_is_lines_that_people_can_read() {
    let text = String::from_utf8(text(some())).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        r#"{"roundhouse_export":1,"origin":"origin","prefix":"/roundhouse/v1","revision":17,"at":1763694008,"entries":6}"#
    );
    assert!(lines.iter().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{text}");
    assert!(lines[7].starts_with(r#"{"entries":6,"sha256":""#) && lines.len() == 8, "{text}");
    assert!(!text.contains("gateways/"), "presence stays: {text}");
}

#[test]
fn what_is_read_is_what_was_written() {
    let read = contents(some());
    let mut expected: Vec<_> =
        some().into_iter().filter(|entry| !entry.key.starts_with("gateways/")).collect();
    expected.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(read.entries, expected);
    assert_eq!(read.header.revision.0, 17);
    assert_eq!(contents(Vec::new()).entries, []);
}

#[test]
fn a_file_that_was_cut_short_is_refused_wherever() {
    let whole = text(some());
    for end in 0..whole.len() {
        assert!(read(&whole[..end]).is_err(), "{end}");
    }
    let line_ends: Vec<usize> = (0..whole.len()).filter(|i| whole[*i] == b'\n').collect();
    assert!(refusal(&whole[..=line_ends[2]]).contains("cut short: it has 2 of its 6 entries"));
    assert!(refusal(&whole[..=line_ends[6]]).contains("6 of its 6 entries, and not the last line"));
    assert!(refusal(b"").contains("it is empty"));
}

#[test]
fn a_file_that_was_altered_is_refused() {
    let whole = text(some());
    for (i, byte) in whole.iter().enumerate() {
        let mut altered = whole.clone();
        altered[i] = byte ^ 1;
        assert!(read(&altered).is_err(), "{i}: {}", String::from_utf8_lossy(&altered));
    }
    let altered = String::from_utf8(whole.clone()).unwrap().replace("1111}}", "1112}}");
    assert!(refusal(altered.as_bytes()).contains("its SHA-256 is"));
    assert!(refusal(&[&whole[..], b"{}\n"].concat()).contains("line 9: there is more after the last line"));
}

#[test]
fn another_version_and_another_file_are_told_apart() {
    let newer = br#"{"roundhouse_export":2,"sections":[]}
"#;
    assert!(refusal(newer).contains("has format 2 and this program reads 1"), "{}", refusal(newer));
    assert!(refusal(b"jobs: <\n  name: \"a\"\n>\n").contains("is no export of a registry: line 1"));
    assert!(refusal(b"jobs: < name: \"a\" >").contains("not one whole line"));
}

#[test]
fn memory_is_bounded_by_the_line() {
    let mut reader = Reader::default();
    let piece = vec![b' '; 1 << 20];
    let error = (0..8).find_map(|_| reader.push(&piece).err()).unwrap();
    assert!(matches!(error, ReadError::TooLong), "{error}");
}

#[test]
fn what_would_be_quarantined_is_named_with_its_reason() {
    assert_eq!(misfits(&contents(some())), []);
    let mut bad = some();
    bad.push(entry("jobz/app2", "{}"));
    bad.push(entry("jobs/app3", r#"{"jobname":7}"#));
    bad.push(entry("vip-owners/2", "[]"));
    let found: Vec<String> = misfits(&contents(bad)).iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("jobs/app3: jobname: ") && found[1].starts_with("jobz/app2: unknown kind"));
    assert!(found[2].starts_with("vip-owners/2: "), "{found:?}");
}

proptest! {
    /// Pieces come as the network has them.
    #[test]
    fn however_it_is_cut_into_pieces(cuts in prop::collection::vec(1_usize..200, 1..40)) {
        let whole = text(some());
        let (mut reader, mut rest) = (Reader::default(), &whole[..]);
        for cut in cuts.iter().cycle() {
            let (piece, more) = rest.split_at((*cut).min(rest.len()));
            reader.push(piece).unwrap();
            rest = more;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(reader.finish().unwrap().entries, contents(some()).entries);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(read(&bytes).is_err());
    }
}
