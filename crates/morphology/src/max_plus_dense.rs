//! Fully connected layers over the max-plus and the min-plus semiring: a matrix product in which products are sums and sums are maxima (or
//! minima).
//!
//! The one design choice: the units are the innermost axis of the matrix and run in the vector lanes; a row of outputs is computed input
//! by input, and the winning inputs are remembered for the backward pass.

use morphograd_nn::autodiff::{Add, Backward, Forward, Graph, Op, ParamId, Var};
use morphograd_nn::initializer::GlorotUniform;
use morphograd_nn::tensor::simd::{Kernel, dispatch};
use morphograd_nn::tensor::{Real, Shape, ShapeError, parallel};
use morphograd_nn::{Activation, Build, BuildError, Builder, Layer, Weight};

/// $y_{b,j} = \max_i x_{b,i} + w_{i,j}$: `[batch, n]` and `[n, units]` → `[batch, units]`.
///
/// - **Ties**: the first tied input gets the whole gradient, in $x$ and in $w$.
/// - **NaN** never wins. Where nothing is above $-\infty$ (every entry is $-\infty$, say) the output is $-\infty$ and the first input
///   gets the gradient.
/// - **Cost**: one addition and one comparison for each input, unit and member of the batch; backward two additions for each output.
///
/// Source: G. X. Ritter and P. Sussner, *An introduction to morphological neural networks* (ICPR 1996).
#[derive(Debug, Clone, Copy)]
pub struct MaxPlusProduct;

/// $y_{b,j} = \min_i x_{b,i} + w_{i,j}$; otherwise as [`MaxPlusProduct`] with the order reversed.
#[derive(Debug, Clone, Copy)]
pub struct MinPlusProduct;

macro_rules! semiring {
    ($product:ident, $name:literal, $max:literal, $(#[$doc:meta])* $layer:ident) => {
        impl<T: Real> Op<T> for $product {
            fn name(&self) -> &'static str {
                $name
            }

            fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
                infer($name, inputs)
            }

            fn forward(&self, pass: Forward<'_, T>) {
                forward::<T, $max>(pass);
            }

            fn backward(&self, pass: Backward<'_, T>) {
                backward(pass);
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
        }

        impl<T: Real> Default for $layer<T> {
            fn default() -> Self {
                let kernel = Weight::new(GlorotUniform);
                Self { units: 1, activation: Activation::Linear, kernel, bias: None }
            }
        }

        impl<T: Real> Build<T> for $layer<T> {
            fn build(self, builder: &mut Builder<'_, T>, input: Shape) -> Result<Box<dyn Layer<T>>, BuildError> {
                let Self { units, activation, kernel, bias } = self;
                let (&[n], 1..) = (input.dims(), units) else {
                    let found = format!("{units} units on an input of shape {input}");
                    return Err(ShapeError::new($name, "at least 1 unit on [n] (flatten it first)", found).into());
                };
                let kernel = builder.param("kernel", [n, units].into(), kernel)?;
                let bias = bias.map(|bias| builder.param("bias", [units].into(), bias)).transpose()?;
                Ok(Box::new(Built { product: $product, kernel, bias, activation }))
            }
        }
    };
}

semiring! {
    MaxPlusProduct, "max_plus_dense", true,
    /// $y_j = a(\max_i (x_i + w_{ij}) + b_j)$: `[batch, n]` → `[batch, units]`. Parameters: `kernel` of shape `[n, units]` and, if asked
    /// for, `bias` of shape `[units]`.
    ///
    /// The default has 1 unit, no activation, a Glorot uniform kernel (of equal units, all would learn the same) and no bias, which the
    /// kernel can express. Ties and cost: see [`MaxPlusProduct`].
    ///
    /// ```
    /// use morphograd_morphology::{max_plus_dense::{MaxPlusDense, MinPlusDense}, nn::{autodiff::Params, Sequential}};
    /// let mut params = Params::<f32>::new();
    /// let model = Sequential::builder(&mut params, 42, [100])
    ///     .add("and", MinPlusDense { units: 32, ..MinPlusDense::default() })
    ///     .add("or", MaxPlusDense { units: 10, ..MaxPlusDense::default() })
    ///     .finish()?;
    /// assert_eq!((model.output().dims(), params.count()), (&[10][..], 3520));
    /// # Ok::<(), morphograd_morphology::nn::BuildError>(())
    /// ```
    MaxPlusDense
}

semiring! {
    MinPlusProduct, "min_plus_dense", false,
    /// $y_j = a(\min_i (x_i + w_{ij}) + b_j)$; otherwise as [`MaxPlusDense`].
    MinPlusDense
}

#[derive(Debug)]
struct Built<P> {
    product: P,
    kernel: ParamId,
    bias: Option<ParamId>,
    activation: Activation,
}

impl<T: Real, P: Op<T> + Copy> Layer<T> for Built<P> {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let kernel = graph.param(self.kernel);
        let mut y = graph.apply(self.product, [x, kernel])?;
        if let Some(bias) = self.bias {
            let bias = graph.param(bias);
            y = graph.apply(Add, [y, bias])?;
        }
        self.activation.apply(graph, y)
    }
}

fn infer(operation: &'static str, inputs: &[Shape]) -> Result<Shape, ShapeError> {
    match (inputs[0].dims(), inputs[1].dims()) {
        (&[batch, n], &[inputs, units]) if n == inputs => Ok([batch, units].into()),
        _ => {
            let found = format!("{} and {}", inputs[0], inputs[1]);
            Err(ShapeError::new(operation, "an input [batch, n] and a kernel [n, units]", found))
        }
    }
}

/// The product; with `MAX` that of the max-plus semiring, else of the min-plus one.
fn forward<T: Real, const MAX: bool>(pass: Forward<'_, T>) {
    let (x, kernel) = (pass.inputs[0].data, pass.inputs[1].data);
    let (n, units) = (pass.inputs[0].shape.dims()[1], pass.shape.dims()[1]);
    if pass.output.is_empty() {
        return;
    }
    let task = |member: usize, y: &mut [T], winners: &mut [u32]| {
        dispatch(Row::<T, MAX> { x: &x[member * n..(member + 1) * n], kernel, y, winners });
    };
    if pass.needs_grad {
        pass.saved.indices.resize(pass.output.len(), 0);
        parallel::for_each_pair((pass.output, units), (&mut pass.saved.indices, units), task);
    } else {
        parallel::for_each_piece(pass.output, units, |member, y| task(member, y, &mut []));
    }
}

fn backward<T: Real>(pass: Backward<'_, T>) {
    let (n, units) = (pass.inputs[0].shape.dims()[1], pass.output.shape.dims()[1]);
    // Without inputs nothing has won.
    if pass.grad_output.is_empty() || n == 0 {
        return;
    }
    let of = |member: usize| {
        let outputs = member * units..(member + 1) * units;
        pass.saved.indices[outputs.clone()].iter().zip(&pass.grad_output[outputs])
    };
    let [dx, dw, ..] = pass.grad_inputs;
    if let Some(dx) = dx {
        parallel::for_each_piece(dx, n, |member, dx| {
            of(member).for_each(|(winner, g)| dx[*winner as usize] += *g);
        });
    }
    if let Some(dw) = dw {
        parallel::sum_into(dw, pass.grad_output.len() / units, pass.scratch, |members, dw| {
            for member in members {
                for (j, (winner, g)) in of(member).enumerate() {
                    dw[*winner as usize * units + j] += *g;
                }
            }
        });
    }
}

/// The outputs of one member of the batch.
struct Row<'a, T, const MAX: bool> {
    x: &'a [T],
    kernel: &'a [T],
    y: &'a mut [T],
    /// The winning inputs; empty when nobody needs them.
    winners: &'a mut [u32],
}

impl<T: Real, const MAX: bool> Kernel for Row<'_, T, MAX> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { x, kernel, y, winners, .. } = self;
        y.fill(if MAX { T::neg_infinity() } else { T::infinity() });
        winners.fill(0);
        for (i, (x, w)) in x.iter().zip(kernel.chunks_exact(y.len())).enumerate() {
            if winners.is_empty() {
                for (y, w) in y.iter_mut().zip(w) {
                    let candidate = *x + *w;
                    *y = if beats::<T, MAX>(candidate, *y) { candidate } else { *y };
                }
            } else {
                for ((y, w), winner) in y.iter_mut().zip(w).zip(&mut *winners) {
                    let candidate = *x + *w;
                    let wins = beats::<T, MAX>(candidate, *y);
                    *y = if wins { candidate } else { *y };
                    *winner = if wins { i as u32 } else { *winner };
                }
            }
        }
    }
}

#[inline(always)]
fn beats<T: Real, const MAX: bool>(a: T, b: T) -> bool {
    if MAX { a > b } else { a < b }
}

#[cfg(test)]
mod tests {
    use super::*;
    use morphograd_nn::autodiff::{Mode, Params, Tape};
    use morphograd_nn::optimizer::Adam;
    use morphograd_nn::tensor::Tensor;
    use morphograd_nn::{MeanSquaredError, Optimizer, Sequential};
    use morphograd_testkit::{check_op, strategy, vjp};
    use proptest::prelude::*;

    fn sizes() -> impl Strategy<Value = [usize; 3]> {
        [1..5usize, 1..7, 1..20]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn gradients_agree_with_differences(
            (x, w) in sizes().prop_flat_map(|[batch, n, units]| (strategy::tensor([batch, n]), strategy::tensor([n, units])))
        ) {
            check_op(MaxPlusProduct, &[x.clone(), w.clone()]);
            check_op(MinPlusProduct, &[x, w]);
        }

        #[test]
        fn values_and_gradients_are_those_of_the_definition_also_at_ties(
            (x, w) in sizes().prop_flat_map(|[batch, n, units]| (strategy::tied_tensor([batch, n]), strategy::tied_tensor([n, units])))
        ) {
            let (&[batch, n], &[_, units]) = (x.shape().dims(), w.shape().dims()) else { unreachable!() };
            let g: Vec<f64> = (0..batch * units).map(|i| (i % 7) as f64 - 3.0).collect();
            for max in [true, false] {
                let inputs = [x.clone(), w.clone()];
                let (y, grads) = if max { vjp(MaxPlusProduct, &inputs, &g) } else { vjp(MinPlusProduct, &inputs, &g) };
                let (mut dx, mut dw) = (vec![0.0; batch * n], vec![0.0; n * units]);
                for (o, g) in g.iter().enumerate() {
                    let (b, j) = (o / units, o % units);
                    let candidates: Vec<f64> = (0..n).map(|i| x.data()[b * n + i] + w.data()[i * units + j]).collect();
                    let best = candidates.iter().copied().reduce(if max { f64::max } else { f64::min }).unwrap();
                    let first = candidates.iter().position(|c| *c == best).unwrap();
                    prop_assert_eq!(y[o], best);
                    dx[b * n + first] += g;
                    dw[first * units + j] += g;
                }
                prop_assert_eq!(&grads[..], &[dx, dw][..]);
            }
        }
    }

    #[test]
    fn nan_never_wins_and_an_empty_maximum_is_minus_infinity() {
        let x = Tensor::from_vec([2, 2], vec![f64::NAN, 1.0, f64::NAN, f64::NEG_INFINITY]).unwrap();
        let (y, grads) = vjp(MaxPlusProduct, &[x, Tensor::zeros([2, 1])], &[1.0, 1.0]);
        assert_eq!((y, &grads[0][..]), (vec![1.0, f64::NEG_INFINITY], &[0.0, 1.0, 1.0, 0.0][..]));
        let (y, grads) =
            vjp(MinPlusProduct, &[Tensor::<f64>::zeros([1, 0]), Tensor::zeros([0, 2])], &[1.0, 1.0]);
        assert!(y == [f64::INFINITY; 2] && grads.iter().all(Vec::is_empty));
        let (y, _) = vjp(MaxPlusProduct, &[Tensor::<f64>::zeros([0, 3]), Tensor::zeros([3, 2])], &[]);
        assert!(y.is_empty());
    }

    #[test]
    fn a_product_of_the_semiring_is_learned_with_its_bias() {
        let mut params = Params::<f64>::new();
        // From 0, and towards a matrix of small spread, every input wins somewhere: one that never wins would never learn.
        let (kernel, bias) = (Weight::zeros(), Some(Weight::zeros()));
        let layer = MaxPlusDense { units: 3, kernel, bias, ..MaxPlusDense::default() };
        let model = Sequential::builder(&mut params, 1, [4]).add("or", layer).finish().unwrap();
        let x = Tensor::from_fn([32, 4], |i| (i as f64 * 1.3).sin());
        let w = Tensor::from_fn([4, 3], |i| 0.3 * (i as f64 * 0.8).cos() + 0.5);
        let mut optimizer = Optimizer::new(&params, Adam::default(), 0.02);
        let (mut tape, mut losses) = (Tape::new(), Vec::new());
        for step in 0..500 {
            let mut graph = tape.record(&params, Mode::Train { step });
            let (x, w) = (graph.input(x.view()), graph.input(w.view()));
            let target = graph.apply(MaxPlusProduct, [x, w]).unwrap();
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
            Sequential::builder(&mut params, 0, Shape::new(input))
                .add("and", layer)
                .finish()
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            error(2, &[5, 5, 1]),
            "and: min_plus_dense: expected at least 1 unit on [n] (flatten it first), \
             found 2 units on an input of shape [5, 5, 1]"
        );
        assert!(error(0, &[5]).contains("found 0 units"));
        let error = Op::<f64>::infer(&MaxPlusProduct, &[[2, 3].into(), [4, 2].into()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "max_plus_dense: expected an input [batch, n] and a kernel [n, units], found [2, 3] and [4, 2]"
        );
    }
}
