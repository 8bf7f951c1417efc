//! The layers of the library by name: **the one table that registers a layer**. A new one is one
//! entry here, and then stands in files, in the help and in errors; a test compares the table with
//! the layers that there are.
//!
//! Layers of layers stand here too, because they read the table that they are in.

use morphograd_morphology::nn::layers::apply::Apply;
use morphograd_morphology::nn::tensor::Window2d;
use morphograd_morphology::nn::{
    Activation, AvgPool2d, BatchNorm, Bias, Branches, Build, Conv2d, Dense, DepthwiseConv2d,
    Description, Dropout, Flatten, GlobalAveragePool, GlobalMaxPool, MaxPool2d, Residual, Scale,
    ScaleConv2d, Sequential,
};
use morphograd_morphology::{
    AlphaSoftmax2d, AreaOpening, Border, Dilation2d, Erosion2d, LasryLions2d, LogSumExpDense,
    MaxMinPlusDense, MaxPlusDense, Merge, MinPlusDense, MinPool2d, MixedMaxMinPool2d, MixedPool2d,
    Morphological2d, MorphologicalPair2d, Operator, PConvolution2d, Pad2d, PairOperator,
    RangePool2d, Reduction, ScaleSpace2d, Separable2d, Separable3d, SmoothDilation2d,
    SmoothErosion2d, anti_dilation2d, anti_erosion2d, average2d, black_top_hat2d, closing2d,
    dilation2d, erosion2d, external_gradient2d, gradient2d, hit_or_miss2d, internal_gradient2d,
    laplacian2d, lasry_lions_lower2d, lasry_lions_upper2d, opening2d, probing2d, sift2d, toggle2d,
    white_top_hat2d,
};

use super::fields::{Entry, Fields, Kind, Read};
use super::words::MAX_WINDOW;

/// A layer, before it is built.
pub type Layer = Description<f32>;

/// What a layer can be.
pub const LAYER: Kind<Layer> = Kind { what: "a layer", entries: LAYERS, words: &[] };

/// The layers, in the order of their names. A field has the name that it has in the documentation
/// of the layer; a window is `size`, `strides`, `rates` and `padding`, a neighbourhood is a window
/// with `border` and `ties`.
pub const LAYERS: &[Entry<Layer>] = &[
    Entry { name: "Activation", about: "an activation function by itself", read: activation },
    Entry { name: "AlphaSoftmax2d", about: "means weighted by exponentials", read: alpha_softmax },
    Entry { name: "AreaOpening", about: "bright parts of fewer pixels vanish", read: area_opening },
    Entry { name: "AvgPool2d", about: "the mean of each window", read: avg_pool },
    Entry { name: "BatchNorm", about: "mean 0 and variance 1 of a channel", read: batch_norm },
    Entry { name: "Bias", about: "a learned number added to each channel", read: bias },
    Entry { name: "Branches", about: "layers on one input, side by side", read: branches },
    Entry { name: "Conv2d", about: "a convolution", read: conv2d },
    Entry { name: "Dense", about: "a matrix product", read: dense },
    Entry { name: "DepthwiseConv2d", about: "a convolution of each channel", read: depthwise },
    Entry { name: "Dilation2d", about: "sums of dilations of the channels", read: dilation },
    Entry { name: "Dropout", about: "numbers left out while training", read: dropout },
    Entry { name: "Erosion2d", about: "sums of erosions of the channels", read: erosion },
    Entry { name: "Flatten", about: "all axes in a row", read: |_| layer(Flatten) },
    Entry {
        name: "GlobalAveragePool",
        about: "the mean of each channel",
        read: |_| layer(GlobalAveragePool),
    },
    Entry { name: "GlobalMaxPool", about: "the largest of each channel", read: global_max_pool },
    Entry { name: "LasryLions2d", about: "regularizations by parabolas", read: lasry_lions },
    Entry { name: "LogSumExpDense", about: "a smooth max-plus product", read: log_sum_exp_dense },
    Entry { name: "MaxMinPlusDense", about: "maxima and minima of sums", read: max_min_plus },
    Entry { name: "MaxPlusDense", about: "a max-plus matrix product", read: max_plus },
    Entry { name: "MaxPool2d", about: "the largest of each window", read: max_pool },
    Entry { name: "MinPlusDense", about: "a min-plus matrix product", read: min_plus },
    Entry { name: "MinPool2d", about: "the smallest of each window", read: min_pool },
    Entry {
        name: "MixedMaxMinPool2d",
        about: "a learned mixture of the largest and the smallest of each window",
        read: mixed_max_min_pool,
    },
    Entry {
        name: "MixedPool2d",
        about: "a learned mixture of the largest and the mean of each window",
        read: mixed_pool,
    },
    Entry { name: "Morphological2d", about: "any operator, learned", read: morphological },
    Entry {
        name: "MorphologicalPair2d",
        about: "any operator of two structuring functions, learned",
        read: morphological_pair,
    },
    Entry { name: "PConvolution2d", about: "counter-harmonic means", read: p_convolution },
    Entry { name: "Pad2d", about: "an image with its border written around it", read: pad },
    Entry { name: "RangePool2d", about: "the range of each window", read: range_pool },
    Entry { name: "Residual", about: "what layers make of an input, added to it", read: residual },
    Entry { name: "Scale", about: "a learned factor for each number", read: scale },
    Entry { name: "ScaleConv2d", about: "a convolution over a stack of scales", read: scale_conv },
    Entry { name: "ScaleSpace2d", about: "a stack of dilations by parabolas", read: scale_space },
    Entry { name: "Separable2d", about: "an operator in space, then in depth", read: separable2d },
    Entry { name: "Separable3d", about: "an operator in space, then in depth", read: separable3d },
    Entry { name: "Sequential", about: "layers one after the other", read: sequential },
    Entry { name: "SmoothDilation2d", about: "smooth dilations", read: smooth_dilation },
    Entry { name: "SmoothErosion2d", about: "smooth erosions", read: smooth_erosion },
];

/// The operators of one structuring function.
const OPERATORS: &[Entry<Operator<f32>>] = &[
    Entry {
        name: "anti_dilation2d",
        about: "the dilation of the negative image",
        read: |_| Ok(anti_dilation2d),
    },
    Entry {
        name: "anti_erosion2d",
        about: "the erosion of the negative image",
        read: |_| Ok(anti_erosion2d),
    },
    Entry {
        name: "average2d",
        about: "the mean of a dilation and an erosion",
        read: |_| Ok(average2d),
    },
    Entry {
        name: "black_top_hat2d",
        about: "the closing less the image: small dark parts",
        read: |_| Ok(black_top_hat2d),
    },
    Entry {
        name: "closing2d",
        about: "a dilation, then an erosion: small dark parts vanish",
        read: |_| Ok(closing2d),
    },
    Entry { name: "dilation2d", about: "the largest of the neighbours", read: |_| Ok(dilation2d) },
    Entry { name: "erosion2d", about: "the smallest of the neighbours", read: |_| Ok(erosion2d) },
    Entry {
        name: "external_gradient2d",
        about: "the dilation less the image",
        read: |_| Ok(external_gradient2d),
    },
    Entry { name: "gradient2d", about: "the dilation less the erosion", read: |_| Ok(gradient2d) },
    Entry {
        name: "internal_gradient2d",
        about: "the image less the erosion",
        read: |_| Ok(internal_gradient2d),
    },
    Entry {
        name: "laplacian2d",
        about: "the outer gradient less the inner one",
        read: |_| Ok(laplacian2d),
    },
    Entry {
        name: "opening2d",
        about: "an erosion, then a dilation: small bright parts vanish",
        read: |_| Ok(opening2d),
    },
    Entry { name: "sift2d", about: "the image less that mean", read: |_| Ok(sift2d) },
    Entry {
        name: "toggle2d",
        about: "in one step",
        read: |_| Ok(|graph, x, w, neighbourhood| toggle2d(graph, x, w, neighbourhood, 1)),
    },
    Entry {
        name: "white_top_hat2d",
        about: "the image less the opening: small bright parts",
        read: |_| Ok(white_top_hat2d),
    },
];

/// The operators of two structuring functions.
const PAIR_OPERATORS: &[Entry<PairOperator<f32>>] = &[
    Entry {
        name: "hit_or_miss2d",
        about: "how far one template fits below and another above",
        read: |_| Ok(hit_or_miss2d),
    },
    Entry {
        name: "lasry_lions_lower2d",
        about: "an erosion, then a steeper dilation: below the image",
        read: |_| Ok(lasry_lions_lower2d),
    },
    Entry {
        name: "lasry_lions_upper2d",
        about: "a dilation, then a steeper erosion: above the image",
        read: |_| Ok(lasry_lions_upper2d),
    },
    Entry {
        name: "probing2d",
        about: "a dilation less an erosion, by two structuring functions",
        read: |_| Ok(probing2d),
    },
];

/// What an operator can be.
pub const OPERATOR: Kind<Operator<f32>> =
    Kind { what: "an operator", entries: OPERATORS, words: &[] };

/// What an operator of two structuring functions can be.
pub const PAIR_OPERATOR: Kind<PairOperator<f32>> =
    Kind { what: "an operator of two structuring functions", entries: PAIR_OPERATORS, words: &[] };

/// The layers of a list, one after the other.
pub(crate) fn network(fields: &mut Fields<'_>, name: &'static str) -> Read<Sequential<f32>> {
    let layers = list(fields, name)?;
    Ok(layers.into_iter().fold(Sequential::new(), |all, (name, _, layer)| all.add(&name, layer)))
}

/// The layers of a list, with their names and lines.
pub(crate) fn list(
    fields: &mut Fields<'_>,
    name: &'static str,
) -> Read<Vec<(String, usize, Layer)>> {
    fields.named_list(name, "layer", &LAYER, snake_case)
}

/// `MaxPool2d` → `max_pool2d`.
fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

fn layer(description: impl Build<f32>) -> Read<Layer> {
    Ok(Description::new(description))
}

fn sequential(f: &mut Fields<'_>) -> Read<Layer> {
    layer(network(f, "layer")?)
}

fn branches(f: &mut Fields<'_>) -> Read<Layer> {
    let layers = list(f, "branch")?;
    layer(layers.into_iter().fold(Branches::default(), |all, (name, _, l)| all.add(&name, l)))
}

fn residual(f: &mut Fields<'_>) -> Read<Layer> {
    let body = network(f, "body")?;
    let shortcut = if f.has("shortcut") {
        Some(network(f, "shortcut")?)
    } else {
        f.value("shortcut", "a list of tables, as the body is", "the identity");
        None
    };
    let block = Residual::new(body);
    layer(if let Some(shortcut) = shortcut { block.shortcut(shortcut) } else { block })
}

fn activation(f: &mut Fields<'_>) -> Read<Layer> {
    layer(f.activation("function", Activation::Relu)?)
}

fn area_opening(f: &mut Fields<'_>) -> Read<Layer> {
    let (area, connectivity) = (f.count("area", 1)?, f.connectivity()?);
    layer(Apply(AreaOpening { area, connectivity, ties: f.ties(Default::default())? }))
}

fn avg_pool(f: &mut Fields<'_>) -> Read<Layer> {
    layer(AvgPool2d { window: f.pool(AvgPool2d::default().window)? })
}

fn batch_norm(f: &mut Fields<'_>) -> Read<Layer> {
    let d = BatchNorm::default();
    layer(BatchNorm {
        momentum: f.number("momentum", d.momentum)?,
        epsilon: f.number("epsilon", d.epsilon)?,
        gamma: f.weight("gamma", d.gamma)?,
        beta: f.weight("beta", d.beta)?,
    })
}

fn bias(f: &mut Fields<'_>) -> Read<Layer> {
    layer(Bias { bias: f.weight("bias", Bias::default().bias)? })
}

fn conv2d(f: &mut Fields<'_>) -> Read<Layer> {
    let d = Conv2d::default();
    layer(Conv2d {
        filters: f.count("filters", d.filters)?,
        window: f.window(d.window)?,
        activation: f.activation("activation", d.activation)?,
        kernel: f.weight("kernel", d.kernel)?,
        bias: f.optional_weight("bias", d.bias)?,
    })
}

fn dense(f: &mut Fields<'_>) -> Read<Layer> {
    let d = Dense::default();
    layer(Dense {
        units: f.units("units", d.units)?,
        activation: f.activation("activation", d.activation)?,
        kernel: f.weight("kernel", d.kernel)?,
        bias: f.optional_weight("bias", d.bias)?,
    })
}

fn depthwise(f: &mut Fields<'_>) -> Read<Layer> {
    let d = DepthwiseConv2d::default();
    layer(DepthwiseConv2d {
        multiplier: f.count("multiplier", d.multiplier)?,
        window: f.window(d.window)?,
        activation: f.activation("activation", d.activation)?,
        kernel: f.weight("kernel", d.kernel)?,
        bias: f.optional_weight("bias", d.bias)?,
    })
}

fn dropout(f: &mut Fields<'_>) -> Read<Layer> {
    layer(Dropout { rate: f.number("rate", Dropout::default().rate)? })
}

fn global_max_pool(f: &mut Fields<'_>) -> Read<Layer> {
    layer(GlobalMaxPool { ties: f.ties(GlobalMaxPool::default().ties)? })
}

fn scale(f: &mut Fields<'_>) -> Read<Layer> {
    layer(Scale { factor: f.weight("factor", Scale::default().factor)? })
}

fn scale_conv(f: &mut Fields<'_>) -> Read<Layer> {
    let d = ScaleConv2d::default();
    layer(ScaleConv2d {
        filters: f.count("filters", d.filters)?,
        levels: f.whole("levels", 1..=64, d.levels)?,
        size: f.lengths("size", MAX_WINDOW, d.size)?,
        activation: f.activation("activation", d.activation)?,
        kernel: f.weight("kernel", d.kernel)?,
        bias: f.optional_weight("bias", d.bias)?,
    })
}

/// A bank of dilations or erosions.
macro_rules! filter_bank {
    ($read:ident, $layer:ident) => {
        fn $read(f: &mut Fields<'_>) -> Read<Layer> {
            let d = $layer::default();
            layer($layer {
                filters: f.count("filters", d.filters)?,
                neighbourhood: f.neighbourhood(d.neighbourhood)?,
                kernel: f.weight("kernel", d.kernel)?,
                bias: f.optional_weight("bias", d.bias)?,
                activation: f.activation("activation", d.activation)?,
            })
        }
    };
}
filter_bank!(dilation, Dilation2d);
filter_bank!(erosion, Erosion2d);

/// A pooling with a rule at ties.
macro_rules! pool {
    ($read:ident, $layer:ident) => {
        fn $read(f: &mut Fields<'_>) -> Read<Layer> {
            let d = $layer::default();
            layer($layer { window: f.pool(d.window)?, ties: f.ties(d.ties)? })
        }
    };
}
pool!(max_pool, MaxPool2d);
pool!(min_pool, MinPool2d);
pool!(range_pool, RangePool2d);

/// A mixture of two poolings.
macro_rules! mixed_pool {
    ($read:ident, $layer:ident) => {
        fn $read(f: &mut Fields<'_>) -> Read<Layer> {
            let d = $layer::default();
            layer($layer {
                window: f.pool(d.window)?,
                ties: f.ties(d.ties)?,
                alpha: f.weight("alpha", d.alpha)?,
            })
        }
    };
}
mixed_pool!(mixed_pool, MixedPool2d);
mixed_pool!(mixed_max_min_pool, MixedMaxMinPool2d);

/// A matrix product over one of the semirings.
macro_rules! semiring_dense {
    ($read:ident, $layer:ident) => {
        fn $read(f: &mut Fields<'_>) -> Read<Layer> {
            let d = $layer::default();
            layer($layer {
                units: f.units("units", d.units)?,
                activation: f.activation("activation", d.activation)?,
                kernel: f.weight("kernel", d.kernel)?,
                bias: f.optional_weight("bias", d.bias)?,
                candidate: f.optional_weight("candidate", d.candidate)?,
                element_dropout: f.element_dropout()?,
                rule: f.rule(d.rule)?,
                ties: f.ties(d.ties)?,
            })
        }
    };
}
semiring_dense!(max_plus, MaxPlusDense);
semiring_dense!(min_plus, MinPlusDense);

fn max_min_plus(f: &mut Fields<'_>) -> Read<Layer> {
    let d = MaxMinPlusDense::default();
    layer(MaxMinPlusDense {
        units: f.units("units", d.units)?,
        merge: f.max_min(d.merge)?,
        activation: f.activation("activation", d.activation)?,
        kernel: f.weight("kernel", d.kernel)?,
        bias: f.optional_weight("bias", d.bias)?,
        candidates: f.optional_pair("candidates")?,
        element_dropout: f.element_dropout()?,
        rule: f.rule(d.rule)?,
        ties: f.ties(d.ties)?,
    })
}

fn log_sum_exp_dense(f: &mut Fields<'_>) -> Read<Layer> {
    let d = LogSumExpDense::default();
    layer(LogSumExpDense {
        units: f.units("units", d.units)?,
        semiring: f.semiring(d.semiring)?,
        activation: f.activation("activation", d.activation)?,
        kernel: f.weight("kernel", d.kernel)?,
        beta: f.sharpness("beta", d.beta)?,
        bias: f.optional_weight("bias", d.bias)?,
        candidate: f.optional_weight("candidate", d.candidate)?,
        element_dropout: f.element_dropout()?,
        rule: f.rule(d.rule)?,
    })
}

/// A bank of smooth operators.
macro_rules! smooth_bank {
    ($read:ident, $layer:ident, $sharpness:ident, $name:literal) => {
        fn $read(f: &mut Fields<'_>) -> Read<Layer> {
            let d = $layer::default();
            layer($layer {
                filters: f.count("filters", d.filters)?,
                window: f.window(d.window)?,
                kernel: f.weight("kernel", d.kernel)?,
                $sharpness: f.sharpness($name, d.$sharpness)?,
                element_dropout: f.element_dropout()?,
                bias: f.optional_weight("bias", d.bias)?,
                activation: f.activation("activation", d.activation)?,
            })
        }
    };
}
smooth_bank!(smooth_dilation, SmoothDilation2d, beta, "beta");
smooth_bank!(smooth_erosion, SmoothErosion2d, beta, "beta");
smooth_bank!(alpha_softmax, AlphaSoftmax2d, alpha, "alpha");
smooth_bank!(p_convolution, PConvolution2d, p, "p");

fn morphological(f: &mut Fields<'_>) -> Read<Layer> {
    let d = Morphological2d::<f32>::default();
    layer(Morphological2d {
        operator: operator(f)?,
        filters: f.count("filters", d.filters)?,
        neighbourhood: f.neighbourhood(d.neighbourhood)?,
        kernel: f.function("kernel")?,
        merge: f.merge(d.merge)?,
        bias: f.optional_weight("bias", d.bias)?,
        activation: f.activation("activation", d.activation)?,
    })
}

fn morphological_pair(f: &mut Fields<'_>) -> Read<Layer> {
    let d = MorphologicalPair2d::<f32>::default();
    layer(MorphologicalPair2d {
        operator: f.choice("operator", &PAIR_OPERATOR, "probing2d")?.unwrap_or(d.operator),
        filters: f.count("filters", d.filters)?,
        neighbourhood: f.neighbourhood(d.neighbourhood)?,
        kernels: [f.function("first")?, f.function("second")?],
        merge: f.merge(d.merge)?,
        bias: f.optional_weight("bias", d.bias)?,
        activation: f.activation("activation", d.activation)?,
    })
}

fn lasry_lions(f: &mut Fields<'_>) -> Read<Layer> {
    let d = LasryLions2d::default();
    let operator = f.choice("operator", &PAIR_OPERATOR, "lasry_lions_upper2d")?;
    layer(LasryLions2d {
        operator: operator.unwrap_or(d.operator),
        filters: f.count("filters", d.filters)?,
        neighbourhood: f.neighbourhood(d.neighbourhood)?,
        scale: f.number("scale", d.scale)?,
        curvature: f.weight("curvature", d.curvature)?,
        ratio: f.weight("ratio", d.ratio)?,
        merge: f.merge(Merge::None)?,
    })
}

fn separable2d(f: &mut Fields<'_>) -> Read<Layer> {
    let d = Separable2d::<f32>::default();
    layer(Separable2d {
        operator: operator(f)?,
        reduction: f.reduction(Reduction::Max)?,
        separation: f.separation(d.separation)?,
        filters: f.count("filters", d.filters)?,
        multiplier: f.count("multiplier", d.multiplier)?,
        neighbourhood: f.neighbourhood(d.neighbourhood)?,
        depthwise: f.function("depthwise")?,
        pointwise: f.weight("pointwise", d.pointwise)?,
        bias: f.optional_weight("bias", d.bias)?,
        activation: f.activation("activation", d.activation)?,
    })
}

fn separable3d(f: &mut Fields<'_>) -> Read<Layer> {
    let d = Separable3d::<f32>::default();
    layer(Separable3d {
        operator: operator(f)?,
        size: f.lengths("size", MAX_WINDOW, d.size)?,
        border: f.border(d.border)?,
        ties: f.ties(d.ties)?,
        space: f.weight("space", d.space)?,
        channels: f.weight("channels", d.channels)?,
    })
}

fn scale_space(f: &mut Fields<'_>) -> Read<Layer> {
    let d = ScaleSpace2d::default();
    layer(ScaleSpace2d {
        levels: f.whole("levels", 1..=64, d.levels)?,
        scale: f.number("scale", d.scale)?,
        radius: f.whole("radius", 0..=MAX_WINDOW, d.radius)?,
        curvature: f.weight("curvature", d.curvature)?,
        border: f.border(d.border)?,
        ties: f.ties(d.ties)?,
    })
}

fn pad(f: &mut Fields<'_>) -> Read<Layer> {
    let window = f.window(Window2d::new([3, 3]).same())?;
    layer(Pad2d { window, border: f.border(Border::Replicate)? })
}

fn operator(f: &mut Fields<'_>) -> Read<Operator<f32>> {
    Ok(f.choice("operator", &OPERATOR, "dilation2d")?.unwrap_or(dilation2d))
}
