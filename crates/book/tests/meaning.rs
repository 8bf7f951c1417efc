//! What a constraint on a structuring function means for its dilation: the laws of `docs/max-plus/constraints.md`, each at random kernels of the
//! set and random images.

use morphograd::morphology::nn::autodiff::Constraint;
use morphograd::morphology::nn::constraint::{Interval, NonNegative, NonPositive};
use morphograd::morphology::nn::tensor::{Padding, Tensor, Window2d};
use morphograd::morphology::{dilation2d, evaluate};
use morphograd_testkit::strategy;
use proptest::prelude::*;

const SIZE: [usize; 2] = [3, 5];
const IMAGE: [usize; 4] = [1, 6, 7, 1];
/// For laws in which sums are rounded in two orders.
const ROUNDING: f64 = 1e-12;

fn dilate(x: &Tensor<f64>, w: &Tensor<f64>) -> Tensor<f64> {
    let size = [w.shape().dims()[0], w.shape().dims()[1]];
    let window = Window2d { size, padding: Padding::Same, ..Window2d::default() };
    evaluate([x.view(), w.view()], |graph, [x, w]| dilation2d(graph, x, w, window)).unwrap()
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
        x in image(), y in image(), w in kernel(), v in kernel(), c in -2.0..2.0f64
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
    fn a_non_positive_kernel_keeps_a_dilation_below_the_flat_one(x in image(), w in kernel_in(NonPositive)) {
        prop_assert!(below(&dilate(&x, &w), &flat(&x), 0.0));
        let top = x.data().iter().copied().fold(f64::NEG_INFINITY, f64::max);
        prop_assert!(dilate(&x, &w).data().iter().all(|y| *y <= top));
    }

    #[test]
    fn a_non_negative_kernel_keeps_a_dilation_above_the_flat_one(x in image(), w in kernel_in(NonNegative)) {
        prop_assert!(below(&flat(&x), &dilate(&x, &w), 0.0));
    }

    #[test]
    fn a_box_bounds_the_distance_from_the_flat_dilation(
        x in image(), w in kernel_in(Interval { min: -0.3, max: 0.2 })
    ) {
        let (flat, dilated) = (flat(&x), dilate(&x, &w));
        prop_assert!(below(&plus(&flat, -0.3), &dilated, 0.0) && below(&dilated, &plus(&flat, 0.2), 0.0));
    }

    #[test]
    fn a_sup_normalised_kernel_keeps_the_largest_value(x in image(), mut w in kernel_in(NonPositive), top in 0..15usize) {
        w.data_mut()[top] = 0.0;
        // The largest pixel stands where no window that reaches it is cut off.
        let mut x = x;
        x.data_mut()[3 * IMAGE[2] + 3] = 9.0;
        let largest = dilate(&x, &w).data().iter().copied().fold(f64::NEG_INFINITY, f64::max);
        prop_assert_eq!(largest, 9.0);
    }

    #[test]
    fn a_symmetric_kernel_commutes_with_turning_the_image(x in image(), w in kernel()) {
        let mirrored = turned(&w);
        let w = Tensor::from_fn(w.shape(), |i| f64::midpoint(w.data()[i], mirrored.data()[i])); // the mean over the orbit
        prop_assert_eq!(dilate(&turned(&x), &w), turned(&dilate(&x, &w)));
    }

    #[test]
    fn a_separable_kernel_is_two_dilations(
        x in image(), a in strategy::tensor([SIZE[0], 1, 1]), b in strategy::tensor([1, SIZE[1], 1])
    ) {
        let w = Tensor::from_fn([SIZE[0], SIZE[1], 1], |i| a.data()[i / SIZE[1]] + b.data()[i % SIZE[1]]);
        prop_assert!(distance(&dilate(&x, &w), &dilate(&dilate(&x, &b), &a)) <= ROUNDING);
    }

    #[test]
    fn a_kernel_with_the_triangle_inequality_makes_an_idempotent_dilation(x in strategy::tensor([1, 3, 4, 1]), slope in 0.0..2.0f64) {
        // A cone over a window that reaches from every pixel to every other.
        let cone = Tensor::from_fn([5, 7, 1], |i| {
            let (row, column) = ((i / 7) as f64 - 2.0, (i % 7) as f64 - 3.0);
            -slope * row.hypot(column)
        });
        let once = dilate(&x, &cone);
        prop_assert!(distance(&dilate(&once, &cone), &once) <= ROUNDING);
    }
}
