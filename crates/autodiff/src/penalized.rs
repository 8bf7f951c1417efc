//! What a loss is differentiated as: with the penalties of the parameters that it depends on.

use std::sync::Arc;

use morphograd_tensor::Real;

use crate::mode::Mode;
use crate::ops::Add;
use crate::penalty::{Multiplier, Penalty, Shared};
use crate::tape::{Graph, Var};

impl<T: Real> Graph<'_, T> {
    /// The derivative of a loss, and of the penalties of the parameters that this recording uses
    /// ([`Params::penalize`](crate::Params::penalize)), with respect to every parameter and
    /// variable they depend on. The value of `loss` is that without the penalties;
    /// [`Graph::penalized`] gives the sum.
    ///
    /// # Panics
    /// If `loss` has more than one element, or the mode is not [`Mode::Train`].
    #[track_caller]
    pub fn backward(&mut self, loss: Var) {
        let elements = self.shape_in(loss, "backward").len();
        assert_eq!(elements, 1, "elements of a loss");
        let loss = if self.tape.penalized { loss } else { self.add_penalties(loss) };
        self.backward_with(loss, &[T::one()]);
    }

    /// The loss with the penalties of the parameters that this recording uses: the value that
    /// [`Graph::backward`] differentiates. Called once, when the loss is complete; `backward` then
    /// adds nothing to what it is given.
    ///
    /// # Panics
    /// If `loss` has more than one element.
    #[track_caller]
    pub fn penalized(&mut self, loss: Var) -> Var {
        assert_eq!(self.shape(loss).len(), 1, "elements of a loss");
        self.tape.penalized = true;
        self.add_penalties(loss)
    }

    fn add_penalties(&mut self, mut loss: Var) -> Var {
        let params = self.params;
        for id in params.ids() {
            let Some(value) = self.tape.params[id.0 as usize] else { continue };
            // Two backward passes of one recording share the penalties.
            let recorded = self.tape.penalties.iter().any(|(of, _)| *of == id);
            for penalty in params.penalties(id).filter(|_| !recorded) {
                let var = self.record_penalty(value, penalty);
                self.tape.penalties.push((id, var));
            }
        }
        for i in 0..self.tape.penalties.len() {
            let (_, penalty) = self.tape.penalties[i];
            loss = self.apply(Add, [loss, penalty]).expect("two scalars");
        }
        loss
    }

    fn record_penalty(&mut self, value: Var, penalty: &Penalty<T>) -> Var {
        const CHECKED: &str = "checked when the penalty was declared";
        let Some(Multiplier { param, update, every }) = penalty.multiplier() else {
            return self.apply(penalty.op(), [value]).expect(CHECKED);
        };
        let multiplier = self.param(*param);
        // Recorded at every step, so that the next recording finds its buffers where they were;
        // tracked at some.
        let next = self.apply(Shared(Arc::clone(update)), [value, multiplier]).expect(CHECKED);
        if matches!(self.mode(), Mode::Train { step } if (step + 1).is_multiple_of(*every)) {
            self.track(*param, next, 0.0);
        }
        self.apply(penalty.op(), [value, multiplier]).expect(CHECKED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ParamId, Params, Scale, Sum, Tape};
    use morphograd_tensor::Tensor;

    fn one_param(values: &[f64]) -> (Params<f64>, ParamId) {
        let mut params = Params::new();
        let value = Tensor::from_vec([values.len()], values.to_vec()).unwrap();
        let id = params.add("w", value, None).unwrap();
        (params, id)
    }

    #[test]
    fn penalties_are_part_of_every_loss_that_uses_the_parameter() {
        let (mut params, w) = one_param(&[1.0, 2.0]);
        let unused = params.add("unused", Tensor::zeros([4]), None).unwrap();
        for id in [w, unused] {
            params.penalize(id, Penalty::new(Sum)).unwrap();
        }
        let mut tape = Tape::new();
        let loss = |graph: &mut Graph<'_, f64>, factor: f64| {
            let w = graph.param(w);
            let scaled = graph.apply(Scale(factor), [w]).unwrap();
            graph.apply(Sum, [scaled]).unwrap()
        };
        let mut graph = tape.record(&params, Mode::Train { step: 0 });
        // Two losses on one recording: each has the penalty once.
        let [a, b] = [2.0, 4.0].map(|factor| loss(&mut graph, factor));
        for (loss, expected) in [(a, 3.0), (b, 5.0), (a, 3.0)] {
            graph.backward(loss);
            assert_eq!(graph.tape.grad(w), Some(&[expected; 2][..]));
            assert!(graph.tape.has_penalties(&params, w));
        }
        assert_eq!(tape.grad(unused), None);
        assert!(!tape.has_penalties(&params, unused));
        // In hand, they are neither lost nor counted twice.
        let mut graph = tape.record(&params, Mode::Train { step: 1 });
        let a = loss(&mut graph, 2.0);
        let sum = graph.penalized(a);
        assert_eq!((graph.value(a).data, graph.value(sum).data), (&[6.0][..], &[9.0][..]));
        let twice = graph.apply(Scale(2.0), [sum]).unwrap();
        graph.backward(twice);
        assert_eq!(tape.grad(w), Some(&[6.0; 2][..]));
        // A product with the Jacobian has none, and says so.
        let mut graph = tape.record(&params, Mode::Train { step: 2 });
        let a = loss(&mut graph, 2.0);
        graph.backward_with(a, &[1.0]);
        assert_eq!(tape.grad(w), Some(&[2.0; 2][..]));
        assert!(!tape.has_penalties(&params, w));
        // So does evaluation, where the value is asked for.
        let mut graph = tape.record(&params, Mode::Eval);
        let a = loss(&mut graph, 2.0);
        let sum = graph.penalized(a);
        assert_eq!(graph.value(sum).data, [9.0]);
    }
}
