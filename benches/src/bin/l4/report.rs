//! Everything that was measured: as text for people, as JSON, and as a picture.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use roundhouse_benches::layout::aligned;
use roundhouse_benches::{Machine, Peer, process};
use serde::Serialize;

use crate::comparison::Comparison;
use crate::namespace::Network;
use crate::options::Options;
use crate::picture;
use crate::stage::Skipped;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    date: String,
    machine: Machine,
    congestion_control: String,
    /// Of nginx, HAProxy and wrk.
    versions: Vec<String>,
    /// How often everybody had a turn.
    runs: usize,
    comparisons: Vec<Comparison>,
    skipped: Vec<(u8, String)>,
    notes: Vec<(u8, String)>,
}

impl Report {
    pub(crate) fn begin(options: &Options, network: &Network) -> Report {
        let short =
            |said: String| said.split([' ', '/']).find(|word| begins_with_digit(word)).map(str::to_owned);
        let version =
            |name: &str| format!("{name} {}", short(Peer::version(name)).unwrap_or_else(|| "?".into()));
        Report {
            date: process::first_output("date", &["+%F"]),
            machine: Machine::begin(options.quick),
            congestion_control: network.congestion.clone(),
            versions: ["nginx", "haproxy", "wrk"].map(version).into(),
            runs: options.pairs(),
            comparisons: Vec::new(),
            skipped: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, comparison: Comparison) {
        eprintln!("  {}", comparison.cells().join("  "));
        self.comparisons.push(comparison);
    }

    /// The row, or a part of it, was not measured.
    pub(crate) fn skip(&mut self, row: u8, Skipped(reason): Skipped) {
        eprintln!("  skipped: {reason}");
        self.skipped.push((row, reason));
    }

    /// What a reader must know to read the row right.
    pub(crate) fn note(&mut self, row: u8, text: impl Into<String>) {
        self.notes.push((row, text.into()));
    }

    pub(crate) fn text(&self) -> String {
        let Machine { seconds, load_before, load_after, .. } = &self.machine;
        let mut text = format!(
            "L4, {}: {}; congestion control {}\n{}\n\
             one worker each, medians of {} alternating runs; {seconds} s; load {load_before} before, {load_after} after\n\n",
            self.date,
            self.machine,
            self.congestion_control,
            self.versions.join(", "),
            self.runs,
        );
        let head = Comparison::HEAD.map(str::to_owned);
        let rows: Vec<_> =
            std::iter::once(head).chain(self.comparisons.iter().map(Comparison::cells)).collect();
        text += &aligned(&rows, &(3..9));
        for (title, lines) in [("skipped: ", &self.skipped), ("", &self.notes)] {
            for (row, line) in lines {
                let _ = write!(text, "\n{row}: {title}{line}");
            }
        }
        text
    }

    pub(crate) fn write(&mut self, folder: &Path) -> io::Result<()> {
        self.machine.end();
        std::fs::create_dir_all(folder)?;
        std::fs::write(self.file(folder, "txt"), format!("{}\n", self.text()))?;
        std::fs::write(self.file(folder, "json"), serde_json::to_string_pretty(self)? + "\n")?;
        let title = format!("L4, {}: CPU, memory and latency, Roundhouse to its peers", self.date);
        picture::draw(&self.file(folder, "svg"), &title, &self.comparisons).map_err(io::Error::other)
    }

    pub(crate) fn say_where(&self, folder: &Path) {
        eprintln!("written to {}, .json and .svg", self.file(folder, "txt").display());
    }

    fn file(&self, folder: &Path, extension: &str) -> PathBuf {
        folder.join(format!("{}-l4.{extension}", self.date))
    }
}

fn begins_with_digit(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_digit())
}
