//! Batch normalization: each channel is brought to mean 0 and variance 1, over the batch while
//! training, by moving averages afterwards.
//!
//! The one design choice: the statistics of a batch are an op of their own, so that normalizing is
//! one computation in training and in evaluation, fed with the batch's statistics or with the
//! averages; the averages follow by [`Graph::track`] at the end of a step.

use std::ops::{Range, RangeInclusive};

use morphograd_autodiff::tensor::{Real, Shape, ShapeError, parallel};
use morphograd_autodiff::{Backward, Forward, Graph, Mode, Op, ParamId, Params, Var};

use crate::initializer::{Constant, Initializer};
use crate::model::build::Build;
use crate::model::builder::Builder;
use crate::model::error::BuildError;
use crate::model::layer::Layer;
use crate::model::weight::Weight;
use crate::random::Stream;

/// $y = γ (x - μ) / \sqrt{σ^2 + ε} + β$ for each channel, the last axis: `[batch, .., channels]` →
/// the same shape.
///
/// While training, $μ$ and $σ^2$ are mean and variance (divided by the number of elements, not by
/// one less) of the batch over all axes but the last, and gradients go through them. Outside
/// training they are moving averages, which every step moves: $a \leftarrow m a + (1 - m) v$ with
/// momentum $m$ and the batch's value $v$.
///
/// Parameters: `gamma` and `beta` of shape `[channels]`, and `moving` of shape `[2, channels]`,
/// which is not trained: the average of the means, which starts at 0, and under it that of the
/// variances, which starts at 1. [`Optimizer::step`](crate::Optimizer::step) moves it; a loop
/// without an optimizer calls [`Tape::settle`](morphograd_autodiff::Tape::settle). A step that
/// fails leaves it. Used twice in one step, it moves twice.
///
/// The defaults are those of Keras: momentum 0.99, $ε = 0.001$, $γ = 1$, $β = 0$. Cost: 3 passes
/// over the input, 5 more for the gradients; in evaluation 1.
///
/// Ioffe and Szegedy, *Batch normalization: accelerating deep network training by reducing internal
/// covariate shift*, ICML 2015.
///
/// ```
/// use morphograd_nn::{BatchNorm, Sequential, autodiff::Params, summary};
/// let mut params = Params::<f32>::new();
/// let model = Sequential::new()
///     .add("normalize", BatchNorm::default())
///     .build_model(&mut params, 42, [28, 28, 16])?;
/// assert!(
///     summary(&model, &params).contains("Trainable params: 32\nNon-trainable params: 32")
/// );
/// # Ok::<(), morphograd_nn::BuildError>(())
/// ```
#[derive(Debug)]
pub struct BatchNorm<T> {
    /// The momentum $m$ of the moving averages, in [0, 1].
    pub momentum: f64,
    /// The number $ε > 0$ that keeps the root away from 0.
    pub epsilon: f64,
    /// The factor $γ$.
    pub gamma: Weight<T>,
    /// The summand $β$.
    pub beta: Weight<T>,
}

/// Mean and variance of every channel over all other axes: `[.., channels]` → `[2, channels]`, the
/// means and under them the variances, $σ^2 = \frac1n \sum_i (x_i - μ)^2$.
///
/// Derivative: $dx_i = (dμ + 2 (x_i - μ)\,dσ^2) / n$. Two passes over the input, so that a large
/// mean does not cost the variance its digits.
#[derive(Debug, Clone, Copy)]
pub struct Moments;

/// $y = γ (x - μ) / \sqrt{σ^2 + ε} + β$. Inputs: x `[.., channels]`, μ and σ² `[2, channels]`, γ
/// and β `[channels]`.
///
/// Derivatives, with $s = 1 / \sqrt{σ^2 + ε}$ and sums over all axes but the last: $dx = γ s\,dy$,
/// $dμ = -γ s \sum dy$, $dσ^2 = -\frac12 γ s^3 \sum (x - μ)\,dy$, $dγ = s \sum (x - μ)\,dy$,
/// $dβ = \sum dy$.
#[derive(Debug, Clone, Copy)]
pub struct Normalize {
    /// The number $ε$.
    pub epsilon: f64,
}

/// How many rows of channels one task computes.
const ROWS: usize = 256;

impl<T: Real> Default for BatchNorm<T> {
    fn default() -> Self {
        Self {
            momentum: 0.99,
            epsilon: 0.001,
            gamma: Weight::new(Constant(1.0)),
            beta: Weight::zeros(),
        }
    }
}

impl<T: Real> Build<T> for BatchNorm<T> {
    fn build(
        self,
        builder: &mut Builder<'_, T>,
        input: Shape,
    ) -> Result<Box<dyn Layer<T>>, BuildError> {
        let Some(&channels) = input.dims().last() else {
            return Err(ShapeError::new("batch_norm", "an input with channels", "a scalar").into());
        };
        if !(0.0..=1.0).contains(&self.momentum) {
            let found = self.momentum.to_string();
            return Err(ShapeError::new("batch_norm", "a momentum in [0, 1]", found).into());
        }
        if !(self.epsilon > 0.0 && self.epsilon.is_finite()) {
            let found = self.epsilon.to_string();
            return Err(ShapeError::new("batch_norm", "a finite epsilon above 0", found).into());
        }
        let gamma = builder.param("gamma", [channels].into(), self.gamma)?;
        let beta = builder.param("beta", [channels].into(), self.beta)?;
        let moving =
            builder.param("moving", [2, channels].into(), Weight::new(Standard).frozen())?;
        let op = Normalize { epsilon: self.epsilon };
        Ok(Box::new(Built { gamma, beta, moving, momentum: self.momentum, op }))
    }
}

/// The moments of a channel that needs no normalization: mean 0, variance 1.
#[derive(Debug)]
struct Standard;

impl<T: Real> Initializer<T> for Standard {
    fn fill(&self, _: Shape, _: &mut Stream, value: &mut [T]) {
        let (means, variances) = value.split_at_mut(value.len() / 2);
        means.fill(T::zero());
        variances.fill(T::one());
    }
}

#[derive(Debug)]
struct Built {
    gamma: ParamId,
    beta: ParamId,
    moving: ParamId,
    momentum: f64,
    op: Normalize,
}

impl<T: Real> Layer<T> for Built {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let moments = if matches!(graph.mode(), Mode::Train { .. }) {
            let moments = graph.apply(Moments, [x])?;
            graph.track(self.moving, moments, self.momentum);
            moments
        } else {
            graph.param(self.moving)
        };
        let (gamma, beta) = (graph.param(self.gamma), graph.param(self.beta));
        graph.apply(self.op, [x, moments, gamma, beta])
    }

    /// The largest $\lvert \gamma \rvert / \sqrt{v + \varepsilon}$, by the moving variances $v$.
    fn lipschitz(&self, params: &Params<T>) -> Option<f64> {
        let (gamma, moments) = (params.value(self.gamma).data, params.value(self.moving).data);
        let slopes = gamma.iter().zip(&moments[gamma.len()..]);
        let slope = |(g, v): (&T, &T)| g.f64().abs() / (v.f64() + self.op.epsilon).sqrt();
        Some(slopes.map(slope).fold(0.0, f64::max))
    }
}

impl<T: Real> Op<T> for Moments {
    fn name(&self) -> &'static str {
        "moments"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        match inputs[0].dims() {
            [_, .., channels] if !inputs[0].is_empty() => Ok([2, *channels].into()),
            _ => {
                let expected = "an input of shape [batch, .., channels] that is not empty";
                Err(ShapeError::new("moments", expected, format!("shape {}", inputs[0])))
            }
        }
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let x = pass.inputs[0].data;
        let channels = pass.output.len() / 2;
        let n = x.len() / channels;
        let divide = |sums: &mut [T]| sums.iter_mut().for_each(|sum| *sum /= T::of(n as f64));
        pass.output.fill(T::zero());
        let (means, variances) = pass.output.split_at_mut(channels);
        parallel::sum_into(means, [n, 1], pass.scratch, |items, sums| {
            for x in rows(x, channels, items) {
                sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += *x);
            }
        });
        divide(means);
        parallel::sum_into(variances, [n, 1], pass.scratch, |items, sums| {
            for x in rows(x, channels, items) {
                for ((sum, x), mean) in sums.iter_mut().zip(x).zip(&*means) {
                    *sum += (*x - *mean) * (*x - *mean);
                }
            }
        });
        divide(variances);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let [Some(dx), ..] = pass.grad_inputs else { return };
        let x = pass.inputs[0].data;
        let channels = pass.grad_output.len() / 2;
        let n = T::of((x.len() / channels) as f64);
        let (means, (d_means, d_variances)) =
            (&pass.output.data[..channels], pass.grad_output.split_at(channels));
        parallel::for_each_piece(dx, ROWS * channels, |i, dx| {
            let x = &x[i * ROWS * channels..];
            for (dx, x) in dx.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                for c in 0..channels {
                    dx[c] += (d_means[c] + T::of(2.0) * (x[c] - means[c]) * d_variances[c]) / n;
                }
            }
        });
    }
}

impl<T: Real> Op<T> for Normalize {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        4..=4
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let &[_, .., channels] = inputs[0].dims() else {
            let found = format!("shape {}", inputs[0]);
            return Err(ShapeError::new(
                "batch_norm",
                "an input of shape [batch, .., channels]",
                found,
            ));
        };
        let expected = [Shape::from([2, channels]), [channels].into(), [channels].into()];
        if inputs[1..] != expected {
            let [moments, gamma, beta] = expected;
            return Err(ShapeError::new(
                "batch_norm",
                format!("moments, gamma and beta of shapes {moments}, {gamma} and {beta}"),
                format!("shapes {}, {} and {}", inputs[1], inputs[2], inputs[3]),
            ));
        }
        Ok(inputs[0])
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let [x, moments, gamma, beta] = [0, 1, 2, 3].map(|i| pass.inputs[i].data);
        let channels = gamma.len();
        if pass.output.is_empty() {
            return;
        }
        let (means, variances) = moments.split_at(channels);
        let scales = pass.scratch;
        scales.clear();
        scales.extend(variances.iter().map(|v| T::one() / (*v + T::of(self.epsilon)).sqrt()));
        if pass.needs_grad {
            pass.saved.values.clone_from(scales);
        }
        scales.iter_mut().zip(gamma).for_each(|(scale, gamma)| *scale *= *gamma);
        parallel::for_each_piece(pass.output, ROWS * channels, |i, y| {
            let x = &x[i * ROWS * channels..];
            for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                for c in 0..channels {
                    y[c] = (x[c] - means[c]) * scales[c] + beta[c];
                }
            }
        });
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let [x, moments, gamma] = [0, 1, 2].map(|i| pass.inputs[i].data);
        let (g, channels, scales) = (pass.grad_output, gamma.len(), pass.saved.values);
        if g.is_empty() {
            return;
        }
        let (means, n) = (&moments[..channels], g.len() / channels);
        let [dx, d_moments, d_gamma, d_beta, ..] = pass.grad_inputs;
        if let Some(dx) = dx {
            parallel::for_each_piece(dx, ROWS * channels, |i, dx| {
                let g = &g[i * ROWS * channels..];
                for (dx, g) in dx.chunks_exact_mut(channels).zip(g.chunks_exact(channels)) {
                    for c in 0..channels {
                        dx[c] += gamma[c] * scales[c] * g[c];
                    }
                }
            });
        }
        if let Some(d_moments) = d_moments {
            parallel::sum_into(d_moments, [n, 1], pass.scratch, |items, sums| {
                let (d_means, d_variances) = sums.split_at_mut(channels);
                for (x, g) in rows(x, channels, items.clone()).zip(rows(g, channels, items)) {
                    for c in 0..channels {
                        let slope = gamma[c] * scales[c] * g[c];
                        d_means[c] -= slope;
                        d_variances[c] -=
                            T::of(0.5) * slope * scales[c] * scales[c] * (x[c] - means[c]);
                    }
                }
            });
        }
        if let Some(d_gamma) = d_gamma {
            parallel::sum_into(d_gamma, [n, 1], pass.scratch, |items, sums| {
                for (x, g) in rows(x, channels, items.clone()).zip(rows(g, channels, items)) {
                    for c in 0..channels {
                        sums[c] += scales[c] * (x[c] - means[c]) * g[c];
                    }
                }
            });
        }
        if let Some(d_beta) = d_beta {
            parallel::sum_into(d_beta, [n, 1], pass.scratch, |items, sums| {
                for g in rows(g, channels, items) {
                    sums.iter_mut().zip(g).for_each(|(sum, g)| *sum += *g);
                }
            });
        }
    }
}

/// The channels of the positions in a range.
fn rows<T>(data: &[T], channels: usize, items: Range<usize>) -> impl Iterator<Item = &[T]> {
    data[items.start * channels..items.end * channels].chunks_exact(channels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::Sgd;
    use crate::{Model, Optimizer, Sequential, checkpoint};
    use morphograd_autodiff::tensor::Tensor;
    use morphograd_autodiff::{Mean, Mul, Params, Tape, gradcheck};
    use morphograd_testkit::{assert_close, check_op, strategy};
    use proptest::prelude::*;

    /// x, moments with a variance of at least 0.1, gamma and beta.
    fn operands() -> impl Strategy<Value = [Tensor<f64>; 4]> {
        (1..4usize, proptest::collection::vec(1..4usize, 0..4), 1..5usize).prop_flat_map(
            |(batch, between, channels)| {
                let shape = Shape::new(&[&[batch], &between[..], &[channels]].concat());
                let moments = strategy::tensor([2, channels]).prop_map(move |m| {
                    let keep =
                        |i: usize| if i < channels { m.data()[i] } else { m.data()[i].abs() + 0.1 };
                    Tensor::from_fn([2, channels], keep)
                });
                let vector = || strategy::tensor([channels]).boxed();
                [strategy::tensor(shape).boxed(), moments.boxed(), vector(), vector()]
            },
        )
    }

    /// Mean and variance of every channel, as their definitions say.
    fn moments(x: &Tensor<f64>) -> Vec<f64> {
        let channels = *x.shape().dims().last().unwrap();
        let of = |c: usize| x.data().iter().skip(c).step_by(channels);
        let n = (x.data().len() / channels) as f64;
        let means: Vec<f64> = (0..channels).map(|c| of(c).sum::<f64>() / n).collect();
        let variances =
            (0..channels).map(|c| of(c).map(|x| (x - means[c]).powi(2)).sum::<f64>() / n);
        means.iter().copied().chain(variances).collect()
    }

    fn model(params: &mut Params<f64>, description: BatchNorm<f64>, input: Shape) -> Model<f64> {
        Sequential::new().add("bn", description).build_model(params, 0, input).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn gradients_agree_with_differences(inputs in operands()) {
            check_op(Moments, &inputs[..1]);
            check_op(Normalize { epsilon: 0.001 }, &inputs);
        }

        #[test]
        fn values_agree_with_the_definition_and_gradients_go_through_the_statistics(
            inputs in operands(),
        ) {
            let [x, ..] = &inputs;
            let mut params = Params::new();
            let description = BatchNorm { epsilon: 0.1, ..BatchNorm::default() };
            let model = model(&mut params, description, x.shape().unbatched());
            let ids = ["gamma", "beta"].map(|name| params.find(&format!("bn.{name}")).unwrap());
            for (id, value) in ids.iter().zip(&inputs[2..]) {
                params.update(*id, |old| old.copy_from_slice(value.data()));
            }
            let (channels, expected) = (inputs[2].data().len(), moments(x));
            let mut tape = Tape::new();
            let mut graph = tape.record(&params, Mode::Train { step: 0 });
            let var = graph.input(x.view());
            let y = model.forward(&mut graph, var).unwrap();
            let normalized: Vec<f64> = (x.data().iter().enumerate())
                .map(|(i, x)| {
                    let c = i % channels;
                    let root = (expected[channels + c] + 0.1).sqrt();
                    inputs[2].data()[c] * (x - expected[c]) / root + inputs[3].data()[c]
                })
                .collect();
            assert_close("y", graph.value(y).data, &normalized, 1e-12);

            params.add("x", x.clone(), None).unwrap();
            let x = params.find("x").unwrap();
            gradcheck(&mut params, |graph| {
                let x = graph.param(x);
                let y = model.forward(graph, x)?;
                graph.apply(Mul, [y, y])
            })
            .unwrap();
        }
    }

    #[test]
    fn many_rows_are_cut_at_the_right_places() {
        let x = Tensor::from_fn([3, 400, 3], |i| 100.0 + (i as f64 * 0.7).sin());
        let mut tape = Tape::new();
        let params = Params::new();
        let mut graph = tape.record(&params, Mode::Eval);
        let var = graph.input(x.view());
        let found = graph.apply(Moments, [var]).unwrap();
        assert_close("moments", graph.value(found).data, &moments(&x), 1e-12);
        let [gamma, beta] = [1.0, 0.0].map(|v| graph.input(Tensor::filled([3], v).view()));
        let y = graph.apply(Normalize { epsilon: 1e-9 }, [var, found, gamma, beta]).unwrap();
        let again = graph.apply(Moments, [y]).unwrap();
        let standard = graph.value(again).data.iter().zip([0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        assert!(standard.into_iter().all(|(found, expected)| (found - expected).abs() < 1e-8));
    }

    /// A step on x, whose loss is the mean of the squared output.
    fn step(
        model: &Model<f64>,
        params: &mut Params<f64>,
        optimizer: &mut Optimizer<f64>,
        x: &Tensor<f64>,
    ) -> bool {
        let mut tape = Tape::new();
        let mut graph = tape.record(params, Mode::Train { step: optimizer.steps() });
        let x = graph.input(x.view());
        let y = model.forward(&mut graph, x).unwrap();
        let squares = graph.apply(Mul, [y, y]).unwrap();
        let loss = graph.apply(Mean, [squares]).unwrap();
        graph.backward(loss);
        optimizer.step(params, &tape).is_ok()
    }

    #[test]
    fn a_step_moves_the_averages_a_failed_step_and_an_evaluation_do_not() {
        let mut params = Params::new();
        let model =
            model(&mut params, BatchNorm { momentum: 0.75, ..BatchNorm::default() }, [1].into());
        let moving = params.find("bn.moving").unwrap();
        let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.1);
        let x = Tensor::from_vec([2, 1], vec![3.0, 7.0]).unwrap(); // mean 5, variance 4
        assert!(step(&model, &mut params, &mut optimizer, &x));
        assert_eq!(params.value(moving).data, [1.25, 1.75]);

        let infinite = Tensor::from_vec([2, 1], vec![3.0, f64::INFINITY]).unwrap();
        assert!(!step(&model, &mut params, &mut optimizer, &infinite));
        let mut tape = Tape::new();
        let mut graph = tape.record(&params, Mode::Eval);
        let x = graph.input(x.view());
        model.forward(&mut graph, x).unwrap();
        tape.settle(&mut params);
        assert_eq!(params.value(moving).data, [1.25, 1.75]);
    }

    #[test]
    fn the_averages_are_kept_in_checkpoints() {
        let mut params = Params::new();
        let model = model(&mut params, BatchNorm::default(), [1].into());
        let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.1);
        step(
            &model,
            &mut params,
            &mut optimizer,
            &Tensor::from_vec([2, 1], vec![3.0, 7.0]).unwrap(),
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bn.safetensors");
        checkpoint::save(&params, &path).unwrap();
        let moving = params.find("bn.moving").unwrap();
        let before = params.value(moving).data.to_vec();
        params.update(moving, |value| value.fill(0.0));
        checkpoint::load(&mut params, &path).unwrap();
        assert_eq!(params.value(moving).data, before);
        assert!(!params.is_trainable(moving) && before != [0.0, 1.0]);
    }

    #[test]
    fn what_cannot_be_normalized_is_refused() {
        let error = |description: BatchNorm<f64>, input: &[usize]| {
            let mut params = Params::new();
            let builder = Sequential::new();
            builder
                .add("bn", description)
                .build_model(&mut params, 0, Shape::new(input))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            error(BatchNorm::default(), &[]),
            "bn: batch_norm: expected an input with channels, found a scalar"
        );
        assert_eq!(
            error(BatchNorm { momentum: 1.5, ..BatchNorm::default() }, &[3]),
            "bn: batch_norm: expected a momentum in [0, 1], found 1.5"
        );
        assert_eq!(
            error(BatchNorm { epsilon: 0.0, ..BatchNorm::default() }, &[3]),
            "bn: batch_norm: expected a finite epsilon above 0, found 0"
        );
        let error = Op::<f64>::infer(&Moments, &[[0, 4, 2].into()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "moments: expected an input of shape [batch, .., channels] that is not empty, found \
             shape [0, 4, 2]"
        );
        let shapes = [[5, 2].into(), [2, 3].into(), [2].into(), [2].into()];
        let error = Op::<f64>::infer(&Normalize { epsilon: 0.1 }, &shapes).unwrap_err();
        assert_eq!(
            error.to_string(),
            "batch_norm: expected moments, gamma and beta of shapes [2, 2], [2] and [2], found \
             shapes [2, 3], [2] and [2]"
        );
    }
}
