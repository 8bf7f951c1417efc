#![doc = include_str!("../README.md")]

mod arithmetic;
mod gradcheck;
mod op;
mod params;
mod tape;
mod ties;

pub use arithmetic::{Add, Mean, Mul, Scale, Sub, Sum};
pub use gradcheck::{GradcheckError, gradcheck};
pub use op::{Backward, Forward, MAX_INPUTS, Op, Saved};
pub use params::{ParamError, ParamId, Params, Projection, Snapshot};
pub use tape::{Graph, Mode, Tape, Var};
pub use ties::Ties;

pub use morphograd_sets as sets;
pub use morphograd_tensor as tensor;
