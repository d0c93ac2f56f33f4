//! A gateway, before it runs.

use roundhouse_tests::Gateway;

/// Another text in the configuration of a gateway that does not run yet.
pub fn edit(gateway: &Gateway, from: &str, to: &str) {
    let config = std::fs::read_to_string(gateway.config()).expect("the harness wrote it");
    assert!(config.contains(from), "no {from} in:\n{config}");
    std::fs::write(gateway.config(), config.replace(from, to)).expect("the folder is ours");
}
