//! The native part of the Python package `morphograd`: NumPy arrays in, NumPy arrays out. What
//! users see is written in Python, in `python/morphograd`, and documented there.
//!
//! The one design choice: operations are bound, not the tape. A call releases the interpreter lock,
//! computes on the arrays as they lie, and turns whatever goes wrong into an exception.

mod array;
mod elements;
mod enforced;
mod flat;
mod guard;
mod operators;
mod ops;
mod residuation;
mod sets;
mod solve;
mod strided;

use mimalloc::MiMalloc;
use pyo3::prelude::*;

/// Keeps the memory of arrays for the next call: the system's gives it back after each, and takes
/// longer to clear its pages than a small dilation takes.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[pymodule]
mod _morphograd {
    /// The version of the package.
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_export]
    use crate::elements::{element_algebra, footprint};
    #[pymodule_export]
    use crate::guard::{InternalError, panic};
    #[pymodule_export]
    use crate::operators::{connect, operate};
    #[pymodule_export]
    use crate::ops::{Saved, backward_arrays, forward, forward_arrays};
    #[pymodule_export]
    use crate::residuation::{identify, identify_in_set};
    #[pymodule_export]
    use crate::sets::Set;
    #[pymodule_export]
    use crate::solve::minimize;
}
