//! Tutorial 6, equivariance to scale: a network on a morphological scale-space, trained on digits
//! of one size and tested on others.
//!
//! Run with `cargo run --release -p morphograd --example t6_scale_equivariance`. Test accuracies
//! that it prints, of the network on the scale-space and of the same one without, both trained at
//! size 1 only:
//!
//! | size of the test images | 0.5 | 0.75 | 1 | 1.5 | 2 |
//! |---|---|---|---|---|---|
//! | embedded digits, scale-space | 0.8745 | 0.8515 | 0.9310 | 0.8450 | 0.7945 |
//! | embedded digits, convolutions | 0.5815 | 0.8000 | 0.8100 | 0.5135 | 0.3125 |
//! | MNIST, scale-space | 0.5205 | 0.6840 | 0.9280 | 0.8665 | 0.8960 |
//! | MNIST, convolutions | 0.4700 | 0.7050 | 0.8190 | 0.5865 | 0.3145 |
//!
//! The features of images of twice the size are those of the images one level up: exactly if there
//! is nothing between the pixels, to between 0.1 and 14 percent if they are interpolated. The
//! prediction is not invariant for all that, because a stack has ends: the larger image has a
//! finest level that the smaller one knows nothing of, and the smaller one a coarsest. At half the
//! size the finest level is missing, and MNIST's thin strokes with it: there the scale-space helps
//! little.
#![expect(clippy::print_stdout, reason = "an example speaks to a person")]

mod common;

use common::{Outcome, Printer, Tile, accuracy, chart, dataset, sheet};
use morphograd::data::Images;
use morphograd_morphology::ScaleSpace2d;
use morphograd_morphology::nn::autodiff::{Graph, Mode, Params, Tape};
use morphograd_morphology::nn::fit::{Accuracy, Batch, DataSet, Fit};
use morphograd_morphology::nn::optim::Adam;
use morphograd_morphology::nn::tensor::{ShapeError, Tensor, Window2d};
use morphograd_morphology::nn::{
    Activation, BatchNorm, BuildError, Conv2d, Dense, GlobalMaxPool, Model, Optimizer, ScaleConv2d,
    Sequential, SoftmaxCrossEntropy, summary,
};
use morphograd_plot::{Axis, Scale};

const TRAIN: usize = 5000;
const TEST: usize = 2000;
const EPOCHS: usize = 5;
const BATCH: usize = 32;
const LEVELS: usize = 4;
/// The sizes of the test images, relative to those of the training.
const FACTORS: [f64; 5] = [0.5, 0.75, 1.0, 1.5, 2.0];

fn main() -> Outcome<()> {
    let data = dataset()?;
    let train = data.train.take(data.train.len().min(TRAIN))?;
    let test = data.test.take(data.test.len().min(TEST))?;
    let (shape, classes) = ([train.height(), train.width(), 1], data.class_names.len());

    let mut accuracies = Vec::new();
    for (name, network) in [("scale-space", scale_space as Network), ("convolutions", convolutions)]
    {
        let mut params = Params::new();
        let model = network(&mut params, shape, classes)?;
        println!("\n{name}\n{}", summary(&model, &params));
        fit(&model, &mut params, &train)?;
        let rescaled = |factor| Rescaled { images: &test, factor };
        let accuracy = |factor| Ok((factor, accuracy(&model, &params, &rescaled(factor))?));
        let accuracy = FACTORS.map(accuracy).into_iter().collect::<Outcome<Vec<_>>>()?;
        for (factor, accuracy) in &accuracy {
            println!("images at x {factor:<4}  test accuracy {accuracy:.4}");
        }
        accuracies.push((name, accuracy));
        if name == "scale-space" {
            equivariance(&model, &params, &test)?;
            levels(&model, &params, &test)?;
        }
    }
    let size = Axis::new("size of the test images", Scale::Marks(FACTORS.to_vec()));
    chart("t6_scale_equivariance/accuracy", size, &accuracies)
}

type Network = fn(&mut Params<f32>, [usize; 3], usize) -> Result<Model<f32>, BuildError>;

/// One kernel sees the digit at every scale, and the maximum over all of them forgets which it was.
fn scale_space(
    params: &mut Params<f32>,
    shape: [usize; 3],
    classes: usize,
) -> Result<Model<f32>, BuildError> {
    // The batch normalizations have the bias.
    let conv = |filters| ScaleConv2d { filters, bias: None, ..ScaleConv2d::default() };
    Sequential::new()
        .add("lift", ScaleSpace2d { levels: LEVELS, ..ScaleSpace2d::default() })
        .add("conv1", conv(16))
        .add("norm1", BatchNorm::default())
        .add("relu1", Activation::Relu)
        .add("conv2", conv(32))
        .add("norm2", BatchNorm::default())
        .add("relu2", Activation::Relu)
        .add("pool", GlobalMaxPool::default())
        .add("dense", Dense { units: classes, ..Dense::default() })
        .build_model(params, 0, shape)
}

/// The same network without scales, to compare.
fn convolutions(
    params: &mut Params<f32>,
    shape: [usize; 3],
    classes: usize,
) -> Result<Model<f32>, BuildError> {
    let conv = |filters| Conv2d {
        filters,
        window: Window2d::new([3, 3]).same(),
        bias: None,
        ..Conv2d::default()
    };
    Sequential::new()
        .add("conv1", conv(16))
        .add("norm1", BatchNorm::default())
        .add("relu1", Activation::Relu)
        .add("conv2", conv(32))
        .add("norm2", BatchNorm::default())
        .add("relu2", Activation::Relu)
        .add("pool", GlobalMaxPool::default())
        .add("dense", Dense { units: classes, ..Dense::default() })
        .build_model(params, 0, shape)
}

fn fit(model: &Model<f32>, params: &mut Params<f32>, train: &Images) -> Outcome<()> {
    let mut optimizer = Optimizer::new(params, Adam::default(), 0.01);
    Fit {
        epochs: EPOCHS,
        batch_size: BATCH,
        metrics: vec![&mut Accuracy::default()],
        callbacks: vec![&mut Printer],
        ..Fit::new(model, &SoftmaxCrossEntropy, train)
    }
    .run(params, &mut optimizer)?;
    Ok(())
}

/// Images, resized by a factor.
struct Rescaled<'a> {
    images: &'a Images,
    factor: f64,
}

impl DataSet<f32> for Rescaled<'_> {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn gather(&self, graph: &mut Graph<'_, f32>, examples: &[usize]) -> Result<Batch, ShapeError> {
        let original = self.images.gather(graph, examples)?;
        let resized = rescaled(self.images, examples, self.factor);
        Ok(Batch { inputs: graph.input(resized.view()).into(), ..original })
    }
}

/// Images at another size: pixel $p$ of the result is what is at $p / f$, by a triangular window
/// that is as wide as the larger of the two pixels. Larger images are linear interpolations, with
/// the original pixels in between; at half the size the weights are (1, 2, 1) / 4 along each axis.
/// Outside the image is black.
fn rescaled(images: &Images, examples: &[usize], factor: f64) -> Tensor<f32> {
    let (n, [height, width]) = (examples.len(), [images.height(), images.width()]);
    let levels = examples.iter().flat_map(|i| images.levels(*i));
    let pixels: Vec<f64> = levels.map(|level| level / images.white()).collect();
    let [rows, columns] = [height, width].map(|n| ((n - 1) as f64 * factor) as usize + 1);
    // Along the columns, then along the rows.
    let y = interpolated(&pixels, [height, width], rows, factor);
    let y = interpolated(&y, [width, 1], columns, factor);
    Tensor::from_fn([n, rows, columns, 1], |at| y[at] as f32)
}

/// The axis of length `from` of `[_, from, inner]`, resized to `to`.
fn interpolated(x: &[f64], [from, inner]: [usize; 2], to: usize, factor: f64) -> Vec<f64> {
    let width = (1.0 / factor).max(1.0);
    let mut y = Vec::with_capacity(x.len() / from * to);
    for x in x.chunks_exact(from * inner) {
        for p in 0..to {
            let weight =
                |q: usize| (1.0 - (q as f64 - p as f64 / factor).abs() / width).max(0.0) / width;
            let taps: Vec<_> =
                (0..from).map(|q| (q, weight(q))).filter(|(_, w)| *w > 0.0).collect();
            y.extend(
                (0..inner).map(|i| taps.iter().map(|(q, w)| w * x[q * inner + i]).sum::<f64>()),
            );
        }
    }
    y
}

/// What the network has at level `k + 1` of images of twice the size, against level `k` of the
/// images: the law, as numbers.
fn equivariance(model: &Model<f32>, params: &Params<f32>, test: &Images) -> Outcome<()> {
    let first: Vec<usize> = (0..BATCH).collect();
    let [x, linear] = [1.0, 2.0].map(|factor| rescaled(test, &first, factor));
    // The law is exact where the larger image has nothing to add: black between the pixels of the
    // smaller one.
    let [rows, columns] = [linear.shape().dims()[1], linear.shape().dims()[2]];
    let between = |at: usize| at / columns % rows % 2 + at % columns % 2 > 0;
    let black =
        Tensor::from_fn(linear.shape(), |at| if between(at) { 0.0 } else { linear.data()[at] });
    println!(
        "\nLevel k + 1 of images at x 2 against level k of the images, mean |difference| / mean \
         |value|:"
    );
    for layer in ["lift", "relu1", "relu2"] {
        let features = |x: &Tensor<f32>| features(model, params, x, layer);
        let (x, black, linear) = (features(&x)?, features(&black)?, features(&linear)?);
        for k in 0..LEVELS - 1 {
            let [black, linear] = [&black, &linear].map(|double| difference(&x, double, k));
            println!(
                "{layer:<5}  k = {k}  interpolated {linear:.4}  black between the pixels \
                 {black:.1e}"
            );
        }
    }
    Ok(())
}

fn features(
    model: &Model<f32>,
    params: &Params<f32>,
    x: &Tensor<f32>,
    layer: &str,
) -> Outcome<Tensor<f32>> {
    let mut tape = Tape::new();
    let mut graph = tape.record(params, Mode::Eval);
    let x = graph.input(x.view());
    let y = model.forward_until(&mut graph, x, layer)?;
    Ok(Tensor::from_vec(graph.shape(y), graph.value(y).data.to_vec())?)
}

/// The relative difference of level `k` of a stack and the level after it of `double`, at the
/// pixels that they share.
fn difference(stack: &Tensor<f32>, double: &Tensor<f32>, k: usize) -> f64 {
    let &[batch, levels, height, width, channels] = stack.shape().dims() else { return f64::NAN };
    let &[_, _, rows, columns, _] = double.shape().dims() else { return f64::NAN };
    let (mut difference, mut size) = (0.0, 0.0);
    for (n, i, j) in
        (0..batch * height * width).map(|p| (p / width / height, p / width % height, p % width))
    {
        let from = (((n * levels + k) * height + i) * width + j) * channels;
        let to = (((n * levels + k + 1) * rows + 2 * i) * columns + 2 * j) * channels;
        for (x, y) in stack.data()[from..][..channels].iter().zip(&double.data()[to..]) {
            difference += f64::from((x - y).abs());
            size += f64::from(x.abs());
        }
    }
    difference / size
}

/// Draws the first test image at three sizes, each followed by its levels: along a diagonal they
/// are the same.
fn levels(model: &Model<f32>, params: &Params<f32>, test: &Images) -> Outcome<()> {
    let mut tiles = Vec::new();
    for factor in [0.5, 1.0, 2.0] {
        let x = rescaled(test, &[0], factor);
        let stack = features(model, params, &x, "lift")?;
        let width = x.shape().dims()[2];
        let planes = x.data().chunks(x.data().len()).chain(stack.data().chunks(x.data().len()));
        tiles.extend(planes.enumerate().map(|(k, plane)| Tile {
            label: if k == 0 { format!("size {factor}") } else { format!("level {}", k - 1) },
            width,
            values: plane.iter().map(|v| f64::from(*v)).collect(),
        }));
    }
    sheet("t6_scale_equivariance/levels", LEVELS + 1, [0.0, 1.0], &tiles)
}
