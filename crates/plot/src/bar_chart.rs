//! Bar charts: a row for each name, with the value beside its bar.

use crate::axis::Scale;
use crate::layout::{ROW, UNDER, WIDTH, rows_frame};
use crate::palette;
use crate::svg::{Anchor, Frame, Svg};

/// A bar for each named value, with the value beside it.
///
/// ```
/// use morphograd_plot::BarChart;
///
/// let svg = BarChart {
///     label: "Shares",
///     axis: "percent of the limit",
///     max: 100.0,
///     decimals: 0,
///     bars: vec![("dilation", 42.2)],
/// }
/// .svg();
/// assert!(svg.contains(">dilation</text>") && svg.contains(">42</text>"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct BarChart<'a> {
    /// What a screen reader says.
    pub label: &'a str,
    /// What is written under the axis, which begins at 0.
    pub axis: &'a str,
    /// Where the axis ends, and every bar that is longer.
    pub max: f64,
    /// Decimals of the values.
    pub decimals: usize,
    /// Name and value of each bar, from top to bottom.
    pub bars: Vec<(&'a str, f64)>,
}

impl BarChart<'_> {
    /// Draws it.
    pub fn svg(&self) -> String {
        let frame = rows_frame(self.bars.len(), self.bars.iter().map(|(name, _)| *name));
        let mut svg = Svg::new();
        let scale = Scale::Linear { min: 0.0, max: self.max };
        let range = scale.fit(std::iter::empty());
        range.draw_under(&mut svg, frame, self.axis);
        for (i, (name, value)) in self.bars.iter().enumerate() {
            let y = frame.y + ROW * i as f64;
            let position = range.position(*value);
            // What is not a number has no length.
            let length = if position > 0.0 { frame.width * position.min(1.0) } else { 0.0 };
            let value = format!("{value:.*}", self.decimals);
            svg.note(frame.x - 7.0, y + 15.0, Anchor::End, name);
            let bar = Frame { x: frame.x, y: y + 3.0, width: length, height: ROW - 6.0 };
            svg.cell(bar, palette::colour(1), &format!("{name}: {value}"));
            svg.note(frame.x + length + 5.0, y + 15.0, Anchor::Start, &value);
        }
        svg.outline(frame);
        svg.finish(WIDTH, frame.y + frame.height + UNDER, self.label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_ends_at_the_edge_and_one_of_nothing_has_no_length() {
        let values = [5.0, 10.0, 30.0, -1.0, f64::NAN];
        let bars = values.map(|value| ("a", value)).into();
        let svg = BarChart { label: "", axis: "", max: 10.0, decimals: 1, bars }.svg();
        let document = roxmltree::Document::parse(&svg).unwrap();
        let widths: Vec<f64> = document
            .descendants()
            .filter(|node| node.attribute("fill") == Some(palette::colour(1)))
            .map(|node| node.attribute("width").unwrap().parse().unwrap())
            .collect();
        let whole = widths[1];
        assert_eq!(widths, [whole / 2.0, whole, whole, 0.0, 0.0]);
        assert!(svg.contains("<title>a: 30.0</title>") && svg.contains(">NaN</text>"));
    }
}
