#![doc = include_str!("../README.md")]

mod axis;
mod bar_chart;
mod confusion_matrix;
mod dot_plot;
mod image_grid;
mod interval_plot;
mod layout;
mod line_chart;
pub mod palette;
mod panel;
mod svg;
mod text;

pub use axis::{Axis, Scale};
pub use bar_chart::BarChart;
pub use confusion_matrix::ConfusionMatrix;
pub use dot_plot::DotPlot;
pub use image_grid::{Cell, ColourBar, ImageGrid, Tile, TileContent};
pub use interval_plot::{Interval, IntervalPlot};
pub use line_chart::{Legend, LineChart, PanelGrid};
pub use panel::{Line, Panel};
pub use svg::Stroke;
pub use text::escape;
