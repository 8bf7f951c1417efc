//! An experiment of many runs on images as vectors: split, trained and measured as papers on dense
//! networks do, and kept in a file that a later call goes on from.
#![expect(clippy::print_stderr, reason = "progress is no output")]

use std::fs;
use std::ops::ControlFlow;

use morphograd::data::{Dataset, Images};
use morphograd_morphology::nn::autodiff::{Graph, Params};
use morphograd_morphology::nn::fit::{
    Accuracy, Batch, Callback, CallbackError, DataSet, EarlyStopping, EpochLog, Fit, Monitor,
    Training,
};
use morphograd_morphology::nn::optim::Adam;
use morphograd_morphology::nn::random::Stream;
use morphograd_morphology::nn::tensor::ShapeError;
use morphograd_morphology::nn::{Model, Optimizer, SoftmaxCrossEntropy};
use serde_json::{Value, json};

use super::{Outcome, accuracy, mean_and_deviation, write_json};

/// Some images as rows of $(x - m) / s$, where pixels are from 0 to 1.
pub(crate) struct Vectors<'a> {
    images: &'a Images,
    indices: Vec<usize>,
    moments: [f32; 2],
}

impl Vectors<'_> {
    /// Numbers of an image.
    pub(crate) fn pixels(&self) -> usize {
        self.images.height() * self.images.width()
    }

    /// Not more than so many of them.
    pub(crate) fn first(&self, count: usize) -> Self {
        let indices = self.indices.iter().copied().take(count).collect();
        Self { indices, ..*self }
    }
}

impl DataSet<f32> for Vectors<'_> {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn gather(&self, graph: &mut Graph<'_, f32>, examples: &[usize]) -> Result<Batch, ShapeError> {
        let indices: Vec<usize> = examples.iter().map(|i| self.indices[*i]).collect();
        let [mean, deviation] = self.moments;
        let pixels = self.pixels();
        let mut read = Ok(());
        let x = graph.input_with([indices.len(), pixels], |x| {
            read = self.images.gather_pixels(&indices, x);
            x.iter_mut().for_each(|x| *x = (*x - mean) / deviation);
        });
        read?;
        let labels = graph.input_with([indices.len()], |labels| {
            for (label, i) in labels.iter_mut().zip(&indices) {
                *label = f32::from(self.images.labels()[*i]);
            }
        });
        Ok(Batch::new(x, labels))
    }
}

/// The images of a run.
pub(crate) struct Split<'a> {
    pub(crate) train: Vectors<'a>,
    pub(crate) validation: Vectors<'a>,
    pub(crate) test: Vectors<'a>,
}

impl<'a> Split<'a> {
    /// The first `samples` training images in an order by the seed, the last of them for
    /// validation. `moments` are those of the pixels unless they are given.
    pub(crate) fn new(
        data: &'a Dataset,
        samples: usize,
        validation: usize,
        moments: Option<[f32; 2]>,
        seed: u64,
    ) -> Self {
        let images = &data.train;
        let moments = moments.unwrap_or_else(|| {
            let pixels = || (0..samples).flat_map(|i| images.levels(i)).map(|p| p / images.white());
            let count = (samples * images.height() * images.width()) as f64;
            let mean = pixels().sum::<f64>() / count;
            let deviation = (pixels().map(|p| (p - mean).powi(2)).sum::<f64>() / count).sqrt();
            [mean as f32, deviation as f32]
        });
        let mut order: Vec<usize> = (0..samples).collect();
        Stream::new(seed, "split", 0).shuffle(&mut order);
        let last = order.split_off(samples - validation);
        let part = |images, indices| Vectors { images, indices, moments };
        Self {
            train: part(images, order),
            validation: part(images, last),
            test: part(&data.test, (0..data.test.len()).collect()),
        }
    }
}

/// How a run trains: Adam, and the weights of the best validation epoch at the end.
pub(crate) struct Recipe {
    pub(crate) name: String,
    pub(crate) epochs: usize,
    pub(crate) batch_size: usize,
    pub(crate) rate: f64,
    pub(crate) seed: u64,
}

/// Trains; the test accuracy, the validation accuracy after every epoch, how it ended, and the
/// seconds. `callback` is told what happens.
pub(crate) fn run(
    model: &Model<f32>,
    params: &mut Params<f32>,
    split: &Split<'_>,
    recipe: &Recipe,
    callback: &mut dyn Callback<f32>,
) -> Outcome<Value> {
    let mut best = EarlyStopping {
        monitor: Monitor::highest("val_accuracy"),
        patience: recipe.epochs,
        restore_best_weights: true,
        ..EarlyStopping::default()
    };
    let mut optimizer = Optimizer::new(params, Adam::default(), recipe.rate);
    let history = Fit {
        validation: Some(&split.validation),
        epochs: recipe.epochs,
        batch_size: recipe.batch_size,
        seed: recipe.seed,
        metrics: vec![&mut Accuracy::default()],
        callbacks: vec![callback, &mut best, &mut Announced(recipe)],
        ..Fit::new(model, &SoftmaxCrossEntropy, &split.train)
    }
    .run(params, &mut optimizer)?;
    Ok(json!({
        "test": accuracy(model, params, &split.test)?,
        "validation": history.values("val_accuracy"),
        "end": format!("{:?}", history.end),
        "seconds": history.seconds,
    }))
}

/// Says how far a run is.
struct Announced<'a>(&'a Recipe);

impl Callback<f32> for Announced<'_> {
    fn on_epoch_end(
        &mut self,
        log: &mut EpochLog,
        _: &mut Training<'_, f32>,
    ) -> Result<ControlFlow<()>, CallbackError> {
        let Recipe { name, epochs, seed, .. } = self.0;
        let accuracy = log.get("val_accuracy").unwrap_or(f64::NAN);
        eprint!("\r{name}, seed {seed}: epoch {} of {epochs}, validation {accuracy:.4}", log.epoch);
        if log.epoch == *epochs {
            eprintln!();
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// The runs so far, as `runs/examples/<name>.json` has them.
pub(crate) struct Runs {
    name: &'static str,
    runs: Vec<Value>,
}

impl Runs {
    pub(crate) fn open(name: &'static str) -> Outcome<Self> {
        let runs = match fs::read_to_string(format!("runs/examples/{name}.json")) {
            Ok(text) => {
                let value: Value = serde_json::from_str(&text)?;
                value["runs"].as_array().cloned().ok_or("a results file without `runs`")?
            }
            Err(_) => Vec::new(),
        };
        Ok(Self { name, runs })
    }

    /// The run of these settings.
    pub(crate) fn find(&self, settings: &Value) -> Option<&Value> {
        self.runs.iter().find(|run| run["run"] == *settings)
    }

    /// Remembers what a run has given.
    pub(crate) fn add(&mut self, settings: Value, mut measured: Value) -> Outcome<()> {
        measured["run"] = settings;
        self.runs.push(measured);
        write_json(self.name, &json!({ "runs": self.runs }))?;
        Ok(())
    }
}

/// Mean and deviation of what several runs gave, as `.9530 ± .0038`, and their number.
pub(crate) fn summary(values: &[f64]) -> (String, usize) {
    let text = match values.len() {
        0 => "-".to_owned(),
        1 => text([values[0], f64::NAN]),
        _ => text(mean_and_deviation(values.iter().copied())),
    };
    (text, values.len())
}

pub(crate) fn text([mean, deviation]: [f64; 2]) -> String {
    if deviation.is_nan() { format!("{mean:.4}") } else { format!("{mean:.4} ± {deviation:.4}") }
}
