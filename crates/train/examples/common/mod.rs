//! What the examples share: the data, as the command finds them, the tutorials' training, curves of
//! accuracy, and contact sheets. A sheet has one grey scale for all of its tiles, so that they can
//! be compared by eye.
#![allow(dead_code, reason = "no example needs all of it")]

pub(crate) mod study;

use std::env;
use std::error::Error;
use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

use morphograd::data::{Colour, DataSource, Dataset, Images, Preparation, Search};
use morphograd::record::EpochRecord;
use morphograd::recorder::Recorder;
use morphograd_morphology::nn::autodiff::Params;
use morphograd_morphology::nn::fit::{
    Accuracy, Callback, CallbackError, DataSet, EarlyStopping, EpochLog, Fit, FitError, Monitor,
    Training, evaluate,
};
use morphograd_morphology::nn::optim::Adam;
use morphograd_morphology::nn::tensor::Tensor;
use morphograd_morphology::nn::{Model, Optimizer, SoftmaxCrossEntropy};
use morphograd_plot::{
    Axis, Cell, ColourBar, ImageGrid, Line, LineChart, Panel, PanelGrid, Scale, Stroke, palette,
};

/// What an example may end with.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The data that `MORPHOGRAD_DATA` names (a folder, `mnist`, `fashion-mnist`), else MNIST if it is
/// in `datasets/`, else the embedded digits.
pub(crate) fn dataset() -> Outcome<Dataset> {
    let environment = env::var_os("MORPHOGRAD_DATA").map(PathBuf::from);
    let datasets = PathBuf::from("datasets");
    let search = Search { option: None, environment: environment.as_deref(), datasets: &datasets };
    let grey = Preparation { colour: Some(Colour::Grey), ..Preparation::default() };
    let dataset = DataSource::find(&search)?.load_prepared(&grey)?;
    println!("Data: {}", dataset.note);
    Ok(dataset)
}

/// The images of a range as `[batch, height, width, 1]`, from 0 (black) to `white`.
pub(crate) fn images(images: &Images, range: std::ops::Range<usize>, white: f64) -> Tensor<f64> {
    let shape = [range.len(), images.height(), images.width(), 1];
    let levels: Vec<f64> = range.flat_map(|i| images.levels(i)).collect();
    Tensor::from_fn(shape, |i| levels[i] * white / images.white())
}

/// Trains as the tutorials do, with a new Adam at a rate of 0.001 in batches of 24, and says what
/// was measured. The parameters keep the values they had after the epoch with the lowest training
/// loss.
pub(crate) fn train(
    model: &Model<f32>,
    params: &mut Params<f32>,
    data: &Dataset,
    epochs: usize,
    seed: u64,
) -> Result<Vec<EpochRecord>, FitError> {
    let mut optimizer = Optimizer::new(params, Adam::default(), 0.001);
    let mut best = EarlyStopping {
        monitor: Monitor::lowest("loss"),
        patience: epochs,
        restore_best_weights: true,
        ..EarlyStopping::default()
    };
    let mut recorder = Recorder::default();
    Fit {
        validation: Some(&data.test),
        epochs,
        batch_size: 24,
        seed,
        metrics: vec![&mut Accuracy::default()],
        callbacks: vec![&mut best, &mut recorder],
        ..Fit::new(model, &SoftmaxCrossEntropy, &data.train)
    }
    .run(params, &mut optimizer)?;
    Ok(recorder.epochs)
}

/// Prints what an epoch has measured.
pub(crate) struct Printer;

impl Callback<f32> for Printer {
    fn on_epoch_end(
        &mut self,
        log: &mut EpochLog,
        _: &mut Training<'_, f32>,
    ) -> Result<ControlFlow<()>, CallbackError> {
        let values = log.values.iter().map(|(name, value)| format!("  {name} {value:.4}"));
        println!("epoch {:2}{}", log.epoch, values.collect::<String>());
        Ok(ControlFlow::Continue(()))
    }
}

/// The share of images that a model classifies correctly.
pub(crate) fn accuracy(
    model: &Model<f32>,
    params: &Params<f32>,
    images: &dyn DataSet<f32>,
) -> Result<f64, FitError> {
    let mut accuracy = Accuracy::default();
    evaluate(model, &SoftmaxCrossEntropy, images, 100, params, &mut [&mut accuracy])?;
    Ok(accuracy.correct as f64 / accuracy.total as f64)
}

/// Mean and standard deviation of what several seeds gave.
pub(crate) fn mean_and_deviation(values: impl ExactSizeIterator<Item = f64> + Clone) -> [f64; 2] {
    let n = values.len() as f64;
    let mean = values.clone().sum::<f64>() / n;
    [mean, (values.map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt()]
}

/// One picture of a sheet.
pub(crate) struct Tile {
    /// Written above it.
    pub(crate) label: String,
    /// Pixels in a row.
    pub(crate) width: usize,
    /// The pixels, row by row.
    pub(crate) values: Vec<f64>,
}

/// Values whose last axis numbers `count` pictures, as a picture each.
pub(crate) fn planes(label: &str, count: usize, width: usize, values: &[f32]) -> Vec<Tile> {
    let plane = |n: usize| values.iter().skip(n).step_by(count).map(|v| f64::from(*v)).collect();
    (0..count)
        .map(|n| Tile { label: format!("{label} {}", n + 1), width, values: plane(n) })
        .collect()
}

/// Writes `runs/examples/<name>.svg`.
pub(crate) fn figure(name: &str, svg: &str) -> Outcome<()> {
    let path = PathBuf::from("runs/examples").join(name).with_extension("svg");
    fs::create_dir_all(path.parent().unwrap_or(&path))?;
    fs::write(&path, svg)?;
    println!("Figure: {}", path.display());
    Ok(())
}

/// Writes `runs/examples/<name>.json`.
pub(crate) fn results(name: &str, value: &serde_json::Value) -> Outcome<()> {
    println!("Results: {}", write_json(name, value)?.display());
    Ok(())
}

/// The same without a word.
fn write_json(name: &str, value: &serde_json::Value) -> Outcome<PathBuf> {
    let path = PathBuf::from("runs/examples").join(name).with_extension("json");
    fs::create_dir_all(path.parent().unwrap_or(&path))?;
    fs::write(&path, serde_json::to_string_pretty(value)? + "\n")?;
    Ok(path)
}

/// Writes `runs/examples/<name>.svg`: curves of test accuracy, each with its name.
pub(crate) fn chart(name: &str, x: Axis<'_>, curves: &[(&str, Vec<(f64, f64)>)]) -> Outcome<()> {
    let lines = curves.iter().zip(1..).map(|((name, points), colour)| {
        Line::new(*name, points.clone(), Stroke::solid(palette::colour(colour), 2.0))
    });
    let y = Axis::new("", Scale::Linear { min: 0.0, max: 1.0 });
    let panel = Panel::new("Test accuracy", x, y, lines.collect());
    let grids = vec![PanelGrid::new(1, 320.0, vec![panel])];
    figure(name, &LineChart { width: 700.0, ..LineChart::new("Test accuracy", grids) }.svg())
}

/// Writes `runs/examples/<name>.svg`: the tiles in rows of `columns`, black at `black` and white at
/// `white`. Small ones are drawn cell by cell, so that values can be read by pointing at them;
/// there, minus infinity is red.
pub(crate) fn sheet(
    name: &str,
    columns: usize,
    [black, white]: [f64; 2],
    tiles: &[Tile],
) -> Outcome<()> {
    const SMALL: usize = 12;
    let cell = |row, column, value| {
        let fill = if value == f64::NEG_INFINITY {
            palette::colour(2).to_owned()
        } else {
            palette::grey((value - black) / (white - black))
        };
        Cell::new(fill, format!("row {row}, column {column}: {value:.4}"))
    };
    let tile = |Tile { label, width, values }: &Tile| {
        if *width < SMALL {
            morphograd_plot::Tile::heat_map(label, *width, values, cell)
        } else {
            morphograd_plot::Tile::image(label, *width, values, [black, white])
        }
    };
    let grid = ImageGrid {
        label: name,
        columns,
        lead: None,
        tiles: tiles.iter().map(tile).collect(),
        colours: Some(ColourBar::Grey { black, white }),
    };
    figure(name, &grid.svg())
}
