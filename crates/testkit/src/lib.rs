#![doc = include_str!("../README.md")]

mod constraint;
mod golden;
mod op;
pub mod strategy;

pub use constraint::check_projection;
pub use golden::{Golden, assert_close};
pub use op::{check_op, vjp};
