//! The tape: a list of operations that is recorded forwards and walked backwards.
//!
//! The one design choice: a node owns its buffers and the next step reuses the node at the same
//! position. A training loop records the same computation again and again, so after the first step
//! nothing is allocated, and nothing has to be looked up in a pool.

use std::any::Any;
use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicU32, Ordering};

use morphograd_tensor::{Real, Shape, ShapeError, Tensor, TensorRef};

use crate::mode::Mode;
use crate::op::{Backward, Forward, MAX_INPUTS, Op, Saved, check_arity};
use crate::param_id::ParamId;
use crate::params::Params;

/// A value on the tape. It refers to the recording it was made in, and only backwards: the order of
/// the list is a topological order. Another recording refuses it with a panic, whatever tape it is
/// on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Var {
    index: u32,
    recording: u32,
}

/// The number of the next recording of the process. It tells variables apart and enters no result.
static NEXT_RECORDING: AtomicU32 = AtomicU32::new(0);

/// A list of operations that outlives the steps and owns every buffer.
pub struct Tape<T> {
    /// Nodes of this recording and, from `len` on, of longer earlier ones, kept for their buffers.
    nodes: Vec<Node<T>>,
    values: Vec<Vec<T>>,
    grads: Vec<Vec<T>>,
    len: usize,
    /// The number of this recording.
    recording: u32,
    /// Where each parameter stands in this recording.
    pub(crate) params: Vec<Option<Var>>,
    /// What [`Graph::track`] was told.
    pub(crate) tracked: Vec<Tracked>,
    /// The penalties that this recording holds.
    pub(crate) penalties: Vec<(ParamId, Var)>,
    /// Whether [`Graph::penalized`] was called, so that the caller has them in hand.
    pub(crate) penalized: bool,
    /// Where the last backward pass began.
    top: Option<Var>,
    scratch: Vec<T>,
    /// Gradient buffers for inputs whose gradient cannot be added to in place: the same variable as
    /// an earlier input of the same op, or one that has a gradient already when the op overwrites.
    twins: Vec<Vec<T>>,
}

struct Node<T> {
    /// `None` for inputs and parameters.
    op: Option<Box<dyn Op<T>>>,
    inputs: [u32; MAX_INPUTS],
    arity: usize,
    shape: Shape,
    source: Source,
    saved: Saved<T>,
    needs_grad: bool,
    has_grad: bool,
}

/// Where the value of a node is.
#[derive(Clone, Copy)]
enum Source {
    /// In the tape's own buffer.
    Tape,
    /// In the parameters.
    Param(ParamId),
    /// At this place of what was lent to the recording.
    Lent(u32),
}

/// A parameter that follows a variable after the step.
pub(crate) struct Tracked {
    pub(crate) param: ParamId,
    value: Var,
    momentum: f64,
}

/// One recording: borrows the parameters in place and applies operations.
pub struct Graph<'a, T> {
    pub(crate) params: &'a Params<T>,
    pub(crate) tape: &'a mut Tape<T>,
    mode: Mode,
    /// Where in the batch the first example of this recording stands.
    pub(crate) first: usize,
    /// What [`Graph::lend`] was given.
    lent: Vec<TensorRef<'a, T>>,
}

impl<T: Real> Default for Tape<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Real> Tape<T> {
    /// An empty tape.
    pub fn new() -> Self {
        Self {
            nodes: Vec::new(),
            values: Vec::new(),
            grads: Vec::new(),
            len: 0,
            recording: 0,
            params: Vec::new(),
            tracked: Vec::new(),
            penalties: Vec::new(),
            penalized: false,
            top: None,
            scratch: Vec::new(),
            twins: Vec::new(),
        }
    }

    /// Starts a recording; the previous one is forgotten, its memory reused.
    pub fn record<'a>(&'a mut self, params: &'a Params<T>, mode: Mode) -> Graph<'a, T> {
        self.len = 0;
        self.recording = NEXT_RECORDING.fetch_add(1, Ordering::Relaxed);
        self.params.clear();
        self.params.resize(params.ids().len(), None);
        self.tracked.clear();
        self.penalties.clear();
        (self.penalized, self.top) = (false, None);
        Graph { params, tape: self, mode, first: 0, lent: Vec::new() }
    }

    /// The gradient of a parameter after [`Graph::backward`]; `None` if the loss did not depend on
    /// it.
    pub fn grad(&self, id: ParamId) -> Option<&[T]> {
        let var = self.params.get(id.0 as usize).copied().flatten()?;
        self.grad_of(var.index)
    }

    /// Whether the last backward pass went through every penalty that the parameter has.
    pub fn has_penalties(&self, params: &Params<T>, id: ParamId) -> bool {
        let reached = self.penalties.iter().filter(|(of, var)| {
            *of == id && (self.nodes[var.index as usize].has_grad || self.top == Some(*var))
        });
        reached.count() == params.penalties(id).count()
    }

    /// Moves every parameter that [`Graph::track`] was told of, in the order of the calls. A step
    /// does this once, at its end: `nn::Optimizer` does; a loop that changes parameters by itself
    /// has to, or moving averages stay where they started.
    pub fn settle(&self, params: &mut Params<T>) {
        for Tracked { param, value, momentum } in &self.tracked {
            let (keep, take) = (T::of(*momentum), T::of(1.0 - momentum));
            let value = &self.values[value.index as usize];
            params.update(*param, |old| {
                old.iter_mut().zip(value).for_each(|(old, new)| *old = keep * *old + take * *new);
            });
        }
    }

    fn grad_of(&self, index: u32) -> Option<&[T]> {
        let i = index as usize;
        (i < self.len && self.nodes[i].has_grad).then(|| &self.grads[i][..])
    }
}

impl<'a, T: Real> Graph<'a, T> {
    /// Data that stays where it is while the recording lasts; no gradient is computed for it.
    /// Nothing is copied, which pays for large inputs of a computation that is recorded once.
    ///
    /// ```
    /// use morphograd_autodiff::{Mode, Params, Tape, tensor::TensorRef};
    /// let data = vec![3.0, 4.0];
    /// let (params, mut tape) = (Params::<f64>::new(), Tape::new());
    /// let mut graph = tape.record(&params, Mode::Eval);
    /// let x = graph.lend(TensorRef::new([2], &data));
    /// assert_eq!(graph.value(x).data.as_ptr(), data.as_ptr());
    /// let squares = graph.mul(x, x)?;
    /// assert_eq!(graph.value(squares).data, [9.0, 16.0]);
    /// # Ok::<(), morphograd_autodiff::tensor::ShapeError>(())
    /// ```
    pub fn lend(&mut self, x: TensorRef<'a, T>) -> Var {
        self.lend_variable(x, false)
    }

    /// As [`lend`](Self::lend), with its gradient if it is wanted.
    pub(crate) fn lend_variable(&mut self, x: TensorRef<'a, T>, wants_grad: bool) -> Var {
        let source = Source::Lent(self.lent.len() as u32);
        self.lent.push(x);
        self.leaf(x.shape, source, wants_grad, |_| ())
    }
}

impl<T: Real> Graph<'_, T> {
    /// Copies data in; no gradient is computed for it.
    pub fn input(&mut self, x: TensorRef<'_, T>) -> Var {
        self.leaf(x.shape, Source::Tape, false, |buffer| buffer.copy_from_slice(x.data))
    }

    /// Data that `fill` writes in place, so that a batch can be gathered without a copy. The
    /// buffer's old content is undefined. Nothing is called in [`Mode::Shapes`].
    ///
    /// # Panics
    /// If there are more elements than can be counted.
    #[track_caller]
    pub fn input_with(&mut self, shape: impl Into<Shape>, fill: impl FnOnce(&mut [T])) -> Var {
        self.leaf(shape.into(), Source::Tape, false, fill)
    }

    /// Copies data in and computes its gradient, see [`Graph::grad`].
    pub fn variable(&mut self, x: TensorRef<'_, T>) -> Var {
        self.leaf(x.shape, Source::Tape, true, |buffer| buffer.copy_from_slice(x.data))
    }

    /// A parameter, borrowed in place. Asking twice gives the same variable, so shared weights
    /// accumulate their gradients.
    ///
    /// # Panics
    /// If the recording's [`Params`] have no such parameter.
    #[track_caller]
    pub fn param(&mut self, id: ParamId) -> Var {
        assert!(
            (id.0 as usize) < self.tape.params.len(),
            "param: expected one of the {} parameters of this recording, found number {} of others",
            self.tape.params.len(),
            id.0,
        );
        if let Some(var) = self.tape.params[id.0 as usize] {
            return var;
        }
        let (shape, trainable) = (self.params.value(id).shape, self.params.is_trainable(id));
        let wants_grad = trainable && self.mode != Mode::InputGradients;
        let var = self.leaf(shape, Source::Param(id), wants_grad, |_| ());
        self.tape.params[id.0 as usize] = Some(var);
        var
    }

    /// Asks for a parameter $p$ that is not trained to follow an op's output:
    /// $p \leftarrow m p + (1 - m) v$ with momentum $m$, once the step is made ([`Tape::settle`]).
    /// The parameters are borrowed while a recording lasts, and a step that fails must change
    /// nothing, so it cannot be at once. Only [`Mode::Train`] tracks.
    ///
    /// # Panics
    /// If the shapes differ, or `value` is no op's output.
    #[track_caller]
    pub fn track(&mut self, param: ParamId, value: Var, momentum: f64) {
        let node = self.index(value, "track");
        assert_eq!(self.shape(value), self.params.value(param).shape, "shape of what is tracked");
        assert!(self.tape.nodes[node].op.is_some(), "what is tracked is an op's output");
        if matches!(self.mode, Mode::Train { .. }) {
            self.tape.tracked.push(Tracked { param, value, momentum });
        }
    }

    /// Applies an operation to variables of this recording: an array of them, or a slice.
    ///
    /// # Errors
    /// If the shapes or their number do not fit the operation, or the output has more elements than
    /// can be counted.
    ///
    /// # Panics
    /// If a variable is of another recording.
    #[track_caller]
    pub fn apply<O: Op<T>>(&mut self, op: O, inputs: impl AsRef<[Var]>) -> Result<Var, ShapeError> {
        // The op of the last step at this position is overwritten in place when it has the same
        // type: no allocation.
        let old = self.tape.nodes.get_mut(self.tape.len).and_then(|node| node.op.take());
        let boxed = match old {
            Some(mut old) => match (&mut *old as &mut dyn Any).downcast_mut::<O>() {
                Some(slot) => {
                    *slot = op;
                    old
                }
                None => Box::new(op),
            },
            None => Box::new(op),
        };
        self.apply_boxed(boxed, inputs.as_ref())
    }

    /// The part of `apply` that does not depend on the op's type, compiled once.
    #[track_caller]
    fn apply_boxed(&mut self, op: Box<dyn Op<T>>, inputs: &[Var]) -> Result<Var, ShapeError> {
        check_arity(&*op, inputs.len())?;
        let (mut shapes, mut indices) = ([Shape::scalar(); MAX_INPUTS], [0; MAX_INPUTS]);
        let mut needs_grad = false;
        for (k, var) in inputs.iter().enumerate() {
            let node = &self.tape.nodes[self.index(*var, op.name())];
            (shapes[k], indices[k]) = (node.shape, var.index);
            needs_grad |= node.needs_grad;
        }
        let inputs = &indices[..inputs.len()];
        let shape = op.infer(&shapes[..inputs.len()])?.countable(op.name())?;
        let var = self.push(shape, Source::Tape, needs_grad);
        let i = var.index as usize;

        if self.mode != Mode::Shapes {
            let Tape { nodes, values, scratch, .. } = &mut *self.tape;
            let mut output = mem::take(&mut values[i]);
            let mut saved = mem::take(&mut nodes[i].saved);
            if output.capacity() == 0 {
                output = vec![T::zero(); shape.len()]; // in pages that the system has cleared
            }
            output.resize(shape.len(), T::zero());
            if cfg!(debug_assertions) {
                output.fill(T::nan()); // an op that leaves an element unwritten shows itself
            }
            let views = views((self.params, &self.lent), nodes, values, inputs);
            op.forward(Forward {
                inputs: &views[..inputs.len()],
                shape,
                output: &mut output,
                saved: &mut saved,
                scratch,
                needs_grad,
            });
            values[i] = output;
            nodes[i].saved = saved;
        }
        let node = &mut self.tape.nodes[i];
        node.op = Some(op);
        node.arity = inputs.len();
        node.inputs = indices;
        Ok(var)
    }

    /// The vector-Jacobian product: the derivative of $\sum_i g_i y_i$ for the output `y` and the
    /// given gradient `g`. An operation's own output `y` has no gradient afterwards
    /// ([`Graph::grad`]): it is the given one.
    ///
    /// # Panics
    /// If `grad_output` has not as many elements as `y`, or the mode has no backward pass.
    #[track_caller]
    pub fn backward_with(&mut self, y: Var, grad_output: &[T]) {
        assert!(self.mode.has_backward(), "a backward pass needs Mode::Train or InputGradients");
        let (top, expected) = (y.index as usize, self.shape_in(y, "backward").len());
        assert_eq!(expected, grad_output.len(), "elements of the output's gradient");
        self.tape.top = Some(y);
        let Tape { nodes, values, grads, len, scratch, twins, .. } = &mut *self.tape;
        nodes[..*len].iter_mut().for_each(|node| node.has_grad = false);
        if !nodes[top].needs_grad {
            return;
        }
        if nodes[top].op.is_none() {
            grads[top].clear();
            grads[top].extend_from_slice(grad_output);
        }
        nodes[top].has_grad = true;

        // Index order is topological order, so going down the list meets every node after all its
        // users.
        for i in (0..=top).rev() {
            if !nodes[i].has_grad || nodes[i].op.is_none() {
                continue;
            }
            let (arity, inputs) = (nodes[i].arity, nodes[i].inputs);
            let inputs = &inputs[..arity];
            let overwrites = nodes[i].op.as_ref().is_some_and(|op| op.overwrites());
            // The buffers are taken out of their slots for the call, so that an op can write to all
            // of them at once.
            let mut buffers: [Vec<T>; MAX_INPUTS] = Default::default();
            let mut is_twin = [false; MAX_INPUTS];
            for (k, input) in inputs.iter().enumerate() {
                let v = *input as usize;
                if !nodes[v].needs_grad {
                    continue;
                }
                let size = nodes[v].shape.len();
                let twin = inputs[..k].contains(input) || (overwrites && nodes[v].has_grad);
                is_twin[k] = twin;
                let buffer = &mut buffers[k];
                *buffer =
                    if twin { twins.pop().unwrap_or_default() } else { mem::take(&mut grads[v]) };
                if twin || !nodes[v].has_grad {
                    if !overwrites {
                        buffer.clear();
                    }
                    buffer.resize(size, T::zero());
                    if overwrites && cfg!(debug_assertions) {
                        // An op that leaves an element unwritten shows itself.
                        buffer.fill(T::nan());
                    }
                    nodes[v].has_grad = true;
                }
            }
            let own = mem::take(&mut grads[i]);
            let node = &nodes[i];
            let mut slots = buffers.each_mut();
            let grad_inputs = {
                let mut k = 0;
                slots.each_mut().map(|buffer| {
                    let needed = k < arity && nodes[inputs[k] as usize].needs_grad;
                    k += 1;
                    needed.then(|| &mut buffer[..])
                })
            };
            let views = views((self.params, &self.lent), nodes, values, inputs);
            let op = node.op.as_ref().expect("checked at the head of the loop");
            op.backward(Backward {
                inputs: &views[..arity],
                output: TensorRef { shape: node.shape, data: &values[i] },
                grad_output: if i == top { grad_output } else { &own },
                saved: node.saved.view(),
                scratch,
                grad_inputs,
            });
            grads[i] = own;
            for (k, buffer) in buffers.into_iter().enumerate().take(arity) {
                let v = inputs[k] as usize;
                if !nodes[v].needs_grad {
                    continue;
                }
                if is_twin[k] {
                    grads[v].iter_mut().zip(&buffer).for_each(|(sum, x)| *sum += *x);
                    twins.push(buffer);
                } else {
                    grads[v] = buffer;
                }
            }
        }
        // What was given was not copied.
        nodes[top].has_grad &= nodes[top].op.is_none();
    }

    /// The value of a variable; empty data in [`Mode::Shapes`].
    ///
    /// # Panics
    /// If the variable is of another recording, as [`grad`](Self::grad) and [`shape`](Self::shape).
    #[track_caller]
    pub fn value(&self, var: Var) -> TensorRef<'_, T> {
        let sources = (self.params, &self.lent[..]);
        view(sources, &self.tape.nodes, &self.tape.values, self.index(var, "value"))
    }

    /// The value of a variable, moved out where the tape owns it; nobody may look there again.
    pub(crate) fn take_value(&mut self, var: Var) -> Tensor<T> {
        let i = self.index(var, "value");
        if !matches!(self.tape.nodes[i].source, Source::Tape) {
            return self.value(var).to_tensor();
        }
        let data = mem::take(&mut self.tape.values[i]);
        Tensor::from_vec(self.tape.nodes[i].shape, data).expect("as many elements as the shape has")
    }

    /// The gradient of a variable after a backward pass; `None` if the loss did not depend on it or
    /// none was needed.
    #[track_caller]
    pub fn grad(&self, var: Var) -> Option<&[T]> {
        self.index(var, "grad");
        self.tape.grad_of(var.index)
    }

    /// The shape of a variable.
    #[track_caller]
    pub fn shape(&self, var: Var) -> Shape {
        self.shape_in(var, "shape")
    }

    /// The shape of a variable that an operation is given.
    #[track_caller]
    pub(crate) fn shape_in(&self, var: Var, operation: &str) -> Shape {
        self.tape.nodes[self.index(var, operation)].shape
    }

    /// What this recording is for.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Where a variable of this recording stands. What another recording made stood at that place
    /// of another list.
    #[track_caller]
    fn index(&self, var: Var, operation: &str) -> usize {
        assert!(
            var.recording == self.tape.recording,
            "{operation}: expected a variable of this recording, found one of another",
        );
        var.index as usize
    }

    #[track_caller]
    fn leaf(
        &mut self,
        shape: Shape,
        source: Source,
        wants_grad: bool,
        fill: impl FnOnce(&mut [T]),
    ) -> Var {
        if let Err(error) = shape.countable("input") {
            panic!("{error}");
        }
        let var = self.push(shape, source, wants_grad && self.mode.has_backward());
        if self.mode != Mode::Shapes && matches!(source, Source::Tape) {
            let buffer = &mut self.tape.values[var.index as usize];
            buffer.resize(shape.len(), T::zero());
            fill(buffer);
        }
        self.tape.nodes[var.index as usize].op = None;
        var
    }

    /// The next node, with the buffers of the node that stood there in the last recording.
    fn push(&mut self, shape: Shape, source: Source, needs_grad: bool) -> Var {
        let tape = &mut *self.tape;
        if tape.len == tape.nodes.len() {
            tape.nodes.push(Node {
                op: None,
                inputs: [0; MAX_INPUTS],
                arity: 0,
                shape,
                source,
                saved: Saved { values: Vec::new(), indices: Vec::new(), codes: Vec::new() },
                needs_grad,
                has_grad: false,
            });
            tape.values.push(Vec::new());
            tape.grads.push(Vec::new());
        }
        let node = &mut tape.nodes[tape.len];
        (node.shape, node.source, node.needs_grad, node.has_grad, node.arity) =
            (shape, source, needs_grad, false, 0);
        tape.len += 1;
        Var { index: tape.len as u32 - 1, recording: tape.recording }
    }
}

fn view<'b, T: Real>(
    (params, lent): (&'b Params<T>, &[TensorRef<'b, T>]),
    nodes: &[Node<T>],
    values: &'b [Vec<T>],
    i: usize,
) -> TensorRef<'b, T> {
    match nodes[i].source {
        Source::Param(id) => params.value(id),
        Source::Lent(place) => lent[place as usize],
        Source::Tape => TensorRef { shape: nodes[i].shape, data: &values[i] },
    }
}

fn views<'b, T: Real>(
    (params, lent): (&'b Params<T>, &[TensorRef<'b, T>]),
    nodes: &[Node<T>],
    values: &'b [Vec<T>],
    inputs: &[u32],
) -> [TensorRef<'b, T>; MAX_INPUTS] {
    let mut views = [TensorRef { shape: Shape::scalar(), data: &[][..] }; MAX_INPUTS];
    for (slot, input) in views.iter_mut().zip(inputs) {
        *slot = view((params, lent), nodes, values, *input as usize);
    }
    views
}

impl<T> fmt::Debug for Tape<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ops = self.nodes[..self.len].iter().map(|node| (&node.op, node.shape));
        f.debug_list().entries(ops).finish()
    }
}

impl<T> fmt::Debug for Graph<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph").field("mode", &self.mode).field("tape", &self.tape).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Add, Mul, Sum};
    use std::ops::RangeInclusive;

    fn one_param(values: &[f64]) -> (Params<f64>, ParamId) {
        let mut params = Params::new();
        let id = params
            .add("w", Tensor::from_vec([values.len()], values.to_vec()).unwrap(), None)
            .unwrap();
        (params, id)
    }

    #[test]
    fn a_variable_used_twice_by_one_op_and_again_by_another_accumulates() {
        let (params, w) = one_param(&[3.0, -2.0]);
        let mut tape = Tape::new();
        for _ in 0..3 {
            let mut graph = tape.record(&params, Mode::Train { step: 0 });
            let (a, b) = (graph.param(w), graph.param(w));
            assert_eq!(a, b);
            let square = graph.apply(Mul, [a, b]).unwrap();
            let y = graph.apply(Add, [square, a]).unwrap(); // w² + w
            let loss = graph.apply(Sum, [y]).unwrap();
            graph.backward(loss);
            assert_eq!(tape.grad(w), Some(&[7.0, -3.0][..]));
        }
    }

    /// $y = 2 x$, whose backward pass writes.
    #[derive(Debug)]
    struct Double;

    impl Op<f64> for Double {
        fn name(&self) -> &'static str {
            "double"
        }

        fn arity(&self) -> RangeInclusive<usize> {
            1..=2
        }

        fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
            Ok(inputs[0])
        }

        fn forward(&self, pass: Forward<'_, f64>) {
            pass.output.iter_mut().zip(pass.inputs[0].data).for_each(|(y, x)| *y = 2.0 * x);
        }

        fn backward(&self, pass: Backward<'_, f64>) {
            for dx in pass.grad_inputs.into_iter().flatten() {
                dx.iter_mut().zip(pass.grad_output).for_each(|(dx, g)| *dx = 2.0 * g);
            }
        }

        fn overwrites(&self) -> bool {
            true
        }
    }

    #[test]
    fn what_an_op_writes_is_added_to_the_gradients_of_the_variables_other_uses() {
        let (params, w) = one_param(&[3.0, -2.0]);
        let mut tape = Tape::new();
        for double_first in [true, false] {
            let mut graph = tape.record(&params, Mode::Train { step: 0 });
            let x = graph.param(w);
            let double = |graph: &mut Graph<'_, f64>| graph.apply(Double, [x]).unwrap();
            let early = double_first.then(|| double(&mut graph));
            let square = graph.apply(Mul, [x, x]).unwrap();
            let twice = early.unwrap_or_else(|| double(&mut graph));
            let y = graph.apply(Add, [twice, square]).unwrap();
            let loss = graph.apply(Sum, [y]).unwrap();
            graph.backward(loss);
            assert_eq!(
                tape.grad(w),
                Some(&[8.0, -2.0][..]),
                "of 2 w + w², double_first = {double_first}"
            );
        }
        // One variable as both inputs; each gets its gradient.
        let mut graph = tape.record(&params, Mode::Train { step: 1 });
        let x = graph.param(w);
        let y = graph.apply(Double, [x, x]).unwrap();
        let loss = graph.apply(Sum, [y]).unwrap();
        graph.backward(loss);
        assert_eq!(tape.grad(w), Some(&[4.0, 4.0][..]));
    }

    #[test]
    fn a_gradient_is_there_only_after_a_backward_pass_that_reached_the_parameter() {
        let (mut params, w) = one_param(&[1.0]);
        let unused = params.add("unused", Tensor::zeros([4]), None).unwrap();
        let mut tape = Tape::new();
        let mut graph = tape.record(&params, Mode::Train { step: 0 });
        let var = graph.param(w);
        let loss = graph.apply(Sum, [var]).unwrap();
        graph.backward(loss);
        assert_eq!((tape.grad(w), tape.grad(unused)), (Some(&[1.0][..]), None));
        tape.record(&params, Mode::Train { step: 1 });
        assert_eq!(tape.grad(w), None);
    }

    #[test]
    fn a_shorter_recording_after_a_longer_one_leaves_no_trace() {
        let (params, w) = one_param(&[2.0, 5.0]);
        let mut tape = Tape::new();
        for length in [5, 1, 3] {
            let mut graph = tape.record(&params, Mode::Train { step: 0 });
            let mut y = graph.param(w);
            let start = y;
            for _ in 0..length {
                y = graph.apply(Add, [y, start]).unwrap();
            }
            let loss = graph.apply(Sum, [y]).unwrap();
            graph.backward(loss);
            assert_eq!(tape.grad(w), Some(&[f64::from(length + 1); 2][..]));
        }
    }

    #[test]
    fn a_frozen_parameter_and_evaluation_get_no_gradient() {
        let (mut params, w) = one_param(&[1.0]);
        params.set_trainable(w, false);
        let mut tape = Tape::new();
        let mut graph = tape.record(&params, Mode::Train { step: 0 });
        let var = graph.param(w);
        let loss = graph.apply(Sum, [var]).unwrap();
        graph.backward(loss);
        assert_eq!(tape.grad(w), None);
    }

    #[test]
    fn what_is_tracked_follows_in_the_order_of_the_calls_and_only_after_a_training_step() {
        let (mut params, average) = one_param(&[8.0, 0.0]);
        params.set_trainable(average, false);
        let mut tape = Tape::new();
        let mut run = |mode, params: &mut Params<f64>| {
            let mut graph = tape.record(params, mode);
            let x = graph.input(Tensor::from_vec([2], vec![2.0, 4.0]).unwrap().view());
            let twice = graph.apply(Add, [x, x]).unwrap();
            graph.track(average, twice, 0.5);
            graph.track(average, twice, 0.75);
            assert_eq!(graph.params.value(average).data, params.value(average).data);
            tape.settle(params);
            params.value(average).data.to_vec()
        };
        for mode in [Mode::Eval, Mode::Shapes] {
            assert_eq!(run(mode, &mut params), [8.0, 0.0]);
        }
        // 8 → 6 → 5.5 and 0 → 4 → 5.
        assert_eq!(run(Mode::Train { step: 0 }, &mut params), [5.5, 5.0]);
    }

    #[test]
    fn shapes_alone_can_be_recorded_without_data() {
        let (params, w) = one_param(&[1.0, 2.0]);
        let mut tape = Tape::new();
        let mut graph = tape.record(&params, Mode::Shapes);
        let x = graph.input_with([1_000_000, 2], |_| unreachable!("no data is touched"));
        let w = graph.param(w);
        let y = graph.apply(Mul, [x, w]).unwrap();
        assert_eq!(graph.shape(y).dims(), [1_000_000, 2]);
    }
}
