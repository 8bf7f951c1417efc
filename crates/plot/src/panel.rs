//! A pair of axes with curves, which break where a value is missing. Nothing here knows what is
//! drawn.

use crate::axis::Axis;
use crate::svg::{Anchor, Frame, Stroke, Svg};

/// A pair of axes with its curves.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel<'a> {
    /// What stands above it.
    pub title: &'a str,
    /// The horizontal axis.
    pub x: Axis<'a>,
    /// The vertical axis.
    pub y: Axis<'a>,
    /// The curves; later ones lie on top.
    pub lines: Vec<Line<'a>>,
    /// Vertical lines from bottom to top: where on the horizontal axis, and how they look.
    pub verticals: Vec<(f64, Stroke<'a>)>,
    /// A range of the vertical axis to shade.
    pub highlight: Option<(f64, f64)>,
}

impl<'a> Panel<'a> {
    /// Axes with curves and nothing else.
    pub fn new(title: &'a str, x: Axis<'a>, y: Axis<'a>, lines: Vec<Line<'a>>) -> Self {
        Self { title, x, y, lines, verticals: Vec::new(), highlight: None }
    }
}

/// One curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Line<'a> {
    /// Shown on hover, and in a legend of titles.
    pub title: String,
    /// Its points, in order. It breaks at one that is not finite; a lone one is a dot.
    pub points: Vec<(f64, f64)>,
    /// How it looks.
    pub stroke: Stroke<'a>,
}

impl<'a> Line<'a> {
    /// A curve through these points.
    pub fn new(title: impl Into<String>, points: Vec<(f64, f64)>, stroke: Stroke<'a>) -> Self {
        Self { title: title.into(), points, stroke }
    }
}

impl Panel<'_> {
    pub(crate) fn draw(&self, svg: &mut Svg, frame: Frame) {
        let Frame { x: left, y: top, width, height } = frame;
        let bottom = top + height;
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let x = self.x.scale.fit(points().map(|(x, _)| *x));
        let y = self.y.scale.fit(points().map(|(_, y)| *y));
        let across = |value: f64| left + x.position(value) * width;
        let up = |value: f64| bottom - y.position(value) * height;

        x.draw_under(svg, frame, self.x.label);
        y.draw_beside(svg, frame);
        if let Some((low, high)) = self.highlight.map(|(low, high)| (up(low), up(high)))
            && low.is_finite()
            && high.is_finite()
        {
            svg.shade(Frame { y: high, height: low - high, ..frame });
        }
        // A curve along the edge of its range must show in its full width.
        let room = Frame { x: left - 2.0, y: top - 2.0, width: width + 4.0, height: height + 4.0 };
        svg.outline(frame);
        svg.clipped(room, |svg| {
            let verticals = self.verticals.iter().map(|(value, stroke)| (across(*value), *stroke));
            for (x, stroke) in verticals.filter(|(x, _)| x.is_finite()) {
                svg.line((x, top), (x, bottom), stroke);
            }
            for line in &self.lines {
                let points: Vec<(f64, f64)> =
                    line.points.iter().map(|(x, y)| (across(*x), up(*y))).collect();
                svg.curve(&points, line.stroke, &line.title);
            }
        });
        svg.text(left, top - 9.0, Anchor::Start, self.title);
        if !self.y.label.is_empty() {
            svg.upright_note(left - 44.0, top + height / 2.0, self.y.label);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LineChart, PanelGrid, Scale};

    #[test]
    fn what_has_no_place_on_a_scale_is_not_drawn() {
        let stroke = Stroke::solid("#123456", 1.0);
        let axis = || Axis::new("", Scale::Logarithmic);
        let points = vec![(1.0, 1.0), (f64::NAN, 2.0), (0.0, 3.0), (4.0, f64::INFINITY)];
        let panel = Panel {
            verticals: vec![(0.0, stroke), (f64::NAN, stroke)],
            highlight: Some((0.0, 1.0)),
            ..Panel::new("", axis(), axis(), vec![Line::new("", points, stroke)])
        };
        let svg = LineChart::new("", vec![PanelGrid::new(1, 100.0, vec![panel])]).svg();
        assert_eq!(svg.matches("stroke=\"#123456\"").count(), 1);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
