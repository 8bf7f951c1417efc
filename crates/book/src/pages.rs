//! The pages with Rust in them, so that their examples are compiled and run as those of the
//! documentation are. A test compares this list with the table of contents.

#[doc = include_str!("../../../docs/tutorial/first-training.md")]
mod first_training {}

#[doc = include_str!("../../../docs/projected-gradient/gradient-descent.md")]
mod gradient_descent {}

#[doc = include_str!("../../../docs/projected-gradient/projection.md")]
mod projection {}

#[doc = include_str!("../../../docs/projected-gradient/convex-sets.md")]
mod convex_sets {}

#[doc = include_str!("../../../docs/projected-gradient/matrices.md")]
mod matrices {}

#[doc = include_str!("../../../docs/projected-gradient/non-convex-sets.md")]
mod non_convex_sets {}

#[doc = include_str!("../../../docs/projected-gradient/metric.md")]
mod metric {}

#[doc = include_str!("../../../docs/projected-gradient/noise.md")]
mod noise {}

#[doc = include_str!("../../../docs/projected-gradient/intersections.md")]
mod intersections {}

#[doc = include_str!("../../../docs/projected-gradient/alternatives.md")]
mod alternatives {}

#[doc = include_str!("../../../docs/max-plus/lattices.md")]
mod lattices {}

#[doc = include_str!("../../../docs/max-plus/subgradients.md")]
mod subgradients {}

#[doc = include_str!("../../../docs/max-plus/identification.md")]
mod identification {}

#[doc = include_str!("../../../docs/max-plus/constraints.md")]
mod kernel_constraints {}

#[doc = include_str!("../../../docs/max-plus/minimal.md")]
mod minimal {}
#[doc = include_str!("../../../docs/max-plus/robustness.md")]
mod robustness {}

#[doc = include_str!("../../../docs/max-plus/hyperboxes.md")]
mod hyperboxes {}

#[doc = include_str!("../../../docs/max-plus/dense.md")]
mod dense {}

#[doc = include_str!("../../../docs/autodiff/tape.md")]
mod tape {}

#[doc = include_str!("../../../docs/cookbook/operator.md")]
mod operator {}

#[doc = include_str!("../../../docs/cookbook/layer.md")]
mod layer {}

#[doc = include_str!("../../../docs/cookbook/constraint.md")]
mod constraint {}

#[doc = include_str!("../../../docs/cookbook/optimizer.md")]
mod optimizer {}

#[doc = include_str!("../../../docs/cookbook/data-set.md")]
mod data_set {}

#[doc = include_str!("../../../docs/cookbook/training.md")]
mod training {}

#[doc = include_str!("../../../docs/cookbook/images.md")]
mod images {}

#[doc = include_str!("../../../docs/cookbook/model.md")]
mod model {}

#[doc = include_str!("../../../docs/cookbook/trainings.md")]
mod trainings {}

#[doc = include_str!("../../../docs/constraints.md")]
mod constraints {}
