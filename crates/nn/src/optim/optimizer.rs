//! The projected step: one driver for every optimizer, and what a rule of arithmetic has to say to
//! be one.
//!
//! The one design choice: rules know one parameter's numbers and nothing else. Steps, learning
//! rates, clipping, missing gradients, projection and the report of what happened exist once, in
//! the driver. A step that fails has changed nothing.

use std::fmt::Debug;

use morphograd_autodiff::tensor::Real;
use morphograd_autodiff::{ParamId, Params, Tape};
use thiserror::Error;

use crate::optim::momentum::{Direction, Momentum};
use crate::optim::schedule::Schedule;
use crate::optim::step_metric::StepMetric;

/// The arithmetic of an optimizer on one parameter. The projection is not its business.
pub trait Rule<T>: Debug + Send + Sync {
    /// The field's standard name, for error messages.
    fn name(&self) -> &'static str;

    /// How many numbers it remembers for each coordinate.
    fn slots(&self) -> usize;

    /// The first value of the numbers of a slot.
    fn initial(&self, slot: usize) -> f64;

    /// Writes the metric in which the last step descended, a positive number a coordinate, from
    /// what is remembered, and returns whether there is one. By default there is none: the steps
    /// are those of the Euclidean metric.
    fn metric(&self, _state: &[Vec<T>], _metric: &mut [T]) -> bool {
        false
    }

    /// Which of the numbers that it remembers are a direction in which it goes on moving. By
    /// default none.
    fn direction(&self) -> Option<Direction> {
        None
    }

    /// Changes `value`, given the gradient there; `state` holds one vector a slot. The first step
    /// is 1. All have the same length.
    fn update(&self, step: u64, lr: f64, grad: &[T], state: &mut [Vec<T>], value: &mut [T]);
}

/// Changes parameters by their gradients, and projects each on its set.
///
/// The projection is in the Euclidean metric unless [`Optimizer::in_metric`] says otherwise;
/// [`Optimizer::with_momentum`] says what becomes of a momentum that leads out of a set.
///
/// The step with learning rate $η$ is $θ \leftarrow P(θ + Δ)$, where the rule gives $Δ$ ($-η g$ for
/// plain [`Sgd`]) and $P$ is the constraints' projection, which [`Params::update`] applies. What is
/// remembered belongs to the parameter at the same place, so the optimizer has to be used with the
/// parameters it was made for.
///
/// Cost: about 4 passes over the parameters, 2 more over those with a constraint; after the first
/// step nothing is allocated.
///
/// ```
/// use morphograd_nn::autodiff::{Mode, Mul, Params, Sub, Sum, Tape};
/// use morphograd_nn::{Optimizer, sets::Interval, optim::Sgd, tensor::Tensor};
///
/// // The point of the unit square that is nearest to (2, ½).
/// let mut params = Params::new();
/// let square = Interval { min: 0.0, max: 1.0 };
/// let w = params.add("w", Tensor::zeros([2]), Some(Box::new(square)))?;
/// let target = Tensor::from_vec([2], vec![2.0f64, 0.5])?;
///
/// let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.25);
/// let mut tape = Tape::new();
/// for step in 0..60 {
///     let mut graph = tape.record(&params, Mode::Train { step });
///     let (w, target) = (graph.param(w), graph.input(target.view()));
///     let difference = graph.apply(Sub, [w, target])?;
///     let squares = graph.apply(Mul, [difference, difference])?;
///     let loss = graph.apply(Sum, [squares])?;
///     graph.backward(loss);
///     let report = optimizer.step(&mut params, &tape)?;
///     if step == 59 {
///         // The loss could still fall, but not within the square.
///         assert!((report.gradient_norm - 2.0).abs() < 1e-6);
///         assert!(report.gradient_mapping < 1e-6); // so this is a solution
///     }
/// }
/// assert!(
///     (params.value(w).data[0] - 1.0).abs() < 1e-6
///         && (params.value(w).data[1] - 0.5).abs() < 1e-6
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Optimizer<T> {
    rule: Box<dyn Rule<T>>,
    schedule: Box<dyn Schedule>,
    clip: Clip,
    metric: StepMetric,
    momentum: Momentum,
    /// Whether all sets are known to allow the two.
    suitable: bool,
    state: State<T>,
    /// Squares of the norms of the gradients with respect to what layers see, one a parameter (0
    /// for frozen ones).
    seen: Vec<f64>,
    /// The same with respect to what is changed, which differs where a parameter follows a free
    /// one.
    squares: Vec<f64>,
    /// Of the parameters that follow a free one, the gradients with respect to that.
    pulled: Vec<Vec<T>>,
    /// A clipped gradient.
    scratch: Vec<T>,
    /// A metric.
    diagonal: Vec<T>,
    /// A value before its projection.
    before: Vec<T>,
}

/// What an optimizer remembers: everything that, with the parameters, is needed to go on as if
/// nothing had happened.
#[derive(Debug, Clone, PartialEq)]
pub struct State<T> {
    /// How many steps are done.
    pub steps: u64,
    /// The numbers of each parameter, of each slot, of each coordinate.
    pub slots: Vec<Vec<Vec<T>>>,
}

/// A bound on gradients, applied before the rule sees them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Clip {
    /// Gradients as they are.
    #[default]
    None,
    /// Every coordinate is moved into $[-c, c]$.
    Value(f64),
    /// Each parameter's gradient whose Euclidean norm exceeds $c$ is scaled to norm $c$.
    Norm(f64),
    /// All gradients are scaled by one factor if their norm together exceeds $c$, so that it is $c$
    /// (Pascanu et al., 2013).
    GlobalNorm(f64),
}

/// What a step did. Norms are Euclidean, over all trainable parameters together.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StepReport {
    /// The learning rate $η$ of this step.
    pub learning_rate: f64,
    /// $\lVert g \rVert$, before clipping, for the gradient with respect to the values that layers
    /// see.
    pub gradient_norm: f64,
    /// $\lVert θ - P(θ - η g) \rVert / η$ at the parameters before the step, without clipping: 0
    /// exactly where the constrained problem is stationary, and equal to the gradient norm where
    /// there are no constraints (Nesterov, 2004, section 2.2.3). With a learning rate of 0 it is
    /// taken for $η = 1$. It is Euclidean whatever the metric of the step. It cannot be smaller
    /// than the rounding of $θ$, divided by $η$.
    pub gradient_mapping: f64,
    /// How many coordinates the projection after the step moved; none of a parameter that another
    /// way of enforcing keeps in its set.
    pub moved: usize,
    /// How many coordinates have a constraint.
    pub constrained: usize,
    /// How far the projection moved the parameters.
    pub distance: f64,
}

/// Why there was no step. The parameters are as before.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum OptimizerError {
    /// A trainable parameter that the loss does not depend on.
    #[error(
        "{rule}: expected a gradient for `{parameter}`, found none: use it in the loss or freeze it"
    )]
    MissingGradient {
        /// The rule's name.
        rule: &'static str,
        /// The parameter.
        parameter: String,
    },
    /// Numbers that would destroy the parameters.
    #[error("{rule}: expected a gradient of finite norm for `{parameter}`, found norm {norm}")]
    NotFinite {
        /// The rule's name.
        rule: &'static str,
        /// The parameter.
        parameter: String,
        /// The norm.
        norm: f64,
    },
    /// A learning rate or a bound that makes no sense.
    #[error("{rule}: expected a {setting} that is finite and not negative, found {found}")]
    Setting {
        /// The rule's name.
        rule: &'static str,
        /// What is wrong.
        setting: &'static str,
        /// Its value.
        found: f64,
    },
    /// A set that does not know what the metric or the momentum asks of it.
    #[error("{rule}: expected a set with {missing} for `{parameter}`, found {set}")]
    Set {
        /// The rule's name.
        rule: &'static str,
        /// The parameter.
        parameter: String,
        /// What the set does not have.
        missing: &'static str,
        /// The set.
        set: String,
    },
    /// Other parameters, or a state of others.
    #[error(
        "{rule}: expected the parameters the optimizer was made for, found other numbers or sizes \
         of them"
    )]
    OtherParameters {
        /// The rule's name.
        rule: &'static str,
    },
}

impl<T: Real> Optimizer<T> {
    /// An optimizer for these parameters. The learning rate is a number or a schedule.
    pub fn new(
        params: &Params<T>,
        rule: impl Rule<T> + 'static,
        learning_rate: impl Schedule + 'static,
    ) -> Self {
        let slots = params
            .ids()
            .map(|id| {
                let n = params.value(id).data.len();
                (0..rule.slots()).map(|slot| vec![T::of(rule.initial(slot)); n]).collect()
            })
            .collect();
        Self {
            rule: Box::new(rule),
            schedule: Box::new(learning_rate),
            clip: Clip::None,
            metric: StepMetric::Euclidean,
            momentum: Momentum::Keep,
            suitable: false,
            state: State { steps: 0, slots },
            seen: Vec::new(),
            squares: Vec::new(),
            pulled: vec![Vec::new(); params.ids().len()],
            scratch: Vec::new(),
            diagonal: Vec::new(),
            before: Vec::new(),
        }
    }

    /// The same optimizer with clipped gradients.
    #[must_use]
    pub fn clipped(mut self, clip: Clip) -> Self {
        self.clip = clip;
        self
    }

    /// The same optimizer with the projection in another metric.
    #[must_use]
    pub fn in_metric(mut self, metric: StepMetric) -> Self {
        (self.metric, self.suitable) = (metric, false);
        self
    }

    /// The same optimizer with another fate of the momentum.
    #[must_use]
    pub fn with_momentum(mut self, momentum: Momentum) -> Self {
        (self.momentum, self.suitable) = (momentum, false);
        self
    }

    /// One step with the gradients of the tape's last backward pass. At its end, parameters that
    /// are not trained follow what they track ([`Tape::settle`]): the moving averages of a
    /// [`BatchNorm`](crate::BatchNorm).
    ///
    /// # Errors
    /// If a trainable parameter has no gradient or one that is not finite, the learning rate or the
    /// clipping bound is negative or not finite, a set does not allow the metric or the momentum
    /// that was asked for, or the optimizer was made for other parameters. Nothing has changed
    /// then.
    pub fn step(
        &mut self,
        params: &mut Params<T>,
        tape: &Tape<T>,
    ) -> Result<StepReport, OptimizerError> {
        let learning_rate = self.learning_rate();
        self.check(params, tape, learning_rate)?;
        let gradient_norm = self.seen.iter().sum::<f64>().sqrt();
        let gradient_squares: f64 = self.squares.iter().sum();
        let measure = if learning_rate > 0.0 { learning_rate } else { 1.0 };
        let mut report = StepReport { learning_rate, gradient_norm, ..StepReport::default() };
        let (mut mapping_squares, mut distance_squared) = (0.0, 0.0);
        let Self {
            rule,
            clip,
            metric,
            momentum,
            state,
            seen,
            squares,
            pulled,
            scratch,
            diagonal,
            before,
            ..
        } = self;
        state.steps += 1;

        let remembered = state.slots.iter_mut().zip(seen).zip(squares).zip(pulled);
        for (id, (((slots, seen), square), pulled)) in params.ids().zip(remembered) {
            let Some(gradient) = trainable_gradient(params, tape, id) else { continue };
            mapping_squares += if params.constraint(id).is_some() {
                report.constrained += gradient.len();
                let eta = T::of(measure);
                let moved = |value: &mut [T]| {
                    value.iter_mut().zip(gradient).for_each(|(w, g)| *w -= eta * *g);
                };
                params.trial(id, moved) / (measure * measure)
            } else {
                *seen
            };
            let gradient = if params.free(id).is_some() { &pulled[..] } else { gradient };
            let gradient = clip.apply(gradient, *square, gradient_squares, scratch);
            let projected = params.is_projected(id);
            let keep = |value: &[T], before: &mut Vec<T>| {
                before.clear();
                before.extend_from_slice(value);
            };
            let projection = match metric {
                StepMetric::Preconditioner if projected => {
                    params.update_in_metric(id, diagonal, |value, metric| {
                        rule.update(state.steps, learning_rate, gradient, slots, value);
                        if !rule.metric(slots, metric) {
                            metric.fill(T::one());
                        }
                        keep(value, before);
                    })
                }
                _ => params.step(id, |value| {
                    rule.update(state.steps, learning_rate, gradient, slots, value);
                    if projected && *momentum == Momentum::Reset {
                        keep(value, before);
                    }
                }),
            };
            if let Some(Direction { slot, sign }) = rule.direction() {
                momentum.settle(params, id, before, sign, &mut slots[slot]);
            }
            report.moved += projection.moved;
            distance_squared += projection.distance_squared;
        }
        tape.settle(params);
        report.gradient_mapping = mapping_squares.sqrt();
        report.distance = distance_squared.sqrt();
        Ok(report)
    }

    /// The learning rate of the next step.
    pub fn learning_rate(&self) -> f64 {
        self.schedule.rate(self.state.steps)
    }

    /// Replaces the learning rate, by a number or another schedule; the steps done go on counting.
    pub fn set_learning_rate(&mut self, learning_rate: impl Schedule + 'static) {
        self.schedule = Box::new(learning_rate);
    }

    /// How many steps are done.
    pub fn steps(&self) -> u64 {
        self.state.steps
    }

    /// What is remembered, to be kept with the parameters.
    pub fn state(&self) -> &State<T> {
        &self.state
    }

    /// Goes on from a state that was kept.
    ///
    /// # Errors
    /// If it is not a state of this rule on these parameters. Nothing has changed then.
    pub fn set_state(&mut self, state: State<T>) -> Result<(), OptimizerError> {
        let sizes = |state: &State<T>| -> Vec<Vec<usize>> {
            state.slots.iter().map(|slots| slots.iter().map(Vec::len).collect()).collect()
        };
        if sizes(&state) != sizes(&self.state) {
            return Err(OptimizerError::OtherParameters { rule: self.rule.name() });
        }
        self.state = state;
        Ok(())
    }

    /// Everything that can go wrong, before anything is changed. Fills `squares`.
    fn check(
        &mut self,
        params: &Params<T>,
        tape: &Tape<T>,
        learning_rate: f64,
    ) -> Result<(), OptimizerError> {
        let rule = self.rule.name();
        for (setting, found) in
            [("learning rate", learning_rate), ("clipping bound", self.clip.bound())]
        {
            if !(found >= 0.0 && found.is_finite()) {
                return Err(OptimizerError::Setting { rule, setting, found });
            }
        }
        let same_sizes = params
            .ids()
            .zip(&self.state.slots)
            .all(|(id, slots)| slots.iter().all(|slot| slot.len() == params.value(id).data.len()));
        if params.ids().len() != self.state.slots.len() || !same_sizes {
            return Err(OptimizerError::OtherParameters { rule });
        }
        self.seen.clear();
        self.squares.clear();
        for (id, pulled) in params.ids().zip(&mut self.pulled) {
            let seen = match trainable_gradient(params, tape, id) {
                Some(gradient) => sum_of_squares(gradient),
                None if !params.is_trainable(id) => 0.0,
                None => {
                    let parameter = params.name(id).to_owned();
                    return Err(OptimizerError::MissingGradient { rule, parameter });
                }
            };
            let square = match trainable_gradient(params, tape, id) {
                Some(gradient) if params.free(id).is_some() => {
                    pulled.clear();
                    pulled.extend_from_slice(gradient);
                    params.pull_back(id, pulled);
                    sum_of_squares(pulled)
                }
                _ => seen,
            };
            // Both are asked: a map that is flat would hide what is not finite.
            if let Some(square) = [seen, square].into_iter().find(|square| !square.is_finite()) {
                let parameter = params.name(id).to_owned();
                return Err(OptimizerError::NotFinite { rule, parameter, norm: square.sqrt() });
            }
            self.seen.push(seen);
            self.squares.push(square);
        }
        self.check_sets(params)
    }

    /// Whether the sets allow the metric and the momentum. They do not change, so it is asked once.
    fn check_sets(&mut self, params: &Params<T>) -> Result<(), OptimizerError> {
        if self.suitable {
            return Ok(());
        }
        for id in params.ids().filter(|id| params.is_trainable(*id)) {
            let missing = if self.metric == StepMetric::Preconditioner && !params.has_metric(id) {
                "a projection in a metric"
            } else if self.momentum == Momentum::Tangent && !params.has_tangent(id) {
                "a tangent cone"
            } else {
                continue;
            };
            return Err(OptimizerError::Set {
                rule: self.rule.name(),
                parameter: params.name(id).to_owned(),
                missing,
                set: format!("{:?}", params.constraint(id)),
            });
        }
        self.suitable = true;
        Ok(())
    }
}

impl<T> Rule<T> for Box<dyn Rule<T>> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn slots(&self) -> usize {
        (**self).slots()
    }

    fn initial(&self, slot: usize) -> f64 {
        (**self).initial(slot)
    }

    fn metric(&self, state: &[Vec<T>], metric: &mut [T]) -> bool {
        (**self).metric(state, metric)
    }

    fn direction(&self) -> Option<Direction> {
        (**self).direction()
    }

    fn update(&self, step: u64, lr: f64, grad: &[T], state: &mut [Vec<T>], value: &mut [T]) {
        (**self).update(step, lr, grad, state, value);
    }
}

impl Clip {
    fn bound(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Value(bound) | Self::Norm(bound) | Self::GlobalNorm(bound) => bound,
        }
    }

    /// The clipped gradient, in `scratch` if it differs. `square` and `all` are the squares of its
    /// norm and of that of all gradients.
    fn apply<'a, T: Real>(
        self,
        gradient: &'a [T],
        square: f64,
        all: f64,
        scratch: &'a mut Vec<T>,
    ) -> &'a [T] {
        let norm = match self {
            Self::None => return gradient,
            Self::Value(bound) => {
                let bound = T::of(bound);
                scratch.clear();
                scratch.extend(gradient.iter().map(|g| g.max(-bound).min(bound)));
                return scratch;
            }
            Self::Norm(_) => square.sqrt(),
            Self::GlobalNorm(_) => all.sqrt(),
        };
        if norm <= self.bound() {
            return gradient;
        }
        let factor = T::of(self.bound() / norm);
        scratch.clear();
        scratch.extend(gradient.iter().map(|g| factor * *g));
        scratch
    }
}

/// `None` for a parameter that is frozen, even if it was not when the tape was recorded.
fn trainable_gradient<'a, T: Real>(
    params: &Params<T>,
    tape: &'a Tape<T>,
    id: ParamId,
) -> Option<&'a [T]> {
    if params.is_trainable(id) { tape.grad(id) } else { None }
}

/// In `f64`, in 8 partial sums that are added at the end: the order is fixed, and the loop is not
/// one long chain of additions.
fn sum_of_squares<T: Real>(x: &[T]) -> f64 {
    let mut sums = [0.0; 8];
    let chunks = x.chunks_exact(8);
    let rest = chunks.remainder().iter().map(|x| x.f64() * x.f64()).sum::<f64>();
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += x.f64() * x.f64();
        }
    }
    sums.iter().sum::<f64>() + rest
}
