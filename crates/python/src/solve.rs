//! Projected gradient and the method of Frank and Wolfe on a function written in Python.

use morphograd_morphology::nn::sets::solve::{
    FrankWolfe, FrankWolfeStep, Method, Objective, ProjectedGradient, Solution, SolveError,
};
use morphograd_morphology::nn::tensor::Tensor;
use numpy::{PyArrayDyn, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::array::{Lent, shape_of, to_array};
use crate::guard::{catch, value_error};
use crate::sets::Set;

/// The point of the set where a function is least, found from a start in `float64`: the point, the
/// function there, the measure of optimality, the steps made, and whether the measure reached the
/// tolerance.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "Python's side names them")]
pub(crate) fn minimize<'py>(
    method: &str,
    objective: &Bound<'py, PyAny>,
    set: &Set,
    start: &Bound<'py, PyArrayDyn<f64>>,
    axes: Option<Vec<isize>>,
    settings: (f64, bool, bool, bool),
    tolerance: f64,
    iterations: usize,
) -> PyResult<(Bound<'py, PyAny>, f64, f64, usize, bool)> {
    let (step, accelerated, restart, open) = settings;
    catch(|| {
        let py = start.py();
        let shape = shape_of(start.as_untyped())?;
        let set = set.along::<f64>(axes, shape)?;
        let mut point = Lent::new(start)?.slice().to_vec();
        // What the function raised; the method sees NaN and ends.
        let mut raised = None;
        let function = |w: &[f64], gradient: &mut [f64]| {
            let mut call = || -> PyResult<f64> {
                let w = Tensor::from_vec(shape, w.to_vec()).map_err(|error| value_error(&error))?;
                let result = objective.call1((to_array(py, w, start.shape())?,))?;
                let (value, slope): (f64, Bound<'py, PyAny>) = result.extract().map_err(|_| {
                    PyTypeError::new_err(
                        "objective: expected a pair (value, gradient), found something else",
                    )
                })?;
                let slope = py
                    .import("numpy")?
                    .call_method1("asarray", (slope, "float64"))?
                    .cast_into::<PyArrayDyn<f64>>()?;
                if slope.shape() != start.shape() {
                    return Err(PyValueError::new_err(format!(
                        "objective: expected a gradient of shape {:?}, found {:?}",
                        start.shape(),
                        slope.shape()
                    )));
                }
                gradient.copy_from_slice(Lent::new(&slope)?.slice());
                Ok(value)
            };
            if raised.is_some() {
                return f64::NAN;
            }
            call().unwrap_or_else(|error| {
                raised = Some(error);
                gradient.fill(f64::NAN);
                f64::NAN
            })
        };
        let problem = Objective::new(&*set, shape, &mut point, function)
            .map_err(|error| value_error(&error))?;
        let result: Result<Solution, SolveError> = match method {
            "projected_gradient" => {
                ProjectedGradient { step, accelerated, restart, iterations, tolerance }
                    .minimize(problem)
            }
            _ => {
                let step = if open { FrankWolfeStep::Open } else { FrankWolfeStep::Backtracking };
                FrankWolfe { step, iterations, tolerance }.minimize(problem)
            }
        };
        if let Some(error) = raised {
            return Err(error);
        }
        let Solution { iterations, objective, measure, converged } =
            result.map_err(|error| PyValueError::new_err(error.to_string()))?;
        let point = Tensor::from_vec(shape, point).map_err(|error| value_error(&error))?;
        let point = to_array(py, point, start.shape())?.into_any();
        Ok((point, objective, measure, iterations, converged))
    })
}
