//! `roundhouse holds release|restore`.

use std::io::Write;

use serde_json::Value;

use super::server::{Server, encoded};
use super::{Outcome, Output, print_json};

/// `None`: everything.
pub(super) async fn release(
    what: Option<&str>,
    server: &Server,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let path = match what {
        None => "/v1/holds".to_owned(),
        Some(what) => format!("/v1/holds/{}", segments(what)),
    };
    let answer: Value = server.delete(&path).await?;
    match output {
        Output::Json => print_json(&answer, out)?,
        Output::Table => writeln!(out, "released {}", answer["released"])?,
    }
    Ok(Outcome::Ok)
}

pub(super) async fn restore(
    server: &Server,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let answer: Value = server.order("/v1/restore").await?;
    match output {
        Output::Json => print_json(&answer, out)?,
        Output::Table => writeln!(out, "written {}, left as they are {}", answer["written"], answer["left"])?,
    }
    Ok(Outcome::Ok)
}

/// The slashes are the path's; everything else is a name's own.
fn segments(what: &str) -> String {
    what.split('/').map(encoded).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_segment_whatever_it_has() {
        assert_eq!(segments("app2/0c1f"), "app2/0c1f");
        assert_eq!(segments("x?y#z"), "x%3Fy%23z");
        assert_eq!(segments("domains/*.a b%.net"), "domains/%2A.a%20b%25.net");
    }
}
