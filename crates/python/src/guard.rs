//! The one door between Python and the kernels: the interpreter lock is released while they run,
//! and what goes wrong becomes an exception.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use morphograd_morphology::nn::tensor::ShapeError;
use pyo3::create_exception;
use pyo3::exceptions::{PyMemoryError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;

create_exception!(
    morphograd,
    InternalError,
    PyRuntimeError,
    "A mistake in morphograd itself: please report it with the call that led to it."
);

/// A shape that does not fit is a `ValueError`.
pub(crate) fn value_error(error: &ShapeError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// Computes without the interpreter lock; a panic becomes an `InternalError`.
pub(crate) fn compute<R: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<R, ShapeError> + Send,
) -> PyResult<R> {
    match py.detach(|| catch_unwind(AssertUnwindSafe(work))) {
        Ok(result) => result.map_err(|error| value_error(&error)),
        Err(panic) => Err(internal_error(&*panic)),
    }
}

/// Whether there is memory for so many numbers. A vector that finds none ends the process.
///
/// # Errors
/// `MemoryError` if not.
pub(crate) fn room<T>(name: &str, count: usize) -> PyResult<()> {
    Vec::<T>::new().try_reserve_exact(count).map_err(|_| {
        PyMemoryError::new_err(format!("{name}: expected memory for {count} numbers, found less"))
    })
}

/// As [`compute`], with the interpreter lock held, for what is short or calls Python.
pub(crate) fn catch<R>(work: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(internal_error(&*panic)))
}

fn internal_error(panic: &(dyn Any + Send)) -> PyErr {
    let message = match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(message), _) => message.as_str(),
        (None, Some(message)) => message,
        (None, None) => "a panic without a message",
    };
    InternalError::new_err(message.to_owned())
}

/// Panics, so that a test sees what a panic becomes.
#[pyfunction]
pub(crate) fn panic(py: Python<'_>, message: String) -> PyResult<()> {
    compute(py, || panic!("{message}"))
}
