//! Ways to enforce one constraint, chosen by a word.
//!
//! The one design choice: a way changes what stands behind a parameter or what is added to the
//! loss, and never the layers. They see the same value under the same name.
//!
//! | way | what the optimizer changes | what layers see | in the set |
//! |---|---|---|---|
//! | [`ProjectedStep`](Enforcement::ProjectedStep) | `w` | `w` | always |
//! | [`ForwardProjection`](Enforcement::ForwardProjection) | a free `v` | `P(v)` | always |
//! | [`Reparametrization`](Enforcement::Reparametrization) | a free `v` | a smooth map of `v` | always |
//! | [`Penalty`](Enforcement::Penalty) | `w` | `w` | not before `Params::finalize` |
//! | [`AugmentedLagrangian`](Enforcement::AugmentedLagrangian) | `w`, and a multiplier | `w` | not before `Params::finalize` |

use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::sync::Arc;

use morphograd_autodiff::sets::{Constraint, Kind, Projected};
use morphograd_autodiff::tensor::{Real, Shape, ShapeError, Tensor, TensorRef};
use morphograd_autodiff::{Backward, Forward, Multiplier, Op, ParamId, Params, Penalty};

use crate::model::error::BuildError;

pub use morphograd_autodiff::sets::ProjectionVjp;

/// What the name of a parameter gets for its multiplier.
pub(crate) const MULTIPLIER: &str = ".multiplier";

/// How a parameter is led into its set and kept there.
/// [`Weight::enforced`](crate::Weight::enforced) takes one; without a set there is nothing to
/// enforce, and every way is the same.
///
/// ```
/// use morphograd_nn::{Dense, Sequential, Weight};
/// use morphograd_nn::{
///     autodiff::Params, sets::Interval, enforcement::Enforcement, initializer::Constant,
/// };
/// let kernel = Weight::new(Constant(0.5))
///     .constrained(Interval { min: 0.0, max: 2.0 })
///     .enforced(Enforcement::Reparametrization);
/// let mut params = Params::<f64>::new();
/// Sequential::new()
///     .add("dense", Dense { units: 1, kernel, ..Dense::default() })
///     .build_model(&mut params, 0, [2])?;
/// let kernel = params.find("dense.kernel").unwrap();
/// assert!((params.value(kernel).data[0] - 0.5).abs() < 1e-15); // the same start
/// params.step(kernel, |free| free[0] += 100.0); // what an optimizer may do
/// assert_eq!(params.value(kernel).data[0], 2.0); // is no way out
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Enforcement {
    /// $w \leftarrow P(w + Δ)$ after each step: the projected gradient method.
    #[default]
    ProjectedStep,
    /// Layers see $P(v)$ of a free $v$, which starts at the feasible start.
    ForwardProjection {
        /// What the projection does to the gradient.
        gradient: ProjectionVjp,
    },
    /// Layers see a smooth map of a free $v$, started where it gives the same weight:
    /// [`Constraint::parametrization`]. Where that would be at infinity, the start is moved off the
    /// boundary by 0.01, as the map says.
    Reparametrization,
    /// $\frac{λ}{2} \mathrm{dist}^2(w, C)$ is added to the loss (Courant, 1943); its gradient is
    /// $λ (w - P(w))$. The parameter is released: it is outside of the set by about the slope of
    /// the loss divided by $λ$.
    Penalty {
        /// The factor $λ$, above 0.
        factor: f64,
    },
    /// $\frac{ρ}{2} \mathrm{dist}^2(w + y / ρ, C)$ is added to the loss, and every so many steps
    /// $y \leftarrow ρ (z - P(z))$ with $z = w + y / ρ$ (Rockafellar, 1973; for sets in this form
    /// Andreani and others, 2008). The multiplier $y$ is a frozen parameter of its own, called
    /// `….multiplier`, at first 0; so it is in checkpoints. Where it has converged, the parameter
    /// is in the set with a finite $ρ$.
    AugmentedLagrangian {
        /// The factor $ρ$, above 0.
        factor: f64,
        /// Steps between two changes of the multiplier, at least 1.
        every: u64,
    },
}

impl Enforcement {
    /// Enforces the set of a parameter in this way from now on; without a set it does nothing.
    /// [`Weight::enforced`](crate::Weight::enforced) does it when the parameter is declared.
    ///
    /// # Errors
    /// If a factor makes no sense, or the set does not know what the way asks of it.
    pub fn enforce<T: Real>(self, params: &mut Params<T>, id: ParamId) -> Result<(), BuildError> {
        let Some(constraint) = params.shared_constraint(id) else { return Ok(()) };
        let shape = params.value(id).shape;
        let refused = |expected: &str, found: String| {
            // The layer is named by whoever builds it.
            let name = params.name(id).rsplit('.').next().unwrap_or_default();
            BuildError::from(ShapeError::new("enforcement", expected, found).within(name))
        };
        if let Self::Penalty { factor } | Self::AugmentedLagrangian { factor, .. } = self {
            if !(factor > 0.0 && factor.is_finite()) {
                return Err(refused("a finite factor above 0", format!("{factor}")));
            }
            if constraint.kind() == Kind::NotAProjection {
                return Err(refused(
                    "a set with a projection, to measure distances",
                    format!("{constraint:?}"),
                ));
            }
        }
        match self {
            Self::ProjectedStep => {}
            Self::ForwardProjection { gradient } => {
                if gradient == ProjectionVjp::Exact && !constraint.capabilities(shape).derivative {
                    return Err(refused(
                        "a set whose projection has a known derivative",
                        format!("{constraint:?}"),
                    ));
                }
                params.parametrize(id, Box::new(Projected { constraint, gradient }));
            }
            Self::Reparametrization => {
                let map = constraint.parametrization(shape).ok_or_else(|| {
                    refused(
                        "a set with a smooth parametrization",
                        format!("{constraint:?}, which has none"),
                    )
                })?;
                params.parametrize(id, map);
            }
            Self::Penalty { factor } => {
                params.release(id, Penalty::new(SquaredDistance { factor, constraint }))?;
            }
            Self::AugmentedLagrangian { factor, every } => {
                if every == 0 {
                    return Err(refused(
                        "at least one step between changes of the multiplier",
                        "0".into(),
                    ));
                }
                let name = format!("{}{MULTIPLIER}", params.name(id));
                let param = params.add(name, Tensor::zeros(shape), None)?;
                params.set_trainable(param, false);
                let distance = SquaredDistance { factor, constraint: Arc::clone(&constraint) };
                let update = Arc::new(NextMultiplier { factor, constraint });
                let multiplier = Multiplier { param, update, every };
                params.release(id, Penalty::with_multiplier(distance, multiplier))?;
            }
        }
        Ok(())
    }
}

/// $\frac{ρ}{2} \mathrm{dist}^2(z, C)$ with $z = w$ or, given a multiplier $y$ of the same shape,
/// $z = w + y / ρ$: a scalar. The derivative is $ρ (z - P(z))$ by $w$ and $z - P(z)$ by $y$,
/// wherever the nearest point is unique (for a convex set everywhere: Moreau, 1965).
///
/// Cost: one projection, and a pass forwards and backwards; the sum is accumulated in `f64`, in
/// order.
///
/// ```
/// use morphograd_nn::{
///     autodiff::{Mode, Params, Tape},
///     sets::NonPositive,
///     enforcement::SquaredDistance,
///     tensor::Tensor,
/// };
/// use std::sync::Arc;
/// let mut params = Params::new();
/// let w = params.add("w", Tensor::from_vec([3], vec![-2.0f64, 1.0, 3.0])?, None)?;
/// let mut tape = Tape::new();
/// let mut graph = tape.record(&params, Mode::Train { step: 0 });
/// let var = graph.param(w);
/// let loss = graph
///     .apply(SquaredDistance { factor: 10.0, constraint: Arc::new(NonPositive) }, [var])?;
/// assert_eq!(graph.value(loss).data, [50.0]);
/// graph.backward(loss);
/// assert_eq!(tape.grad(w), Some(&[0.0, 10.0, 30.0][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SquaredDistance<T> {
    /// The factor $ρ$, above 0.
    pub factor: f64,
    /// The set $C$, with a true projection.
    pub constraint: Arc<dyn Constraint<T>>,
}

impl<T: Real> Op<T> for SquaredDistance<T> {
    fn name(&self) -> &'static str {
        "squared_distance"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=2
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        alike(Op::<T>::name(self), inputs)?;
        Ok(Shape::scalar())
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let residual = &mut pass.saved.values;
        residuals(self.factor, &*self.constraint, pass.inputs, pass.scratch, residual);
        let square: f64 = residual.iter().map(|r| r.f64() * r.f64()).sum();
        pass.output[0] = T::of(0.5 * self.factor * square);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        for (slope, grad) in [self.factor, 1.0].into_iter().zip(pass.grad_inputs) {
            let slope = pass.grad_output[0] * T::of(slope);
            let Some(grad) = grad else { continue };
            grad.iter_mut().zip(pass.saved.values).for_each(|(g, r)| *g += slope * *r);
        }
    }
}

/// The next multiplier. A loss does not depend on it, and so it has no derivative.
#[derive(Debug)]
struct NextMultiplier<T> {
    factor: f64,
    constraint: Arc<dyn Constraint<T>>,
}

impl<T: Real> Op<T> for NextMultiplier<T> {
    fn name(&self) -> &'static str {
        "multiplier"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        alike(Op::<T>::name(self), inputs)
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let residual = &mut pass.saved.values;
        residuals(self.factor, &*self.constraint, pass.inputs, pass.scratch, residual);
        let rho = T::of(self.factor);
        pass.output.iter_mut().zip(residual).for_each(|(y, r)| *y = rho * *r);
    }

    /// Nothing: it is tracked, and no loss is made of it.
    fn backward(&self, _: Backward<'_, T>) {}
}

/// $z - P(z)$.
fn residuals<T: Real>(
    rho: f64,
    constraint: &dyn Constraint<T>,
    inputs: &[TensorRef<'_, T>],
    projected: &mut Vec<T>,
    residual: &mut Vec<T>,
) {
    residual.clear();
    residual.extend_from_slice(inputs[0].data);
    if let Some(y) = inputs.get(1) {
        let inverse = T::of(1.0 / rho);
        residual.iter_mut().zip(y.data).for_each(|(z, y)| *z += inverse * *y);
    }
    projected.clear();
    projected.extend_from_slice(residual);
    constraint.project(inputs[0].shape, projected);
    // An entry at an infinity that the set allows is no distance away; a difference would be NaN.
    residual
        .iter_mut()
        .zip(projected)
        .for_each(|(z, p)| *z = if *z == *p { T::zero() } else { *z - *p });
}

fn alike(operation: &'static str, inputs: &[Shape]) -> Result<Shape, ShapeError> {
    match inputs {
        [w] => Ok(*w),
        [w, y] if w == y => Ok(*w),
        _ => Err(ShapeError::new(
            operation,
            "a weight, and a multiplier of its shape",
            format!("shapes {inputs:?}"),
        )),
    }
}
