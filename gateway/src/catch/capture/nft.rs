//! Our table in the kernel, by the `nft` program (nft(8)).
//!
//! Whether it still stands is told by the program's own listing, as it was right after the installation: how a rule is
//! spelled differs between versions of the program, but not between two of its answers.

use roundhouse_registry::program::{self, Answer, Limits, ProgramError, first_line};

use super::table::{self, Table};

/// A table as the kernel has it.
#[derive(Clone, Debug)]
pub struct Installed {
    name: String,
    listing: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NftError {
    #[error(
        "the `nft` program is not here; install nftables (Debian: apt-get install nftables), or set names.catch = \
         \"bind\""
    )]
    Missing,
    #[error(
        "nftables may not be changed by this process; grant it and the programs it starts CAP_NET_ADMIN (systemd: \
         AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW), or set names.catch = \"bind\""
    )]
    NotPermitted,
    #[error(
        "this kernel has no TPROXY for nftables; load its module (modprobe nft_tproxy; built with \
         CONFIG_NFT_TPROXY), or set names.catch = \"bind\""
    )]
    NoTproxy,
    #[error(
        "this kernel cannot refuse connections before routing (nft_reject_inet in prerouting, Linux 5.9); take a newer \
         one, or set names.catch = \"bind\""
    )]
    NoReject,
    #[error("nft gave no answer within {} s; it is tried again", Limits::BRIEF.deadline.as_secs())]
    Late,
    #[error("nft: {0}")]
    Other(String),
}

/// Makes the kernel's table of that name exactly this one, in one step.
pub fn install(table: &Table) -> Result<Installed, NftError> {
    succeeded(nft(&["-f", "-"], &table.install())?)?;
    let name = table.name().to_owned();
    let listing = list(&name)?.ok_or_else(|| NftError::Other(format!("table {name} is gone again")))?;
    Ok(Installed { name, listing })
}

/// Removes the table of that name, if there is one.
pub fn remove(name: &str) -> Result<(), NftError> {
    succeeded(nft(&["-f", "-"], &table::remove(name))?).map(drop)
}

impl Installed {
    /// Whether nobody has changed or removed it since.
    pub fn stands(&self) -> Result<bool, NftError> {
        Ok(list(&self.name)?.is_some_and(|listing| listing == self.listing))
    }

    /// Removes it, unless it is somebody else's by now: the next gateway of the same prefix may have begun already.
    pub fn remove(self) -> Result<(), NftError> {
        if self.stands()? { remove(&self.name) } else { Ok(()) }
    }
}

/// Without counters, which change by themselves.
fn list(name: &str) -> Result<Option<String>, NftError> {
    let answer = nft(&["--stateless", "list", "table", "inet", name], "")?;
    if !answer.status.success() && answer.stderr.contains(ABSENT) {
        return Ok(None);
    }
    succeeded(answer).map(Some)
}

fn nft(arguments: &[&str], input: &str) -> Result<Answer, NftError> {
    program::run("nft", arguments, input, Limits::BRIEF).map_err(|error| match error {
        ProgramError::Missing => NftError::Missing,
        ProgramError::Late(_) => NftError::Late,
        ProgramError::Io(error) => NftError::Other(error.to_string()),
    })
}

fn succeeded(answer: Answer) -> Result<String, NftError> {
    if answer.status.success() { Ok(answer.stdout) } else { Err(meaning(&answer.stderr)) }
}

/// ENOENT, for a table as for an expression that the kernel does not know.
const ABSENT: &str = "No such file or directory";

/// nft says errno's text, and repeats below it the rule that it is about.
fn meaning(stderr: &str) -> NftError {
    let about = |word: &str| stderr.lines().skip(1).take(1).any(|line| line.contains(word));
    let refused = stderr.contains(ABSENT) || stderr.contains("Operation not supported");
    match stderr {
        _ if stderr.contains("Operation not permitted") => NftError::NotPermitted,
        _ if refused && about("tproxy") => NftError::NoTproxy,
        _ if refused && about("reject") => NftError::NoReject,
        _ => NftError::Other(first_line(stderr)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nft_says_is_understood() {
        let rule = |errno: &str, rule: &str| {
            meaning(&format!(
                "/dev/stdin:7:43-70: Error: Could not process rule: {errno}\n{rule}\n     ^^^^^^\n"
            ))
        };
        assert_eq!(rule("No such file or directory", "tproxy ip to 127.0.0.1:1 accept"), NftError::NoTproxy);
        assert_eq!(rule("Operation not supported", "reject with tcp reset"), NftError::NoReject);
        assert_eq!(rule("Operation not permitted", "add table inet roundhouse"), NftError::NotPermitted);
        let unprivileged =
            "Operation not permitted (you must be root)\nnetlink: Error: cache initialization failed";
        assert_eq!(meaning(unprivileged), NftError::NotPermitted);
        let other = rule("Device or resource busy", "delete table inet roundhouse");
        assert_eq!(
            other.to_string(),
            "nft: /dev/stdin:7:43-70: Error: Could not process rule: Device or resource busy"
        );
        assert_eq!(meaning("\n"), NftError::Other("it failed and did not say why".into()));
    }
}
