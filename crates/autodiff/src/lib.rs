#![doc = include_str!("../README.md")]

mod evaluate;
mod gradcheck;
mod mode;
mod op;
mod ops;
mod param_id;
mod params;
mod part;
mod penalized;
mod penalty;
mod tape;
mod ties;

pub use evaluate::{Values, evaluate, evaluate_with_gradients};
pub use gradcheck::{GradcheckError, gradcheck};
pub use mode::Mode;
pub use op::{Backward, Forward, MAX_INPUTS, Op, Saved, SavedRef};
pub use ops::{
    Abs, Add, Axes, Concat, Div, Exp, Log, LogSoftmax, MatMul, MaxAxes, Maximum, Mean, MeanAxes,
    MinAxes, Minimum, Mul, Neg, Pow, Reshape, Scale, Select, Slice, Softmax, Sqrt, Square, Stack,
    Sub, Sum, SumAxes, Transpose, Where,
};
pub use param_id::ParamId;
pub use params::{ParamError, Params, Projection, Snapshot};
pub use penalty::{Multiplier, Penalty};
pub use tape::{Graph, Tape, Var};
pub use ties::Ties;

pub use morphograd_sets as sets;
pub use morphograd_tensor as tensor;
