//! The projected step: one driver for every optimizer, and what a rule of arithmetic has to say to
//! be one.
//!
//! The one design choice: rules know one parameter's numbers and nothing else. Steps, learning
//! rates, clipping, missing gradients, projection and the report of what happened exist once, in
//! the driver. A step that fails has changed nothing.

use std::fmt::Debug;

use morphograd_autodiff::sets::Kind;
use morphograd_autodiff::tensor::Real;
use morphograd_autodiff::{ParamId, Params, Projection, Snapshot, Tape};

use crate::optim::clip::Clip;
use crate::optim::momentum::{Direction, Momentum};
use crate::optim::optimizer_error::OptimizerError;
use crate::optim::schedule::Schedule;
use crate::optim::step_metric::StepMetric;
use crate::optim::towards_vertices::{TowardsVertices, Vertices};

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

    /// How it changes a parameter that is kept in a set, if by steps towards vertices of the set
    /// and not by [`update`](Self::update) and a projection. By default it does not.
    fn towards_vertices(&self) -> Option<&dyn TowardsVertices<T>> {
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
/// plain [`Sgd`](crate::optim::Sgd)) and $P$ is the constraints' projection, which
/// [`Params::update`] applies. What is remembered belongs to the parameter at the same place, so
/// the optimizer has to be used with the parameters it was made for.
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
/// let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.25).measured();
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
///         // So this is a solution.
///         assert!(report.gradient_mapping.is_some_and(|norm| norm < 1e-6));
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
    /// Whether the gradient mapping is measured.
    measured: bool,
    /// What is changed, in order.
    members: Vec<Member>,
    /// Whether the members were to be all parameters.
    is_over_all: bool,
    state: State<T>,
    work: Workspace<T>,
}

/// A parameter that an optimizer changes.
#[derive(Debug, Clone, Copy)]
struct Member {
    id: ParamId,
    /// Its learning rate, relative to that of the schedule.
    factor: f64,
}

/// Memory that is kept from step to step; all lists have an entry a member.
#[derive(Debug)]
struct Workspace<T> {
    /// Squares of the norms of the gradients with respect to what layers see (0 for frozen ones).
    seen: Vec<f64>,
    /// The same with respect to what is changed, which differs where a parameter follows a free
    /// one.
    squares: Vec<f64>,
    /// Of the parameters that follow a free one, the gradients with respect to that.
    pulled_back: Vec<Vec<T>>,
    /// A clipped gradient.
    clipped: Vec<T>,
    /// The diagonal of a metric.
    diagonal: Vec<T>,
    /// A value before its projection.
    unprojected: Vec<T>,
    /// A vertex of a set.
    vertex: Vec<T>,
    /// All values before the step, and what was remembered, to come back to.
    values: Snapshot<T>,
    slots: Vec<Vec<Vec<T>>>,
}

/// What a step did to one parameter.
struct Change {
    projection: Projection,
    /// The Frank-Wolfe gap, if it stepped towards a vertex.
    gap: Option<f64>,
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

/// What a step did. Norms are Euclidean, over all trainable parameters together.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StepReport {
    /// The learning rate $η$ of this step.
    pub learning_rate: f64,
    /// $\lVert g \rVert$, before clipping, for the gradient with respect to the values that layers
    /// see.
    pub gradient_norm: f64,
    /// $\lVert θ - P(θ - η g) \rVert / η$ at the parameters before the step, without clipping;
    /// equal to the gradient norm where there are no constraints. For convex sets and a
    /// differentiable loss with gradient $g$ it is 0 exactly where the constrained problem is
    /// stationary (Nesterov, 2004, section 2.2.3). At a kink $g$ is one choice of several: 0 then
    /// still means stationary if $g$ is a generalized gradient, but at a stationary point the norm
    /// need not be 0. With a learning rate of 0 it is taken for $η = 1$. It is Euclidean whatever
    /// the metric of the step. It cannot be smaller than the rounding of $θ$, divided by $η$.
    /// `None` unless the optimizer is [`measured`](Optimizer::measured).
    pub gradient_mapping: Option<f64>,
    /// How many coordinates the projection after the step moved; none of a parameter that another
    /// way of enforcing keeps in its set.
    pub moved: usize,
    /// How many coordinates have a constraint.
    pub constrained: usize,
    /// How far the projection moved the parameters.
    pub distance: f64,
    /// The Frank-Wolfe gap, over the parameters that stepped towards vertices of their sets; `None`
    /// if none did. [`FrankWolfe`](crate::optim::FrankWolfe) says what it bounds.
    pub frank_wolfe_gap: Option<f64>,
}

impl<T: Real> Optimizer<T> {
    /// An optimizer of all parameters. The learning rate is a number or a schedule.
    pub fn new(
        params: &Params<T>,
        rule: impl Rule<T> + 'static,
        learning_rate: impl Schedule + 'static,
    ) -> Self {
        Self { is_over_all: true, ..Self::over(params, params.ids(), rule, learning_rate) }
    }

    /// An optimizer of some parameters, which leaves the others alone: one of two networks, for
    /// instance ([`Params::within`]).
    ///
    /// ```
    /// use morphograd_nn::{Optimizer, autodiff::Params, optim::Adam, tensor::Tensor};
    /// let mut params = Params::<f32>::new();
    /// for name in ["generator.w", "critic.w", "critic.b"] {
    ///     params.add(name, Tensor::zeros([2]), None)?;
    /// }
    /// let bias = params.find("critic.b").into_iter();
    /// let critic = Optimizer::over(&params, params.within("critic"), Adam::default(), 0.01)
    ///     .with_factor(bias, 0.1); // the learning rate of the bias is 0.001
    /// assert_eq!(critic.ids().count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn over(
        params: &Params<T>,
        ids: impl IntoIterator<Item = ParamId>,
        rule: impl Rule<T> + 'static,
        learning_rate: impl Schedule + 'static,
    ) -> Self {
        let mut members: Vec<_> = ids.into_iter().map(|id| Member { id, factor: 1.0 }).collect();
        members.sort_by_key(|member| member.id);
        members.dedup_by_key(|member| member.id);
        let slots = members
            .iter()
            .map(|member| {
                let n = params.value(member.id).data.len();
                (0..rule.slots()).map(|slot| vec![T::of(rule.initial(slot)); n]).collect()
            })
            .collect();
        Self {
            rule: Box::new(rule),
            schedule: Box::new(learning_rate),
            clip: Clip::None,
            metric: StepMetric::Euclidean,
            momentum: Momentum::Keep,
            measured: false,
            is_over_all: false,
            state: State { steps: 0, slots },
            work: Workspace {
                seen: Vec::new(),
                squares: Vec::new(),
                pulled_back: vec![Vec::new(); members.len()],
                clipped: Vec::new(),
                diagonal: Vec::new(),
                unprojected: Vec::new(),
                vertex: Vec::new(),
                values: Snapshot::default(),
                slots: Vec::new(),
            },
            members,
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
        self.metric = metric;
        self
    }

    /// The same optimizer with another fate of the momentum.
    #[must_use]
    pub fn with_momentum(mut self, momentum: Momentum) -> Self {
        self.momentum = momentum;
        self
    }

    /// The same optimizer with another learning rate for some of its parameters: that of the
    /// schedule times a factor. Ids of others are ignored.
    #[must_use]
    pub fn with_factor(mut self, ids: impl IntoIterator<Item = ParamId>, factor: f64) -> Self {
        for id in ids {
            let own = self.members.iter_mut().filter(|member| member.id == id);
            own.for_each(|member| member.factor = factor);
        }
        self
    }

    /// The same optimizer, which measures the gradient mapping at every step: one more projection
    /// of each parameter that has a set.
    #[must_use]
    pub fn measured(mut self) -> Self {
        self.measured = true;
        self
    }

    /// The parameters that it changes, in order.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = ParamId> {
        self.members.iter().map(|member| member.id)
    }

    /// One step with the gradients of the tape's last backward pass. At its end, parameters that
    /// are not trained follow what they track ([`Tape::settle`]): the moving averages of a
    /// [`BatchNorm`](crate::BatchNorm).
    ///
    /// # Errors
    /// If a trainable parameter has no gradient or one that is not finite, a penalty of it was not
    /// part of what was differentiated, the step leads to numbers that are not finite, the learning
    /// rate or the clipping bound is negative, not finite or leads beyond a vertex, a set does not
    /// allow the rule, the metric or the momentum that was asked for, or the optimizer was made for
    /// other parameters. Nothing has changed then.
    pub fn step(
        &mut self,
        params: &mut Params<T>,
        tape: &Tape<T>,
    ) -> Result<StepReport, OptimizerError> {
        let learning_rate = self.learning_rate();
        self.check(params, tape, learning_rate)?;
        let gradient_norm = self.work.seen.iter().sum::<f64>().sqrt();
        let mut report = StepReport { learning_rate, gradient_norm, ..StepReport::default() };
        if self.measured {
            report.gradient_mapping = Some(self.gradient_mapping(params, tape, learning_rate));
        }
        params.save_to(&mut self.work.values);
        self.work.slots.clone_from(&self.state.slots);
        self.state.steps += 1;
        let all_squares: f64 = self.work.squares.iter().sum();
        let mut distance_squared = 0.0;
        for i in 0..self.members.len() {
            let change = self.update(i, params, tape, learning_rate, all_squares);
            let Some(Change { projection, gap }) = change else { continue };
            let id = self.members[i].id;
            if let Some(found) = self.diverged(i, params) {
                params.restore(&self.work.values);
                self.state.slots.clone_from(&self.work.slots);
                self.state.steps -= 1;
                let parameter = params.name(id).to_owned();
                return Err(OptimizerError::Diverged { rule: self.rule.name(), parameter, found });
            }
            if params.constraint(id).is_some() {
                report.constrained += params.value(id).data.len();
            }
            report.moved += projection.moved;
            distance_squared += projection.distance_squared;
            if let Some(gap) = gap {
                *report.frank_wolfe_gap.get_or_insert(0.0) += gap;
            }
        }
        tape.settle(params);
        report.distance = distance_squared.sqrt();
        Ok(report)
    }

    /// Changes one parameter; `None` if it is not trained.
    fn update(
        &mut self,
        i: usize,
        params: &mut Params<T>,
        tape: &Tape<T>,
        learning_rate: f64,
        all_squares: f64,
    ) -> Option<Change> {
        let Self { rule, clip, metric, momentum, members, state, work, .. } = self;
        let (Member { id, factor }, slots) = (members[i], &mut state.slots[i]);
        let rate = learning_rate * factor;
        let gradient = trainable_gradient(params, tape, id)?;
        let gradient = if params.free(id).is_some() { &work.pulled_back[i][..] } else { gradient };
        let gradient = clip.apply(gradient, work.squares[i], all_squares, &mut work.clipped);
        let projected = params.is_projected(id);
        if let Some(rule) = rule.towards_vertices()
            && let Some(set) = params.shared_constraint(id).filter(|_| projected)
        {
            let shape = params.value(id).shape;
            let mut vertices = Vertices { set, shape, vertex: &mut work.vertex };
            let mut gap = 0.0;
            let projection = params.step(id, |value| {
                gap = rule.update_in_set(state.steps, rate, gradient, slots, value, &mut vertices);
            });
            return Some(Change { projection, gap: Some(gap) });
        }
        let unprojected = &mut work.unprojected;
        let keep = |value: &[T], unprojected: &mut Vec<T>| {
            unprojected.clear();
            unprojected.extend_from_slice(value);
        };
        let projection = match metric {
            StepMetric::Preconditioner if projected => {
                params.update_in_metric(id, &mut work.diagonal, |value, metric| {
                    rule.update(state.steps, rate, gradient, slots, value);
                    if !rule.metric(slots, metric) {
                        metric.fill(T::one());
                    }
                    keep(value, unprojected);
                })
            }
            _ => params.step(id, |value| {
                rule.update(state.steps, rate, gradient, slots, value);
                if projected && *momentum == Momentum::Reset {
                    keep(value, unprojected);
                }
            }),
        };
        if let Some(Direction { slot, sign }) = rule.direction() {
            momentum.correct(params, id, unprojected, sign, &mut slots[slot]);
        }
        Some(Change { projection, gap: None })
    }

    /// The first number that the step has made infinite or NaN.
    fn diverged(&self, i: usize, params: &Params<T>) -> Option<f64> {
        let id = self.members[i].id;
        let finite = |x: &&T| !x.is_finite();
        let slots = self.state.slots[i].iter().flatten().find(finite);
        // A value may be at an infinity that its set allows, if it was there before.
        let values = params.value(id).data;
        let value = values.iter().find(finite).and_then(|_| {
            let before = self.work.values.value(params, id);
            values.iter().zip(before).find(|(x, b)| !x.is_finite() && x != b).map(|(x, _)| x)
        });
        value.or(slots).map(|x| x.f64())
    }

    /// $\lVert θ - P(θ - η g) \rVert / η$ of all members together.
    fn gradient_mapping(&self, params: &mut Params<T>, tape: &Tape<T>, learning_rate: f64) -> f64 {
        let measure = if learning_rate > 0.0 { learning_rate } else { 1.0 };
        let eta = T::of(measure);
        let mut squares = 0.0;
        for (i, Member { id, .. }) in self.members.iter().enumerate() {
            let Some(gradient) = trainable_gradient(params, tape, *id) else { continue };
            squares += if params.constraint(*id).is_some() {
                let moved = |value: &mut [T]| {
                    value.iter_mut().zip(gradient).for_each(|(w, g)| *w -= eta * *g);
                };
                params.trial(*id, moved) / (measure * measure)
            } else {
                self.work.seen[i]
            };
        }
        squares.sqrt()
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

    /// Everything that can go wrong, before anything is changed. Fills `seen` and `squares`.
    fn check(
        &mut self,
        params: &Params<T>,
        tape: &Tape<T>,
        learning_rate: f64,
    ) -> Result<(), OptimizerError> {
        let rule = self.rule.name();
        let factors = self.members.iter().map(|member| ("learning-rate factor", member.factor));
        let settings = [("learning rate", learning_rate), ("clipping bound", self.clip.bound())];
        for (setting, found) in settings.into_iter().chain(factors) {
            if !(found >= 0.0 && found.is_finite()) {
                return Err(OptimizerError::Setting { rule, setting, found });
            }
        }
        let mut members = self.members.iter().zip(&self.state.slots);
        let same_sizes = members.all(|(Member { id, .. }, slots)| {
            params.contains(*id)
                && slots.iter().all(|slot| slot.len() == params.value(*id).data.len())
        });
        if !same_sizes || (self.is_over_all && params.ids().len() != self.members.len()) {
            return Err(OptimizerError::OtherParameters { rule });
        }
        self.work.seen.clear();
        self.work.squares.clear();
        for (Member { id, .. }, pulled_back) in self.members.iter().zip(&mut self.work.pulled_back)
        {
            let (id, parameter) = (*id, || params.name(*id).to_owned());
            let gradient = trainable_gradient(params, tape, id);
            let seen = match gradient {
                Some(gradient) => sum_of_squares(gradient),
                None if !params.is_trainable(id) => 0.0,
                None => {
                    return Err(OptimizerError::MissingGradient { rule, parameter: parameter() });
                }
            };
            if gradient.is_some() && !tape.has_penalties(params, id) {
                return Err(OptimizerError::MissingPenalty { rule, parameter: parameter() });
            }
            let square = match gradient {
                Some(gradient) if params.free(id).is_some() => {
                    pulled_back.clear();
                    pulled_back.extend_from_slice(gradient);
                    params.pull_back(id, pulled_back);
                    sum_of_squares(pulled_back)
                }
                _ => seen,
            };
            // Both are asked: a map that is flat would hide what is not finite.
            if let Some(square) = [seen, square].into_iter().find(|square| !square.is_finite()) {
                let (parameter, norm) = (parameter(), square.sqrt());
                return Err(OptimizerError::NotFinite { rule, parameter, norm });
            }
            self.work.seen.push(seen);
            self.work.squares.push(square);
        }
        self.check_sets(params, learning_rate)
    }

    /// Whether the sets allow the rule, the metric and the momentum.
    fn check_sets(&self, params: &Params<T>, learning_rate: f64) -> Result<(), OptimizerError> {
        for Member { id, factor } in &self.members {
            let (id, rule) = (*id, self.rule.name());
            if !params.is_trainable(id) {
                continue;
            }
            let by_vertices = self.rule.towards_vertices().is_some() && params.is_projected(id);
            let found = learning_rate * factor;
            if by_vertices && found > 1.0 {
                let parameter = params.name(id).to_owned();
                return Err(OptimizerError::BeyondVertex { rule, parameter, found });
            }
            let shape = params.value(id).shape;
            let has_vertices = params
                .constraint(id)
                .is_some_and(|set| set.kind() == Kind::Convex && set.capabilities(shape).linear);
            let missing = if by_vertices && !has_vertices {
                "vertices (convex, bounded, its linear problem solved)"
            } else if self.metric == StepMetric::Preconditioner && !params.has_metric(id) {
                "a projection in a metric"
            } else if self.momentum == Momentum::Tangent && !params.has_tangent(id) {
                "a tangent cone"
            } else {
                continue;
            };
            return Err(OptimizerError::Set {
                rule,
                parameter: params.name(id).to_owned(),
                missing,
                set: params.constraint(id).map_or_else(String::new, |set| format!("{set:?}")),
            });
        }
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

    fn towards_vertices(&self) -> Option<&dyn TowardsVertices<T>> {
        (**self).towards_vertices()
    }

    fn update(&self, step: u64, lr: f64, grad: &[T], state: &mut [Vec<T>], value: &mut [T]) {
        (**self).update(step, lr, grad, state, value);
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
