//! Operations that move elements: reshape, transpose, concat, stack, slice, select.

use morphograd_autodiff::tensor::{Shape, Tensor};
use morphograd_autodiff::{Concat, MAX_INPUTS, Reshape, Select, Slice, Stack, Transpose, evaluate};
use morphograd_testkit::{check_op, strategy, vjp};
use proptest::prelude::*;

use crate::{coordinates, index, refusal, tensor};

/// A shape of 1 to 4 axes, and one of them.
fn shape_and_axis() -> impl Strategy<Value = (Vec<usize>, usize)> {
    proptest::collection::vec(1..4usize, 1..5)
        .prop_flat_map(|dims| (0..dims.len()).prop_map(move |axis| (dims.clone(), axis)))
}

fn with(dims: &[usize], axis: usize, n: usize) -> Shape {
    let mut dims = dims.to_vec();
    dims[axis] = n;
    Shape::new(&dims)
}

/// Checks an output and its gradients against where each element comes from: input and index.
fn check(
    inputs: &[Tensor<f64>],
    (y, grads): (Vec<f64>, Vec<Vec<f64>>),
    g: &[f64],
    source: impl Fn(usize) -> (usize, usize),
) {
    let mut expected: Vec<Vec<f64>> = inputs.iter().map(|x| vec![0.0; x.data().len()]).collect();
    assert_eq!(y.len(), g.len());
    for (i, (y, g)) in y.iter().zip(g).enumerate() {
        let (k, at) = source(i);
        assert_eq!(*y, inputs[k].data()[at], "element {i}");
        expected[k][at] += g;
    }
    assert_eq!(grads, expected);
}

fn gradient(n: usize) -> Vec<f64> {
    (0..n).map(|i| i as f64 - 4.5).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn concat_puts_elements_where_the_definition_says(
        (inputs, axis) in (shape_and_axis(), proptest::collection::vec(0..4usize, 1..=MAX_INPUTS))
            .prop_flat_map(|((dims, axis), lengths)| {
                let shapes = lengths.into_iter().map(move |n| with(&dims, axis, n));
                (shapes.map(strategy::tensor).collect::<Vec<_>>(), Just(axis))
            }),
    ) {
        let length = |x: &Tensor<f64>| x.shape().dims()[axis];
        let total = inputs.iter().map(length).sum();
        let shape = with(inputs[0].shape().dims(), axis, total);
        let g = gradient(shape.len());
        check(&inputs, vjp(Concat { axis }, &inputs, &g), &g, |i| {
            let mut at = coordinates(shape, i);
            let mut k = 0;
            while at[axis] >= length(&inputs[k]) {
                at[axis] -= length(&inputs[k]);
                k += 1;
            }
            (k, index(inputs[k].shape(), &at))
        });
        check_op(Concat { axis }, &inputs);
    }

    #[test]
    fn stack_puts_elements_where_the_definition_says_and_select_takes_them_back(
        (inputs, axis) in (proptest::collection::vec(1..4usize, 0..5), 1..=MAX_INPUTS)
            .prop_flat_map(|(dims, n)| {
                let axis = 0..=dims.len();
                (proptest::collection::vec(strategy::tensor(Shape::new(&dims)), n), axis)
            }),
    ) {
        let mut dims = inputs[0].shape().dims().to_vec();
        dims.insert(axis, inputs.len());
        let shape = Shape::new(&dims);
        let g = gradient(shape.len());
        let stacked = vjp(Stack { axis }, &inputs, &g);
        let whole = Tensor::from_vec(shape, stacked.0.clone()).unwrap();
        check(&inputs, stacked, &g, |i| {
            let mut at = coordinates(shape, i);
            let k = at.remove(axis);
            (k, index(inputs[k].shape(), &at))
        });
        check_op(Stack { axis }, &inputs);
        let whole = std::slice::from_ref(&whole);
        for (k, x) in inputs.iter().enumerate() {
            let select = Select { axis, index: k };
            let g = gradient(x.data().len());
            check(whole, vjp(select, whole, &g), &g, |i| {
                let mut at = coordinates(x.shape(), i);
                at.insert(axis, k);
                (0, index(shape, &at))
            });
            prop_assert_eq!(&vjp(select, whole, &g).0, x.data());
        }
        check_op(Select { axis, index: 0 }, whole);
    }

    #[test]
    fn slice_takes_elements_from_where_the_definition_says(
        (x, axis, start, length) in shape_and_axis().prop_flat_map(|(dims, axis)| {
            let n = dims[axis];
            (strategy::tensor(Shape::new(&dims)), Just(axis), 0..=n, 0..=n)
        }),
    ) {
        let end = (start + length).min(x.shape().dims()[axis]);
        let (op, x) = (Slice { axis, start, end }, std::slice::from_ref(&x));
        let shape = with(x[0].shape().dims(), axis, end - start);
        let g = gradient(shape.len());
        check(x, vjp(op, x, &g), &g, |i| {
            let mut at = coordinates(shape, i);
            at[axis] += start;
            (0, index(x[0].shape(), &at))
        });
        check_op(op, x);
    }

    #[test]
    fn transpose_takes_elements_from_where_the_definition_says(
        (x, order) in proptest::collection::vec(1..4usize, 0..=5).prop_flat_map(|dims| {
            let order = Just((0..dims.len()).collect::<Vec<_>>()).prop_shuffle();
            (strategy::tensor(Shape::new(&dims)), order)
        }),
    ) {
        let (op, input) = (Transpose::new(&order), x.shape());
        let dims: Vec<usize> = order.iter().map(|axis| input.dims()[*axis]).collect();
        let shape = Shape::new(&dims);
        let (x, g) = (std::slice::from_ref(&x), gradient(shape.len()));
        check(x, vjp(op, x, &g), &g, |i| {
            let from = coordinates(shape, i);
            let mut at = from.clone();
            order.iter().zip(from).for_each(|(axis, c)| at[*axis] = c);
            (0, index(input, &at))
        });
        check_op(op, x);
    }

    #[test]
    fn reshape_keeps_the_order(
        x in (1..4usize, 1..4usize).prop_flat_map(|(n, m)| strategy::tensor([n, 2, m])),
    ) {
        let shape = Shape::from([x.data().len() / 2, 1, 2]);
        let (x, g) = (std::slice::from_ref(&x), gradient(shape.len()));
        check(x, vjp(Reshape(shape), x, &g), &g, |i| (0, i));
        check_op(Reshape(shape), x);
    }
}

#[test]
fn large_tensors_are_cut_into_pieces_at_the_right_places() {
    let x = Tensor::from_fn([3000, 5, 2], |i| i as f64);
    let parts = evaluate([x.view()], |graph, [x]| {
        let (a, b) = (graph.slice(x, 1, 0..2)?, graph.slice(x, 1, 2..5)?);
        let levels = [graph.select(x, 2, 0)?, graph.select(x, 2, 1)?];
        Ok([graph.concat([a, b], 1)?, graph.stack(levels, 2)?])
    });
    assert_eq!(parts.unwrap(), [x.clone(), x]);
}

#[test]
fn empty_tensors_are_no_trouble() {
    let none = Tensor::<f64>::zeros([0, 3]);
    let pair = [none.clone(), none.clone()];
    for (y, grads) in [
        vjp(Concat { axis: 1 }, &pair, &[]),
        vjp(Stack { axis: 1 }, &pair, &[]),
        vjp(Slice { axis: 1, start: 1, end: 2 }, std::slice::from_ref(&none), &[]),
        vjp(Select { axis: 1, index: 0 }, std::slice::from_ref(&none), &[]),
        vjp(Transpose::new([1, 0]), std::slice::from_ref(&none), &[]),
        vjp(Reshape([3, 0].into()), std::slice::from_ref(&none), &[]),
    ] {
        assert!(y.is_empty() && grads.iter().all(Vec::is_empty));
    }
    let x = tensor(&[2, 2], &[1.0; 4]);
    let (y, grads) = vjp(Slice { axis: 1, start: 2, end: 2 }, &[x], &[]);
    assert!(y.is_empty());
    assert_eq!(grads[0], [0.0; 4]);
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    assert_eq!(
        refusal([&[1, 2, 2, 1], &[1, 4, 4, 1]], |graph, inputs| graph.concat(inputs, 3)),
        "concat: expected inputs that agree with [1, 2, 2, 1] but for axis 3, found shape \
         [1, 4, 4, 1]"
    );
    assert_eq!(
        refusal([&[2], &[2, 1]], |graph, inputs| graph.concat(inputs, 0)),
        "concat: expected inputs that agree with [2] but for axis 0, found shape [2, 1]"
    );
    assert_eq!(
        refusal([&[]], |graph, inputs| graph.concat(inputs, 0)),
        "concat: expected inputs with an axis 0, found shape []"
    );
    assert_eq!(
        refusal([], |graph, inputs| graph.concat(inputs, 0)),
        "concat: expected 1 to 8 inputs, found 0"
    );
    assert_eq!(
        refusal([&[2], &[3]], |graph, inputs| graph.stack(inputs, 0)),
        "stack: expected inputs of one shape, [2], found shape [3]"
    );
    assert_eq!(
        refusal([&[2]], |graph, inputs| graph.stack(inputs, 2)),
        "stack: expected inputs of at least 2 and less than 6 axes, found shape [2]"
    );
    assert_eq!(
        refusal([&[1; 6]], |graph, inputs| graph.stack(inputs, 0)),
        "stack: expected inputs of at least 0 and less than 6 axes, found shape [1, 1, 1, 1, 1, 1]"
    );
    assert_eq!(
        refusal([&[2, 3]], |graph, [x]| graph.slice(x, 1, 2..4)),
        "slice: expected an axis 1 that has 2..4, found shape [2, 3]"
    );
    assert_eq!(
        refusal([&[2, 3]], |graph, [x]| graph.select(x, 1, 3)),
        "select: expected an axis 1 of more than 3 entries, found shape [2, 3]"
    );
    assert_eq!(
        refusal([&[2, 3]], |graph, [x]| graph.transpose(x, [0, 0])),
        "transpose: expected each axis of shape [2, 3] once, found order [0, 0]"
    );
    assert_eq!(
        refusal([&[2, 3]], |graph, [x]| graph.reshape(x, [7])),
        "reshape: expected as many elements as shape [7] has, found shape [2, 3]"
    );
    let uncountable = refusal([&[0]], |graph, [x]| graph.reshape(x, [usize::MAX, 2, 0]));
    assert!(uncountable.starts_with("reshape: expected at most "), "{uncountable}");
}
