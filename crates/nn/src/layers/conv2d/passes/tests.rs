//! Tests of the passes on every level of vector instructions, and on very many pixels.

use super::*;
use crate::layers::conv2d::Convolution;
use morphograd_autodiff::tensor::{Padding, Shape, Window2d};
use morphograd_testkit::assert_close;

/// y, dx, dW and db on the vectors of a level; only every so many of the outputs have a
/// gradient.
fn all<T: Real>(
    level: Level,
    op: Convolution,
    x: Shape,
    kernel: Shape,
    every: usize,
) -> [Vec<T>; 4] {
    let g = Geometry::new(op.window, op.rectified, [x, kernel]);
    let wave = |n: usize, f: f64| (0..n).map(|i| T::of((i as f64 * f).sin())).collect::<Vec<_>>();
    let (x, kernel, bias) = (wave(x.len(), 0.37), wave(kernel.len(), 1.3), wave(g.filters, 0.9));
    let (mut y, mut scratch) = (vec![T::nan(); g.batch * g.windows() * g.filters], Vec::new());
    forward(level, &g, &x, &kernel, Some(&bias), &mut scratch, &mut y);
    let mut dy = wave(y.len(), 0.71);
    dy.iter_mut().enumerate().filter(|(i, _)| i % every > 0).for_each(|(_, dy)| *dy = T::zero());
    let [mut dx, mut d_kernel, mut d_bias] =
        [x.len(), kernel.len(), bias.len()].map(|n| vec![T::nan(); n]);
    let gradients =
        Gradients { x: Some(&mut dx), kernel: Some(&mut d_kernel), bias: Some(&mut d_bias) };
    let operands = Operands { x: &x, kernel: &kernel, y: &y, dy: &dy };
    scratch.fill(T::nan());
    backward(level, &g, operands, gradients, &mut scratch);
    [y, dx, d_kernel, d_bias]
}

fn levels_agree<T: Real>(
    op: Convolution,
    x: [usize; 4],
    filters: usize,
    every: usize,
    tolerance: f64,
) {
    let kernel = Shape::from([op.window.size[0], op.window.size[1], x[3], filters]);
    let expected = all::<T>(Level::Scalar, op, x.into(), kernel, every);
    let mut fused: Option<[Vec<T>; 4]> = None;
    for level in Level::available() {
        let found = all::<T>(level, op, x.into(), kernel, every);
        for (k, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let shifted = |x: &[T]| x.iter().map(|x| x.f64() + 4.0).collect::<Vec<_>>();
            let what = format!("{k} of {op:?} on {x:?}, {filters} filters, {level:?}");
            assert_close(&what, &shifted(found), &shifted(expected), tolerance);
        }
        if level >= Level::Avx2 {
            assert_eq!(fused.get_or_insert_with(|| found.clone()), &found, "{level:?}");
        } else {
            assert_eq!(expected, found, "{level:?}");
        }
    }
}

#[test]
fn every_level_gives_the_same_bits_but_for_fusing() {
    let window = Window2d::new([3, 3]);
    let windows = [
        window,
        Window2d::new([3, 2]).same(),
        Window2d::new([1, 5]).strides([2, 1]),
        Window2d::new([2, 2]).rates([1, 2]).padding(Padding::SameMirrored),
    ];
    // Numbers of filters and channels below, at and above those of a vector, of two, and of a
    // tile.
    for (i, filters) in [1, 2, 4, 7, 8, 9, 16, 17, 32, 33, 40, 48, 50].into_iter().enumerate() {
        let channels = [1, 3, 4, 5, 8, 13, 16][i % 7];
        for (window, rectified) in windows.into_iter().zip([true, false, true, false]) {
            let op = Convolution { window, rectified };
            for every in [1, 5] {
                levels_agree::<f32>(op, [3, 7, 9, channels], filters, every, 2e-5);
                levels_agree::<f64>(op, [2, 6, 7, channels], filters, every, 1e-13);
            }
        }
    }
}

#[test]
fn gradients_of_very_many_pixels_stay_accurate() {
    let side = 2050;
    let noise = |i: usize| (i * 7919 % 1013) as f32 * 1e-4;
    let x: Vec<f32> = (0..side * side).map(|i| 1.0 + noise(i)).collect();
    // Dense gradients, and so few of them that they are looked up one by one.
    for (size, every) in [(1, 1), (3, 1), (1, 9), (3, 9)] {
        let window = Window2d::new([size; 2]);
        let g =
            Geometry::new(window, false, [[1, side, side, 1].into(), [size, size, 1, 1].into()]);
        let [rows, columns] = g.extent.output;
        let dy: Vec<f32> = (0..rows * columns)
            .map(|i| if i % every == 0 { 0.1 + noise(i + 5) } else { 0.0 })
            .collect();
        let (kernel, mut d_kernel, mut d_bias) = (vec![0.0; size * size], [f32::NAN; 9], [0.0]);
        let d_kernel = &mut d_kernel[..size * size];
        let operands = Operands { x: &x, kernel: &kernel, y: &dy, dy: &dy };
        let gradients =
            Gradients { x: None, kernel: Some(&mut *d_kernel), bias: Some(&mut d_bias) };
        backward(Level::best(), &g, operands, gradients, &mut Vec::new());
        // What `backward` promises; all terms are positive.
        let n = dy.len();
        let bound = (4128.0 + 32.0 + (n as f64).log2()) * f64::from(f32::EPSILON) / 2.0;
        let close = |found: f32, expected: f64| {
            let error = (f64::from(found) / expected - 1.0).abs();
            assert!(error < bound, "{found} is {error:e} from {expected}: {size} {every}");
        };
        close(d_bias[0], dy.iter().map(|dy| f64::from(*dy)).sum());
        for (tap, found) in d_kernel.iter().enumerate() {
            let first = tap / size * side + tap % size;
            let products = (0..n)
                .map(|p| f64::from(x[first + p / columns * side + p % columns]) * f64::from(dy[p]));
            close(*found, products.sum());
        }
    }
}
