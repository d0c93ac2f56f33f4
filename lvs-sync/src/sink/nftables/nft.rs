//! Our table in the kernel, by the `nft` program (nft(8)).

use std::time::Duration;

use roundhouse_registry::program::{self, Answer, Limits, ProgramError, first_line};
use serde_json::Value as Json;

use crate::sink::{OpError, SinkError};

/// A table of ten thousand destinations takes about a second, and each of them some hundred bytes.
const LIMITS: Limits = Limits { deadline: Duration::from_secs(20), answer: 256 << 20 };

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NftError {
    #[error("the `nft` program is not here; install nftables (Debian: apt-get install nftables)")]
    Missing,
    #[error(
        "nftables may not be changed by this process; grant it and the programs it starts CAP_NET_ADMIN (systemd: \
         AmbientCapabilities=CAP_NET_ADMIN)"
    )]
    NotPermitted,
    #[error("this kernel cannot balance by nftables; load its module (modprobe {0}), or write another sink")]
    NoModule(&'static str),
    #[error("the table was changed by somebody else meanwhile ({0}); it is read again")]
    Changed(String),
    #[error("nft gave no answer within {} s; it is tried again", LIMITS.deadline.as_secs())]
    Late,
    #[error("nft: {0}")]
    Other(String),
}

/// `None`: there is no such table.
pub(super) fn list(table: &str) -> Result<Option<Json>, NftError> {
    let answer = nft(&["--json", "list", "table", "inet", table], "")?;
    if !answer.status.success() && answer.stderr.contains(ABSENT) {
        return Ok(None);
    }
    let stdout = succeeded(answer)?;
    let listing = serde_json::from_str(&stdout);
    listing.map(Some).map_err(|error| NftError::Other(format!("what it lists is no JSON: {error}")))
}

/// All of it or nothing, in one step.
pub(super) fn commit(commands: &str) -> Result<(), NftError> {
    succeeded(nft(&["-f", "-"], commands)?).map(drop)
}

fn nft(arguments: &[&str], input: &str) -> Result<Answer, NftError> {
    program::run("nft", arguments, input, LIMITS).map_err(|error| match error {
        ProgramError::Missing => NftError::Missing,
        ProgramError::Late(_) => NftError::Late,
        ProgramError::Io(error) => NftError::Other(error.to_string()),
    })
}

fn succeeded(answer: Answer) -> Result<String, NftError> {
    if answer.status.success() { Ok(answer.stdout) } else { Err(meaning(&answer.stderr)) }
}

/// ENOENT: of a table, of an element, and of an expression that the kernel does not know.
const ABSENT: &str = "No such file or directory";
const UNSUPPORTED: &str = "Operation not supported";
const CHANGED: [&str; 3] = [ABSENT, "File exists", "Device or resource busy"];

/// What a command needs of the kernel, by its words; the first that is found is missing.
const MODULES: [(&str, &str); 6] = [
    ("type nat", "nft_chain_nat"),
    ("masquerade", "nft_masq"),
    ("numgen", "nft_numgen"),
    ("jhash", "nft_hash"),
    ("reject", "nft_reject_inet; rejecting before routing takes Linux 5.9"),
    ("dnat", "nft_nat"),
];

/// nft says errno's text, and below it the command that it is about, with carets under what is wrong in it: under a name
/// that is not there, or under the whole where the kernel does not know how.
fn meaning(stderr: &str) -> NftError {
    let first = first_line(stderr);
    if stderr.contains("Operation not permitted") {
        return NftError::NotPermitted;
    }
    if first.contains(ABSENT) || first.contains(UNSUPPORTED) {
        let marked = marked(stderr);
        if let Some((_, module)) = MODULES.into_iter().find(|(word, _)| marked.contains(word)) {
            return NftError::NoModule(module);
        }
    }
    if CHANGED.iter().any(|errno| first.contains(errno)) {
        return NftError::Changed(first);
    }
    NftError::Other(first)
}

fn marked(stderr: &str) -> String {
    let mut lines = stderr.lines().skip(1);
    let (Some(command), Some(marks)) = (lines.next(), lines.next()) else { return String::new() };
    command.chars().zip(marks.chars()).filter(|(_, mark)| *mark == '^').map(|(char, _)| char).collect()
}

impl From<NftError> for SinkError {
    fn from(error: NftError) -> SinkError {
        match error {
            NftError::Missing | NftError::NotPermitted | NftError::NoModule(_) => {
                SinkError::Refused(error.to_string())
            }
            NftError::Late => {
                SinkError::Io { what: error.to_string(), source: std::io::ErrorKind::TimedOut.into() }
            }
            NftError::Changed(_) | NftError::Other(_) => SinkError::Strange(error.to_string()),
        }
    }
}

impl NftError {
    /// What a transaction that was refused means for each operation in it; `Err`: it may have been done.
    pub(super) fn outcome(self) -> Result<OpError, SinkError> {
        match self {
            NftError::Changed(_) => Ok(OpError::Later(self.to_string())),
            NftError::Other(_) | NftError::NoModule(_) => Ok(OpError::Refused(self.to_string())),
            NftError::Missing | NftError::NotPermitted | NftError::Late => Err(self.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_rule(errno: &str, command: &str, marks: &str) -> NftError {
        meaning(&format!("/dev/stdin:7:1-9: Error: Could not process rule: {errno}\n{command}\n{marks}\n"))
    }

    #[test]
    fn what_nft_says_is_understood() {
        let rule = "add rule inet t s meta l4proto 6 dnat ip addr . port to numgen inc mod 1 map { 0 : 10.0.0.1 . 80 }";
        let whole = "^".repeat(rule.len());
        assert_eq!(of_rule(ABSENT, rule, &whole), NftError::NoModule("nft_numgen"));
        // The same, when it is the chain that is gone.
        assert!(matches!(of_rule(ABSENT, rule, "                ^"), NftError::Changed(_)));
        assert!(matches!(of_rule("File exists", "add chain inet t s", "^"), NftError::Changed(_)));
        assert_eq!(of_rule("Operation not permitted", "add table inet t", "^"), NftError::NotPermitted);
        let unprivileged =
            "Operation not permitted (you must be root)\nnetlink: Error: cache initialization failed";
        assert_eq!(meaning(unprivileged), NftError::NotPermitted);
        assert_eq!(
            meaning("/dev/stdin:1:1-3: Error: syntax error\nx\n^\n").to_string(),
            "nft: /dev/stdin:1:1-3: Error: syntax error"
        );
        assert_eq!(meaning("\n"), NftError::Other("it failed and did not say why".into()));
    }

    #[test]
    fn who_can_help_decides_what_is_made_of_it() {
        assert!(matches!(NftError::Changed(String::new()).outcome(), Ok(OpError::Later(_))));
        assert!(matches!(NftError::NoModule("nft_hash").outcome(), Ok(OpError::Refused(_))));
        assert!(matches!(NftError::NotPermitted.outcome(), Err(SinkError::Refused(_))));
        assert!(matches!(NftError::Late.outcome(), Err(SinkError::Io { .. })));
    }
}
