//! Batches that are cut into shards: the gradient of each, and their sum over all ranks.
//!
//! The one design choice: shards and not ranks decide what is added to what. The sums are those of
//! one binary tree over the numbers of the shards; a rank has a whole subtree, and ranks exchange
//! the sums of theirs. So the bits do not depend on how many ranks there are.

use std::ops::Range;

use morphograd_autodiff::tensor::{Real, Shape, ShapeError, TensorRef};
use morphograd_autodiff::{Graph, Mode, ParamId, Params, Tape, Var};

use crate::fit::carry::Carry;
use crate::fit::data_set::DataSet;
use crate::fit::error::{FitError, require};
use crate::fit::evaluate::Task;
use crate::fit::metric::Metric;
use crate::fit::step::{StepOutcome, train_step};
use crate::optim::Optimizer;
use crate::random::mix;
use crate::ranks::{Communicator, RankError, agree, any, strides};

/// The shards of this rank, and the memory of their steps.
pub(super) struct Shards<'a, T> {
    /// How many there are on all ranks.
    count: usize,
    communicator: &'a dyn Communicator,
    /// Whether a callback of this rank wants to end. All ranks have to end at the same place, so it
    /// is told to the others with the next sum.
    wants_end: bool,
    training: Tapes<T>,
    validation: Tapes<T>,
    layout: Layout,
    /// Sums of whole subtrees, that of the most shards first.
    sums: Vec<Sum<T>>,
    /// The sums of the metrics so far.
    totals: Vec<f64>,
    own: Vec<u8>,
    theirs: Vec<u8>,
}

/// The recordings of a batch.
struct Tapes<T> {
    /// That of one shard after the other.
    shard: Tape<T>,
    /// That of the sum, from which the step is made.
    sum: Tape<T>,
}

/// Where in a sum what of a parameter stands.
#[derive(Debug, Default)]
struct Layout {
    /// The parameters, and where their gradients stand; those that are not trained have none.
    params: Vec<(ParamId, Range<usize>)>,
}

/// What shards add up.
#[derive(Debug, Default)]
struct Sum<T> {
    /// [`LOSS`] and [`ENDS`]; of each parameter, how many shards use it, and in how many it has a
    /// gradient; then the sums of the metrics.
    numbers: Vec<f64>,
    gradient: Vec<T>,
}

/// Where the loss stands, weighted by the examples.
const LOSS: usize = 0;
/// Where it stands how many shards are of ranks that want to end.
const ENDS: usize = 1;
/// How many numbers stand before those of the parameters.
const HEAD: usize = 2;

/// Examples of a data set.
type Examples<'e, T> = (&'e dyn DataSet<T>, &'e [usize]);

impl<'a, T: Real> Shards<'a, T> {
    pub(super) fn new(count: usize, communicator: &'a dyn Communicator) -> Self {
        Self {
            count,
            communicator,
            wants_end: false,
            training: Tapes { shard: Tape::new(), sum: Tape::new() },
            validation: Tapes { shard: Tape::new(), sum: Tape::new() },
            layout: Layout::default(),
            sums: Vec::new(),
            totals: Vec::new(),
            own: Vec::new(),
            theirs: Vec::new(),
        }
    }

    /// One step on a batch; none if a rank wants to end.
    pub(super) fn step(
        &mut self,
        task: &Task<'_, T>,
        examples: Examples<'_, T>,
        metrics: &mut [&mut dyn Metric<T>],
        params: &mut Params<T>,
        optimizer: &mut Optimizer<T>,
    ) -> Result<Option<StepOutcome>, FitError> {
        let mode = Mode::Train { step: optimizer.steps() };
        if self.add_up(task, examples, metrics, params, mode)? {
            return Ok(None);
        }
        let Self { training, layout, sums, .. } = self;
        let step = train_step(&mut training.sum, params, optimizer, |graph| {
            layout.record(&sums[0], graph)
        });
        Ok(Some(step?))
    }

    /// The loss of a batch, with the penalties; none if a rank wants to end.
    pub(super) fn measure(
        &mut self,
        task: &Task<'_, T>,
        examples: Examples<'_, T>,
        metrics: &mut [&mut dyn Metric<T>],
        params: &Params<T>,
    ) -> Result<Option<f64>, FitError> {
        if self.add_up(task, examples, metrics, params, Mode::Eval)? {
            return Ok(None);
        }
        let mut graph = self.validation.sum.record(params, Mode::Eval);
        let loss = self.layout.record(&self.sums[0], &mut graph)?;
        let loss = graph.penalized(loss);
        Ok(Some(graph.value(loss).data[0].f64()))
    }

    /// Takes note of what a callback wants, and says whether to end at once: not if others would
    /// wait for this rank.
    pub(super) fn ends(&mut self, is_break: bool) -> bool {
        self.wants_end |= is_break;
        is_break && self.communicator.size() == 1
    }

    /// Whether all ranks have the same parameters, and whether one of them wants to end.
    pub(super) fn compare(&self, epoch: usize, params: &Params<T>) -> Result<bool, RankError> {
        let what = format!("result of epoch {epoch} (a hash of the parameters)");
        agree(self.communicator, &[(&what, &format!("{:016x}", hash(params)))])?;
        any(self.communicator, self.wants_end)
    }

    /// Leaves the sum over all shards in the first of the sums, and in the metrics; says whether a
    /// rank wants to end.
    fn add_up(
        &mut self,
        task: &Task<'_, T>,
        examples: Examples<'_, T>,
        metrics: &mut [&mut dyn Metric<T>],
        params: &Params<T>,
        mode: Mode,
    ) -> Result<bool, FitError> {
        self.totals.clear();
        metrics.iter().for_each(|metric| self.totals.extend(metric.sums().unwrap_or_default()));
        let is_training = mode != Mode::Eval;
        self.layout.set(params, is_training);
        let own = self.count / self.communicator.size();
        let first = self.communicator.rank() * own;
        let mut height = 0;
        for i in 0..own {
            if self.sums.len() == height {
                self.sums.push(Sum::default());
            }
            self.shard(first + i, height, task, examples, (&mut *metrics, params, mode))?;
            height += 1;
            // Two neighbours of one size become one: as often as i ends with ones.
            for _ in 0..i.trailing_ones() {
                height -= 1;
                let (left, right) = self.sums.split_at_mut(height);
                left[height - 1].add(&right[0]);
            }
        }
        self.add_ranks()?;
        let numbers = &self.sums[0].numbers;
        let ends = numbers[ENDS] > 0.0;
        // A batch of which no step is made is as if it had not been.
        if !ends {
            let sums = &numbers[HEAD + 2 * self.layout.params.len()..];
            self.totals.iter_mut().zip(sums).for_each(|(total, sum)| *total += *sum);
        }
        let mut first = 0;
        for metric in metrics {
            let end = first + metric.sums().map_or(0, |sums| sums.len());
            metric.set_sums(&self.totals[first..end]);
            first = end;
        }
        Ok(ends)
    }

    /// The numbers and the gradient of one shard.
    fn shard(
        &mut self,
        shard: usize,
        place: usize,
        task: &Task<'_, T>,
        (data, examples): Examples<'_, T>,
        (metrics, params, mode): (&mut [&mut dyn Metric<T>], &Params<T>, Mode),
    ) -> Result<(), FitError> {
        let is_training = mode != Mode::Eval;
        let tapes = if is_training { &mut self.training } else { &mut self.validation };
        let (tape, sum) = (&mut tapes.shard, &mut self.sums[place]);
        metrics.iter_mut().for_each(|metric| metric.reset());
        sum.numbers.clear();
        sum.numbers.resize(HEAD + 2 * self.layout.params.len(), 0.0);
        sum.numbers[ENDS] = f64::from(u8::from(self.wants_end));
        sum.gradient.clear();
        sum.gradient.resize(self.layout.gradients(), T::zero());
        let cut = |shard: usize| shard * examples.len() / self.count;
        let part = cut(shard)..cut(shard + 1);
        // A shard without examples adds 0.
        if !part.is_empty() {
            let weight = part.len() as f64 / examples.len() as f64;
            let mut graph = tape.record(params, mode);
            graph.begin_at(part.start);
            let loss = task.record(&mut graph, data, &examples[part], metrics)?;
            sum.numbers[LOSS] = weight * graph.value(loss).data[0].f64();
            if is_training {
                graph.backward_with(loss, &[T::of(weight)]);
            }
            if let Some(id) = tape.tracked().next() {
                let found = format!("{} shards and `{}`", self.count, params.name(id));
                let expected = "1 shard for a model with statistics of whole batches";
                require(false, expected, found)?;
            }
            self.layout.take(tape, sum);
        }
        for metric in &*metrics {
            sum.numbers.extend(metric.sums().unwrap_or_default());
        }
        Ok(())
    }

    /// Adds the sums of the ranks: all have the sum of all afterwards.
    fn add_ranks(&mut self) -> Result<(), RankError> {
        let Self { communicator, sums, own, theirs, .. } = self;
        let (sum, rank) = (&mut sums[0], communicator.rank());
        for stride in strides(communicator.size()) {
            own.clear();
            sum.write(own);
            theirs.resize(own.len(), 0);
            communicator.exchange(rank ^ stride, own, theirs)?;
            sum.add_bytes(theirs);
        }
        Ok(())
    }
}

impl Layout {
    /// That of these parameters; without a gradient where nothing is trained.
    fn set<T: Real>(&mut self, params: &Params<T>, is_training: bool) {
        self.params.clear();
        let mut first = 0;
        for id in params.ids() {
            let trains = is_training && params.is_trainable(id);
            let len = if trains { params.value(id).data.len() } else { 0 };
            self.params.push((id, first..first + len));
            first += len;
        }
    }

    /// How many numbers the gradients have.
    fn gradients(&self) -> usize {
        self.params.last().map_or(0, |(_, range)| range.end)
    }

    /// Takes the gradients from the tape of a shard.
    fn take<T: Real>(&self, tape: &Tape<T>, sum: &mut Sum<T>) {
        for (i, (id, range)) in self.params.iter().enumerate() {
            sum.numbers[HEAD + 2 * i] = f64::from(u8::from(tape.uses(*id)));
            if let Some(gradient) = tape.grad(*id).filter(|_| !range.is_empty()) {
                sum.numbers[HEAD + 2 * i + 1] = 1.0;
                sum.gradient[range.clone()].copy_from_slice(gradient);
            }
        }
    }

    /// Records the loss of all shards, with its gradient.
    fn record<T: Real>(&self, sum: &Sum<T>, graph: &mut Graph<'_, T>) -> Result<Var, ShapeError> {
        let loss = [T::of(sum.numbers[LOSS])];
        let mut loss = graph.input(TensorRef::new(Shape::scalar(), &loss));
        for (i, (id, range)) in self.params.iter().enumerate() {
            if sum.numbers[HEAD + 2 * i] == 0.0 {
                continue;
            }
            let param = graph.param(*id);
            if sum.numbers[HEAD + 2 * i + 1] > 0.0 {
                let gradient = &sum.gradient[range.clone()];
                let shape = graph.shape(param);
                let gradient = graph.input_with(shape, |to| to.copy_from_slice(gradient));
                loss = graph.apply(Carry, [loss, param, gradient])?;
            }
        }
        Ok(loss)
    }
}

impl<T: Real> Sum<T> {
    /// Adds the right neighbour to the left one.
    fn add(&mut self, right: &Self) {
        self.numbers.iter_mut().zip(&right.numbers).for_each(|(sum, x)| *sum += *x);
        self.gradient.iter_mut().zip(&right.gradient).for_each(|(sum, x)| *sum += *x);
    }

    /// Appends the numbers, then the gradient, each with its lowest byte first.
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.numbers.iter().flat_map(|x| x.to_le_bytes()));
        if size_of::<T>() == 4 {
            bytes.extend(self.gradient.iter().flat_map(|x| (x.f64() as f32).to_le_bytes()));
        } else {
            bytes.extend(self.gradient.iter().flat_map(|x| x.f64().to_le_bytes()));
        }
    }

    /// Adds what the partner has written. A sum of two numbers is the same in either order.
    fn add_bytes(&mut self, bytes: &[u8]) {
        let (numbers, gradient) = bytes.split_at(8 * self.numbers.len());
        for (own, other) in self.numbers.iter_mut().zip(numbers.as_chunks().0) {
            *own += f64::from_le_bytes(*other);
        }
        if size_of::<T>() == 4 {
            for (own, other) in self.gradient.iter_mut().zip(gradient.as_chunks().0) {
                *own += T::of(f32::from_le_bytes(*other).into());
            }
        } else {
            for (own, other) in self.gradient.iter_mut().zip(gradient.as_chunks().0) {
                *own += T::of(f64::from_le_bytes(*other));
            }
        }
    }
}

/// A number that depends on every bit of every parameter.
pub(super) fn hash<T: Real>(params: &Params<T>) -> u64 {
    let values = params.ids().flat_map(|id| params.value(id).data);
    values.fold(0, |hash, x| mix(hash ^ x.f64().to_bits()))
}
