//! What a constraint on a structuring function means for its dilation: the laws of
//! `docs/max-plus/constraints.md`, each at random kernels of the set and random images.

use morphograd::morphology::nn::autodiff::sets::Constraint;
use morphograd::morphology::nn::autodiff::{Mode, Mul, Params, Sum, Tape, Ties};
use morphograd::morphology::nn::layers::conv2d::Convolution;
use morphograd::morphology::nn::sets::{Interval, L1Ball, NonNegative, NonPositive, Per};
use morphograd::morphology::nn::tensor::{Tensor, Window2d};
use morphograd::morphology::{
    Concave, ConstantKernel, Neighbourhood2d, RadiallyNonIncreasing, Separable, SupNormalized,
    Symmetric,
};
use morphograd::morphology::{dilation2d, evaluate};
use morphograd_testkit::strategy;
use proptest::prelude::*;

const SIZE: [usize; 2] = [3, 5];
const IMAGE: [usize; 4] = [1, 6, 7, 1];
/// For laws in which sums are rounded in two orders.
const ROUNDING: f64 = 1e-12;

fn dilate(x: &Tensor<f64>, w: &Tensor<f64>) -> Tensor<f64> {
    let size = [w.shape().dims()[0], w.shape().dims()[1]];
    let window = Window2d::new(size).same();
    evaluate([x.view(), w.view()], |graph, [x, w]| dilation2d(graph, x, w, window)).unwrap()
}

/// Whole windows only.
fn dilate_inside(x: &Tensor<f64>, w: &Tensor<f64>) -> Tensor<f64> {
    let window = Window2d::new(SIZE);
    evaluate([x.view(), w.view()], |graph, [x, w]| dilation2d(graph, x, w, window)).unwrap()
}

fn convolve(x: &Tensor<f64>, kernel: &Tensor<f64>) -> Tensor<f64> {
    let size = [kernel.shape().dims()[0], kernel.shape().dims()[1]];
    let window = Window2d::new(size).same();
    let op = Convolution { window, rectified: false };
    evaluate([x.view(), kernel.view()], |graph, inputs| graph.apply(op, inputs)).unwrap()
}

/// The gradient of $\sum_i h_i δ_w(x)_i$ with respect to the kernel.
fn kernel_gradient(x: &Tensor<f64>, w: &Tensor<f64>, h: &Tensor<f64>, ties: Ties) -> Vec<f64> {
    let mut params = Params::new();
    let id = params.add("w", w.clone(), None).unwrap();
    let window = Window2d::new(SIZE).same();
    let mut tape = Tape::new();
    let mut graph = tape.record(&params, Mode::Train { step: 0 });
    let (x, h, w) = (graph.input(x.view()), graph.input(h.view()), graph.param(id));
    let y = dilation2d(&mut graph, x, w, Neighbourhood2d { ties, ..window.into() }).unwrap();
    let product = graph.apply(Mul, [y, h]).unwrap();
    let loss = graph.apply(Sum, [product]).unwrap();
    graph.backward(loss);
    tape.grad(id).unwrap().to_vec()
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn flat(x: &Tensor<f64>) -> Tensor<f64> {
    dilate(x, &Tensor::zeros([SIZE[0], SIZE[1], 1]))
}

fn below(a: &Tensor<f64>, b: &Tensor<f64>, slack: f64) -> bool {
    a.data().iter().zip(b.data()).all(|(a, b)| *a <= b + slack)
}

fn distance(a: &Tensor<f64>, b: &Tensor<f64>) -> f64 {
    a.data().iter().zip(b.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn largest(x: &Tensor<f64>) -> f64 {
    x.data().iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn plus(x: &Tensor<f64>, c: f64) -> Tensor<f64> {
    Tensor::from_fn(x.shape(), |i| x.data()[i] + c)
}

/// Turned by 180 degrees.
fn turned(x: &Tensor<f64>) -> Tensor<f64> {
    let n = x.data().len();
    Tensor::from_fn(x.shape(), |i| x.data()[n - 1 - i])
}

fn image() -> impl Strategy<Value = Tensor<f64>> {
    strategy::tensor(IMAGE)
}

fn kernel() -> impl Strategy<Value = Tensor<f64>> {
    strategy::tensor([SIZE[0], SIZE[1], 1])
}

fn kernel_in(set: impl Constraint<f64> + Clone) -> impl Strategy<Value = Tensor<f64>> {
    kernel().prop_map(move |mut w| {
        set.project(w.shape(), w.data_mut());
        w
    })
}

const CENTRE: usize = SIZE[0] * SIZE[1] / 2;

proptest! {
    #[test]
    fn any_dilation_is_increasing_and_commutes_with_grey_shifts_and_is_one_lipschitz(
        x in image(),
        y in image(),
        w in kernel(),
        v in kernel(),
        c in -2.0..2.0f64,
    ) {
        let smaller = Tensor::from_fn(x.shape(), |i| x.data()[i].min(y.data()[i]));
        prop_assert!(below(&dilate(&smaller, &w), &dilate(&x, &w), 0.0));
        prop_assert!(distance(&dilate(&plus(&x, c), &w), &plus(&dilate(&x, &w), c)) <= ROUNDING);
        prop_assert!(distance(&dilate(&x, &w), &dilate(&y, &w)) <= distance(&x, &y) + ROUNDING);
        prop_assert!(distance(&dilate(&x, &w), &dilate(&x, &v)) <= distance(&w, &v) + ROUNDING);
    }

    #[test]
    fn a_centre_that_is_not_negative_makes_a_dilation_extensive(x in image(), mut w in kernel()) {
        w.data_mut()[CENTRE] = w.data()[CENTRE].abs();
        prop_assert!(below(&x, &dilate(&x, &w), 0.0));
        // And a negative one does not: a lone pixel is lowered.
        w.data_mut()[CENTRE] = -0.5;
        let lone = Tensor::from_fn(x.shape(), |i| if i == 24 { 0.0 } else { f64::NEG_INFINITY });
        prop_assert_eq!(dilate(&lone, &w).data()[24], -0.5);
    }

    #[test]
    fn a_non_positive_kernel_keeps_a_dilation_below_the_flat_one(
        x in image(),
        w in kernel_in(NonPositive),
    ) {
        prop_assert!(below(&dilate(&x, &w), &flat(&x), 0.0));
        prop_assert!(largest(&dilate(&x, &w)) <= largest(&x));
    }

    #[test]
    fn a_non_negative_kernel_keeps_a_dilation_above_the_flat_one(
        x in image(),
        w in kernel_in(NonNegative),
    ) {
        prop_assert!(below(&flat(&x), &dilate(&x, &w), 0.0));
    }

    #[test]
    fn a_box_bounds_the_distance_from_the_flat_dilation(
        x in image(),
        w in kernel_in(Interval { min: -0.3, max: 0.2 }),
    ) {
        let (flat, dilated) = (flat(&x), dilate(&x, &w));
        prop_assert!(
            below(&plus(&flat, -0.3), &dilated, 0.0) && below(&dilated, &plus(&flat, 0.2), 0.0)
        );
    }

    #[test]
    fn a_sup_normalised_kernel_keeps_the_largest_value(
        x in image(),
        w in kernel_in(SupNormalized),
    ) {
        // The largest pixel stands where no window that reaches it is cut off.
        let mut x = x;
        x.data_mut()[3 * IMAGE[2] + 3] = 9.0;
        prop_assert_eq!(largest(&dilate(&x, &w)), 9.0);
    }

    #[test]
    fn a_flat_kernel_adds_its_number_to_the_flat_dilation_and_commutes_with_changes_of_contrast(
        x in image(), w in kernel_in(ConstantKernel::default()),
    ) {
        let c = w.data()[0];
        let dilated = dilate(&x, &w);
        prop_assert_eq!(&dilated, &plus(&flat(&x), c));
        // Grey values through an increasing function, before or behind it.
        let cubed = |x: &Tensor<f64>| Tensor::from_fn(x.shape(), |i| x.data()[i].powi(3));
        prop_assert!(
            distance(&plus(&dilate(&cubed(&x), &w), -c), &cubed(&plus(&dilated, -c))) <= 1e-9
        );
    }

    #[test]
    fn a_symmetric_kernel_commutes_with_turning_the_image(
        x in image(),
        w in kernel_in(Symmetric::Central),
    ) {
        prop_assert_eq!(dilate(&turned(&x), &w), turned(&dilate(&x, &w)));
    }

    #[test]
    fn a_kernel_with_all_symmetries_of_the_square_commutes_with_exchanging_rows_and_columns(
        x in strategy::tensor([1, 6, 6, 1]), w in strategy::tensor([3, 3, 1]),
    ) {
        let mut w: Tensor<f64> = w;
        Symmetric::Dihedral.project(w.shape(), w.data_mut());
        let transposed =
            |x: &Tensor<f64>| Tensor::from_fn(x.shape(), |i| x.data()[i % 6 * 6 + i / 6]);
        prop_assert_eq!(dilate(&transposed(&x), &w), transposed(&dilate(&x, &w)));
    }

    #[test]
    fn a_kernel_that_is_its_mirror_image_commutes_with_mirrors(
        x in strategy::tensor([1, 6, 6, 1]),
        w in strategy::tensor([3, 3, 1]),
    ) {
        let left_right =
            |x: &Tensor<f64>| Tensor::from_fn(x.shape(), |i| x.data()[i / 6 * 6 + 5 - i % 6]);
        let up_down =
            |x: &Tensor<f64>| Tensor::from_fn(x.shape(), |i| x.data()[(5 - i / 6) * 6 + i % 6]);
        for set in [Symmetric::LeftRight, Symmetric::UpDown, Symmetric::Axial, Symmetric::Dihedral]
        {
            let mut w: Tensor<f64> = w.clone();
            set.project(w.shape(), w.data_mut());
            if set != Symmetric::UpDown {
                prop_assert_eq!(dilate(&left_right(&x), &w), left_right(&dilate(&x, &w)));
            }
            if set != Symmetric::LeftRight {
                prop_assert_eq!(dilate(&up_down(&x), &w), up_down(&dilate(&x, &w)));
            }
        }
    }

    #[test]
    fn a_separable_kernel_is_two_dilations(x in image(), w in kernel_in(Separable)) {
        let a = Tensor::from_fn([SIZE[0], 1, 1], |i| w.data()[i * SIZE[1]]);
        let b = Tensor::from_fn([1, SIZE[1], 1], |j| w.data()[j] - w.data()[0]);
        prop_assert!(distance(&dilate(&x, &w), &dilate(&dilate(&x, &b), &a)) <= ROUNDING);
    }

    #[test]
    fn a_radially_non_increasing_kernel_makes_a_dilation_between_two_pyramids_of_flat_disks(
        x in image(), w in kernel_in(RadiallyNonIncreasing::default()),
    ) {
        let dilated = dilate(&x, &w);
        // The centre is the largest entry.
        let top = w.data()[CENTRE];
        prop_assert!(
            below(&plus(&x, top), &dilated, 0.0) && below(&dilated, &plus(&flat(&x), top), 0.0)
        );
        // Of each disk, the smallest entry at its rim from below; one of them with the largest
        // reaches the result.
        let squared =
            |i: usize| (i / SIZE[1]).abs_diff(1).pow(2) + (i % SIZE[1]).abs_diff(2).pow(2);
        let mut above = Tensor::filled(x.shape(), f64::NEG_INFINITY);
        for radius in (0..15).map(squared) {
            let disk = Tensor::from_fn(w.shape(), |i| {
                if squared(i) <= radius { 0.0 } else { f64::NEG_INFINITY }
            });
            let rim = || (0..15).filter(|i| squared(*i) == radius).map(|i| w.data()[i]);
            let covered = dilate(&x, &disk);
            prop_assert!(below(
                &plus(&covered, rim().fold(f64::INFINITY, f64::min)),
                &dilated,
                0.0
            ));
            let high = plus(&covered, rim().fold(f64::NEG_INFINITY, f64::max));
            above = Tensor::from_fn(x.shape(), |i| above.data()[i].max(high.data()[i]));
        }
        prop_assert!(below(&dilated, &above, 0.0));
    }

    #[test]
    fn a_concave_row_keeps_concave_signals_concave(
        x in strategy::tensor([1, 9]),
        w in strategy::tensor([1, 5, 1]),
    ) {
        let (mut x, mut w): (Tensor<f64>, Tensor<f64>) = (x, w);
        Concave.project(x.shape(), x.data_mut());
        Concave.project(w.shape(), w.data_mut());
        // As a row, and as a column.
        for (image, kernel) in [([1, 1, 9, 1], [1, 5, 1]), ([1, 9, 1, 1], [5, 1, 1])] {
            let x = Tensor::from_vec(image, x.data().to_vec()).unwrap();
            let w = Tensor::from_vec(kernel, w.data().to_vec()).unwrap();
            let dilated = dilate(&x, &w);
            prop_assert!(dilated.data().windows(3).all(|y| y[0] - 2.0 * y[1] + y[2] <= 1e-9));
        }
    }

    #[test]
    fn a_concave_plane_keeps_a_concave_line_concave_in_all_four_directions(
        w in kernel_in(Concave),
        line in strategy::tensor([1, 7]),
        from in 0..42usize,
    ) {
        let mut line: Tensor<f64> = line;
        Concave.project(line.shape(), line.data_mut());
        let at = |i: usize, step: [isize; 2], t: isize| {
            let y = (i / IMAGE[2]).checked_add_signed(t * step[0]).filter(|y| *y < IMAGE[1])?;
            let x = (i % IMAGE[2]).checked_add_signed(t * step[1]).filter(|x| *x < IMAGE[2])?;
            Some(y * IMAGE[2] + x)
        };
        for step in [[0, 1], [1, 0], [1, 1], [1, -1]] {
            let mut x = Tensor::filled(IMAGE, f64::NEG_INFINITY);
            for t in 0..7 {
                // The middle of the signal at the pixel `from`.
                if let Some(i) = at(from, step, t - 3) {
                    x.data_mut()[i] = line.data()[t as usize];
                }
            }
            let dilated = dilate(&x, &w);
            for i in 0..42 {
                if let (Some(before), Some(after)) = (at(i, step, -1), at(i, step, 1)) {
                    let [a, b, c] = [before, i, after].map(|i| dilated.data()[i]);
                    prop_assert!(a + c <= 2.0 * b + 1e-9, "{step:?} at {i}: {a} {b} {c}");
                }
            }
        }
    }

    #[test]
    fn images_between_zero_and_one_do_not_see_entries_far_below_the_largest_nor_a_shift(
        x in image(),
        w in kernel(),
    ) {
        let unit = Tensor::from_fn(x.shape(), |i| x.data()[i].rem_euclid(1.0));
        let top = largest(&w);
        let canonical = Tensor::from_fn(w.shape(), |i| (w.data()[i] - top).max(-1.0));
        let shifted = plus(&dilate_inside(&unit, &canonical), top);
        prop_assert!(distance(&dilate_inside(&unit, &w), &shifted) <= ROUNDING);
    }

    #[test]
    fn the_first_and_the_last_of_tied_entries_win_after_a_small_change_that_unties_all_windows(
        x in image(),
        w in kernel(),
        h in image(),
    ) {
        // Few values, so that nearly all windows are tied.
        let coarse = |x: &Tensor<f64>| Tensor::from_fn(x.shape(), |i| x.data()[i].round());
        let (x, w) = (coarse(&x), coarse(&w));
        for (ties, sign) in [(Ties::First, -1.0), (Ties::Last, 1.0)] {
            let untied =
                Tensor::from_fn(w.shape(), |i| w.data()[i] + sign * 1e-6 * i as f64);
            // With no tie left, every rule gives the gradient.
            let near = kernel_gradient(&x, &untied, &h, Ties::Split);
            let at_the_tie = kernel_gradient(&x, &w, &h, ties);
            for (a, b) in near.iter().zip(&at_the_tie) {
                prop_assert!((a - b).abs() <= ROUNDING, "{ties:?}: {a} {b}");
            }
        }
    }

    #[test]
    fn sums_of_absolute_entries_bound_a_convolution_in_the_maximum_norm(
        x in strategy::tensor([1, 6, 7, 2]),
        y in strategy::tensor([1, 6, 7, 2]),
        mut kernel in strategy::tensor([3, 3, 2, 4]),
    ) {
        Per::filter(L1Ball { radius: 1.0 }).project(kernel.shape(), kernel.data_mut());
        let apart = distance(&convolve(&x, &kernel), &convolve(&y, &kernel));
        prop_assert!(apart <= distance(&x, &y) + ROUNDING);
    }

    #[test]
    fn a_kernel_with_the_triangle_inequality_makes_an_idempotent_dilation(
        x in strategy::tensor([1, 3, 4, 1]),
        slope in 0.0..2.0f64,
    ) {
        // A cone over a window that reaches from every pixel to every other.
        let cone = Tensor::from_fn([5, 7, 1], |i| {
            let (row, column) = ((i / 7) as f64 - 2.0, (i % 7) as f64 - 3.0);
            -slope * row.hypot(column)
        });
        let once = dilate(&x, &cone);
        prop_assert!(distance(&dilate(&once, &cone), &once) <= ROUNDING);
    }
}

/// A parabola that is concave also between the directions of the grid, sampled around the middle of
/// a square.
fn parabola(size: usize, [yy, xx, yx, y, x]: [f64; 5]) -> Vec<f64> {
    let middle = (size / 2) as f64;
    let points = (0..size * size).map(|i| [(i / size) as f64 - middle, (i % size) as f64 - middle]);
    points.map(|[i, j]| yy * i * i + xx * j * j + 2.0 * yx * i * j + y * i + x * j).collect()
}

#[test]
fn a_concave_plane_does_not_keep_every_concave_image_concave() {
    let image = parabola(5, [-3.0, -3.0, 2.0, -1.0, 1.0]);
    let kernel = parabola(3, [-3.0, -2.0, -2.0, -1.0, -1.0]);
    assert_eq!(Concave.violation([5, 5].into(), &image), 0.0);
    assert_eq!(Concave.violation([3, 3].into(), &kernel), 0.0);
    let x = Tensor::from_vec([1, 5, 5, 1], image).unwrap();
    let dilated = dilate(&x, &Tensor::from_vec([3, 3, 1], kernel).unwrap());
    assert_eq!(Concave.violation([5, 5].into(), dilated.data()), 3.0);
}

#[test]
fn a_dilation_can_lengthen_a_euclidean_distance_by_the_root_of_its_window() {
    // One bright pixel wins every window that it is in: 3 x 3 = 9 outputs.
    let dark = Tensor::<f64>::zeros([1, 5, 5, 1]);
    let bright = Tensor::from_fn([1, 5, 5, 1], |i| if i == 12 { 1.0 } else { 0.0 });
    let w = Tensor::zeros([3, 3, 1]);
    let (a, b) = (dilate(&bright, &w), dilate(&dark, &w));
    let difference: Vec<f64> = a.data().iter().zip(b.data()).map(|(a, b)| a - b).collect();
    assert_eq!(norm(&difference), 3.0 * norm(bright.data()));
    assert_eq!(distance(&a, &b), distance(&bright, &dark));
}

#[test]
fn the_spectral_norm_of_a_reshaped_kernel_is_not_that_of_its_convolution() {
    // The kernel of nine ones is a matrix of one column, of spectral norm 3. On a constant image
    // the convolution multiplies by 9, away from the border.
    let kernel = Tensor::filled([3, 3, 1, 1], 1.0);
    let image = Tensor::filled([1, 40, 40, 1], 1.0);
    let longer = norm(convolve(&image, &kernel).data()) / norm(image.data());
    assert_eq!(norm(kernel.data()), 3.0);
    assert!(longer > 8.5 && longer <= 9.0, "{longer}");
}
