//! Sums and means, largest and smallest elements, of everything and over axes.

use morphograd_autodiff::tensor::{Shape, Tensor};
use morphograd_autodiff::{
    Axes, MaxAxes, Mean, MeanAxes, MinAxes, Sum, SumAxes, Ties, evaluate, evaluate_with_gradients,
};
use morphograd_testkit::{check_op, strategy, vjp};
use proptest::prelude::*;

use crate::{coordinates, index, refusal, tensor};

const RULES: [Ties; 3] = [Ties::First, Ties::Last, Ties::Split];

/// A shape, and some of its axes.
fn shape_and_axes() -> impl Strategy<Value = (Shape, Vec<usize>)> {
    proptest::collection::vec((1..4usize, any::<bool>()), 0..=6).prop_map(|axes| {
        let dims: Vec<usize> = axes.iter().map(|(n, _)| *n).collect();
        let chosen = (0..axes.len()).rev().filter(|axis| axes[*axis].1).collect();
        (Shape::new(&dims), chosen)
    })
}

/// Which elements of a tensor make each of the outputs, in row-major order.
fn groups(shape: Shape, axes: &[usize]) -> Vec<Vec<usize>> {
    let rest = |all: &[usize]| -> Vec<usize> {
        (0..shape.rank()).filter(|axis| !axes.contains(axis)).map(|axis| all[axis]).collect()
    };
    let output = Shape::new(&rest(shape.dims()));
    let mut groups = vec![Vec::new(); output.len()];
    for i in 0..shape.len() {
        groups[index(output, &rest(&coordinates(shape, i)))].push(i);
    }
    groups
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn gradients_agree_with_differences(
        (x, axes) in shape_and_axes()
            .prop_flat_map(|(shape, axes)| (strategy::tensor(shape), Just(axes))),
        kept in any::<bool>(),
    ) {
        let x = std::slice::from_ref(&x);
        let axes = Axes::from(&axes[..]);
        let axes = if kept { Axes::kept(axes) } else { axes };
        check_op(Sum, x);
        check_op(Mean, x);
        check_op(SumAxes { axes }, x);
        check_op(MeanAxes { axes }, x);
        for ties in RULES {
            check_op(MaxAxes { axes, ties }, x);
            check_op(MinAxes { axes, ties }, x);
        }
    }

    #[test]
    fn values_and_gradients_are_those_of_the_definition_also_at_ties(
        (x, axes) in shape_and_axes()
            .prop_flat_map(|(shape, axes)| (strategy::tied_tensor(shape), Just(axes))),
        ties in prop::sample::select(RULES.to_vec()),
    ) {
        let groups = groups(x.shape(), &axes);
        let g: Vec<f64> = (0..groups.len()).map(|i| i as f64 - 3.5).collect();
        let axes = Axes::from(&axes[..]);
        let inputs = std::slice::from_ref(&x);
        let (sum, mean) = (vjp(SumAxes { axes }, inputs, &g), vjp(MeanAxes { axes }, inputs, &g));
        let max = vjp(MaxAxes { axes, ties }, inputs, &g);
        let min = vjp(MinAxes { axes, ties }, inputs, &g);
        for (o, group) in groups.iter().enumerate() {
            let own: Vec<f64> = group.iter().map(|i| x.data()[*i]).collect();
            let (total, n) = (own.iter().sum::<f64>(), own.len() as f64);
            prop_assert!((sum.0[o] - total).abs() < 1e-12);
            prop_assert!((mean.0[o] - total / n).abs() < 1e-12);
            for i in group {
                prop_assert_eq!(sum.1[0][*i], g[o]);
                prop_assert_eq!(mean.1[0][*i], g[o] / n);
            }
            let largest = own.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let smallest = own.iter().copied().fold(f64::INFINITY, f64::min);
            for ((y, grads), best) in [(&max, largest), (&min, smallest)] {
                prop_assert_eq!(y[o], best);
                let is_best = |i: &usize| x.data()[*i] == best;
                let tied: Vec<usize> = group.iter().copied().filter(is_best).collect();
                let chosen = match ties {
                    Ties::First => &tied[..1],
                    Ties::Last => &tied[tied.len() - 1..],
                    Ties::Split => &tied[..],
                };
                for i in group {
                    let share = if chosen.contains(i) { g[o] / chosen.len() as f64 } else { 0.0 };
                    prop_assert_eq!(grads[0][*i], share);
                }
            }
        }
    }
}

#[test]
fn means_and_sums_of_millions_keep_their_digits() {
    for n in [1_000_000, 10_000_000, 30_000_000] {
        let x = Tensor::filled([n], 0.1f32);
        let mean = evaluate([x.view()], |graph, [x]| graph.mean(x)).unwrap().data()[0];
        assert!((mean - 0.1).abs() <= 0.1 * f32::EPSILON, "{n}: {mean}");
    }
    let ones = Tensor::filled([20_000_000], 1.0f32);
    let sum = evaluate([ones.view()], |graph, [x]| graph.sum(x)).unwrap();
    assert_eq!(sum.data(), [20_000_000.0]);
    let x = Tensor::filled([1000, 2, 1000, 3], 0.1f32);
    let (mean, [dx]) =
        evaluate_with_gradients([x.view()], &[1e6; 6], |graph, [x]| graph.mean_axes(x, [0, 2]))
            .unwrap();
    assert!(mean.data().iter().all(|mean| (mean - 0.1).abs() <= 0.2 * f32::EPSILON));
    assert!(dx.data().iter().all(|dx| *dx == 1.0));
}

#[test]
fn all_axes_make_a_scalar_and_none_a_copy() {
    let x = tensor(&[2, 2], &[1.0, 4.0, 3.0, 2.0]);
    let all = evaluate([x.view()], |graph, [x]| {
        let [max, min] = [graph.max(x)?, graph.min(x)?];
        Ok([max, min, graph.sum_axes(x, Axes::ALL)?, graph.mean_axes(x, [0, 1])?])
    });
    assert_eq!(
        all.unwrap().map(|y| (y.shape(), y.data()[0])),
        [4.0, 1.0, 10.0, 2.5].map(|y| (Shape::scalar(), y))
    );
    let [copy, kept] = evaluate([x.view()], |graph, [x]| {
        Ok([graph.sum_axes(x, [])?, graph.max_axes(x, Axes::kept(Axes::ALL))?])
    })
    .unwrap();
    assert_eq!(copy, x);
    assert_eq!((kept.shape().dims(), kept.data()), (&[1, 1][..], &[4.0][..]));
}

#[test]
fn no_number_is_never_hidden_and_tied_with_its_like() {
    let x = tensor(&[1, 3], &[f64::NAN, 1.0, f64::NAN]);
    let axes = Axes::from([1]);
    let shares = [[3.0, 0.0, 0.0], [0.0, 0.0, 3.0], [1.5, 0.0, 1.5]];
    for (ties, expected) in RULES.into_iter().zip(shares) {
        let x = std::slice::from_ref(&x);
        for (y, grads) in
            [vjp(MaxAxes { axes, ties }, x, &[3.0]), vjp(MinAxes { axes, ties }, x, &[3.0])]
        {
            assert!(y[0].is_nan());
            assert_eq!(grads[0], expected, "{ties:?}");
        }
    }
    let infinite = tensor(&[2], &[f64::NEG_INFINITY; 2]);
    let (y, grads) = vjp(MaxAxes { axes: Axes::ALL, ties: Ties::First }, &[infinite], &[1.0]);
    assert_eq!((y, &grads[0][..]), (vec![f64::NEG_INFINITY], &[1.0, 0.0][..]));
}

#[test]
fn nothing_has_the_sum_zero_and_no_mean() {
    let empty = Tensor::<f64>::zeros([2, 0]);
    let zero = evaluate([empty.view()], |graph, [x]| graph.sum(x)).unwrap();
    let zeros = evaluate([empty.view()], |graph, [x]| graph.sum_axes(x, [1])).unwrap();
    assert_eq!((zero.data(), zeros.data()), (&[0.0][..], &[0.0, 0.0][..]));
    let none = evaluate([empty.view()], |graph, [x]| graph.mean_axes(x, [0])).unwrap();
    assert!(none.data().is_empty());
    assert_eq!(
        refusal([&[2, 0]], |graph, [x]| graph.mean(x)),
        "mean: expected at least one element, found shape [2, 0]"
    );
    assert_eq!(
        refusal([&[2, 0]], |graph, [x]| graph.mean_axes(x, [1])),
        "mean_axes: expected at least one element, found shape [2, 0]"
    );
    assert_eq!(
        refusal([&[2, 0]], |graph, [x]| graph.min_axes(x, [1])),
        "min_axes: expected at least one element, found shape [2, 0]"
    );
}

#[test]
fn axes_that_do_not_exist_or_stand_twice_are_refused() {
    assert_eq!(
        refusal([&[2, 3]], |graph, [x]| graph.sum_axes(x, [2])),
        "sum_axes: expected different axes of shape [2, 3], found axes [2]"
    );
    assert_eq!(
        refusal([&[2, 3]], |graph, [x]| graph.max_axes(x, [1, 1])),
        "max_axes: expected different axes of shape [2, 3], found axes [1, 1]"
    );
    let many = refusal([&[2, 3]], |graph, [x]| graph.sum_axes(x, [0; 7]));
    assert!(many.starts_with("sum_axes: expected different axes"), "{many}");
    let count = u32::MAX as usize + 1;
    assert_eq!(
        refusal([&[count]], |graph, [x]| graph.max(x)),
        format!("max_axes: expected at most 4294967295 elements, found shape [{count}]")
    );
}
