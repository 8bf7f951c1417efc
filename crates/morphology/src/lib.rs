#![doc = include_str!("../README.md")]

pub mod constraint;
mod depthwise;
pub mod dilation;
pub mod erosion;
mod filters;
mod lattice;
pub mod order;
mod window;

pub use constraint::ZeroCentre;
pub use depthwise::Depthwise2d;
pub use dilation::{Dilation2d, dilation2d};
pub use erosion::{Erosion2d, erosion2d};
pub use filters::Filters2d;
pub use lattice::{Lattice, MaxPlus, MinMinus};

pub use morphograd_nn as nn;
