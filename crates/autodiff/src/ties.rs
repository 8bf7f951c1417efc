//! Who gets the gradient where a maximum is reached more than once: chosen by the user, not
//! suffered.

/// The subgradient that an operation with a maximum (or minimum) takes where it is tied.
///
/// For a single maximum each choice is an element of Clarke's generalized gradient, so each is a
/// subgradient in the sense of the theory; they train differently where ties are the rule (a flat
/// structuring function on a black background). The result never depends on the number of threads.
///
/// What each does to learning, measured, and the rule of every operation:
/// [docs/ties.md](https://github.com/morphograd/morphograd/blob/main/docs/ties.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Ties {
    /// All to the first tied position in raster order of the window, as TensorFlow. The cheapest.
    #[default]
    First,
    /// All to the last tied position.
    Last,
    /// Equal parts to all tied positions. Deterministic and symmetric; the backward pass looks at
    /// every candidate again.
    Split,
}
