//! The levels of the service tree.

use std::fmt;
use std::str::FromStr;

use super::NameError;
use crate::text::quoted;

/// One level of the service tree. The order of the variants is the order of the tree, root first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tag {
    Cop,
    Owt,
    Pdl,
    Cluster,
    ServiceGroup,
    Service,
    JobGroup,
    Job,
}

impl Tag {
    /// Every tag, the company (`cop`) first.
    pub const ALL: [Self; 8] = [
        Self::Cop,
        Self::Owt,
        Self::Pdl,
        Self::Cluster,
        Self::ServiceGroup,
        Self::Service,
        Self::JobGroup,
        Self::Job,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cop => "cop",
            Self::Owt => "owt",
            Self::Pdl => "pdl",
            Self::Cluster => "cluster",
            Self::ServiceGroup => "servicegroup",
            Self::Service => "service",
            Self::JobGroup => "jobgroup",
            Self::Job => "job",
        }
    }

    pub(super) fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tag| tag.as_str() == text)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Tag {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::named(text).ok_or_else(|| NameError::UnknownTag {
            what: "tag",
            text: quoted(text),
            tag: quoted(text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tag_is_read_back() {
        for tag in Tag::ALL {
            assert_eq!(tag.to_string().parse(), Ok(tag));
        }
        assert!("Cop".parse::<Tag>().is_err());
    }
}
