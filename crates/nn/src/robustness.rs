//! Robustness in the maximum norm: how far inputs can be changed without another class, by the
//! Lipschitz constant of a network, and an attack that tries to find what the proof excludes.
//!
//! The one design choice: one norm throughout. A dilation, an erosion or a pooling has the constant
//! 1 in the maximum norm, so what is left to bound are sums of magnitudes of weights, which an
//! [`L1Ball`](crate::sets::L1Ball) for each filter does.

use morphograd_autodiff::sets::{Bounds, Constraint};
use morphograd_autodiff::tensor::{Real, Shape, ShapeError, Tensor, TensorRef};
use morphograd_autodiff::{Mode, Params, Tape};

use crate::model::layer::Layer;

/// The margin of a class, $z_c - \max_{j \ne c} z_j$: positive where it is the predicted one, NaN
/// where a logit is. $+\infty$ where there is no other class.
///
/// # Panics
/// If there is no such class.
pub fn margin<T: Real>(logits: &[T], class: usize) -> f64 {
    let others = logits.iter().enumerate().filter(|(j, _)| *j != class);
    logits[class].f64() - others.fold(f64::NEG_INFINITY, |most, (_, z)| larger(most, z.f64()))
}

fn larger(a: f64, b: f64) -> f64 {
    if b > a || b.is_nan() { b } else { a }
}

/// The certified radius $r = m / (2 L)$: with the margin $m$ of the true class and the constant $L$
/// of the network ([`Layer::lipschitz`]), no change of the input by less than $r$ in the maximum
/// norm changes the class, because each logit moves by less than $m / 2$. It is 0 where the class
/// is wrong already. Rounding in the network is not in it.
///
/// ```
/// use morphograd_nn::robustness::certified_radius;
/// assert_eq!(certified_radius(&[0.5, 2.0, 1.0], 1, 2.0), 0.25);
/// assert_eq!(certified_radius(&[0.5, 2.0, 1.0], 0, 2.0), 0.0);
/// ```
///
/// # Panics
/// If there is no such class.
pub fn certified_radius<T: Real>(logits: &[T], class: usize, lipschitz: f64) -> f64 {
    let radius = margin(logits, class) / (2.0 * lipschitz);
    if radius > 0.0 { radius } else { 0.0 }
}

/// An attack: projected gradient on the inputs, for the smallest margin of the true class within a
/// ball of the maximum norm.
///
/// Each step moves every entry by the same amount against the sign of the margin's gradient (the
/// steepest descent of this norm) and projects on the box of values that are in the ball and in
/// range. The step begins at half the radius and falls to a hundredth of it. An attack that fails
/// proves nothing; a certificate does. Source: A. Madry and others, *Towards deep learning models
/// resistant to adversarial attacks* (ICLR 2018).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attack {
    /// The radius of the ball.
    pub radius: f64,
    /// The smallest and the largest value of an input.
    pub range: [f64; 2],
    /// Steps; each costs a forward and a backward pass.
    pub steps: usize,
}

/// What an attack found.
#[derive(Debug, Clone, PartialEq)]
pub struct Attacked<T> {
    /// For each member of the batch the input with the smallest margin, the start included.
    pub inputs: Tensor<T>,
    /// Its margin.
    pub margins: Vec<f64>,
}

impl Attack {
    /// Attacks a batch of inputs with known classes, all at once. Deterministic.
    ///
    /// # Errors
    /// If the inputs do not fit the model, there are not as many classes, or the outputs are not
    /// `[batch, classes]` with these.
    pub fn run<T: Real>(
        &self,
        model: &dyn Layer<T>,
        params: &Params<T>,
        inputs: TensorRef<'_, T>,
        classes: &[usize],
    ) -> Result<Attacked<T>, ShapeError> {
        let bounds = self.bounds(inputs);
        let mut best = Attacked { inputs: inputs.to_tensor(), margins: Vec::new() };
        let (mut x, mut tape, mut grad) = (inputs.to_tensor(), Tape::new(), Vec::new());
        let size = inputs.data.len() / classes.len().max(1);
        for step in 0..=self.steps {
            let mut graph = tape.record(params, Mode::InputGradients);
            let input = graph.variable(x.view());
            let output = model.forward(&mut graph, input)?;
            let logits = graph.value(output);
            let width = check(logits.shape, inputs.shape, classes)?;
            grad.clear();
            for (n, (z, class)) in logits.data.chunks_exact(width).zip(classes).enumerate() {
                let found = margin(z, *class);
                if step == 0 {
                    best.margins.push(found);
                } else if found < best.margins[n] {
                    best.margins[n] = found;
                    let member = n * size..(n + 1) * size;
                    best.inputs.data_mut()[member.clone()].copy_from_slice(&x.data()[member]);
                }
                let rival = rival(z, *class);
                grad.extend((0..width).map(|j| match j {
                    j if j == *class => T::one(),
                    j if Some(j) == rival => -T::one(),
                    _ => T::zero(),
                }));
            }
            graph.backward_with(output, &grad);
            let Some(slope) = graph.grad(input) else { break };
            let share = step as f64 / self.steps.max(1) as f64;
            let length = T::of(self.radius * 0.5 * 0.02f64.powf(share));
            for (x, g) in x.data_mut().iter_mut().zip(slope) {
                // Where the margin does not change, so does the input.
                *x -= if *g == T::zero() { T::zero() } else { length * g.signum() };
            }
            bounds.project(inputs.shape, x.data_mut());
        }
        Ok(best)
    }

    /// The ball around the inputs, cut to the range.
    fn bounds<T: Real>(&self, inputs: TensorRef<'_, T>) -> Bounds {
        let [low, high] = self.range;
        let around = |offset: f64| {
            let bound = |i: usize| {
                let x = inputs.data[i].f64();
                // An input out of range may stay there, but not leave further.
                (x + offset).clamp(low.min(x), high.max(x))
            };
            Tensor::from_fn(inputs.shape, bound)
        };
        Bounds { min: around(-self.radius), max: around(self.radius) }
    }
}

/// The strongest of the other classes.
fn rival<T: Real>(logits: &[T], class: usize) -> Option<usize> {
    let others = (0..logits.len()).filter(|j| *j != class);
    others.reduce(|best, j| if logits[j] > logits[best] { j } else { best })
}

/// The number of classes.
fn check(output: Shape, input: Shape, classes: &[usize]) -> Result<usize, ShapeError> {
    const NAME: &str = "attack";
    let batch = input.dims().first().copied().unwrap_or(0);
    if batch != classes.len() {
        let expected = format!("a class for each of {batch} inputs");
        return Err(ShapeError::new(NAME, expected, classes.len().to_string()));
    }
    match *output.dims() {
        [n, width] if n == batch && width > 0 => match classes.iter().find(|c| **c >= width) {
            None => Ok(width),
            Some(class) => {
                let expected = format!("classes below {width}, as the model has");
                Err(ShapeError::new(NAME, expected, class.to_string()))
            }
        },
        _ => {
            let expected = format!("a model with outputs [{batch}, classes]");
            Err(ShapeError::new(NAME, expected, format!("shape {output}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sets::{L1Ball, Per};
    use crate::{Activation, Conv2d, Dense, Flatten, MaxPool2d, Model, Sequential, Weight};
    use crate::{Dropout, initializer::Uniform};
    use morphograd_testkit::strategy;
    use proptest::prelude::*;

    fn model(params: &mut Params<f64>, seed: u64, radius: Option<f64>) -> Model<f64> {
        let weight = || {
            let weight = Weight::new(Uniform { low: -1.0, high: 1.0 });
            match radius {
                Some(radius) => weight.constrained(Per::filter(L1Ball { radius })),
                None => weight,
            }
        };
        Sequential::new()
            .add("conv", Conv2d { filters: 3, kernel: weight(), ..Conv2d::default() })
            .add("relu", Activation::Relu)
            .add("pool", MaxPool2d::default())
            .add("flatten", Flatten)
            .add("dropout", Dropout { rate: 0.5 })
            .add("dense", Dense { units: 4, kernel: weight(), ..Dense::default() })
            .build_model(params, seed, [6, 6, 1])
            .unwrap()
    }

    fn logits(model: &Model<f64>, params: &Params<f64>, x: TensorRef<'_, f64>) -> Vec<f64> {
        let mut tape = Tape::new();
        let mut graph = tape.record(params, Mode::Eval);
        let x = graph.input(x);
        let y = model.forward(&mut graph, x).unwrap();
        graph.value(y).data.to_vec()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn outputs_move_by_no_more_than_the_constant_times_the_change(
            x in strategy::tensor([2, 6, 6, 1]),
            change in strategy::tensor([2, 6, 6, 1]),
            seed in 0..1000u64,
            radius in prop_oneof![Just(None), Just(Some(0.7))],
        ) {
            let mut params = Params::new();
            let model = model(&mut params, seed, radius);
            let constant = model.lipschitz(&params).unwrap();
            if let Some(radius) = radius {
                prop_assert!(constant <= radius * radius * (1.0 + 1e-12));
            }
            let mut moved = x.clone();
            moved.data_mut().iter_mut().zip(change.data()).for_each(|(x, d)| *x += d);
            let size = change.data().iter().fold(0.0, |most: f64, d| most.max(d.abs()));
            let (before, after) =
                (logits(&model, &params, x.view()), logits(&model, &params, moved.view()));
            for (a, b) in before.iter().zip(&after) {
                prop_assert!((a - b).abs() <= constant * size * (1.0 + 1e-12));
            }
        }

        #[test]
        fn no_attack_succeeds_below_the_certificate_and_none_leaves_the_ball_or_the_range(
            x in strategy::tensor([3, 6, 6, 1]),
            seed in 0..1000u64,
            radius in 0.01..0.5f64,
        ) {
            let mut x = x;
            x.data_mut().iter_mut().for_each(|x| *x = x.clamp(0.0, 1.0));
            let mut params = Params::new();
            let model = model(&mut params, seed, None);
            let constant = model.lipschitz(&params).unwrap();
            let attack = Attack { radius, range: [0.0, 1.0], steps: 10 };
            let classes = [0, 1, 2];
            let found = attack.run(&model, &params, x.view(), &classes).unwrap();
            let (clean, after) =
                (logits(&model, &params, x.view()), logits(&model, &params, found.inputs.view()));
            for (n, class) in classes.iter().enumerate() {
                let [clean, after] = [&clean, &after].map(|z| &z[4 * n..4 * n + 4]);
                prop_assert_eq!(found.margins[n], margin(after, *class));
                prop_assert!(found.margins[n] <= margin(clean, *class));
                if certified_radius(clean, *class, constant) > radius {
                    prop_assert!(found.margins[n] > 0.0);
                }
            }
            for (a, b) in x.data().iter().zip(found.inputs.data()) {
                prop_assert!((a - b).abs() <= radius + 1e-15 && (0.0..=1.0).contains(b));
            }
        }
    }

    #[test]
    fn an_attack_on_a_linear_model_finds_the_exact_optimum() {
        let mut params = Params::<f64>::new();
        let model = Sequential::new()
            .add("dense", Dense { units: 2, ..Dense::default() })
            .build_model(&mut params, 1, [5])
            .unwrap();
        let x = Tensor::filled([1, 5], 0.5);
        let attack = Attack { radius: 0.1, range: [0.0, 1.0], steps: 20 };
        let found = attack.run(&model, &params, x.view(), &[0]).unwrap();
        let kernel = params.value(params.find("dense.kernel").unwrap()).data;
        let slope: f64 = kernel.chunks_exact(2).map(|w| (w[0] - w[1]).abs()).sum();
        let mut tape = Tape::new();
        let mut graph = tape.record(&params, Mode::Eval);
        let input = graph.input(x.view());
        let z = model.forward(&mut graph, input).unwrap();
        let clean = margin(graph.value(z).data, 0);
        assert!((found.margins[0] - (clean - 0.1 * slope)).abs() < 1e-12);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let mut params = Params::new();
        let model = model(&mut params, 0, None);
        let attack = Attack { radius: 0.1, range: [0.0, 1.0], steps: 1 };
        let x = Tensor::zeros([2, 6, 6, 1]);
        let run = |classes: &[usize]| {
            attack.run(&model, &params, x.view(), classes).unwrap_err().to_string()
        };
        assert_eq!(run(&[0]), "attack: expected a class for each of 2 inputs, found 1");
        assert_eq!(run(&[0, 4]), "attack: expected classes below 4, as the model has, found 4");
    }
}
