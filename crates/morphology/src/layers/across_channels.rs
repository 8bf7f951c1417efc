//! Operators along the channels, as if these were a third axis of space, and the layer that is
//! separable in space and channels.
//!
//! The one design choice: an image with its pixels in rows and its channels in columns is an image
//! too, so every operator acts along the channels without being written again.

use morphograd_nn::autodiff::{Graph, ParamId, Ties, Var};
use morphograd_nn::tensor::{Real, Shape, ShapeError, Window2d};
use morphograd_nn::{Build, BuildError, Builder, Layer, Weight};

use crate::dilation::dilation::dilation2d;
use crate::elements::structuring_function::StructuringFunction;
use crate::layers::channels::Merge;
use crate::layers::morphological::Morphological2d;
use crate::neighbourhood::border::Border;
use crate::neighbourhood::neighbourhood::Neighbourhood2d;
use crate::operators::operator::Operator;

/// Applies an operator along the channels of `x` `[batch, height, width, channels]`, in every pixel
/// alone, with one kernel `[k]`: for a dilation
/// $$y_{b,i,j,c} = \max_{d < k} x_{b,i,j,\,c + d - \lfloor (k - 1) / 2 \rfloor} + w_d.$$
///
/// Same padding, so the output has as many channels as the input; `border` says what channels are
/// that do not exist, and `ties` who gets the gradient where several are the best. Cost: that of
/// the operator on an image of `height * width` rows and `channels` columns, and three copies.
///
/// # Errors
/// If the shapes do not fit.
///
/// ```
/// use morphograd_morphology::{
///     Border, across_channels, dilation2d, evaluate, nn::autodiff::Ties,
///     nn::tensor::TensorRef,
/// };
/// let (x, flat) = (
///     TensorRef::new([1, 1, 1, 5], &[3.0, 1.0, 4.0, 1.0, 5.0]),
///     TensorRef::new([3], &[0.0; 3]),
/// );
/// let with = |border| {
///     evaluate([x, flat], |graph, [x, w]| {
///         across_channels(graph, dilation2d, x, w, border, Ties::First)
///     })
/// };
/// assert_eq!(with(Border::Infinity)?.data(), [3.0, 4.0, 4.0, 5.0, 5.0]);
/// assert_eq!(with(Border::Periodic)?.data(), [5.0, 4.0, 4.0, 5.0, 5.0]); // hues, say
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn across_channels<T: Real>(
    graph: &mut Graph<'_, T>,
    operator: Operator<T>,
    x: Var,
    kernel: Var,
    border: Border,
    ties: Ties,
) -> Result<Var, ShapeError> {
    let shape = graph.shape(x);
    let (&[batch, height, width, channels], &[k]) = (shape.dims(), graph.shape(kernel).dims())
    else {
        return Err(ShapeError::new(
            "across channels",
            "an input [batch, height, width, channels] and a kernel [k]",
            format!("shapes {shape} and {}", graph.shape(kernel)),
        ));
    };
    let window = Window2d::new([1, k]).same();
    let turned = graph.reshape(x, [batch, height * width, channels, 1])?;
    let kernel = graph.reshape(kernel, [1, k, 1])?;
    let y = operator(graph, turned, kernel, Neighbourhood2d { window, border, ties })?;
    graph.reshape(y, shape)
}

/// A layer that applies its operator in space, with one kernel for all channels, and then along the
/// channels: for dilations $y = \delta_v(\delta_w(x))$, one dilation of the volume by the
/// structuring function $w_{d} + v_{e}$.
///
/// Input and output `[batch, height, width, channels]`, same padding; parameters `space.kernel`
/// `[kh, kw, 1, 1]` and `channels` `[kc]`. Cost: that of both steps, `kh * kw + kc` instead of
/// `kh * kw * kc` taps.
///
/// ```
/// use morphograd_morphology::{nn::{autodiff::Params, Sequential}, Separable3d};
/// let mut params = Params::<f32>::new();
/// let layer = Separable3d { size: [5, 5, 3], ..Default::default() };
/// let model = Sequential::new().add("volume", layer).build_model(&mut params, 1, [28, 28, 10])?;
/// assert_eq!((model.output().dims(), params.count()), (&[28, 28, 10][..], 25 + 3));
/// # Ok::<(), morphograd_morphology::nn::BuildError>(())
/// ```
#[derive(Debug)]
pub struct Separable3d<T> {
    /// What is done in both steps; a dilation by default.
    pub operator: Operator<T>,
    /// Height, width and number of channels of the kernel.
    pub size: [usize; 3],
    /// What lies outside the volume.
    pub border: Border,
    /// Who gets the gradient where several candidates of a step are the best.
    pub ties: Ties,
    /// The structuring function in space; zero by default.
    pub space: Weight<T>,
    /// The structuring function along the channels; zero by default.
    pub channels: Weight<T>,
}

#[derive(Debug)]
struct SpaceThenChannels<T> {
    operator: Operator<T>,
    space: Box<dyn Layer<T>>,
    channels: ParamId,
    border: Border,
    ties: Ties,
}

impl<T: Real> Default for Separable3d<T> {
    fn default() -> Self {
        let (border, ties) = (Border::default(), Ties::default());
        let (space, channels) = (Weight::zeros(), Weight::zeros());
        Self { operator: dilation2d, size: [1, 1, 1], border, ties, space, channels }
    }
}

impl<T: Real> Build<T> for Separable3d<T> {
    fn build(
        self,
        builder: &mut Builder<'_, T>,
        input: Shape,
    ) -> Result<Box<dyn Layer<T>>, BuildError> {
        let Self { operator, size: [kh, kw, kc], border, ties, space, channels } = self;
        let space = Morphological2d {
            operator,
            neighbourhood: Neighbourhood2d::new([kh, kw]).same().border(border).ties(ties),
            kernel: StructuringFunction::Shared(space),
            merge: Merge::None,
            ..Morphological2d::default()
        };
        let space = space.build(&mut builder.scope("space"), input)?;
        let channels = builder.param("channels", [kc].into(), channels)?;
        Ok(Box::new(SpaceThenChannels { operator, space, channels, border, ties }))
    }
}

impl<T: Real> Layer<T> for SpaceThenChannels<T> {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let y = self.space.forward(graph, x)?;
        let kernel = graph.param(self.channels);
        across_channels(graph, self.operator, y, kernel, self.border, self.ties)
    }
}

#[cfg(test)]
mod tests {
    use morphograd_nn::Sequential;
    use morphograd_nn::autodiff::{Mode, Params, Tape, gradcheck};
    use morphograd_nn::initializer::Uniform;
    use morphograd_testkit::strategy;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4))]

        #[test]
        fn the_layer_dilates_the_volume_and_has_the_right_gradient(
            x in strategy::tensor([1, 4, 3, 4]),
            seed in 0..100u64,
        ) {
            let random = || Weight::new(Uniform { low: -1.0, high: 1.0 });
            let layer = Separable3d {
                size: [3, 2, 3],
                space: random(),
                channels: random(),
                ..Separable3d::default()
            };
            let mut params = Params::new();
            let model = Sequential::new()
                .add("layer", layer)
                .build_model(&mut params, seed, [4, 3, 4])
                .unwrap();
            let id = params.add("x", x.clone(), None).unwrap();
            let forward = |graph: &mut Graph<'_, f64>| {
                let x = graph.param(id);
                model.forward(graph, x)
            };
            gradcheck(&mut params, forward).unwrap();

            let [w, v] = ["layer.space.kernel", "layer.channels"]
                .map(|name| params.value(params.find(name).unwrap()).data);
            let mut tape = Tape::new();
            let mut graph = tape.record(&params, Mode::Eval);
            let y = forward(&mut graph).unwrap();
            for (n, y) in graph.value(y).data.iter().enumerate() {
                let (i, j, c) = (n / 12, n / 4 % 3, n % 4);
                let mut largest = f64::NEG_INFINITY;
                for (p, q, r) in
                    (0..3).flat_map(|p| (0..2).flat_map(move |q| (0..3).map(move |r| (p, q, r))))
                {
                    let inside =
                        (1..=4).contains(&(i + p)) && j + q < 3 && (1..=4).contains(&(c + r));
                    if inside {
                        let pixel = x.data()[((i + p - 1) * 3 + j + q) * 4 + c + r - 1];
                        largest = largest.max(pixel + w[p * 2 + q] + v[r]);
                    }
                }
                prop_assert!((y - largest).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn a_kernel_of_another_rank_is_refused() {
        let params = Params::<f32>::new();
        let mut tape = Tape::new();
        let mut graph = tape.record(&params, Mode::Shapes);
        let (x, w) = (graph.input_with([1, 2, 2, 3], |_| ()), graph.input_with([1, 3], |_| ()));
        let error = across_channels(&mut graph, dilation2d, x, w, Border::Infinity, Ties::First)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "across channels: expected an input [batch, height, width, channels] and a kernel \
             [k], found shapes [1, 2, 2, 3] and [1, 3]"
        );
    }
}
