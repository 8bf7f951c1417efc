//! What most programs use: `use morphograd_morphology::prelude::*;`. It holds the prelude of
//! `morphograd-nn`, operators, their layers, and structuring elements.

pub use morphograd_nn::prelude::*;

pub use crate::analysis::{dense_win_counts, evaluate, law, prune_inputs, win_counts};
pub use crate::connected::{
    AreaOpening, GeodesicDilation, Leveling, PixelDistance, Reconstruction, area_closing,
    area_opening, distance_transform, extended_maxima, extended_minima, geodesic_dilation,
    geodesic_erosion, h_concave, h_convex, h_maxima, h_minima, leveling,
    reconstruction_by_dilation, reconstruction_by_erosion, regional_maxima, regional_minima,
};
pub use crate::dilation::{
    Depthwise2d, Dilation2d, Erosion2d, FilterBank2d, adjoint_dilation2d, adjoint_erosion2d,
    dilation2d, erosion2d,
};
pub use crate::elements::{
    Concave, ConstantKernel, ElementDropout, L1L2Lattice, QuadraticKernel, RadiallyNonIncreasing,
    Residuation, Separable, StructuringElement, StructuringFunction, SupNormalized, Support,
    SupportOn, Symmetric, ZeroCentre,
};
pub use crate::layers::{
    LogSumExpDense, MaxMin, MaxMinPlusDense, MaxPlusDense, Merge, MinPlusDense, MinPool2d,
    MixedMaxMinPool2d, MixedPool2d, Morphological2d, MorphologicalPair2d, Parabolic, RangePool2d,
    Reduction, ScaleSpace2d, Semiring, Separable2d, Separable3d, Separation, ShiftNormalization,
    WeightRule, across_channels, parabolic_dilation2d, parabolic_erosion2d,
};
pub use crate::neighbourhood::{
    Border, Connectivity, Lattice, MaxPlus, MinMinus, Neighbourhood2d, Pad2d,
};
pub use crate::operators::{
    LasryLions2d, Operator, PairOperator, alternating_sequential2d, anti_dilation2d,
    anti_erosion2d, average2d, black_top_hat2d, closing2d, external_gradient2d, gradient2d,
    granulometry2d, hit_or_miss2d, internal_gradient2d, laplacian2d, lasry_lions_lower2d,
    lasry_lions_upper2d, opening2d, pattern_spectrum2d, probing2d, sift2d, toggle2d,
    white_top_hat2d,
};
pub use crate::smooth::{
    AlphaSoftmax2d, PConvolution2d, Sharpness, SmoothDilation2d, SmoothErosion2d, alpha_softmax2d,
    log_sum_exp_gap, p_convolution2d, smooth_dilation2d, smooth_erosion2d,
};
