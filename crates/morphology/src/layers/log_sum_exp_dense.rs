//! Smooth dense layers: the maximum of a max-plus product replaced by the logarithm of a sum of
//! exponentials.
//!
//! The one design choice: a sum of exponentials of sums is a matrix product of exponentials. So
//! there is one exponential for each input and each weight, and none for a pair of them; what one
//! product of rounded exponentials cannot hold is computed again, pair by pair.

use std::ops::RangeInclusive;

use morphograd_nn::autodiff::{Backward, Forward, Graph, Op, ParamId, Params, Var};
use morphograd_nn::initializer::GlorotUniform;
use morphograd_nn::tensor::{Matrix, Real, Shape, ShapeError, gemm, parallel};
use morphograd_nn::{Activation, Build, BuildError, Builder, Layer, Weight};

use crate::elements::element_dropout::ElementDropout;
use crate::layers::correlation::{DenseProduct, WeightRule};
use crate::layers::dense::{DenseParts, Description};
use crate::layers::max_plus_dense::infer;
use crate::layers::semiring::Semiring;
use crate::smooth::layer::Sharpness;

/// $$y_{b,j} = \frac1β \log \sum_i e^{β (x_{b,i} + w_{i,j})}$$
/// for maxima, and $-\frac1β \log \sum_i e^{-β (x_{b,i} + w_{i,j})}$ for minima: `[batch, n]`,
/// `[n, units]` and a sharpness `[]` → `[batch, units]`. The temperature is $1/β$.
///
/// - **Certificate**: it is above the maximum by at most $\log(n)/β$
///   ([`log_sum_exp_gap`](crate::log_sum_exp_gap)), below the minimum by as much.
/// - **Computation**: with $p_b = \max_i x_{b,i}$ and $q_j = \max_i w_{i,j}$,
///   $$y_{b,j} = p_b + q_j + \frac1β \log \sum_i e^{β (x_{b,i} - p_b)}\, e^{β (w_{i,j} - q_j)},$$
///   so the sum is a matrix product. It loses digits where it is so small that products of
///   exponentials vanish beside it (in `f32` where the best candidate is about $60/β$ below $p_b +
///   q_j$); such outputs are computed again with their own maximum.
/// - **Gradient**: the weights of the sum, which add up to 1, to inputs and entries; to β the
///   weighted mean of $(x_{b,i} + w_{i,j} - y_{b,j})/β$. No ties.
/// - **Absent** entries, $-\infty$ for maxima and $+\infty$ for minima, are left out; without any
///   other the output is such, and passes no gradient on. NaN, or an infinity of the other sign,
///   makes NaN.
/// - **Cost**: an exponential for each input and each weight, and a matrix product; backward two
///   matrix products. An output that is computed again costs `n` exponentials each way.
///
/// ```
/// use morphograd_morphology::{LogSumExpProduct, evaluate, nn::tensor::TensorRef};
/// let x = TensorRef::new([1, 2], &[0.0, 1000.0]);
/// let w = TensorRef::new([2, 2], &[1000.0, 0.0, 0.0, 0.0]);
/// let beta = TensorRef::new([], &[0.5]);
/// let y = evaluate([x, w, beta], |graph, inputs| {
///     graph.apply(LogSumExpProduct::default(), inputs)
/// })?;
/// // A tie of two, and a maximum far above the rest.
/// assert_eq!(y.data(), [1000.0 + 2.0 * 2f64.ln(), 1000.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogSumExpProduct {
    /// Maxima or minima.
    pub semiring: Semiring,
}

/// $y_j = a\big(\frac1β \log \sum_i e^{β (x_i + w_{ij})} + b_j\big)$, or the same of minima:
/// `[batch, n]` → `[batch, units]`, see [`LogSumExpProduct`]. Parameters: `kernel` `[n, units]`,
/// and, if asked for, `candidate` `[units]`, `bias` `[units]` and `beta` `[]`.
///
/// The default has 1 unit, maxima, a Glorot uniform kernel, a constant β of 1, no biases, no
/// dropout and no activation.
///
/// ```
/// use morphograd_morphology::{LogSumExpDense, Semiring, nn::{Sequential, autodiff::Params}};
/// let mut params = Params::<f32>::new();
/// let and = LogSumExpDense { units: 10, semiring: Semiring::MinPlus, ..Default::default() };
/// let model = Sequential::new()
///     .add("or", LogSumExpDense { units: 32, ..LogSumExpDense::default() })
///     .add("and", and)
///     .build_model(&mut params, 42, [100])?;
/// assert_eq!((model.output().dims(), params.count()), (&[10][..], 3520));
/// # Ok::<(), morphograd_morphology::nn::BuildError>(())
/// ```
#[derive(Debug)]
pub struct LogSumExpDense<T> {
    /// Number of outputs.
    pub units: usize,
    /// Maxima or minima.
    pub semiring: Semiring,
    /// The function $a$.
    pub activation: Activation,
    /// The matrix $w$.
    pub kernel: Weight<T>,
    /// The sharpness β, above 0; the units share it.
    pub beta: Sharpness<T>,
    /// The vector $b$; `None` for no bias.
    pub bias: Option<Weight<T>>,
    /// One more candidate of every unit, a constant $c_j$ in the sum; `None` for none.
    pub candidate: Option<Weight<T>>,
    /// Entries of the matrix that are left out while training; none by default.
    pub element_dropout: ElementDropout,
    /// What the matrix learns from; the gradient by default.
    pub rule: WeightRule,
}

impl<T: Real> Default for LogSumExpDense<T> {
    fn default() -> Self {
        Self {
            units: 1,
            semiring: Semiring::MaxPlus,
            activation: Activation::Linear,
            kernel: Weight::new(GlorotUniform),
            beta: Sharpness::Fixed(1.0),
            bias: None,
            candidate: None,
            element_dropout: ElementDropout::default(),
            rule: WeightRule::default(),
        }
    }
}

const NAME: &str = "log_sum_exp_dense";

impl<T: Real> Build<T> for LogSumExpDense<T> {
    fn build(
        self,
        builder: &mut Builder<'_, T>,
        input: Shape,
    ) -> Result<Box<dyn Layer<T>>, BuildError> {
        let Self { units, semiring, activation, kernel, beta, bias, candidate, .. } = self;
        let Self { element_dropout, rule, .. } = self;
        let refuse = |found: String| {
            Err(ShapeError::new(NAME, "a finite beta above 0, shared by the units", found).into())
        };
        match beta {
            Sharpness::Fixed(beta) if !(beta > 0.0 && beta.is_finite()) => {
                return refuse(beta.to_string());
            }
            Sharpness::PerFilter(_) => return refuse("one for each unit".into()),
            _ => {}
        }
        let (name, candidates) = (NAME, candidate.into_iter().collect());
        let description =
            Description { name, units, kernel, candidates, element_dropout, bias, activation };
        let parts = DenseParts::build(builder, input, 1, description)?;
        let beta = match beta {
            Sharpness::Fixed(beta) => Beta::Constant(beta),
            Sharpness::Shared(weight) | Sharpness::PerFilter(weight) => {
                Beta::Param(builder.param("beta", Shape::scalar(), weight)?)
            }
        };
        Ok(Box::new(Built { product: LogSumExpProduct { semiring }, rule, beta, parts }))
    }
}

#[derive(Debug)]
enum Beta {
    Constant(f64),
    Param(ParamId),
}

#[derive(Debug)]
struct Built {
    product: LogSumExpProduct,
    rule: WeightRule,
    beta: Beta,
    parts: DenseParts,
}

impl<T: Real> Layer<T> for Built {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let [x, kernel] = self.parts.operands(graph, x, self.product.semiring)?;
        let beta = match self.beta {
            Beta::Constant(beta) => graph.scalar(beta),
            Beta::Param(id) => graph.param(id),
        };
        let y = self.rule.apply(graph, self.product, [x, kernel, beta])?;
        self.parts.finish(graph, y)
    }

    fn lipschitz(&self, _: &Params<T>) -> Option<f64> {
        Some(self.parts.activation.slope())
    }
}

impl<T: Real> DenseProduct<T> for LogSumExpProduct {
    fn semiring(&self) -> Semiring {
        self.semiring
    }
}

/// What is remembered: exponentials of the inputs `[batch, n]` and of the matrix `[n, units]`, the
/// maxima of the rows and columns that they are relative to, and their product `[batch, units]`,
/// with 0 where it was too small.
struct Exponentials<S> {
    x: S,
    w: S,
    tops: S,
    sums: S,
}

/// Batch, inputs, units.
fn sizes(x: Shape, w: Shape) -> [usize; 3] {
    [x.dims()[0], x.dims()[1], w.dims()[1]]
}

impl<'a, T> Exponentials<&'a [T]> {
    fn of(memory: &'a [T], [batch, n, units]: [usize; 3]) -> Self {
        let (x, rest) = memory.split_at(batch * n);
        let (w, rest) = rest.split_at(n * units);
        let (tops, sums) = rest.split_at(batch + units);
        Self { x, w, tops, sums }
    }
}

impl<'a, T: Real> Exponentials<&'a mut [T]> {
    fn room(memory: &'a mut Vec<T>, [batch, n, units]: [usize; 3]) -> Self {
        memory.resize(batch * n + n * units + batch + units + batch * units, T::zero());
        let (x, rest) = memory.split_at_mut(batch * n);
        let (w, rest) = rest.split_at_mut(n * units);
        let (tops, sums) = rest.split_at_mut(batch + units);
        Self { x, w, tops, sums }
    }
}

/// $e^{β s (v - \text{top})}$; 0 of what is absent.
#[inline(always)]
fn exponential<T: Real>(v: T, top: T, beta: T) -> T {
    if v == T::neg_infinity() { T::zero() } else { (beta * (v - top)).exp() }
}

/// Rows of the matrix whose exponentials one task computes.
const ROWS: usize = 16;

impl<T: Real> Op<T> for LogSumExpProduct {
    fn name(&self) -> &'static str {
        NAME
    }

    fn arity(&self) -> RangeInclusive<usize> {
        3..=3
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        if inputs[2].rank() != 0 {
            return Err(ShapeError::new(NAME, "a beta of shape []", inputs[2].to_string()));
        }
        infer(NAME, &inputs[..2])
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let size @ [batch, n, units] = sizes(pass.inputs[0].shape, pass.inputs[1].shape);
        let (x, w, beta) = (pass.inputs[0].data, pass.inputs[1].data, pass.inputs[2].data[0]);
        if pass.output.is_empty() {
            return;
        }
        if n == 0 {
            return pass.output.fill(self.semiring.absent());
        }
        let sign = self.semiring.sign::<T>();
        let memory = if pass.needs_grad { &mut pass.saved.values } else { &mut *pass.scratch };
        let Exponentials { x: of_x, w: of_w, tops, sums } = Exponentials::room(memory, size);
        let (x_tops, w_tops) = tops.split_at_mut(batch);
        parallel::for_each_pair((of_x, n), (&mut *x_tops, 1), |b, of_x, top| {
            let x = &x[b * n..(b + 1) * n];
            top[0] = x.iter().fold(T::neg_infinity(), |top, x| top.max(sign * *x));
            for (of_x, x) in of_x.iter_mut().zip(x) {
                *of_x = exponential(sign * *x, top[0], beta);
            }
        });
        w_tops.fill(T::neg_infinity());
        for w in w.chunks_exact(units) {
            w_tops.iter_mut().zip(w).for_each(|(top, w)| *top = top.max(sign * *w));
        }
        parallel::for_each_piece(of_w, ROWS * units, |piece, of_w| {
            let w = &w[piece * ROWS * units..][..of_w.len()];
            for (of_w, w) in of_w.chunks_exact_mut(units).zip(w.chunks_exact(units)) {
                for ((of_w, w), top) in of_w.iter_mut().zip(w).zip(&*w_tops) {
                    *of_w = exponential(sign * *w, *top, beta);
                }
            }
        });
        gemm(Matrix::new(of_x, batch, n), Matrix::new(of_w, n, units), T::zero(), sums);

        // Below, what is lost to numbers that are too small to be held would be seen.
        let least = T::min_positive_value() / T::epsilon() * T::of(n as f64);
        let (x_tops, w_tops) = (&*x_tops, &*w_tops);
        parallel::for_each_pair((pass.output, units), (sums, units), |b, y, sums| {
            for j in 0..units {
                y[j] = sign
                    * if sums[j] < least {
                        sums[j] = T::zero();
                        let z = |i| sign * (x[b * n + i] + w[i * units + j]);
                        let top = (0..n).map(z).fold(T::neg_infinity(), T::max);
                        let sum: T = (0..n).map(|i| exponential(z(i), top, beta)).sum();
                        top + sum.ln() / beta
                    } else {
                        x_tops[b] + w_tops[j] + sums[j].ln() / beta
                    };
            }
        });
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let size @ [batch, n, units] = sizes(pass.inputs[0].shape, pass.inputs[1].shape);
        let (x, w, beta) = (pass.inputs[0].data, pass.inputs[1].data, pass.inputs[2].data[0]);
        let (g, y) = (pass.grad_output, pass.output.data);
        if g.is_empty() || n == 0 {
            return;
        }
        let of = Exponentials::of(pass.saved.values, size);
        let [dx, dw, d_beta, ..] = pass.grad_inputs;
        let sign = self.semiring.sign::<T>();
        pass.scratch.clear();
        pass.scratch.resize(batch * units + batch * n + n * units, T::zero());
        let (shares, rest) = pass.scratch.split_at_mut(batch * units);
        let (to_x, to_w) = rest.split_at_mut(batch * n);
        for ((share, g), sum) in shares.iter_mut().zip(g).zip(of.sums) {
            *share = if *sum == T::zero() { T::zero() } else { *g / *sum };
        }
        // The derivative by the sharpness is made of the others.
        let (want_x, want_w) = (dx.is_some() || d_beta.is_some(), dw.is_some() || d_beta.is_some());
        let shares = Matrix::new(shares, batch, units);
        if want_x {
            gemm(shares, Matrix::new(of.w, n, units).transposed(), T::zero(), to_x);
            to_x.iter_mut().zip(of.x).for_each(|(to, e)| *to *= *e);
        }
        if want_w {
            gemm(Matrix::new(of.x, batch, n).transposed(), shares, T::zero(), to_w);
            to_w.iter_mut().zip(of.w).for_each(|(to, e)| *to *= *e);
        }
        // Outputs that were computed again, unless nothing was in their sum.
        let again = |o: &usize| of.sums[*o] == T::zero() && y[*o].is_finite();
        for o in (0..batch * units).filter(again) {
            let (b, j) = (o / units, o % units);
            for i in 0..n {
                let z = x[b * n + i] + w[i * units + j] - y[o];
                let share = g[o] * (beta * sign * z).exp();
                to_x[b * n + i] += share;
                to_w[i * units + j] += share;
            }
        }
        if let Some(d_beta) = d_beta {
            let dot = |a: &[T], b: &[T]| -> f64 {
                let terms = a.iter().zip(b).filter(|(_, b)| **b != T::zero());
                terms.map(|(a, b)| a.f64() * b.f64()).sum()
            };
            d_beta[0] += T::of(dot(x, to_x) + dot(w, to_w) - dot(y, g)) / beta;
        }
        for (grad, to) in [(dx, &*to_x), (dw, &*to_w)] {
            if let Some(grad) = grad {
                grad.iter_mut().zip(to).for_each(|(grad, to)| *grad += *to);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use morphograd_nn::Sequential;
    use morphograd_nn::autodiff::{Mode, Tape};
    use morphograd_nn::initializer::{Constant, Normal};
    use morphograd_nn::tensor::Tensor;
    use morphograd_testkit::{assert_close, check_op, strategy, vjp};
    use proptest::prelude::*;

    use super::*;
    use crate::{MaxPlusProduct, MinPlusProduct, log_sum_exp_gap};

    const BOTH: [LogSumExpProduct; 2] = [
        LogSumExpProduct { semiring: Semiring::MaxPlus },
        LogSumExpProduct { semiring: Semiring::MinPlus },
    ];

    /// Values and gradients by the definition, in double precision.
    fn naive(
        op: LogSumExpProduct,
        [x, w]: [&[f64]; 2],
        [batch, n, units]: [usize; 3],
        beta: f64,
        g: &[f64],
    ) -> (Vec<f64>, [Vec<f64>; 2]) {
        let (sign, mut y) = (op.semiring.sign::<f64>(), vec![0.0; batch * units]);
        let (mut dx, mut dw) = (vec![0.0; batch * n], vec![0.0; n * units]);
        for o in 0..batch * units {
            let (b, j) = (o / units, o % units);
            let z: Vec<f64> =
                (0..n).map(|i| beta * sign * (x[b * n + i] + w[i * units + j])).collect();
            let top = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = z.iter().map(|z| (z - top).exp()).sum();
            y[o] = sign * (top + total.ln()) / beta;
            for i in 0..n {
                let share = g[o] * (z[i] - top).exp() / total;
                dx[b * n + i] += share;
                dw[i * units + j] += share;
            }
        }
        (y, [dx, dw])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn gradients_agree_with_differences(
            (x, w) in [1..5usize, 1..7, 1..6].prop_flat_map(|[batch, n, units]| {
                (strategy::tensor([batch, n]), strategy::tensor([n, units]))
            }),
            beta in 0.3..4.0f64,
        ) {
            for op in BOTH {
                check_op(op, &[x.clone(), w.clone(), Tensor::filled([], beta)]);
            }
        }

        /// With the largest spread no product of exponentials can hold the sums.
        #[test]
        fn values_and_gradients_are_those_of_the_definition_also_far_apart(
            (x, w) in [1..5usize, 1..7, 1..6].prop_flat_map(|[batch, n, units]| {
                (strategy::tensor([batch, n]), strategy::tensor([n, units]))
            }),
            spread in prop::sample::select(vec![1.0, 30.0, 3000.0]),
        ) {
            let size = [x.shape().dims()[0], x.shape().dims()[1], w.shape().dims()[1]];
            let g: Vec<f64> = (0..size[0] * size[2]).map(|i| (i as f64 * 1.7).sin()).collect();
            let [x, w] = [x, w].map(|t| Tensor::from_fn(t.shape(), |i| t.data()[i] * spread));
            for op in BOTH {
                let inputs = [x.clone(), w.clone(), Tensor::filled([], 1.5)];
                let (y, grads) = vjp(op, &inputs, &g);
                let (expected, [dx, dw]) = naive(op, [x.data(), w.data()], size, 1.5, &g);
                assert_close("y", &y, &expected, 1e-12);
                assert_close("x", &grads[0], &dx, 1e-9);
                assert_close("w", &grads[1], &dw, 1e-9);
                // Single precision computes more of them again.
                let single = inputs.map(|t| Tensor::from_fn(t.shape(), |i| t.data()[i] as f32));
                let g: Vec<f32> = g.iter().map(|g| *g as f32).collect();
                let double = single.each_ref().map(|t| {
                    t.data().iter().map(|v| f64::from(*v)).collect::<Vec<f64>>()
                });
                let wide: Vec<f64> = g.iter().map(|g| f64::from(*g)).collect();
                let (expected, [dx, dw]) = naive(op, [&double[0], &double[1]], size, 1.5, &wide);
                let (y, grads) = vjp(op, &single, &g);
                for (found, expected) in [(&y, &expected), (&grads[0], &dx), (&grads[1], &dw)] {
                    for (found, expected) in found.iter().zip(expected) {
                        let error = (f64::from(*found) - expected).abs();
                        let scale = expected.abs().max(1.0) + spread;
                        prop_assert!(error < 2e-6 * scale, "{} {}", found, expected);
                    }
                }
            }
        }

        #[test]
        fn it_is_above_the_maximum_by_no_more_than_its_gap(
            x in strategy::tensor([3, 5]),
            w in strategy::tensor([5, 4]),
            beta in 0.1..1e4f64,
        ) {
            let hard = [x.clone(), w.clone()];
            let smooth = [x, w, Tensor::filled([], beta)];
            let most = vjp(MaxPlusProduct::default(), &hard, &[0.0; 12]).0;
            let least = vjp(MinPlusProduct::default(), &hard, &[0.0; 12]).0;
            let [up, down] = BOTH.map(|op| vjp(op, &smooth, &[0.0; 12]).0);
            let gap = log_sum_exp_gap(5, beta) + 1e-12;
            for o in 0..12 {
                prop_assert!((-1e-12..=gap).contains(&(up[o] - most[o])));
                prop_assert!((-1e-12..=gap).contains(&(least[o] - down[o])));
            }
        }
    }

    #[test]
    fn absent_entries_are_left_out_and_nan_is_seen() {
        let absent = f64::NEG_INFINITY;
        let x = Tensor::from_vec([3, 2], vec![1.0, 2.0, absent, absent, f64::NAN, 0.0]).unwrap();
        let w = Tensor::from_vec([2, 2], vec![0.5, absent, absent, absent]).unwrap();
        let inputs = [x.clone(), w.clone(), Tensor::filled([], 1.0)];
        let (y, grads) = vjp(BOTH[0], &inputs, &[1.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
        assert_eq!(y[..4], [1.5, absent, absent, absent]);
        assert!(y[4].is_nan());
        assert_eq!(grads[0][..4], [1.0, 0.0, 0.0, 0.0]);
        let inputs = [x, w].map(|t| Tensor::from_fn(t.shape(), |i| -t.data()[i]));
        let [x, w] = inputs;
        let (negative, _) = vjp(BOTH[1], &[x, w, Tensor::filled([], 1.0)], &[0.0; 6]);
        assert_eq!(negative[..4], [-1.5, -absent, -absent, -absent]);
        let empty = [Tensor::zeros([1, 0]), Tensor::zeros([0, 2]), Tensor::filled([], 1.0)];
        assert_eq!(vjp(BOTH[1], &empty, &[1.0, 1.0]).0, [f64::INFINITY; 2]);
    }

    #[test]
    fn a_candidate_is_one_more_term_and_beta_is_learned_if_asked_for() {
        let mut params = Params::<f64>::new();
        let layer = LogSumExpDense {
            units: 2,
            kernel: Weight::new(Normal { mean: 0.0, std: 1.0 }),
            candidate: Some(Weight::new(Constant(0.75))),
            beta: Sharpness::Shared(Weight::new(Constant(2.0))),
            ..LogSumExpDense::default()
        };
        let model = Sequential::new().add("or", layer).build_model(&mut params, 1, [3]).unwrap();
        let w = params.value(params.find("or.kernel").unwrap()).data.to_vec();
        let mut tape = Tape::new();
        let mut graph = tape.record(&params, Mode::Train { step: 0 });
        let x = graph.input(Tensor::from_fn([1, 3], |i| i as f64 / 4.0).view());
        let y = model.forward(&mut graph, x).unwrap();
        let found = graph.value(y).data.to_vec();
        graph.backward_with(y, &[1.0, 1.0]);
        for j in 0..2 {
            let terms = (0..3).map(|i| i as f64 / 4.0 + w[2 * i + j]).chain([0.75]);
            let expected = terms.map(|z| (2.0 * z).exp()).sum::<f64>().ln() / 2.0;
            assert!((found[j] - expected).abs() < 1e-12);
        }
        let of = |name| tape.grad(params.find(name).unwrap()).unwrap().to_vec();
        let to_all: f64 = of("or.kernel").iter().chain(&of("or.candidate")).sum();
        assert!((to_all - 2.0).abs() < 1e-12 && of("or.beta")[0] != 0.0);
        assert_eq!(model.lipschitz(&params), Some(1.0));
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let error = |beta| {
            let mut params = Params::<f64>::new();
            let layer = LogSumExpDense { beta, ..LogSumExpDense::default() };
            Sequential::new().add("or", layer).build_model(&mut params, 0, [3]).unwrap_err()
        };
        for (beta, found) in [
            (Sharpness::Fixed(0.0), "0"),
            (Sharpness::Fixed(f64::NAN), "NaN"),
            (Sharpness::PerFilter(Weight::zeros()), "one for each unit"),
        ] {
            assert_eq!(
                error(beta).to_string(),
                format!(
                    "or: log_sum_exp_dense: expected a finite beta above 0, shared by the units, \
                     found {found}"
                )
            );
        }
        let shapes = [[2, 3].into(), [3, 4].into(), [1].into()];
        let error = Op::<f64>::infer(&BOTH[0], &shapes).unwrap_err().to_string();
        assert_eq!(error, "log_sum_exp_dense: expected a beta of shape [], found [1]");
        let shapes = [[2, 3].into(), [4, 4].into(), Shape::scalar()];
        assert!(Op::<f64>::infer(&BOTH[0], &shapes).is_err());
    }
}
