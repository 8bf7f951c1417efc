//! Arithmetic of the order: the larger and the smaller of two images, and reductions of the
//! channels.
//!
//! The one design choice: every choice of a winner is one comparison in which the first of tied
//! candidates wins, unless another rule is chosen ([`Ties`]), and NaN beats every number, so that a
//! NaN is never hidden. The winner is found again in the backward pass rather than remembered. The
//! negative of an image is [`Scale(-1.0)`](morphograd_nn::autodiff::Scale).

use std::ops::RangeInclusive;

use morphograd_nn::autodiff::{Backward, Forward, Op, Ties};
use morphograd_nn::tensor::{MAX_RANK, Real, Shape, ShapeError};

/// $y = a \vee b$, the larger element of two tensors of one shape.
///
/// The gradient goes to the larger element; at a tie all of it to $a$ (as in TensorFlow), to $b$
/// with [`Ties::Last`], half to each with [`Ties::Split`]. NaN beats every number and is tied with
/// NaN. Cost: one comparison an element, each way.
///
/// ```
/// use morphograd_morphology::{
///     nn::autodiff::{Mode, Params, Tape},
///     nn::tensor::TensorRef,
///     order::Maximum,
/// };
/// let (params, mut tape) = (Params::<f32>::new(), Tape::new());
/// let mut graph = tape.record(&params, Mode::Eval);
/// let a = graph.input(TensorRef::new([3], &[1.0, 5.0, 2.0]));
/// let b = graph.input(TensorRef::new([3], &[4.0, 3.0, 2.0]));
/// let y = graph.apply(Maximum::default(), [a, b])?;
/// assert_eq!(graph.value(y).data, [4.0, 5.0, 2.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Maximum {
    /// Who gets the gradient where both are equal.
    pub ties: Ties,
}

/// $y = a \wedge b$, the smaller element of two tensors of one shape; otherwise as [`Maximum`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Minimum {
    /// Who gets the gradient where both are equal.
    pub ties: Ties,
}

/// $y = \max_c x_c$ over the last axis, which is kept with length 1:
/// `[batch, height, width, channels]` → `[batch, height, width, 1]`.
///
/// The gradient goes to the first of tied channels, to the last, or in equal parts to all of them,
/// as [`Ties`] says. NaN beats every number, and NaNs are tied with one another. Cost: one
/// comparison an element, each way; a second one backward if parts are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MaxChannels {
    /// Who gets the gradient where channels are equal.
    pub ties: Ties,
}

/// $y = \min_c x_c$ over the last axis; otherwise as [`MaxChannels`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MinChannels {
    /// Who gets the gradient where channels are equal.
    pub ties: Ties,
}

/// $y = \sum_c x_c$ over the last axis, which is kept with length 1; added from the first channel
/// to the last.
#[derive(Debug, Clone, Copy)]
pub struct SumChannels;

/// $y = \frac1n \sum_c x_c$ over the last axis, which is kept with length 1; added from the first
/// channel to the last.
#[derive(Debug, Clone, Copy)]
pub struct MeanChannels;

impl<T: Real> Op<T> for Maximum {
    fn name(&self) -> &'static str {
        "maximum"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        one_shape("maximum", inputs)
    }

    fn forward(&self, pass: Forward<'_, T>) {
        select(pass, |a, b| a > b);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        select_grad(pass, self.ties, |a, b| a > b);
    }
}

impl<T: Real> Op<T> for Minimum {
    fn name(&self) -> &'static str {
        "minimum"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        one_shape("minimum", inputs)
    }

    fn forward(&self, pass: Forward<'_, T>) {
        select(pass, |a, b| a < b);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        select_grad(pass, self.ties, |a, b| a < b);
    }
}

impl<T: Real> Op<T> for MaxChannels {
    fn name(&self) -> &'static str {
        "max_channels"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        reduced("max_channels", inputs[0])
    }

    fn forward(&self, pass: Forward<'_, T>) {
        reduce(pass, |x| winner(x, |a, b| a > b).1);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        reduce_grad(pass, |x, g, dx| give(self.ties, winner(x, |a, b| a > b), x, g, dx));
    }
}

impl<T: Real> Op<T> for MinChannels {
    fn name(&self) -> &'static str {
        "min_channels"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        reduced("min_channels", inputs[0])
    }

    fn forward(&self, pass: Forward<'_, T>) {
        reduce(pass, |x| winner(x, |a, b| a < b).1);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        reduce_grad(pass, |x, g, dx| give(self.ties, winner(x, |a, b| a < b), x, g, dx));
    }
}

impl<T: Real> Op<T> for SumChannels {
    fn name(&self) -> &'static str {
        "sum_channels"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        reduced("sum_channels", inputs[0])
    }

    fn forward(&self, pass: Forward<'_, T>) {
        reduce(pass, |x| x.iter().copied().sum());
    }

    fn backward(&self, pass: Backward<'_, T>) {
        reduce_grad(pass, |_, g, dx| dx.iter_mut().for_each(|dx| *dx += g));
    }
}

impl<T: Real> Op<T> for MeanChannels {
    fn name(&self) -> &'static str {
        "mean_channels"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        reduced("mean_channels", inputs[0])
    }

    fn forward(&self, pass: Forward<'_, T>) {
        reduce(pass, |x| x.iter().copied().sum::<T>() / T::of(x.len() as f64));
    }

    fn backward(&self, pass: Backward<'_, T>) {
        reduce_grad(pass, |x, g, dx| {
            let share = g / T::of(x.len() as f64);
            dx.iter_mut().for_each(|dx| *dx += share);
        });
    }
}

/// Whether the challenger `b` wins against `a`, which comes first: if it is strictly better, or the
/// first NaN.
#[inline(always)]
fn beats<T: Real>(a: T, b: T, better: impl Fn(T, T) -> bool) -> bool {
    better(b, a) | (b.is_nan() & !a.is_nan())
}

/// Whether two candidates are tied.
#[inline(always)]
fn tied<T: Real>(a: T, b: T) -> bool {
    (a == b) | (a.is_nan() & b.is_nan())
}

fn one_shape(operation: &'static str, inputs: &[Shape]) -> Result<Shape, ShapeError> {
    match inputs[0] == inputs[1] {
        true => Ok(inputs[0]),
        false => {
            let found = format!("{} and {}", inputs[0], inputs[1]);
            Err(ShapeError::new(operation, "two inputs of one shape", found))
        }
    }
}

fn select<T: Real>(pass: Forward<'_, T>, better: impl Fn(T, T) -> bool) {
    for ((y, a), b) in pass.output.iter_mut().zip(pass.inputs[0].data).zip(pass.inputs[1].data) {
        *y = if beats(*a, *b, &better) { *b } else { *a };
    }
}

fn select_grad<T: Real>(pass: Backward<'_, T>, ties: Ties, better: impl Fn(T, T) -> bool) {
    let (a, b) = (pass.inputs[0].data, pass.inputs[1].data);
    let [da, db, ..] = pass.grad_inputs;
    for (grad, second) in [(da, false), (db, true)] {
        let Some(grad) = grad else { continue };
        for (((grad, g), a), b) in grad.iter_mut().zip(pass.grad_output).zip(a).zip(b) {
            let is_tied = tied(*a, *b);
            if is_tied && ties == Ties::Split {
                *grad += *g / T::of(2.0);
            } else if (beats(*a, *b, &better) || is_tied && ties == Ties::Last) == second {
                *grad += *g;
            }
        }
    }
}

fn reduced(operation: &'static str, input: Shape) -> Result<Shape, ShapeError> {
    match input.dims().split_last() {
        Some((channels, _)) if *channels > 0 => Ok(with_last(input, 1)),
        _ => Err(ShapeError::new(
            operation,
            "at least 1 channel on the last axis",
            format!("shape {input}"),
        )),
    }
}

fn reduce<T: Real>(pass: Forward<'_, T>, f: impl Fn(&[T]) -> T) {
    let x = pass.inputs[0];
    pass.output.iter_mut().zip(x.data.chunks_exact(last(x.shape))).for_each(|(y, x)| *y = f(x));
}

/// Calls `f` with the channels of every position, the gradient of their reduction, and their
/// gradients to add to.
fn reduce_grad<T: Real>(pass: Backward<'_, T>, f: impl Fn(&[T], T, &mut [T])) {
    let x = pass.inputs[0];
    let [Some(dx), ..] = pass.grad_inputs else { return };
    let channels = last(x.shape);
    let positions = x.data.chunks_exact(channels).zip(dx.chunks_exact_mut(channels));
    positions.zip(pass.grad_output).for_each(|((x, dx), g)| f(x, *g, dx));
}

/// The first of the best channels, and its value.
fn winner<T: Real>(x: &[T], better: impl Fn(T, T) -> bool) -> (usize, T) {
    let first =
        (1..x.len()).fold(0, |best, c| if beats(x[best], x[c], &better) { c } else { best });
    (first, x[first])
}

/// Adds the gradient to the channels that are tied with the first of the best, as the rule says.
fn give<T: Real>(ties: Ties, (first, best): (usize, T), x: &[T], g: T, dx: &mut [T]) {
    let all = || (first..x.len()).filter(|c| tied(x[*c], best));
    match ties {
        Ties::First => dx[first] += g,
        Ties::Last => dx[all().last().unwrap_or(first)] += g,
        Ties::Split => {
            let part = g / T::of(all().count() as f64);
            all().for_each(|c| dx[c] += part);
        }
    }
}

fn last(shape: Shape) -> usize {
    shape.dims()[shape.rank() - 1]
}

fn with_last(shape: Shape, n: usize) -> Shape {
    let mut dims = [n; MAX_RANK];
    dims[..shape.rank() - 1].copy_from_slice(&shape.dims()[..shape.rank() - 1]);
    Shape::new(&dims[..shape.rank()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use morphograd_nn::autodiff::{Mode, Params, Tape};
    use morphograd_nn::tensor::Tensor;
    use morphograd_testkit::{assert_close, check_op, strategy, vjp};
    use proptest::prelude::*;

    const RULES: [Ties; 3] = [Ties::First, Ties::Last, Ties::Split];

    /// The best of some candidates, and which share of the gradient each gets.
    fn naive(x: &[f64], max: bool, ties: Ties) -> (f64, Vec<f64>) {
        let best = x.iter().copied().reduce(if max { f64::max } else { f64::min }).unwrap();
        let tied: Vec<usize> = (0..x.len()).filter(|c| x[*c] == best).collect();
        let chosen = match ties {
            Ties::First => &tied[..1],
            Ties::Last => &tied[tied.len() - 1..],
            Ties::Split => &tied[..],
        };
        let share = |c| if chosen.contains(&c) { 1.0 / chosen.len() as f64 } else { 0.0 };
        (best, (0..x.len()).map(share).collect())
    }

    fn tensor(shape: &[usize], data: &[f64]) -> Tensor<f64> {
        Tensor::from_vec(Shape::new(shape), data.to_vec()).unwrap()
    }

    fn error<const N: usize>(op: impl Op<f64>, shapes: [&[usize]; N]) -> String {
        let params = Params::new();
        let mut tape = Tape::new();
        let mut graph = tape.record(&params, Mode::Shapes);
        let inputs = shapes.map(|shape| graph.input_with(Shape::new(shape), |_| ()));
        graph.apply(op, inputs).unwrap_err().to_string()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn gradients_agree_with_differences(
            (a, b) in (1..4usize, 1..5usize)
                .prop_flat_map(|(n, m)| (strategy::tensor([n, 2, m]), strategy::tensor([n, 2, m]))),
        ) {
            for ties in RULES {
                check_op(Maximum { ties }, &[a.clone(), b.clone()]);
                check_op(Minimum { ties }, &[a.clone(), b.clone()]);
                check_op(MaxChannels { ties }, std::slice::from_ref(&a));
                check_op(MinChannels { ties }, std::slice::from_ref(&a));
            }
            check_op(SumChannels, std::slice::from_ref(&a));
            check_op(MeanChannels, std::slice::from_ref(&a));
        }

        #[test]
        fn values_and_gradients_are_those_of_the_definition_also_at_ties(
            a in strategy::tied_tensor([5, 4]),
            b in strategy::tied_tensor([5, 4]),
            ties in prop::sample::select(RULES.to_vec()),
        ) {
            let g: Vec<f64> = (0..20).map(|i| f64::from(i) - 7.0).collect();
            let tensors = [a.clone(), b.clone()];
            for (max, (y, grads)) in [
                (true, vjp(Maximum { ties }, &tensors, &g)),
                (false, vjp(Minimum { ties }, &tensors, &g)),
            ] {
                for (i, (a, b)) in a.data().iter().zip(b.data()).enumerate() {
                    let (best, share) = naive(&[*a, *b], max, ties);
                    prop_assert_eq!(y[i], best);
                    prop_assert_eq!([grads[0][i], grads[1][i]], [g[i] * share[0], g[i] * share[1]]);
                }
            }
            let a = std::slice::from_ref(&a);
            for (max, (y, grads)) in [
                (true, vjp(MaxChannels { ties }, a, &g[..5])),
                (false, vjp(MinChannels { ties }, a, &g[..5])),
            ] {
                for (i, row) in a[0].data().chunks(4).enumerate() {
                    let (best, share) = naive(row, max, ties);
                    prop_assert_eq!(y[i], best);
                    let expected: Vec<f64> = share.iter().map(|share| g[i] * share).collect();
                    assert_close("shares", &grads[0][4 * i..4 * i + 4], &expected, 1e-15);
                }
            }
        }
    }

    #[test]
    fn of_tied_candidates_the_first_the_last_or_all_get_the_gradient() {
        let (a, b) = (tensor(&[1, 3], &[5.0, 2.0, 5.0]), tensor(&[1, 3], &[5.0, 3.0, 4.0]));
        let inputs = [a.clone(), b];
        let pairs = [
            (Ties::First, [[6.0, 0.0, 2.0], [0.0, 4.0, 0.0]]),
            (Ties::Last, [[0.0, 0.0, 2.0], [6.0, 4.0, 0.0]]),
            (Ties::Split, [[3.0, 0.0, 2.0], [3.0, 4.0, 0.0]]),
        ];
        for (ties, expected) in pairs {
            assert_eq!(vjp(Maximum { ties }, &inputs, &[6.0, 4.0, 2.0]).1, expected, "{ties:?}");
        }
        let channels = [[6.0, 0.0, 0.0], [0.0, 0.0, 6.0], [3.0, 0.0, 3.0]];
        for (ties, expected) in RULES.into_iter().zip(channels) {
            assert_eq!(
                vjp(MaxChannels { ties }, std::slice::from_ref(&a), &[6.0]).1[0],
                expected,
                "{ties:?}"
            );
            let negative = tensor(&[1, 3], &[-5.0, -2.0, -5.0]);
            assert_eq!(vjp(MinChannels { ties }, &[negative], &[6.0]).1[0], expected, "{ties:?}");
        }
    }

    #[test]
    fn sums_and_means_worked_out_by_hand() {
        let x = tensor(&[2, 1, 3], &[1.0, 2.0, 6.0, -1.0, 0.0, 4.0]);
        let (sum, grads) = vjp(SumChannels, std::slice::from_ref(&x), &[1.0, 2.0]);
        assert_eq!((sum, &grads[0][..]), (vec![9.0, 3.0], &[1.0, 1.0, 1.0, 2.0, 2.0, 2.0][..]));
        let (mean, grads) = vjp(MeanChannels, std::slice::from_ref(&x), &[3.0, 6.0]);
        assert_eq!((mean, &grads[0][..]), (vec![3.0, 1.0], &[1.0, 1.0, 1.0, 2.0, 2.0, 2.0][..]));
    }

    #[test]
    fn nan_is_never_hidden_and_tied_with_nan() {
        let (a, b) =
            (tensor(&[3], &[f64::NAN, 1.0, f64::NAN]), tensor(&[3], &[1.0, f64::NAN, f64::NAN]));
        let inputs = [a.clone(), b];
        for (ties, third) in RULES.into_iter().zip([[3.0, 0.0], [0.0, 3.0], [1.5, 1.5]]) {
            for (y, grads) in [
                vjp(Maximum { ties }, &inputs, &[1.0, 2.0, 3.0]),
                vjp(Minimum { ties }, &inputs, &[1.0, 2.0, 3.0]),
            ] {
                assert!(y.iter().all(|y| y.is_nan()));
                assert_eq!(grads, [[1.0, 0.0, third[0]], [0.0, 2.0, third[1]]], "{ties:?}");
            }
            let (y, grads) = vjp(MaxChannels { ties }, std::slice::from_ref(&a), &[3.0]);
            assert!(y[0].is_nan());
            assert_eq!(grads[0], [third[0], 0.0, third[1]], "{ties:?}");
        }
    }

    #[test]
    fn wrong_shapes_are_refused_by_name() {
        assert_eq!(
            error(Maximum::default(), [&[2, 3], &[3]]),
            "maximum: expected two inputs of one shape, found [2, 3] and [3]"
        );
        assert_eq!(
            error(MinChannels::default(), [&[2, 0]]),
            "min_channels: expected at least 1 channel on the last axis, found shape [2, 0]"
        );
    }

    #[test]
    fn empty_tensors_are_no_trouble() {
        let (y, _) = vjp(MaxChannels::default(), &[Tensor::<f64>::zeros([0, 3])], &[]);
        assert!(y.is_empty());
    }
}
