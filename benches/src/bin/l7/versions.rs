//! Which peers they are.

use roundhouse_benches::Peer;

const PINGORA: &str = include_str!("../../../peers/pingora/Cargo.lock");

pub(crate) fn versions() -> Vec<String> {
    let mut versions: Vec<_> = ["nginx", "haproxy"].map(|name| Peer::version(name, "-v")).into();
    versions.push(format!("pingora-proxy {}", locked("pingora-proxy").unwrap_or("?")));
    versions.extend([Peer::version("wrk", "-v"), Peer::version("h2load", "--version")]);
    versions
}

/// The version of a crate, as its lock file says on the line after its name.
fn locked(name: &str) -> Option<&'static str> {
    let (_, after) = PINGORA.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    Some(after.split_once('"')?.0)
}

#[cfg(test)]
mod tests {
    use super::locked;

    #[test]
    fn a_peer_of_our_own_has_the_version_that_is_locked() {
        assert!(locked("pingora-proxy").unwrap().starts_with("0.9."));
    }
}
