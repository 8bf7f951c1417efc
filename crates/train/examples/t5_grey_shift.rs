//! Tutorial 5, a classifier that does not see the grey level: differences of morphological
//! operators are the same for `x` and `x + c`, so a network that begins with them is the same
//! function of both. A network that begins with a convolution has to learn it, and does not.
//!
//! Run with `cargo run --release -p morphograd --example t5_grey_shift`. On 10 000 images of MNIST,
//! five epochs, it prints a test accuracy of 0.9388 for the network of 6192 numbers on top-hats and
//! gradients, and 0.9388 when each image gets an offset in [-1, 1): all 10 000 predictions are the
//! same. The network of 6198 numbers on convolutions falls from 0.8814 to 0.4084.
#![expect(clippy::print_stdout, reason = "an example speaks to a person")]

mod common;

use common::{Outcome, Printer, Tile, chart, dataset, images, sheet};
use morphograd::data::Images;
use morphograd_morphology::Operator;
use morphograd_morphology::initializer::SparseNumZeros;
use morphograd_morphology::nn::autodiff::{Graph, Params, Sub, Var};
use morphograd_morphology::nn::fit::{Batch, DataSet, Fit, predict, predicted_class};
use morphograd_morphology::nn::optim::Adam;
use morphograd_morphology::nn::random::Stream;
use morphograd_morphology::nn::tensor::{Real, ShapeError, Tensor, TensorRef, Window2d};
use morphograd_morphology::nn::{
    Activation, BatchNorm, Branches, BuildError, Conv2d, Dense, GlobalMaxPool, MaxPool2d, Model,
    Optimizer, Sequential, SoftmaxCrossEntropy, Weight, summary,
};
use morphograd_morphology::{
    Merge, Morphological2d, Neighbourhood2d, StructuringElement, StructuringFunction,
    black_top_hat2d, dilation2d, evaluate, gradient2d, law, white_top_hat2d,
};
use morphograd_plot::{Axis, Scale};

/// Training images, at most.
const TRAIN: usize = 10_000;
const EPOCHS: usize = 5;
const BATCH: usize = 64;
/// Shifts of the curve go from -1 to 1 in this number of steps.
const STEPS: usize = 20;
/// Test images for each of them, at most.
const SAMPLE: usize = 2000;

const OPERATORS: [(&str, Operator<f64>); 4] = [
    ("dilation - identity", dilation_minus_identity),
    ("white top-hat", white_top_hat2d),
    ("black top-hat", black_top_hat2d),
    ("gradient", gradient2d),
];

fn dilation_minus_identity<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    kernel: Var,
    neighbourhood: Neighbourhood2d,
) -> Result<Var, ShapeError> {
    let dilated = dilation2d(graph, x, kernel, neighbourhood)?;
    graph.apply(Sub, [dilated, x])
}

fn main() -> Outcome<()> {
    let data = dataset()?;
    operators(&data.test)?;

    let train = data.train.take(data.train.len().min(TRAIN))?;
    let sample = data.test.take(data.test.len().min(SAMPLE))?;
    let mut curves = Vec::new();
    for (name, build) in [("morphological", morphological as Stem), ("convolution", convolution)] {
        let mut params = Params::<f32>::new();
        let model = network(
            build,
            [train.height(), train.width(), 1],
            data.class_names.len(),
            &mut params,
        )?;
        println!("\n{name}\n{}", summary(&model, &params));
        learn(&model, &train, &mut params)?;

        let still = classes(&model, &params, &data.test, &vec![0.0; data.test.len()])?;
        let mut stream = Stream::new(0, "offsets", 0);
        let offsets: Vec<f32> =
            (0..data.test.len()).map(|_| 2.0 * stream.uniform() as f32 - 1.0).collect();
        let moved = classes(&model, &params, &data.test, &offsets)?;
        let same = still.iter().zip(&moved).filter(|(a, b)| a == b).count();
        println!(
            "{name}: test accuracy {:.4}, with an offset in [-1, 1) for each image {:.4}; {same} \
             of {} predictions are the same",
            accuracy(&data.test, &still),
            accuracy(&data.test, &moved),
            still.len(),
        );

        let mut curve = Vec::new();
        for step in 0..=STEPS {
            let shift = 2.0 * step as f32 / STEPS as f32 - 1.0;
            let found = classes(&model, &params, &sample, &vec![shift; sample.len()])?;
            curve.push((f64::from(shift), accuracy(&sample, &found)));
        }
        curves.push((name, curve));
    }
    let shift = Axis::new("added to every pixel", Scale::Linear { min: -1.0, max: 1.0 });
    chart("t5_grey_shift/accuracy", shift, &curves)
}

/// The law on test images, printed and drawn.
fn operators(test: &Images) -> Outcome<()> {
    let element = StructuringElement::quadratic([5, 5], 2.0)?;
    let (kernel, window) = (element.kernel(1), element.window());
    let digits: Vec<_> = (0..8).map(|i| images(test, i..i + 1, 1.0)).collect();
    println!(
        "Largest difference between an operator of x + 0.3 and of x, on {} images",
        digits.len()
    );
    let apply = |operator: Operator<f64>, x: TensorRef<'_, f64>| {
        evaluate([x, kernel.view()], |graph, [x, w]| operator(graph, x, w, window.into()))
            .expect("an image")
    };
    for (name, operator) in OPERATORS {
        let difference =
            law::grey_shift(&|x: TensorRef<'_, f64>| apply(operator, x), &digits, 0.3, 0.0);
        println!("{name:22}{difference:.1e}");
    }
    let mut tiles = Vec::new();
    for (label, shift) in [("x", 0.0), ("x + 0.3", 0.3)] {
        let x = Tensor::from_fn(digits[0].shape(), |i| digits[0].data()[i] + shift);
        let tile = |label: &str, image: &Tensor<f64>| Tile {
            label: label.to_owned(),
            width: test.width(),
            values: image.data().to_vec(),
        };
        tiles.push(tile(label, &x));
        tiles.extend(OPERATORS.map(|(name, operator)| tile(name, &apply(operator, x.view()))));
    }
    sheet("t5_grey_shift/operators", OPERATORS.len() + 1, [0.0, 1.3], &tiles)
}

/// What a network begins with: 6 channels from 1.
type Stem = fn() -> Branches<f32>;

/// Two white top-hats, two black ones and two gradients, with learned structuring functions of 5 x
/// 5 entries.
fn morphological() -> Branches<f32> {
    let pair = |operator| Morphological2d {
        operator,
        filters: 2,
        neighbourhood: Neighbourhood2d::new([5, 5]).same(),
        kernel: StructuringFunction::Free(Weight::new(SparseNumZeros { count: 6, outside: -1.0 })),
        merge: Merge::None,
        ..Morphological2d::default()
    };
    Branches::default()
        .add("white", pair(white_top_hat2d))
        .add("black", pair(black_top_hat2d))
        .add("gradient", pair(gradient2d))
}

/// Six convolutions of the same size.
fn convolution() -> Branches<f32> {
    let conv = Conv2d { filters: 6, window: Window2d::new([5, 5]).same(), ..Conv2d::default() };
    Branches::default().add("conv", conv)
}

fn network(
    stem: Stem,
    input: [usize; 3],
    classes: usize,
    params: &mut Params<f32>,
) -> Result<Model<f32>, BuildError> {
    let conv =
        |filters| Conv2d { filters, window: Window2d::new([3, 3]).same(), ..Conv2d::default() };
    Sequential::new()
        .add("stem", stem())
        .add("conv1", conv(16))
        .add("norm1", BatchNorm::default())
        .add("relu1", Activation::Relu)
        .add("pool1", MaxPool2d::default())
        .add("conv2", conv(32))
        .add("norm2", BatchNorm::default())
        .add("relu2", Activation::Relu)
        .add("pool2", GlobalMaxPool::default())
        .add("dense", Dense { units: classes, ..Dense::default() })
        .build_model(params, 0, input)
}

fn learn(model: &Model<f32>, train: &Images, params: &mut Params<f32>) -> Outcome<()> {
    let mut optimizer = Optimizer::new(params, Adam::default(), 0.01);
    Fit {
        epochs: EPOCHS,
        batch_size: BATCH,
        callbacks: vec![&mut Printer],
        ..Fit::new(model, &SoftmaxCrossEntropy, train)
    }
    .run(params, &mut optimizer)?;
    Ok(())
}

/// Images, with an offset for each that is added to all of its pixels.
struct Shifted<'a> {
    images: &'a Images,
    offsets: &'a [f32],
}

impl DataSet<f32> for Shifted<'_> {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn gather(&self, graph: &mut Graph<'_, f32>, examples: &[usize]) -> Result<Batch, ShapeError> {
        let (height, width) = (self.images.height(), self.images.width());
        let mut read = Ok(());
        let x = graph.input_with([examples.len(), height, width, 1], |x| {
            read = self.images.gather_pixels(examples, x);
            for (image, i) in x.chunks_exact_mut(height * width).zip(examples) {
                image.iter_mut().for_each(|x| *x += self.offsets[*i]);
            }
        });
        read?;
        Ok(Batch { inputs: x.into(), ..self.images.gather(graph, examples)? })
    }
}

/// What the model takes the images for, when the offset of each is added to all of its pixels.
fn classes(
    model: &Model<f32>,
    params: &Params<f32>,
    images: &Images,
    offsets: &[f32],
) -> Outcome<Vec<usize>> {
    let logits = predict(model, &Shifted { images, offsets }, 100, params)?;
    Ok(logits.data().chunks_exact(model.output().len()).map(predicted_class).collect())
}

fn accuracy(images: &Images, found: &[usize]) -> f64 {
    let right =
        found.iter().zip(images.labels()).filter(|(found, label)| **found == usize::from(**label));
    right.count() as f64 / found.len() as f64
}
