#![doc = include_str!("../README.md")]

mod arithmetic;
mod gradcheck;
mod op;
mod param_id;
mod params;
mod penalty;
mod tape;
mod ties;

pub use arithmetic::{Add, Mean, Mul, Scale, Sub, Sum};
pub use gradcheck::{GradcheckError, gradcheck};
pub use op::{Backward, Forward, MAX_INPUTS, Op, Saved};
pub use param_id::ParamId;
pub use params::{ParamError, Params, Projection, Snapshot};
pub use penalty::{Multiplier, Penalty};
pub use tape::{Graph, Mode, Tape, Var};
pub use ties::Ties;

pub use morphograd_sets as sets;
pub use morphograd_tensor as tensor;
