//! How a network is trained: loss, metrics, optimizer, schedule, callbacks, and the numbers of a
//! training.

use morphograd_morphology::nn::fit::{
    Callback, EarlyStopping, IntersectionOverUnion, Loss, Metric, Monitor, Psnr, ReduceLrOnPlateau,
};
use morphograd_morphology::nn::optim::{
    Adagrad, Adam, Clip, CosineDecay, ExponentialDecay, FrankWolfe, InverseTimeDecay,
    PiecewiseConstant, PolynomialDecay, RmsProp, Rule, Schedule, Sgd,
};
use morphograd_morphology::nn::{
    BinaryCrossEntropy, Huber, MeanAbsoluteError, MeanSquaredError, Momentum, Sequential,
    SoftmaxCrossEntropy, StepMetric,
};

use super::fields::{Entry, Fields, Kind, Read, number};
use super::layers::network;
use super::targets::{NOISE, Noise, Target};
use crate::registry::OPTIMIZERS as OPTIMIZER_WORDS;

/// What a loss can be.
pub const LOSS: Kind<Box<dyn Loss<f32>>> = Kind { what: "a loss", entries: LOSSES, words: &[] };

/// A metric; none where nothing has to be measured that is not anyway.
pub type Measure = Option<Box<dyn Metric<f32>>>;

/// What a metric can be.
pub const METRIC: Kind<Measure> = Kind { what: "a metric", entries: METRICS, words: &[] };

/// What an optimizer can be; the words of `--optimizer` too.
pub const OPTIMIZER: Kind<Box<dyn Rule<f32>>> =
    Kind { what: "an optimizer", entries: OPTIMIZERS, words: OPTIMIZER_WORDS };

/// What a schedule can be.
pub const SCHEDULE: Kind<Box<dyn Schedule>> =
    Kind { what: "a schedule", entries: SCHEDULES, words: &[] };

/// What a callback can be.
pub const CALLBACK: Kind<Watcher> = Kind { what: "a callback", entries: CALLBACKS, words: &[] };

/// What a bound on gradients can be.
pub const CLIP: Kind<Clip> = Kind { what: "a bound on gradients", entries: CLIPS, words: &[] };

/// A callback of a model file.
#[derive(Debug)]
pub enum Watcher {
    /// Ends the training, and may bring the best weights back.
    Stop(EarlyStopping<f32>),
    /// Lowers the learning rate.
    Plateau(ReduceLrOnPlateau),
}

impl Watcher {
    /// As the training loop takes it.
    pub fn callback(&mut self) -> &mut dyn Callback<f32> {
        match self {
            Self::Stop(stopping) => stopping,
            Self::Plateau(plateau) => plateau,
        }
    }
}

/// How a network is trained. What a file leaves open is that of the command.
pub struct Training {
    /// What is learned; the classes by default.
    pub target: Target,
    /// What is wrong with the images that go in.
    pub noise: Option<Noise>,
    /// What makes the targets of the images without noise: layers with fixed parameters.
    pub teacher: Option<Sequential<f32>>,
    /// What outputs cost; by default the softmax cross-entropy of classes, else the mean squared
    /// error.
    pub loss: Box<dyn Loss<f32>>,
    /// What is measured beside it; of classes the accuracy always is, and not named here.
    pub metrics: Vec<Box<dyn Metric<f32>>>,
    /// What changes the parameters; Adam by default.
    pub rule: Box<dyn Rule<f32>>,
    /// The learning rates; 0.01 by default.
    pub rate: Box<dyn Schedule>,
    /// A bound on gradients; none by default.
    pub clip: Clip,
    /// The momentum after a projected step.
    pub momentum: Momentum,
    /// The metric of the projection after a step.
    pub metric: StepMetric,
    /// What watches the epochs; those of the tutorial by default.
    pub callbacks: Vec<Watcher>,
    /// The most epochs.
    pub epochs: Option<usize>,
    /// Images of a step.
    pub batch_size: Option<usize>,
    /// Training images, the first of the data.
    pub samples: Option<usize>,
}

impl std::fmt::Debug for Training {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Training")
            .field("rule", &self.rule)
            .field("rate", &self.rate)
            .finish_non_exhaustive()
    }
}

impl Training {
    /// Reads the table `[training]`.
    pub(crate) fn read(f: &mut Fields<'_>) -> Read<Self> {
        const MOMENTA: &[(&str, Momentum)] =
            &[("keep", Momentum::Keep), ("tangent", Momentum::Tangent), ("reset", Momentum::Reset)];
        const STEP_METRICS: &[(&str, StepMetric)] =
            &[("euclidean", StepMetric::Euclidean), ("preconditioner", StepMetric::Preconditioner)];
        const TARGETS: &[(&str, Target)] =
            &[("labels", Target::Labels), ("image", Target::Image), ("data", Target::Data)];
        let target = f.word("target", TARGETS, Target::Labels)?;
        let noise = f.choice("noise", &NOISE, "none")?;
        let teacher = if f.has("teacher") {
            Some(network(f, "teacher")?)
        } else {
            f.value("teacher", "a list of layers that make the targets", "the images");
            None
        };
        if target == Target::Labels && noise.is_some() {
            let expected = "target = \"image\" or \"data\" for a noise";
            return Err(f.conflict(expected, "target = \"labels\""));
        }
        if target != Target::Image && teacher.is_some() {
            return Err(f.conflict("target = \"image\" for a teacher", "another target"));
        }
        let by_default = "SoftmaxCrossEntropy of labels, else MeanSquaredError";
        let loss = f.choice("loss", &LOSS, by_default)?;
        let by_default = || -> Box<dyn Loss<f32>> {
            match target {
                Target::Labels => Box::new(SoftmaxCrossEntropy),
                Target::Image | Target::Data => Box::new(MeanSquaredError),
            }
        };
        let metrics = f.choices("metrics", &METRIC, "Accuracy")?;
        let rule = f.choice("optimizer", &OPTIMIZER, "adam")?;
        Ok(Self {
            target,
            noise,
            teacher,
            loss: loss.unwrap_or_else(by_default),
            metrics: metrics.unwrap_or_default().into_iter().flatten().collect(),
            rule: rule.unwrap_or_else(|| Box::new(Adam::default())),
            rate: rate(f)?,
            clip: f.choice("clip", &CLIP, "none")?.unwrap_or_default(),
            momentum: f.word("momentum", MOMENTA, Momentum::default())?,
            metric: f.word("step_metric", STEP_METRICS, StepMetric::default())?,
            callbacks: f
                .choices("callbacks", &CALLBACK, "those of the tutorial")?
                .unwrap_or_else(tutorial_callbacks),
            epochs: f.optional_count("epochs")?,
            batch_size: f.optional_count("batch_size")?,
            samples: f.optional_count("samples")?,
        })
    }
}

/// Early stopping and the plateau schedule of the tutorial.
fn tutorial_callbacks() -> Vec<Watcher> {
    let (stopping, plateau) = crate::experiment::Config::default().callbacks();
    vec![Watcher::Stop(stopping), Watcher::Plateau(plateau)]
}

fn rate(f: &mut Fields<'_>) -> Read<Box<dyn Schedule>> {
    let expected = "a positive number, or a schedule";
    let Some(value) = f.value("learning_rate", expected, 0.01) else { return Ok(Box::new(0.01)) };
    match number(value) {
        Some(rate) if rate > 0.0 && rate.is_finite() => Ok(Box::new(rate)),
        Some(_) => Err(f.wrong("learning_rate", value, expected)),
        None => f.one("learning_rate", value, &SCHEDULE),
    }
}

/// The losses.
pub const LOSSES: &[Entry<Box<dyn Loss<f32>>>] = &[
    Entry {
        name: "BinaryCrossEntropy",
        about: "of logits and targets in [0, 1]",
        read: |_| Ok(Box::new(BinaryCrossEntropy)),
    },
    Entry {
        name: "Huber",
        about: "squares of small errors, magnitudes of large ones",
        read: |f| Ok(Box::new(Huber { delta: f.number("delta", Huber::default().delta)? })),
    },
    Entry {
        name: "MeanAbsoluteError",
        about: "the mean magnitude of errors",
        read: |_| Ok(Box::new(MeanAbsoluteError)),
    },
    Entry {
        name: "MeanSquaredError",
        about: "the mean square of errors",
        read: |_| Ok(Box::new(MeanSquaredError)),
    },
    Entry {
        name: "SoftmaxCrossEntropy",
        about: "of logits and classes",
        read: |_| Ok(Box::new(SoftmaxCrossEntropy)),
    },
];

/// The metrics. The accuracy is measured whenever there are classes, so naming it adds nothing.
pub const METRICS: &[Entry<Measure>] = &[
    Entry {
        name: "Accuracy",
        about: "the share of images classified correctly; always measured where there are classes",
        read: |_| Ok(None),
    },
    Entry {
        name: "IntersectionOverUnion",
        about: "how well masks agree; for logits the threshold is 0",
        read: |f| {
            let d = IntersectionOverUnion::default();
            let threshold = f.number("threshold", d.threshold)?;
            Ok(Some(Box::new(IntersectionOverUnion { threshold, ..d })))
        },
    },
    Entry {
        name: "Psnr",
        about: "the ratio of peak signal to noise of images, in decibels",
        read: |f| Ok(Some(Box::new(Psnr { range: f.number("range", 1.0)?, ..Psnr::default() }))),
    },
];

/// The optimizers with their numbers.
pub const OPTIMIZERS: &[Entry<Box<dyn Rule<f32>>>] = &[
    Entry {
        name: "Adagrad",
        about: "steps divided by the root of the sum of squares",
        read: |f| {
            let d = Adagrad::default();
            Ok(Box::new(Adagrad {
                initial_accumulator: f.number("initial_accumulator", d.initial_accumulator)?,
                epsilon: f.number("epsilon", d.epsilon)?,
            }))
        },
    },
    Entry {
        name: "Adam",
        about: "Adam; AdamW with a weight decay, AMSGrad by a flag",
        read: |f| {
            let d = Adam::default();
            Ok(Box::new(Adam {
                beta1: f.number("beta1", d.beta1)?,
                beta2: f.number("beta2", d.beta2)?,
                epsilon: f.number("epsilon", d.epsilon)?,
                amsgrad: f.flag("amsgrad", d.amsgrad)?,
                weight_decay: f.number("weight_decay", d.weight_decay)?,
            }))
        },
    },
    Entry {
        name: "FrankWolfe",
        about: "steps towards vertices of a bounded convex set",
        read: |f| {
            let momentum = f.number("momentum", FrankWolfe::default().momentum)?;
            Ok(Box::new(FrankWolfe { momentum }))
        },
    },
    Entry {
        name: "RmsProp",
        about: "steps divided by the root of a mean of squares",
        read: |f| {
            let d = RmsProp::default();
            Ok(Box::new(RmsProp {
                rho: f.number("rho", d.rho)?,
                momentum: f.number("momentum", d.momentum)?,
                epsilon: f.number("epsilon", d.epsilon)?,
                centered: f.flag("centered", d.centered)?,
            }))
        },
    },
    Entry {
        name: "Sgd",
        about: "gradient descent, with or without momentum",
        read: |f| {
            let d = Sgd::default();
            let momentum = f.number("momentum", d.momentum)?;
            Ok(Box::new(Sgd { momentum, nesterov: f.flag("nesterov", d.nesterov)? }))
        },
    },
];

/// The schedules of the learning rate.
pub const SCHEDULES: &[Entry<Box<dyn Schedule>>] = &[
    Entry {
        name: "CosineDecay",
        about: "half a period of a cosine",
        read: |f| {
            Ok(Box::new(CosineDecay {
                initial: f.number("initial", 0.01)?,
                steps: f.count("steps", 1000)? as u64,
                floor: f.number("floor", 0.0)?,
            }))
        },
    },
    Entry {
        name: "ExponentialDecay",
        about: "a factor after every few steps",
        read: |f| {
            Ok(Box::new(ExponentialDecay {
                initial: f.number("initial", 0.01)?,
                steps: f.count("steps", 1000)? as u64,
                rate: f.number("rate", 0.5)?,
                staircase: f.flag("staircase", false)?,
            }))
        },
    },
    Entry {
        name: "InverseTimeDecay",
        about: "one over a line",
        read: |f| {
            Ok(Box::new(InverseTimeDecay {
                initial: f.number("initial", 0.01)?,
                steps: f.count("steps", 1000)? as u64,
                rate: f.number("rate", 0.5)?,
                staircase: f.flag("staircase", false)?,
            }))
        },
    },
    Entry {
        name: "PiecewiseConstant",
        about: "a first rate, and others behind given steps",
        read: |f| {
            let initial = f.number("initial", 0.01)?;
            let (steps, rates) =
                (f.wholes("steps", 1..=1_000_000, vec![1000])?, f.numbers("rates")?);
            if steps.len() != rates.len() || steps.windows(2).any(|pair| pair[0] >= pair[1]) {
                let expected = "steps that increase, and as many rates";
                let found = format!("{} steps and {} rates", steps.len(), rates.len());
                return Err(f.conflict(expected, found));
            }
            let changes = steps.into_iter().map(|step| step as u64).zip(rates).collect();
            Ok(Box::new(PiecewiseConstant { initial, changes }))
        },
    },
    Entry {
        name: "PolynomialDecay",
        about: "a power of a line, down to a last rate",
        read: |f| {
            Ok(Box::new(PolynomialDecay {
                initial: f.number("initial", 0.01)?,
                steps: f.count("steps", 1000)? as u64,
                end: f.number("end", 0.0001)?,
                power: f.number("power", 1.0)?,
                cycle: f.flag("cycle", false)?,
            }))
        },
    },
];

/// The callbacks.
pub const CALLBACKS: &[Entry<Watcher>] = &[
    Entry {
        name: "EarlyStopping",
        about: "ends the training when a number does not improve",
        read: |f| {
            let d = EarlyStopping::<f32>::default();
            let baseline = f.number("baseline", f64::INFINITY)?;
            Ok(Watcher::Stop(EarlyStopping {
                monitor: monitor(f, "loss", d.monitor.min_delta)?,
                patience: f.count("patience", 10)?,
                restore_best_weights: f.flag("restore_best_weights", true)?,
                baseline: Some(baseline).filter(|baseline| baseline.is_finite()),
                start_from_epoch: f.whole("start_from_epoch", 0..=1_000_000, d.start_from_epoch)?,
                ..d
            }))
        },
    },
    Entry {
        name: "ReduceLrOnPlateau",
        about: "lowers the learning rate when a number does not improve",
        read: |f| {
            let d = ReduceLrOnPlateau::default();
            Ok(Watcher::Plateau(ReduceLrOnPlateau {
                monitor: monitor(f, "val_loss", d.monitor.min_delta)?,
                factor: f.number("factor", d.factor)?,
                patience: f.count("patience", d.patience)?,
                cooldown: f.whole("cooldown", 0..=1_000_000, d.cooldown)?,
                min_lr: f.number("min_lr", d.min_lr)?,
                ..d
            }))
        },
    },
];

/// The bounds on gradients.
pub const CLIPS: &[Entry<Clip>] = &[
    Entry {
        name: "GlobalNorm",
        about: "the norm of all gradients together",
        read: |f| Ok(Clip::GlobalNorm(f.required_number("bound")?)),
    },
    Entry {
        name: "Norm",
        about: "the norm of each gradient",
        read: |f| Ok(Clip::Norm(f.required_number("bound")?)),
    },
    Entry {
        name: "Value",
        about: "each entry",
        read: |f| Ok(Clip::Value(f.required_number("bound")?)),
    },
];

/// What is watched: its name in the log, whether it is to fall, and the least change that counts.
fn monitor(f: &mut Fields<'_>, default: &str, min_delta: f64) -> Read<Monitor> {
    let name = f.text("monitor", default)?.unwrap_or_else(|| default.to_owned());
    let falls =
        f.word("better", &[("lower", true), ("higher", false)], !name.contains("accuracy"))?;
    let monitor = if falls { Monitor::lowest(&name) } else { Monitor::highest(&name) };
    Ok(Monitor { min_delta: f.number("min_delta", min_delta)?, ..monitor })
}
