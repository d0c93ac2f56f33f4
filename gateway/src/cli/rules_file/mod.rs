//! Rules files: access rules and guards as TOML.
//!
//! ```toml
//! [[rule]]
//! id = "redis-1"
//! to = { job = "redis" }
//! from = { jobname = "cop.coding", cidr = ["10.0.0.0/8"] }
//! action = "allow"
//! ports = ["main"]
//! expires = 2027-01-31T18:00:00Z
//!
//! [[guard]]
//! selector = "job.redis"
//! note = "see the runbook"
//! ```
//!
//! The fields are those of the records, and each value is read as the record reads it. Nothing stops at the first
//! mistake: all are told, each with its place. A file with one is no file: whoever reads it gets the mistakes alone, so
//! that half a set of rules is never written.

mod notes;
mod rule;
mod table;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use roundhouse_config::{Place, Problem, Problems, Selector};
use roundhouse_registry::record::{Action, Guard, Name, Record as _, Rule, Timestamp};
use toml::de::DeTable;

use self::notes::Notes;
use self::table::Table;

/// Ten thousand rules with notes; what is longer is another file by mistake.
const MAX_FILE: u64 = 8 << 20;
const TABLES: [&str; 2] = ["rule", "guard"];
const GUARD_KEYS: [&str; 2] = ["selector", "note"];

/// In the order of the file, each name once.
#[derive(Debug, Default)]
pub(super) struct RulesFile {
    pub(super) rules: Vec<Placed<Name, Rule>>,
    pub(super) guards: Vec<Placed<Selector, WantedGuard>>,
}

#[derive(Clone, Debug)]
pub(super) struct Placed<K, V> {
    pub(super) name: K,
    pub(super) value: V,
    pub(super) place: Place,
}

/// What a person can say of a guard.
#[derive(Clone, Debug, Default)]
pub(super) struct WantedGuard {
    /// `None`: the one that is stored stays.
    pub(super) note: Option<Box<str>>,
}

impl RulesFile {
    pub(super) fn from_file(path: &Path) -> Result<RulesFile, Problems> {
        let name = path.display().to_string();
        let text = read(path).map_err(|message| whole(&name, message))?;
        RulesFile::parse(&text, &name)
    }

    pub(super) fn parse(text: &str, file: &str) -> Result<RulesFile, Problems> {
        let notes = Notes::new(file, text);
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            notes.wrong(error.span().map_or(0, |span| span.start), "", error.message(), None);
        }
        // What was recovered from a broken text would only be guessed at.
        if !errors.is_empty() {
            return notes.finish(RulesFile::default());
        }
        let root = Table::root(&notes, document.get_ref(), &TABLES);
        root.refuse_unknown();
        let (rules, guards) = (root.tables("rule", &rule::KEYS), root.tables("guard", &GUARD_KEYS));
        let rules = each_once(&notes, "id", rules.iter().map(|table| (table, rule::read(table))));
        let guards = each_once(&notes, "selector", guards.iter().map(|table| (table, guard(table))));
        notes.finish(RulesFile { rules, guards })
    }

    /// `3 rules (1 deny, 1 dry run, 1 expired), 1 guard`
    pub(super) fn summary(&self, now: Timestamp) -> String {
        let counted = |fits: fn(&Rule, Timestamp) -> bool, what: &str| {
            let count = self.rules.iter().filter(|rule| fits(&rule.value, now)).count();
            (count > 0).then(|| format!("{count} {what}"))
        };
        let parts = [
            counted(|rule, _| rule.action == Action::Allow, "allow"),
            counted(|rule, _| rule.action == Action::Deny, "deny"),
            counted(|rule, _| rule.dry_run, "dry run"),
            counted(Rule::expired, "expired"),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        let of = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
        let (rules, guards) = (self.rules.len(), self.guards.len());
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        format!("{rules} rule{}{of}, {guards} guard{}", plural(rules), plural(guards))
    }
}

/// Whether a `.toml` file is one of rules and not a gateway's settings, which have none of these tables.
pub(super) fn is_rules_file(path: &Path) -> bool {
    let Ok(text) = read(path) else { return false };
    let (document, _) = DeTable::parse_recoverable(&text);
    // The plurals are slips that the reader of rules has the better answer to.
    ["rule", "guard", "rules", "guards"].into_iter().any(|key| document.get_ref().contains_key(key))
}

fn guard(table: &Table<'_>) -> Option<(Selector, WantedGuard)> {
    table.refuse_unknown();
    let selector = table.required("selector", "\"job.redis\"");
    let note: Option<Box<str>> = table.optional("note", "\"see the runbook\"");
    if let Some(note) = note.clone() {
        table.check("note", Guard { note, ..Guard::default() }.check());
    }
    Some((selector?, WantedGuard { note }))
}

/// A second record of one name would silently be the one that counts.
fn each_once<'t, K: Ord + Clone + std::fmt::Display, V>(
    notes: &Notes<'_>,
    key: &'static str,
    found: impl Iterator<Item = (&'t Table<'t>, Option<(K, V)>)>,
) -> Vec<Placed<K, V>> {
    let mut places: BTreeMap<K, Place> = BTreeMap::new();
    let mut all = Vec::new();
    for (table, record) in found {
        // The name counts even where the rest of the record will not do.
        let Some((name, value)) = record else { continue };
        let place = notes.place(table.offset(key));
        if let Some(first) = places.get(&name) {
            let message =
                format!("`{name}` is at {} already; give each its own {key}", notes.reference(*first));
            notes.wrong(table.offset(key), &table.path_of(key), message, None);
            continue;
        }
        places.insert(name.clone(), place);
        all.push(Placed { name, value, place });
    }
    all
}

fn read(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too long from one that just fits.
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("is longer than {} MiB; such a file is none of rules", MAX_FILE >> 20));
    }
    String::from_utf8(bytes)
        .map_err(|error| format!("is not UTF-8 text from byte {} on", error.utf8_error().valid_up_to()))
}

fn whole(file: &str, message: String) -> Problems {
    Problem { file: file.to_owned(), line: 0, column: 0, path: String::new(), message, hint: None }.into()
}

#[cfg(test)]
mod tests;
