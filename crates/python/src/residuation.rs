//! Identification of structuring functions from images: the greatest kernel whose dilation stays
//! below a target.

use morphograd_morphology::nn::sets::Precision;
use morphograd_morphology::nn::tensor::{Padding, Real, Shape, ShapeError, TensorRef, Window2d};
use morphograd_morphology::{BestInSet, Identified, Residuation};
use numpy::{Element, PyArrayDyn, PyArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::array::{Lent, NUMBERS, shape_of, to_array, with_numbers, wrong_type};
use crate::guard::{catch, compute};
use crate::sets::Set;

/// The kernel, the largest residual, and the sum of the squares of the residuals.
type Found<'py> = (Bound<'py, PyAny>, f64, f64);

/// Identifies the kernel of a dilation or an erosion.
#[pyfunction]
pub(crate) fn identify<'py>(
    operator: &str,
    image: &Bound<'py, PyAny>,
    target: &Bound<'py, PyAny>,
    size: [usize; 2],
    padding: &str,
    max: f64,
) -> PyResult<Found<'py>> {
    let residuation = Residuation { window: window(size, padding)?, max };
    catch(|| {
        with_numbers!(
            image,
            |x: T| {
                let expected = || wrong_type("target", "an array of the image's dtype", target);
                let target = target.cast::<PyArrayDyn<T>>().map_err(|_| expected())?;
                identify_in::<T>(operator, x, target, residuation)
            },
            Err(wrong_type("image", NUMBERS, image))
        )
    })
}

fn identify_in<'py, T: Real + Element>(
    operator: &str,
    image: &Bound<'py, PyArrayDyn<T>>,
    target: &Bound<'py, PyArrayDyn<T>>,
    residuation: Residuation,
) -> PyResult<Found<'py>> {
    let py = image.py();
    let shapes = [shape_of(image.as_untyped())?, shape_of(target.as_untyped())?];
    let lent = [Lent::new(image)?, Lent::new(target)?];
    let [x, y] = [0, 1].map(|n| TensorRef::new(shapes[n], lent[n].slice()));
    let Identified { kernel, residual } = compute(py, || match operator {
        "erosion" => residuation.erosion(x, y),
        _ => residuation.dilation(x, y),
    })?;
    let shape = kernel.shape();
    Ok((to_array(py, kernel, shape.dims())?.into_any(), residual.largest, residual.squares))
}

fn window(size: [usize; 2], padding: &str) -> PyResult<Window2d> {
    let padding = match padding {
        "same" => Padding::Same,
        "valid" => Padding::Valid,
        _ => {
            let message = format!("padding: expected one of valid, same, found {padding}");
            return Err(PyValueError::new_err(message));
        }
    };
    Ok(Window2d::new(size).padding(padding))
}

/// The kernel, and for each output the error and what no kernel of the set is better than.
type Best<'py> = (Bound<'py, PyAny>, Vec<f64>, Vec<f64>);

/// The best kernel of a set in the maximum norm.
#[pyfunction]
pub(crate) fn identify_in_set<'py>(
    operator: &str,
    image: &Bound<'py, PyAny>,
    target: &Bound<'py, PyAny>,
    size: [usize; 2],
    padding: &str,
    set: &Set,
) -> PyResult<Best<'py>> {
    let residuation = Residuation::new(window(size, padding)?);
    catch(|| {
        with_numbers!(
            image,
            |x: T| {
                let expected = || wrong_type("target", "an array of the image's dtype", target);
                let target = target.cast::<PyArrayDyn<T>>().map_err(|_| expected())?;
                best_in::<T>(operator, x, target, residuation, set)
            },
            Err(wrong_type("image", NUMBERS, image))
        )
    })
}

fn best_in<'py, T: Precision + Element>(
    operator: &str,
    image: &Bound<'py, PyArrayDyn<T>>,
    target: &Bound<'py, PyArrayDyn<T>>,
    residuation: Residuation,
    set: &Set,
) -> PyResult<Best<'py>> {
    let py = image.py();
    let shapes = [shape_of(image.as_untyped())?, shape_of(target.as_untyped())?];
    let [height, width] = residuation.window.size;
    let kernel = Shape::from([height, width, 1]);
    let set = set.along::<T>(None, kernel)?;
    let lent = [Lent::new(image)?, Lent::new(target)?];
    let [x, y] = [0, 1].map(|n| TensorRef::new(shapes[n], lent[n].slice()));
    let BestInSet { kernel, outputs } = compute(py, || {
        if !set.capabilities(kernel).greatest {
            let expected = "a set that states greatest in capabilities()";
            return Err(ShapeError::new("identify", expected, format!("{set:?}")));
        }
        match operator {
            "erosion" => residuation.best_erosion(x, y, &*set),
            _ => residuation.best_dilation(x, y, &*set),
        }
    })?;
    let shape = kernel.shape();
    let all = |f: fn(&morphograd_morphology::Optimality) -> f64| outputs.iter().map(f).collect();
    let kernel = to_array(py, kernel, shape.dims())?.into_any();
    Ok((kernel, all(|o| o.error), all(|o| o.bound)))
}
