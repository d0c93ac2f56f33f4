//! JOBNAMEs: a job's place in the service tree, and its identity.

use std::sync::Arc;

use super::{Label, NameError, Tag, label::check_label, tree};
use crate::text::{name_traits, quoted};

/// A job's identity, such as `job.x_service.y_cop.z`: tags and values from the leaf (`job`, always there) to
/// the company. Read leaf first or company first, kept and written leaf first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobName(Arc<str>);

impl JobName {
    /// The JOBNAME of a job that was given none: `job.<label>`.
    pub fn implicit(label: &Label) -> Self {
        Self(format!("job.{label}").into())
    }

    /// The value of a tag, where present.
    pub fn tag(&self, tag: Tag) -> Option<&str> {
        self.tags().find_map(|(present, value)| (present == tag).then_some(value))
    }

    /// The tags that are present with their values, leaf first.
    pub fn tags(&self) -> impl Iterator<Item = (Tag, &str)> {
        tree::tags(&self.0)
    }

    /// The value of the `job` tag, which every JOBNAME has.
    pub fn job(&self) -> &str {
        self.tag(Tag::Job).unwrap_or_default()
    }

    /// The values leaf first, joined by dots: what stands before the zone in the job's long DNS name.
    pub fn dns_labels(&self) -> String {
        self.tags().map(|(_, value)| value).collect::<Vec<_>>().join(".")
    }

    fn check(text: &str) -> Result<String, NameError> {
        let found = tree::read("JOBNAME", text, |value| check_label("JOBNAME value", value))?;
        if !found.iter().any(|(tag, _)| *tag == Tag::Job) {
            return Err(NameError::NoJob { text: quoted(text) });
        }
        tree::in_one_order("JOBNAME", text, found)
    }
}

name_traits!(JobName);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(text: &str) -> String {
        text.parse::<JobName>().unwrap_err().to_string()
    }

    #[test]
    fn both_orders_are_one_name() {
        let leaf_first: JobName = "job.x_service.y_cop.z".parse().unwrap();
        let root_first: JobName = "cop.z_service.y_job.x".parse().unwrap();
        assert_eq!(leaf_first, root_first);
        assert_eq!(root_first.to_string(), "job.x_service.y_cop.z");
        assert_eq!(leaf_first.tag(Tag::Service), Some("y"));
        assert_eq!(leaf_first.tag(Tag::ServiceGroup), None);
        assert_eq!(leaf_first.job(), "x");
        assert_eq!(leaf_first.dns_labels(), "x.y.z");
    }

    #[test]
    fn a_job_without_a_name_is_named_by_its_label() {
        let label: Label = "app2".parse().unwrap();
        assert_eq!(JobName::implicit(&label), "job.app2".parse().unwrap());
    }

    #[test]
    fn refusals_say_what_to_write() {
        assert_eq!(
            refusal("cop.z_job.x_owt.y"),
            "JOBNAME `cop.z_job.x_owt.y` mixes the order of its tags; write `job.x_owt.y_cop.z`"
        );
        assert!(refusal("cop.z").contains("the least is `job.x`"));
        assert!(refusal("job.x_job.y").contains("tag `job` twice"));
        assert!(refusal("job.x_app.y").contains("unknown tag `app`; the tags are cop, owt"));
        assert!(refusal("x").contains("no tag and value"));
        assert!(refusal("").contains("no tag and value"));
        assert!(refusal("job.X").contains("write `x`"));
        assert!(refusal("job.").contains("is empty"));
        assert!(refusal(&"job.x_".repeat(200)).contains("at most 600"));
    }

    #[test]
    fn the_longest_name_fits() {
        let value = "v".repeat(63);
        let text = Tag::ALL.map(|tag| format!("{tag}.{value}")).join("_");
        assert_eq!(text.parse::<JobName>().unwrap().tags().count(), 8);
    }

    proptest! {
        #[test]
        fn any_text_round_trips_or_is_refused(text in "\\PC*|((cop|job|service|x)[.]?[a-z]{0,2}_?){0,4}") {
            if let Ok(name) = text.parse::<JobName>() {
                prop_assert_eq!(name.as_str().parse::<JobName>().unwrap(), name);
            }
        }

        #[test]
        fn tags_give_back_what_was_written(
            values in prop::collection::vec(prop::option::of("[a-z0-9]{1,8}"), 7),
            job in "[a-z]{1,8}",
        ) {
            let mut parts: Vec<String> = Tag::ALL.iter().zip(&values)
                .filter_map(|(tag, value)| value.as_ref().map(|value| format!("{tag}.{value}")))
                .collect();
            parts.push(format!("job.{job}"));
            let name: JobName = parts.join("_").parse().unwrap();
            for (tag, value) in Tag::ALL.iter().zip(&values) {
                prop_assert_eq!(name.tag(*tag), value.as_deref());
            }
            parts.reverse();
            prop_assert_eq!(name.to_string(), parts.join("_"));
        }
    }
}
