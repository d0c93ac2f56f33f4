//! What holds whatever a client sends; serde_json is the judge.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Text, what is none, and what is both; some of it long.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..40),
        "\\PC{0,40}".prop_map(String::into_bytes),
        vec(any::<char>(), 0..40).prop_map(|text| text.into_iter().collect::<String>().into_bytes()),
        (vec(any::<char>(), 1..4), 500..1_500usize)
            .prop_map(|(text, times)| { text.into_iter().collect::<String>().repeat(times).into_bytes() }),
        vec(any::<u8>(), MAX_TEXT - 4..MAX_TEXT + 5),
    ]
}

proptest! {
    #[test]
    fn any_text_is_read_as_it_was(bytes in bytes()) {
        let mut out = Vec::new();
        json::text(&mut out, &bytes);
        let read: String = serde_json::from_slice(&out).unwrap();
        if bytes.len() <= MAX_TEXT {
            prop_assert_eq!(read, String::from_utf8_lossy(&bytes));
            return Ok(());
        }
        // Cut in one of few places, and so much is missing.
        let is_cut = (MAX_TEXT - 3..=MAX_TEXT).any(|at| {
            let shown = String::from_utf8_lossy(&bytes[..at]);
            read == format!("{shown}…[{} more]", bytes.len() - at)
        });
        prop_assert!(is_cut);
        // What was whole has no half character in it.
        if let (Ok(text), Some((shown, _))) = (std::str::from_utf8(&bytes), read.rsplit_once('…')) {
            prop_assert!(text.starts_with(shown));
        }
    }

    #[test]
    fn any_entry_is_one_line_that_parses(
        (method, host, path, agent) in (bytes(), bytes(), bytes(), bytes()),
        (sni, value) in ("\\PC{0,9}", bytes()),
        numbers: [u64; 3],
        query: bool,
    ) {
        let entry = Entry {
            method: &method,
            host: &host,
            path: &path,
            user_agent: Some(&agent),
            tls: Some(Tls { version: "1.2", sni: Some(&sni), alpn: Some(&value) }),
            request_bytes: numbers[0],
            response_bytes: numbers[1],
            total: Duration::from_micros(numbers[2]),
            header: &|_| Some(&value),
            ..full()
        };
        let line = written(&entry, query, &["a", "b"]);
        prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
        prop_assert!(!line[..line.len() - 1].contains(char::is_control));
        let read: Value = serde_json::from_str(&line).unwrap();
        let is = |name: &str, number: u64| read[name].as_u64() == Some(number);
        prop_assert!(is("request_bytes", numbers[0]) && is("response_bytes", numbers[1]) && is("total_us", numbers[2]));
        prop_assert_eq!(read["tls"]["sni"].as_str(), Some(sni.as_str()));
        prop_assert_eq!(&read["headers"]["a"], &read["headers"]["b"]);
        let full: Value = serde_json::from_str(FULL).unwrap();
        let names = |value: &Value| value.as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>());
        prop_assert_eq!(names(&read), names(&full));
    }
}
