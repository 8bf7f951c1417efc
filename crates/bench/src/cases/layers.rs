//! The other layers of the tutorial's network: pooling, convolution and dense, in the sizes they
//! have there.

use morphograd::morphology::nn::layers::conv2d::Convolution;
use morphograd::morphology::nn::layers::dense::Affine;
use morphograd::morphology::nn::tensor::{Shape, Window2d};
use morphograd::morphology::nn::{Layer, MaxPool2d};

use super::{Fill, Pass, on_tape};
use crate::case::{Case, Unit, Work};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (pass, suffix) in Pass::BOTH {
        cases.extend([
            pooling(&format!("max-pooling{suffix}"), [128, 24, 24, 8], pass).counted(),
            convolution(&format!("convolution{suffix}"), [128, 12, 12, 8], 32, 3, pass).counted(),
            dense(&format!("dense-10{suffix}"), [128, 800], 10, pass).counted(),
            dense(&format!("dense-256{suffix}"), [128, 800], 256, pass),
        ]);
    }
    cases
}

/// Max-pooling 2 x 2. The work is that of memory: input and output, and their gradients.
pub fn pooling(name: &str, images: [usize; 4], pass: Pass) -> Case {
    let [batch, height, width, channels] = images;
    let pixels = batch * height * width * channels;
    let prepare = on_tape([(images.into(), Fill::Uniform)], pass, |graph, vars| {
        MaxPool2d::default().forward(graph, vars[0])
    });
    let bytes = (pixels + pixels / 4) * 4 * if pass == Pass::Gradient { 2 } else { 1 };
    let what =
        format!("max-pooling 2 x 2, {batch} images {height} x {width} x {channels}{}", pass.text());
    Case::new(name, what, Work::of(Unit::Byte, bytes), prepare)
}

/// A convolution with bias and ReLU. The gradients are two more products of the same size.
pub fn convolution(
    name: &str,
    images: [usize; 4],
    filters: usize,
    side: usize,
    pass: Pass,
) -> Case {
    let [batch, height, width, channels] = images;
    let inputs = [
        (images.into(), Fill::Uniform),
        ([side, side, channels, filters].into(), Fill::Normal(0.1)),
        ([filters].into(), Fill::Zeros),
    ];
    let window = Window2d::new([side, side]);
    let prepare = on_tape(inputs, pass, move |graph, vars| {
        graph.apply(Convolution { window, rectified: true }, vars)
    });
    let outputs = batch * (height + 1 - side) * (width + 1 - side) * filters;
    let what = format!(
        "convolution with bias and ReLU, {batch} images {height} x {width} x {channels}, \
         {filters} filters {side} x {side}{}",
        pass.text()
    );
    let work = Work::of(Unit::Flop, products(pass) * 2 * outputs * channels * side * side);
    Case::new(name, what, work, prepare)
}

/// A dense layer with bias.
pub fn dense(name: &str, [batch, n]: [usize; 2], units: usize, pass: Pass) -> Case {
    let inputs: [(Shape, Fill); 3] = [
        ([batch, n].into(), Fill::Uniform),
        ([n, units].into(), Fill::Normal(0.1)),
        ([units].into(), Fill::Zeros),
    ];
    let prepare = on_tape(inputs, pass, |graph, vars| graph.apply(Affine, vars));
    let what = format!("dense layer {n} to {units}, batch of {batch}{}", pass.text());
    Case::new(name, what, Work::of(Unit::Flop, products(pass) * 2 * batch * n * units), prepare)
}

/// Matrix products of a layer: the values, and for the gradients one an input.
fn products(pass: Pass) -> usize {
    if pass == Pass::Gradient { 3 } else { 1 }
}
