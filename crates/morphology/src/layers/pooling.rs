//! Pooling by the order: minima, ranges, and learned mixtures of maxima with means and minima.
//!
//! The one design choice: all of them are arithmetic on nn's maximum and mean pooling, so border,
//! ties and NaN are the same in all.

use morphograd_nn::autodiff::{Add, Graph, Mul, ParamId, Params, Scale, Sub, Ties, Var};
use morphograd_nn::initializer::Constant;
use morphograd_nn::sets::Interval;
use morphograd_nn::tensor::{Real, Shape, ShapeError, Window2d};
use morphograd_nn::{AvgPool2d, Build, BuildError, Builder, Layer, MaxPool2d, Weight};

macro_rules! pool {
    ($(#[$doc:meta])* $name:ident, $lipschitz:expr, |$graph:ident, $x:ident, $max:ident|
     $body:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name {
            /// The sliding window, without gaps between its pixels; [`Window2d::tiles`] for windows
            /// side by side.
            pub window: Window2d,
            /// Who gets the gradient where an extremum is reached more than once.
            pub ties: Ties,
        }

        impl Default for $name {
            fn default() -> Self {
                let MaxPool2d { window, ties } = MaxPool2d::default();
                Self { window, ties }
            }
        }

        impl<T: Real> Build<T> for $name {
            fn build(
                self,
                _: &mut Builder<'_, T>,
                _: Shape,
            ) -> Result<Box<dyn Layer<T>>, BuildError> {
                Ok(Box::new(self))
            }
        }

        impl<T: Real> Layer<T> for $name {
            fn forward(
                        &self,
                        $graph: &mut Graph<'_, T>,
                        $x: Var,
                    ) -> Result<Var, ShapeError> {
                let Self { window, ties } = *self;
                let $max = MaxPool2d { window, ties };
                $body
            }

            fn lipschitz(&self, _: &Params<T>) -> Option<f64> {
                Some($lipschitz)
            }
        }
    };
}

pool! {
    /// $y = \min_d x_d$ over the pixels of the window inside the image, for each channel:
    /// `[batch, height, width, channels]` → `[batch, height', width', channels]`.
    ///
    /// It is $-\max(-x)$ by [`MaxPool2d`], with its default of 2 x 2 pixels that do not overlap:
    /// the gradient goes to the first minimum in raster order of the window unless another rule is
    /// chosen ([`Ties`]), and a NaN in the window is the result. Cost: that of [`MaxPool2d`] and
    /// two passes over memory.
    ///
    /// ```
    /// use morphograd_morphology::{
    ///     nn::{
    ///         Layer,
    ///         autodiff::{Mode, Params, Tape},
    ///         tensor::TensorRef,
    ///     },
    ///     layers::pooling::MinPool2d,
    /// };
    /// let (params, mut tape) = (Params::<f32>::new(), Tape::new());
    /// let mut graph = tape.record(&params, Mode::Eval);
    /// let x = graph.input(TensorRef::new([1, 2, 2, 1], &[3.0, 5.0, 2.0, 4.0]));
    /// let y = MinPool2d::default().forward(&mut graph, x)?;
    /// assert_eq!(graph.value(y).data, [2.0]);
    /// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
    /// ```
    MinPool2d, 1.0, |graph, x, max| minimum(graph, x, max)
}

pool! {
    /// $y = \max_d x_d - \min_d x_d$ over the pixels of the window inside the image, the range: a
    /// flat morphological gradient that also pools (`GradPooling2D` of morpholayers). Never
    /// negative. Border and default are those of [`MinPool2d`]; the rule at ties is that of both
    /// extrema.
    RangePool2d, 2.0, |graph, x, max| {
        let largest = graph.apply(max, [x])?;
        let smallest = minimum(graph, x, max)?;
        graph.apply(Sub, [largest, smallest])
    }
}

macro_rules! mixed {
    ($(#[$doc:meta])* $name:ident, |$graph:ident, $x:ident, $max:ident| $other:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<T> {
            /// The sliding window, without gaps between its pixels; [`Window2d::tiles`] for windows
            /// side by side.
            pub window: Window2d,
            /// Who gets the gradient where an extremum is reached more than once.
            pub ties: Ties,
            /// The share α of the maximum, a scalar; by default from 0.5 and kept in [0, 1].
            pub alpha: Weight<T>,
        }

        impl<T: Real> Default for $name<T> {
            fn default() -> Self {
                let MaxPool2d { window, ties } = MaxPool2d::default();
                let alpha = Weight::new(Constant(0.5)).constrained(Interval { min: 0.0, max: 1.0 });
                Self { window, ties, alpha }
            }
        }

        impl<T: Real> Build<T> for $name<T> {
            fn build(
                self,
                builder: &mut Builder<'_, T>,
                _: Shape,
            ) -> Result<Box<dyn Layer<T>>, BuildError> {
                /// The layer with its parameter.
                #[derive(Debug)]
                struct Built {
                    max: MaxPool2d,
                    alpha: ParamId,
                }

                impl<T: Real> Layer<T> for Built {
                    fn forward(
                        &self,
                        $graph: &mut Graph<'_, T>,
                        $x: Var,
                    ) -> Result<Var, ShapeError> {
                        let $max = self.max;
                        let largest = $graph.apply($max, [$x])?;
                        let other = $other?;
                        let alpha = $graph.param(self.alpha);
                        let difference = $graph.apply(Sub, [largest, other])?;
                        let share = $graph.apply(Mul, [difference, alpha])?;
                        $graph.apply(Add, [other, share])
                    }

                    /// 1 for a share in [0, 1].
                    fn lipschitz(&self, params: &Params<T>) -> Option<f64> {
                        let alpha = params.value(self.alpha).data[0].f64();
                        Some(alpha.abs() + (1.0 - alpha).abs())
                    }
                }

                let Self { window, ties, alpha } = self;
                let alpha = builder.param("alpha", Shape::scalar(), alpha)?;
                let max = MaxPool2d { window, ties };
                Ok(Box::new(Built { max, alpha }))
            }
        }
    };
}

mixed! {
    /// $y = α \max_d x_d + (1 - α) \operatorname{mean}_d x_d$ over the pixels of the window inside
    /// the image, with one learned number α (`MixedPooling2D` of morpholayers). Its derivative is
    /// the sum of maximum minus mean. Computed as $m + α (\max - m)$.
    ///
    /// Parameter: `alpha` of shape `[]`. Ties, border and default are those of [`MaxPool2d`] and
    /// [`AvgPool2d`]. Source: C.-Y. Lee, P. W. Gallagher and Z. Tu, *Generalizing pooling functions
    /// in convolutional neural networks: mixed, gated, and tree* (AISTATS 2016).
    ///
    /// ```
    /// use morphograd_morphology::{
    ///     nn::{Sequential, autodiff::Params},
    ///     layers::pooling::MixedPool2d,
    /// };
    /// let mut params = Params::<f32>::new();
    /// let model = Sequential::new()
    ///     .add("pool", MixedPool2d::default())
    ///     .build_model(&mut params, 1, [28, 28, 3])?;
    /// assert_eq!((model.output().dims(), params.count()), (&[14, 14, 3][..], 1));
    /// # Ok::<(), morphograd_morphology::nn::BuildError>(())
    /// ```
    MixedPool2d, |graph, x, max| {
        graph.apply(AvgPool2d { window: max.window }, [x])
    }
}

mixed! {
    /// $y = α \max_d x_d + (1 - α) \min_d x_d$ over the pixels of the window inside the image, with
    /// one learned number α (`MixedMaxMinPooling2D` of morpholayers); otherwise as [`MixedPool2d`].
    MixedMaxMinPool2d, |graph, x, max| minimum(graph, x, max)
}

fn minimum<T: Real>(graph: &mut Graph<'_, T>, x: Var, max: MaxPool2d) -> Result<Var, ShapeError> {
    let negative = graph.apply(Scale(-1.0), [x])?;
    let largest = graph.apply(max, [negative])?;
    graph.apply(Scale(-1.0), [largest])
}

#[cfg(test)]
mod tests {
    use super::*;
    use morphograd_nn::autodiff::{Mode, Params, Tape, gradcheck};
    use morphograd_nn::optim::Adam;
    use morphograd_nn::tensor::{Tensor, TensorRef, Window2d};
    use morphograd_nn::{MeanSquaredError, Model, Optimizer, Sequential};
    use morphograd_testkit::{assert_close, strategy};
    use proptest::prelude::*;

    const ALPHA: f64 = 0.3;
    const RULES: [Ties; 3] = [Ties::First, Ties::Last, Ties::Split];

    /// One of the four, by number, with a free α.
    fn build(kind: usize, window: Window2d, ties: Ties, params: &mut Params<f64>) -> Model<f64> {
        let alpha = Weight::new(Constant(ALPHA));
        let builder = Sequential::new();
        match kind {
            0 => builder.add("pool", MinPool2d { window, ties }),
            1 => builder.add("pool", RangePool2d { window, ties }),
            2 => builder.add("pool", MixedPool2d { window, ties, alpha }),
            _ => builder.add("pool", MixedMaxMinPool2d { window, ties, alpha }),
        }
        .build_model(params, 0, [5, 6, 2])
        .unwrap()
    }

    /// The values of every window, inside the image.
    fn windows(w: Window2d, x: &Tensor<f64>) -> Vec<Vec<f64>> {
        let extent = w.extent([5, 6]).unwrap();
        let covered = |axis: usize, i: usize, n: usize| -> Vec<usize> {
            let start = (i * w.strides[axis]) as isize - extent.before[axis] as isize;
            (start..start + w.size[axis] as isize)
                .filter_map(|p| usize::try_from(p).ok().filter(|p| *p < n))
                .collect()
        };
        let [rows, columns] = extent.output;
        (0..2 * rows * columns * 2)
            .map(|n| {
                let (c, j, i, b) =
                    (n % 2, n / 2 % columns, n / 2 / columns % rows, n / 2 / columns / rows);
                let (ys, xs) = (covered(0, i, 5), covered(1, j, 6));
                ys.iter()
                    .flat_map(|y| xs.iter().map(move |p| (y, p)))
                    .map(|(y, p)| x.data()[((b * 5 + y) * 6 + p) * 2 + c])
                    .collect()
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn values_are_those_of_the_definition_and_gradients_agree_with_differences(
            w in strategy::window(),
            x in strategy::tensor([2, 5, 6, 2]),
            kind in 0..4usize,
            ties in prop::sample::select(RULES.to_vec()),
        ) {
            let w = w.rates([1, 1]);
            let mut params = Params::new();
            let model = build(kind, w, ties, &mut params);
            let image = params.add("x", x.clone(), None).unwrap();
            gradcheck(&mut params, |graph| {
                let x = graph.param(image);
                model.forward(graph, x)
            })
            .unwrap();

            let mut tape = Tape::new();
            let mut graph = tape.record(&params, Mode::Eval);
            let variable = graph.param(image);
            let y = model.forward(&mut graph, variable).unwrap();
            let expected: Vec<f64> = windows(w, &x)
                .iter()
                .map(|all| {
                    let max = all.iter().copied().reduce(f64::max).unwrap();
                    let min = all.iter().copied().reduce(f64::min).unwrap();
                    let mean = all.iter().sum::<f64>() / all.len() as f64;
                    [
                        min,
                        max - min,
                        ALPHA * max + (1.0 - ALPHA) * mean,
                        ALPHA * max + (1.0 - ALPHA) * min,
                    ][kind]
                })
                .collect();
            assert_close("pooled", graph.value(y).data, &expected, 1e-12);
        }
    }

    /// The gradient of one layer, by number, at one image of 2 x 2 pixels; and on that many
    /// threads.
    fn grad(kind: usize, ties: Ties, x: [f64; 4], threads: usize) -> Vec<f64> {
        let run = || {
            let mut params = Params::new();
            let window = Window2d::new([2, 2]).strides([2, 2]);
            let model = build(kind, window, ties, &mut params);
            let mut tape = Tape::new();
            let mut graph = tape.record(&params, Mode::Train { step: 0 });
            let x = graph.variable(TensorRef::new([1, 2, 2, 1], &x));
            let y = model.forward(&mut graph, x).unwrap();
            graph.backward_with(y, &[6.0]);
            graph.grad(x).unwrap().to_vec()
        };
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run)
    }

    #[test]
    fn of_tied_extrema_the_first_the_last_or_all_get_the_gradient_on_any_number_of_threads() {
        let x = [3.0, 1.0, 1.0, 3.0];
        let max = [[6.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 6.0], [3.0, 0.0, 0.0, 3.0]];
        let min = [[0.0, 6.0, 0.0, 0.0], [0.0, 0.0, 6.0, 0.0], [0.0, 3.0, 3.0, 0.0]];
        for (rule, ties) in RULES.into_iter().enumerate() {
            for threads in [1, 2, 3] {
                let of = |share: f64, other: f64, with: [f64; 4]| -> Vec<f64> {
                    (0..4).map(|p| share * max[rule][p] + other * with[p]).collect()
                };
                assert_eq!(grad(0, ties, x, threads), min[rule], "{ties:?}");
                assert_eq!(grad(1, ties, x, threads), of(1.0, -1.0, min[rule]), "{ties:?}");
                let close = |kind, expected: Vec<f64>| {
                    assert_close("mixed", &grad(kind, ties, x, threads), &expected, 1e-15);
                };
                close(2, of(ALPHA, 1.0 - ALPHA, [1.5; 4]));
                close(3, of(ALPHA, 1.0 - ALPHA, min[rule]));
            }
            assert_eq!(grad(1, ties, [3.0; 4], 1), [0.0; 4], "a constant window has no range");
        }
    }

    /// Trains α on targets mixed with `truth`.
    fn learned(truth: f64, layer: impl Build<f64>, other: impl Layer<f64>) -> f64 {
        let mut params = Params::new();
        let model =
            Sequential::new().add("pool", layer).build_model(&mut params, 0, [8, 8, 1]).unwrap();
        let alpha = params.find("pool.alpha").unwrap();
        assert_eq!(params.value(alpha).data, [0.5]);
        let image = Tensor::from_fn([2, 8, 8, 1], |i| (i as f64 * 1.7).sin());
        let mut optimizer = Optimizer::new(&params, Adam::default(), 0.02);
        let mut tape = Tape::new();
        for step in 0..300 {
            let mut graph = tape.record(&params, Mode::Train { step });
            let x = graph.input(image.view());
            let (max, other) = (
                MaxPool2d::default().forward(&mut graph, x).unwrap(),
                other.forward(&mut graph, x).unwrap(),
            );
            let (max, other) = (
                graph.apply(Scale(truth), [max]).unwrap(),
                graph.apply(Scale(1.0 - truth), [other]).unwrap(),
            );
            let target = graph.apply(Add, [max, other]).unwrap();
            let y = model.forward(&mut graph, x).unwrap();
            let loss = graph.apply(MeanSquaredError, [y, target]).unwrap();
            graph.backward(loss);
            optimizer.step(&mut params, &tape).unwrap();
            assert_eq!(params.violation(alpha), 0.0);
        }
        params.value(alpha).data[0]
    }

    #[test]
    fn alpha_is_learned_and_stays_in_its_interval() {
        assert!((learned(0.8, MixedPool2d::default(), AvgPool2d::default()) - 0.8).abs() < 1e-3);
        assert!(
            (learned(0.2, MixedMaxMinPool2d::default(), MinPool2d::default()) - 0.2).abs() < 1e-3
        );
        assert_eq!(learned(1.5, MixedPool2d::default(), AvgPool2d::default()), 1.0);
        assert_eq!(learned(-0.5, MixedMaxMinPool2d::default(), MinPool2d::default()), 0.0);
    }
}
