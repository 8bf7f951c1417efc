//! What most programs use: `use morphograd_nn::prelude::*;`. Operations, sets, optimizers, losses
//! and initializers keep the path of their folder, so that a name says where it comes from.

pub use morphograd_autodiff::sets::{self, Constraint, Kind};
pub use morphograd_autodiff::tensor::{
    Padding, Real, Shape, ShapeError, Tensor, TensorRef, Window2d,
};
pub use morphograd_autodiff::{
    Backward, Forward, Graph, Mode, Op, ParamId, Params, Tape, Ties, Var,
};

pub use crate::fit::{self, Fit};
pub use crate::layers::*;
pub use crate::loss::*;
pub use crate::model::*;
pub use crate::optim::{self, Optimizer};
pub use crate::random::Stream;
pub use crate::{Enforcement, checkpoint, initializer, regularizer};
