//! The header is that of the source.

#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::path::Path;

use cbindgen::{Builder, Config};

#[test]
fn the_header_is_that_of_the_source() {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut builder = Builder::new()
        .with_config(Config::from_file(crate_dir.join("cbindgen.toml").to_str().unwrap()).unwrap());
    for source in ["abi", "answer", "asking", "opening"] {
        builder = builder.with_src(crate_dir.join(format!("src/{source}.rs")));
    }
    let mut made = Vec::new();
    builder.generate().expect("C can say it").write(&mut made);
    let made = String::from_utf8(made).unwrap();
    let header = crate_dir.join("include/roundhouse_access.h");
    if std::env::var_os("ROUNDHOUSE_WRITE_HEADER").is_some() {
        std::fs::write(&header, &made).unwrap();
    }
    let there = std::fs::read_to_string(&header).unwrap_or_default();
    assert!(
        there == made,
        "it is another one; run this test with ROUNDHOUSE_WRITE_HEADER=1, and look at the difference"
    );
}
