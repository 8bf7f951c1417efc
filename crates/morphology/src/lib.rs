#![doc = include_str!("../README.md")]

pub mod anti;
pub mod average;
mod border;
pub mod constraint;
mod depthwise;
pub mod dilation;
pub mod erosion;
mod filters;
pub mod gradient;
mod lattice;
pub mod opening;
pub mod operator;
pub mod order;
pub mod probing;
pub mod quadratic;
pub mod sequential_filter;
mod subgradient;
pub mod toggle;
pub mod top_hat;
mod window;

pub use anti::{anti_dilation2d, anti_erosion2d};
pub use average::{average2d, lasry_lions_lower2d, lasry_lions_upper2d};
pub use border::Border;
pub use constraint::ZeroCentre;
pub use depthwise::Depthwise2d;
pub use dilation::{Dilation2d, dilation2d};
pub use erosion::{Erosion2d, erosion2d};
pub use filters::Filters2d;
pub use gradient::{external_gradient2d, gradient2d, internal_gradient2d, laplacian2d};
pub use lattice::{Lattice, MaxPlus, MinMinus};
pub use opening::{closing2d, opening2d};
pub use operator::Operator;
pub use probing::{hit_or_miss2d, probing2d};
pub use quadratic::QuadraticKernel;
pub use sequential_filter::{alternating_sequential2d, granulometry2d, pattern_spectrum2d};
pub use toggle::toggle2d;
pub use top_hat::{black_top_hat2d, white_top_hat2d};

pub use morphograd_nn as nn;
