//! Interval plots: means with their intervals of confidence, beside a line at 0.

use crate::axis::Scale;
use crate::layout::{LEFT, ROW, UNDER, WIDTH, rows_frame};
use crate::line_chart::draw_legend;
use crate::palette;
use crate::svg::{Anchor, Stroke, Svg};

/// Numbers with their intervals on a linear axis with a line at 0: a row for each name, and in it
/// an interval for each series, one below the other. A series has one colour in all rows, and one
/// entry in the legend. What lies outside of the axis is cut off.
///
/// ```
/// use morphograd_plot::IntervalPlot;
///
/// let rows = vec![("non-positive", vec![("from 0", [-0.014, -0.012, -0.010])])];
/// let range = [-0.02, 0.02];
/// let svg = IntervalPlot { label: "Differences", axis: "accuracy", range, rows }.svg();
/// assert!(svg.contains("non-positive, from 0: -0.0120 (-0.0140 to -0.0100)"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct IntervalPlot<'a> {
    /// What a screen reader says.
    pub label: &'a str,
    /// What is written under the axis.
    pub axis: &'a str,
    /// Where the axis begins and ends; 0 is between them.
    pub range: [f64; 2],
    /// Name of each row, from top to bottom, with its intervals.
    pub rows: Vec<(&'a str, Vec<Interval<'a>>)>,
}

/// The name of a series, and `[low, mean, high]`.
pub type Interval<'a> = (&'a str, [f64; 3]);

impl IntervalPlot<'_> {
    /// Draws it.
    pub fn svg(&self) -> String {
        let frame = rows_frame(self.rows.len(), self.rows.iter().map(|(name, _)| *name));
        let mut svg = Svg::new();
        let [min, max] = self.range;
        let scale = Scale::Linear { min, max };
        let range = scale.fit(std::iter::empty());
        range.draw_under(&mut svg, frame, self.axis);
        let at = |value: f64| frame.x + frame.width * range.position(value.clamp(min, max));
        let zero = Stroke::solid(palette::GREY, 2.0);
        svg.line((at(0.0), frame.y), (at(0.0), frame.y + frame.height), zero);
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in self.rows.iter().flat_map(|(_, intervals)| intervals) {
            if !names.contains(name) {
                names.push(name);
            }
        }
        let number = |name: &str| names.iter().position(|other| *other == name).unwrap_or(0);
        for (i, (name, intervals)) in self.rows.iter().enumerate() {
            let middle = frame.y + ROW * (i as f64 + 0.5);
            svg.note(frame.x - 7.0, middle + 4.5, Anchor::End, name);
            svg.grid((frame.x, middle), (frame.x + frame.width, middle));
            for (series, [low, mean, high]) in intervals {
                let offset = number(series) as f64 - 0.5 * (names.len() - 1) as f64;
                let (y, colour) = (middle + 5.0 * offset, palette::colour(1 + number(series)));
                let title = format!("{name}, {series}: {mean:.4} ({low:.4} to {high:.4})");
                let ends = [(at(*low), y), (at(*high), y)];
                svg.curve(&ends, Stroke::solid(colour, 1.6), &title);
                svg.curve(&[(at(*mean), y)], Stroke::solid(colour, 3.4), &title);
            }
        }
        svg.outline(frame);
        let entries: Vec<_> = names
            .iter()
            .map(|name| ((*name).to_owned(), Stroke::solid(palette::colour(1 + number(name)), 6.0)))
            .collect();
        let bottom = frame.y + frame.height + UNDER;
        let height = bottom + draw_legend(&mut svg, LEFT, bottom, WIDTH - LEFT, &entries);
        svg.finish(WIDTH, height, self.label)
    }
}
