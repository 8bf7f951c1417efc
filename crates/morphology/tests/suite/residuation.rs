//! Laws of residuation. All numbers are halves, so that differences and sums are exact and the laws
//! hold without tolerance.

use morphograd_morphology::nn::autodiff::sets::Constraint;
use morphograd_morphology::nn::tensor::{Tensor, TensorRef, Window2d};
use morphograd_morphology::{
    Depthwise2d, FilterBank2d, Lattice, MaxPlus, MinMinus, Residuation, StructuringElement, Support,
};
use morphograd_testkit::{strategy, vjp};
use proptest::prelude::*;

fn apply<L: Lattice>(window: Window2d, x: &Tensor<f64>, kernel: &Tensor<f64>) -> Tensor<f64> {
    let &[batch, height, width, channels] = x.shape().dims() else { panic!("rank 4") };
    let &[kh, kw, outputs] = kernel.shape().dims() else { panic!("rank 3") };
    let [rows, columns] = window.extent([height, width]).unwrap().output;
    let zeros = vec![0.0; batch * rows * columns * outputs];
    let y = if channels == outputs {
        vjp(Depthwise2d::<L>::new(window), &[x.clone(), kernel.clone()], &zeros).0
    } else {
        let filters = Tensor::from_vec([kh, kw, 1, outputs], kernel.data().to_vec()).unwrap();
        vjp(FilterBank2d::<L>::new(window), &[x.clone(), filters], &zeros).0
    };
    Tensor::from_vec([batch, rows, columns, outputs], y).unwrap()
}

fn below(a: &Tensor<f64>, b: &Tensor<f64>) -> bool {
    a.data().iter().zip(b.data()).all(|(a, b)| a <= b)
}

/// A window, images of one or two channels, a kernel for each channel or for three filters of the
/// one, and noise for targets.
type Case = (Window2d, Tensor<f64>, Tensor<f64>, Tensor<f64>);

fn cases() -> impl Strategy<Value = Case> {
    let outputs = prop_oneof![Just((1, 1)), Just((2, 2)), Just((1, 3))];
    (strategy::window(), outputs).prop_flat_map(|(window, (channels, outputs))| {
        let [kh, kw] = window.size;
        let [rows, columns] = window.extent([7, 8]).unwrap().output;
        (
            Just(window),
            strategy::tied_tensor([3, 7, 8, channels]),
            strategy::tied_tensor([kh, kw, outputs]),
            strategy::tied_tensor([3, rows, columns, outputs]),
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_kernel_is_the_greatest_whose_dilation_stays_below_the_target(
        (window, x, _, y) in cases(),
    ) {
        let found = Residuation::new(window).dilation(x.view(), y.view()).unwrap();
        let dilated = apply::<MaxPlus>(window, &x, &found.kernel);
        prop_assert!(below(&dilated, &y));
        let differences =
            || y.data().iter().zip(dilated.data()).filter(|(y, d)| y != d).map(|(y, d)| y - d);
        prop_assert_eq!(found.residual.largest, differences().fold(0.0, f64::max));
        prop_assert_eq!(found.residual.squares, differences().map(|d| d * d).sum::<f64>());
        for n in 0..found.kernel.data().len() {
            let mut larger = found.kernel.clone();
            if larger.data()[n] < f64::INFINITY {
                larger.data_mut()[n] += 0.5;
                prop_assert!(!below(&apply::<MaxPlus>(window, &x, &larger), &y), "entry {}", n);
            }
        }
    }

    #[test]
    fn the_kernel_is_the_greatest_whose_erosion_stays_above_the_target(
        (window, x, _, y) in cases(),
    ) {
        let found = Residuation::new(window).erosion(x.view(), y.view()).unwrap();
        prop_assert!(below(&y, &apply::<MinMinus>(window.adjoint(), &x, &found.kernel)));
        for n in 0..found.kernel.data().len() {
            let mut larger = found.kernel.clone();
            if larger.data()[n] < f64::INFINITY {
                larger.data_mut()[n] += 0.5;
                prop_assert!(
                    !below(&y, &apply::<MinMinus>(window.adjoint(), &x, &larger)),
                    "entry {}",
                    n
                );
            }
        }
    }

    #[test]
    fn a_target_that_a_kernel_gives_is_reached_by_a_kernel_at_least_as_great(
        (window, x, w, _) in cases(),
    ) {
        let residuation = Residuation::new(window);
        let dilated =
            residuation.dilation(x.view(), apply::<MaxPlus>(window, &x, &w).view()).unwrap();
        prop_assert_eq!((dilated.residual.largest, dilated.residual.squares), (0.0, 0.0));
        prop_assert!(below(&w, &dilated.kernel));
        let eroded = residuation
            .erosion(x.view(), apply::<MinMinus>(window.adjoint(), &x, &w).view())
            .unwrap();
        prop_assert_eq!(eroded.residual.largest, 0.0);
        prop_assert!(below(&w, &eroded.kernel));
    }

    #[test]
    fn with_an_upper_bound_it_is_the_greatest_below_both(
        (window, x, _, y) in cases(),
        max in (-4..=4i8).prop_map(f64::from),
    ) {
        let free = Residuation::new(window).dilation(x.view(), y.view()).unwrap();
        let bounded = Residuation { window, max }.dilation(x.view(), y.view()).unwrap();
        let expected: Vec<f64> = free.kernel.data().iter().map(|w| w.min(max)).collect();
        prop_assert_eq!(bounded.kernel.data(), expected);
    }

    #[test]
    fn the_kernel_does_not_depend_on_the_number_of_threads((window, x, _, y) in cases()) {
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Residuation::new(window).dilation(x.view(), y.view()).unwrap())
        };
        prop_assert_eq!(on(1), on(3));
    }
}

#[test]
fn a_hidden_element_is_found_with_its_support() {
    // An image with one bright pixel on a dark ground shows every entry.
    let element = StructuringElement::new(
        [2, 3],
        [0, 1],
        &[-0.5, 0.0, f64::NEG_INFINITY, -1.0, -0.25, -0.75],
    )
    .unwrap();
    let mut x = Tensor::filled([1, 9, 9, 1], f64::NEG_INFINITY);
    x.data_mut()[40] = 1.0;
    let y = apply::<MaxPlus>(element.window(), &x, &element.kernel(1));
    let found = Residuation::new(element.window()).dilation(x.view(), y.view()).unwrap();
    assert_eq!(
        (found.kernel.data(), found.residual.squares),
        (element.kernel::<f64>(1).data(), 0.0)
    );
    // With less to see, what is known of the support helps: the greatest kernel on a support is the
    // restriction of the greatest.
    let x = Tensor::filled([1, 9, 9, 1], 0.0);
    let y = apply::<MaxPlus>(element.window(), &x, &element.kernel(1));
    let mut found = Residuation::new(element.window()).dilation(x.view(), y.view()).unwrap().kernel;
    Support::of(element.clone()).project(found.shape(), found.data_mut());
    assert!(
        apply::<MaxPlus>(element.window(), &x, &found)
            .data()
            .iter()
            .zip(y.data())
            .all(|(a, b)| a <= b)
    );
    assert_eq!(found.data().iter().filter(|w| **w == f64::NEG_INFINITY).count(), 9 - 5);
}

#[test]
fn what_nothing_bounds_is_the_upper_bound() {
    let window = Window2d::new([1, 2]);
    let (no, inf) = (f64::NEG_INFINITY, f64::INFINITY);
    let identify = |x: &[f64], y: &[f64], max| {
        let (x, y) = (TensorRef::new([1, 1, 3, 1], x), TensorRef::new([1, 1, 2, 1], y));
        Residuation { window, max }.dilation(x, y).unwrap()
    };
    assert_eq!(identify(&[no, no, 1.0], &[no, 3.0], inf).kernel.data(), [inf, 2.0]);
    assert_eq!(identify(&[no, no, 1.0], &[no, 3.0], 7.0).kernel.data(), [7.0, 2.0]);
    assert_eq!(identify(&[0.0, 1.0, 2.0], &[inf, inf], 1.0).kernel.data(), [1.0, 1.0]);
    assert_eq!(identify(&[inf, 1.0, 2.0], &[0.0, 0.0], inf).kernel.data(), [no, -2.0]);
    let unreachable = identify(&[0.0, 0.0, 0.0], &[0.0, 3.0], inf);
    assert_eq!((unreachable.residual.largest, unreachable.residual.squares), (3.0, 9.0));
    let nothing = Tensor::<f64>::zeros([0, 5, 5, 2]);
    let empty = Residuation { window, max: 1.0 }
        .dilation(nothing.view(), Tensor::zeros([0, 5, 4, 2]).view())
        .unwrap();
    assert_eq!((empty.kernel.data(), empty.residual.largest), (&[1.0; 4][..], 0.0));
}

#[test]
fn wrong_shapes_and_nan_are_refused_by_name() {
    let window = Window2d::new([3, 3]);
    let refused = |x: [usize; 4], y: [usize; 4]| {
        let (x, y) = (Tensor::<f32>::zeros(x), Tensor::zeros(y));
        Residuation::new(window).erosion(x.view(), y.view()).unwrap_err().to_string()
    };
    assert_eq!(
        refused([2, 5, 5, 2], [2, 3, 3, 3]),
        "residuation: expected targets [2, 3, 3, 2], found shape [2, 3, 3, 3]"
    );
    assert_eq!(
        refused([2, 5, 5, 1], [2, 5, 5, 1]),
        "residuation: expected targets [2, 3, 3, filters], found shape [2, 5, 5, 1]"
    );
    let (mut x, y) = (Tensor::zeros([1, 3, 3, 1]), Tensor::zeros([1, 1, 1, 1]));
    x.data_mut()[4] = f32::NAN;
    let error = Residuation::new(window).dilation(x.view(), y.view()).unwrap_err();
    assert_eq!(error.to_string(), "residuation: expected numbers, found NaN at image position 4");
}
