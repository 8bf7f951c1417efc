//! Bounds on gradients.
//!
//! The one design choice: a gradient within its bound is handed on as it lies, without a copy.

use morphograd_autodiff::tensor::Real;

/// A bound on gradients, applied before the rule sees them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Clip {
    /// Gradients as they are.
    #[default]
    None,
    /// Every coordinate is moved into $[-c, c]$.
    Value(f64),
    /// Each parameter's gradient whose Euclidean norm exceeds $c$ is scaled to norm $c$.
    Norm(f64),
    /// All gradients are scaled by one factor if their norm together exceeds $c$, so that it is $c$
    /// (Pascanu et al., 2013).
    GlobalNorm(f64),
}

impl Clip {
    /// The constant, 0 for none.
    pub(crate) fn bound(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Value(bound) | Self::Norm(bound) | Self::GlobalNorm(bound) => bound,
        }
    }

    /// The clipped gradient, in `scratch` if it differs. `square` and `all` are the squares of its
    /// norm and of that of all gradients.
    pub(crate) fn apply<'a, T: Real>(
        self,
        gradient: &'a [T],
        square: f64,
        all: f64,
        scratch: &'a mut Vec<T>,
    ) -> &'a [T] {
        let norm = match self {
            Self::None => return gradient,
            Self::Value(bound) => {
                let bound = T::of(bound);
                scratch.clear();
                scratch.extend(gradient.iter().map(|g| g.max(-bound).min(bound)));
                return scratch;
            }
            Self::Norm(_) => square.sqrt(),
            Self::GlobalNorm(_) => all.sqrt(),
        };
        if norm <= self.bound() {
            return gradient;
        }
        let factor = T::of(self.bound() / norm);
        scratch.clear();
        scratch.extend(gradient.iter().map(|g| factor * *g));
        scratch
    }
}
