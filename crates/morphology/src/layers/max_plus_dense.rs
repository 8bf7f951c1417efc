//! Fully connected layers over the max-plus and the min-plus semiring: a matrix product in which
//! products are sums and sums are maxima (or minima).
//!
//! The one design choice: the winning inputs are remembered for the backward pass (to split ties,
//! it looks for all of them again). `max_plus_tile.rs` computes the outputs.

use std::ops::RangeInclusive;

use morphograd_nn::autodiff::{Backward, Forward, Graph, Op, Params, Ties, Var};
use morphograd_nn::initializer::GlorotUniform;
use morphograd_nn::tensor::{Real, Shape, ShapeError, parallel};
use morphograd_nn::{Activation, Build, BuildError, Builder, Layer, Weight};

use crate::elements::element_dropout::ElementDropout;
use crate::layers::correlation::{DenseProduct, WeightRule};
use crate::layers::dense::{DenseParts, Description};
use crate::layers::max_plus_tile::{MEMBERS, Rows};
use crate::layers::semiring::Semiring;

/// Members of a batch whose gradients are added to the matrix' one after the other; sums of more
/// are added in pairs.
const LONG: usize = 4096;

/// $y_{b,j} = \max_i x_{b,i} + w_{i,j}$: `[batch, n]` and `[n, units]` → `[batch, units]`.
///
/// - **Ties**: the first tied input gets the whole gradient, in $x$ and in $w$, unless another rule
///   is chosen ([`Ties`]).
/// - **NaN** never wins. Where nothing is above $-\infty$ (every entry is $-\infty$, say) the
///   output is $-\infty$ and the first input gets the gradient; with the other rules the last or
///   all of those whose candidate is $-\infty$.
/// - **Cost**: one addition and one comparison for each input, unit and member of the batch;
///   backward two additions for each output, or as much as forward, three times, if ties are split.
///
/// Source: G. X. Ritter and P. Sussner, *An introduction to morphological neural networks* (ICPR
/// 1996).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MaxPlusProduct {
    /// Who gets the gradient where inputs are tied.
    pub ties: Ties,
}

/// $y_{b,j} = \min_i x_{b,i} + w_{i,j}$; otherwise as [`MaxPlusProduct`] with the order reversed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MinPlusProduct {
    /// Who gets the gradient where inputs are tied.
    pub ties: Ties,
}

macro_rules! semiring {
    (
        $product:ident, $name:literal, $max:literal, $semiring:expr,
        $(#[$doc:meta])* $layer:ident
    ) => {
        impl<T: Real> Op<T> for $product {
            fn name(&self) -> &'static str {
                $name
            }

            fn arity(&self) -> RangeInclusive<usize> {
                2..=2
            }

            fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
                infer($name, inputs)
            }

            fn forward(&self, pass: Forward<'_, T>) {
                forward::<T, $max>(pass, self.ties);
            }

            fn backward(&self, pass: Backward<'_, T>) {
                backward(pass, self.ties);
            }
        }

        impl<T: Real> DenseProduct<T> for $product {
            fn semiring(&self) -> Semiring {
                $semiring
            }
        }

        $(#[$doc])*
        #[derive(Debug)]
        pub struct $layer<T> {
            /// Number of outputs.
            pub units: usize,
            /// The function $a$.
            pub activation: Activation,
            /// The matrix $w$.
            pub kernel: Weight<T>,
            /// The vector $b$; `None` for no bias.
            pub bias: Option<Weight<T>>,
            /// One more candidate of every unit, a constant $c_j$ that competes with the $x_i +
            /// w_{ij}$; `None` for none.
            pub candidate: Option<Weight<T>>,
            /// Entries of the matrix that are left out while training; none by default.
            pub element_dropout: ElementDropout,
            /// What the matrix learns from; the gradient by default.
            pub rule: WeightRule,
            /// Who gets the gradient where inputs are tied.
            pub ties: Ties,
        }

        impl<T: Real> Default for $layer<T> {
            fn default() -> Self {
                let kernel = Weight::new(GlorotUniform);
                Self {
                    units: 1,
                    activation: Activation::Linear,
                    kernel,
                    bias: None,
                    candidate: None,
                    element_dropout: ElementDropout::default(),
                    rule: WeightRule::default(),
                    ties: Ties::default(),
                }
            }
        }

        impl<T: Real> Build<T> for $layer<T> {
            fn build(
                self,
                builder: &mut Builder<'_, T>,
                input: Shape,
            ) -> Result<Box<dyn Layer<T>>, BuildError> {
                let Self { units, activation, kernel, bias, candidate, element_dropout, .. } = self;
                let (name, candidates) = ($name, candidate.into_iter().collect());
                let description = Description {
                    name, units, kernel, candidates, element_dropout, bias, activation,
                };
                let parts = DenseParts::build(builder, input, 1, description)?;
                let product = $product { ties: self.ties };
                Ok(Box::new(Built { product, rule: self.rule, parts }))
            }
        }
    };
}

semiring! {
    MaxPlusProduct, "max_plus_dense", true, Semiring::MaxPlus,
    /// $y_j = a(\max_i (x_i + w_{ij}) + b_j)$: `[batch, n]` → `[batch, units]`. Parameters:
    /// `kernel` of shape `[n, units]` and, if asked for, `bias` of shape `[units]`.
    ///
    /// The default has 1 unit, no activation, a Glorot uniform kernel (of equal units, all would
    /// learn the same) and no bias, which the kernel can express. Ties and cost: see
    /// [`MaxPlusProduct`].
    ///
    /// ```
    /// use morphograd_morphology::{
    ///     max_plus_dense::{MaxPlusDense, MinPlusDense},
    ///     nn::{Sequential, autodiff::Params},
    /// };
    /// let mut params = Params::<f32>::new();
    /// let model = Sequential::new()
    ///     .add("and", MinPlusDense { units: 32, ..MinPlusDense::default() })
    ///     .add("or", MaxPlusDense { units: 10, ..MaxPlusDense::default() })
    ///     .build_model(&mut params, 42, [100])?;
    /// assert_eq!((model.output().dims(), params.count()), (&[10][..], 3520));
    /// # Ok::<(), morphograd_morphology::nn::BuildError>(())
    /// ```
    MaxPlusDense
}

semiring! {
    MinPlusProduct, "min_plus_dense", false, Semiring::MinPlus,
    /// $y_j = a(\min_i (x_i + w_{ij}) + b_j)$; otherwise as [`MaxPlusDense`].
    MinPlusDense
}

#[derive(Debug)]
struct Built<P> {
    product: P,
    rule: WeightRule,
    parts: DenseParts,
}

impl<T: Real, P: DenseProduct<T> + Copy> Layer<T> for Built<P> {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let operands = self.parts.operands(graph, x, self.product.semiring())?;
        let y = self.rule.apply(graph, self.product, operands)?;
        self.parts.finish(graph, y)
    }

    fn lipschitz(&self, _: &Params<T>) -> Option<f64> {
        Some(self.parts.activation.slope())
    }
}

pub(crate) fn infer(operation: &'static str, inputs: &[Shape]) -> Result<Shape, ShapeError> {
    match (inputs[0].dims(), inputs[1].dims()) {
        (&[batch, n], &[inputs, units]) if n == inputs => Ok([batch, units].into()),
        _ => {
            let found = format!("{} and {}", inputs[0], inputs[1]);
            Err(ShapeError::new(operation, "an input [batch, n] and a kernel [n, units]", found))
        }
    }
}

/// The product; with `MAX` that of the max-plus semiring, else of the min-plus one.
fn forward<T: Real, const MAX: bool>(pass: Forward<'_, T>, ties: Ties) {
    let (x, kernel) = (pass.inputs[0].data, pass.inputs[1].data);
    let (n, units) = (pass.inputs[0].shape.dims()[1], pass.shape.dims()[1]);
    if pass.output.is_empty() {
        return;
    }
    let last = ties == Ties::Last;
    let task = |group: usize, y: &mut [T], winners: &mut [u32]| {
        let x = &x[group * MEMBERS * n..][..y.len() / units * n];
        Rows::<T, MAX> { x, kernel, n, units, last, y, winners }.compute();
    };
    let length = MEMBERS * units;
    if pass.needs_grad && ties != Ties::Split {
        pass.saved.indices.resize(pass.output.len(), 0);
        parallel::for_each_pair((pass.output, length), (&mut pass.saved.indices, length), task);
    } else {
        parallel::for_each_piece(pass.output, length, |group, y| task(group, y, &mut []));
    }
}

fn backward<T: Real>(pass: Backward<'_, T>, ties: Ties) {
    let (x, kernel, y) = (pass.inputs[0].data, pass.inputs[1].data, pass.output.data);
    let (n, units) = (pass.inputs[0].shape.dims()[1], pass.output.shape.dims()[1]);
    // Without inputs nothing has won.
    if pass.grad_output.is_empty() || n == 0 {
        return;
    }
    // Calls `f(input, unit, share)` with every share of the gradients of one member.
    let shares = |member: usize, f: &mut dyn FnMut(usize, usize, T)| {
        for (j, o) in (member * units..(member + 1) * units).enumerate() {
            let g = pass.grad_output[o];
            if ties == Ties::Split {
                let tied = || (0..n).filter(|i| x[member * n + i] + kernel[i * units + j] == y[o]);
                let part = g / T::of(tied().count() as f64);
                tied().for_each(|i| f(i, j, part));
            } else {
                f(pass.saved.indices[o] as usize, j, g);
            }
        }
    };
    let [dx, dw, ..] = pass.grad_inputs;
    if let Some(dx) = dx {
        parallel::for_each_piece(dx, n, |member, dx| shares(member, &mut |i, _, g| dx[i] += g));
    }
    let members = pass.grad_output.len() / units;
    if let Some(dw) = dw {
        // A winner an output is too little to be worth a sum of its own for every task.
        if ties != Ties::Split && members <= LONG {
            return (0..members)
                .for_each(|member| shares(member, &mut |i, j, g| dw[i * units + j] += g));
        }
        let members = [members, 1];
        parallel::sum_into(dw, members, pass.scratch, |members, dw| {
            members.for_each(|member| shares(member, &mut |i, j, g| dw[i * units + j] += g));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use morphograd_nn::autodiff::{Mode, Params, Tape};
    use morphograd_nn::optim::Adam;
    use morphograd_nn::tensor::Tensor;
    use morphograd_nn::{MeanSquaredError, Optimizer, Sequential};
    use morphograd_testkit::{assert_close, check_op, strategy, vjp};
    use proptest::prelude::*;

    const RULES: [Ties; 3] = [Ties::First, Ties::Last, Ties::Split];

    /// Larger than the tiles, and no multiple of them.
    #[test]
    fn large_products_are_those_of_the_definition() {
        for [batch, n, units] in [[7, 300, 75], [33, 129, 16], [1, 1000, 3], [18, 128, 40]] {
            let wave = |i: usize| ((i * 7919) % 61) as f32 / 8.0;
            let x = Tensor::from_fn([batch, n], wave);
            let w = Tensor::from_fn([n, units], |i| wave(i + 5));
            let g: Vec<f32> = (0..batch * units).map(|i| (i % 5) as f32 - 2.0).collect();
            let inputs = [x.clone(), w.clone()];
            for (max, last) in [(true, false), (true, true), (false, false), (false, true)] {
                let ties = if last { Ties::Last } else { Ties::First };
                let (y, grads) = if max {
                    vjp(MaxPlusProduct { ties }, &inputs, &g)
                } else {
                    vjp(MinPlusProduct { ties }, &inputs, &g)
                };
                let (mut dx, mut dw) = (vec![0.0; batch * n], vec![0.0; n * units]);
                for (o, g) in g.iter().enumerate() {
                    let (b, j) = (o / units, o % units);
                    let (mut best, mut winner) = (f32::NAN, 0);
                    for i in 0..n {
                        let candidate = x.data()[b * n + i] + w.data()[i * units + j];
                        let better = if max { candidate > best } else { candidate < best };
                        if i == 0 || better || (last && candidate == best) {
                            (best, winner) = (candidate, i);
                        }
                    }
                    assert_eq!(y[o], best);
                    dx[b * n + winner] += g;
                    dw[winner * units + j] += g;
                }
                // Sums of small whole numbers are exact.
                assert_eq!((&grads[0], &grads[1]), (&dx, &dw));
            }
        }
    }

    fn sizes() -> impl Strategy<Value = [usize; 3]> {
        [1..5usize, 1..7, 1..20]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn gradients_agree_with_differences(
            (x, w) in sizes().prop_flat_map(|[batch, n, units]| {
                (strategy::tensor([batch, n]), strategy::tensor([n, units]))
            }),
        ) {
            for ties in RULES {
                check_op(MaxPlusProduct { ties }, &[x.clone(), w.clone()]);
                check_op(MinPlusProduct { ties }, &[x.clone(), w.clone()]);
            }
        }

        #[test]
        fn values_and_gradients_are_those_of_the_definition_also_at_ties_on_any_number_of_threads(

            (x, w) in sizes().prop_flat_map(|[batch, n, units]| {
                (strategy::tied_tensor([batch, n]), strategy::tied_tensor([n, units]))
            }),
            ties in prop::sample::select(RULES.to_vec()),
            max in any::<bool>(),
        ) {
            let (&[batch, n], &[_, units]) = (x.shape().dims(), w.shape().dims()) else {
                unreachable!()
            };
            let g: Vec<f64> = (0..batch * units).map(|i| (i % 7) as f64 - 3.0).collect();
            let inputs = [x.clone(), w.clone()];
            let on = |threads| {
                let run = || {
                    if max {
                        vjp(MaxPlusProduct { ties }, &inputs, &g)
                    } else {
                        vjp(MinPlusProduct { ties }, &inputs, &g)
                    }
                };
                rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run)
            };
            let (y, grads) = on(1);
            prop_assert_eq!(&(y.clone(), grads.clone()), &on(2));
            prop_assert_eq!(&(y.clone(), grads.clone()), &on(3));
            let (mut dx, mut dw) = (vec![0.0; batch * n], vec![0.0; n * units]);
            for (o, g) in g.iter().enumerate() {
                let (b, j) = (o / units, o % units);
                let candidates: Vec<f64> =
                    (0..n).map(|i| x.data()[b * n + i] + w.data()[i * units + j]).collect();
                let best = candidates
                    .iter()
                    .copied()
                    .reduce(if max { f64::max } else { f64::min })
                    .unwrap();
                let tied: Vec<usize> = (0..n).filter(|i| candidates[*i] == best).collect();
                let chosen = match ties {
                    Ties::First => &tied[..1],
                    Ties::Last => &tied[tied.len() - 1..],
                    Ties::Split => &tied[..],
                };
                prop_assert_eq!(y[o], best);
                for i in chosen {
                    dx[b * n + i] += g / chosen.len() as f64;
                    dw[i * units + j] += g / chosen.len() as f64;
                }
            }
            assert_close("input", &grads[0], &dx, 1e-12);
            assert_close("kernel", &grads[1], &dw, 1e-12);
        }
    }

    #[test]
    fn of_tied_inputs_the_first_the_last_or_all_get_the_gradient() {
        let x = Tensor::from_vec([1, 4], vec![2.0, 1.0, 3.0, 0.0]).unwrap();
        let w = Tensor::from_vec([4, 1], vec![1.0, 2.0, 0.0, 0.0]).unwrap();
        let expected = [[6.0, 0.0, 0.0, 0.0], [0.0, 0.0, 6.0, 0.0], [2.0, 2.0, 2.0, 0.0]];
        for (ties, expected) in RULES.into_iter().zip(expected) {
            let (y, grads) = vjp(MaxPlusProduct { ties }, &[x.clone(), w.clone()], &[6.0]);
            assert_eq!(
                (y[0], &grads[0][..], &grads[1][..]),
                (3.0, &expected[..], &expected[..]),
                "{ties:?}"
            );
        }
    }

    #[test]
    fn nan_never_wins_and_an_empty_maximum_is_minus_infinity() {
        let x = Tensor::from_vec([2, 2], vec![f64::NAN, 1.0, f64::NAN, f64::NEG_INFINITY]).unwrap();
        let expected = [[0.0, 1.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0], [0.0, 1.0, 0.0, 1.0]];
        for (ties, expected) in RULES.into_iter().zip(expected) {
            let (y, grads) =
                vjp(MaxPlusProduct { ties }, &[x.clone(), Tensor::zeros([2, 1])], &[1.0, 1.0]);
            assert_eq!(
                (y, &grads[0][..]),
                (vec![1.0, f64::NEG_INFINITY], &expected[..]),
                "{ties:?}"
            );
            let empty = [Tensor::<f64>::zeros([1, 0]), Tensor::zeros([0, 2])];
            let (y, grads) = vjp(MinPlusProduct { ties }, &empty, &[1.0, 1.0]);
            assert!(y == [f64::INFINITY; 2] && grads.iter().all(Vec::is_empty));
            let none = [Tensor::<f64>::zeros([0, 3]), Tensor::zeros([3, 2])];
            assert!(vjp(MaxPlusProduct { ties }, &none, &[]).0.is_empty());
        }
    }

    #[test]
    fn a_product_of_the_semiring_is_learned_with_its_bias() {
        let mut params = Params::<f64>::new();
        // From 0, and towards a matrix of small spread, every input wins somewhere: one that never
        // wins would never learn.
        let (kernel, bias) = (Weight::zeros(), Some(Weight::zeros()));
        let layer = MaxPlusDense { units: 3, kernel, bias, ..MaxPlusDense::default() };
        let model = Sequential::new().add("or", layer).build_model(&mut params, 1, [4]).unwrap();
        let x = Tensor::from_fn([32, 4], |i| (i as f64 * 1.3).sin());
        let w = Tensor::from_fn([4, 3], |i| 0.3 * (i as f64 * 0.8).cos() + 0.5);
        let mut optimizer = Optimizer::new(&params, Adam::default(), 0.02);
        let (mut tape, mut losses) = (Tape::new(), Vec::new());
        for step in 0..500 {
            let mut graph = tape.record(&params, Mode::Train { step });
            let (x, w) = (graph.input(x.view()), graph.input(w.view()));
            let target = graph.apply(MaxPlusProduct::default(), [x, w]).unwrap();
            let y = model.forward(&mut graph, x).unwrap();
            let loss = graph.apply(MeanSquaredError, [y, target]).unwrap();
            losses.push(graph.value(loss).data[0]);
            graph.backward(loss);
            optimizer.step(&mut params, &tape).unwrap();
        }
        assert!(losses[0] > 0.1 && losses[499] < 1e-3 * losses[0], "{} {}", losses[0], losses[499]);
    }

    #[test]
    fn wrong_shapes_are_refused_by_name() {
        let error = |units, input: &[usize]| {
            let mut params = Params::<f64>::new();
            let layer = MinPlusDense { units, ..MinPlusDense::default() };
            Sequential::new()
                .add("and", layer)
                .build_model(&mut params, 0, Shape::new(input))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            error(2, &[5, 5, 1]),
            "and: min_plus_dense: expected at least 1 unit on [n] (flatten it first), \
             found 2 units on an input of shape [5, 5, 1]"
        );
        assert!(error(0, &[5]).contains("found 0 units"));
        let error = Op::<f64>::infer(&MaxPlusProduct::default(), &[[2, 3].into(), [4, 2].into()])
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "max_plus_dense: expected an input [batch, n] and a kernel [n, units], found [2, 3] \
             and [4, 2]"
        );
    }
}
