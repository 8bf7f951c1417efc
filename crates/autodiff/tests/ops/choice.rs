//! The larger and the smaller of two tensors, and one of them as a mask says.

use morphograd_autodiff::tensor::Tensor;
use morphograd_autodiff::{
    Maximum, Minimum, Params, Ties, Where, evaluate, evaluate_with_gradients, gradcheck,
};
use morphograd_testkit::{check_op, strategy, vjp};
use proptest::prelude::*;

use crate::arithmetic::operands;
use crate::{broadcast_index, refusal, tensor};

const RULES: [Ties; 3] = [Ties::First, Ties::Last, Ties::Split];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn gradients_agree_with_differences(
        (a, b) in operands()
            .prop_flat_map(|(_, a, b)| (strategy::tensor(a), strategy::tensor(b))),
    ) {
        for ties in RULES {
            check_op(Maximum { ties }, &[a.clone(), b.clone()]);
            check_op(Minimum { ties }, &[a.clone(), b.clone()]);
        }
        // A mask of both kinds of element, none of which is near 0.
        let mask = Tensor::from_fn(a.shape(), |i| if i % 3 == 0 { 0.0 } else { i as f64 });
        let mut params = Params::new();
        let mut add = |name: &str, x: &Tensor<f64>| params.add(name, x.clone(), None).unwrap();
        let ids = [add("a", &a), add("b", &b)];
        gradcheck(&mut params, |graph| {
            let [a, b] = ids.map(|id| graph.param(id));
            let mask = graph.input(mask.view());
            graph.where_(mask, a, b)
        })
        .unwrap();
    }

    #[test]
    fn values_and_gradients_are_those_of_the_definition_also_at_ties(
        (all, a, b) in operands().prop_flat_map(|(all, a, b)| {
            (Just(all), strategy::tied_tensor(a), strategy::tied_tensor(b))
        }),
        ties in prop::sample::select(RULES.to_vec()),
    ) {
        let g: Vec<f64> = (0..all.len()).map(|i| i as f64 - 7.0).collect();
        let inputs = [a.clone(), b.clone()];
        let max = vjp(Maximum { ties }, &inputs, &g);
        let min = vjp(Minimum { ties }, &inputs, &g);
        let mask = vjp(Where, &[a.clone(), a.clone(), b.clone()], &g);
        let of = |y: fn(f64, f64) -> f64, share: &dyn Fn(f64, f64) -> f64| {
            let mut values = vec![0.0; all.len()];
            let mut grads = [vec![0.0; a.data().len()], vec![0.0; b.data().len()]];
            for i in 0..all.len() {
                let [at_a, at_b] = [&a, &b].map(|x| broadcast_index(x.shape(), all, i));
                let (a, b) = (a.data()[at_a], b.data()[at_b]);
                values[i] = y(a, b);
                grads[0][at_a] += g[i] * share(a, b);
                grads[1][at_b] += g[i] * (1.0 - share(a, b));
            }
            (values, grads)
        };
        // The share of a where it is `ahead` of b.
        let share = |ahead: f64| match ties {
            _ if ahead != 0.0 => f64::from(ahead > 0.0),
            Ties::First => 1.0,
            Ties::Last => 0.0,
            Ties::Split => 0.5,
        };
        let (values, grads) = of(f64::max, &|a, b| share(a - b));
        prop_assert_eq!((&max.0, &max.1[..]), (&values, &grads[..]));
        let (values, grads) = of(f64::min, &|a, b| share(b - a));
        prop_assert_eq!((&min.0, &min.1[..]), (&values, &grads[..]));
        let (values, grads) =
            of(|a, b| if a != 0.0 { a } else { b }, &|a, _| f64::from(a != 0.0));
        prop_assert_eq!((&mask.0, &mask.1[1..]), (&values, &grads[..]));
        prop_assert!(mask.1[0].iter().all(|g| *g == 0.0));
    }
}

#[test]
fn of_tied_candidates_the_first_the_last_or_both_get_the_gradient() {
    let inputs = [tensor(&[3], &[5.0, 2.0, 5.0]), tensor(&[3], &[5.0, 3.0, 4.0])];
    let expected = [
        (Ties::First, [[6.0, 0.0, 2.0], [0.0, 4.0, 0.0]]),
        (Ties::Last, [[0.0, 0.0, 2.0], [6.0, 4.0, 0.0]]),
        (Ties::Split, [[3.0, 0.0, 2.0], [3.0, 4.0, 0.0]]),
    ];
    for (ties, expected) in expected {
        assert_eq!(vjp(Maximum { ties }, &inputs, &[6.0, 4.0, 2.0]).1, expected, "{ties:?}");
    }
}

#[test]
fn no_number_is_never_hidden_and_tied_with_its_like() {
    let inputs =
        [tensor(&[3], &[f64::NAN, 1.0, f64::NAN]), tensor(&[3], &[1.0, f64::NAN, f64::NAN])];
    for (ties, third) in RULES.into_iter().zip([[3.0, 0.0], [0.0, 3.0], [1.5, 1.5]]) {
        for (y, grads) in [
            vjp(Maximum { ties }, &inputs, &[1.0, 2.0, 3.0]),
            vjp(Minimum { ties }, &inputs, &[1.0, 2.0, 3.0]),
        ] {
            assert!(y.iter().all(|y| y.is_nan()));
            assert_eq!(grads, [[1.0, 0.0, third[0]], [0.0, 2.0, third[1]]], "{ties:?}");
        }
    }
}

#[test]
fn a_gradient_that_is_no_number_stays_with_the_element_that_was_taken() {
    let (a, b) = (tensor(&[2], &[1.0, 1.0]), tensor(&[2], &[0.0, 2.0]));
    let mask = tensor(&[2], &[1.0, 0.0]);
    for grads in [
        vjp(Maximum::default(), &[a.clone(), b.clone()], &[f64::NAN, 5.0]).1,
        vjp(Where, &[mask, a, b], &[f64::NAN, 5.0]).1.split_off(1),
    ] {
        assert!(grads[0][0].is_nan());
        assert_eq!((grads[0][1], &grads[1][..]), (0.0, &[0.0, 5.0][..]));
    }
}

#[test]
fn a_mask_that_is_no_number_is_not_zero() {
    let mask = tensor(&[4], &[f64::NAN, 0.0, -0.0, f64::NEG_INFINITY]);
    let (a, b) = (tensor(&[], &[1.0]), tensor(&[], &[2.0]));
    let inputs = [mask.view(), a.view(), b.view()];
    let y = evaluate(inputs, |graph, [mask, a, b]| graph.where_(mask, a, b)).unwrap();
    assert_eq!(y.data(), [1.0, 2.0, 2.0, 1.0]);
}

/// How a logarithm that is cut off from below is written with these operations.
#[test]
fn a_number_raised_to_a_bound_keeps_its_gradient_from_the_bound_on() {
    let x = tensor(&[4], &[-1.0, 0.25, 0.5, f64::NAN]);
    let (y, [dx]) = evaluate_with_gradients([x.view()], &[1.0; 4], |graph, [x]| {
        let bound = graph.scalar(0.25);
        let raised = graph.maximum(x, bound)?;
        graph.log(raised)
    })
    .unwrap();
    assert_eq!(y.data()[..3], [0.25f64.ln(), 0.25f64.ln(), 0.5f64.ln()]);
    assert_eq!(dx.data()[..3], [0.0, 4.0, 2.0]);
    assert!(y.data()[3].is_nan() && dx.data()[3].is_nan());
}

#[test]
fn shapes_that_cannot_be_broadcast_are_refused() {
    assert_eq!(
        refusal([&[2, 3], &[2]], |graph, [a, b]| graph.maximum(a, b)),
        "maximum: expected shapes that can be broadcast, found [2, 3] and [2]"
    );
    assert_eq!(
        refusal([&[2], &[3], &[]], |graph, [mask, a, b]| graph.where_(mask, a, b)),
        "where: expected shapes that can be broadcast, found [2] and [3] and []"
    );
}
