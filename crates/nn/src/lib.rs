#![doc = include_str!("../README.md")]

pub mod checkpoint;
pub mod enforcement;
pub mod initializer;
pub mod prelude;
pub mod random;
pub mod regularizer;
pub mod robustness;

/// Layers, each a description with public fields that is built into a computation.
pub mod layers {
    pub mod activation;
    pub mod apply;
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
    pub mod residual;
    pub mod scale;
    pub mod scale_conv;

    pub use activation::Activation;
    pub use apply::Apply;
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
    pub use residual::Residual;
    pub use scale::Scale;
    pub use scale_conv::ScaleConv2d;
}

/// Training: one [step](fit::train_step), the [loop](fit::Fit) around it for any model, data, loss,
/// metrics and callbacks, and what to measure without training. Names and semantics are those of
/// Keras where Keras has the thing.
///
/// A classifier of one's own, which learns whether a point of the plane lies in the unit disk:
///
/// ```
/// use morphograd_nn::autodiff::Params;
/// use morphograd_nn::fit::{Accuracy, EarlyStopping, Fit};
/// use morphograd_nn::{Activation, Dense, Optimizer, Sequential, SoftmaxCrossEntropy};
/// use morphograd_nn::{optim::Adam, tensor::Tensor};
/// let data = |n: usize| {
///     let x = Tensor::from_fn([n, 2], |i| ((i * i) as f32 * 0.7).sin() * 1.4);
///     let y: Vec<u8> = x.data().chunks(2).map(|p| u8::from(p[0].hypot(p[1]) < 1.0)).collect();
///     (x, y)
/// };
/// let (train, test) = (data(600), data(800));
/// let mut params = Params::new();
/// let model = Sequential::new()
///     .add("hidden", Dense { units: 16, activation: Activation::Relu, ..Dense::default() })
///     .add("logits", Dense { units: 2, ..Dense::default() })
///     .build_model(&mut params, 0, [2])?;
/// let mut optimizer = Optimizer::new(&params, Adam::default(), 0.01);
/// let history = Fit {
///     epochs: 60,
///     validation: Some(&test),
///     metrics: vec![&mut Accuracy::default()],
///     callbacks: vec![&mut EarlyStopping { patience: 5, ..EarlyStopping::default() }],
///     ..Fit::new(&model, &SoftmaxCrossEntropy, &train)
/// }
/// .run(&mut params, &mut optimizer)?;
/// assert!(history.values("val_accuracy").last() > Some(&0.95));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub mod fit {
    mod accuracy;
    mod backup;
    mod batch;
    mod callback;
    mod carry;
    mod classification_report;
    mod confusion_matrix;
    mod data_set;
    mod early_stopping;
    mod error;
    mod evaluate;
    mod history;
    mod intersection_over_union;
    mod loss;
    mod metric;
    mod model_checkpoint;
    mod monitor;
    mod network;
    mod prediction;
    mod psnr;
    mod reduce_lr_on_plateau;
    mod shards;
    mod step;
    mod training_loop;

    pub use accuracy::Accuracy;
    pub use backup::{Backup, BackupProgress, backup_progress};
    pub use batch::{Batch, Vars};
    pub use callback::{Callback, CallbackError, CallbackState, Progress, Training};
    pub use classification_report::{ClassificationReport, Scores};
    pub use confusion_matrix::ConfusionMatrix;
    pub use data_set::DataSet;
    pub use early_stopping::{EarlyStopping, Verdict};
    pub use error::FitError;
    pub use evaluate::{evaluate, predict};
    pub use history::{End, EpochLog, History};
    pub use intersection_over_union::IntersectionOverUnion;
    pub use loss::Loss;
    pub use metric::Metric;
    pub use model_checkpoint::ModelCheckpoint;
    pub use monitor::{Better, Monitor, UnknownMonitor};
    pub use network::Network;
    pub use prediction::predicted_class;
    pub use psnr::Psnr;
    pub use reduce_lr_on_plateau::ReduceLrOnPlateau;
    pub use step::{StepError, StepOutcome, train_step};
    pub use training_loop::Fit;
}

/// Several processes that train one model: how they speak, and how they make sure that they do the
/// same.
pub mod ranks {
    mod agree;
    mod communicator;
    mod local;
    mod threads;

    pub use agree::{agree, any};
    pub(crate) use communicator::strides;
    pub use communicator::{Communicator, RankError};
    pub use local::Local;
    pub use threads::Threads;
}

/// Losses: what a prediction costs, as one number. Each is an operation on a prediction and its
/// target.
pub mod loss {
    mod binary_cross_entropy;
    mod elementwise;
    mod huber;
    mod mean_absolute_error;
    mod mean_squared_error;
    mod softmax_cross_entropy;

    pub use binary_cross_entropy::BinaryCrossEntropy;
    pub use huber::Huber;
    pub use mean_absolute_error::MeanAbsoluteError;
    pub use mean_squared_error::MeanSquaredError;
    pub use softmax_cross_entropy::SoftmaxCrossEntropy;
}

/// What a layer is, and how layers become a model.
pub mod model {
    pub(crate) mod build;
    pub(crate) mod builder;
    pub(crate) mod error;
    pub(crate) mod layer;
    pub(crate) mod sequential;
    mod summary;
    pub(crate) mod weight;

    pub use build::{Build, Description};
    pub use builder::Builder;
    pub use error::BuildError;
    pub use layer::{Fusion, Layer};
    pub use sequential::{Entry, Model, Sequential};
    pub use summary::summary;
    pub use weight::Weight;
}

/// Optimizers for training: a rule a file, and one driver that projects.
pub mod optim {
    pub mod adagrad;
    pub mod adam;
    pub mod clip;
    pub mod frank_wolfe;
    pub mod momentum;
    pub mod optimizer;
    pub mod optimizer_error;
    pub mod rmsprop;
    pub mod schedule;
    pub mod sgd;
    pub mod step_metric;
    pub mod towards_vertices;
    pub mod weight_average;

    pub use adagrad::Adagrad;
    pub use adam::Adam;
    pub use clip::Clip;
    pub use frank_wolfe::FrankWolfe;
    pub use momentum::{Direction, Momentum};
    pub use optimizer::{Optimizer, Rule, State, StepReport};
    pub use optimizer_error::OptimizerError;
    pub use rmsprop::RmsProp;
    pub use schedule::{
        CosineDecay, ExponentialDecay, InverseTimeDecay, PiecewiseConstant, PolynomialDecay,
        Schedule, anneal,
    };
    pub use sgd::Sgd;
    pub use step_metric::StepMetric;
    pub use towards_vertices::{TowardsVertices, Vertices};
    pub use weight_average::WeightAverage;
}

/// Methods for deterministic problems, with certificates, and a recorded loss as one.
pub mod solve {
    mod recorded_loss;

    pub use morphograd_autodiff::sets::solve::*;
    pub use recorded_loss::RecordedLoss;
}

pub use enforcement::Enforcement;
pub use fit::{Accuracy, EarlyStopping, Fit, ReduceLrOnPlateau, train_step};
pub use initializer::Initializer;
pub use layers::*;
pub use loss::{
    BinaryCrossEntropy, Huber, MeanAbsoluteError, MeanSquaredError, SoftmaxCrossEntropy,
};
pub use model::*;
pub use optim::{Momentum, Optimizer, StepMetric, WeightAverage};

pub use morphograd_autodiff as autodiff;
pub use morphograd_autodiff::sets;
pub use morphograd_autodiff::tensor;
