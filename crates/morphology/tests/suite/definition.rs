//! The definition of dilation and erosion, with loops, for the property tests and for the fuzzer
//! (`fuzz/src/geometry.rs`), which includes this file.

use super::morphology::nn::autodiff::Ties;
use super::morphology::nn::autodiff::tensor::{Tensor, Window2d};
use super::morphology::{Border, Lattice};

/// What an operation is configured with, beyond its lattice and its window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) border: Border,
    pub(crate) ties: Ties,
    pub(crate) marginal: bool,
}

/// The definition, with loops: values and gradients (the image's and the kernel's) for an upstream
/// gradient given by `grad`.
pub(crate) fn naive<L: Lattice>(
    window: Window2d,
    rules: Rules,
    x: &Tensor<f64>,
    w: &Tensor<f64>,
    grad: impl Fn(usize) -> f64,
) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let &[batch, height, width, channels] = x.shape().dims() else { panic!("rank 4") };
    let depthwise = w.shape().rank() == 3;
    let filters = if depthwise { 1 } else { w.shape().dims()[3] };
    let marginal = depthwise || rules.marginal;
    let extent = window.extent([height, width]).unwrap();
    let outputs = if marginal { filters * channels } else { filters };
    let [rows, columns] = extent.output;
    let mut y = vec![0.0; batch * rows * columns * outputs];
    let (mut dx, mut dw) = (vec![0.0; x.data().len()], vec![0.0; w.data().len()]);
    let taps: Vec<_> =
        (0..window.size[0]).flat_map(|dy| (0..window.size[1]).map(move |dx| (dy, dx))).collect();
    for at in 0..batch * rows * columns {
        let (b, i, j) = (at / (rows * columns), at / columns % rows, at % columns);
        for (c, f) in (0..channels).flat_map(|c| (0..filters).map(move |f| (c, f))) {
            let out = at * outputs + if marginal { f * channels + c } else { f };
            // (value, where in the image, where in the kernel), in raster order of the window.
            let mut candidates = Vec::new();
            for (tap, (dy, dx)) in taps.iter().enumerate() {
                let row = (i * window.strides[0] + dy * window.rates[0]) as isize
                    - extent.before[0] as isize;
                let column = (j * window.strides[1] + dx * window.rates[1]) as isize
                    - extent.before[1] as isize;
                let entry = if L::MIRRORED { window.taps() - 1 - tap } else { tap };
                let at_w = (entry * channels + c) * filters + f;
                let source = (rules.border.source(row, height), rules.border.source(column, width));
                match (source, rules.border) {
                    ((Some(row), Some(column)), _) => {
                        let at_x = ((b * height + row) * width + column) * channels + c;
                        candidates.push((
                            L::candidate(x.data()[at_x], w.data()[at_w]),
                            Some(at_x),
                            at_w,
                        ));
                    }
                    (_, Border::Constant(value)) => {
                        candidates.push((L::candidate(value, w.data()[at_w]), None, at_w));
                    }
                    _ => {}
                }
            }
            let best = candidates
                .iter()
                .map(|c| c.0)
                .fold(L::bottom(), |a, b| if L::beats(b, a) { b } else { a });
            y[out] += best;
            let tied: Vec<_> = candidates.into_iter().filter(|c| c.0 == best).collect();
            let chosen = match rules.ties {
                Ties::First => &tied[..1],
                Ties::Last => &tied[tied.len() - 1..],
                Ties::Split => &tied[..],
            };
            for (_, at_x, at_w) in chosen {
                let share = grad(out) / chosen.len() as f64;
                if let Some(at_x) = at_x {
                    dx[*at_x] += share;
                }
                dw[*at_w] += L::SIGN * share;
            }
        }
    }
    (y, dx, dw)
}
