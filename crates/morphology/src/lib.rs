#![doc = include_str!("../README.md")]

mod border;
pub mod constraint;
mod depthwise;
pub mod dilation;
pub mod erosion;
mod filters;
mod generators;
pub mod initializer;
mod lattice;
pub mod regularizer;
pub mod residuation;
pub mod structuring_element;
mod subgradient;
mod window;

pub use border::Border;
pub use constraint::{Support, ZeroCentre};
pub use depthwise::Depthwise2d;
pub use dilation::{Dilation2d, dilation2d};
pub use erosion::{Erosion2d, erosion2d};
pub use filters::Filters2d;
pub use lattice::{Lattice, MaxPlus, MinMinus};
pub use residuation::Residuation;
pub use structuring_element::StructuringElement;

pub use morphograd_nn as nn;
