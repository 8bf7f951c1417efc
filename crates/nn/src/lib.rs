#![doc = include_str!("../README.md")]

pub mod activation;
mod adagrad;
mod adam;
pub mod batch_norm;
pub mod branches;
pub mod checkpoint;
pub mod constraint;
pub mod conv2d;
pub mod dense;
pub mod dropout;
pub mod flatten;
pub mod global_pooling;
pub mod initializer;
pub mod layer;
pub mod loss;
pub mod optimizer;
pub mod pooling;
pub mod random;
pub mod regularizer;
mod rmsprop;
pub mod scale_conv;
pub mod schedule;
pub mod sequential;
mod sgd;
pub mod stack;
pub mod summary;

pub use activation::Activation;
pub use batch_norm::BatchNorm;
pub use branches::Branches;
pub use conv2d::Conv2d;
pub use dense::Dense;
pub use dropout::Dropout;
pub use flatten::Flatten;
pub use global_pooling::{GlobalAveragePool, GlobalMaxPool};
pub use initializer::Initializer;
pub use layer::{Build, BuildError, Builder, Layer, Regularizer, Weight};
pub use loss::{MeanSquaredError, SoftmaxCrossEntropy};
pub use optimizer::Optimizer;
pub use pooling::{AvgPool2d, MaxPool2d};
pub use scale_conv::ScaleConv2d;
pub use sequential::Sequential;
pub use summary::summary;

pub use morphograd_autodiff as autodiff;
pub use morphograd_autodiff::tensor;
