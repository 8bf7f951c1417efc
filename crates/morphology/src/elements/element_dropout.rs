//! Dropout of structuring elements and of dense matrices: while training, an entry is left out as
//! if its pixel or its input did not exist.
//!
//! The one design choice: whether an entry is kept is a function of the seed, the step and the
//! entry's position, as in nn's dropout, so there is no generator, and the mask is the same for any
//! number of threads.

use morphograd_nn::autodiff::{Backward, Forward, Graph, Mode, Op, Var};
use morphograd_nn::random::mix;
use morphograd_nn::tensor::{Real, Shape, ShapeError, parallel};

use crate::layers::semiring::Semiring;

/// While training, every entry of a kernel `[kh, kw, …]` is replaced by $-\infty$, the value that
/// never wins, with probability `rate`, independently, but for one entry of each structuring
/// function (each position of the other axes) that is always kept. Outside training, the identity.
///
/// Nothing is rescaled: a maximum over fewer candidates is still a maximum of the same scale. A
/// dropped entry has gradient 0. If all entries of a structuring function would be dropped, one of
/// them, drawn uniformly, is kept. The default rate is 0. Cost: one hash an entry each way, and one
/// more to find what is kept.
///
/// Of a dense matrix `[n, units]` ([`apply_to_matrix`](Self::apply_to_matrix)) each column is a
/// function, and one of its entries is always kept; for minima the value that never wins is
/// $+\infty$.
///
/// Max-plus operators and their smooth versions read $-\infty$ as "not in the structuring element";
/// an operator whose kernel multiplies does not. Source: the dropout of Srivastava, Hinton,
/// Krizhevsky, Sutskever and Salakhutdinov (JMLR 15, 2014), with the zero of the max-plus semiring
/// in place of 0.
///
/// ```
/// use morphograd_morphology::{
///     ElementDropout, dilation2d,
///     nn::autodiff::{Mode, Params, Tape},
///     nn::tensor::{TensorRef, Window2d},
/// };
/// let (params, mut tape) = (Params::<f32>::new(), Tape::new());
/// let mut graph = tape.record(&params, Mode::Train { step: 3 });
/// let x = graph.input(TensorRef::new([1, 1, 3, 1], &[1.0, 2.0, 3.0]));
/// let w = graph.input(TensorRef::new([1, 3, 1], &[0.0; 3]));
/// let dropped = ElementDropout { rate: 0.9 }.apply(&mut graph, w, 42)?;
/// let y =
///     dilation2d(&mut graph, x, dropped, Window2d::new([1, 3]))?;
/// assert!([1.0, 2.0, 3.0].contains(&graph.value(y).data[0]));
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ElementDropout {
    /// The probability that an entry is dropped, in [0, 1).
    pub rate: f64,
}

impl ElementDropout {
    /// The kernel to use in this recording. Layers of different seeds, and two steps, have
    /// different masks.
    ///
    /// # Errors
    /// If the rate is not in [0, 1), or the kernel has no entry or rank below 2.
    pub fn apply<T: Real>(
        self,
        graph: &mut Graph<'_, T>,
        kernel: Var,
        seed: u64,
    ) -> Result<Var, ShapeError> {
        self.mask(graph, kernel, seed, 2, Semiring::MaxPlus)
    }

    /// The same for a dense matrix `[n, units]` over a semiring: an entry becomes
    /// [`Semiring::absent`]. The mask does not depend on the semiring, so maxima and minima of one
    /// matrix lack the same entries.
    ///
    /// ```
    /// use morphograd_morphology::{
    ///     ElementDropout, Semiring,
    ///     nn::autodiff::{Mode, Params, Tape},
    ///     nn::tensor::TensorRef,
    /// };
    /// let (params, mut tape) = (Params::<f32>::new(), Tape::new());
    /// let mut graph = tape.record(&params, Mode::Train { step: 3 });
    /// let w = graph.input(TensorRef::new([4, 1], &[1.0; 4]));
    /// let dropout = ElementDropout { rate: 0.99 };
    /// let dropped = dropout.apply_to_matrix(&mut graph, w, 42, Semiring::MinPlus)?;
    /// let kept = |w: &&f32| w.is_finite();
    /// assert!(graph.value(dropped).data.iter().filter(kept).count() >= 1);
    /// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
    /// ```
    ///
    /// # Errors
    /// If the rate is not in [0, 1), or the matrix has no entry or rank below 2.
    pub fn apply_to_matrix<T: Real>(
        self,
        graph: &mut Graph<'_, T>,
        matrix: Var,
        seed: u64,
        semiring: Semiring,
    ) -> Result<Var, ShapeError> {
        self.mask(graph, matrix, seed, 1, semiring)
    }

    fn mask<T: Real>(
        self,
        graph: &mut Graph<'_, T>,
        kernel: Var,
        seed: u64,
        axes: usize,
        semiring: Semiring,
    ) -> Result<Var, ShapeError> {
        if !(0.0..1.0).contains(&self.rate) {
            return Err(ShapeError::new(NAME, "a rate in [0, 1)", format!("{}", self.rate)));
        }
        match graph.mode() {
            Mode::Train { step } if self.rate > 0.0 => {
                let key = mix(seed ^ mix(step));
                graph.apply(Mask { rate: self.rate, key, axes, semiring }, [kernel])
            }
            _ => Ok(kernel),
        }
    }
}

const NAME: &str = "element_dropout";
/// Entries of a piece of work.
const PIECE: usize = 1 << 14;

/// The op of [`ElementDropout`] for one step.
#[derive(Debug, Clone, Copy)]
struct Mask {
    rate: f64,
    key: u64,
    /// How many axes, the first ones, a function has of its own.
    axes: usize,
    semiring: Semiring,
}

impl<T: Real> Op<T> for Mask {
    fn name(&self) -> &'static str {
        NAME
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        match inputs[0].rank() >= 2 && !inputs[0].is_empty() {
            true => Ok(inputs[0]),
            false => Err(ShapeError::new(
                NAME,
                "a kernel [height, width, …]",
                format!("shape {}", inputs[0]),
            )),
        }
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let (w, absent) = (pass.inputs[0].data, self.semiring.absent());
        parallel::for_each_piece(pass.output, PIECE, |piece, y| {
            for (i, y) in (piece * PIECE..).zip(y) {
                *y = if self.keeps(i) { w[i] } else { absent };
            }
        });
        self.for_each_last_resort(pass.shape, |i| pass.output[i] = w[i]);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let [Some(dw), ..] = pass.grad_inputs else { return };
        let dy = pass.grad_output;
        parallel::for_each_piece(dw, PIECE, |piece, dw| {
            for (i, dw) in (piece * PIECE..).zip(dw) {
                *dw += if self.keeps(i) { dy[i] } else { T::zero() };
            }
        });
        self.for_each_last_resort(pass.output.shape, |i| dw[i] += dy[i]);
    }
}

impl Mask {
    fn hash(&self, i: usize) -> u64 {
        mix(self.key.wrapping_add(i as u64))
    }

    /// Whether the hash of an entry is above the threshold. It is uniform over 64-bit integers. The
    /// product is below 2⁶⁴ because the rate is below 1.
    fn keeps(&self, i: usize) -> bool {
        self.hash(i) >= (self.rate * (1u128 << 64) as f64) as u64
    }

    /// The entry of the largest hash, for each function of which all are below the threshold.
    fn for_each_last_resort(&self, kernel: Shape, mut f: impl FnMut(usize)) {
        let functions: usize = kernel.dims()[self.axes..].iter().product();
        for function in 0..functions {
            let entries = (function..kernel.len()).step_by(functions);
            if entries.clone().all(|i| !self.keeps(i)) {
                entries.max_by_key(|i| self.hash(*i)).into_iter().for_each(&mut f);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Depthwise2d, MaxPlus};
    use morphograd_nn::autodiff::{Params, Tape, gradcheck};
    use morphograd_nn::tensor::{Tensor, Window2d};
    use morphograd_testkit::{check_op, vjp};

    fn run(rate: f64, seed: u64, mode: Mode, shape: &[usize]) -> Result<Vec<f64>, ShapeError> {
        let params = Params::new();
        let mut tape = Tape::new();
        let mut graph = tape.record(&params, mode);
        let w = graph.input(Tensor::filled(Shape::new(shape), 1.0).view());
        let w = ElementDropout { rate }.apply(&mut graph, w, seed)?;
        Ok(graph.value(w).data.to_vec())
    }

    #[test]
    fn the_mask_depends_on_seed_and_step_and_there_is_none_outside_training() {
        let train = |seed, step| run(0.5, seed, Mode::Train { step }, &[5, 5, 2, 3]).unwrap();
        assert_eq!(train(7, 0), train(7, 0));
        assert_ne!(train(7, 0), train(7, 1));
        assert_ne!(train(7, 0), train(8, 0));
        assert_eq!(run(0.5, 7, Mode::Eval, &[5, 5, 2]).unwrap(), [1.0; 50]);
        assert_eq!(run(0.0, 7, Mode::Train { step: 0 }, &[5, 5, 2]).unwrap(), [1.0; 50]);
    }

    #[test]
    fn the_rate_is_met_nothing_is_rescaled_and_every_structuring_function_keeps_an_entry() {
        for rate in [0.1, 0.5, 0.999] {
            let w = run(rate, 3, Mode::Train { step: 5 }, &[10, 10, 400]).unwrap();
            assert!(w.iter().all(|w| *w == 1.0 || *w == f64::NEG_INFINITY));
            let dropped = w.iter().filter(|w| **w != 1.0).count() as f64 / w.len() as f64;
            // Where all of the 100 would be dropped, one is kept.
            let kept_anyway = rate.powi(100) / 100.0;
            assert!((dropped - (rate - kept_anyway)).abs() < 0.01, "{dropped}");
            assert!((0..400).all(|c| w[c..].iter().step_by(400).any(|w| *w == 1.0)));
        }
    }

    #[test]
    fn the_last_resort_is_any_entry() {
        let mut places = [0; 4];
        for step in 0..400 {
            let w = run(0.9999, 3, Mode::Train { step }, &[2, 2]).unwrap();
            places[w.iter().position(|w| *w == 1.0).unwrap()] += 1;
        }
        assert!(places.iter().all(|n| *n > 60), "{places:?}");
    }

    #[test]
    fn dropped_entries_have_no_gradient_and_the_others_all_of_it() {
        let w = Tensor::filled([4, 4, 2], 0.5);
        let (y, grads) = vjp(
            Mask { rate: 0.5, key: 11, axes: 2, semiring: Semiring::MaxPlus },
            &[w],
            &[3.0; 32],
        );
        assert!(y.iter().zip(&grads[0]).all(|(y, g)| *g == if *y == 0.5 { 3.0 } else { 0.0 }));
        assert!(grads[0].contains(&0.0));
        check_op(
            Mask { rate: 0.0, key: 11, axes: 2, semiring: Semiring::MaxPlus },
            &[Tensor::from_fn([4, 4, 2], |i| (i as f64 * 0.5).sin())],
        );

        let mut params = Params::new();
        let wave = |shape: Shape, speed: f64| Tensor::from_fn(shape, |i| (i as f64 * speed).sin());
        let x = params.add("x", wave([2, 5, 5, 2].into(), 0.9), None).unwrap();
        let w = params.add("w", wave([3, 3, 2].into(), 0.5), None).unwrap();
        gradcheck(&mut params, |graph| {
            let [x, w] = [x, w].map(|id| graph.param(id));
            let w = ElementDropout { rate: 0.6 }.apply(graph, w, 9)?;
            graph.apply(Depthwise2d::<MaxPlus>::new(Window2d::new([3, 3])), [x, w])
        })
        .unwrap();
    }

    #[test]
    fn of_a_matrix_every_column_keeps_an_entry_and_both_semirings_lack_the_same() {
        let dropped = |semiring| {
            let (params, mut tape) = (Params::new(), Tape::new());
            let mut graph = tape.record(&params, Mode::Train { step: 5 });
            let w = graph.input(Tensor::filled([20, 300], 1.0f64).view());
            let dropout = ElementDropout { rate: 0.95 };
            let w = dropout.apply_to_matrix(&mut graph, w, 3, semiring).unwrap();
            graph.value(w).data.to_vec()
        };
        let (max, min) = (dropped(Semiring::MaxPlus), dropped(Semiring::MinPlus));
        assert!((0..300).all(|j| max[j..].iter().step_by(300).any(|w| *w == 1.0)));
        let mut count = 0;
        for (max, min) in max.into_iter().zip(min) {
            assert!(max == min || (max == f64::NEG_INFINITY && min == f64::INFINITY));
            count += usize::from(max != min);
        }
        // Where all of the 20 would be dropped, one is kept.
        let expected = 0.95 - 0.95f64.powi(20) / 20.0;
        assert!((count as f64 / 6000.0 - expected).abs() < 0.01, "{count}");
    }

    #[test]
    fn a_rate_outside_0_1_and_a_kernel_without_window_are_refused() {
        for (rate, found) in [(1.0, "1"), (-0.1, "-0.1"), (f64::NAN, "NaN")] {
            let error = run(rate, 0, Mode::Eval, &[3, 3]).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("element_dropout: expected a rate in [0, 1), found {found}")
            );
        }
        let error = run(0.5, 0, Mode::Train { step: 0 }, &[3]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "element_dropout: expected a kernel [height, width, …], found shape [3]"
        );
    }
}
