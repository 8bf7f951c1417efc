//! How channels multiply and merge around an operator that acts on each of them: the layout of a
//! layer with filters.
//!
//! The one design choice: channel $f C + c$ is filter $f$ of input channel $c$. The channels of one
//! filter are neighbours, so merging them is a reduction over an innermost axis.

use morphograd_nn::autodiff::{Axes, Backward, Forward, Graph, MaxAxes, MinAxes, Op, Ties, Var};
use morphograd_nn::tensor::{Real, Shape, ShapeError, parallel};

/// How the channels that a layer's operator gives become its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Merge {
    /// They stay as they are (a marginal operator): channel $f C + c$ is filter $f$ of input
    /// channel $c$.
    None,
    /// Those of each filter become one: as many output channels as filters.
    Channels(Reduction),
    /// All become one.
    All(Reduction),
}

/// How several channels become one. Ties and NaN: see
/// [`MaxAxes`](morphograd_nn::autodiff::MaxAxes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// [`Max`](Self::Max) with a rule of one's own where channels are tied; its own is
    /// [`Ties::First`].
    TiedMax(Ties),
    /// [`Min`](Self::Min) with a rule of one's own where channels are tied.
    TiedMin(Ties),
}

/// $y_{\ldots,\,f C + c} = x_{\ldots,c}$ for `n` values of $f$: the channels `n` times after one
/// another. The gradient is the sum over the copies. Cost: one copy an output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RepeatChannels {
    pub(crate) n: usize,
}

/// A kernel `[kh, kw, channels, filters]` as `[kh, kw, filters * channels]`, in the order of the
/// layer's channels. A kernel `[kh, kw, 1, filters]` is used for every channel. Cost: one copy an
/// entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SpreadKernel {
    pub(crate) channels: usize,
}

/// Output elements that one task computes, at least.
const PIECE: usize = 1 << 13;

impl Merge {
    /// The number of output channels of a layer.
    pub fn outputs(self, channels: usize, filters: usize) -> usize {
        match self {
            Self::None => channels * filters,
            Self::Channels(_) => filters,
            Self::All(_) => 1,
        }
    }

    /// Merges the channels of `y` `[batch, rows, columns, filters * channels]`.
    pub(crate) fn apply<T: Real>(
        self,
        graph: &mut Graph<'_, T>,
        y: Var,
        channels: usize,
    ) -> Result<Var, ShapeError> {
        let &[batch, rows, columns, all] = graph.shape(y).dims() else { return Ok(y) };
        match self {
            Self::None => Ok(y),
            Self::Channels(_) if channels == 1 => Ok(y),
            Self::Channels(reduction) => {
                let filters = all / channels;
                let grouped = [batch, rows, columns, filters, channels];
                let grouped = graph.reshape(y, grouped)?;
                let merged = reduction.apply(graph, grouped)?;
                graph.reshape(merged, [batch, rows, columns, filters])
            }
            Self::All(reduction) => reduction.apply(graph, y),
        }
    }
}

impl Reduction {
    fn apply<T: Real>(self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        // The last axis, which stays with length 1.
        let axes = Axes::kept([graph.shape(x).rank() - 1]);
        match self {
            Self::Sum => graph.sum_axes(x, axes),
            Self::Mean => graph.mean_axes(x, axes),
            Self::Max => graph.max_axes(x, axes),
            Self::Min => graph.min_axes(x, axes),
            Self::TiedMax(ties) => graph.apply(MaxAxes { axes, ties }, [x]),
            Self::TiedMin(ties) => graph.apply(MinAxes { axes, ties }, [x]),
        }
    }
}

impl<T: Real> Op<T> for RepeatChannels {
    fn name(&self) -> &'static str {
        "repeat channels"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        match inputs[0].dims() {
            &[batch, height, width, channels] => {
                Ok([batch, height, width, self.n * channels].into())
            }
            _ => Err(ShapeError::new(
                "repeat channels",
                "an input [batch, height, width, channels]",
                format!("shape {}", inputs[0]),
            )),
        }
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let x = pass.inputs[0];
        let channels = x.shape.dims()[3];
        if pass.output.is_empty() {
            return;
        }
        let pixels = PIECE.div_ceil(self.n * channels);
        parallel::for_each_piece(pass.output, pixels * self.n * channels, |piece, y| {
            let x = x.data[piece * pixels * channels..].chunks_exact(channels);
            for (y, x) in y.chunks_exact_mut(self.n * channels).zip(x) {
                y.chunks_exact_mut(channels).for_each(|copy| copy.copy_from_slice(x));
            }
        });
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let channels = pass.inputs[0].shape.dims()[3];
        let [Some(dx), ..] = pass.grad_inputs else { return };
        if pass.grad_output.is_empty() {
            return;
        }
        let pixels = PIECE.div_ceil(self.n * channels);
        parallel::for_each_piece(dx, pixels * channels, |piece, dx| {
            let grad = pass.grad_output[piece * pixels * self.n * channels..]
                .chunks_exact(self.n * channels);
            for (dx, grad) in dx.chunks_exact_mut(channels).zip(grad) {
                for copy in grad.chunks_exact(channels) {
                    dx.iter_mut().zip(copy).for_each(|(dx, g)| *dx += *g);
                }
            }
        });
    }
}

impl<T: Real> Op<T> for SpreadKernel {
    fn name(&self) -> &'static str {
        "spread kernel"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        match *inputs[0].dims() {
            [kh, kw, c, filters] if c == self.channels || c == 1 => {
                Ok([kh, kw, filters * self.channels].into())
            }
            _ => Err(ShapeError::new(
                "spread kernel",
                format!("a kernel [kh, kw, {} or 1, filters]", self.channels),
                format!("shape {}", inputs[0]),
            )),
        }
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let source = self.source(pass.inputs[0].shape);
        let kernel = pass.inputs[0].data;
        pass.output.iter_mut().enumerate().for_each(|(i, w)| *w = kernel[source(i)]);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let source = self.source(pass.inputs[0].shape);
        if let [Some(d_kernel), ..] = pass.grad_inputs {
            pass.grad_output.iter().enumerate().for_each(|(i, g)| d_kernel[source(i)] += *g);
        }
    }
}

impl SpreadKernel {
    /// The entry of the kernel that an entry of the output copies.
    fn source(self, kernel: Shape) -> impl Fn(usize) -> usize {
        let (own, filters, channels) = (kernel.dims()[2], kernel.dims()[3], self.channels);
        move |i| {
            let (tap, f, c) = (i / (filters * channels), i / channels % filters, i % channels);
            (tap * own + c.min(own - 1)) * filters + f
        }
    }
}

#[cfg(test)]
mod tests {
    use morphograd_nn::autodiff::{Mode, Params, Scale, Tape};
    use morphograd_nn::tensor::{Tensor, TensorRef};
    use morphograd_testkit::{check_op, strategy, vjp};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn gradients_agree_with_finite_differences(
            (x, kernel, shared, n) in (1..=3usize, 1..=3usize).prop_flat_map(|(channels, n)| {
                (strategy::tensor([2, 3, 2, channels]), strategy::tensor([2, 3, channels, n]),
                 strategy::tensor([2, 3, 1, n]), Just(n))
            })
        ) {
            let channels = kernel.shape().dims()[2];
            check_op(RepeatChannels { n }, &[x]);
            check_op(SpreadKernel { channels }, &[kernel]);
            check_op(SpreadKernel { channels }, &[shared]);
        }
    }

    #[test]
    fn channels_are_repeated_and_kernels_spread_filter_by_filter() {
        let x = Tensor::from_vec([1, 1, 1, 2], vec![1.0, 2.0]).unwrap();
        assert_eq!(vjp(RepeatChannels { n: 2 }, &[x], &[0.0; 4]).0, [1.0, 2.0, 1.0, 2.0]);
        // Entry (c, f) is 10 c + f.
        let kernel = Tensor::from_vec([1, 1, 2, 3], vec![0.0, 1.0, 2.0, 10.0, 11.0, 12.0]).unwrap();
        let spread = vjp(SpreadKernel { channels: 2 }, &[kernel], &[0.0; 6]).0;
        assert_eq!(spread, [0.0, 10.0, 1.0, 11.0, 2.0, 12.0]);
    }

    #[test]
    fn each_filter_merges_its_own_channels() {
        let y = [1.0, 5.0, 3.0, 2.0, -4.0, 5.0];
        let merged = |merge: Merge| {
            let (params, mut tape) = (Params::<f64>::new(), Tape::new());
            let mut graph = tape.record(&params, Mode::Eval);
            let y = graph.input(TensorRef::new([1, 1, 1, 6], &y));
            let merged = merge.apply(&mut graph, y, 3).unwrap();
            assert_eq!(graph.shape(merged).dims(), [1, 1, 1, merge.outputs(3, 2)]);
            graph.value(merged).data.to_vec()
        };
        assert_eq!(merged(Merge::None), y);
        assert_eq!(merged(Merge::Channels(Reduction::Sum)), [9.0, 3.0]);
        assert_eq!(merged(Merge::Channels(Reduction::Mean)), [3.0, 1.0]);
        assert_eq!(merged(Merge::Channels(Reduction::Max)), [5.0, 5.0]);
        assert_eq!(merged(Merge::Channels(Reduction::Min)), [1.0, -4.0]);
        assert_eq!(merged(Merge::All(Reduction::Sum)), [12.0]);
        assert_eq!(merged(Merge::All(Reduction::Min)), [-4.0]);
    }

    #[test]
    fn of_tied_channels_of_a_filter_the_rule_chooses() {
        let grad = |reduction: Reduction| {
            let (params, mut tape) = (Params::<f64>::new(), Tape::new());
            let mut graph = tape.record(&params, Mode::Train { step: 0 });
            // Two filters of three channels: the outer two of the first are tied, all of the
            // second.
            let y = graph.variable(TensorRef::new([1, 1, 1, 6], &[7.0, 0.0, 7.0, 7.0, 7.0, 7.0]));
            let y = match reduction {
                Reduction::TiedMin(_) => graph.apply(Scale(-1.0), [y]).unwrap(),
                _ => y,
            };
            let merged = Merge::Channels(reduction).apply(&mut graph, y, 3).unwrap();
            graph.backward_with(merged, &[6.0, 12.0]);
            graph.grad(y).unwrap().to_vec()
        };
        let expected = [
            (Ties::First, [6.0, 0.0, 0.0, 12.0, 0.0, 0.0]),
            (Ties::Last, [0.0, 0.0, 6.0, 0.0, 0.0, 12.0]),
            (Ties::Split, [3.0, 0.0, 3.0, 4.0, 4.0, 4.0]),
        ];
        for (ties, expected) in expected {
            assert_eq!(grad(Reduction::TiedMax(ties)), expected, "{ties:?}");
            assert_eq!(grad(Reduction::TiedMin(ties)), expected, "{ties:?}");
        }
        assert_eq!(grad(Reduction::Max), expected[0].1);
    }
}
