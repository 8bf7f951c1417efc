//! Robustness in the maximum norm: the tutorial's network without and with `L1Ball` on the filters
//! behind its dilation, certified by its Lipschitz constant and attacked by projected gradient on
//! the image; then with the dilation's kernel rounded to fewer and fewer levels, with the share of
//! images whose class is proved not to change. `docs/max-plus/robustness.md` has both tables.
//!
//! `cargo run --release -p morphograd --example robustness` prints it, and writes a figure and
//! `results.json` into `runs/examples`. A minute on two cores.
#![expect(clippy::print_stdout, reason = "an example speaks to a person")]

mod common;

use common::{Outcome, dataset, figure, images, results};
use morphograd::data::Images;
use morphograd_morphology::nn::autodiff::{Mode, Params, Tape};
use morphograd_morphology::nn::fit::{Fit, Monitor, ReduceLrOnPlateau, predicted_class};
use morphograd_morphology::nn::initializer::GlorotUniform;
use morphograd_morphology::nn::optim::Adam;
use morphograd_morphology::nn::robustness::{Attack, certified_radius, margin};
use morphograd_morphology::nn::sets::{Constraint, Grid, L1Ball, Per};
use morphograd_morphology::nn::tensor::Tensor;
use morphograd_morphology::nn::{
    Activation, BuildError, Conv2d, Dense, Flatten, Layer, MaxPool2d, Model, Optimizer, Sequential,
    SoftmaxCrossEntropy, Weight,
};
use morphograd_morphology::{Dilation2d, Neighbourhood2d};
use morphograd_plot::{Axis, Line, LineChart, Panel, PanelGrid, Scale, Stroke, palette};
use serde_json::json;

const RADII: [f64; 8] = [0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3];
/// Training and test images.
const IMAGES: [usize; 2] = [1024, 1000];
/// Levels of the rounded kernels in an interval of length 1.
const LEVELS: [u32; 6] = [256, 64, 32, 16, 8, 4];
const EPOCHS: usize = 60;
/// The batch of an attack.
const BATCH: usize = 100;
/// The radius of the ball of each unit of the last layer: the inverse temperature of the softmax,
/// as the certificate does not depend on a factor of the logits.
const LAST: f64 = 30.0;

fn main() -> Outcome<()> {
    let data = dataset()?;
    let train = data.train.take(IMAGES[0].min(data.train.len()))?;
    let test = data.test.take(IMAGES[1].min(data.test.len()))?;
    let (mut lines, mut rows) = (Vec::new(), Vec::new());
    for (colour, (name, bounded)) in (1..).zip([("none", false), ("L1Ball", true)]) {
        let mut params = Params::new();
        let model = network(bounded, &mut params)?;
        let mut optimizer = Optimizer::new(&params, Adam::default(), 0.01);
        let mut plateau = ReduceLrOnPlateau {
            monitor: Monitor::lowest("loss"),
            patience: 3,
            factor: 0.5,
            ..ReduceLrOnPlateau::default()
        };
        Fit {
            epochs: EPOCHS,
            batch_size: 64,
            callbacks: vec![&mut plateau],
            ..Fit::new(&model, &SoftmaxCrossEntropy, &train)
        }
        .run(&mut params, &mut optimizer)?;

        let constant = model.lipschitz(&params).ok_or("a layer without a known constant")?;
        let certified = certificates(&model, &params, &test, constant)?;
        let clean = share(certified.iter().map(|(right, _)| *right));
        println!("\n{name}: Lipschitz constant {constant:.3}, accuracy {clean:.3}");
        println!("{:>8} {:>9} {:>9}", "radius", "attacked", "certified");
        let (mut attacked, mut proved) = (vec![(0.0, clean)], vec![(0.0, clean)]);
        for radius in RADII {
            let survives = attack(&model, &params, &test, radius)?;
            // What the certificate excludes, no attack may find.
            for ((_, certified), survives) in certified.iter().zip(&survives) {
                assert!(*survives || *certified <= radius, "an attack below a certificate");
            }
            attacked.push((radius, share(survives)));
            proved.push((radius, share(certified.iter().map(|(_, r)| *r > radius))));
            let [(_, a), (_, c)] = [&attacked, &proved].map(|curve| curve[curve.len() - 1]);
            println!("{radius:8.2} {a:9.3} {c:9.3}");
        }
        let rounded = quantization(&model, &mut params, &test)?;
        rows.push(json!({
            "network": name, "lipschitz": constant, "attacked": attacked, "certified": proved,
            "quantization": rounded,
        }));
        let stroke = Stroke::solid(palette::colour(colour), 2.2);
        lines.push(Line::new(format!("{name}, attacked"), attacked, stroke));
        let stroke = Stroke::dashed(palette::colour(colour));
        lines.push(Line::new(format!("{name}, certified"), proved, stroke));
    }
    results("robustness", &json!({ "data": data.name, "images": IMAGES, "networks": rows }))?;
    let x = Axis::new("change of a pixel, at most", Scale::Linear { min: 0.0, max: RADII[7] });
    let y = Axis::new("share of test images", Scale::Linear { min: 0.0, max: 1.0 });
    let panel = Panel::new("Right under every change found, and under every change", x, y, lines);
    let grids = vec![PanelGrid::new(1, 320.0, vec![panel])];
    let label = "Accuracy attacked and certified, against the radius";
    figure("robustness", &LineChart { width: 700.0, ..LineChart::new(label, grids) }.svg())
}

/// The tutorial's network without dropout. With `bounded` its convolution has the constant 1, and
/// its dense layer that of `LAST`.
fn network(bounded: bool, params: &mut Params<f32>) -> Result<Model<f32>, BuildError> {
    let kernel = |radius: f64| {
        let weight = Weight::new(GlorotUniform);
        if bounded { weight.constrained(Per::filter(L1Ball { radius })) } else { weight }
    };
    Sequential::new()
        .add(
            "dilation",
            Dilation2d {
                filters: 8,
                neighbourhood: Neighbourhood2d::new([5, 5]),
                ..Dilation2d::default()
            },
        )
        .add("pool", MaxPool2d::default())
        .add(
            "convolution",
            Conv2d {
                filters: 32,
                activation: Activation::Relu,
                kernel: kernel(1.0),
                ..Conv2d::default()
            },
        )
        .add("pool2", MaxPool2d::default())
        .add("flatten", Flatten)
        .add("dense", Dense { units: 10, kernel: kernel(LAST), ..Dense::default() })
        .build_model(params, 0, [28, 28, 1])
}

/// Batches of test images with their classes.
fn batches(test: &Images) -> impl Iterator<Item = (Tensor<f32>, Vec<usize>)> {
    (0..test.len()).step_by(BATCH).map(|first| {
        let range = first..test.len().min(first + BATCH);
        let classes = test.labels()[range.clone()].iter().map(|c| usize::from(*c)).collect();
        let pixels = images(test, range, 1.0);
        (Tensor::from_fn(pixels.shape(), |i| pixels.data()[i] as f32), classes)
    })
}

/// Whether each image is classified correctly, and the radius within which that is proved.
fn certificates(
    model: &Model<f32>,
    params: &Params<f32>,
    test: &Images,
    constant: f64,
) -> Outcome<Vec<(bool, f64)>> {
    let found = logits(model, params, test)?;
    let classes = test.labels().iter().map(|class| usize::from(*class));
    let one = |(z, c): (&Vec<f32>, usize)| (margin(z, c) > 0.0, certified_radius(z, c, constant));
    Ok(found.iter().zip(classes).map(one).collect())
}

/// Whether each image is classified correctly under the worst change that the attack finds.
fn attack(
    model: &Model<f32>,
    params: &Params<f32>,
    test: &Images,
    radius: f64,
) -> Outcome<Vec<bool>> {
    let attack = Attack { radius, range: [0.0, 1.0], steps: 40 };
    let mut survive = Vec::new();
    for (x, classes) in batches(test) {
        let found = attack.run(model, params, x.view(), &classes)?;
        survive.extend(found.margins.iter().map(|margin| *margin > 0.0));
    }
    Ok(survive)
}

/// Levels, the share of images whose class is proved to stay when the dilation's kernel is rounded,
/// and the share of those whose class stays.
fn quantization(
    model: &Model<f32>,
    params: &mut Params<f32>,
    test: &Images,
) -> Outcome<Vec<(u32, f64, f64)>> {
    let kernel = params.find("dilation.kernel").ok_or("no dilation")?;
    // A change of the kernel by d changes each output of the dilation, which has one channel, by at
    // most d, and what follows multiplies it by no more than its constant.
    let behind = model.entries()[1..].iter().map(|entry| entry.lipschitz(params));
    let constant = behind.product::<Option<f64>>().ok_or("a layer without a known constant")?;
    let (exact, trained) = (logits(model, params, test)?, params.value(kernel).data.to_vec());
    let mut rows = Vec::new();
    println!("{:>8} {:>9} {:>9}", "levels", "same", "certified");
    for levels in LEVELS {
        let grid = Grid { step: 1.0 / f64::from(levels), ..Grid::decimals(0) };
        params.update(kernel, |w| grid.project([w.len()].into(), w));
        let now = params.value(kernel).data.iter().zip(&trained);
        let moved = now.map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max);
        let found = logits(model, params, test)?;
        params.update(kernel, |w| w.copy_from_slice(&trained));
        let (mut same, mut proved) = (Vec::new(), Vec::new());
        for (before, after) in exact.iter().zip(&found) {
            let class = predicted_class(before);
            same.push(class == predicted_class(after));
            proved.push(margin(before, class) > 2.0 * constant * moved);
            assert!(same[same.len() - 1] || !proved[proved.len() - 1], "a class that was proved");
        }
        let [same, proved] = [same, proved].map(share);
        println!("{levels:8} {same:9.3} {proved:9.3}");
        rows.push((levels, same, proved));
    }
    Ok(rows)
}

/// The logits of each image.
fn logits(model: &Model<f32>, params: &Params<f32>, test: &Images) -> Outcome<Vec<Vec<f32>>> {
    let (mut found, mut tape) = (Vec::new(), Tape::new());
    for (x, _) in batches(test) {
        let mut graph = tape.record(params, Mode::Eval);
        let x = graph.input(x.view());
        let y = model.forward(&mut graph, x)?;
        found.extend(graph.value(y).data.chunks_exact(10).map(<[f32]>::to_vec));
    }
    Ok(found)
}

fn share(holds: impl IntoIterator<Item = bool>) -> f64 {
    let (mut yes, mut all) = (0, 0usize);
    for holds in holds {
        yes += usize::from(holds);
        all += 1;
    }
    yes as f64 / all as f64
}
