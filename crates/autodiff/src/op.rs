//! What it takes to be a differentiable operation: a shape rule, a forward, and directly beneath it
//! a backward.

use std::any::Any;
use std::fmt::Debug;
use std::ops::RangeInclusive;

use morphograd_tensor::{Shape, ShapeError, TensorRef};

/// The largest number of inputs of one operation.
pub const MAX_INPUTS: usize = 8;

/// A differentiable operation. The set is open: any crate can add one.
///
/// An op is a small value that holds its configuration; it never allocates in `forward` or
/// `backward` except through [`Saved`] and the scratch buffer, which the tape keeps from step to
/// step.
pub trait Op<T>: Any + Debug + Send + Sync {
    /// The field's standard name, for error messages.
    fn name(&self) -> &'static str;

    /// How many inputs the operation takes; one by default. [`Graph::apply`](crate::Graph::apply)
    /// refuses another number by name, so `infer` and what follows may rely on it.
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    /// The output's shape; the only place where shapes are checked.
    ///
    /// # Errors
    /// If the inputs do not fit the operation.
    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError>;

    /// Computes the output from the inputs. Every element of `output` is overwritten; its old
    /// content is undefined.
    fn forward(&self, pass: Forward<'_, T>);

    /// Adds to the gradient of each input the product of the output's gradient with the derivative
    /// (`+=`, never `=`), unless [`Op::overwrites`] says otherwise.
    fn backward(&self, pass: Backward<'_, T>);

    /// Whether `backward` writes every element of the gradients that it is given, whose old content
    /// is then undefined, instead of adding to them. It saves the tape a pass over memory, which
    /// pays for large gradients that are cheap to compute.
    fn overwrites(&self) -> bool {
        false
    }
}

/// What an op wants to remember from its forward for its backward: an arg-max, a mask. The buffers
/// keep their memory from step to step; their old content is undefined.
#[derive(Debug, Default)]
pub struct Saved<T> {
    /// Numbers.
    pub values: Vec<T>,
    /// Positions.
    pub indices: Vec<u32>,
    /// Small numbers, such as the winning tap of a window: what is saved for every output should be
    /// small.
    pub codes: Vec<u16>,
}

impl<T> Saved<T> {
    /// What a backward pass sees of it.
    pub fn view(&self) -> SavedRef<'_, T> {
        SavedRef { values: &self.values, indices: &self.indices, codes: &self.codes }
    }
}

/// [`Saved`] on loan, wherever it lies: the memory of a tape, or arrays of another library.
#[derive(Debug, Clone, Copy, Default)]
pub struct SavedRef<'a, T> {
    /// Numbers.
    pub values: &'a [T],
    /// Positions.
    pub indices: &'a [u32],
    /// Small numbers.
    pub codes: &'a [u16],
}

/// The arguments of [`Op::forward`].
#[derive(Debug)]
pub struct Forward<'a, T> {
    /// The inputs.
    pub inputs: &'a [TensorRef<'a, T>],
    /// The output's shape, as `infer` gave it.
    pub shape: Shape,
    /// Where the output goes.
    pub output: &'a mut [T],
    /// Memory for the backward pass; to be filled only if `needs_grad`.
    pub saved: &'a mut Saved<T>,
    /// Memory for anything else; its content is undefined.
    pub scratch: &'a mut Vec<T>,
    /// Whether a backward pass may follow.
    pub needs_grad: bool,
}

/// The arguments of [`Op::backward`].
#[derive(Debug)]
pub struct Backward<'a, T> {
    /// The inputs of the forward pass.
    pub inputs: &'a [TensorRef<'a, T>],
    /// The output of the forward pass.
    pub output: TensorRef<'a, T>,
    /// The gradient of the loss with respect to the output.
    pub grad_output: &'a [T],
    /// What the forward pass remembered.
    pub saved: SavedRef<'a, T>,
    /// Memory for anything; its content is undefined.
    pub scratch: &'a mut Vec<T>,
    /// The gradients to add to (or to write, see [`Op::overwrites`]), one an input; `None` where no
    /// gradient is needed. They never overlap, even where two inputs are the same variable.
    pub grad_inputs: [Option<&'a mut [T]>; MAX_INPUTS],
}

/// Whether an operation takes `n` inputs.
///
/// # Errors
/// In the operation's name, if it does not.
pub(crate) fn check_arity<T: 'static>(op: &dyn Op<T>, n: usize) -> Result<(), ShapeError> {
    let arity = op.arity();
    if arity.contains(&n) && n <= MAX_INPUTS {
        return Ok(());
    }
    let expected = match (*arity.start(), *arity.end().min(&MAX_INPUTS)) {
        (1, 1) => "1 input".to_owned(),
        (least, most) if least == most => format!("{least} inputs"),
        (least, most) => format!("{least} to {most} inputs"),
    };
    Err(ShapeError::new(op.name(), expected, n.to_string()))
}
