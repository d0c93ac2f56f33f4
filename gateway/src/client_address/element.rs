//! The field `Forwarded`: elements between commas, pairs between semicolons, values with or without quotes (RFC 7239, 4).

/// Splits the last element off, read from the right: what stands left of it may be anybody's, and a quote that somebody
/// left open there must not swallow what a trusted proxy has added.
pub(super) fn split_last(field: &[u8]) -> (Option<&[u8]>, &[u8]) {
    match unquoted_from_the_right(field, b',') {
        Some(at) => (Some(&field[..at]), field[at + 1..].trim_ascii()),
        None => (None, field.trim_ascii()),
    }
}

/// The value of `for`. `None` where there is none, or two (section 4 forbids that).
pub(super) fn of_whom(element: &[u8]) -> Option<&[u8]> {
    let (mut left, mut found) = (Some(element), None);
    while let Some(pairs) = left {
        let pair = match unquoted_from_the_right(pairs, b';') {
            Some(at) => {
                left = Some(&pairs[..at]);
                &pairs[at + 1..]
            }
            None => {
                left = None;
                pairs
            }
        };
        let pair = pair.trim_ascii();
        if pair.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"for=")) {
            if found.is_some() {
                return None;
            }
            found = Some(unquoted(&pair[4..]));
        }
    }
    found
}

/// What is within quotes. A backslash before a character says nothing that an address needs, so such a value stays as it
/// is and is no address.
fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value)
}

fn unquoted_from_the_right(text: &[u8], wanted: u8) -> Option<usize> {
    let mut quoted = false;
    for (at, byte) in text.iter().enumerate().rev() {
        match *byte {
            b'"' if !is_escaped(&text[..at]) => quoted = !quoted,
            byte if byte == wanted && !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// Of as many backslashes each second one is itself escaped. A dozen would be a joke, and a field of nothing else would
/// be walked again and again.
fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take(16).take_while(|byte| **byte == b'\\').count() % 2 == 1
}
