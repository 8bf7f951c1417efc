//! From which size on several machines pay: measures the time of a step against the size of its
//! batch on this machine, for three networks, and predicts from it the speed-up on 4 to 256
//! machines. `docs/cookbook/several-machines.md` has the model, its assumptions and what came out.
#![expect(clippy::print_stdout, reason = "an example speaks to a person")]

use std::error::Error;
use std::time::Instant;

use morphograd_morphology::nn::autodiff::{Params, Tape};
use morphograd_morphology::nn::fit::train_step;
use morphograd_morphology::nn::optim::Adam;
use morphograd_morphology::nn::tensor::{Shape, Tensor, Window2d, parallel};
use morphograd_morphology::nn::{
    Activation, BuildError, Conv2d, Dense, Dropout, Flatten, GlobalAveragePool, Layer, MaxPool2d,
    Model, Optimizer, Sequential, SoftmaxCrossEntropy,
};
use morphograd_morphology::{Dilation2d, Neighbourhood2d};

/// What connects the machines.
struct Network {
    name: &'static str,
    /// Seconds until a message arrives.
    latency: f64,
    /// Bytes a second.
    bandwidth: f64,
}

const NETWORKS: [Network; 2] = [
    Network { name: "10 Gbit/s Ethernet, 50 µs", latency: 50e-6, bandwidth: 1.1e9 },
    Network { name: "100 Gbit/s InfiniBand, 3 µs", latency: 3e-6, bandwidth: 11e9 },
];

const MACHINES: [usize; 4] = [4, 16, 64, 256];

/// What is learned, of which shape an image is, and the sizes of batches to measure.
type Case = (&'static str, fn() -> Sequential<f32>, [usize; 3], [usize; 3]);

const CASES: [Case; 3] = [
    ("tutorial", tutorial, [28, 28, 1], [8, 32, 128]),
    ("wide", wide, [28, 28, 1], [4, 16, 64]),
    ("dilation-channels", channels, [64, 64, 16], [2, 8, 32]),
];

fn dilation(filters: usize, side: usize) -> Dilation2d<f32> {
    Dilation2d {
        filters,
        neighbourhood: Neighbourhood2d::new([side, side]),
        ..Dilation2d::default()
    }
}

fn conv(filters: usize) -> Conv2d<f32> {
    let window = Window2d::new([3, 3]);
    Conv2d { filters, window, activation: Activation::Relu, ..Conv2d::default() }
}

fn dense(units: usize, activation: Activation) -> Dense<f32> {
    Dense { units, activation, ..Dense::default() }
}

/// The network of the tutorial.
fn tutorial() -> Sequential<f32> {
    Sequential::new()
        .add("dilation", dilation(8, 5))
        .add("pool", MaxPool2d::default())
        .add("conv", conv(32))
        .add("pool_1", MaxPool2d::default())
        .add("flatten", Flatten)
        .add("dropout", Dropout::default())
        .add("logits", dense(10, Activation::Linear))
}

/// A larger one for images of that size.
fn wide() -> Sequential<f32> {
    Sequential::new()
        .add("dilation", dilation(32, 5))
        .add("conv", conv(64))
        .add("pool", MaxPool2d::default())
        .add("conv_1", conv(128))
        .add("pool_1", MaxPool2d::default())
        .add("flatten", Flatten)
        .add("hidden", dense(256, Activation::Relu))
        .add("logits", dense(10, Activation::Linear))
}

/// The dilation of the benchmark of that name, and what is needed to learn with it.
fn channels() -> Sequential<f32> {
    Sequential::new()
        .add("dilation", dilation(16, 7))
        .add("pool", GlobalAveragePool)
        .add("logits", dense(10, Activation::Linear))
}

/// The least time of a step of some, in seconds.
fn step_seconds(
    model: &Model<f32>,
    params: &mut Params<f32>,
    shape: [usize; 3],
    batch: usize,
) -> Result<f64, Box<dyn Error>> {
    let [height, width, channels] = shape;
    let x = Tensor::from_fn([batch, height, width, channels], |i| (i as f32 * 0.7).sin());
    let labels = Tensor::from_fn([batch], |i| (i % 10) as f32);
    let mut optimizer = Optimizer::new(params, Adam::default(), 1e-3);
    let mut tape = Tape::new();
    parallel::in_pool(|| {
        let (mut least, begin) = (f64::INFINITY, Instant::now());
        let mut steps = 0;
        while steps < 4 || (begin.elapsed().as_secs_f64() < 2.0 && steps < 60) {
            let start = Instant::now();
            train_step(&mut tape, params, &mut optimizer, |graph| {
                let (x, labels) = (graph.input(x.view()), graph.input(labels.view()));
                let y = model.forward(graph, x)?;
                graph.apply(SoftmaxCrossEntropy, [y, labels])
            })
            .map_err(|error| error.to_string())?;
            least = least.min(start.elapsed().as_secs_f64());
            steps += 1;
        }
        Ok::<f64, String>(least)
    })
    .map_err(Into::into)
}

/// The line $t_0 + t_1 b$ nearest to the times of batches b, by the squares of relative errors.
fn line(points: &[(f64, f64)]) -> (f64, f64) {
    let (mut w, mut x, mut y, mut xx, mut xy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (b, t) in points {
        let weight = 1.0 / (t * t);
        w += weight;
        x += weight * b;
        y += weight * t;
        xx += weight * b * b;
        xy += weight * b * t;
    }
    let slope = (w * xy - x * y) / (w * xx - x * x);
    (((y - slope * x) / w).max(0.0), slope)
}

fn main() -> Result<(), Box<dyn Error>> {
    let build = |network: Sequential<f32>, shape: [usize; 3]| -> Result<_, BuildError> {
        let mut params = Params::new();
        let model = network.build_model(&mut params, 0, Shape::from(shape))?;
        Ok((model, params))
    };
    for (name, network, shape, batches) in CASES {
        let (model, mut params) = build(network(), shape)?;
        let numbers: usize = params.ids().map(|id| params.value(id).data.len()).sum();
        let bytes = 4.0 * numbers as f64;
        let mut points = Vec::new();
        for batch in batches {
            points.push((batch as f64, step_seconds(&model, &mut params, shape, batch)?));
        }
        let (fixed, each) = line(&points);
        println!("{name}: {numbers} parameters, {:.2} MB an exchange", bytes / 1e6);
        for (batch, seconds) in points {
            println!("  a step of {batch:3} images: {:8.3} ms", 1e3 * seconds);
        }
        println!("  model: {:.3} ms + {:.4} ms an image", 1e3 * fixed, 1e3 * each);
        for Network { name, latency, bandwidth } in NETWORKS {
            for batch in [128.0_f64, 1024.0, 8192.0] {
                let step = |machines: usize| {
                    let rounds = machines.ilog2();
                    let exchange = f64::from(rounds) * (latency + bytes / bandwidth);
                    // An image is not cut.
                    fixed + each * (batch / machines as f64).max(1.0) + exchange
                };
                let speed_up = MACHINES.map(|machines| format!("{:6.1}", step(1) / step(machines)));
                println!("  {name}, batch {batch:5}: {}", speed_up.join(" "));
            }
        }
    }
    Ok(())
}
