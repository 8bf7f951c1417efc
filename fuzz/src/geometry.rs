//! Windows, strides, rates, paddings and borders of every kind: dilation, erosion, pooling and
//! convolution beside their definitions, values and gradients.

use morphograd_testkit::{assert_close, vjp};

use super::definition::{Rules, naive};
use super::input::Choices;
use super::morphology::nn::autodiff::tensor::{Padding, Shape, Tensor, TensorRef, Window2d};
use super::morphology::nn::autodiff::{Op, Ties};
use super::morphology::nn::layers::conv2d::Convolution;
use super::morphology::nn::layers::{AvgPool2d, MaxPool2d};
use super::morphology::{
    Border, Depthwise2d, FilterBank2d, Footprint, Lattice, MaxPlus, MinMinus, Neighbourhood2d,
    Pixel, flat_dilation, flat_erosion,
};

/// The bytes choose an operation, a window, an image and its numbers, which are halves, so that
/// sums are exact and maxima are tied.
pub(crate) fn geometry(bytes: &[u8]) {
    let choices = &mut Choices(bytes);
    let operation = choices.number(0, 6);
    let paddings = [Padding::Valid, Padding::Same, Padding::SameMirrored];
    let window = Window2d {
        size: [choices.number(0, 5), choices.number(0, 5)],
        strides: [choices.number(0, 4), choices.number(0, 4)],
        rates: [choices.number(0, 3), choices.number(0, 3)],
        padding: choices.one_of(&paddings),
    };
    let image = [choices.number(0, 9), choices.number(0, 21)];
    let [batch, channels, filters] =
        [choices.number(1, 2), choices.number(1, 5), choices.number(1, 9)];
    let ties = choices.one_of(&[Ties::First, Ties::Last, Ties::Split]);
    let borders = [
        Border::Infinity,
        Border::Constant(0.5),
        Border::Replicate,
        Border::Reflect,
        Border::Mirror,
        Border::Periodic,
    ];
    let border = choices.one_of(&borders);
    let marginal = choices.number(0, 1) == 1;
    let mut tensor = |shape: &[usize]| {
        // What no bytes are left for differs from place to place.
        let mut half = |i: usize| match choices.0 {
            [] => ((i * 37 % 11) as f64 - 5.0) / 2.0,
            _ => f64::from(choices.byte() % 9) / 2.0 - 2.0,
        };
        Tensor::from_fn(Shape::new(shape), &mut half)
    };
    let x = tensor(&[batch, image[0], image[1], channels]);
    let rules = Rules { border, ties, marginal };
    let [height, width] = window.size;
    match operation {
        0 => filters_agree::<MaxPlus>(
            window,
            rules,
            &x,
            &tensor(&[height, width, channels, filters]),
        ),
        1 => filters_agree::<MinMinus>(
            window,
            rules,
            &x,
            &tensor(&[height, width, channels, filters]),
        ),
        2 => depthwise_agrees::<MaxPlus>(window, rules, &x, &tensor(&[height, width, channels])),
        3 => depthwise_agrees::<MinMinus>(window, rules, &x, &tensor(&[height, width, channels])),
        4 => pools_agree(window, ties, &x),
        5 => {
            let kernel = tensor(&[height, width, channels, filters]);
            convolution_agrees(
                Convolution { window, rectified: marginal },
                x,
                kernel,
                tensor(&[filters]),
            );
        }
        _ => flat_agrees(window.size, border, choices, &x),
    }
}

/// Whether the operation takes these inputs. It says so in `infer`, and nowhere else.
fn takes<O: Op<f64>>(op: &O, inputs: &[&Tensor<f64>]) -> bool {
    let shapes: Vec<Shape> = inputs.iter().map(|input| input.shape()).collect();
    op.infer(&shapes).is_ok()
}

/// The gradient of an output.
fn grad(i: usize) -> f64 {
    f64::from(i as u32 % 7) - 3.0
}

fn filters_agree<L: Lattice>(window: Window2d, rules: Rules, x: &Tensor<f64>, w: &Tensor<f64>) {
    let op =
        FilterBank2d::<L>::new(Neighbourhood2d { window, border: rules.border, ties: rules.ties });
    morphological(if rules.marginal { op.marginal() } else { op }, window, rules, x, w, naive::<L>);
}

fn depthwise_agrees<L: Lattice>(window: Window2d, rules: Rules, x: &Tensor<f64>, w: &Tensor<f64>) {
    let op =
        Depthwise2d::<L>::new(Neighbourhood2d { window, border: rules.border, ties: rules.ties });
    morphological(op, window, rules, x, w, naive::<L>);
}

type Definition<G> =
    fn(Window2d, Rules, &Tensor<f64>, &Tensor<f64>, G) -> (Vec<f64>, Vec<f64>, Vec<f64>);

fn morphological<O: Op<f64>>(
    op: O,
    window: Window2d,
    rules: Rules,
    x: &Tensor<f64>,
    w: &Tensor<f64>,
    definition: Definition<fn(usize) -> f64>,
) {
    // Of a window without a pixel inside, nobody wins: a case that a unit test has.
    if !takes(&op, &[x, w]) || !every_window_has_a_pixel(window, rules.border, x) {
        return;
    }
    let (y, dx, dw) = definition(window, rules, x, w, grad);
    let upstream: Vec<f64> = (0..y.len()).map(grad).collect();
    let (found, grads) = vjp(op, &[x.clone(), w.clone()], &upstream);
    assert_eq!(found, y, "{window:?} {rules:?}");
    let tolerance = if rules.ties == Ties::Split { 1e-12 } else { 0.0 };
    let about = format!("{window:?} {rules:?} {:?}", x.shape());
    close(&format!("{about}: gradient of the image"), &grads[0], &dx, tolerance);
    close(&format!("{about}: gradient of the kernel"), &grads[1], &dw, tolerance);
}

fn close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let apart = found.iter().zip(expected).position(|(a, b)| (a - b).abs() > tolerance);
    assert_eq!(apart, None, "{what}: expected {expected:?}, found {found:?}");
}

fn every_window_has_a_pixel(window: Window2d, border: Border, x: &Tensor<f64>) -> bool {
    border != Border::Infinity || windows(window, x).iter().all(|taps| !taps.is_empty())
}

/// The elements of `x` under each window, with their taps, in raster order; a window for each
/// output position and channel.
fn windows(window: Window2d, x: &Tensor<f64>) -> Vec<Vec<(usize, usize)>> {
    let &[batch, height, width, channels] = x.shape().dims() else { panic!("rank 4") };
    let extent = window.extent([height, width]).expect("checked before");
    let [rows, columns] = extent.output;
    let mut all = Vec::new();
    for at in 0..batch * rows * columns * channels {
        let (position, c) = (at / channels, at % channels);
        let (n, i, j) =
            (position / (rows * columns), position / columns % rows, position % columns);
        let under = |tap: usize| {
            let (d, e) = (tap / window.size[1], tap % window.size[1]);
            let row =
                (i * window.strides[0] + d * window.rates[0]).checked_sub(extent.before[0])?;
            let column =
                (j * window.strides[1] + e * window.rates[1]).checked_sub(extent.before[1])?;
            let inside = row < height && column < width;
            inside.then(|| (tap, ((n * height + row) * width + column) * channels + c))
        };
        all.push((0..window.taps()).filter_map(under).collect());
    }
    all
}

fn pools_agree(window: Window2d, ties: Ties, x: &Tensor<f64>) {
    let (largest, mean) = (MaxPool2d { window, ties }, AvgPool2d { window });
    assert_eq!(takes(&largest, &[x]), takes(&mean, &[x]));
    if !takes(&largest, &[x]) {
        return;
    }
    let windows = windows(window, x);
    if windows.iter().any(Vec::is_empty) {
        return;
    }
    let upstream: Vec<f64> = (0..windows.len()).map(grad).collect();
    let (mut tops, mut means) = (Vec::new(), Vec::new());
    let [mut d_top, mut d_mean] = [(); 2].map(|()| vec![0.0; x.data().len()]);
    for (taps, g) in windows.iter().zip(&upstream) {
        let top = taps.iter().map(|(_, at)| x.data()[*at]).fold(f64::NEG_INFINITY, f64::max);
        let tied: Vec<usize> =
            taps.iter().map(|(_, at)| *at).filter(|at| x.data()[*at] == top).collect();
        let chosen = match ties {
            Ties::First => &tied[..1],
            Ties::Last => &tied[tied.len() - 1..],
            Ties::Split => &tied[..],
        };
        chosen.iter().for_each(|at| d_top[*at] += g / chosen.len() as f64);
        tops.push(top);
        means.push(taps.iter().map(|(_, at)| x.data()[*at]).sum::<f64>() / taps.len() as f64);
        taps.iter().for_each(|(_, at)| d_mean[*at] += g / taps.len() as f64);
    }
    let x = std::slice::from_ref(x);
    let (found, grads) = vjp(largest, x, &upstream);
    assert_eq!(found, tops, "{window:?}");
    close("gradient of the largest", &grads[0], &d_top, 1e-12);
    let (found, grads) = vjp(mean, x, &upstream);
    close("mean", &found, &means, 1e-12);
    close("gradient of the mean", &grads[0], &d_mean, 1e-12);
}

fn convolution_agrees(op: Convolution, x: Tensor<f64>, kernel: Tensor<f64>, bias: Tensor<f64>) {
    if !takes(&op, &[&x, &kernel, &bias]) {
        return;
    }
    let (channels, filters) = (x.shape().dims()[3], bias.data().len());
    let windows = windows(op.window, &x);
    let mut y = Vec::new();
    let mut grads = [&x, &kernel, &bias].map(|t| vec![0.0; t.data().len()]);
    for (position, taps) in windows.chunks(channels).enumerate() {
        for f in 0..filters {
            // The products of all channels of a window: an element, and its weight.
            let products: Vec<(usize, usize)> = taps
                .iter()
                .enumerate()
                .flat_map(|(c, taps)| {
                    taps.iter().map(move |(tap, at)| (*at, (tap * channels + c) * filters + f))
                })
                .collect();
            let sum = products.iter().map(|(a, k)| x.data()[*a] * kernel.data()[*k]).sum::<f64>();
            let value = bias.data()[f] + sum;
            let passes = !op.rectified || value > 0.0;
            let g = if passes { grad(position * filters + f) } else { 0.0 };
            y.push(if passes { value } else { 0.0 });
            for (a, k) in products {
                grads[0][a] += g * kernel.data()[k];
                grads[1][k] += g * x.data()[a];
            }
            grads[2][f] += g;
        }
    }
    let upstream: Vec<f64> = (0..y.len()).map(grad).collect();
    // Sums of products of halves are exact in any order.
    let (found, found_grads) = vjp(op, &[x, kernel, bias], &upstream);
    assert_eq!(found, y, "{op:?}");
    for ((what, found), expected) in ["dx", "dk", "db"].iter().zip(&found_grads).zip(&grads) {
        assert_close(what, found, expected, 0.0);
    }
}

/// Flat operators by a set are maxima and minima over it, for numbers and for bytes.
fn flat_agrees(size: [usize; 2], border: Border, choices: &mut Choices<'_>, x: &Tensor<f64>) {
    let is_in: Vec<bool> =
        (0..size[0] * size[1]).map(|_| choices.byte().is_multiple_of(2)).collect();
    let origin = size.map(|n| choices.number(0, n + 1) as isize - 1);
    let Ok(set) = Footprint::new(size, origin, &is_in) else { return };
    let offsets: Vec<[isize; 2]> = (0..is_in.len())
        .filter(|n| is_in[*n])
        .map(|n| [(n / size[1]) as isize - origin[0], (n % size[1]) as isize - origin[1]])
        .collect();
    let bytes: Vec<u8> = x.data().iter().map(|x| (40.0 * x + 100.0) as u8).collect();
    let bytes = TensorRef { shape: x.shape(), data: &bytes };
    flat_agrees_on::<f64>(x.view(), &set, &offsets, border);
    flat_agrees_on::<u8>(bytes, &set, &offsets, border);
}

fn flat_agrees_on<P: Pixel>(
    x: TensorRef<'_, P>,
    set: &Footprint,
    offsets: &[[isize; 2]],
    border: Border,
) {
    let &[_, height, width, channels] = x.shape.dims() else { panic!("rank 4") };
    let over = |sign: isize, best: P, better: fn(P, P) -> bool| -> Vec<P> {
        let at = |n: usize| {
            let (c, j, i) = (n % channels, n / channels % width, n / channels / width % height);
            let under = offsets.iter().filter_map(|[d, e]| {
                let row = border.source(i as isize + sign * d, height);
                let column = border.source(j as isize + sign * e, width);
                match (row, column, border) {
                    (Some(row), Some(column), _) => {
                        let first = n - (i * width + j) * channels - c;
                        Some(x.data[first + (row * width + column) * channels + c])
                    }
                    (_, _, Border::Constant(value)) => Some(P::of(value)),
                    _ => None,
                }
            });
            under.fold(best, |best, x| if better(x, best) { x } else { best })
        };
        (0..x.data.len()).map(at).collect()
    };
    let found = flat_dilation(x, set, border).expect("images");
    assert_eq!(found, over(1, P::LOWEST, |a, b| a > b), "dilation by {set:?}, {border:?}");
    let found = flat_erosion(x, set, border).expect("images");
    assert_eq!(found, over(-1, P::HIGHEST, |a, b| a < b), "erosion by {set:?}, {border:?}");
}
