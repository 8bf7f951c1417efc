#![doc = include_str!("../README.md")]

mod arithmetic;
mod constraint;
mod gradcheck;
mod op;
mod parametrization;
mod params;
mod tape;
mod ties;

pub use arithmetic::{Add, Mean, Mul, Scale, Sub, Sum};
pub use constraint::{Constraint, Kind};
pub use gradcheck::{GradcheckError, gradcheck};
pub use op::{Backward, Forward, MAX_INPUTS, Op, Saved};
pub use parametrization::Parametrization;
pub use params::{ParamError, ParamId, Params, Projection, Snapshot};
pub use tape::{Graph, Mode, Tape, Var};
pub use ties::Ties;

pub use morphograd_tensor as tensor;
