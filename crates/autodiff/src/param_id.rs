//! What names a parameter.

/// A parameter of one [`Params`](crate::Params). Using the id twice ties weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamId(pub(crate) u32);
