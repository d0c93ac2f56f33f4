//! Job labels and port names: one DNS label each.

use std::sync::Arc;

use super::NameError;
use crate::text::{name_traits, quoted};

/// RFC 1035 section 2.3.4.
const MAX_LABEL: usize = 63;

/// Names of the zone's own in DNS: `<job>.instances`, `revision` and the name server.
const RESERVED: [&str; 3] = ["instances", "revision", "ns"];

/// The short name a job is dialled by, such as `app2`: one DNS label, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(Arc<str>);

/// The name of a port of a job, such as `main`: spelled like a [`Label`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortName(Arc<str>);

impl Label {
    fn check(text: &str) -> Result<&str, NameError> {
        check_label("label", text)?;
        if RESERVED.contains(&text) {
            return Err(NameError::Reserved { text: text.to_owned() });
        }
        Ok(text)
    }
}

impl PortName {
    /// The name of a port that was given none: `main`.
    pub fn main() -> Self {
        Self("main".into())
    }

    /// `http`, the name of the entrypoint of a gateway that was given none.
    pub fn http() -> Self {
        Self("http".into())
    }

    fn check(text: &str) -> Result<&str, NameError> {
        check_label("port name", text).map(|()| text)
    }
}

name_traits!(Label, PortName);

/// Checks one DNS label; `what` is the kind of name it stands in.
pub(super) fn check_label(what: &'static str, text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { what });
    }
    let allowed = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    if let Some(found) = text.chars().find(|c| !allowed(c)) {
        return Err(NameError::Character { what, text: quoted(text), found: quoted(&found.to_string()) });
    }
    if text.len() > MAX_LABEL {
        return Err(NameError::LabelTooLong { what, text: quoted(text), length: text.len() });
    }
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(NameError::UpperCase { what, text: quoted(text), lower: text.to_ascii_lowercase() });
    }
    if text.starts_with('-') || text.ends_with('-') {
        return Err(NameError::Hyphen { what, text: quoted(text) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(text: &str) -> String {
        text.parse::<Label>().unwrap_err().to_string()
    }

    #[test]
    fn labels_are_dns_labels() {
        for text in ["a", "app2", "coding-blog", "2048", &"x".repeat(63)] {
            assert_eq!(text.parse::<Label>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn refusals_say_what_to_write() {
        assert_eq!(refusal(""), "label is empty; write 1 to 63 of a-z, 0-9 and `-`");
        assert_eq!(refusal("App"), "label `App` has upper-case letters; write `app`");
        assert_eq!(refusal("a_b"), "label `a_b` contains `_`; use only a-z, 0-9 and `-`");
        assert_eq!(refusal("-a"), "label `-a` begins or ends with `-`; begin and end with a letter or digit");
        assert!(refusal(&"x".repeat(64)).ends_with("` has 64 characters; a DNS label has at most 63"));
        assert!(refusal("instances").contains("reserved"));
        assert!(refusal("revision").contains("reserved"));
    }

    #[test]
    fn a_port_may_have_a_reserved_word() {
        assert_eq!("revision".parse::<PortName>().unwrap().as_str(), "revision");
        assert_eq!("main".parse::<PortName>().unwrap(), PortName::main());
    }

    #[test]
    fn json_is_a_plain_string() {
        let label: Label = serde_json::from_str("\"app2\"").unwrap();
        assert_eq!(serde_json::to_string(&label).unwrap(), "\"app2\"");
        assert!(serde_json::from_str::<Label>("\"App2\"").unwrap_err().to_string().contains("write `app2`"));
    }

    proptest! {
        #[test]
        fn any_text_parses_to_itself_or_not_at_all(text in "\\PC*|[a-zA-Z0-9_-]{0,70}") {
            if let Ok(label) = text.parse::<Label>() {
                prop_assert_eq!(label.as_str(), text);
            }
        }

        #[test]
        fn dns_labels_are_accepted(text in "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?") {
            prop_assume!(!RESERVED.contains(&text.as_str()));
            prop_assert!(text.parse::<Label>().is_ok());
        }
    }
}
