//! A learned supremum of erosions, reduced to the kernels and entries that it needs: a median of
//! nine pixels, learned from images by 128 erosions. The smaller
//! model gives the same bits. `docs/max-plus/minimal.md` has the theory.
//!
//! Run with `cargo run --release -p morphograd --example minimal_basis`.
#![expect(clippy::print_stdout, reason = "an example speaks to a person")]

mod common;

use clap::Parser;
use common::{Outcome, Printer, Tile, dataset, images, results, sheet};
use morphograd_morphology::nn::autodiff::{Axes, MaxAxes, Params, Ties};
use morphograd_morphology::nn::fit::{Fit, predict};
use morphograd_morphology::nn::initializer::Uniform;
use morphograd_morphology::nn::optim::{Adam, CosineDecay};
use morphograd_morphology::nn::tensor::Tensor;
use morphograd_morphology::nn::{
    Apply, BuildError, MeanSquaredError, Model, Optimizer, Sequential, Weight,
};
use morphograd_morphology::{Erosion2d, MinimalBasis, Neighbourhood2d, minimal_basis};
use serde_json::json;

/// How much is run.
#[derive(Debug, Clone, Copy, Parser)]
struct Options {
    /// Erosions of the model.
    #[arg(long, default_value_t = 128)]
    filters: usize,
    /// Epochs on 500 images.
    #[arg(long, default_value_t = 60)]
    epochs: usize,
}

fn main() -> Outcome<()> {
    let Options { filters, epochs } = Options::parse();
    let data = dataset()?;
    let part = |range| {
        let x = images(&data.train, range, 1.0);
        let x = Tensor::from_fn(x.shape(), |i| x.data()[i] as f32);
        let y = medians(&x);
        (x, y)
    };
    let ((x, y), (new, truth)) = (part(0..500), part(500..700));
    let [height, width] = [x.shape().dims()[1], x.shape().dims()[2]];
    let mut params = Params::new();
    let model = model(filters, &mut params, [height, width])?;
    let steps = (epochs * 500usize.div_ceil(10)) as u64;
    let rate = CosineDecay { initial: 0.01, steps, floor: 0.0 };
    let mut optimizer = Optimizer::new(&params, Adam::default(), rate);
    let train = (&x, &y);
    Fit {
        epochs,
        batch_size: 10,
        callbacks: vec![&mut Printer],
        ..Fit::new(&model, &MeanSquaredError, &train)
    }
    .run(&mut params, &mut optimizer)?;

    let kernels = params.value(params.find("erosions.kernel").ok_or("no kernel")?);
    let original = predict(&model, &(&new, &truth), 10, &params)?;
    println!("\n{filters} erosions of 9 entries, rounded to a step, on images in [0, 1]:");
    println!(
        "{:>6} {:>7} {:>8} {:>15} {:>13}",
        "step", "needed", "entries", "largest change", "error"
    );
    let (mut rows, mut drawn) = (Vec::new(), Vec::new());
    for step in [0.0, 0.05, 0.1, 0.25, 0.5] {
        let rounded = Tensor::from_fn(kernels.shape, |i| match step {
            0.0 => kernels.data[i],
            step => (kernels.data[i] / step).round() * step,
        });
        let basis = minimal_basis(rounded.view(), 1.0)?;
        let kept = basis.kept.len();
        let entries = 9 * kept - basis.entries_left_out;
        // The whole model with the rounded kernels, and the smaller one.
        let of = |kernels: &Tensor<f32>| -> Outcome<Tensor<f32>> {
            let count = kernels.shape().dims()[3];
            let mut params = Params::new();
            let model = self::model(count, &mut params, [height, width])?;
            let id = params.find("erosions.kernel").ok_or("no kernel")?;
            params.update(id, |w| w.copy_from_slice(kernels.data()));
            Ok(predict(&model, &(&new, &truth), 10, &params)?)
        };
        let (whole, smaller) = (of(&rounded)?, of(&basis.kernels)?);
        assert_eq!(whole, smaller, "the same bits");
        let difference = |a: &Tensor<f32>, b: &Tensor<f32>| -> Vec<f64> {
            a.data().iter().zip(b.data()).map(|(a, b)| f64::from(a - b).abs()).collect()
        };
        let change = difference(&smaller, &original).into_iter().fold(0.0, f64::max);
        let errors = difference(&smaller, &truth);
        let error = (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt();
        println!("{step:>6} {kept:>7} {entries:>8} {change:>15.4} {error:>13.4}");
        rows.push(json!({ "step": step, "needed": kept, "entries": entries,
                          "largest change": change, "error": error }));
        if step == 0.5 {
            drawn = tiles(rounded.data(), filters, &basis);
        }
    }
    println!("On 200 new images each smaller model gives the bits of the rounded one.");
    results("minimal_basis", &json!({ "data": data.name, "erosions": filters, "rows": rows }))?;
    sheet("minimal_basis", 12, [-1.0, 0.0], &drawn)
}

/// The largest of some erosions, in every window.
fn model(
    filters: usize,
    params: &mut Params<f32>,
    [height, width]: [usize; 2],
) -> Result<Model<f32>, BuildError> {
    let kernel = Weight::new(Uniform { low: -1.0, high: 0.0 });
    let erosions = Erosion2d {
        filters,
        neighbourhood: Neighbourhood2d::new([3, 3]),
        kernel,
        ..Erosion2d::default()
    };
    let largest = MaxAxes { axes: Axes::from([3]), ties: Ties::First };
    Sequential::new().add("erosions", erosions).add("largest", Apply(largest)).build_model(
        params,
        0,
        [height, width, 1],
    )
}

/// The median of the nine pixels of every window inside the image.
fn medians(x: &Tensor<f32>) -> Tensor<f32> {
    let &[n, height, width, _] = x.shape().dims() else { unreachable!("images") };
    let (rows, columns) = (height - 2, width - 2);
    Tensor::from_fn([n, rows, columns], |i| {
        let (image, row, column) = (i / (rows * columns), i / columns % rows, i % columns);
        let mut window: Vec<f32> = (0..9)
            .map(|d| x.data()[(image * height + row + d / 3) * width + column + d % 3])
            .collect();
        window.sort_by(f32::total_cmp);
        window[4]
    })
}

/// The kernels that are kept, with the entries that they keep, and then some of the others.
fn tiles(kernels: &[f32], filters: usize, basis: &MinimalBasis<f32>) -> Vec<Tile> {
    let of = |values: &[f32], count: usize, k: usize| -> Vec<f64> {
        values.iter().skip(k).step_by(count).map(|w| f64::from(*w)).collect()
    };
    let count = basis.kept.len();
    let kept = (0..count).map(|i| Tile {
        label: format!("needed {}", i + 1),
        width: 3,
        values: of(basis.kernels.data(), count, i),
    });
    let others = (0..filters).filter(|k| !basis.kept.contains(k)).take(22).map(|k| Tile {
        label: format!("left out {}", k + 1),
        width: 3,
        values: of(kernels, filters, k),
    });
    kept.chain(others).collect()
}
