//! Figures for programs that measure something else than a training: lines on any axes, powers on
//! logarithmic axes, bars, and dots beside a line at 1.

use super::chart::{Axis, Line, Panel, legend};
use super::palette;
use super::svg::{Anchor, Frame, Stroke, Svg, text_width};

/// One pair of logarithmic axes.
#[derive(Debug, Clone, PartialEq)]
pub struct PowerPlot<'a> {
    /// Its title.
    pub title: &'a str,
    /// The horizontal axis, with a tick at each of `ticks`.
    pub x: &'static str,
    /// The vertical axis, in decades.
    pub y: &'static str,
    /// Positions on the horizontal axis, in order.
    pub ticks: Vec<f64>,
    /// Name and points of each line. Lines of one name have one colour in all plots.
    pub lines: Vec<(&'a str, Vec<(f64, f64)>)>,
}

/// One pair of axes with any lines.
#[derive(Debug, Clone, PartialEq)]
pub struct LinePlot<'a> {
    /// Its title.
    pub title: &'a str,
    /// The horizontal axis and its scale.
    pub x: (&'static str, Scale),
    /// The vertical axis and its scale.
    pub y: (&'static str, Scale),
    /// What is drawn; later lines lie on top.
    pub lines: Vec<PlotLine<'a>>,
}

/// The scale of an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scale {
    /// Exactly this range.
    Linear {
        /// Its start.
        min: f64,
        /// Its end.
        max: f64,
    },
    /// Whole decades around what is drawn.
    Logarithmic,
}

/// A line of a plot. Lines of one name have one entry in the legend.
#[derive(Debug, Clone, PartialEq)]
pub struct PlotLine<'a> {
    /// What the legend says; nothing for a line that is not in it.
    pub name: &'a str,
    /// Its points, in order; a lone one is a dot.
    pub points: Vec<(f64, f64)>,
    /// Its colour, by number: 0 is black.
    pub colour: usize,
    /// Whether it is dashed, as bounds are.
    pub dashed: bool,
}

const WIDTH: f64 = 960.0;
const LEFT: f64 = 62.0;
const TOP: f64 = 34.0;
const UNDER: f64 = 62.0;
/// A grey that shows on paper and on a dark page.
const GREY: &str = "#8a8a8a";

pub(super) fn powers(label: &str, plots: &[PowerPlot<'_>]) -> String {
    const COLUMNS: usize = 3;
    const HEIGHT: f64 = 220.0;
    let width = (WIDTH - COLUMNS as f64 * LEFT - 16.0) / COLUMNS as f64;
    let names = distinct(plots.iter().flat_map(|plot| plot.lines.iter().map(|(name, _)| *name)));
    let stroke = |name: &str| Stroke::solid(colour(&names, name), 2.0);
    let mut svg = Svg::new();
    let mut bottom = TOP;
    for (i, plot) in plots.iter().enumerate() {
        let (row, column) = ((i / COLUMNS) as f64, (i % COLUMNS) as f64);
        let (x, y) = (LEFT + column * (width + LEFT), TOP + row * (HEIGHT + UNDER + TOP));
        bottom = y + HEIGHT;
        let line = |(name, points): &(&str, Vec<(f64, f64)>)| Line {
            points: points.clone(),
            stroke: stroke(name),
            title: (*name).to_owned(),
        };
        let values = plot.lines.iter().flat_map(|(_, points)| points.iter().map(|(_, y)| *y));
        Panel {
            frame: Frame { x, y, width, height: HEIGHT },
            title: plot.title,
            x: Axis::at(plot.x, plot.ticks.clone()),
            y: Axis::logarithmic(plot.y, values),
            lines: plot.lines.iter().map(line).collect(),
            verticals: Vec::new(),
            highlight: None,
        }
        .draw(&mut svg);
    }
    let entries: Vec<_> = names.iter().map(|name| ((*name).to_owned(), stroke(name))).collect();
    let height = bottom + UNDER + legend(&mut svg, LEFT, bottom + UNDER, WIDTH - LEFT, &entries);
    svg.finish(WIDTH, height, label)
}

pub(super) fn line_plots(label: &str, plots: &[LinePlot<'_>]) -> String {
    const HEIGHT: f64 = 320.0;
    let columns = plots.len().clamp(1, 2);
    // One plot alone is not drawn wider than it has to be to be read.
    let whole = if columns == 1 { 700.0 } else { WIDTH };
    let width = (whole - columns as f64 * LEFT - 16.0) / columns as f64;
    let stroke = |line: &PlotLine<'_>| {
        let stroke = Stroke::solid(palette::nth(line.colour), if line.dashed { 1.6 } else { 2.2 });
        if line.dashed { stroke.dashed("6 3") } else { stroke }
    };
    let axis = |(label, scale): (&'static str, Scale), values: Vec<f64>| match scale {
        Scale::Linear { min, max } => Axis::between(label, min, max),
        Scale::Logarithmic => Axis::logarithmic(label, values.into_iter()),
    };
    let mut svg = Svg::new();
    let mut bottom = TOP;
    let mut entries: Vec<(String, Stroke<'_>)> = Vec::new();
    for (i, plot) in plots.iter().enumerate() {
        let (row, column) = ((i / columns) as f64, (i % columns) as f64);
        let (x, y) = (LEFT + column * (width + LEFT), TOP + row * (HEIGHT + UNDER + TOP));
        bottom = y + HEIGHT;
        let values = |which: fn(&(f64, f64)) -> f64| {
            plot.lines.iter().flat_map(|line| line.points.iter().map(which)).collect()
        };
        let line = |line: &PlotLine<'_>| Line {
            points: line.points.clone(),
            stroke: stroke(line),
            title: line.name.to_owned(),
        };
        Panel {
            frame: Frame { x, y, width, height: HEIGHT },
            title: plot.title,
            x: axis(plot.x, values(|(x, _)| *x)),
            y: axis(plot.y, values(|(_, y)| *y)),
            lines: plot.lines.iter().map(line).collect(),
            verticals: Vec::new(),
            highlight: None,
        }
        .draw(&mut svg);
        for line in plot.lines.iter().filter(|line| !line.name.is_empty()) {
            if !entries.iter().any(|(name, _)| name == line.name) {
                entries.push((line.name.to_owned(), stroke(line)));
            }
        }
    }
    let height = bottom + UNDER + legend(&mut svg, LEFT, bottom + UNDER, whole - LEFT, &entries);
    svg.finish(whole, height, label)
}

/// Height of a row with a name at its left.
const ROW: f64 = 21.0;

pub(super) fn bars(label: &str, axis: &'static str, rows: &[(&str, f64)]) -> String {
    let frame = rows_frame(rows.len(), rows.iter().map(|(name, _)| *name));
    let mut svg = Svg::new();
    let scale = Axis::between(axis, 0.0, 100.0);
    scale.draw_under(&mut svg, frame);
    for (i, (name, value)) in rows.iter().enumerate() {
        let y = frame.y + ROW * i as f64;
        let length = frame.width * scale.position(value.clamp(0.0, 100.0));
        svg.note(frame.x - 7.0, y + 15.0, Anchor::End, name);
        let bar = Frame { x: frame.x, y: y + 3.0, width: length, height: ROW - 6.0 };
        svg.cell(bar, palette::nth(1), &format!("{name}: {value:.0}"));
        svg.note(frame.x + length + 5.0, y + 15.0, Anchor::Start, &format!("{value:.0}"));
    }
    svg.outline(frame);
    svg.finish(WIDTH, frame.y + frame.height + UNDER, label)
}

pub(super) fn dots(label: &str, axis: &'static str, rows: &[(&str, Vec<(&str, f64)>)]) -> String {
    let frame = rows_frame(rows.len(), rows.iter().map(|(name, _)| *name));
    let mut svg = Svg::new();
    let all = || rows.iter().flat_map(|(_, dots)| dots);
    let scale = Axis::logarithmic(axis, all().map(|(_, value)| *value).chain([1.0]));
    scale.draw_under(&mut svg, frame);
    let at = |value: f64| frame.x + frame.width * scale.position(value);
    svg.line((at(1.0), frame.y), (at(1.0), frame.y + frame.height), Stroke::solid(GREY, 2.0));
    let names = distinct(all().map(|(name, _)| *name));
    for (i, (name, dots)) in rows.iter().enumerate() {
        let y = frame.y + ROW * (i as f64 + 0.5);
        svg.note(frame.x - 7.0, y + 4.5, Anchor::End, name);
        svg.grid((frame.x, y), (frame.x + frame.width, y));
        for (peer, value) in dots {
            let stroke = Stroke::solid(colour(&names, peer), 3.4);
            svg.curve(&[(at(*value), y)], stroke, &format!("{name}, {peer}: {value:.2}"));
        }
    }
    svg.outline(frame);
    let entries: Vec<_> = names
        .iter()
        .map(|name| ((*name).to_owned(), Stroke::solid(colour(&names, name), 6.0)))
        .collect();
    let bottom = frame.y + frame.height + UNDER;
    let height = bottom + legend(&mut svg, LEFT, bottom, WIDTH - LEFT, &entries);
    svg.finish(WIDTH, height, label)
}

/// Where rows stand, with room for their names.
fn rows_frame<'a>(rows: usize, names: impl Iterator<Item = &'a str>) -> Frame {
    let left = names.map(text_width).fold(LEFT, f64::max) + 16.0;
    Frame { x: left, y: 14.0, width: WIDTH - left - 50.0, height: ROW * rows.max(1) as f64 }
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut distinct = Vec::new();
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct
}

/// Colours in the order of the names, from the second on: the first is black.
fn colour(names: &[&str], name: &str) -> &'static str {
    palette::nth(1 + names.iter().position(|other| *other == name).unwrap_or(0))
}
