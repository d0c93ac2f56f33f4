//! What `apply` did, or what it would do.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::cli::{Outcome, Output, columns, print_json};
use crate::jobs::{Action, Change};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Apply,
    Diff,
}

pub(super) struct Report {
    mode: Mode,
    output: Output,
    created: usize,
    changed: usize,
    unchanged: usize,
    failed: usize,
    /// For JSON, which is one document.
    changes: Vec<Value>,
}

impl Report {
    pub(super) fn new(mode: Mode, output: Output) -> Report {
        Report { mode, output, created: 0, changed: 0, unchanged: 0, failed: 0, changes: Vec::new() }
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    pub(super) fn add(&mut self, change: &Change, out: &mut impl Write) -> io::Result<()> {
        match change.action {
            Action::Create => self.created += 1,
            Action::Change => self.changed += 1,
            Action::Keep => self.unchanged += 1,
            Action::Leave => {}
        }
        let word = self.word(change.action);
        if self.output == Output::Json {
            let fields = change
                .fields
                .iter()
                .map(|field| json!({ "field": field.field, "from": field.from, "to": field.to }));
            let (kind, name) = (change.subject.kind(), change.subject.to_string());
            self.changes.push(
                json!({ "action": word, "kind": kind, "name": name, "fields": fields.collect::<Value>() }),
            );
            return Ok(());
        }
        let line = format!("{word} {} {}", change.subject.kind(), change.subject);
        let fields = change
            .fields
            .iter()
            .map(|field| columns::clean(&format!("{}: {} -> {}", field.field, field.from, field.to)));
        let fields: Vec<_> = fields.collect();
        match (self.mode, change.action) {
            (_, Action::Leave) => {
                let how = format!("drain it, or DELETE /v1/instances/{}", change.subject);
                writeln!(out, "{line} (static, and not in the file; {how})")
            }
            (Mode::Diff, Action::Keep) => Ok(()),
            (Mode::Diff, _) => {
                writeln!(out, "{line}")?;
                fields.iter().try_for_each(|field| writeln!(out, "    {field}"))
            }
            (Mode::Apply, _) if fields.is_empty() => writeln!(out, "{line}"),
            (Mode::Apply, _) => writeln!(out, "{line}: {}", fields.join(", ")),
        }
    }

    pub(super) fn failed(&mut self, sentence: &str) {
        self.failed += 1;
        let _ = writeln!(io::stderr(), "{}", columns::clean(sentence));
    }

    pub(super) fn finish(self, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let Report { created, changed, unchanged, failed, .. } = self;
        if self.output == Output::Json {
            let counts =
                json!({ "created": created, "changed": changed, "unchanged": unchanged, "failed": failed });
            print_json(&json!({ "changes": self.changes, "counts": counts }), out)?;
        } else {
            match self.mode {
                Mode::Apply => write!(out, "{created} created, {changed} changed, {unchanged} unchanged")?,
                Mode::Diff if created + changed == 0 => write!(out, "no differences")?,
                Mode::Diff => write!(out, "{created} to create, {changed} to change, {unchanged} unchanged")?,
            }
            writeln!(out, "{}", if failed > 0 { format!(", {failed} failed") } else { String::new() })?;
        }
        Ok(match self.mode {
            _ if failed > 0 => Outcome::Failed,
            Mode::Diff if created + changed > 0 => Outcome::Different,
            Mode::Apply | Mode::Diff => Outcome::Ok,
        })
    }

    fn word(&self, action: Action) -> &'static str {
        match (action, self.mode) {
            (Action::Create, Mode::Apply) => "created",
            (Action::Create, Mode::Diff) => "create",
            (Action::Change, Mode::Apply) => "changed",
            (Action::Change, Mode::Diff) => "change",
            (Action::Keep, _) => "unchanged",
            (Action::Leave, _) => "left",
        }
    }
}
