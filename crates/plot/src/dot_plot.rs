//! Dot plots of ratios: what is above and what below a line at 1.

use crate::axis::Scale;
use crate::layout::{LEFT, ROW, UNDER, WIDTH, rows_frame};
use crate::line_chart::draw_legend;
use crate::palette;
use crate::svg::{Anchor, Stroke, Svg};

/// Positive ratios on a logarithmic axis with a line at 1: a row for each name, and in it a dot for
/// each of its ratios. Dots of one name have one colour in all rows, and one entry in the legend.
///
/// ```
/// use morphograd_plot::DotPlot;
///
/// let rows = vec![("dilation", vec![("A", 2.0), ("B", 0.5)])];
/// let svg = DotPlot { label: "Ratios", axis: "theirs / ours", rows }.svg();
/// assert!(svg.contains("dilation, A: 2.00") && svg.contains(">B</text>"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct DotPlot<'a> {
    /// What a screen reader says.
    pub label: &'a str,
    /// What is written under the axis.
    pub axis: &'a str,
    /// Name of each row, from top to bottom, with name and ratio of its dots. What is not positive
    /// has no dot.
    pub rows: Vec<(&'a str, Vec<(&'a str, f64)>)>,
}

impl DotPlot<'_> {
    /// Draws it.
    pub fn svg(&self) -> String {
        let frame = rows_frame(self.rows.len(), self.rows.iter().map(|(name, _)| *name));
        let mut svg = Svg::new();
        let all = || self.rows.iter().flat_map(|(_, dots)| dots);
        let range = Scale::Logarithmic.fit(all().map(|(_, value)| *value).chain([1.0]));
        range.draw_under(&mut svg, frame, self.axis);
        let at = |value: f64| frame.x + frame.width * range.position(value);
        let one = Stroke::solid(palette::GREY, 2.0);
        svg.line((at(1.0), frame.y), (at(1.0), frame.y + frame.height), one);
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in all() {
            if !names.contains(name) {
                names.push(name);
            }
        }
        let colour = |name: &str| {
            palette::colour(1 + names.iter().position(|other| *other == name).unwrap_or(0))
        };
        for (i, (name, dots)) in self.rows.iter().enumerate() {
            let y = frame.y + ROW * (i as f64 + 0.5);
            svg.note(frame.x - 7.0, y + 4.5, Anchor::End, name);
            svg.grid((frame.x, y), (frame.x + frame.width, y));
            for (dot, value) in dots {
                let stroke = Stroke::solid(colour(dot), 3.4);
                svg.curve(&[(at(*value), y)], stroke, &format!("{name}, {dot}: {value:.2}"));
            }
        }
        svg.outline(frame);
        let entries: Vec<_> = names
            .iter()
            .map(|name| ((*name).to_owned(), Stroke::solid(colour(name), 6.0)))
            .collect();
        let bottom = frame.y + frame.height + UNDER;
        let height = bottom + draw_legend(&mut svg, LEFT, bottom, WIDTH - LEFT, &entries);
        svg.finish(WIDTH, height, self.label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_of_one_name_share_a_colour_and_what_is_not_positive_has_none() {
        let rows =
            vec![("x", vec![("A", 2.0), ("B", 0.0)]), ("y", vec![("C", f64::NAN), ("A", 0.5)])];
        let svg = DotPlot { label: "", axis: "", rows }.svg();
        let document = roxmltree::Document::parse(&svg).unwrap();
        let colours: Vec<_> = document
            .descendants()
            .filter(|node| node.attribute("stroke-linecap").is_some())
            .map(|node| node.attribute("stroke").unwrap())
            .collect();
        assert_eq!(colours, [palette::colour(1); 2]);
        assert!(!svg.contains("NaN\""));
    }
}
