//! A kernel from what it does to an image: the best one of a set with its proof, beside what
//! training reaches.
//!
//! The one design choice: both trainings see one image, so that nothing but the loss and the path
//! differs from the problem that is solved exactly.

use morphograd::morphology::nn::Optimizer;
use morphograd::morphology::nn::autodiff::{Mode, Params, Tape};
use morphograd::morphology::nn::optim::Adam;
use morphograd::morphology::nn::random::Stream;
use morphograd::morphology::nn::sets::{Constraint, Intersection, Interval};
use morphograd::morphology::nn::tensor::{Tensor, Window2d};
use morphograd::morphology::{
    Optimality, RadiallyNonIncreasing, Residuation, dilation2d, evaluate,
};

use super::milestones;

const SIDE: usize = 24;
const KERNEL: [usize; 3] = [5, 5, 1];
/// The target is off by at most this.
const NOISE: f64 = 0.05;

/// What a training makes small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The mean square of the error.
    MeanSquare,
    /// Its largest absolute value, by a subgradient: that of the worst pixel.
    Largest,
}

/// The problem: an image, and its dilation by a hidden kernel, with noise.
#[derive(Debug)]
pub struct Problem {
    image: Tensor<f64>,
    target: Tensor<f64>,
}

/// No entry above one nearer to the centre, and all between -1 and 0.
fn set() -> Intersection {
    Intersection::of(RadiallyNonIncreasing::default()).and(Interval { min: -1.0, max: 0.0 })
}

impl Problem {
    /// The image is noise, the hidden kernel a random one of the set.
    pub fn new() -> Self {
        let mut noise = Stream::new(11, "identification", 0);
        let image = Tensor::from_fn([1, SIDE, SIDE, 1], |_| noise.uniform());
        let mut hidden = Tensor::from_fn(KERNEL, |_| -noise.uniform());
        set().project(hidden.shape(), hidden.data_mut());
        let mut problem = Self { target: image.clone(), image };
        problem.target = problem.dilated(&hidden);
        let off = |y: &mut f64| *y += NOISE * (2.0 * noise.uniform() - 1.0);
        problem.target.data_mut().iter_mut().for_each(off);
        problem
    }

    fn window() -> Window2d {
        Window2d::new([KERNEL[0], KERNEL[1]])
    }

    fn dilated(&self, kernel: &Tensor<f64>) -> Tensor<f64> {
        evaluate([self.image.view(), kernel.view()], |graph, [x, w]| {
            dilation2d(graph, x, w, Self::window())
        })
        .expect("shapes that fit")
    }

    /// The best kernel of the set, and what is proved of it.
    pub fn best(&self) -> (Tensor<f64>, Optimality) {
        let residuation = Residuation::new(Self::window());
        let best = residuation.best_dilation(self.image.view(), self.target.view(), &set());
        let best = best.expect("shapes that fit");
        (best.kernel, best.outputs[0])
    }

    /// The least of the largest errors so far, at the milestones of a training by Adam with
    /// projected steps.
    pub fn trained(&self, loss: Loss, start: Tensor<f64>, steps: u64) -> Vec<(f64, f64)> {
        let mut params = Params::new();
        let kernel = params.add("kernel", start, Some(Box::new(set()))).expect("one name");
        let mut optimizer = Optimizer::new(&params, Adam::default(), 0.003);
        let (marks, mut tape) = (milestones(steps), Tape::new());
        let (mut curve, mut least) = (Vec::new(), f64::INFINITY);
        for step in 0..steps {
            let mut graph = tape.record(&params, Mode::Train { step });
            let x = graph.input(self.image.view());
            let w = graph.param(kernel);
            let y = dilation2d(&mut graph, x, w, Self::window()).expect("shapes that fit");
            let mut errors: Vec<f64> = graph.value(y).data.to_vec();
            errors.iter_mut().zip(self.target.data()).for_each(|(y, target)| *y -= target);
            let largest = errors.iter().fold(0.0, |most: f64, e| most.max(e.abs()));
            least = least.min(largest);
            if marks.binary_search(&(step + 1)).is_ok() {
                curve.push((step as f64 + 1.0, least));
            }
            for e in &mut errors {
                *e = match loss {
                    Loss::MeanSquare => *e,
                    Loss::Largest if e.abs() == largest => e.signum(),
                    Loss::Largest => 0.0,
                };
            }
            graph.backward_with(y, &errors);
            optimizer.step(&mut params, &tape).expect("finite gradients");
        }
        curve
    }
}

impl Default for Problem {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_training_is_better_than_the_kernel_that_is_proved_best() {
        let problem = Problem::new();
        let (kernel, proof) = problem.best();
        assert!(proof.error <= NOISE && proof.error - proof.bound < 1e-9, "{proof:?}");
        for loss in [Loss::MeanSquare, Loss::Largest] {
            for start in [Tensor::zeros(KERNEL), kernel.clone()] {
                let (_, least) = *problem.trained(loss, start, 300).last().unwrap();
                assert!(least >= proof.bound, "{loss:?}: {least} and {proof:?}");
            }
        }
    }
}
