//! Bars: what each figure is to the peer that its aim is about; a mark where the aim is.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use super::comparison::{Against, Comparison, Verdict};

const WIDTH: u32 = 1_000;
const BAR: u32 = 26;
const TOP: i32 = 60;
/// Words to the left of the bars.
const WORDS: i32 = 470;
/// Where the longest bar ends; after it stands its number.
const RIGHT: i32 = 880;
/// A ratio of many is as bad as one of two, and the small ones should be seen.
const LONGEST: f64 = 2.0;

const OK: RGBColor = RGBColor(46, 125, 80);
const MISSED: RGBColor = RGBColor(190, 70, 50);
const NO_AIM: RGBColor = RGBColor(120, 130, 145);

/// Costs only, and no details: of what more is better a long bar would be good.
pub(super) fn draw(file: &Path, title: &str, all: &[Comparison]) -> Result<(), Box<dyn Error + Send + Sync>> {
    let bars: Vec<_> = all.iter().filter_map(Bar::of).collect();
    let height = TOP.unsigned_abs() + BAR * (bars.len() as u32 + 1);
    let area = SVGBackend::new(file, (WIDTH, height)).into_drawing_area();
    let drawn = || -> Result<(), Box<dyn Error>> {
        area.fill(&WHITE)?;
        area.draw(&Text::new(title.to_owned(), (12, 12), ("sans-serif", 18).into_font()))?;
        let legend = "shorter is better; line: as the peer; mark: the aim; the peer is the one of the aim";
        area.draw(&Text::new(legend, (12, 36), ("sans-serif", 13).into_font().color(&NO_AIM)))?;
        for (index, bar) in bars.iter().enumerate() {
            let top = TOP + (BAR as i32) * index as i32;
            let (upper, lower) = (top + 4, top + BAR as i32 - 4);
            let words = ("sans-serif", 14).into_font();
            area.draw(&Text::new(bar.words.clone(), (12, top + 6), words.clone()))?;
            let body = [(WORDS, upper), (place(bar.ratio), lower)];
            area.draw(&Rectangle::new(body, bar.color.filled()))?;
            if let Some(aim) = bar.aim {
                let at = place(aim);
                area.draw(&Rectangle::new(
                    [(at - 1, top + 1), (at + 1, top + BAR as i32 - 1)],
                    BLACK.filled(),
                ))?;
            }
            area.draw(&Text::new(format!("{:.2} x", bar.ratio), (RIGHT + 12, top + 6), words))?;
        }
        let one = place(1.0);
        area.draw(&PathElement::new([(one, TOP), (one, height as i32 - BAR as i32)], NO_AIM))?;
        area.present()?;
        Ok(())
    };
    // Its errors are not Send; what they say is.
    drawn().map_err(|error| error.to_string().into())
}

struct Bar {
    words: String,
    ratio: f64,
    aim: Option<f64>,
    color: RGBColor,
}

impl Bar {
    fn of(comparison: &Comparison) -> Option<Bar> {
        let (against, aim) =
            comparison.limit().map_or((Against::Better, None), |(against, at_most)| (against, Some(at_most)));
        let ratio = comparison.cost_to(against).filter(|_| !comparison.is_detail())?;
        let color = match comparison.verdict {
            Some(Verdict::Ok) => OK,
            Some(Verdict::Missed) => MISSED,
            None => NO_AIM,
        };
        let words = format!("{}  {} ({})", comparison.row, comparison.what, against.name());
        Some(Bar { words, ratio, aim, color })
    }
}

fn place(ratio: f64) -> i32 {
    WORDS + (f64::from(RIGHT - WORDS) * ratio.min(LONGEST) / LONGEST) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Samples;
    use crate::compare::Who;

    #[test]
    fn a_picture_has_a_bar_for_each_cost() {
        let all = |ours| {
            [(Who::Roundhouse, ours), (Who::Nginx, 10.0)]
                .map(|(who, value)| (who, Samples::from_iter([value])))
        };
        let comparisons = [
            Comparison::cost(1, "small messages", "us", all(8.0)).at_most(1.0, Against::Better),
            Comparison::yields(1, "requests", "1/s", all(8.0)),
            Comparison::cost(4, "bulk", "s/GB", all(90.0)),
        ];
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("picture.svg");
        draw(&file, "Title", &comparisons).unwrap();
        let svg = std::fs::read_to_string(file).unwrap();
        let has = ["Title", "small messages (better)", "0.80 x", "9.00 x"].map(|text| svg.contains(text));
        assert_eq!((has, svg.contains("requests")), ([true; 4], false));
    }
}
