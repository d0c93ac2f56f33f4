//! The one table, as text and as JSON.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use roundhouse_tests::programs;
use serde::Serialize;

use crate::options::Options;
use crate::process;
use crate::samples::Samples;

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

/// Three figures that count, whole numbers whole.
fn rounded(value: f64) -> String {
    match value.abs() {
        _ if value.fract() == 0.0 => format!("{value:.0}"),
        large if large >= 100.0 => format!("{value:.0}"),
        large if large >= 10.0 => format!("{value:.1}"),
        large if large >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Where and when the figures were taken.
#[derive(Debug, Serialize)]
struct Circumstances {
    profile: String,
    quick: bool,
    cores: usize,
    processor: String,
    kernel: String,
    etcd: String,
    /// Seconds since the epoch.
    began: u64,
    seconds: u64,
    load_before: String,
    load_after: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    circumstances: Circumstances,
    figures: Vec<Figure>,
    notes: Vec<(u8, String)>,
}

impl Report {
    pub(crate) fn begin(options: &Options) -> Report {
        let profile = programs::profile_folder();
        let circumstances = Circumstances {
            profile: profile.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            quick: options.quick,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: process::processor(),
            kernel: process::first_line("/proc/sys/kernel/osrelease"),
            etcd: process::first_output("etcd", &["--version"]),
            began: seconds_now(),
            seconds: 0,
            load_before: process::first_line("/proc/loadavg"),
            load_after: String::new(),
        };
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
        self.circumstances.seconds = seconds_now() - self.circumstances.began;
        self.circumstances.load_after = process::first_line("/proc/loadavg");
        self.figures.sort_by_key(|figure| figure.row);
        self.notes.sort_by_key(|(row, _)| *row);
        let head = ["row", "what", "n", "median", "p99", "unit", "aim", "met"].map(str::to_owned);
        let rows: Vec<[String; 8]> =
            std::iter::once(head).chain(self.figures.iter().map(Figure::cells)).collect();
        let widths: [usize; 8] =
            std::array::from_fn(|i| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0));
        let mut text = String::new();
        let facts = &self.circumstances;
        let _ = writeln!(
            text,
            "Registry: profile {}{}, {} cores of {}, Linux {}, {}; {} s; load {} before, {} after\n",
            facts.profile,
            if facts.quick { " (quick)" } else { "" },
            facts.cores,
            facts.processor,
            facts.kernel,
            facts.etcd,
            facts.seconds,
            facts.load_before,
            facts.load_after,
        );
        for row in &rows {
            let mut line = String::new();
            for (i, (cell, width)) in row.iter().zip(widths).enumerate() {
                // Numbers to the right, words to the left.
                let padded =
                    if (2..5).contains(&i) { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
                line += &padded;
                line += "  ";
            }
            let _ = writeln!(text, "{}", line.trim_end());
        }
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

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
