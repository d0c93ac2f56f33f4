//! Text that people read.

use super::ValueError;

/// Bytes of a note or a reason: a paragraph.
const MAX_NOTE: usize = 1_024;

/// A sentence that people read and programs do not.
pub(super) fn check_note(field: &str, text: &str) -> Result<(), ValueError> {
    if text.len() > MAX_NOTE {
        let message = format!("{} bytes; the most is {MAX_NOTE}", text.len());
        return Err(ValueError::field(field, message));
    }
    Ok(())
}

/// The id of a gateway or a director: its host's name, or what an operator calls it.
pub(super) fn is_id(text: &str) -> bool {
    // As long as a host name (RFC 1035).
    (1..=253).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':'))
}

/// Whether a list has at most `most` items, each once.
pub(super) fn check_list<T: PartialEq + std::fmt::Display>(
    field: &str,
    items: &[T],
    most: usize,
) -> Result<(), ValueError> {
    if items.len() > most {
        return Err(ValueError::field(field, format!("{} items; the most is {most}", items.len())));
    }
    for (i, item) in items.iter().enumerate() {
        if items[..i].contains(item) {
            return Err(ValueError::field(
                format!("{field}[{i}]"),
                format!("`{item}` is there twice; write it once"),
            ));
        }
    }
    Ok(())
}
