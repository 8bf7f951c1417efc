#![doc = include_str!("../README.md")]

mod constraint;
mod golden;
mod op;
pub mod strategy;

pub use constraint::{
    check_capabilities, check_greatest_below, check_minimize_linear, check_parametrization,
    check_project_vjp, check_projection, check_projection_in_metric,
    check_projection_in_metric_within, check_projection_within, check_tangent,
};
pub use golden::{Golden, assert_close};
pub use op::{check_computation, check_op, vjp};
