//! One `[[rule]]`.

use roundhouse_config::{Label, Network, Selector};
use roundhouse_registry::record::{
    Action, Name, Peers, Proof, Record as _, Rule, RulePort, Target, Timestamp, ValueError,
};
use toml::de::DeValue;

use super::table::Table;
use crate::cli::moment;

pub(super) const KEYS: [&str; 11] =
    ["id", "to", "from", "action", "ports", "methods", "paths", "proof", "dry_run", "expires", "note"];
const TO_EXAMPLE: &str = "{ job = \"redis\" }, or { jobname = \"service.redis_cop.coding\" }";
const FROM_EXAMPLE: &str = "{ jobname = \"cop.coding\" }, { cidr = [\"10.0.0.0/8\"] }, or both in one";

/// `None`: something that it must have will not do. All that is wrong has been noted.
pub(super) fn read(table: &Table<'_>) -> Option<(Name, Rule)> {
    table.refuse_unknown();
    let id = table.required("id", "\"redis-1\"");
    let (to, from) = (target(table), peers(table));
    let action = table.required("action", "\"allow\", or \"deny\"");
    let ports: Vec<RulePort> = table.list("ports", "[6379, \"main\"]", |_| Ok(()));
    let methods: Vec<Box<str>> =
        table.list("methods", "[\"GET\"]", |method| alone(|rule| rule.methods = vec![Box::clone(method)]));
    let paths: Vec<Box<str>> =
        table.list("paths", "[\"/admin\"]", |path| alone(|rule| rule.paths = vec![Box::clone(path)]));
    let proof: Option<Proof> = table.optional("proof", "\"none\", \"token\" or \"mtls\"");
    let dry_run: Option<bool> = table.optional("dry_run", "true");
    let expires = expires(table);
    let note: Box<str> = table.optional("note", "\"what it is for\"").unwrap_or_default();
    // What the lists are as a whole.
    table.check("ports", alone(|rule| rule.ports.clone_from(&ports)));
    table.check("methods", alone(|rule| rule.methods.clone_from(&methods)));
    table.check("paths", alone(|rule| rule.paths.clone_from(&paths)));
    table.check("note", alone(|rule| rule.note.clone_from(&note)));
    // A name counts for itself: that it is there twice is told even where the rest will not do.
    let (id, stand_in) = (id?, stand_in()?);
    let rule = Rule {
        to: to.unwrap_or(stand_in.to),
        from: from.unwrap_or(stand_in.from),
        action: action.unwrap_or(Action::Deny),
        ports,
        methods,
        paths,
        proof: proof.unwrap_or_default(),
        dry_run: dry_run.unwrap_or_default(),
        expires,
        note,
    };
    Some((id, rule))
}

fn target(table: &Table<'_>) -> Option<Target> {
    let to = table.inner("to", &["job", "jobname"], TO_EXAMPLE)?;
    to.refuse_unknown();
    let job: Option<Label> = to.optional("job", "\"redis\"");
    let jobname: Option<Selector> = to.optional("jobname", "\"service.redis_cop.coding\"");
    if to.value("job").is_some() == to.value("jobname").is_some() {
        to.wrong_whole("names not one of `job` and `jobname`", &format!("write to = {TO_EXAMPLE}"));
    }
    job.map(Target::Job).or(jobname.map(Target::JobName))
}

fn peers(table: &Table<'_>) -> Option<Peers> {
    let from = table.inner("from", &["jobname", "cidr"], FROM_EXAMPLE)?;
    from.refuse_unknown();
    let jobname: Option<Selector> = from.optional("jobname", "\"cop.coding\"");
    let cidr: Vec<Network> = from.list("cidr", "[\"10.0.0.0/8\"]", |_| Ok(()));
    let peers = Peers::new(jobname, cidr);
    if let Some(peers) = &peers {
        from.check("cidr", alone(|rule| rule.from = peers.clone()));
    }
    let empty = |list: &DeValue<'_>| list.as_array().is_some_and(|items| items.is_empty());
    let silent =
        from.value("jobname").is_none() && from.value("cidr").is_none_or(|list| empty(list.get_ref()));
    if silent {
        from.wrong_whole("names nobody", &format!("write from = {FROM_EXAMPLE}"));
    }
    peers
}

/// A moment. A duration would begin anew each time that the file is applied, and never end.
fn expires(table: &Table<'_>) -> Option<Timestamp> {
    let example = "2027-01-31T18:00:00Z";
    match table.value("expires")?.get_ref() {
        DeValue::Datetime(datetime) => {
            moment::of_datetime(datetime).map_err(|error| table.wrong("expires", &error, None)).ok()
        }
        DeValue::String(_) => {
            let hint = format!("write expires = {example}, without quotes, or seconds since the epoch");
            table.wrong("expires", "is a string, not a moment", Some(hint));
            None
        }
        _ => table.optional("expires", example),
    }
}

/// What a record is refused for that has nothing else to be refused for.
fn alone(edit: impl FnOnce(&mut Rule)) -> Result<(), ValueError> {
    let Some(mut rule) = stand_in() else { return Ok(()) };
    edit(&mut rule);
    rule.check()
}

/// It is never written: whoever has one for want of a part of a rule has noted what that part lacks.
fn stand_in() -> Option<Rule> {
    serde_json::from_str(r#"{"to":{"jobname":"cop.*"},"from":{"cidr":["::/0"]},"action":"deny"}"#).ok()
}
