//! Words of the command line that a record has too: read by the record's own parser, so that both know the same ones.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub(super) fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

pub(super) fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    read(json!(text))
}
