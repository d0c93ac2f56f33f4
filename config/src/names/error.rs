//! Why a text is no name.

use thiserror::Error;

/// What is wrong with a name, and what to write instead. `what` is the kind of name, such as `label`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    #[error("{what} is empty; write 1 to 63 of a-z, 0-9 and `-`")]
    Empty { what: &'static str },

    #[error("{what} `{text}` has {length} characters; a DNS label has at most 63")]
    LabelTooLong { what: &'static str, text: String, length: usize },

    #[error("{what} `{text}` has upper-case letters; write `{lower}`")]
    UpperCase { what: &'static str, text: String, lower: String },

    #[error("{what} `{text}` contains `{found}`; use only a-z, 0-9 and `-`")]
    Character { what: &'static str, text: String, found: String },

    #[error("{what} `{text}` begins or ends with `-`; begin and end with a letter or digit")]
    Hyphen { what: &'static str, text: String },

    #[error("label `{text}` is reserved, names under the zone use it; write another, such as `{text}-job`")]
    Reserved { text: String },

    #[error("JOBNAME `{text}` has no job; the least is `job.x`")]
    NoJob { text: String },

    #[error(
        "{what} `{text}`: `{part}` is no tag and value; write `tag.value` joined by `_`, as in `job.x_cop.z`"
    )]
    NoPair { what: &'static str, text: String, part: String },

    #[error(
        "{what} `{text}`: unknown tag `{tag}`; the tags are \
         cop, owt, pdl, cluster, servicegroup, service, jobgroup, job"
    )]
    UnknownTag { what: &'static str, text: String, tag: String },

    #[error("{what} `{text}` has the tag `{tag}` twice; write each tag once")]
    DuplicateTag { what: &'static str, text: String, tag: String },

    #[error("{what} `{text}` mixes the order of its tags; write `{sorted}`")]
    Order { what: &'static str, text: String, sorted: String },

    #[error(
        "selector `{text}`: `{value}` is no value; `*` stands for a whole value only, as in `cop.*`, \
         and a tag that is left out is any"
    )]
    PartialWildcard { text: String, value: String },

    #[error("{what} `{text}` has {length} bytes; at most {limit} are allowed")]
    TooLong { what: &'static str, text: String, length: usize, limit: usize },

    #[error("domain `{text}` is an IP address; a domain is a host name, such as `blog.example.net`")]
    Address { text: String },

    #[error(
        "domain `{text}` carries a port or a path; write the host name alone, such as `blog.example.net`"
    )]
    NotJustHost { text: String },

    #[error(
        "domain `{text}` has a `*` where none may be; only a whole first label may be one: `*.example.net`"
    )]
    Wildcard { text: String },

    #[error("domain `{text}` is not ASCII; write its `xn--` form")]
    NotAscii { text: String },
}
