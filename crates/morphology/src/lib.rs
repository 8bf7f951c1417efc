#![doc = include_str!("../README.md")]

pub mod across_channels;
pub mod adjoint;
pub mod alpha_softmax;
pub mod anti;
pub mod area;
pub mod average;
mod border;
pub mod channels;
pub mod connectivity;
pub mod constraint;
mod correlation;
mod depthwise;
pub mod dilation;
pub mod distance;
pub mod element_dropout;
pub mod erosion;
pub mod evaluate;
pub mod extrema;
mod filters;
mod flat;
mod generators;
pub mod geodesic;
pub mod gradient;
pub mod initializer;
pub mod lasry_lions;
mod lattice;
pub mod law;
pub mod leveling;
pub mod lines;
pub mod log_sum_exp;
pub mod max_plus_dense;
pub mod morphological;
pub mod opening;
pub mod operator;
pub mod order;
pub mod p_convolution;
pub mod pad;
pub mod parabolic;
mod planes;
mod pooled;
pub mod pooling;
pub mod probing;
pub mod quadratic;
pub mod reconstruction;
pub mod regularizer;
pub mod residuation;
pub mod scale_space;
pub mod scan;
mod selection;
pub mod separable;
pub mod sequential_filter;
mod smooth;
pub mod structuring_element;
pub mod structuring_function;
mod subgradient;
pub mod toggle;
pub mod top_hat;
pub mod win_counts;
mod window;

pub use across_channels::{Separable3d, across_channels};
pub use adjoint::{adjoint_dilation2d, adjoint_erosion2d};
pub use alpha_softmax::{AlphaSoftmax2d, alpha_softmax2d};
pub use anti::{anti_dilation2d, anti_erosion2d};
pub use area::{AreaOpening, area_closing, area_opening};
pub use average::{average2d, sift2d};
pub use border::Border;
pub use channels::{Merge, Reduction};
pub use connectivity::Connectivity;
pub use constraint::{
    Concave, Flat, RadiallyNonIncreasing, SupNormalized, Support, Symmetric, ZeroCentre,
};
pub use depthwise::Depthwise2d;
pub use dilation::{Dilation2d, dilation2d};
pub use distance::{Metric, distance_transform};
pub use element_dropout::ElementDropout;
pub use erosion::{Erosion2d, erosion2d};
pub use evaluate::evaluate;
pub use extrema::{
    extended_maxima, extended_minima, h_concave, h_convex, h_maxima, h_minima, regional_maxima,
    regional_minima,
};
pub use filters::Filters2d;
pub use geodesic::{GeodesicDilation, geodesic_dilation, geodesic_erosion};
pub use gradient::{external_gradient2d, gradient2d, internal_gradient2d, laplacian2d};
pub use lasry_lions::{LasryLions2d, lasry_lions_lower2d, lasry_lions_upper2d};
pub use lattice::{Lattice, MaxPlus, MinMinus};
pub use leveling::{Leveling, leveling};
pub use lines::lines;
pub use log_sum_exp::{
    SmoothDilation2d, SmoothErosion2d, log_sum_exp_gap, smooth_dilation2d, smooth_erosion2d,
};
pub use max_plus_dense::{MaxPlusDense, MinPlusDense};
pub use morphological::{Morphological2d, MorphologicalPair2d};
pub use opening::{closing2d, opening2d};
pub use operator::{Operator, PairOperator};
pub use p_convolution::{PConvolution2d, p_convolution2d};
pub use pad::Pad2d;
pub use parabolic::{Parabolic, parabolic_dilation2d, parabolic_erosion2d};
pub use pooling::{MinPool2d, MixedMaxMinPool2d, MixedPool2d, RangePool2d};
pub use probing::{hit_or_miss2d, probing2d};
pub use quadratic::QuadraticKernel;
pub use reconstruction::{Reconstruction, reconstruction_by_dilation, reconstruction_by_erosion};
pub use residuation::Residuation;
pub use scale_space::ScaleSpace2d;
pub use scan::Scan2d;
pub use selection::Selection;
pub use separable::{Separable2d, Separation};
pub use sequential_filter::{alternating_sequential2d, granulometry2d, pattern_spectrum2d};
pub use smooth::Sharpness;
pub use structuring_element::StructuringElement;
pub use structuring_function::{StructuringFunction, SupportOn};
pub use toggle::toggle2d;
pub use top_hat::{black_top_hat2d, white_top_hat2d};
pub use win_counts::win_counts;

pub use morphograd_nn as nn;
