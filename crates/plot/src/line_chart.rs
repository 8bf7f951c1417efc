//! Line charts: panels in rows, over one legend.

use crate::layout::{LEFT, TOP, UNDER, WIDTH};
use crate::panel::Panel;
use crate::svg::{Anchor, Frame, Stroke, Svg};
use crate::text::text_width;

/// Panels with curves, one grid of them below another, over one legend.
///
/// ```
/// use morphograd_plot::{Axis, Line, LineChart, Panel, PanelGrid, Scale, Stroke, palette};
///
/// let epochs = Axis::new("epoch", Scale::Whole { first: 1, last: 3 });
/// let panel = |title, [training, validation]: [[f64; 3]; 2]| {
///     let points = |values: [f64; 3]| (1..).map(f64::from).zip(values).collect();
///     let lines = vec![
///         Line::new("training", points(training), Stroke::dashed(palette::GREY)),
///         Line::new("validation", points(validation), Stroke::solid(palette::colour(1), 2.0)),
///     ];
///     Panel::new(title, epochs.clone(), Axis::new("", Scale::Above(0.0)), lines)
/// };
/// let panels = vec![
///     panel("Loss", [[2.0, 1.0, 0.5], [2.1, 1.2, 0.9]]),
///     panel("Accuracy", [[0.3, 0.7, 0.9], [0.3, 0.6, 0.8]]),
/// ];
/// let svg = LineChart::new("A training", vec![PanelGrid::new(2, 260.0, panels)]).svg();
/// assert_eq!(svg.matches(">validation</text>").count(), 1);
/// assert_eq!(svg.matches("<title>validation</title>").count(), 2);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LineChart<'a> {
    /// What a screen reader says.
    pub label: &'a str,
    /// Its width.
    pub width: f64,
    /// The panels, from top to bottom.
    pub grids: Vec<PanelGrid<'a>>,
    /// What stands below them.
    pub legend: Legend<'a>,
    /// What is written across a chart that has no point.
    pub empty: &'a str,
}

/// Panels of one size, from left to right and then in the next row.
#[derive(Debug, Clone, PartialEq)]
pub struct PanelGrid<'a> {
    /// Panels in a row, which share the width of the chart; at least 1.
    pub columns: usize,
    /// Height of a panel, without what stands around it.
    pub height: f64,
    /// The panels.
    pub panels: Vec<Panel<'a>>,
}

/// What the lines of a chart are.
#[derive(Debug, Clone, PartialEq)]
pub enum Legend<'a> {
    /// An entry for each title of a curve, in the order in which they appear. A curve without a
    /// title has none.
    Titles,
    /// These entries.
    Entries(Vec<(String, Stroke<'a>)>),
}

impl<'a> PanelGrid<'a> {
    /// Panels of this height in rows of `columns`.
    pub fn new(columns: usize, height: f64, panels: Vec<Panel<'a>>) -> Self {
        Self { columns, height, panels }
    }

    /// Where the panel of this index stands, if the grid begins at `top`.
    fn frame(&self, index: usize, top: f64, whole: f64) -> Frame {
        let columns = self.columns.max(1);
        let width = (whole - columns as f64 * LEFT - 16.0) / columns as f64;
        Frame {
            x: LEFT + (index % columns) as f64 * (LEFT + width),
            y: top + (index / columns) as f64 * (self.height + UNDER + TOP),
            width,
            height: self.height,
        }
    }
}

impl<'a> LineChart<'a> {
    /// A chart 960 units wide, with a legend of titles.
    pub fn new(label: &'a str, grids: Vec<PanelGrid<'a>>) -> Self {
        Self { label, width: WIDTH, grids, legend: Legend::Titles, empty: "" }
    }

    /// Draws it.
    pub fn svg(&self) -> String {
        let mut svg = Svg::new();
        let (mut top, mut bottom) = (TOP, TOP);
        for grid in &self.grids {
            for (index, panel) in grid.panels.iter().enumerate() {
                let frame = grid.frame(index, top, self.width);
                bottom = frame.y + frame.height;
                panel.draw(&mut svg, frame);
            }
            top = bottom + UNDER + TOP;
        }
        let mut lines = self.panels().flat_map(|panel| &panel.lines);
        if !self.empty.is_empty() && lines.all(|line| line.points.is_empty()) {
            svg.text(self.width / 2.0, bottom / 2.0, Anchor::Middle, self.empty);
        }
        let titles;
        let entries = match &self.legend {
            Legend::Entries(entries) => entries,
            Legend::Titles => {
                titles = self.titles();
                &titles
            }
        };
        bottom += UNDER;
        let height = bottom + draw_legend(&mut svg, LEFT, bottom, self.width - LEFT, entries);
        svg.finish(self.width, height, self.label)
    }

    fn panels(&self) -> impl Iterator<Item = &Panel<'a>> {
        self.grids.iter().flat_map(|grid| &grid.panels)
    }

    fn titles(&self) -> Vec<(String, Stroke<'a>)> {
        let mut entries: Vec<(String, Stroke<'a>)> = Vec::new();
        for line in self.panels().flat_map(|panel| &panel.lines) {
            if !line.title.is_empty() && entries.iter().all(|(title, _)| *title != line.title) {
                entries.push((line.title.clone(), line.stroke));
            }
        }
        entries
    }
}

/// Draws a legend from (x, y) on, wrapped at `width`; returns the height it took.
pub(crate) fn draw_legend(
    svg: &mut Svg,
    x: f64,
    y: f64,
    width: f64,
    entries: &[(String, Stroke<'_>)],
) -> f64 {
    const SAMPLE: f64 = 28.0;
    const LINE: f64 = 20.0;
    let (mut at_x, mut at_y) = (x, y);
    for (label, stroke) in entries {
        let needed = SAMPLE + 6.0 + text_width(label) + 18.0;
        if at_x > x && at_x + needed > x + width {
            at_x = x;
            at_y += LINE;
        }
        svg.line((at_x, at_y), (at_x + SAMPLE, at_y), *stroke);
        svg.text(at_x + SAMPLE + 6.0, at_y + 4.5, Anchor::Start, label);
        at_x += needed;
    }
    at_y - y + LINE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Axis, Line, Scale, palette};

    fn panel(title: &str) -> Panel<'_> {
        let axis = || Axis::new("", Scale::Linear { min: 0.0, max: 1.0 });
        let lines = vec![Line::new(title, Vec::new(), Stroke::solid(palette::BLACK, 1.0))];
        Panel::new(title, axis(), axis(), lines)
    }

    /// Left, top, width and height of the panels, as drawn.
    fn frames(svg: &str) -> Vec<[f64; 4]> {
        let document = roxmltree::Document::parse(svg).unwrap();
        let outlines = document.descendants().filter(|n| n.attribute("class") == Some("outline"));
        outlines
            .map(|n| {
                ["x", "y", "width", "height"]
                    .map(|name| n.attribute(name).unwrap().parse().unwrap())
            })
            .collect()
    }

    #[test]
    fn grids_stand_below_one_another_and_share_the_width() {
        let three = ["a", "b", "c"].map(panel).into();
        let grids =
            vec![PanelGrid::new(2, 100.0, three), PanelGrid::new(1, 50.0, vec![panel("d")])];
        let svg = LineChart::new("", grids).svg();
        assert_eq!(
            frames(&svg),
            [
                [62.0, 34.0, 410.0, 100.0],
                [534.0, 34.0, 410.0, 100.0],
                [62.0, 230.0, 410.0, 100.0],
                [62.0, 426.0, 882.0, 50.0],
            ]
        );
    }

    #[test]
    fn a_chart_without_a_point_says_so() {
        let chart = |lines| {
            let panel = Panel { lines, ..panel("a") };
            let grids = vec![PanelGrid::new(1, 100.0, vec![panel])];
            LineChart { empty: "nothing", ..LineChart::new("", grids) }.svg()
        };
        assert!(chart(panel("a").lines).contains(">nothing</text>"));
        let point = Line::new("", vec![(0.5, 0.5)], Stroke::solid(palette::BLACK, 1.0));
        assert!(!chart(vec![point]).contains(">nothing</text>"));
    }

    #[test]
    fn a_legend_is_wrapped() {
        let names = (0..20).map(|i| format!("a name that takes room, number {i}"));
        let entries: Vec<_> =
            names.map(|name| (name, Stroke::solid(palette::BLACK, 1.0))).collect();
        let height = draw_legend(&mut Svg::new(), 0.0, 0.0, 600.0, &entries);
        assert_eq!(height, 10.0 * 20.0);
    }
}
