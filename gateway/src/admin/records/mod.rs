//! Every kind of record by the same four calls: list, GET, PUT and DELETE.
//!
//! ```text
//! PUT ─► record::read (what is refused here would be quarantined there) ─► Writable::refusal (what other records make
//!        of it) ─► one transaction with the caller's expectation ─► answer with Writable::warnings
//! ```
//!
//! A [`Kind`] says what it is called and where it is in a snapshot; `kinds` has them all. Jobs and instances are more than
//! records (owners, leases, live state) and have modules of their own.

mod certs;
mod domains;
mod entrypoints;
mod kinds;
mod pools;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use roundhouse_config::NamedEntrypoint;
use roundhouse_registry::record::{Key, Record, Timestamp};
use roundhouse_registry::write::Expect;
use roundhouse_registry::{Records, Registry, Snapshot, Versioned, WriteError, Written};
use serde_json::{Value, json};

use super::caller::Caller;
use super::extract::{Precondition, RecordBody, RecordName};
use super::visible::Reader;
use super::written::{answer, etag};
use super::{Api, Problem};
use crate::table::Table;

/// A kind of record that can be read.
pub(super) trait Kind: Record + Clone + Send + Sync + 'static {
    type Name: Ord + Clone + Display + Send + Sync + 'static;
    /// The routes: `/v1/rules` and `/v1/rules/{name}`.
    const ALL: &'static str;
    const ONE: &'static str;
    /// For sentences: `rule`.
    const NOUN: &'static str;
    /// The name's field in answers.
    const FIELD: &'static str;

    fn name(text: &str) -> Result<Self::Name, String>;

    fn records(snapshot: &Snapshot) -> &Records<Self::Name, Self>;

    /// What the reader may see of it.
    fn shown(record: &Versioned<Self>, _: Reader) -> Value {
        json!(record)
    }
}

/// A kind that people write.
pub(super) trait Writable: Kind {
    fn key(name: &Self::Name) -> Key;

    /// Writes it, in one transaction; what the answer says besides.
    fn put(
        &self,
        name: &Self::Name,
        registry: &Registry,
        expect: Expect,
    ) -> impl Future<Output = Result<(Written, Value), WriteError>> + Send {
        async move {
            let written = registry.put_record(&Self::key(name), self, expect).await?;
            Ok((written, json!({})))
        }
    }

    /// Takes it out, in one transaction.
    fn remove(
        name: &Self::Name,
        registry: &Registry,
        expect: Expect,
    ) -> impl Future<Output = Result<Written, WriteError>> + Send {
        async move { registry.delete_record(&Self::key(name), expect).await }
    }

    /// Why it cannot be, among what else there is.
    fn refusal(&self, _name: &Self::Name, _site: &Site<'_>) -> Result<(), Problem> {
        Ok(())
    }

    /// Why it cannot go.
    fn removal(_name: &Self::Name, _site: &Site<'_>) -> Result<(), Problem> {
        Ok(())
    }

    /// What whoever wrote it would want to know. Records may be written in any order, so naming what is not there is
    /// no mistake, but may be one.
    fn warnings(&self, _name: &Self::Name, _site: &Site<'_>) -> Vec<String> {
        Vec::new()
    }
}

/// What a record is written into.
pub(super) struct Site<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) table: &'a Table,
    /// Entrypoints of the file, as they are in force.
    pub(super) file_entrypoints: &'a [NamedEntrypoint],
    pub(super) now: Timestamp,
}

pub(super) async fn list<K: Kind>(State(api): State<Api>, caller: Caller) -> Json<Value> {
    let snapshot = api.shared.store.load();
    let records = K::records(&snapshot).iter();
    Json(records.map(|(name, record)| view(name, record, caller.reader())).collect())
}

pub(super) async fn show<K: Kind>(
    State(api): State<Api>,
    caller: Caller,
    RecordName(name): RecordName<K>,
) -> Result<Response, Problem> {
    let snapshot = api.shared.store.load();
    let record = K::records(&snapshot).get(&name).ok_or_else(|| missing::<K>(&name))?;
    let headers: HeaderMap = etag(record.modified).into_iter().collect();
    Ok((headers, Json(view(&name, record, caller.reader()))).into_response())
}

pub(super) async fn put<K: Writable>(
    State(api): State<Api>,
    RecordName(name): RecordName<K>,
    Precondition(expect): Precondition,
    RecordBody(record): RecordBody<K>,
) -> Result<Response, Problem> {
    api.site(|site| record.refusal(&name, site))?;
    let (written, mut body) = api.write(record.put(&name, &api.shared.registry, expect)).await?;
    body[K::FIELD] = json!(name.to_string());
    body["warnings"] = json!(api.site(|site| record.warnings(&name, site)));
    let location = format!("{}/{name}", K::ALL);
    Ok(answer(&api.shared.store, written, &location, body).await)
}

pub(super) async fn delete<K: Writable>(
    State(api): State<Api>,
    RecordName(name): RecordName<K>,
    Precondition(expect): Precondition,
) -> Result<Response, Problem> {
    api.site(|site| K::removal(&name, site))?;
    let written = api.write(K::remove(&name, &api.shared.registry, expect)).await;
    // In the words of this kind.
    let written =
        written.map_err(|problem| if problem.is_not_found() { missing::<K>(&name) } else { problem })?;
    Ok(answer(&api.shared.store, written, "", json!({ K::FIELD: name.to_string() })).await)
}

/// The record's fields with its name and its revision: it can be edited and put back.
fn view<K: Kind>(name: &K::Name, record: &Arc<Versioned<K>>, reader: Reader) -> Value {
    let mut fields = K::shown(record, reader);
    fields[K::FIELD] = json!(name.to_string());
    fields
}

fn missing<K: Kind>(name: &K::Name) -> Problem {
    Problem::not_found(format!("{} `{name}`", K::NOUN), &format!("GET {} lists what there is", K::ALL))
}

/// A name as any text of its type.
fn parsed<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

impl Api {
    fn site<T>(&self, look: impl FnOnce(&Site<'_>) -> T) -> T {
        let (snapshot, table) = (self.shared.store.load(), self.shared.table.load());
        let file_entrypoints = &self.shared.file_entrypoints.load();
        look(&Site { snapshot: &snapshot, table: &table, file_entrypoints, now: Timestamp::now() })
    }
}
