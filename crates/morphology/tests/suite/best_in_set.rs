//! The best kernel of a set: never beaten by brute force on a grid, and its proof checked by a
//! dilation that is written out here.

use morphograd_morphology::nn::sets::{Constraint, Intersection, Interval, Isotonic, Member};
use morphograd_morphology::nn::tensor::{Shape, Tensor, Window2d};
use morphograd_morphology::{
    BestInSet, ConstantKernel, RadiallyNonIncreasing, Residuation, StructuringElement,
    SupNormalized, Support, Symmetric, Witness, ZeroCentre,
};
use morphograd_testkit::strategy;
use proptest::prelude::*;

const WINDOW: Window2d = Window2d::new([1, 3]);
/// The kernel's shape.
const KERNEL: [usize; 3] = [1, 3, 1];

fn sets() -> Vec<Box<dyn Member>> {
    let radial = RadiallyNonIncreasing::default();
    vec![
        Box::new(Interval { min: f64::NEG_INFINITY, max: f64::INFINITY }),
        Box::new(Interval { min: -1.0, max: 0.0 }),
        Box::new(Interval { min: 0.0, max: f64::INFINITY }),
        Box::new(ZeroCentre { min: -1.5, max: 0.0 }),
        Box::new(SupNormalized),
        Box::new(ConstantKernel::default()),
        Box::new(Symmetric::Central),
        Box::new(Isotonic::NonDecreasing),
        Box::new(radial),
        Box::new(Intersection::of(radial).and(Interval { min: -1.0, max: 0.0 })),
        Box::new(Support::of(StructuringElement::line(3, 0.0).unwrap())),
    ]
}

/// A dilation over whole windows, by its definition; an erosion with the mirrored kernel.
fn apply(erodes: bool, x: &Tensor<f64>, w: &[f64]) -> Vec<f64> {
    let columns = x.shape().dims()[2];
    let windows = x.data().chunks_exact(columns).flat_map(|row| row.windows(3));
    windows
        .map(|x| {
            if erodes {
                (0..3).map(|d| x[d] - w[2 - d]).fold(f64::INFINITY, f64::min)
            } else {
                (0..3).map(|d| x[d] + w[d]).fold(f64::NEG_INFINITY, f64::max)
            }
        })
        .collect()
}

fn error(erodes: bool, x: &Tensor<f64>, y: &Tensor<f64>, w: &[f64]) -> f64 {
    apply(erodes, x, w).iter().zip(y.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn best(erodes: bool, x: &Tensor<f64>, y: &Tensor<f64>, set: &dyn Member) -> BestInSet<f64> {
    let residuation = Residuation::new(WINDOW);
    let find = if erodes { Residuation::best_erosion } else { Residuation::best_dilation };
    find(&residuation, x.view(), y.view(), set).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_kernel_of_the_set_is_better_and_the_proof_can_be_checked(
        x in strategy::tied_tensor([1, 2, 6, 1]),
        y in strategy::tied_tensor([1, 2, 4, 1]),
        erodes in any::<bool>(),
    ) {
        for set in sets() {
            let set = &*set;
            let found = best(erodes, &x, &y, set);
            let (kernel, proof) = (found.kernel.data(), found.outputs[0]);
            prop_assert_eq!(Constraint::<f64>::violation(set, KERNEL.into(), kernel), 0.0);
            prop_assert!((error(erodes, &x, &y, kernel) - proof.error).abs() < 1e-12);
            prop_assert!(proof.bound <= proof.error && proof.error - proof.bound < 1e-9);

            // Brute force, on a grid that has the best kernel wherever it is in its range.
            let grid = (-12..=12).map(|n| f64::from(n) / 4.0);
            for a in grid.clone() {
                for b in grid.clone() {
                    for c in grid.clone() {
                        let w = [a, b, c];
                        if Constraint::<f64>::violation(set, KERNEL.into(), &w) == 0.0 {
                            let other = error(erodes, &x, &y, &w);
                            prop_assert!(other >= proof.error - 1e-9, "{:?} {:?}", set, w);
                        }
                    }
                }
            }

            // The proof: below the greatest kernel that the error allows there is no other, and the
            // greatest of the set below it is not enough at one pixel.
            let bound = |d: usize| {
                let row = x.shape().dims()[2];
                let windows = x.data().chunks_exact(row).flat_map(|row| row.windows(3));
                let differences = windows.zip(y.data()).map(|(x, y)| {
                    if erodes { x[2 - d] - y } else { y - x[d] }
                });
                differences.fold(f64::INFINITY, f64::min) + proof.bound
            };
            let mut greatest = [bound(0), bound(1), bound(2)];
            let exists = Constraint::<f64>::greatest_below(set, KERNEL.into(), &mut greatest);
            match proof.witness {
                Witness::Exact => prop_assert_eq!(proof.error, 0.0),
                Witness::Set => prop_assert!(!exists),
                Witness::Pixel(i) => {
                    let found = apply(erodes, &x, &greatest)[i];
                    let short = if erodes { found - y.data()[i] } else { y.data()[i] - found };
                    prop_assert!(exists && short > proof.bound, "{:?} {} {:?}", set, short, proof);
                }
            }
        }
    }

    /// Half of what the greatest kernel below the target misses.
    #[test]
    fn without_a_set_the_best_kernel_is_the_greatest_one_raised_by_half_its_residual(
        x in strategy::tied_tensor([1, 2, 6, 1]),
        y in strategy::tied_tensor([1, 2, 4, 1]),
    ) {
        let all = Interval { min: f64::NEG_INFINITY, max: f64::INFINITY };
        let found = best(false, &x, &y, &all);
        let below = Residuation::new(WINDOW).dilation(x.view(), y.view()).unwrap();
        let half = below.residual.largest / 2.0;
        prop_assert!((found.outputs[0].error - half).abs() < 1e-12);
        for (w, below) in found.kernel.data().iter().zip(below.kernel.data()) {
            prop_assert!((w - below - half).abs() < 1e-12);
        }
    }
}

#[test]
fn every_output_has_a_kernel_and_a_proof_of_its_own() {
    let x = Tensor::from_fn([2, 5, 6, 1], |i| ((i * 7) % 11) as f64 / 4.0);
    let y = Tensor::from_fn([2, 5, 4, 3], |i| ((i * 5) % 13) as f64 / 4.0);
    let set = Interval { min: -1.0, max: 0.0 };
    let all = Residuation::new(WINDOW).best_dilation(x.view(), y.view(), &set).unwrap();
    assert_eq!((all.kernel.shape(), all.outputs.len()), (Shape::from([1, 3, 3]), 3));
    for output in 0..3 {
        let one = Tensor::from_fn([2, 5, 4, 1], |i| y.data()[3 * i + output]);
        let alone = Residuation::new(WINDOW).best_dilation(x.view(), one.view(), &set).unwrap();
        assert_eq!(all.outputs[output], alone.outputs[0]);
        let kernel: Vec<f64> = all.kernel.data().iter().skip(output).step_by(3).copied().collect();
        assert_eq!(kernel, alone.kernel.data());
    }
}

#[test]
fn a_set_that_is_too_far_away_is_an_error() {
    let (x, y) = (Tensor::zeros([1, 1, 4, 1]), Tensor::filled([1, 1, 2, 1], f64::INFINITY));
    let set = Interval { min: -1.0, max: 0.0 };
    let error = Residuation::new(WINDOW).best_dilation(x.view(), y.view(), &set).unwrap_err();
    let expected = "residuation: expected a set with a kernel at a finite distance from the \
                    target, found Interval { min: -1.0, max: 0.0 }";
    assert_eq!(error.to_string(), expected);
}

#[test]
#[should_panic(expected = "does not state the capability `greatest`")]
fn a_set_that_is_not_closed_under_maxima_is_refused() {
    let (x, y) = (Tensor::<f64>::zeros([1, 1, 4, 1]), Tensor::zeros([1, 1, 2, 1]));
    let set = morphograd_morphology::Concave;
    drop(Residuation::new(WINDOW).best_dilation(x.view(), y.view(), &set));
}
