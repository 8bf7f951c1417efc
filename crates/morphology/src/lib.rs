#![doc = include_str!("../README.md")]

pub mod alpha_softmax;
pub mod constraint;
mod depthwise;
pub mod dilation;
pub mod element_dropout;
pub mod erosion;
mod filters;
mod lattice;
pub mod log_sum_exp;
pub mod max_plus_dense;
pub mod order;
pub mod p_convolution;
pub mod pooling;
mod smooth;
mod window;

pub use alpha_softmax::{AlphaSoftmax2d, alpha_softmax2d};
pub use constraint::ZeroCentre;
pub use depthwise::Depthwise2d;
pub use dilation::{Dilation2d, dilation2d};
pub use element_dropout::ElementDropout;
pub use erosion::{Erosion2d, erosion2d};
pub use filters::Filters2d;
pub use lattice::{Lattice, MaxPlus, MinMinus};
pub use log_sum_exp::{
    SmoothDilation2d, SmoothErosion2d, log_sum_exp_gap, smooth_dilation2d, smooth_erosion2d,
};
pub use max_plus_dense::{MaxPlusDense, MinPlusDense};
pub use p_convolution::{PConvolution2d, p_convolution2d};
pub use pooling::{MinPool2d, MixedMaxMinPool2d, MixedPool2d, RangePool2d};
pub use smooth::Sharpness;

pub use morphograd_nn as nn;
