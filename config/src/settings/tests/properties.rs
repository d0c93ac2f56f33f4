//! What holds for every text.

use std::path::Path;

use proptest::prelude::*;

use crate::settings::Settings;

/// Lines that come near to configuration.
fn line() -> impl Strategy<Value = String> {
    let key = "(data_dir|registry|url|names|zone|vips|answer|hub_addresses|dns|listen|ttl|\
               entrypoint|protocol|trust_proxy|trust_forwarded|certificate|limits|head|lifetime|tcp|access_log|sample|headers|workers|count|x)";
    let value = "(\"\\PC{0,8}\"|[0-9.-]{1,9}|\\[\\]|\\{\\}|true)";
    let line = format!("\\[?\\[?{key}([.]{key})?\\]?\\]?( = {value})?");
    prop::string::string_regex(&line).unwrap()
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC*") {
        let _ = Settings::parse(&text, "f", Path::new(""));
    }

    #[test]
    fn no_configuration_makes_it_panic(lines in prop::collection::vec(line(), 0..8)) {
        if let Err(problems) = Settings::parse(&lines.join("\n"), "f", Path::new("")) {
            prop_assert!(problems.iter().all(|problem| problem.line >= 1 && problem.column >= 1));
            prop_assert!(problems.iter().count() > 0);
        }
    }
}
