//! Morphological scale-spaces: an image dilated by parabolas that grow, as a stack.
//!
//! The one design choice: the curvature is one parameter for all scales, so that every level is the
//! same operator at another scale whatever training makes of it, and nothing has to be kept
//! consistent.

use morphograd_nn::autodiff::{Graph, MAX_INPUTS, ParamId, Params, Ties, Var};
use morphograd_nn::initializer::Constant;
use morphograd_nn::sets::NonNegative;
use morphograd_nn::tensor::{Real, Shape, ShapeError, Window2d};
use morphograd_nn::{Build, BuildError, Builder, Layer, Weight};

use crate::dilation::dilation::dilation2d;
use crate::elements::quadratic::QuadraticKernel;
use crate::neighbourhood::border::Border;
use crate::neighbourhood::neighbourhood::Neighbourhood2d;

/// Lifts an image to the stack of its dilations by parabolas of the scales $s, 2 s, 4 s, \ldots$:
/// $$y_{k,p,c} = \max_d x_{p+d,c} - b_c \Big(\frac{\lVert d \rVert}{2 \cdot 2^k s}\Big)^2,\qquad |d_0|, |d_1| \le 2^k r.$$
/// `[batch, height, width, channels]` → `[batch, level, height, width, channels]`. Parameter:
/// `curvature` $b$ of shape `[channels]`.
///
/// **Equivariant to scale.** Let $x'$ be $x$ at twice the size, $x'_{2p} = x_p$. If the pixels
/// between are linear interpolations, then $0 \le y'_{k+1,\,2p} - y_{k,p} \le a_k / 2$ with
/// $a_k = b / 4^{k+1} s^2$, the drop of the parabola at one pixel; if they do not exist
/// ($-\infty$), the two are equal. A convolution that goes on so is
/// [`ScaleConv2d`](morphograd_nn::ScaleConv2d).
///
/// A parabola is the sum of one along the rows and one along the columns, so each level is two
/// dilations by lines: $2 (2^{k+1} r + 1)$ comparisons a pixel instead of the square of half of it.
/// The window cuts nothing off where $x$ has a range of at most $a_0 r^2$. Border and ties are
/// chosen, for each of the lines; by default of tied maxima the highest in the leftmost column gets
/// the gradient. Source: M. Sangalli, S. Blusseau, S. Velasco-Forero, J. Angulo, *Scale equivariant
/// neural networks with morphological scale-spaces*, DGMM (2021).
///
/// ```
/// use morphograd_morphology::nn::{
///     Weight,
///     autodiff::{Mode, Params, Tape},
///     initializer::Constant,
///     tensor::TensorRef,
/// };
/// use morphograd_morphology::{
///     ScaleSpace2d,
///     nn::{Layer, Sequential},
/// };
/// let (mut params, mut tape) = (Params::<f32>::new(), Tape::new());
/// let lift = ScaleSpace2d {
///     levels: 2,
///     scale: 0.5,
///     curvature: Weight::new(Constant(0.25)),
///     ..ScaleSpace2d::default()
/// };
/// let model = Sequential::new().add("lift", lift).build_model(&mut params, 0, [1, 5, 1])?;
/// let mut graph = tape.record(&params, Mode::Eval);
/// let x = graph.input(TensorRef::new([1, 1, 5, 1], &[0.0, 0.0, 1.0, 0.0, 0.0]));
/// let y = model.forward(&mut graph, x)?;
/// assert_eq!(
///     graph.value(y).data,
///     [0.0, 0.75, 1.0, 0.75, 0.0, 0.75, 0.9375, 1.0, 0.9375, 0.75]
/// );
/// # Ok::<(), morphograd_morphology::nn::BuildError>(())
/// ```
#[derive(Debug)]
pub struct ScaleSpace2d<T> {
    /// Number of scales, at most [`MAX_INPUTS`]; 4 by default.
    pub levels: usize,
    /// The finest scale $s$ in pixels; 0.75 by default.
    pub scale: f64,
    /// The reach $r$ of the finest parabola in pixels; 2 by default.
    pub radius: usize,
    /// The curvatures $b$; they start at $1 / 0.75^2$ and are kept non-negative by default.
    pub curvature: Weight<T>,
    /// What lies outside the image.
    pub border: Border,
    /// Who gets the gradient where several candidates are the largest.
    pub ties: Ties,
}

#[derive(Debug)]
struct Lifting {
    levels: usize,
    scale: f64,
    radius: usize,
    curvature: ParamId,
    border: Border,
    ties: Ties,
}

impl<T: Real> Default for ScaleSpace2d<T> {
    fn default() -> Self {
        let curvature = Weight::new(Constant(1.0 / (0.75 * 0.75))).constrained(NonNegative);
        Self {
            levels: 4,
            scale: 0.75,
            radius: 2,
            curvature,
            border: Border::default(),
            ties: Ties::default(),
        }
    }
}

impl<T: Real> Build<T> for ScaleSpace2d<T> {
    fn build(
        self,
        builder: &mut Builder<'_, T>,
        input: Shape,
    ) -> Result<Box<dyn Layer<T>>, BuildError> {
        let Self { levels, scale, radius, curvature, border, ties } = self;
        let refuse = |expected: String, found: String| {
            Err(ShapeError::new("scale_space2d", expected, found).into())
        };
        let &[_, _, channels] = input.dims() else {
            return refuse(
                "an input [height, width, channels]".to_owned(),
                format!("shape {input}"),
            );
        };
        if !(1..=MAX_INPUTS).contains(&levels) {
            return refuse(format!("1 to {MAX_INPUTS} levels"), levels.to_string());
        }
        let curvature = builder.param("curvature", [channels].into(), curvature)?;
        Ok(Box::new(Lifting { levels, scale, radius, curvature, border, ties }))
    }
}

impl<T: Real> Layer<T> for Lifting {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let curvature = graph.param(self.curvature);
        let mut levels = [x; MAX_INPUTS];
        for (k, level) in levels[..self.levels].iter_mut().enumerate() {
            let (reach, scale) = (2 * (self.radius << k) + 1, self.scale * f64::from(1 << k));
            for size in [[reach, 1], [1, reach]] {
                let w = graph.apply(QuadraticKernel { size, scale }, [curvature])?;
                let window = Window2d::new(size).same();
                let neighbourhood =
                    Neighbourhood2d { window, border: self.border, ties: self.ties };
                *level = dilation2d(graph, *level, w, neighbourhood)?;
            }
        }
        graph.stack(&levels[..self.levels], 1)
    }

    fn lipschitz(&self, _: &Params<T>) -> Option<f64> {
        Some(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use morphograd_nn::autodiff::{Mode, Params, Tape, gradcheck};
    use morphograd_nn::tensor::Tensor;
    use morphograd_nn::{Model, Sequential};
    use morphograd_testkit::{assert_close, strategy};
    use proptest::prelude::*;

    const SCALE: f64 = 0.75;
    const RADIUS: usize = 2;

    fn model(levels: usize, curvature: f64, input: [usize; 3]) -> (Model<f64>, Params<f64>) {
        let mut params = Params::new();
        let curvature = Weight::new(Constant(curvature));
        let lift = ScaleSpace2d {
            levels,
            scale: SCALE,
            radius: RADIUS,
            curvature,
            ..ScaleSpace2d::default()
        };
        let model = Sequential::new().add("lift", lift).build_model(&mut params, 0, input).unwrap();
        (model, params)
    }

    /// Level `k` of a stack without batch and channels.
    fn level(x: &Tensor<f64>, curvature: f64, k: usize) -> Vec<f64> {
        let &[_, h, w, _] = x.shape().dims() else { unreachable!() };
        let (model, params) = model(k + 1, curvature, [h, w, 1]);
        let mut tape = Tape::new();
        let mut graph = tape.record(&params, Mode::Eval);
        let x = graph.input(x.view());
        let y = model.forward(&mut graph, x).unwrap();
        graph.value(y).data[k * h * w..].to_vec()
    }

    const SIZE: [usize; 2] = [4, 5];
    const DOUBLE: [usize; 2] = [7, 9];

    /// The image at twice the size; `between` makes the others of the mean of the pixels around
    /// them.
    fn double(x: &Tensor<f64>, between: impl Fn(f64) -> f64) -> Tensor<f64> {
        let [rows, columns] = DOUBLE;
        Tensor::from_fn([1, rows, columns, 1], |at| {
            let (i, j) = (at / columns, at % columns);
            let at = |i: usize, j: usize| x.data()[i * SIZE[1] + j];
            let (di, dj) = (i % 2, j % 2);
            let (i, j) = (i / 2, j / 2);
            let mean = (at(i, j) + at(i + di, j) + at(i, j + dj) + at(i + di, j + dj)) / 4.0;
            if di + dj == 0 { mean } else { between(mean) }
        })
    }

    /// The pixels of the double image that are at $2p$.
    fn even(y: &[f64]) -> Vec<f64> {
        let rows = y.chunks_exact(DOUBLE[1]).step_by(2);
        rows.flat_map(|row| row.iter().step_by(2)).copied().collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_level_is_the_dilation_by_the_whole_parabola(
            x in strategy::tensor([1, 6, 7, 1]),
            k in 0..3usize,
            curvature in 0.0..3.0f64,
        ) {
            let (reach, scale) = ((RADIUS << k) as isize, SCALE * f64::from(1 << k));
            let at = |i: isize, j: isize| {
                ((0..6).contains(&i) && (0..7).contains(&j)).then(|| x.data()[(i * 7 + j) as usize])
            };
            let mut expected = Vec::new();
            for (i, j) in (0..6).flat_map(|i| (0..7).map(move |j| (i, j))) {
                let taps = (-reach..=reach).flat_map(|di| (-reach..=reach).map(move |dj| (di, dj)));
                let values = taps.filter_map(|(di, dj)| {
                    let squares = (di * di + dj * dj) as f64;
                    Some(at(i + di, j + dj)? - curvature * squares / (4.0 * scale * scale))
                });
                expected.push(values.fold(f64::NEG_INFINITY, f64::max));
            }
            assert_close("level", &level(&x, curvature, k), &expected, 1e-12);
        }

        #[test]
        fn an_image_of_twice_the_size_has_the_same_levels_one_further_up(
            x in strategy::tensor([1, SIZE[0], SIZE[1], 1]),
            k in 0..3usize,
            curvature in 0.0..3.0f64,
        ) {
            let expected = level(&x, curvature, k);
            let absent = even(&level(&double(&x, |_| f64::NEG_INFINITY), curvature, k + 1));
            prop_assert_eq!(&absent, &expected);

            let linear = even(&level(&double(&x, |mean| mean), curvature, k + 1));
            let bound = curvature / (4.0 * SCALE * SCALE) / 4f64.powi(k as i32) / 2.0;
            for (found, expected) in linear.iter().zip(&expected) {
                let error = found - expected;
                prop_assert!(
                    (-1e-12..=bound + 1e-12).contains(&error),
                    "{error} of at most \
                    {bound}"
                );
            }
        }

        #[test]
        fn gradients_agree_with_differences(
            x in strategy::tensor([2, 4, 5, 2]),
            curvature in 0.1..3.0f64,
        ) {
            let (model, mut params) = model(3, curvature, [4, 5, 2]);
            let x = params.add("x", x, None).unwrap();
            gradcheck(&mut params, |graph| {
                let x = graph.param(x);
                model.forward(graph, x)
            })
            .unwrap();
        }
    }

    #[test]
    fn the_bound_of_the_error_is_reached() {
        // The corner and its neighbours are tied there; the interpolation between the four is
        // nearer than any of them.
        let a = 1.0 / (4.0 * SCALE * SCALE);
        let steps = |at: usize| [0.0, a, 0.0, 0.0, 0.0, a, 2.0 * a].get(at).copied().unwrap_or(0.0);
        let x = Tensor::from_fn([1, SIZE[0], SIZE[1], 1], steps);
        assert_eq!(level(&x, 1.0, 0)[0], 0.0);
        assert_close("error", &level(&double(&x, |mean| mean), 1.0, 1)[..1], &[a / 2.0], 1e-12);
    }

    #[test]
    fn of_tied_maxima_the_highest_in_the_leftmost_column_the_opposite_one_or_all_get_the_gradient()
    {
        for (ties, [corner, above, below]) in [
            (Ties::First, [0.0, 9.0, 0.0]),
            (Ties::Last, [9.0, 0.0, 0.0]),
            (Ties::Split, [4.5, 2.25, 2.25]),
        ] {
            let (mut params, mut tape) = (Params::new(), Tape::new());
            let curvature = Weight::new(Constant(0.0));
            let lift = ScaleSpace2d { levels: 1, curvature, ties, ..ScaleSpace2d::default() };
            let model =
                Sequential::new().add("lift", lift).build_model(&mut params, 0, [3, 3, 1]).unwrap();
            let mut graph = tape.record(&params, Mode::Train { step: 0 });
            // The first in raster order is in the corner on the right.
            let x =
                Tensor::from_vec([1, 3, 3, 1], vec![0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0])
                    .unwrap();
            let x = graph.variable(x.view());
            let y = model.forward(&mut graph, x).unwrap();
            graph.backward_with(y, &[1.0; 9]);
            let expected = [0.0, 0.0, corner, above, 0.0, 0.0, below, 0.0, 0.0];
            assert_eq!(graph.grad(x).unwrap(), expected, "{ties:?}");
        }
    }

    #[test]
    fn around_the_torus_a_pixel_reaches_the_other_side() {
        let (mut params, mut tape) = (Params::new(), Tape::new());
        let curvature = Weight::new(Constant(1.0));
        let (scale, border) = (0.5, Border::Periodic);
        let lift = ScaleSpace2d { levels: 1, scale, curvature, border, ..ScaleSpace2d::default() };
        let model =
            Sequential::new().add("lift", lift).build_model(&mut params, 0, [1, 5, 1]).unwrap();
        let mut graph = tape.record(&params, Mode::Eval);
        let x = graph
            .input(Tensor::from_vec([1, 1, 5, 1], vec![8.0, 0.0, 0.0, 0.0, 0.0]).unwrap().view());
        let y = model.forward(&mut graph, x).unwrap();
        assert_eq!(graph.value(y).data, [8.0, 7.0, 4.0, 4.0, 7.0]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let build = |input: &[usize], levels: usize| {
            let mut params = Params::<f32>::new();
            let lift = ScaleSpace2d { levels, ..ScaleSpace2d::default() };
            Sequential::new()
                .add("lift", lift)
                .build_model(&mut params, 0, Shape::new(input))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            build(&[28, 28], 4),
            "lift: scale_space2d: expected an input [height, width, channels], found shape [28, 28]"
        );
        assert_eq!(build(&[28, 28, 1], 9), "lift: scale_space2d: expected 1 to 8 levels, found 9");
        assert!(build(&[28, 28, 1], 0).contains("found 0"));
    }
}
