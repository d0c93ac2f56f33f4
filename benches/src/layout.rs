//! A table for people.

use std::ops::Range;

/// The rows, each with a line end, in columns as wide as their widest cell: numbers to the right, words to the left.
pub fn aligned(rows: &[impl AsRef<[String]>], numbers: &Range<usize>) -> String {
    let columns = rows.first().map_or(0, |row| row.as_ref().len());
    let width =
        |column: usize| rows.iter().map(|row| row.as_ref()[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.as_ref().iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if numbers.contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

/// Three figures that count, whole numbers whole.
pub fn rounded(value: f64) -> String {
    match value.abs() {
        _ if value.fract() == 0.0 => format!("{value:.0}"),
        large if large >= 100.0 => format!("{value:.0}"),
        large if large >= 10.0 => format!("{value:.1}"),
        large if large >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right_and_no_line_has_spaces_at_its_end() {
        let rows = [["a", "1.5", "x"], ["longer", "10", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(aligned(&rows, &(1..2)), "a       1.5  x\nlonger   10\n");
    }

    #[test]
    fn three_figures_count() {
        let shown = [1234.5, 12.345, 1.2345, 0.12345, 7.0].map(rounded);
        assert_eq!(shown, ["1234", "12.3", "1.23", "0.123", "7"]);
    }
}
