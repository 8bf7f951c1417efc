//! Dropout without a generator: whether an element is kept is a function of the layer's seed, the
//! step and the element's position, so the mask is the same for any number of threads, and the
//! backward pass computes it again instead of remembering it.

use morphograd_autodiff::tensor::simd::{Kernel, dispatch};
use morphograd_autodiff::tensor::{Real, Shape, ShapeError, parallel};
use morphograd_autodiff::{Backward, Forward, Graph, Mode, Op, Params, Var};

use crate::model::build::Build;
use crate::model::builder::Builder;
use crate::model::error::BuildError;
use crate::model::layer::Layer;
use crate::random::mix;

/// While training, every element is set to 0 with probability `rate`, independently, and the others
/// are multiplied by $1 / (1 - \text{rate})$, so that the expectation is unchanged (inverted
/// dropout). Outside training, the identity.
///
/// The derivative is the mask. Two layers of different names, and two steps, have different masks;
/// applying one layer twice in one step uses one mask for both. The default rate is 0.5. Cost: one
/// hash an element each way.
///
/// Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, *Dropout: a simple way to prevent
/// neural networks from overfitting*, JMLR 15, 2014.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// The probability that an element is dropped, in [0, 1).
    pub rate: f64,
}

/// The op of [`Dropout`] for one step.
#[derive(Debug, Clone, Copy)]
struct Mask {
    rate: f64,
    key: u64,
    /// Where in the batch the first element stands.
    first: u64,
}

/// Elements that one task computes.
const PIECE: usize = 1 << 12;

impl Default for Dropout {
    fn default() -> Self {
        Self { rate: 0.5 }
    }
}

impl<T: Real> Build<T> for Dropout {
    fn build(
        self,
        builder: &mut Builder<'_, T>,
        _: Shape,
    ) -> Result<Box<dyn Layer<T>>, BuildError> {
        if !(0.0..1.0).contains(&self.rate) {
            return Err(
                ShapeError::new("dropout", "a rate in [0, 1)", format!("{}", self.rate)).into()
            );
        }
        Ok(Box::new(Built { rate: self.rate, seed: builder.seed() }))
    }
}

#[derive(Debug)]
struct Built {
    rate: f64,
    seed: u64,
}

impl<T: Real> Layer<T> for Built {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        match graph.mode() {
            Mode::Train { step } if self.rate > 0.0 => {
                let first = match graph.first_example() {
                    0 => 0,
                    first => (first * graph.shape(x).unbatched().len()) as u64,
                };
                let key = mix(self.seed ^ mix(step));
                graph.apply(Mask { rate: self.rate, key, first }, [x])
            }
            _ => Ok(x),
        }
    }

    fn lipschitz(&self, _: &Params<T>) -> Option<f64> {
        Some(1.0)
    }
}

impl<T: Real> Op<T> for Mask {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        Ok(inputs[0])
    }

    fn forward(&self, pass: Forward<'_, T>) {
        self.apply(pass.inputs[0].data, pass.output);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        if let [Some(dx), ..] = pass.grad_inputs {
            self.apply(pass.grad_output, dx);
        }
    }

    fn overwrites(&self) -> bool {
        true
    }
}

impl Mask {
    /// Writes the elements that are kept, multiplied by their factor, and 0 for the others.
    fn apply<T: Real>(&self, from: &[T], to: &mut [T]) {
        parallel::for_each_piece(to, PIECE, |piece, to| {
            let first = piece * PIECE;
            dispatch(Piece {
                mask: self,
                first: self.first + first as u64,
                from: &from[first..first + to.len()],
                to,
            });
        });
    }
}

/// The elements from `first` on.
struct Piece<'a, T> {
    mask: &'a Mask,
    first: u64,
    from: &'a [T],
    to: &'a mut [T],
}

impl<T: Real> Kernel for Piece<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        // The hash is uniform over 64-bit integers. The product is below 2⁶⁴ because the rate is
        // below 1.
        let dropped_below = (self.mask.rate * (1u128 << 64) as f64) as u64;
        let factor = T::of(1.0 / (1.0 - self.mask.rate));
        let mut position = self.mask.key.wrapping_add(self.first);
        for (to, from) in self.to.iter_mut().zip(self.from) {
            *to = if mix(position) >= dropped_below { *from * factor } else { T::zero() };
            position = position.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sequential;
    use morphograd_autodiff::tensor::Tensor;
    use morphograd_autodiff::{Params, Tape};
    use morphograd_testkit::{check_op, strategy, vjp};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn gradients_agree_with_differences(
            x in strategy::tensor([3, 5]),
            rate in 0.0..0.99f64,
            key in any::<u64>(),
        ) {
            check_op(Mask { rate, key, first: 7 }, &[x]);
        }
    }

    /// The output for an input of ones.
    fn run(name: &str, rate: f64, seed: u64, mode: Mode, n: usize) -> Vec<f64> {
        let mut params = Params::new();
        let model = Sequential::new()
            .add(name, Dropout { rate })
            .build_model(&mut params, seed, [n])
            .unwrap();
        let mut tape = Tape::new();
        let mut graph = tape.record(&params, mode);
        let x = graph.input(Tensor::filled([1, n], 1.0).view());
        let y = model.forward(&mut graph, x).unwrap();
        graph.value(y).data.to_vec()
    }

    #[test]
    fn the_mask_depends_on_seed_path_and_step_and_on_nothing_else() {
        let train = |name, seed, step| run(name, 0.5, seed, Mode::Train { step }, 100);
        let first = train("drop", 7, 0);
        assert_eq!(first, train("drop", 7, 0));
        for other in [train("drop", 7, 1), train("drop", 8, 0), train("drop2", 7, 0)] {
            assert_ne!(first, other);
        }
        assert_eq!(run("drop", 0.5, 7, Mode::Eval, 100), [1.0; 100]);
        assert_eq!(run("drop", 0.0, 7, Mode::Train { step: 0 }, 100), [1.0; 100]);
    }

    #[test]
    fn the_rate_is_met_and_the_mean_kept_and_neighbours_are_independent() {
        let n = 40_000;
        for rate in [0.1, 0.5, 0.9] {
            let y = run("drop", rate, 3, Mode::Train { step: 5 }, n);
            let factor = 1.0 / (1.0 - rate);
            assert!(y.iter().all(|y| *y == 0.0 || (*y - factor).abs() < 1e-12));
            let share = |count: usize| count as f64 / n as f64;
            let dropped = share(y.iter().filter(|y| **y == 0.0).count());
            let both = share(y.windows(2).filter(|w| w[0] == 0.0 && w[1] == 0.0).count());
            // Four standard deviations of a binomial share are at most 0.01.
            assert!((dropped - rate).abs() < 0.01, "{dropped}");
            assert!((both - rate * rate).abs() < 0.015, "{both}");
        }
    }

    #[test]
    fn a_part_of_a_batch_has_its_part_of_the_mask() {
        let mut params = Params::new();
        let model = Sequential::new()
            .add("drop", Dropout::default())
            .build_model(&mut params, 7, [50])
            .unwrap();
        let mut tape = Tape::new();
        let mut masked = |first: usize, examples: usize| {
            let mut graph = tape.record(&params, Mode::Train { step: 3 });
            graph.begin_at(first);
            let x = graph.input(Tensor::filled([examples, 50], 1.0).view());
            let y = model.forward(&mut graph, x).unwrap();
            graph.value(y).data.to_vec()
        };
        let whole = masked(0, 5);
        assert_eq!([masked(0, 2), masked(2, 3)].concat(), whole);
        assert_ne!(masked(0, 3), whole[100..]);
    }

    #[test]
    fn the_gradient_is_the_mask() {
        let ones = Tensor::filled([9000], 1.0);
        let (y, dx) = vjp(Mask { rate: 0.3, key: 11, first: 0 }, &[ones], &[1.0; 9000]);
        assert_eq!(y, dx[0]);
        assert!(y.contains(&0.0));
    }

    #[test]
    fn a_rate_outside_0_1_is_refused() {
        for (rate, found) in [(1.0, "1"), (-0.1, "-0.1"), (f64::NAN, "NaN")] {
            let mut params = Params::<f64>::new();
            let error = Sequential::new()
                .add("drop", Dropout { rate })
                .build_model(&mut params, 0, [3])
                .unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("drop: dropout: expected a rate in [0, 1), found {found}")
            );
        }
    }
}
