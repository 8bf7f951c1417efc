#![doc = include_str!("../README.md")]

pub mod area;
pub mod connectivity;
pub mod constraint;
mod depthwise;
pub mod dilation;
pub mod distance;
pub mod erosion;
pub mod evaluate;
pub mod extrema;
mod filters;
pub mod geodesic;
mod lattice;
pub mod leveling;
pub mod reconstruction;
mod selection;
mod window;

pub use area::{AreaOpening, area_closing, area_opening};
pub use connectivity::Connectivity;
pub use constraint::ZeroCentre;
pub use depthwise::Depthwise2d;
pub use dilation::{Dilation2d, dilation2d};
pub use distance::{Metric, distance_transform};
pub use erosion::{Erosion2d, erosion2d};
pub use evaluate::evaluate;
pub use extrema::{
    extended_maxima, extended_minima, h_concave, h_convex, h_maxima, h_minima, regional_maxima,
    regional_minima,
};
pub use filters::Filters2d;
pub use geodesic::{GeodesicDilation, geodesic_dilation, geodesic_erosion};
pub use lattice::{Lattice, MaxPlus, MinMinus};
pub use leveling::{Leveling, leveling};
pub use reconstruction::{Reconstruction, reconstruction_by_dilation, reconstruction_by_erosion};

pub use morphograd_nn as nn;
