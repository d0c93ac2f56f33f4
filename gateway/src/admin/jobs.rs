//! `/v1/jobs`.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use roundhouse_config::{JobName, Label, Port};
use roundhouse_registry::record::{Name, ValueError, decode, encode};
use roundhouse_registry::{Job, Snapshot, WriteError};
use serde_json::{Map, Value, json};

use super::extract::{Body, Precondition, Segment};
use super::view::View;
use super::written::{answer, etag};
use super::{Api, Problem};

pub(super) async fn list(State(api): State<Api>) -> Json<Value> {
    api.look(|view| {
        let jobs = view.snapshot.jobs.iter();
        Json(jobs.map(|(label, record)| view.job_summary(label, record)).collect())
    })
}

pub(super) async fn show(
    State(api): State<Api>,
    Segment(label): Segment<Label>,
) -> Result<Response, Problem> {
    api.look(|view| {
        let record = view.snapshot.jobs.get(&label).ok_or_else(|| unknown(&label))?;
        let headers: HeaderMap = etag(record.modified).into_iter().collect();
        Ok((headers, Json(Value::Object(view.job_details(&label, record)))).into_response())
    })
}

pub(super) async fn put(
    State(api): State<Api>,
    Segment(label): Segment<Label>,
    Precondition(expect): Precondition,
    Body(fields): Body<Map<String, Value>>,
) -> Result<Response, Problem> {
    let job = job_record(fields)?;
    job.validate()?;
    let store = &api.shared.store;
    refuse_taken_jobname(&store.load(), &label, &job.jobname)?;
    let written = api.write(api.shared.registry.put_job(&label, &job, expect)).await?;
    let body = json!({ "label": label, "warnings": warnings(&job, &store.load()) });
    Ok(answer(store, written, &format!("/v1/jobs/{label}"), body).await)
}

/// Records may be written in any order, so naming what is not there is no mistake, but may be one: without the
/// certificate the port's instances are not dialled.
fn warnings(job: &Job, snapshot: &Snapshot) -> Vec<String> {
    let named = job.ports.iter().filter_map(|port| Some((port, port.tls.as_ref()?.certificate.as_ref()?)));
    let missing = named.filter(|(_, certificate)| !snapshot.certs.contains_key(*certificate));
    let warning = |(port, certificate): (&Port, &Name)| {
        format!("there is no certificate `{certificate}` yet, which `tls` of port `{}` names", port.name)
    };
    missing.map(warning).collect()
}

pub(super) async fn delete(
    State(api): State<Api>,
    Segment(label): Segment<Label>,
    Precondition(expect): Precondition,
) -> Result<Response, Problem> {
    // Before 1970 nothing rests: a clock that wrong is the smaller problem.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let written = api.write(api.shared.registry.delete_job(&label, expect, now)).await?;
    Ok(answer(&api.shared.store, written, "", json!({ "label": label })).await)
}

/// The record in a body or in an answer of this API: what a GET shows can be edited and put back. There `vip` is the
/// VIP's address, and the record's own field, the wish, is `vip_wish`.
pub fn job_record(mut fields: Map<String, Value>) -> Result<Job, ValueError> {
    let wish = fields.remove("vip_wish");
    if fields.get("vip").is_some_and(Value::is_string) || wish.is_some() {
        fields.insert("vip".into(), wish.unwrap_or_default());
    }
    // What a person writes is explicit, whatever it was copied from.
    fields.remove("implicit");
    decode(&encode(&fields))
}

/// A JOBNAME is one job's identity. Two writers who race each other past this look are told apart by the table, which
/// gives the name to the older record.
pub(crate) fn refuse_taken_jobname(
    snapshot: &Snapshot,
    label: &Label,
    jobname: &JobName,
) -> Result<(), WriteError> {
    let mut others = snapshot.jobs.iter().filter(|(other, _)| *other != label);
    match others.find(|(_, record)| record.value.jobname == *jobname) {
        Some((owner, _)) => Err(WriteError::JobNameTaken { label: owner.clone(), wanted: jobname.clone() }),
        None => Ok(()),
    }
}

pub(super) fn unknown(label: &Label) -> Problem {
    Problem::not_found(format!("job `{label}`"), "GET /v1/jobs lists them, PUT makes one")
}

impl Api {
    /// Loads snapshot and table once for one answer.
    pub(super) fn look<T>(&self, show: impl FnOnce(&View<'_>) -> T) -> T {
        let snapshot = self.shared.store.load();
        let table = self.shared.table.load();
        let not_caught = self.shared.not_caught.load();
        show(&View { snapshot: &snapshot, table: &table, not_caught: &not_caught })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn a_certificate_that_is_not_there_is_a_warning() {
        let port = json!({"name": "main", "port": 1, "tls": {"certificate": "client"}});
        let job = job_record(fields(&json!({"jobname": "job.a", "ports": [port]}))).unwrap();
        let expected = "there is no certificate `client` yet, which `tls` of port `main` names";
        assert_eq!(warnings(&job, &Snapshot::default()), [expected]);
        let job = job_record(fields(
            &json!({"jobname": "job.a", "ports": [{"name": "main", "port": 1, "tls": {}}]}),
        ));
        assert_eq!(warnings(&job.unwrap(), &Snapshot::default()), [""; 0]);
    }

    #[test]
    fn an_answer_can_be_put_back() {
        let shown = json!({"jobname": "job.a", "label": "a", "vip": "127.99.0.1", "vip_wish": 7, "vip_offset": 7,
            "implicit": true, "revision": 3, "instances": [], "not_caught": []});
        let job = job_record(fields(&shown)).unwrap();
        assert_eq!((job.vip, job.implicit), (Some(7), false));
        let job = job_record(fields(&json!({"jobname": "job.a", "vip": null, "vip_wish": null}))).unwrap();
        assert_eq!(job.vip, None);
        assert_eq!(job_record(fields(&json!({"jobname": "job.a", "vip": 9}))).unwrap().vip, Some(9));
        assert!(job_record(fields(&json!({"jobname": "job.a", "vip": true}))).is_err());
    }
}
