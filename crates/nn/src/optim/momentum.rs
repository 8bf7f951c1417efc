//! What becomes of the momentum where the projection has the last word.
//!
//! The one design choice: the rule says which of its numbers are a direction, and in which sense;
//! what happens to them is written here once.

use morphograd_autodiff::tensor::Real;
use morphograd_autodiff::{ParamId, Params};

/// The momentum after a projected step. A velocity that points out of the set keeps the parameter
/// at the bound until it has turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Momentum {
    /// As it is, as in Keras and PyTorch. It costs steps, not correctness.
    #[default]
    Keep,
    /// Projected on the tangent cone at the new point, in the Euclidean metric: what would lead out
    /// of the set is taken away. The set has to know its cone
    /// ([`Constraint::project_tangent`](morphograd_autodiff::sets::Constraint::project_tangent)).
    Tangent,
    /// 0 in the coordinates that the projection moved. For any set.
    Reset,
}

/// Which slot of a rule is a direction: the parameter moves along `sign` times its numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Direction {
    /// The slot.
    pub slot: usize,
    /// 1 or -1.
    pub sign: f64,
}

impl Momentum {
    /// Changes the numbers of the direction of a parameter that has just been projected; `before`
    /// is its value before that.
    pub(crate) fn correct<T: Real>(
        self,
        params: &Params<T>,
        id: ParamId,
        before: &[T],
        sign: f64,
        momentum: &mut [T],
    ) {
        let (Some(set), value) = (params.constraint(id), params.value(id)) else { return };
        if !params.is_projected(id) {
            return;
        }
        match self {
            Self::Keep => (),
            Self::Tangent => {
                let sign = T::of(sign);
                momentum.iter_mut().for_each(|m| *m *= sign);
                set.project_tangent(value.shape, value.data, momentum);
                momentum.iter_mut().for_each(|m| *m *= sign);
            }
            Self::Reset => {
                for ((m, before), after) in momentum.iter_mut().zip(before).zip(value.data) {
                    if before != after {
                        *m = T::zero();
                    }
                }
            }
        }
    }
}
