//! The correlational update: another backward pass for the matrix of a dense layer, which is no
//! gradient.
//!
//! The one design choice: an operation around the product. Values and the gradients of the other
//! inputs are the product's own, so any product has it.

use std::ops::RangeInclusive;

use morphograd_nn::autodiff::{Backward, Forward, Graph, Op, Var};
use morphograd_nn::tensor::{Matrix, Real, Shape, ShapeError, gemm};

use crate::layers::semiring::Semiring;

/// A product of an input `[batch, n]` and a matrix `[n, units]` over a semiring: inputs 0 and 1 of
/// the operation, which may have more.
pub trait DenseProduct<T>: Op<T> {
    /// The semiring.
    fn semiring(&self) -> Semiring;
}

/// What the matrix of a dense layer learns from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WeightRule {
    /// The gradient.
    #[default]
    Gradient,
    /// The correlational update, which is no gradient: [`Correlation`].
    Correlation,
}

/// A product $y = x \otimes w$ whose matrix is told, instead of its gradient,
/// $$\tilde g_{ij} = \pm\sum_b h_{bj} (x_{bi} - y_{bj}), \qquad h_{bj} = g_{bj} - \frac1B \sum_{b'} g_{b'j},$$
/// where $g$ is the gradient of the output and $B$ the batch: $+$ for maxima, $-$ for minima.
///
/// **This is no gradient** of any loss, and finite differences do not agree with it. An optimizer
/// that subtracts it raises the weights of the inputs that are large where the output is to rise
/// and small where it is to fall, whether they win or not: every weight learns in every step, where
/// the gradient of a maximum has one entry for each output. $h$ adds up to 0 over the batch, so a
/// constant that all members want does not count, and with a batch of 1 nothing is learned. All
/// other inputs get their gradients. For minima it is the update of the dual maximum,
/// $y = -\max_i (-x_i - w_{ij})$. Numbers have to be finite: an infinite one makes NaN.
///
/// - **Shapes, ties**: the product's.
/// - **Cost**: backward a matrix product of `n`, `batch` and `units`.
///
/// Source: Fotopoulos and Maragos, *Correlational training of morphological neural networks* (2026,
/// arXiv 2610.11740), where it comes from multiplicative weights and each step is followed by
/// [`ShiftNormalization`](crate::ShiftNormalization). The formula is that of the authors' code.
///
/// ```
/// use morphograd_morphology::{Correlation, MaxPlusProduct, evaluate_with_gradients};
/// use morphograd_morphology::nn::tensor::TensorRef;
/// // The first input is large where the output is to rise (a negative gradient), but never wins.
/// let x = TensorRef::new([2, 2], &[1.0, 0.0, 0.0, 0.0]);
/// let w = TensorRef::new([2, 1], &[-9.0, 0.0]);
/// let learn = |grad: &[f64], correlation: bool| {
///     evaluate_with_gradients([x, w], grad, |graph, inputs| {
///         let product = MaxPlusProduct::default();
///         if correlation {
///             graph.apply(Correlation(product), inputs)
///         } else {
///             graph.apply(product, inputs)
///         }
///     })
/// };
/// let (_, [_, gradient]) = learn(&[-1.0, 1.0], false)?;
/// assert_eq!(gradient.data(), [0.0, 0.0]);
/// let (_, [_, update]) = learn(&[-1.0, 1.0], true)?;
/// assert_eq!(update.data(), [-1.0, 0.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Correlation<P>(
    /// The product.
    pub P,
);

impl WeightRule {
    /// The product by this rule.
    pub(crate) fn apply<T: Real, P: DenseProduct<T>>(
        self,
        graph: &mut Graph<'_, T>,
        product: P,
        operands: impl AsRef<[Var]>,
    ) -> Result<Var, ShapeError> {
        match self {
            Self::Gradient => graph.apply(product, operands),
            Self::Correlation => graph.apply(Correlation(product), operands),
        }
    }
}

impl<T: Real, P: DenseProduct<T>> Op<T> for Correlation<P> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn arity(&self) -> RangeInclusive<usize> {
        self.0.arity()
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        self.0.infer(inputs)
    }

    fn forward(&self, pass: Forward<'_, T>) {
        self.0.forward(pass);
    }

    fn backward(&self, mut pass: Backward<'_, T>) {
        if let Some(dw) = pass.grad_inputs[1].take() {
            correlate(self.0.semiring(), &mut pass, dw);
        }
        self.0.backward(pass);
    }
}

/// Adds the update to `dw`.
fn correlate<T: Real>(semiring: Semiring, pass: &mut Backward<'_, T>, dw: &mut [T]) {
    let &[batch, units] = pass.output.shape.dims() else { unreachable!("inferred") };
    let n = pass.inputs[0].shape.dims()[1];
    if batch == 0 || dw.is_empty() {
        return;
    }
    let (g, y, scratch) = (pass.grad_output, pass.output.data, &mut *pass.scratch);
    scratch.clear();
    scratch.resize((batch + 2) * units, T::zero());
    let (h, of_units) = scratch.split_at_mut(batch * units);
    let (mean, with_y) = of_units.split_at_mut(units);
    for g in g.chunks_exact(units) {
        mean.iter_mut().zip(g).for_each(|(mean, g)| *mean += *g);
    }
    let (sign, members) = (semiring.sign::<T>(), T::of(batch as f64));
    mean.iter_mut().for_each(|mean| *mean /= members);
    for ((h, g), y) in
        h.chunks_exact_mut(units).zip(g.chunks_exact(units)).zip(y.chunks_exact(units))
    {
        for j in 0..units {
            h[j] = sign * (g[j] - mean[j]);
            with_y[j] += h[j] * y[j];
        }
    }
    let x = Matrix::new(pass.inputs[0].data, batch, n).transposed();
    gemm(x, Matrix::new(h, batch, units), T::one(), dw);
    for dw in dw.chunks_exact_mut(units) {
        dw.iter_mut().zip(&*with_y).for_each(|(dw, with_y)| *dw -= *with_y);
    }
}

#[cfg(test)]
mod tests {
    use morphograd_nn::autodiff::{Mode, Neg, Params, Tape};
    use morphograd_nn::optim::Adam;
    use morphograd_nn::tensor::Tensor;
    use morphograd_nn::{Layer, MeanSquaredError, Optimizer, Sequential, Weight};
    use morphograd_testkit::{assert_close, strategy, vjp};
    use proptest::prelude::*;

    use super::*;
    use crate::{
        LogSumExpProduct, MaxPlusDense, MaxPlusProduct, MinPlusProduct, evaluate_with_gradients,
    };

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn the_update_is_the_definition_and_all_else_is_the_products(
            (x, w) in [1..6usize, 1..5, 1..7].prop_flat_map(|[batch, n, units]| {
                (strategy::tensor([batch, n]), strategy::tensor([n, units]))
            }),
        ) {
            let (&[batch, n], &[_, units]) = (x.shape().dims(), w.shape().dims()) else {
                unreachable!()
            };
            let g: Vec<f64> = (0..batch * units).map(|i| (i as f64 * 1.7).sin()).collect();
            let hard = [x.clone(), w.clone()];
            let smooth = [x.clone(), w.clone(), Tensor::filled([], 2.0)];
            let [up, down] = [Semiring::MaxPlus, Semiring::MinPlus]
                .map(|semiring| LogSumExpProduct { semiring });
            let pairs = [
                (1.0, vjp(MaxPlusProduct::default(), &hard, &g),
                    vjp(Correlation(MaxPlusProduct::default()), &hard, &g)),
                (-1.0, vjp(MinPlusProduct::default(), &hard, &g),
                    vjp(Correlation(MinPlusProduct::default()), &hard, &g)),
                (1.0, vjp(up, &smooth, &g), vjp(Correlation(up), &smooth, &g)),
                (-1.0, vjp(down, &smooth, &g), vjp(Correlation(down), &smooth, &g)),
            ];
            for (sign, (y, gradients), (same, updates)) in pairs {
                prop_assert_eq!(&y, &same);
                prop_assert_eq!(&gradients[0], &updates[0]);
                if gradients.len() == 3 {
                    assert_close("beta", &gradients[2], &updates[2], 1e-9);
                }
                let expected: Vec<f64> = (0..n * units)
                    .map(|at| {
                        let (i, j) = (at / units, at % units);
                        let of = |b: usize| g[b * units + j];
                        let mean = (0..batch).map(of).sum::<f64>() / batch as f64;
                        let term = |b| (of(b) - mean) * (x.data()[b * n + i] - y[b * units + j]);
                        sign * (0..batch).map(term).sum::<f64>()
                    })
                    .collect();
                // It may be 0 but for rounding.
                for (found, expected) in updates[1].iter().zip(&expected) {
                    prop_assert!((found - expected).abs() < 1e-12, "{} {}", found, expected);
                }
            }
        }

        /// The minus sign of minima.
        #[test]
        fn a_minimum_learns_as_its_dual_maximum(
            x in strategy::tensor([4, 3]),
            w in strategy::tensor([3, 2]),
        ) {
            let g: Vec<f64> = (0..8).map(|i| (f64::from(i) * 2.3).cos()).collect();
            let (y, direct) =
                evaluate_with_gradients([x.view(), w.view()], &g, |graph, inputs| {
                    graph.apply(Correlation(MinPlusProduct::default()), inputs)
                })
                .unwrap();
            let (dual_y, dual) = evaluate_with_gradients([x.view(), w.view()], &g, |graph, inputs| {
                let negative = [graph.apply(Neg, [inputs[0]])?, graph.apply(Neg, [inputs[1]])?];
                let y = graph.apply(Correlation(MaxPlusProduct::default()), negative)?;
                graph.apply(Neg, [y])
            })
            .unwrap();
            assert_close("values", y.data(), dual_y.data(), 1e-12);
            for (direct, dual) in direct.iter().zip(&dual) {
                assert_close("gradients", direct.data(), dual.data(), 1e-12);
            }
        }
    }

    #[test]
    fn a_layer_of_dead_weights_learns_by_correlation_and_not_by_gradient() {
        let loss_after = |rule| {
            let mut params = Params::<f64>::new();
            // Only the last input wins, and the target is the first.
            let layer =
                MaxPlusDense { units: 1, kernel: Weight::zeros(), rule, ..Default::default() };
            let model =
                Sequential::new().add("or", layer).build_model(&mut params, 1, [3]).unwrap();
            let kernel = params.find("or.kernel").unwrap();
            params.update(kernel, |w| w.copy_from_slice(&[-5.0, -5.0, 0.0]));
            let x = Tensor::from_fn([16, 3], |i| (i as f64 * 1.3).sin());
            let target = Tensor::from_fn([16, 1], |b| x.data()[3 * b]);
            let mut optimizer = Optimizer::new(&params, Adam::default(), 0.1);
            let (mut tape, mut last) = (Tape::new(), 0.0);
            for step in 0..100 {
                let mut graph = tape.record(&params, Mode::Train { step });
                let (x, target) = (graph.input(x.view()), graph.input(target.view()));
                let y = model.forward(&mut graph, x).unwrap();
                let loss = graph.apply(MeanSquaredError, [y, target]).unwrap();
                last = graph.value(loss).data[0];
                graph.backward(loss);
                optimizer.step(&mut params, &tape).unwrap();
            }
            last
        };
        let [gradient, correlation] =
            [WeightRule::Gradient, WeightRule::Correlation].map(loss_after);
        assert!(correlation < 0.2 * gradient, "{correlation} {gradient}");
    }
}
