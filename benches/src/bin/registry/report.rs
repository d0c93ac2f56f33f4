//! The one table, as text and as JSON.

use std::fmt::Write as _;
use std::path::Path;

use roundhouse_benches::layout::{aligned, rounded};
use roundhouse_benches::{Machine, Samples, process};
use serde::Serialize;

use crate::options::Options;

/// Fewer samples than this have no 99th percentile worth the name.
const FOR_P99: usize = 100;

#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    row: u8,
    what: String,
    n: usize,
    median: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99: Option<f64>,
    unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    aim: Option<Aim>,
    #[serde(skip_serializing_if = "Option::is_none")]
    met: Option<bool>,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Aim {
    MedianAtMost(f64),
    P99AtMost(f64),
    MedianAtLeast(f64),
}

impl Figure {
    pub(crate) fn new(row: u8, what: impl Into<String>, unit: &'static str, samples: &Samples) -> Figure {
        let n = samples.count();
        let p99 = (n >= FOR_P99).then(|| samples.p99());
        Figure { row, what: what.into(), n, median: samples.median(), p99, unit, aim: None, met: None }
    }

    /// One value that is no sample of many; `n` says of how many it is the mean.
    pub(crate) fn single(
        row: u8,
        what: impl Into<String>,
        unit: &'static str,
        value: f64,
        n: usize,
    ) -> Figure {
        Figure { row, what: what.into(), n, median: value, p99: None, unit, aim: None, met: None }
    }

    pub(crate) fn at_most(self, most: f64) -> Figure {
        Figure { met: Some(self.median <= most), aim: Some(Aim::MedianAtMost(most)), ..self }
    }

    pub(crate) fn at_least(self, least: f64) -> Figure {
        Figure { met: Some(self.median >= least), aim: Some(Aim::MedianAtLeast(least)), ..self }
    }

    /// Unmet when there are too few samples to say.
    pub(crate) fn p99_at_most(self, most: f64) -> Figure {
        Figure { met: Some(self.p99.is_some_and(|p99| p99 <= most)), aim: Some(Aim::P99AtMost(most)), ..self }
    }

    fn cells(&self) -> [String; 8] {
        let unit = self.unit;
        let aim = match self.aim {
            Some(Aim::MedianAtMost(most)) => format!("<= {most} {unit}"),
            Some(Aim::P99AtMost(most)) => format!("p99 <= {most} {unit}"),
            Some(Aim::MedianAtLeast(least)) => format!(">= {least} {unit}"),
            None => String::new(),
        };
        let met = match self.met {
            Some(true) => "met",
            Some(false) => "NOT MET",
            None => "",
        };
        [
            self.row.to_string(),
            self.what.clone(),
            self.n.to_string(),
            rounded(self.median),
            self.p99.map(rounded).unwrap_or_default(),
            unit.to_owned(),
            aim,
            met.to_owned(),
        ]
    }
}

/// Where and when the figures were taken.
#[derive(Debug, Serialize)]
struct Circumstances {
    #[serde(flatten)]
    machine: Machine,
    etcd: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    circumstances: Circumstances,
    figures: Vec<Figure>,
    notes: Vec<(u8, String)>,
}

impl Report {
    pub(crate) fn begin(options: &Options) -> Report {
        let etcd = process::first_output("etcd", &["--version"]);
        let circumstances = Circumstances { machine: Machine::begin(options.quick), etcd };
        Report { circumstances, figures: Vec::new(), notes: Vec::new() }
    }

    pub(crate) fn add(&mut self, figure: Figure) {
        eprintln!("  {}", figure.cells().join("  "));
        self.figures.push(figure);
    }

    /// What a reader must know to read the row right.
    pub(crate) fn note(&mut self, row: u8, text: impl Into<String>) {
        self.notes.push((row, text.into()));
    }

    /// Ends the report.
    pub(crate) fn text(&mut self) -> String {
        self.circumstances.machine.end();
        self.figures.sort_by_key(|figure| figure.row);
        self.notes.sort_by_key(|(row, _)| *row);
        let head = ["row", "what", "n", "median", "p99", "unit", "aim", "met"].map(str::to_owned);
        let rows: Vec<[String; 8]> =
            std::iter::once(head).chain(self.figures.iter().map(Figure::cells)).collect();
        let Circumstances { machine, etcd } = &self.circumstances;
        let Machine { seconds, load_before, load_after, .. } = machine;
        let mut text = format!(
            "Registry: {machine}, {etcd}; {seconds} s; load {load_before} before, {load_after} after\n\n"
        );
        text += &aligned(&rows, &(2..5));
        for (row, note) in &self.notes {
            let _ = write!(text, "\n{row}: {note}");
        }
        text
    }

    pub(crate) fn write(&self, folder: &Path, text: &str) -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("registry.txt"), format!("{text}\n"))?;
        std::fs::write(folder.join("registry.json"), serde_json::to_string_pretty(self)? + "\n")?;
        eprintln!("written to {}/registry.txt and registry.json", folder.display());
        Ok(())
    }
}
