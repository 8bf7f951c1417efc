#![doc = include_str!("../README.md")]

pub mod prelude;

/// Where an operator looks: orders, borders, windows, and who is a neighbour.
pub mod neighbourhood {
    pub mod border;
    pub mod connectivity;
    pub mod lattice;
    pub(crate) mod level;
    #[expect(clippy::module_inception, reason = "a file is named after its concept")]
    pub mod neighbourhood;
    pub mod pad;
    pub mod pixel;
    pub(crate) mod window_layout;

    pub use border::Border;
    pub use connectivity::Connectivity;
    pub use lattice::{Lattice, MaxPlus, MinMinus};
    pub use neighbourhood::Neighbourhood2d;
    pub use pad::Pad2d;
    pub use pixel::Pixel;
}

/// Dilations and erosions: operations, layers, and the computation that both share.
pub mod dilation {
    pub mod adjoint;
    pub(crate) mod backward;
    pub mod depthwise;
    #[expect(clippy::module_inception, reason = "a file is named after its concept")]
    pub mod dilation;
    pub mod erosion;
    pub mod filter_bank;
    pub(crate) mod forward;
    pub(crate) mod fused_max_pool;
    pub(crate) mod layer;
    pub(crate) mod layout;
    pub(crate) mod planes;
    pub(crate) mod row;
    pub(crate) mod van_herk;

    pub use adjoint::{adjoint_dilation2d, adjoint_erosion2d};
    pub use depthwise::Depthwise2d;
    pub use dilation::{Dilation2d, dilation2d};
    pub use erosion::{Erosion2d, erosion2d};
    pub use filter_bank::FilterBank2d;
}

/// Operators by sets of offsets, on images of any type of pixels, without gradients.
pub mod flat {
    pub mod composed;
    #[expect(clippy::module_inception, reason = "a file is named after its concept")]
    pub mod flat;
    pub mod footprint;
    pub(crate) mod running;

    pub use composed::{
        flat_black_top_hat, flat_closing, flat_external_gradient, flat_gradient,
        flat_internal_gradient, flat_opening, flat_white_top_hat,
    };
    pub use flat::{FlatStep, Residue, flat_chain, flat_dilation, flat_erosion};
    pub use footprint::Footprint;
}

/// Operators composed of dilations and erosions, a file each family.
pub mod operators {
    pub mod anti_dilation;
    pub mod average;
    pub mod gradient;
    pub mod hit_or_miss;
    pub mod lasry_lions;
    pub mod opening;
    pub(crate) mod operator;
    pub mod sequential_filter;
    pub mod toggle;
    pub mod top_hat;

    pub use anti_dilation::{anti_dilation2d, anti_erosion2d};
    pub use average::{average2d, sift2d};
    pub use gradient::{external_gradient2d, gradient2d, internal_gradient2d, laplacian2d};
    pub use hit_or_miss::{hit_or_miss2d, probing2d};
    pub use lasry_lions::{LasryLions2d, lasry_lions_lower2d, lasry_lions_upper2d};
    pub use opening::{closing2d, opening2d};
    pub use operator::{Operator, PairOperator};
    pub use sequential_filter::{
        First, alternating_sequential2d, granulometry2d, pattern_spectrum2d,
    };
    pub use toggle::{Toggle, toggle2d};
    pub use top_hat::{black_top_hat2d, white_top_hat2d};
}

/// Structuring elements and functions: values, starts, penalties, sets of them.
pub mod elements {
    pub mod best_in_set;
    pub mod element_dropout;
    pub mod generators;
    pub mod initializer;
    pub mod quadratic;
    pub mod regularizer;
    pub mod residuation;
    pub mod sets;
    pub mod structuring_element;
    pub mod structuring_function;

    pub use best_in_set::{BestInSet, Optimality, Witness};
    pub use element_dropout::ElementDropout;
    pub use quadratic::QuadraticKernel;
    pub use regularizer::L1L2Lattice;
    pub use residuation::{Identified, Residual, Residuation};
    pub use sets::{
        Concave, ConstantKernel, RadiallyNonIncreasing, Separable, SupNormalized, Support,
        Symmetric, ZeroCentre,
    };
    pub use structuring_element::StructuringElement;
    pub use structuring_function::{StructuringFunction, SupportOn};
}

/// Operators that select pixels of the image: reconstructions, levelings, extrema, areas.
pub mod connected {
    pub mod area;
    pub mod distance;
    pub mod extrema;
    pub mod geodesic;
    pub(crate) mod growth;
    pub mod leveling;
    pub(crate) mod order;
    pub mod pixels;
    pub mod reconstruction;
    pub(crate) mod scan;
    pub(crate) mod selection;
    pub(crate) mod sorted;

    pub use area::{AreaOpening, area_closing, area_opening};
    pub use distance::{PixelDistance, distance_transform};
    pub use extrema::{
        extended_maxima, extended_minima, h_concave, h_convex, h_maxima, h_minima, regional_maxima,
        regional_minima,
    };
    pub use geodesic::{GeodesicDilation, geodesic_dilation, geodesic_erosion};
    pub use leveling::{Leveling, leveling};
    pub use reconstruction::{
        Reconstruction, reconstruction_by_dilation, reconstruction_by_erosion,
    };
    pub use selection::Selection;
}

/// Smooth operators that come near to dilations and erosions.
pub mod smooth {
    pub mod alpha_softmax;
    pub(crate) mod layer;
    pub mod log_sum_exp;
    pub mod p_convolution;
    pub(crate) mod window_fold;

    pub use alpha_softmax::{AlphaSoftmax2d, alpha_softmax_op, alpha_softmax2d};
    pub use layer::Sharpness;
    pub use log_sum_exp::{
        SmoothDilation2d, SmoothErosion2d, log_sum_exp_gap, smooth_dilation_op, smooth_dilation2d,
        smooth_erosion_op, smooth_erosion2d,
    };
    pub use p_convolution::{PConvolution2d, counter_harmonic_op, p_convolution2d};
}

/// Layers of any operator, and those with a computation of their own.
pub mod layers {
    pub mod across_channels;
    pub(crate) mod channels;
    pub mod correlation;
    pub(crate) mod dense;
    pub mod log_sum_exp_dense;
    pub mod max_min_plus_dense;
    pub mod max_plus_dense;
    pub(crate) mod max_plus_tile;
    pub mod morphological;
    pub mod parabolic;
    pub mod pooling;
    pub mod scale_space;
    pub mod semiring;
    pub mod separable;
    pub mod shift_normalization;

    pub use across_channels::{Separable3d, across_channels};
    pub use channels::{Merge, Reduction};
    pub use correlation::{Correlation, DenseProduct, WeightRule};
    pub use log_sum_exp_dense::{LogSumExpDense, LogSumExpProduct};
    pub use max_min_plus_dense::{MaxMin, MaxMinPlusDense};
    pub use max_plus_dense::{MaxPlusDense, MaxPlusProduct, MinPlusDense, MinPlusProduct};
    pub use morphological::{Morphological2d, MorphologicalPair2d};
    pub use parabolic::{Parabolic, parabolic_dilation2d, parabolic_erosion2d};
    pub use pooling::{MinPool2d, MixedMaxMinPool2d, MixedPool2d, RangePool2d};
    pub use scale_space::ScaleSpace2d;
    pub use semiring::Semiring;
    pub use separable::{Separable2d, Separation};
    pub use shift_normalization::ShiftNormalization;
}

/// Operators looked at from outside: values, laws, which entries win.
pub mod analysis {
    pub mod gauge;
    pub mod law;
    pub mod minimal_basis;
    pub mod prune_inputs;
    pub mod win_counts;

    pub use gauge::{Gauge, gauge};
    pub use minimal_basis::{MinimalBasis, minimal_basis};
    pub use morphograd_nn::autodiff::{evaluate, evaluate_with_gradients};
    pub use prune_inputs::{PrunedInputs, prune_inputs};
    pub use win_counts::{dense_win_counts, win_counts};
}

/// Classifiers whose neurons are erosions, and how they are trained without gradients.
pub mod perceptron {
    pub mod convex_concave;
    pub mod hyperboxes;

    pub use convex_concave::{ConvexConcave, Rounds};
    pub use hyperboxes::{Hyperbox, Hyperboxes};
}

pub use analysis::*;
pub use connected::*;
pub use dilation::*;
pub use elements::*;
pub use flat::*;
pub use layers::*;
pub use neighbourhood::*;
pub use operators::*;
pub use perceptron::*;
pub use smooth::*;

pub use morphograd_nn as nn;
