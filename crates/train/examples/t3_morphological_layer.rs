//! Tutorial 3, a morphological layer: a classifier whose first layer is nine morphological
//! gradients with structuring elements it learns inside a disk.
//!
//! Run with `cargo run --release -p morphograd --example t3_morphological_layer`. On the embedded
//! digits it prints a test accuracy of 0.8896 after ten epochs, on MNIST 0.9199, and that the
//! elements are at distance 0 from their set.
#![expect(clippy::print_stdout, reason = "an example speaks to a person")]

mod common;

use common::{Outcome, Printer, Tile, dataset, images, planes, sheet};
use morphograd_morphology::initializer::SparseNumZeros;
use morphograd_morphology::nn::autodiff::{Mode, Params, Tape};
use morphograd_morphology::nn::fit::{ConfusionMatrix, DataSet, Fit};
use morphograd_morphology::nn::optim::Adam;
use morphograd_morphology::nn::tensor::Window2d;
use morphograd_morphology::nn::{
    Dense, Dropout, Flatten, MaxPool2d, Optimizer, Sequential, SoftmaxCrossEntropy, Weight, summary,
};
use morphograd_morphology::{
    Merge, Morphological2d, Neighbourhood2d, StructuringElement, StructuringFunction, Support,
    gradient2d,
};

const FILTERS: usize = 9;
const SIZE: usize = 5;
const EPOCHS: usize = 10;
const BATCH: usize = 24;

fn main() -> Outcome<()> {
    let data = dataset()?;
    let train = data.train.take(data.train.len().min(5000))?;

    // A structuring element is a kernel that is minus infinity off its support. The constraint
    // keeps it so: after every step, entries off the disk are minus infinity again, and the others
    // lie between -1 and 0.
    let disk = Support { min: -1.0, max: 0.0, ..Support::of(StructuringElement::disk(2)?) };
    // Six of the 25 entries start at 0, where a pixel counts fully; the others start at -1, where
    // it does not count at all. A fixed number and not a share: an element without any zero would
    // begin with an output that says nothing.
    let elements = Weight::new(SparseNumZeros { count: 6, outside: -1.0 }).constrained(disk);
    // The gradient, dilation minus erosion, does not care for the grey level of an image, only for
    // its changes.
    let gradient = Morphological2d {
        operator: gradient2d,
        filters: FILTERS,
        neighbourhood: Neighbourhood2d::new([SIZE, SIZE]),
        kernel: StructuringFunction::Free(elements),
        merge: Merge::None,
        ..Morphological2d::default()
    };
    let mut params = Params::<f32>::new();
    let model = Sequential::new()
        .add("gradient", gradient)
        .add("pool", MaxPool2d { window: Window2d::tiles([2, 2]), ..MaxPool2d::default() })
        .add("flatten", Flatten)
        .add("dropout", Dropout { rate: 0.5 })
        .add("dense", Dense { units: data.class_names.len(), ..Dense::default() })
        .build_model(&mut params, 0, [train.height(), train.width(), 1])?;
    println!("{}", summary(&model, &params));

    let kernel = params.find("gradient.kernel").ok_or("the gradient has a kernel")?;
    let before = params.value(kernel).data.to_vec();
    let mut optimizer = Optimizer::new(&params, Adam::default(), 0.001);
    let mut confusion = ConfusionMatrix::new(data.class_names.len());
    Fit {
        validation: Some(&data.test),
        epochs: EPOCHS,
        batch_size: BATCH,
        metrics: vec![&mut confusion],
        callbacks: vec![&mut Printer],
        ..Fit::new(&model, &SoftmaxCrossEntropy, &train)
    }
    .run(&mut params, &mut optimizer)?;

    // Of the validation after the last epoch.
    println!("\nConfusion matrix (rows: true classes)\n{}", confusion.text(&data.class_names));
    println!("Test accuracy: {:.4}", confusion.accuracy());
    println!("Distance of the elements from their set: {}", params.violation(kernel));

    // The elements before and after: black at -1, white at 0, red off the support.
    let after = params.value(kernel).data;
    let tiles: Vec<Tile> = [("before", &before[..]), ("after", after)]
        .iter()
        .flat_map(|(when, kernels)| planes(when, FILTERS, SIZE, kernels))
        .collect();
    sheet("t3_morphological_layer/elements", FILTERS, [-1.0, 0.0], &tiles)?;

    // What the nine gradients make of the first test image.
    let image = images(&data.test, 0..1, 1.0);
    let mut tape = Tape::new();
    let mut graph = tape.record(&params, Mode::Eval);
    let x = data.test.gather(&mut graph, &[0])?.inputs[0];
    let y = model.forward_until(&mut graph, x, "gradient")?;
    let mut tiles =
        vec![Tile { label: "image".into(), width: train.width(), values: image.into_vec() }];
    tiles.extend(planes("gradient", FILTERS, train.width() - SIZE + 1, graph.value(y).data));
    sheet("t3_morphological_layer/gradients", FILTERS + 1, [0.0, 1.0], &tiles)
}
