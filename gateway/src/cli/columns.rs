//! Tables in plain text: columns as wide as their widest cell, two blanks between, nothing behind the last.

use std::io::{self, Write};

/// `heads` and every row have the same number of cells.
pub(super) fn print(heads: &[&str], rows: &[Vec<String>], out: &mut impl Write) -> io::Result<()> {
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let lines: Vec<Vec<String>> =
        std::iter::once(&heads).chain(rows).map(|row| row.iter().map(|cell| clean(cell)).collect()).collect();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    for line in &lines {
        let cells: Vec<String> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}", width = *width)).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// What came from the registry must not steer the terminal; an empty cell is shown as one.
pub(super) fn clean(cell: &str) -> String {
    if cell.is_empty() {
        return "-".into();
    }
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    cell.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_nothing_trails() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let mut out = Vec::new();
        print(
            &["JOB", "PORTS", "VIP"],
            &[row(["app2", "", "127.99.0.1"]), row(["größe", "main", ""])],
            &mut out,
        )
        .unwrap();
        let text = "JOB    PORTS  VIP\napp2   -      127.99.0.1\ngröße  main   -\n";
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }

    #[test]
    fn a_cell_cannot_steer_the_terminal() {
        assert_eq!(clean("a\x1b[31m\nb"), "a\\u{1b}[31m\\nb");
    }
}
