//! How places in the service tree are written: `tag.value` joined by `_`, from the leaf or from the root.

use super::{NameError, Tag};
use crate::text::quoted;

/// Eight tags with values of 63 bytes fit into it; a longer text need not be looked at.
const MAX: usize = 600;

/// The tags of `text` with their values as written, each tag once; `what` is the kind of name that it is.
pub(super) fn read<'a>(
    what: &'static str,
    text: &'a str,
    check_value: impl Fn(&str) -> Result<(), NameError>,
) -> Result<Vec<(Tag, &'a str)>, NameError> {
    if text.len() > MAX {
        return Err(NameError::TooLong { what, text: quoted(text), length: text.len(), limit: MAX });
    }
    let shown = || quoted(text);
    let mut found: Vec<(Tag, &str)> = Vec::with_capacity(Tag::ALL.len());
    for part in text.split('_') {
        let Some((tag, value)) = part.split_once('.') else {
            return Err(NameError::NoPair { what, text: shown(), part: quoted(part) });
        };
        let Some(tag) = Tag::named(tag) else {
            return Err(NameError::UnknownTag { what, text: shown(), tag: quoted(tag) });
        };
        check_value(value)?;
        if found.iter().any(|(earlier, _)| *earlier == tag) {
            return Err(NameError::DuplicateTag { what, text: shown(), tag: tag.to_string() });
        }
        found.push((tag, value));
    }
    Ok(found)
}

/// The canonical spelling, leaf first, if the tags stand leaf first or root first.
pub(super) fn in_one_order(
    what: &'static str,
    text: &str,
    mut found: Vec<(Tag, &str)>,
) -> Result<String, NameError> {
    let root_first = found.is_sorted_by_key(|(tag, _)| *tag);
    let leaf_first = found.iter().rev().is_sorted_by_key(|(tag, _)| *tag);
    found.sort_by_key(|(tag, _)| std::cmp::Reverse(*tag));
    let canonical = found.iter().map(|(tag, value)| format!("{tag}.{value}")).collect::<Vec<_>>().join("_");
    if root_first || leaf_first {
        Ok(canonical)
    } else {
        Err(NameError::Order { what, text: quoted(text), sorted: canonical })
    }
}

/// The tags of a canonical spelling, leaf first.
pub(super) fn tags(canonical: &str) -> impl Iterator<Item = (Tag, &str)> {
    let pairs = canonical.split('_').filter_map(|part| part.split_once('.'));
    pairs.filter_map(|(tag, value)| Some((Tag::named(tag)?, value)))
}
