//! The kinds: what each is called, what it cannot be beside the others, and what is worth a warning.

use std::sync::Arc;

use axum::http::StatusCode;
use roundhouse_config::{DomainName, Label, PortName, Selector};
use roundhouse_registry::record::{
    Cert, Director, Domain, Entrypoint, Gateway, Guard, Key, Leader, Line, Name, Pool, Role, Rule, RulePort,
    Target, Timestamp, Token, ValueError,
};
use roundhouse_registry::write::Expect;
use roundhouse_registry::{Records, Registry, Snapshot, Versioned, WriteError, Written};
use serde_json::{Value, json};

use super::{Kind, Site, Writable, certs, parsed};
use crate::admin::Problem;
use crate::admin::visible::Reader;

macro_rules! kind {
    ($kind:ident, $name:ty, $parse:path, $folder:literal, $noun:literal, $field:literal, $map:ident $(, $more:item)?) => {
        impl Kind for $kind {
            type Name = $name;
            const ALL: &'static str = concat!("/v1/", $folder);
            const ONE: &'static str = concat!("/v1/", $folder, "/{name}");
            const NOUN: &'static str = $noun;
            const FIELD: &'static str = $field;

            fn name(text: &str) -> Result<$name, String> {
                $parse(text)
            }

            fn records(snapshot: &Snapshot) -> &Records<$name, $kind> {
                &snapshot.$map
            }

            $($more)?
        }
    };
}

kind!(
    Cert,
    Name,
    parsed,
    "certs",
    "certificate",
    "name",
    certs,
    fn shown(record: &Versioned<Cert>, reader: Reader) -> Value {
        certs::shown(record, reader)
    }
);
kind!(Director, Arc<str>, id, "directors", "director", "id", directors);
kind!(Domain, DomainName, parsed, "domains", "domain", "host", domains);
kind!(Entrypoint, PortName, parsed, "entrypoints", "entrypoint", "name", entrypoints);
kind!(Gateway, Arc<str>, id, "gateways", "gateway", "id", gateways);
kind!(Guard, Selector, parsed, "guards", "guard", "selector", guards);
kind!(Leader, Name, parsed, "leaders", "leader", "name", leaders);
kind!(Line, Label, parsed, "lines", "line", "line", lines);
kind!(Pool, Label, parsed, "pools", "pool", "pool", pools);
kind!(Rule, Name, parsed, "rules", "rule", "id", rules);
kind!(
    Token,
    Name,
    parsed,
    "tokens",
    "token",
    "id",
    tokens,
    fn shown(record: &Versioned<Token>, reader: Reader) -> Value {
        let mut fields = json!(record);
        if let (Reader::WithoutSecrets, Value::Object(fields)) = (reader, &mut fields) {
            fields.remove("hash");
        }
        fields
    }
);

/// Whatever has no such id has no record.
fn id(text: &str) -> Result<Arc<str>, String> {
    Ok(text.into())
}

impl Writable for Guard {
    fn key(selector: &Selector) -> Key {
        Key::Guard(selector.clone())
    }
}

impl Writable for Line {
    fn key(line: &Label) -> Key {
        Key::Line(line.clone())
    }

    fn refusal(&self, own: &Label, site: &Site<'_>) -> Result<(), Problem> {
        if let Some(i) = self.fallback.iter().position(|line| line == own) {
            let message = "a line cannot stand in for itself; leave it out";
            return Err(ValueError::field(format!("fallback[{i}]"), message).into());
        }
        let others = site.snapshot.lines.iter().filter(|(line, _)| *line != own);
        for (line, other) in others {
            for (i, vips) in self.vips.iter().enumerate() {
                if let Some(theirs) = other.value.vips.iter().find(|theirs| theirs.overlaps(*vips)) {
                    let detail = format!(
                        "`{vips}` overlaps `{theirs}` of the line `{line}`, and one VIP cannot be on two lines; choose \
                         another range, or change that line first"
                    );
                    return Err(Problem::new(StatusCode::CONFLICT, detail).at(format!("vips[{i}]")));
                }
            }
        }
        Ok(())
    }

    fn warnings(&self, _: &Label, site: &Site<'_>) -> Vec<String> {
        self.fallback.iter().filter_map(|line| site.lacks_line(line)).collect()
    }
}

impl Writable for Rule {
    fn key(id: &Name) -> Key {
        Key::Rule(id.clone())
    }

    /// With the guard that it brings.
    async fn put(
        &self,
        id: &Name,
        registry: &Registry,
        expect: Expect,
    ) -> Result<(Written, Value), WriteError> {
        let put = registry.put_rule(id, self, expect, Timestamp::now()).await?;
        Ok((put.written, json!({ "guard": put.guard })))
    }

    fn warnings(&self, _: &Name, site: &Site<'_>) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Target::Job(job) = &self.to {
            let named = self.ports.iter().filter_map(|port| match port {
                RulePort::Name(name) => Some(name),
                RulePort::Number(_) => None,
            });
            warnings.extend(named.filter_map(|name| site.lacks_port(job, Some(name))));
        } else if !site.snapshot.jobs.iter().any(|(label, job)| self.to.matches(label, &job.value.jobname)) {
            warnings.push("no job has such a JOBNAME yet".to_owned());
        }
        warnings
    }
}

impl Writable for Token {
    fn key(id: &Name) -> Key {
        Key::Token(id.clone())
    }

    fn refusal(&self, id: &Name, site: &Site<'_>) -> Result<(), Problem> {
        if is_admin(self, site) { Ok(()) } else { site.keeps_an_admin(id) }
    }

    fn removal(id: &Name, site: &Site<'_>) -> Result<(), Problem> {
        site.keeps_an_admin(id)
    }

    fn warnings(&self, _: &Name, site: &Site<'_>) -> Vec<String> {
        let past =
            self.expired(site.now).then(|| "`expires` is past, so nobody can use the token".to_owned());
        past.into_iter().collect()
    }
}

fn is_admin(token: &Token, site: &Site<'_>) -> bool {
    token.role == Role::Admin && !token.expired(site.now)
}

impl Site<'_> {
    /// Nobody could make another one.
    fn keeps_an_admin(&self, without: &Name) -> Result<(), Problem> {
        let mut admins = self.snapshot.tokens.iter().filter(|(_, token)| is_admin(&token.value, self));
        match (admins.next(), admins.next()) {
            (Some((last, _)), None) if last == without => {
                let detail = format!(
                    "`{last}` is the last token with the role `admin`, and without it nobody could make another; put \
                     another one first"
                );
                Err(Problem::new(StatusCode::CONFLICT, detail))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn lacks_port(&self, job: &Label, port: Option<&PortName>) -> Option<String> {
        let Some(record) = self.snapshot.jobs.get(job) else {
            return Some(format!("there is no job `{job}` yet"));
        };
        let port = port.filter(|port| record.value.port(port).is_none())?;
        Some(format!("job `{job}` has no port `{port}` yet"))
    }

    pub(super) fn lacks_line(&self, line: &Label) -> Option<String> {
        // Everybody is on it who is on no other, with a record or without.
        let known = line.as_str() == "default" || self.snapshot.lines.contains_key(line);
        (!known).then(|| format!("there is no line `{line}` yet"))
    }

    pub(super) fn lacks_entrypoint(&self, name: &PortName) -> Option<String> {
        let configured = self.file_entrypoints.iter().any(|entrypoint| entrypoint.name == *name);
        let known = configured || self.snapshot.entrypoints.contains_key(name);
        (!known).then(|| format!("there is no entrypoint `{name}` yet"))
    }
}
