#![doc = include_str!("../README.md")]

mod error;
mod gemm;
mod level;
pub mod parallel;
mod real;
mod shape;
pub mod simd;
mod sum;
mod tensor;
mod vector;
mod window;

pub use error::ShapeError;
pub use gemm::{Matrix, gemm};
pub use real::Real;
pub use shape::{MAX_RANK, Shape};
pub use sum::{PairwiseSum, sum, sums};
pub use tensor::{Tensor, TensorRef};
pub use vector::{MAX_LANES, Vector};
pub use window::{Extent, Padding, Taps2d, Window2d};
