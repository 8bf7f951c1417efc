//! The true adjoints of dilation and erosion with strides: from the sampled image back to the full
//! one.
//!
//! The one design choice: the samples are spread over an image of infinities, on which the adjoint
//! is the ordinary operator at stride 1. An infinity loses every comparison, so nothing else has to
//! know of strides.

use std::marker::PhantomData;

use morphograd_nn::autodiff::{Backward, Forward, Graph, Op, Var};
use morphograd_nn::tensor::{Extent, Padding, Real, Shape, ShapeError, Window2d, parallel};

use crate::dilation::depthwise::Depthwise2d;
use crate::neighbourhood::border::Border;
use crate::neighbourhood::lattice::{Lattice, MaxPlus, MinMinus};
use crate::neighbourhood::neighbourhood::Neighbourhood2d;

/// The adjoint of [`dilation2d`](crate::dilation2d) by the same kernel `[kh, kw, channels]` and
/// window, on images of `[height, width]` pixels. Where the dilation is $\delta(x)_i = \max_d x_{s
/// i + r d - p} + w_d$,
/// $$\varepsilon(y)_u = \min_{s i + r d - p \,=\, u} y_i - w_d, \qquad \delta(x) \le y \iff x \le \varepsilon(y).$$
/// `y` `[batch, rows, columns, channels]`, of the size that the dilation gives; output
/// `[batch, height, width, channels]`.
///
/// So $\delta \varepsilon$ is an opening of sampled images and $\varepsilon \delta$ a closing of
/// full ones, with every stride, rate and padding. At stride 1 with same padding this is
/// [`erosion2d`](crate::erosion2d); with strides that one samples, and is the adjoint of nothing.
///
/// - **Border**: there are no samples outside, which is the adjoint of the infinite border; others
///   are refused. A pixel that no window covers is $+\infty$: the dilation does not see it.
/// - **Ties**: the rule of the neighbourhood, as in [`Depthwise2d`], on samples in raster order.
///   $+\infty$ in a covered pixel is tied too. A sample outside gets no gradient.
/// - **Cost**: that of an erosion of the full image, and one copy of it.
///
/// Source: H. Heijmans, *Morphological Image Operators* (1994), ch. 3: every dilation has exactly
/// one adjoint erosion.
///
/// # Errors
/// If the shapes do not fit, or the border is another than the infinite one.
///
/// ```
/// use morphograd_morphology::{
///     adjoint_erosion2d, dilation2d, evaluate,
///     nn::tensor::{TensorRef, Window2d},
/// };
/// let window = Window2d::new([1, 3]).strides([1, 2]).same();
/// let x = TensorRef::new([1, 1, 5, 1], &[1.0, 0.0, 7.0, 0.0, 2.0]);
/// let flat = TensorRef::new([1, 3, 1], &[0.0; 3]);
/// let y = evaluate([x, flat], |graph, [x, w]| dilation2d(graph, x, w, window))?;
/// assert_eq!(y.data(), [1.0, 7.0, 2.0]);
/// // The closing at full size.
/// let closed = evaluate([y.view(), flat], |graph, [y, w]| {
///     adjoint_erosion2d(graph, y, w, window, [1, 5])
/// })?;
/// assert_eq!(closed.data(), [1.0, 1.0, 7.0, 2.0, 2.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn adjoint_erosion2d<T: Real>(
    graph: &mut Graph<'_, T>,
    y: Var,
    kernel: Var,
    neighbourhood: impl Into<Neighbourhood2d>,
    image: [usize; 2],
) -> Result<Var, ShapeError> {
    adjoint::<T, MinMinus>(graph, y, kernel, neighbourhood.into(), image)
}

/// The adjoint of [`erosion2d`](crate::erosion2d) by the same kernel and window: the dual of
/// [`adjoint_erosion2d`]. Where the erosion is $\varepsilon(x)_i = \min_d x_{s i + r d - p} -
/// w_{k-1-d}$,
/// $$\delta(y)_u = \max_{s i + r d - p \,=\, u} y_i + w_{k-1-d}, \qquad \delta(y) \le x \iff y \le \varepsilon(x).$$
/// So $\delta \varepsilon$ is an opening of full images, and a pixel that no window covers is
/// $-\infty$.
///
/// # Errors
/// If the shapes do not fit, or the border is another than the infinite one.
pub fn adjoint_dilation2d<T: Real>(
    graph: &mut Graph<'_, T>,
    y: Var,
    kernel: Var,
    neighbourhood: impl Into<Neighbourhood2d>,
    image: [usize; 2],
) -> Result<Var, ShapeError> {
    adjoint::<T, MaxPlus>(graph, y, kernel, neighbourhood.into().adjoint(), image)
}

/// The operator of a lattice that is adjoint to the other's with this window, as it stands.
fn adjoint<T: Real, L: Lattice>(
    graph: &mut Graph<'_, T>,
    y: Var,
    kernel: Var,
    neighbourhood: Neighbourhood2d,
    image: [usize; 2],
) -> Result<Var, ShapeError> {
    if neighbourhood.border != Border::Infinity {
        return Err(ShapeError::new(
            "adjoint",
            "the infinite border",
            format!("{:?}", neighbourhood.border),
        ));
    }
    let spread = graph
        .apply(Spread::<L> { window: neighbourhood.window, image, lattice: PhantomData }, [y])?;
    let window = neighbourhood.window.strides([1, 1]).padding(Padding::Valid);
    graph
        .apply(Depthwise2d::<L>::new(Neighbourhood2d { window, ..neighbourhood }), [spread, kernel])
}

/// The samples of a window's outputs, each where the mirrored window has it under its last tap, and
/// the lattice's bottom between them: `[batch, rows, columns, channels]` →
/// `[batch, height + reach - 1, width + reach - 1, channels]`. The gradient is gathered there.
/// Cost: one copy.
#[derive(Debug, Clone, Copy)]
struct Spread<L> {
    window: Window2d,
    image: [usize; 2],
    lattice: PhantomData<L>,
}

impl<L: Lattice> Spread<L> {
    fn extent(&self) -> Result<Extent, ShapeError> {
        self.window.extent(self.image).map_err(|error| ShapeError { operation: "adjoint", ..error })
    }

    /// The distance between the first and the last tap along an axis.
    fn span(&self, axis: usize) -> usize {
        (self.window.size[axis] - 1) * self.window.rates[axis]
    }

    /// The sample of an image and its place among the spread ones, both without channels.
    fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        let Extent { output: [rows, columns], before, .. } =
            self.extent().expect("shapes were inferred");
        let (strides, spans) = (self.window.strides, [self.span(0), self.span(1)]);
        let width = self.image[1] + spans[1];
        let at = move |axis: usize, i: usize| i * strides[axis] + spans[axis] - before[axis];
        (0..rows * columns).map(move |n| (n, at(0, n / columns) * width + at(1, n % columns)))
    }
}

impl<T: Real, L: Lattice> Op<T> for Spread<L> {
    fn name(&self) -> &'static str {
        "adjoint"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let [rows, columns] = self.extent()?.output;
        match *inputs[0].dims() {
            [batch, r, c, channels @ (1..)] if [r, c] == [rows, columns] => {
                Ok([batch, self.image[0] + self.span(0), self.image[1] + self.span(1), channels]
                    .into())
            }
            _ => Err(ShapeError::new(
                "adjoint",
                format!(
                    "samples [batch, {rows}, {columns}, channels] of an image {:?}",
                    self.image
                ),
                format!("shape {}", inputs[0]),
            )),
        }
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let (x, shape) = (pass.inputs[0], pass.shape.dims());
        if pass.output.is_empty() {
            return;
        }
        let (channels, image) = (shape[3], x.data.len() / shape[0]);
        parallel::for_each_piece(pass.output, shape[1] * shape[2] * channels, |n, y| {
            y.fill(L::bottom());
            let x = &x.data[n * image..][..image];
            for (from, to) in self.places() {
                y[to * channels..][..channels].copy_from_slice(&x[from * channels..][..channels]);
            }
        });
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let ([Some(dx), ..], shape) = (pass.grad_inputs, pass.output.shape.dims()) else { return };
        if dx.is_empty() {
            return;
        }
        let (channels, image) = (shape[3], shape[1] * shape[2] * shape[3]);
        parallel::for_each_piece(dx, pass.inputs[0].data.len() / shape[0], |n, dx| {
            let g = &pass.grad_output[n * image..][..image];
            for (from, to) in self.places() {
                let pixel = dx[from * channels..][..channels].iter_mut();
                pixel.zip(&g[to * channels..]).for_each(|(dx, g)| *dx += *g);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use morphograd_nn::autodiff::{Mode, Params, Tape, Ties, gradcheck};
    use morphograd_nn::tensor::Tensor;
    use morphograd_testkit::{check_op, strategy, vjp};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::{dilation2d, erosion2d, evaluate};

    type Operator = fn(&mut Graph<'_, f64>, Var, Var, Window2d) -> Result<Var, ShapeError>;
    type Adjoint<W = Window2d> =
        fn(&mut Graph<'_, f64>, Var, Var, W, [usize; 2]) -> Result<Var, ShapeError>;

    /// An operator and its adjoint, dilation first.
    const PAIRS: [(Operator, Adjoint); 2] =
        [(dilation2d, adjoint_erosion2d), (erosion2d, adjoint_dilation2d)];

    /// Windows of up to 4 taps an axis and every padding.
    fn window() -> impl Strategy<Value = Window2d> {
        let padding =
            prop::sample::select(vec![Padding::Valid, Padding::Same, Padding::SameMirrored]);
        let axis = || (1..=4usize, 1..=3usize, 1..=2usize);
        (axis(), axis(), padding).prop_map(|((k0, s0, r0), (k1, s1, r1), padding)| {
            Window2d::new([k0, k1]).strides([s0, s1]).rates([r0, r1]).padding(padding)
        })
    }

    /// A window, an image and a kernel of whole numbers, and others of the image's size.
    fn integers() -> impl Strategy<Value = (Window2d, Tensor<f64>, Tensor<f64>, Tensor<f64>)> {
        (window(), 7..=9usize, 7..=8usize).prop_flat_map(|(window, height, width)| {
            let tensor = |shape: [usize; 4]| {
                let numbers = vec((-9i8..=9).prop_map(f64::from), shape.iter().product::<usize>());
                numbers.prop_map(move |data| Tensor::from_vec(shape, data).unwrap())
            };
            let [kh, kw] = window.size;
            let kernel = tensor([kh, kw, 2, 1])
                .prop_map(move |k| Tensor::from_vec([kh, kw, 2], k.data().to_vec()).unwrap());
            (Just(window), tensor([2, height, width, 2]), tensor([2, height, width, 2]), kernel)
        })
    }

    fn below(a: &Tensor<f64>, b: &Tensor<f64>) -> bool {
        a.data().iter().zip(b.data()).all(|(a, b)| a <= b)
    }

    fn size(x: &Tensor<f64>) -> [usize; 2] {
        [x.shape().dims()[1], x.shape().dims()[2]]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_pairs_are_adjunctions_whatever_the_strides(
            (window, x, other, kernel) in integers(),
        ) {
            let image = size(&x);
            for (k, (operator, adjoint)) in PAIRS.into_iter().enumerate() {
                let sampled = |x: &Tensor<f64>| {
                    evaluate([x.view(), kernel.view()], |graph, [x, w]| {
                        operator(graph, x, w, window)
                    })
                    .unwrap()
                };
                let spread = |y: &Tensor<f64>| {
                    evaluate([y.view(), kernel.view()], |graph, [y, w]| {
                        adjoint(graph, y, w, window, image)
                    })
                    .unwrap()
                };
                // For the second pair the orders are reversed.
                let under = |a: &Tensor<f64>, b: &Tensor<f64>| {
                    if k == 0 { below(a, b) } else { below(b, a) }
                };
                let y = sampled(&other);
                let full = spread(&y);
                prop_assert!(under(&other, &full), "a closing of full images");
                prop_assert_eq!(&spread(&sampled(&full)), &full);
                prop_assert!(under(&sampled(&full), &y), "an opening of samples");
                prop_assert_eq!(&sampled(&spread(&sampled(&x))), &sampled(&x));
                // Both sides of the equivalence, where it holds, where it fails, and at its edge.
                prop_assert_eq!(under(&sampled(&x), &y), under(&x, &full));
                let step = if k == 0 { 1.0 } else { -1.0 };
                let mut edge = Tensor::from_fn(full.shape(), |i| {
                    if full.data()[i].is_finite() { full.data()[i] } else { 0.0 }
                });
                prop_assert!(under(&sampled(&edge), &y));
                for at in
                    (0..edge.data().len()).filter(|at| full.data()[*at].is_finite()).step_by(5)
                {
                    edge.data_mut()[at] += step;
                    prop_assert!(!under(&sampled(&edge), &y), "more than the greatest, at {}", at);
                    edge.data_mut()[at] -= step;
                }
            }
        }

        #[test]
        fn at_stride_1_with_same_padding_the_adjoints_are_the_operators(
            (window, x, _, kernel) in integers(),
        ) {
            let same = match window.padding {
                Padding::Valid => Padding::Same,
                same => same,
            };
            let window = window.strides([1, 1]).padding(same);
            for (operator, adjoint) in [
                (erosion2d as Operator, adjoint_erosion2d as Adjoint),
                (dilation2d, adjoint_dilation2d),
            ] {
                let inputs = [x.view(), kernel.view()];
                let ordinary =
                    evaluate(inputs, |graph, [x, w]| operator(graph, x, w, window)).unwrap();
                let image = size(&x);
                let adjoint =
                    evaluate(inputs, |graph, [x, w]| adjoint(graph, x, w, window, image)).unwrap();
                prop_assert_eq!(adjoint, ordinary);
            }
        }

        #[test]
        fn gradients_agree_with_differences(
            window in window(),
            x in strategy::tensor([2, 7, 8, 2]),
            seed in strategy::tensor([4, 4, 2]),
        ) {
            let [kh, kw] = window.size;
            let kernel =
                Tensor::from_vec([kh, kw, 2], seed.data()[..kh * kw * 2].to_vec()).unwrap();
            for (operator, adjoint) in PAIRS {
                // Followed by the operator, which does not look at infinite pixels.
                let mut params = Params::new();
                let (rows, columns) = match window.extent([7, 8]).unwrap().output {
                    [rows, columns] => (rows, columns),
                };
                let y = Tensor::from_fn([1, rows, columns, 2], |i| x.data()[i]);
                let (y, w) = (
                    params.add("y", y, None).unwrap(),
                    params.add("w", kernel.clone(), None).unwrap(),
                );
                // Another kernel in the second step: with the same one its gradient would cancel.
                let v = params
                    .add("v", Tensor::from_fn(kernel.shape(), |i| -kernel.data()[i] / 3.0), None)
                    .unwrap();
                let checked = gradcheck(&mut params, |graph| {
                    let (y, w, v) = (graph.param(y), graph.param(w), graph.param(v));
                    let full = adjoint(graph, y, w, window, [7, 8])?;
                    operator(graph, full, v, window)
                });
                prop_assert_eq!(checked, Ok(()));
            }
            let dense =
                window.strides([1, 1]).rates([1, 1]).same();
            let spread = Spread::<MaxPlus> {
                window: Window2d { size: [1, 1], ..dense },
                image: [7, 8],
                lattice: PhantomData,
            };
            check_op(spread, std::slice::from_ref(&x));
        }
    }

    #[test]
    fn values_and_gradients_worked_out_by_hand() {
        // Samples at 0 and 3, windows over 0..2 and 3..5: pixels 2 and 5 are not covered.
        let window = Window2d::new([1, 2]).strides([1, 3]);
        let run = |adjoint: Adjoint| {
            let mut params = Params::new();
            let y = params
                .add("y", Tensor::from_vec([1, 1, 2, 1], vec![5.0, 7.0]).unwrap(), None)
                .unwrap();
            let w = params
                .add("w", Tensor::from_vec([1, 2, 1], vec![1.0, 2.0]).unwrap(), None)
                .unwrap();
            let mut tape = Tape::new();
            let mut graph = tape.record(&params, Mode::Train { step: 0 });
            let vars = [graph.param(y), graph.param(w)];
            let x = adjoint(&mut graph, vars[0], vars[1], window, [1, 6]).unwrap();
            let values = graph.value(x).data.to_vec();
            graph.backward_with(x, &[1.0, 2.0, 0.0, 4.0, 8.0, 0.0]);
            (values, tape.grad(y).unwrap().to_vec(), tape.grad(w).unwrap().to_vec())
        };
        let infinite = f64::INFINITY;
        let (x, dy, dw) = run(adjoint_erosion2d);
        assert_eq!(
            (x, dy, dw),
            (vec![4.0, 3.0, infinite, 6.0, 5.0, infinite], vec![3.0, 12.0], vec![-5.0, -10.0])
        );
        // The erosion meets its kernel from the other end, and so does the dilation that is adjoint
        // to it.
        let (x, dy, dw) = run(adjoint_dilation2d);
        assert_eq!(
            (x, dy, dw),
            (vec![7.0, 6.0, -infinite, 9.0, 8.0, -infinite], vec![3.0, 12.0], vec![10.0, 5.0])
        );
    }

    #[test]
    fn of_tied_samples_the_first_the_last_or_all_get_the_gradient() {
        // Windows over 0..3 and 2..5: pixel 2 lies under both, and meets the last entry of the
        // first and the first of the second.
        let window = Window2d::new([1, 3]).strides([1, 2]);
        let run = |adjoint: Adjoint<Neighbourhood2d>, ties| {
            let mut params = Params::new();
            let y = params.add("y", Tensor::filled([1, 1, 2, 1], 5.0), None).unwrap();
            let w = params.add("w", Tensor::zeros([1, 3, 1]), None).unwrap();
            let mut tape = Tape::new();
            let mut graph = tape.record(&params, Mode::Train { step: 0 });
            let vars = [graph.param(y), graph.param(w)];
            let neighbourhood = Neighbourhood2d { ties, ..window.into() };
            let x = adjoint(&mut graph, vars[0], vars[1], neighbourhood, [1, 5]).unwrap();
            graph.backward_with(x, &[0.0, 0.0, 4.0, 0.0, 0.0]);
            (tape.grad(y).unwrap().to_vec(), tape.grad(w).unwrap().to_vec())
        };
        let [first, last, split] = [vec![4.0, 0.0], vec![0.0, 4.0], vec![2.0, 2.0]];
        for (ties, dy, [w0, w2]) in [
            (Ties::First, first, [0.0, 4.0]),
            (Ties::Last, last, [4.0, 0.0]),
            (Ties::Split, split, [2.0, 2.0]),
        ] {
            assert_eq!(run(adjoint_erosion2d, ties), (dy.clone(), vec![-w0, 0.0, -w2]), "{ties:?}");
            // The dilation that is adjoint to an erosion meets its kernel from the other end.
            assert_eq!(run(adjoint_dilation2d, ties), (dy, vec![w2, 0.0, w0]), "{ties:?}");
        }
    }

    #[test]
    fn samples_of_another_size_are_refused_by_name_and_empty_batches_are_not() {
        let window = Window2d::new([3, 3]).strides([2, 2]).same();
        let refused = |image: [usize; 2]| {
            let (y, w) = (Tensor::<f64>::zeros([1, 3, 3, 1]), Tensor::zeros([3, 3, 1]));
            let adjoint = |graph: &mut Graph<'_, f64>, [y, w]: [Var; 2]| {
                adjoint_erosion2d(graph, y, w, window, image)
            };
            evaluate([y.view(), w.view()], adjoint).unwrap_err().to_string()
        };
        assert_eq!(
            refused([7, 5]),
            "adjoint: expected samples [batch, 4, 3, channels] of an image [7, 5], found shape \
             [1, 3, 3, 1]"
        );
        assert!(refused([0, 5]).starts_with("adjoint: expected sizes"));
        let (y, w) = (Tensor::<f64>::zeros([1, 3, 3, 1]), Tensor::zeros([3, 3, 1]));
        let around = Neighbourhood2d { border: Border::Periodic, ..window.into() };
        let error = evaluate([y.view(), w.view()], |graph, [y, w]| {
            adjoint_erosion2d(graph, y, w, around, [5, 5])
        });
        assert_eq!(
            error.unwrap_err().to_string(),
            "adjoint: expected the infinite border, found Periodic"
        );
        let spread = Spread::<MinMinus> { window, image: [5, 5], lattice: PhantomData };
        assert!(vjp(spread, &[Tensor::<f64>::zeros([0, 3, 3, 1])], &[]).0.is_empty());
    }
}
