//! Selectors: which JOBNAMEs an access rule speaks of.

use std::sync::Arc;

use super::{JobName, NameError, Tag, label::check_label, tree};
use crate::text::{name_traits, quoted};

/// The value that stands for any.
const ANY: &str = "*";

/// A subtree of the service tree, such as `pdl.im_owt.miliao_cop.xiaomi`: any of the tags, each once, leaf first or
/// company first, kept and written leaf first.
///
/// A tag that is left out is any, and may be absent. A tag that is named must be there: with that value, or with
/// whatever value where `*` is written. Comparison is tag by tag, never by a piece of the string, so `job.x` does
/// not let `job.xy` in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector(Arc<str>);

impl Selector {
    /// Whether the JOBNAME is in the subtree.
    pub fn matches(&self, name: &JobName) -> bool {
        self.tags().all(|(tag, wanted)| name.tag(tag).is_some_and(|value| wanted == ANY || wanted == value))
    }

    /// Whether every JOBNAME that `other` matches is matched by this selector too.
    pub fn contains(&self, other: &Selector) -> bool {
        self.tags().all(|(tag, wanted)| other.tag(tag).is_some_and(|value| wanted == ANY || wanted == value))
    }

    /// The value of a tag, where the selector names it; `*` is any.
    pub fn tag(&self, tag: Tag) -> Option<&str> {
        self.tags().find_map(|(named, value)| (named == tag).then_some(value))
    }

    /// The tags that are named with their values, leaf first.
    pub fn tags(&self) -> impl Iterator<Item = (Tag, &str)> {
        tree::tags(&self.0)
    }

    fn check(text: &str) -> Result<String, NameError> {
        let check_value = |value: &str| match value {
            ANY => Ok(()),
            value if value.contains(ANY) => {
                Err(NameError::PartialWildcard { text: quoted(text), value: quoted(value) })
            }
            value => check_label("selector value", value),
        };
        let found = tree::read("selector", text, check_value)?;
        tree::in_one_order("selector", text, found)
    }
}

impl From<&JobName> for Selector {
    /// The JOBNAME itself and whatever else has all of its tags.
    fn from(name: &JobName) -> Self {
        Self(name.as_str().into())
    }
}

name_traits!(Selector);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn selector(text: &str) -> Selector {
        text.parse().unwrap()
    }

    fn refusal(text: &str) -> String {
        text.parse::<Selector>().unwrap_err().to_string()
    }

    #[test]
    fn a_subtree_is_matched_tag_by_tag() {
        let name: JobName = "job.x_service.y_pdl.im_owt.miliao_cop.xiaomi".parse().unwrap();
        for text in ["cop.xiaomi", "cop.xiaomi_owt.miliao_pdl.im", "job.x_cop.xiaomi", "service.*", "job.*"] {
            assert!(selector(text).matches(&name), "{text}");
        }
        for text in ["cop.xiao", "job.y", "cluster.*", "cop.xiaomi_cluster.c", "job.x_service.z"] {
            assert!(!selector(text).matches(&name), "{text}");
        }
        assert!(Selector::from(&name).matches(&name));
    }

    #[test]
    fn both_orders_are_one_selector() {
        assert_eq!(selector("cop.z_owt.y"), selector("owt.y_cop.z"));
        assert_eq!(selector("cop.z_owt.y").as_str(), "owt.y_cop.z");
        assert_eq!(selector("owt.y_cop.z").tag(Tag::Owt), Some("y"));
    }

    #[test]
    fn a_wider_selector_contains_a_narrower_one() {
        assert!(selector("cop.z").contains(&selector("owt.y_cop.z")));
        assert!(selector("cop.*").contains(&selector("cop.z")));
        assert!(!selector("cop.z").contains(&selector("cop.*")));
        assert!(!selector("owt.y_cop.z").contains(&selector("cop.z")));
    }

    #[test]
    fn refusals_say_what_to_write() {
        assert!(refusal("cop.z_cop.y").contains("selector `cop.z_cop.y` has the tag `cop` twice"));
        assert!(refusal("app.z").contains("unknown tag `app`; the tags are cop"));
        assert!(refusal("cop.").contains("selector value is empty"));
        assert!(refusal("cop.xiao*").contains("`*` stands for a whole value only"));
        assert!(refusal("*").contains("no tag and value"));
        assert!(refusal("").contains("no tag and value"));
        assert!(refusal("cop.z_job.x_owt.y").contains("write `job.x_owt.y_cop.z`"));
        assert!(refusal(&"job.x_".repeat(200)).contains("at most 600"));
    }

    proptest! {
        #[test]
        fn any_text_round_trips_or_is_refused(text in "\\PC*|((cop|job|service|x)[.]?[a-z*]{0,2}_?){0,4}") {
            if let Ok(selector) = text.parse::<Selector>() {
                prop_assert_eq!(selector.as_str().parse::<Selector>().unwrap(), selector);
            }
        }

        /// The naive twin compares maps.
        #[test]
        fn matching_is_what_the_maps_say(
            wanted in prop::collection::btree_map(0usize..8, "[ab*]", 1..5),
            had in prop::collection::btree_map(0usize..7, "[ab]", 0..7),
        ) {
            let text = |tags: &std::collections::BTreeMap<usize, String>| {
                let parts: Vec<String> =
                    tags.iter().map(|(tag, value)| format!("{}.{value}", Tag::ALL[*tag])).collect();
                parts.join("_")
            };
            let mut had = had;
            had.insert(7, "a".to_owned());
            let name: JobName = text(&had).parse().unwrap();
            let expected = wanted.iter().all(|(tag, value)| {
                had.get(tag).is_some_and(|present| value == "*" || value == present)
            });
            prop_assert_eq!(selector(&text(&wanted)).matches(&name), expected);
        }
    }
}
