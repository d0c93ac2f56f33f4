//! `roundhouse registry import` and `diff`.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Seek, Write};
use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::json;

use super::place::{Place, open};
use super::{How, now, remote};
use crate::cli::{Output, columns, print_json};
use crate::transfer::{self, Contents, Options, Reader, Report, list, misfits};

const PIECE: usize = 64 << 10;

pub(super) async fn import(
    path: &Path,
    place: Place<'_>,
    how: &How,
    dry_run: bool,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Report> {
    let unreadable = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(unreadable)?;
    let contents = read(&mut file).with_context(|| path.display().to_string())?;
    refuse_misfits(&contents, how)?;
    let options = Options { mode: how.mode(), grace: how.grace, dry_run };
    let report = match place {
        Place::Gateway(server) => {
            file.rewind().with_context(unreadable)?;
            remote::import(server, file, options, how.quarantined).await?
        }
        Place::Direct(settings) => {
            let opened = open(&settings, !dry_run).await?;
            let mut progress = Progress::new();
            let imported =
                transfer::import(&*opened.kv, &contents, options, now(), |at| progress.show(at)).await;
            progress.end();
            imported?
        }
    };
    print(&report, how, output, out)?;
    Ok(report)
}

fn read(file: &mut File) -> anyhow::Result<Contents> {
    let mut reader = Reader::default();
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(reader.finish()?),
            length => reader.push(piece.get(..length).unwrap_or_default())?,
        }
    }
}

fn refuse_misfits(contents: &Contents, how: &How) -> anyhow::Result<()> {
    let misfits = misfits(contents);
    if misfits.is_empty() {
        return Ok(());
    }
    let (count, list) = (misfits.len(), list(&misfits));
    if how.quarantined {
        let _ = writeln!(io::stderr(), "{count} record(s) will be quarantined:\n{list}");
        return Ok(());
    }
    bail!(
        "{count} record(s) would be quarantined:\n{list}\nmend or delete them where they come from and export again, or \
         move them as they are with --quarantined"
    )
}

fn print(report: &Report, how: &How, output: Output, out: &mut impl Write) -> anyhow::Result<()> {
    if output == Output::Json {
        print_json(&json!(report), out)?;
        return Ok(());
    }
    let total = report.total();
    let row = |name: &str, count: &transfer::Count| {
        let counts = [count.create, count.replace, count.equal, count.left];
        std::iter::once(name.to_owned()).chain(counts.map(|count| count.to_string())).collect::<Vec<_>>()
    };
    let mut rows: Vec<_> = report.kinds.iter().map(|(kind, count)| row(kind, count)).collect();
    rows.push(row("all", &total));
    let heads = match report.dry_run {
        true => ["KIND", "TO CREATE", "TO REPLACE", "EQUAL", "LEFT"],
        false => ["KIND", "CREATED", "REPLACED", "EQUAL", "LEFT"],
    };
    columns::print(&heads, &rows, out)?;
    if !report.left.is_empty() {
        let left: Vec<_> = report.left.iter().map(|key| key.escape_debug()).collect();
        writeln!(out, "left as they are, since the registry has newer ones:\n{}", list(&left))?;
    }
    if !report.dry_run && report.kinds.contains_key("instances") {
        writeln!(out, "leased instances that do not register there within {} go", how.grace)?;
    }
    Ok(())
}

/// One line of a terminal, written over; nothing in a pipe.
struct Progress {
    shown: bool,
    terminal: bool,
}

impl Progress {
    fn new() -> Progress {
        Progress { shown: false, terminal: io::stderr().is_terminal() }
    }

    fn show(&mut self, at: transfer::Progress) {
        if self.terminal {
            self.shown = true;
            let _ = write!(io::stderr(), "\r{} of {} records written", at.written, at.of);
        }
    }

    fn end(&self) {
        if self.shown {
            let _ = writeln!(io::stderr());
        }
    }
}
