//! One run: epochs of shuffled steps, validation, the two callbacks, and the record of it all.

use std::ops::ControlFlow;
use std::time::Instant;

use morphograd_morphology::nn::autodiff::{Mode, ParamId, Params, Snapshot, Tape};
use morphograd_morphology::nn::loss::SoftmaxCrossEntropy;
use morphograd_morphology::nn::optim::OptimizerError;
use morphograd_morphology::nn::random::Stream;
use morphograd_morphology::nn::tensor::{ShapeError, Tensor, TensorRef};
use morphograd_morphology::nn::{Layer, Model, Optimizer};
use morphograd_morphology::{MaxPlus, Neighbourhood2d, win_counts};

use crate::callbacks::{EarlyStopping, ReduceLrOnPlateau, Verdict};
use crate::data::Images;
use crate::experiment::Config;
use crate::metrics::ConfusionMatrix;
use crate::record::{EpochRecord, FilterWins, Stop, worst};
use crate::step::{StepError, one_hot, predicted, train_step};

/// What to train, on what.
#[derive(Debug)]
pub struct Fit<'a> {
    /// The settings.
    pub config: &'a Config,
    /// The model.
    pub model: &'a Model<f32>,
    /// Its optimizer.
    pub optimizer: &'a mut Optimizer<f32>,
    /// Images to learn from.
    pub train: &'a Images,
    /// Images to measure on.
    pub test: &'a Images,
    /// Seed of the order of the images.
    pub seed: u64,
    /// The dilation whose wins are counted after every epoch, if any.
    pub dilation: Option<FirstDilation>,
}

/// A dilation of the images themselves: the first layer of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FirstDilation {
    /// Its kernel, `[kh, kw, channels, filters]`.
    pub kernel: ParamId,
    /// How it goes over the images.
    pub scan: Neighbourhood2d,
}

/// What happened to a run while it lasts.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// `done` of `total` batches of an epoch, training and validation together.
    Batch {
        /// The epoch, from 1.
        epoch: usize,
        /// Batches done.
        done: usize,
        /// Batches of the epoch.
        total: usize,
    },
    /// An epoch is over.
    Epoch(&'a EpochRecord),
}

/// The outcome of a run; the parameters hold the restored weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The epochs.
    pub epochs: Vec<EpochRecord>,
    /// Epoch whose weights were restored, 0 for those before the first epoch.
    pub restored_epoch: usize,
    /// Why the run ended.
    pub stop: Stop,
    /// Seconds from the first step to the end.
    pub seconds: f64,
}

/// Loss and confusion matrix on a set of images.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Mean loss.
    pub loss: f64,
    /// Counts of true and predicted classes.
    pub confusion: ConfusionMatrix,
}

/// Sums of an epoch, to be divided by the number of images or steps.
#[derive(Default)]
struct Sums {
    loss: f64,
    correct: usize,
    moved_share: f64,
    distance: f64,
    gradient_norm: f64,
    gradient_mapping: f64,
}

impl Fit<'_> {
    /// Trains until early stopping, the last epoch, an observer that breaks, or a loss that is not
    /// finite; then restores the weights of the epoch with the lowest training loss. A run that is
    /// interrupted before its first epoch is over keeps the weights it has.
    ///
    /// # Errors
    /// If the shapes do not fit, the optimizer was given what it cannot use, or the observer fails.
    pub fn run<E>(
        &mut self,
        params: &mut Params<f32>,
        observe: &mut dyn FnMut(Event<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<Fitted, E>
    where
        E: From<StepError>,
    {
        let start = Instant::now();
        let (mut train_tape, mut test_tape) = (Tape::new(), Tape::new());
        let mut stopping = EarlyStopping::new(self.config.stop_patience);
        let mut plateau = ReduceLrOnPlateau {
            factor: self.config.plateau_factor,
            patience: self.config.plateau_patience,
            min_delta: self.config.plateau_min_delta,
            ..ReduceLrOnPlateau::default()
        };
        let mut best = Snapshot::default();
        params.save_to(&mut best);
        let mut fitted =
            Fitted { epochs: Vec::new(), restored_epoch: 0, stop: Stop::EpochLimit, seconds: 0.0 };

        for epoch in 1..=self.config.epochs {
            let epoch_start = Instant::now();
            let sums = match self.train_epoch(epoch, &mut train_tape, params, observe)? {
                Ok(sums) => sums,
                Err(stop) => {
                    fitted.stop = stop;
                    break;
                }
            };
            let batches = self.batches();
            let total = batches + self.test.len().div_ceil(self.config.batch_size);
            let mut interrupted = false;
            let test = evaluate(
                self.model,
                params,
                self.test,
                self.config.batch_size,
                &mut test_tape,
                &mut |done| {
                    interrupted |=
                        observe(Event::Batch { epoch, done: batches + done, total })?.is_break();
                    Ok::<_, E>(if interrupted {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    })
                },
            )?;
            let Some(test) = test else {
                fitted.stop = Stop::Interrupted;
                break;
            };
            let learning_rate = self.optimizer.learning_rate();
            let per_step = |sum: f64| sum / batches as f64;
            let record = EpochRecord {
                epoch,
                loss: sums.loss / self.train.len() as f64,
                accuracy: sums.correct as f64 / self.train.len() as f64,
                val_loss: test.loss,
                val_accuracy: test.confusion.accuracy(),
                learning_rate,
                moved_share: per_step(sums.moved_share),
                moved_distance: per_step(sums.distance),
                gradient_norm: per_step(sums.gradient_norm),
                gradient_mapping: per_step(sums.gradient_mapping),
                violation: violation(params),
                active_share: active_share(params),
                filters: self.filter_wins(params).map_err(StepError::from)?,
                seconds: epoch_start.elapsed().as_secs_f64(),
            };
            let verdict = stopping.observe(record.loss);
            if verdict == Verdict::Improved {
                params.save_to(&mut best);
                fitted.restored_epoch = epoch;
            }
            let reduced = plateau.observe(record.val_loss, learning_rate);
            if reduced < learning_rate {
                self.optimizer.set_learning_rate(reduced);
            }
            let seen = observe(Event::Epoch(&record))?;
            fitted.epochs.push(record);
            if seen.is_break() {
                fitted.stop = Stop::Interrupted;
                break;
            }
            if verdict == Verdict::Stop {
                fitted.stop = Stop::EarlyStopping { patience: self.config.stop_patience };
                break;
            }
        }
        fitted.seconds = start.elapsed().as_secs_f64();
        if fitted.restored_epoch > 0 || fitted.stop != Stop::Interrupted {
            params.restore(&best);
        }
        Ok(fitted)
    }

    /// One pass over the training images in the order of this epoch. The inner error says why the
    /// run has to end.
    fn train_epoch<E: From<StepError>>(
        &mut self,
        epoch: usize,
        tape: &mut Tape<f32>,
        params: &mut Params<f32>,
        observe: &mut dyn FnMut(Event<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<Result<Sums, Stop>, E> {
        let mut order: Vec<usize> = (0..self.train.len()).collect();
        Stream::new(self.seed, "shuffle", epoch as u64).shuffle(&mut order);
        let total = self.batches() + self.test.len().div_ceil(self.config.batch_size);
        let mut sums = Sums::default();
        for (i, batch) in order.chunks(self.config.batch_size).enumerate() {
            let outcome =
                match train_step(self.model, self.train, batch, tape, params, self.optimizer) {
                    Ok(outcome) => outcome,
                    Err(
                        StepError::NotFinite(_)
                        | StepError::Optimizer(OptimizerError::NotFinite { .. }),
                    ) => {
                        return Ok(Err(Stop::NotFinite { epoch, step: i + 1 }));
                    }
                    Err(error) => return Err(error.into()),
                };
            let report = outcome.report;
            sums.loss += outcome.loss * batch.len() as f64;
            sums.correct += outcome.correct;
            sums.moved_share += report.moved as f64 / report.constrained.max(1) as f64;
            sums.distance += report.distance;
            sums.gradient_norm += report.gradient_norm;
            sums.gradient_mapping += report.gradient_mapping.unwrap_or(f64::NAN);
            if observe(Event::Batch { epoch, done: i + 1, total })?.is_break() {
                return Ok(Err(Stop::Interrupted));
            }
        }
        Ok(Ok(sums))
    }

    /// How the wins of each filter are spread after an epoch.
    fn filter_wins(&self, params: &Params<f32>) -> Result<Vec<FilterWins>, ShapeError> {
        let Some(dilation) = &self.dilation else { return Ok(Vec::new()) };
        let wins = dilation.wins(params, self.test, self.config.batch_size)?;
        let filters = wins.shape().dims()[3];
        let of = |filter| FilterWins::of(wins.data().iter().skip(filter).step_by(filters).copied());
        Ok((0..filters).map(of).collect())
    }

    fn batches(&self) -> usize {
        self.train.len().div_ceil(self.config.batch_size)
    }
}

impl FirstDilation {
    /// The wins of its kernel's entries on the first `count` images, or on all if there are fewer.
    ///
    /// # Errors
    /// If the images do not fit.
    pub fn wins(
        &self,
        params: &Params<f32>,
        images: &Images,
        count: usize,
    ) -> Result<Tensor<f64>, ShapeError> {
        let first: Vec<usize> = (0..images.len().min(count)).collect();
        let (height, width) = (images.height(), images.width());
        let mut pixels = vec![0.0; first.len() * height * width];
        images.gather(&first, &mut pixels);
        let x = TensorRef::new([first.len(), height, width, 1], &pixels);
        win_counts::<_, MaxPlus>(x, params.value(self.kernel), self.scan)
    }
}

/// Measures a model on images, a batch at a time; `observe` is told how many batches are done and
/// may break, which gives `None`.
///
/// # Errors
/// If the shapes do not fit, or the observer fails.
pub fn evaluate<E: From<StepError>>(
    model: &Model<f32>,
    params: &Params<f32>,
    images: &Images,
    batch_size: usize,
    tape: &mut Tape<f32>,
    observe: &mut dyn FnMut(usize) -> Result<ControlFlow<()>, E>,
) -> Result<Option<Evaluation>, E> {
    let classes = model.output().len();
    let mut confusion = ConfusionMatrix::new(classes);
    let mut loss = 0.0;
    let order: Vec<usize> = (0..images.len()).collect();
    for (i, batch) in order.chunks(batch_size).enumerate() {
        let mut graph = tape.record(params, Mode::Eval);
        let x = graph.input_with(model.input().batched(batch.len()), |x| images.gather(batch, x));
        let targets =
            graph.input_with(model.output().batched(batch.len()), |t| one_hot(images, batch, t));
        let (logits, mean) = (|| {
            let logits = model.forward(&mut graph, x)?;
            let loss = graph.apply(SoftmaxCrossEntropy, [logits, targets])?;
            Ok::<_, StepError>((logits, graph.penalized(loss)))
        })()?;
        loss += f64::from(graph.value(mean).data[0]) * batch.len() as f64;
        for (row, index) in graph.value(logits).data.chunks_exact(classes).zip(batch) {
            confusion.record(usize::from(images.labels()[*index]), predicted(row));
        }
        if observe(i + 1)?.is_break() {
            return Ok(None);
        }
    }
    Ok(Some(Evaluation { loss: loss / images.len() as f64, confusion }))
}

/// The largest distance of any parameter from its set.
pub(crate) fn violation(params: &Params<f32>) -> f64 {
    worst(params.ids().map(|id| params.violation(id)))
}

/// The share of coordinates on the boundary of their set, of the parameters whose set counts them.
fn active_share(params: &Params<f32>) -> Option<f64> {
    let (mut active, mut counted) = (0, 0);
    for id in params.ids() {
        let value = params.value(id);
        if let Some(count) =
            params.constraint(id).and_then(|set| set.active(value.shape, value.data))
        {
            active += count;
            counted += value.data.len();
        }
    }
    (counted > 0).then(|| active as f64 / counted as f64)
}
