//! Tutorial 2, learning operators: the structuring element behind a set of images and their
//! transforms is found again, in closed form and by gradient descent.
//!
//! Run with `cargo run --release -p morphograd --example t2_learn_operators`. On the embedded
//! digits it prints a largest residual of 0 for the kernel in closed form; a largest error of
//! 6.5e-9 for the learned parabola; and for the learned opening an error of 1.1e-6 on new images,
//! where leaving them as they are has 1.8e-3. The true support is recovered both times.
#![expect(clippy::print_stdout, reason = "an example speaks to a person")]

mod common;

use common::{Outcome, Tile, dataset, images, sheet};
use morphograd::data::Images;
use morphograd_morphology::nn::autodiff::{Mode, Params, Sum, Tape};
use morphograd_morphology::nn::optim::Adam;
use morphograd_morphology::nn::optim::CosineDecay;
use morphograd_morphology::nn::tensor::{Tensor, TensorRef, Window2d};
use morphograd_morphology::nn::{Build, Layer, MeanSquaredError, Optimizer, Sequential, Weight};
use morphograd_morphology::{
    Dilation2d, Morphological2d, Neighbourhood2d, Operator, Residuation, StructuringElement,
    StructuringFunction, ZeroCentre, dilation2d, evaluate, opening2d,
};

const OFF: f64 = f64::NEG_INFINITY;
/// Half a cross, flat: the pixel, its neighbour above and its neighbour to the left. A mirrored
/// answer would show.
const HALF_CROSS: [f64; 9] = [OFF, 0.0, OFF, 0.0, 0.0, OFF, OFF, OFF, OFF];
const WINDOW: Window2d = Window2d::new([3, 3]).same();

fn main() -> Outcome<()> {
    let data = dataset()?;
    identify(&data.train)?;
    learn_dilation(&data.train)?;
    learn_opening(&data.train)
}

fn identify(train: &Images) -> Outcome<()> {
    println!("\n(a) A dilation, identified by residuation");
    // Grey levels are whole numbers here, and every result is exact.
    let x = images(train, 0..20, 255.0);
    let y = transformed(dilation2d, &x, &HALF_CROSS, WINDOW)?;
    // The greatest kernel whose dilation stays below the target: entry d is the least y(i) - x(i +
    // d). What is off the support cannot come back as minus infinity, only as a number so low that
    // it never wins on these images.
    let found = Residuation::new(WINDOW).dilation(x.view(), y.view())?;
    print_kernel(found.kernel.data());
    println!("its zeros are the true support: {}", has_support(found.kernel.data(), -1.0));
    println!("largest residual on 20 images: {}", found.residual.largest);
    Ok(())
}

fn learn_dilation(train: &Images) -> Outcome<()> {
    println!("\n(b) A dilation by a parabola, learned from images");
    let window = Window2d::new([7, 7]).same();
    let parabola = StructuringElement::quadratic([7, 7], 3.0)?.kernel_within::<f64>([7, 7], 1)?;
    let x = images(train, 0..150, 1.0);
    let y = transformed(dilation2d, &x, parabola.data(), window)?;
    // The kernel starts flat, at zero. Each output sends its error to the one entry that won there.
    let layer = Dilation2d {
        filters: 1,
        neighbourhood: Neighbourhood2d::new([7, 7]).same(),
        ..Dilation2d::default()
    };
    let learned = fit(layer, [&x, &y], 60)?;
    // An entry that never wins under the true parabola leaves no trace in the images, and cannot be
    // learned. The gradient of the sum of all outputs counts the wins of each entry.
    let (params, mut tape) = (Params::new(), Tape::new());
    let mut graph = tape.record(&params, Mode::Train { step: 0 });
    let (image, kernel) = (graph.input(x.view()), graph.variable(parabola.view()));
    let dilated = dilation2d(&mut graph, image, kernel, window)?;
    let sum = graph.apply(Sum, [dilated])?;
    graph.backward(sum);
    let wins = graph.grad(kernel).ok_or("the sum depends on the kernel")?;
    let errors =
        (0..49).filter(|n| wins[*n] > 0.0).map(|n| (learned[n] - parabola.data()[n]).abs());
    println!("entries that win somewhere: {} of 49", errors.clone().count());
    println!("largest error of those entries: {:.1e}", errors.fold(0.0, f64::max));
    let tiles = [tile("true", 7, parabola.data()), tile("learned", 7, &learned)];
    sheet("t2_learn_operators/parabola", 2, [-0.5, 0.0], &tiles)
}

fn learn_opening(train: &Images) -> Outcome<()> {
    println!("\n(c) An opening, learned under a constraint");
    let x = images(train, 0..500, 1.0);
    let y = transformed(opening2d, &x, &HALF_CROSS, WINDOW)?;
    // The constraint holds the centre at 0 and the rest between -1 and 0. Without it the kernel
    // could drift: adding a number to all entries does not change an opening.
    let weight = Weight::zeros().constrained(ZeroCentre { min: -1.0, max: 0.0 });
    let kernel = StructuringFunction::Free(weight);
    let layer = Morphological2d {
        operator: opening2d,
        neighbourhood: Neighbourhood2d::new([3, 3]).same(),
        kernel,
        ..Morphological2d::default()
    };
    let learned = fit(layer, [&x, &y], 40)?;
    // Entries off the support stop falling once they no longer win.
    print_kernel(&learned);
    println!("its entries above -1/2 are the true support: {}", has_support(&learned, -0.5));

    let x = images(train, 500..600, 1.0);
    let y = transformed(opening2d, &x, &HALF_CROSS, WINDOW)?;
    let error = mean_square(&transformed(opening2d, &x, &learned, WINDOW)?, &y);
    println!("error on new images: {error:.1e}; of the identity: {:.1e}", mean_square(&x, &y));
    let tiles = [tile("true", 3, &HALF_CROSS), tile("learned", 3, &learned)];
    sheet("t2_learn_operators/opening", 2, [-1.0, 0.0], &tiles)
}

/// Trains one layer to turn `x` into `y`: mean squared error, Adam, batches of 10 images. Returns
/// its kernel.
fn fit(layer: impl Build<f64>, [x, y]: [&Tensor<f64>; 2], epochs: usize) -> Outcome<Vec<f64>> {
    let mut params = Params::new();
    let &[n, height, width, _] = x.shape().dims() else { return Err("expected images".into()) };
    let model =
        Sequential::new().add("layer", layer).build_model(&mut params, 0, [height, width, 1])?;
    let steps = (epochs * n.div_ceil(10)) as u64;
    let rate = CosineDecay { initial: 0.01, steps, floor: 0.0 };
    let mut optimizer = Optimizer::new(&params, Adam::default(), rate);
    let mut tape = Tape::new();
    for _ in 0..epochs {
        let [x, y] = [x, y].map(|all| all.data().chunks(10 * height * width));
        for (x, y) in x.zip(y) {
            let mut graph = tape.record(&params, Mode::Train { step: optimizer.steps() });
            let shape = [x.len() / (height * width), height, width, 1];
            let [x, y] = [x, y].map(|values| graph.input(TensorRef::new(shape, values)));
            let found = model.forward(&mut graph, x)?;
            let loss = graph.apply(MeanSquaredError, [found, y])?;
            graph.backward(loss);
            optimizer.step(&mut params, &tape)?; // and projection, where there is a constraint
        }
    }
    let kernel = params.find("layer.kernel").ok_or("the layer has a kernel")?;
    Ok(params.value(kernel).data.to_vec())
}

fn transformed(
    operator: Operator<f64>,
    x: &Tensor<f64>,
    kernel: &[f64],
    window: Window2d,
) -> Outcome<Tensor<f64>> {
    let kernel = TensorRef::new([window.size[0], window.size[1], 1], kernel);
    Ok(evaluate([x.view(), kernel], |graph, [x, w]| operator(graph, x, w, window.into()))?)
}

fn mean_square(a: &Tensor<f64>, b: &Tensor<f64>) -> f64 {
    a.data().iter().zip(b.data()).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / a.data().len() as f64
}

/// Whether the entries above a threshold are those of the half cross.
fn has_support(found: &[f64], threshold: f64) -> bool {
    found.iter().zip(HALF_CROSS).all(|(found, w)| (*found > threshold) == (w == 0.0))
}

fn print_kernel(values: &[f64]) {
    for row in values.chunks(3) {
        println!("{}", row.iter().map(|w| format!("{w:9.3}")).collect::<String>());
    }
}

fn tile(label: &str, width: usize, values: &[f64]) -> Tile {
    Tile { label: label.to_owned(), width, values: values.to_vec() }
}
