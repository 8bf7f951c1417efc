#![doc = include_str!("../README.md")]

pub mod checkpoint;
pub mod enforcement;
pub mod initializer;
pub mod loss;
pub mod random;
pub mod regularizer;

/// Layers, each a description with public fields that is built into a computation.
pub mod layers {
    pub mod activation;
    pub mod batch_norm;
    pub mod bias;
    pub mod branches;
    pub mod conv2d;
    pub mod dense;
    pub mod depthwise_conv2d;
    pub mod dropout;
    pub mod flatten;
    pub mod global_pooling;
    pub mod pooling;
    pub mod scale_conv;
    pub mod stack;

    pub use activation::Activation;
    pub use batch_norm::BatchNorm;
    pub use bias::Bias;
    pub use branches::Branches;
    pub use conv2d::Conv2d;
    pub use dense::Dense;
    pub use depthwise_conv2d::DepthwiseConv2d;
    pub use dropout::Dropout;
    pub use flatten::Flatten;
    pub use global_pooling::{GlobalAveragePool, GlobalMaxPool};
    pub use pooling::{AvgPool2d, MaxPool2d};
    pub use scale_conv::ScaleConv2d;
}

/// What a layer is, and how layers become a model.
pub mod model {
    pub(crate) mod layer;
    pub(crate) mod sequential;
    mod summary;

    pub use layer::{Build, BuildError, Builder, Layer, Regularizer, Weight};
    pub use sequential::{Entry, Sequential, SequentialBuilder};
    pub use summary::summary;
}

/// Optimizers for training: a rule a file, and one driver that projects.
pub mod optim {
    mod adagrad;
    mod adam;
    mod momentum;
    mod optimizer;
    mod rmsprop;
    mod schedule;
    mod sgd;
    mod step_metric;
    mod weight_average;

    pub use adagrad::Adagrad;
    pub use adam::Adam;
    pub use momentum::{Direction, Momentum};
    pub use optimizer::{Clip, Optimizer, OptimizerError, Rule, State, StepReport};
    pub use rmsprop::RmsProp;
    pub use schedule::{
        CosineDecay, ExponentialDecay, InverseTimeDecay, PiecewiseConstant, PolynomialDecay,
        Schedule, anneal,
    };
    pub use sgd::Sgd;
    pub use step_metric::StepMetric;
    pub use weight_average::WeightAverage;
}

/// Methods for deterministic problems, with certificates, and a recorded loss as one.
pub mod solve {
    mod recorded_loss;

    pub use morphograd_autodiff::sets::solve::*;
    pub use recorded_loss::RecordedLoss;
}

pub use enforcement::Enforcement;
pub use initializer::Initializer;
pub use layers::*;
pub use loss::{MeanSquaredError, SoftmaxCrossEntropy};
pub use model::*;
pub use optim::{Momentum, Optimizer, StepMetric, WeightAverage};

pub use morphograd_autodiff as autodiff;
pub use morphograd_autodiff::sets;
pub use morphograd_autodiff::tensor;
