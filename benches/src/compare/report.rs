//! Everything that was measured: as text for people, as JSON, and as a picture.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Comparison, Network, Options, Skipped, Who, picture};
use crate::layout::aligned;
use crate::{Machine, process};

/// What a report is about.
#[derive(Debug)]
pub struct Subject {
    /// As in `L4`; its files are called by it.
    pub name: &'static str,
    pub peers: &'static [Who],
    /// Of the peers and of the load.
    pub versions: fn() -> Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct Report {
    #[serde(skip)]
    subject: &'static Subject,
    date: String,
    machine: Machine,
    congestion_control: String,
    versions: Vec<String>,
    /// How often everybody had a turn.
    runs: usize,
    comparisons: Vec<Comparison>,
    skipped: Vec<(u8, String)>,
    notes: Vec<(u8, String)>,
}

impl Report {
    pub fn begin(subject: &'static Subject, options: &Options, network: &Network) -> Report {
        Report {
            subject,
            date: process::first_output("date", &["+%F"]),
            machine: Machine::begin(options.quick),
            congestion_control: network.congestion.clone(),
            versions: (subject.versions)(),
            runs: options.pairs(),
            comparisons: Vec::new(),
            skipped: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub fn add(&mut self, comparison: Comparison) {
        eprintln!("  {}", comparison.cells(self.subject.peers).join("  "));
        self.comparisons.push(comparison);
    }

    /// The row, or a part of it, was not measured.
    pub fn skip(&mut self, row: u8, Skipped(reason): Skipped) {
        eprintln!("  skipped: {reason}");
        self.skipped.push((row, reason));
    }

    /// What a reader must know to read the row right.
    pub fn note(&mut self, row: u8, text: impl Into<String>) {
        self.notes.push((row, text.into()));
    }

    pub fn text(&self) -> String {
        let Machine { seconds, load_before, load_after, .. } = &self.machine;
        let mut text = format!(
            "{}, {}: {}; congestion control {}\n{}\n\
             one worker each, medians of {} alternating runs; {seconds} s; load {load_before} before, {load_after} after\n\n",
            self.subject.name,
            self.date,
            self.machine,
            self.congestion_control,
            self.versions.join(", "),
            self.runs,
        );
        let peers = self.subject.peers;
        let rows = self.comparisons.iter().map(|comparison| comparison.cells(peers));
        let rows: Vec<_> = std::iter::once(Comparison::head(peers)).chain(rows).collect();
        // Roundhouse and the peers, the ratio to each, and to the better of them.
        let numbers = 3..3 + 2 * (1 + peers.len());
        text += &aligned(&rows, &numbers);
        for (title, lines) in [("skipped: ", &self.skipped), ("", &self.notes)] {
            for (row, line) in lines {
                let _ = write!(text, "\n{row}: {title}{line}");
            }
        }
        text
    }

    pub fn write(&mut self, folder: &Path) -> io::Result<()> {
        self.machine.end();
        std::fs::create_dir_all(folder)?;
        std::fs::write(self.file(folder, "txt"), format!("{}\n", self.text()))?;
        std::fs::write(self.file(folder, "json"), serde_json::to_string_pretty(self)? + "\n")?;
        let title =
            format!("{}, {}: CPU, memory and latency, Roundhouse to its peers", self.subject.name, self.date);
        picture::draw(&self.file(folder, "svg"), &title, &self.comparisons).map_err(io::Error::other)
    }

    pub fn say_where(&self, folder: &Path) {
        eprintln!("written to {}, .json and .svg", self.file(folder, "txt").display());
    }

    fn file(&self, folder: &Path, extension: &str) -> PathBuf {
        folder.join(format!("{}-{}.{extension}", self.date, self.subject.name.to_lowercase()))
    }
}
