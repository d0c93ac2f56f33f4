//! Comma-separated lists of a field that may be there more than once (RFC 9110, 5.6.1).

/// The members of all lines, blanks around them and empty ones left out. No list that is split here has quoted commas.
pub(super) fn members<'a>(lines: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
    lines
        .flat_map(|line| line.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_all_lines_in_order() {
        let lines: [&[u8]; 3] = [b" a ,b", b",", b"c;q=1\t"];
        assert_eq!(members(lines.into_iter()).collect::<Vec<_>>(), [&b"a"[..], b"b", b"c;q=1"]);
    }
}
