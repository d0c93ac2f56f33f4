//! `lines/<line>`: a carrier line: the VIPs it has and the clients that are on it.

use std::sync::LazyLock;

use roundhouse_config::Label;
use serde::{Deserialize, Serialize};

use super::text::check_list;
use super::{Name, Network, ValueError};

const MAX_VIPS: usize = 64;
/// There are a handful of carriers.
const MAX_FALLBACK: usize = 16;
/// A longer list is a file on the gateways, and the record has its name.
const MAX_PREFIXES: usize = 1_024;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Where the line's VIPs are allocated, IPv4 and IPv6.
    #[serde(default)]
    pub vips: Vec<Network>,
    /// The lines that stand in for this one while it has nothing to answer, in this order.
    #[serde(default)]
    pub fallback: Vec<Label>,
    /// The clients on this line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefixes: Vec<Network>,
    /// The same as a list on the gateways, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix_list: Option<Name>,
}

/// The line of whoever is on no other, client or instance; it may have a record, as any other may. One allocation for all
/// of them.
pub fn default_line() -> Label {
    // A constant that is a valid label; a test parses it.
    #[allow(clippy::expect_used)]
    static LINE: LazyLock<Label> = LazyLock::new(|| "default".parse().expect("`default` is a label"));
    LINE.clone()
}

impl Line {
    pub fn validate(&self) -> Result<(), ValueError> {
        check_list("vips", &self.vips, MAX_VIPS)?;
        check_list("fallback", &self.fallback, MAX_FALLBACK)?;
        check_list("prefixes", &self.prefixes, MAX_PREFIXES)?;
        for (i, vips) in self.vips.iter().enumerate() {
            if let Some(other) = self.vips[..i].iter().find(|other| other.overlaps(*vips)) {
                let message = format!("`{vips}` overlaps `{other}`; write the wider one alone");
                return Err(ValueError::field(format!("vips[{i}]"), message));
            }
        }
        if self.prefix_list.is_some() && !self.prefixes.is_empty() {
            let message =
                "the line has `prefixes` too, and one cannot tell which counts; write one of the two";
            return Err(ValueError::field("prefix_list", message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{decode, encode};

    #[test]
    fn whoever_is_on_no_line_is_on_one() {
        assert_eq!(default_line().as_str(), "default");
    }

    #[test]
    fn the_shape_of_the_documentation_reads() {
        let line: Line = decode(
            br#"{"vips":["203.0.113.0/28"],"fallback":["unicom","default"],"prefix_list":"chinanet"}"#,
        )
        .unwrap();
        assert_eq!(line.validate(), Ok(()));
        assert_eq!(line.fallback, ["unicom".parse().unwrap(), "default".parse().unwrap()]);
        assert_eq!(decode::<Line>(&encode(&line)).unwrap(), line);
    }

    #[test]
    fn refusals_say_what_to_write() {
        let refused = |text: &str| {
            decode::<Line>(text.as_bytes()).and_then(|line| line.validate()).unwrap_err().to_string()
        };
        assert!(refused(r#"{"vips":["203.0.113.1/28"]}"#).contains("write `203.0.113.0/28`"));
        assert!(refused(r#"{"vips":["203.0.113.0/24","203.0.113.0/28"]}"#).contains("vips[1]: "));
        assert!(refused(r#"{"fallback":["a","b","a"]}"#).contains("`a` is there twice"));
        assert!(refused(r#"{"prefixes":["::/0"],"prefix_list":"x"}"#).contains("write one of the two"));
    }
}
