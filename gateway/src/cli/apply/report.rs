//! What `apply` did, or what it would do.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::cli::{Outcome, Output, columns, print_json};
use crate::jobs::{Action, Change, differences};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Apply,
    Diff,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Create,
    Change,
    Keep,
    /// A static instance that is in the registry and not in the file.
    Leave,
    Delete,
}

/// One record, and what becomes of it.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) deed: Deed,
    pub(super) kind: &'static str,
    pub(super) name: String,
    /// For [`Deed::Change`].
    pub(super) fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub(super) field: String,
    from: Value,
    to: Value,
}

pub(super) struct Report {
    mode: Mode,
    output: Output,
    created: usize,
    changed: usize,
    unchanged: usize,
    deleted: usize,
    left: usize,
    failed: usize,
    /// For JSON, which is one document.
    changes: Vec<Value>,
}

impl Line {
    pub(super) fn of(change: &Change) -> Line {
        let deed = match change.action {
            Action::Create => Deed::Create,
            Action::Change => Deed::Change,
            Action::Keep => Deed::Keep,
            Action::Leave => Deed::Leave,
        };
        let fields = change.fields.iter();
        let fields = fields.map(|each| Field {
            field: each.field.clone(),
            from: each.from.clone(),
            to: each.to.clone(),
        });
        let fields = fields.collect();
        Line { deed, kind: change.subject.kind(), name: change.subject.to_string(), fields }
    }
}

impl Field {
    pub(super) fn between(from: &Value, to: &Value) -> Vec<Field> {
        let differing = differences(from, to).into_iter();
        differing.map(|each| Field { field: each.field, from: each.from, to: each.to }).collect()
    }
}

impl Report {
    pub(super) fn new(mode: Mode, output: Output) -> Report {
        let (created, changed, unchanged, deleted, left, failed) = (0, 0, 0, 0, 0, 0);
        Report { mode, output, created, changed, unchanged, deleted, left, failed, changes: Vec::new() }
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    /// So many records of the file's kind are not in it, and stay as they are.
    pub(super) fn leave(&mut self, count: usize) {
        self.left = count;
    }

    pub(super) fn add(&mut self, line: &Line, out: &mut impl Write) -> io::Result<()> {
        match line.deed {
            Deed::Create => self.created += 1,
            Deed::Change => self.changed += 1,
            Deed::Keep => self.unchanged += 1,
            Deed::Delete => self.deleted += 1,
            Deed::Leave => {}
        }
        let word = self.word(line.deed);
        if self.output == Output::Json {
            let fields = line
                .fields
                .iter()
                .map(|field| json!({ "field": field.field, "from": field.from, "to": field.to }));
            self.changes.push(json!({ "action": word, "kind": line.kind, "name": line.name,
                "fields": fields.collect::<Value>() }));
            return Ok(());
        }
        let fields = line
            .fields
            .iter()
            .map(|field| columns::clean(&format!("{}: {} -> {}", field.field, field.from, field.to)));
        let fields: Vec<_> = fields.collect();
        let head = format!("{word} {} {}", line.kind, line.name);
        match (self.mode, line.deed) {
            (_, Deed::Leave) => {
                let how = format!("drain it, or DELETE /v1/instances/{}", line.name);
                writeln!(out, "{head} (static, and not in the file; {how})")
            }
            (Mode::Diff, Deed::Keep) => Ok(()),
            (Mode::Diff, _) => {
                writeln!(out, "{head}")?;
                fields.iter().try_for_each(|field| writeln!(out, "    {field}"))
            }
            (Mode::Apply, _) if fields.is_empty() => writeln!(out, "{head}"),
            (Mode::Apply, _) => writeln!(out, "{head}: {}", fields.join(", ")),
        }
    }

    pub(super) fn failed(&mut self, sentence: &str) {
        self.failed += 1;
        let _ = writeln!(io::stderr(), "{}", columns::clean(sentence));
    }

    pub(super) fn finish(self, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let Report { created, changed, unchanged, deleted, left, failed, .. } = self;
        let differs = created + changed + deleted > 0;
        if self.output == Output::Json {
            let counts = json!({ "created": created, "changed": changed, "unchanged": unchanged,
                "deleted": deleted, "left": left, "failed": failed });
            print_json(&json!({ "changes": self.changes, "counts": counts }), out)?;
        } else {
            match self.mode {
                Mode::Apply => write!(out, "{created} created, {changed} changed, {unchanged} unchanged")?,
                Mode::Diff if !differs => write!(out, "no differences")?,
                Mode::Diff => write!(out, "{created} to create, {changed} to change, {unchanged} unchanged")?,
            }
            let to = if self.mode == Mode::Diff { "to delete" } else { "deleted" };
            let more = [
                (deleted, to),
                (left, "not in the file and left (--prune deletes them)"),
                (failed, "failed"),
            ];
            for (count, what) in more.into_iter().filter(|(count, _)| *count > 0) {
                write!(out, ", {count} {what}")?;
            }
            writeln!(out)?;
        }
        Ok(match self.mode {
            _ if failed > 0 => Outcome::Failed,
            Mode::Diff if differs => Outcome::Different,
            Mode::Apply | Mode::Diff => Outcome::Ok,
        })
    }

    fn word(&self, deed: Deed) -> &'static str {
        match (deed, self.mode) {
            (Deed::Create, Mode::Apply) => "created",
            (Deed::Create, Mode::Diff) => "create",
            (Deed::Change, Mode::Apply) => "changed",
            (Deed::Change, Mode::Diff) => "change",
            (Deed::Delete, Mode::Apply) => "deleted",
            (Deed::Delete, Mode::Diff) => "delete",
            (Deed::Keep, _) => "unchanged",
            (Deed::Leave, _) => "left",
        }
    }
}
