//! Images with their border written around them, for operations that have no choice of borders
//! themselves.
//!
//! The one design choice: it pads by what a window reaches beyond the image, so that the same
//! window without padding then computes what it would compute with that border.

use morphograd_nn::autodiff::{Backward, Forward, Graph, Op, Params, Var};
use morphograd_nn::tensor::{Real, Shape, ShapeError, Window2d, parallel};
use morphograd_nn::{Build, BuildError, Builder, Layer};

use crate::neighbourhood::border::Border;
use crate::neighbourhood::lattice::MaxPlus;
use crate::neighbourhood::window_layout::WindowLayout;

/// `[batch, height, width, channels]` → `[batch, height', width', channels]`, with as many rows and
/// columns more as `window` has outside the image with its padding; an operation and its own layer.
///
/// It gives smooth operators, poolings and convolutions a border: pad, then apply them by the
/// window with valid padding.
///
/// - **Border**: any but [`Border::Infinity`], which has no value that all operations could
///   calculate with, and which they have already.
/// - **Gradient**: that of a pixel is the sum over its copies; constants have none.
/// - **Cost**: two copies.
///
/// ```
/// use morphograd_morphology::nn::tensor::{TensorRef, Window2d};
/// use morphograd_morphology::{Border, Pad2d, evaluate, smooth_dilation2d};
/// let valid = Window2d::new([1, 3]);
/// let around = Pad2d {
///     window: valid.same(),
///     border: Border::Periodic,
/// };
/// let inputs = [
///     TensorRef::new([1, 1, 4, 1], &[7.0f32, 0.0, 0.0, 0.0]),
///     TensorRef::new([1, 3, 1], &[0.0; 3]),
///     TensorRef::new([], &[99.0]),
/// ];
/// let y = evaluate(inputs, |graph, [x, w, beta]| {
///     let padded = graph.apply(around, [x])?; // 0 7 0 0 0 7
///     smooth_dilation2d(graph, padded, w, beta, valid)
/// })?;
/// assert!(y.data().iter().zip([7.0, 7.0, 0.0, 7.0]).all(|(y, max)| (y - max).abs() < 0.02));
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pad2d {
    /// The window that is to have something under all of its taps.
    pub window: Window2d,
    /// What lies outside the image.
    pub border: Border,
}

impl Pad2d {
    fn place(&self, x: Shape) -> Result<WindowLayout, ShapeError> {
        WindowLayout::new("pad", self.window, self.border, x)
    }
}

impl<T: Real> Build<T> for Pad2d {
    fn build(self, _: &mut Builder<'_, T>, _: Shape) -> Result<Box<dyn Layer<T>>, BuildError> {
        Ok(Box::new(self))
    }
}

impl<T: Real> Layer<T> for Pad2d {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        graph.apply(*self, [x])
    }

    fn lipschitz(&self, _: &Params<T>) -> Option<f64> {
        Some(1.0)
    }
}

impl<T: Real> Op<T> for Pad2d {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        if self.border == Border::Infinity {
            return Err(ShapeError::new("pad", "a border with values", "Infinity"));
        }
        let place = self.place(inputs[0])?;
        let [height, width] = place.extent.padded;
        Ok([place.batch, height, width, place.channels].into())
    }

    fn forward(&self, pass: Forward<'_, T>) {
        if pass.output.is_empty() {
            return;
        }
        let place = self.place(pass.inputs[0].shape).expect("shapes were inferred");
        pass.output.copy_from_slice(place.pad::<T, MaxPlus>(pass.inputs[0], pass.scratch));
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let place = self.place(pass.inputs[0].shape).expect("shapes were inferred");
        let (extent, channels) = (place.extent, place.channels);
        let [Some(dx), ..] = pass.grad_inputs else { return };
        if dx.is_empty() {
            return;
        }
        parallel::for_each_piece(dx, place.image_len(), |image, dx| {
            let grad = pass.grad_output[image * place.padded_len()..][..place.padded_len()]
                .chunks_exact(channels);
            for (position, grad) in grad.enumerate() {
                let at = (
                    place.source(0, position / extent.padded[1]),
                    place.source(1, position % extent.padded[1]),
                );
                if let (Some(row), Some(column)) = at {
                    let dx = &mut dx[place.offset(row, column)..][..channels];
                    dx.iter_mut().zip(grad).for_each(|(dx, g)| *dx += *g);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use morphograd_nn::tensor::{Padding, Tensor};
    use morphograd_testkit::{check_op, strategy, vjp};
    use proptest::prelude::*;

    use super::*;
    use crate::{Depthwise2d, Neighbourhood2d};

    fn borders() -> impl Strategy<Value = Border> {
        let all = [
            Border::Constant(0.5),
            Border::Replicate,
            Border::Reflect,
            Border::Mirror,
            Border::Periodic,
        ];
        prop::sample::select(all.to_vec())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_window_on_the_padded_image_sees_the_border(
            (window, x, w, dy, border) in (strategy::window(), 1..=2usize, borders()).prop_flat_map(
                |(window, channels, border)| {
                    let [kh, kw] = window.size;
                    let window = window.same();
                    let [rows, columns] = window.extent([7, 8]).unwrap().output;
                    (
                        Just(window),
                        strategy::tied_tensor([2, 7, 8, channels]),
                        strategy::tied_tensor([kh, kw, channels]),
                        strategy::tied_tensor([2, rows, columns, channels]),
                        Just(border),
                    )
                },
            ),
        ) {
            let pad = Pad2d { window, border };
            check_op(pad, std::slice::from_ref(&x));
            // A dilation has the border itself: the same values, and the same gradients through the
            // padding.
            let inputs = [x.clone(), w.clone()];
            let (expected, gradients) = vjp(
                Depthwise2d::<MaxPlus>::new(Neighbourhood2d { border, ..window.into() }),
                &inputs,
                dy.data(),
            );
            let [height, width] = window.extent([7, 8]).unwrap().padded;
            let shape = Shape::from([2, height, width, x.shape().dims()[3]]);
            let padded = Tensor::from_vec(
                shape,
                vjp(pad, std::slice::from_ref(&x), &vec![0.0; shape.len()]).0,
            )
            .unwrap();
            let valid = window.padding(Padding::Valid);
            let (y, through) = vjp(Depthwise2d::<MaxPlus>::new(valid), &[padded, w], dy.data());
            prop_assert_eq!(y, expected);
            prop_assert_eq!(&through[1], &gradients[1]);
            prop_assert_eq!(&vjp(pad, &[x], &through[0]).1[0], &gradients[0]);
        }
    }

    #[test]
    fn an_empty_batch_is_no_trouble() {
        let pad = Pad2d { window: Window2d::new([3, 3]).same(), border: Border::Reflect };
        assert_eq!(vjp(pad, &[Tensor::<f64>::zeros([0, 4, 5, 2])], &[]), (vec![], vec![vec![]]));
    }

    #[test]
    fn an_infinite_border_is_refused() {
        let error = Op::<f32>::infer(
            &Pad2d { window: Window2d::default(), border: Border::Infinity },
            &[[1, 2, 2, 1].into()],
        );
        assert_eq!(
            error.unwrap_err().to_string(),
            "pad: expected a border with values, found Infinity"
        );
    }
}
