//! Measures that all charts share, in units of the figure.

use crate::svg::Frame;
use crate::text::text_width;

/// Width of a chart.
pub(crate) const WIDTH: f64 = 960.0;
/// Room left of a panel, for its ticks and the name of its axis.
pub(crate) const LEFT: f64 = 62.0;
/// Room above a panel, for its title.
pub(crate) const TOP: f64 = 34.0;
/// Room under a panel, for its ticks and the name of its axis.
pub(crate) const UNDER: f64 = 62.0;
/// Height of a row with a name at its left.
pub(crate) const ROW: f64 = 21.0;

/// Where rows stand, with room for their names.
pub(crate) fn rows_frame<'a>(rows: usize, names: impl Iterator<Item = &'a str>) -> Frame {
    let left = names.map(text_width).fold(LEFT, f64::max) + 16.0;
    Frame { x: left, y: 14.0, width: WIDTH - left - 50.0, height: ROW * rows.max(1) as f64 }
}
