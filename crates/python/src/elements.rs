//! Footprints and structuring functions as Python gives them: arrays, or sequences of arrays with
//! the number of times that each is applied.
//!
//! The one design choice: an element is a kernel for the engine and the same kernel turned by 180
//! degrees, so that both orientations of both operators are one call. The centre of an even side is
//! the position before the middle, as in scikit-image.

use morphograd_morphology::nn::tensor::{Padding, Real, Tensor, Window2d};
use morphograd_morphology::{Footprint, StructuringElement};
use numpy::{PyArray2, PyArrayDyn, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::array::{Lent, describe, to_array};
use crate::guard::value_error;

/// A structuring function, row-major, with one entry a channel or one for all.
pub(crate) struct Element {
    pub(crate) size: [usize; 2],
    channels: usize,
    entries: Vec<f64>,
    pub(crate) repeats: usize,
}

/// One step of a sequence, ready for the engine.
pub(crate) struct Step<T> {
    pub(crate) size: [usize; 2],
    pub(crate) repeats: usize,
    drawn: Tensor<T>,
    turned: Tensor<T>,
}

impl<T: Real> Step<T> {
    /// The kernel and the window whose dilation reads the pixels where the element is drawn; or,
    /// turned, where its mirror image is.
    pub(crate) fn kernel(&self, turned: bool) -> (&Tensor<T>, Window2d) {
        let padding = if turned { Padding::SameMirrored } else { Padding::Same };
        let window = Window2d::new(self.size).padding(padding);
        (if turned { &self.turned } else { &self.drawn }, window)
    }
}

impl Element {
    pub(crate) fn step<T: Real>(&self, channels: usize) -> PyResult<Step<T>> {
        let [height, width] = self.size;
        if self.channels != 1 && self.channels != channels {
            return Err(PyValueError::new_err(format!(
                "structure: expected shape ({height}, {width}) or ({height}, {width}, {channels}) \
                 for an image of {channels} channels, found ({height}, {width}, {})",
                self.channels
            )));
        }
        let (taps, own) = (height * width, self.channels);
        let kernel = |turned: bool| {
            Tensor::from_fn([height, width, channels], |i| {
                let tap = if turned { taps - 1 - i / channels } else { i / channels };
                T::of(self.entries[tap * own + i % channels % own])
            })
        };
        Ok(Step {
            size: self.size,
            repeats: self.repeats,
            drawn: kernel(false),
            turned: kernel(true),
        })
    }

    /// The set of offsets, if it is one and the same for all channels.
    pub(crate) fn footprint(&self) -> Option<Footprint> {
        let is_flat = self.entries.iter().all(|w| *w == 0.0 || *w == f64::NEG_INFINITY);
        if self.channels != 1 || !is_flat {
            return None;
        }
        let is_in: Vec<bool> = self.entries.iter().map(|w| *w == 0.0).collect();
        let origin = self.size.map(|n| (n as isize - 1) / 2);
        Footprint::new(self.size, origin, &is_in).ok()
    }

    /// Whether all entries are whole numbers or off the support.
    pub(crate) fn is_whole(&self) -> bool {
        self.entries.iter().all(|w| w.fract() == 0.0 || w.is_infinite())
    }
}

/// The elements of an operator: one after the other, from a footprint and a structuring function.
///
/// # Errors
/// `TypeError` or `ValueError` if they are none.
pub(crate) fn elements(
    footprint: &Bound<'_, PyAny>,
    structure: &Bound<'_, PyAny>,
) -> PyResult<Vec<Element>> {
    if !structure.is_none() {
        let mut element = function("structure", structure)?;
        if !footprint.is_none() {
            let support = support(footprint)?;
            if support.size != element.size {
                return Err(PyValueError::new_err(format!(
                    "footprint: expected the structure's shape {:?}, found {:?}",
                    element.size, support.size
                )));
            }
            for (i, w) in element.entries.iter_mut().enumerate() {
                *w += support.entries[i / element.channels];
            }
        }
        return some("structure", element).map(|element| vec![element]);
    }
    if footprint.is_none() {
        const OUT: f64 = f64::NEG_INFINITY;
        let entries = vec![OUT, 0.0, OUT, 0.0, 0.0, 0.0, OUT, 0.0, OUT];
        return Ok(vec![Element { size: [3, 3], channels: 1, entries, repeats: 1 }]);
    }
    // A sequence of scikit-image: a tuple or a list of pairs (footprint, times).
    let pairs = if let Ok(list) = footprint.cast::<PyList>() {
        list.iter().collect()
    } else if let Ok(tuple) = footprint.cast::<PyTuple>() {
        tuple.iter().collect()
    } else {
        Vec::new()
    };
    if !pairs.is_empty() && pairs.iter().all(|pair| pair.cast::<PyTuple>().is_ok_and(is_step)) {
        return pairs
            .iter()
            .map(|pair| {
                let (drawn, repeats): (Bound<'_, PyAny>, usize) = pair.extract()?;
                Ok(Element { repeats, ..some("footprint", support(&drawn)?)? })
            })
            .collect();
    }
    Ok(vec![some("footprint", support(footprint)?)?])
}

fn is_step(pair: &Bound<'_, PyTuple>) -> bool {
    pair.len() == 2 && pair.get_item(1).is_ok_and(|times| times.extract::<usize>().is_ok())
}

/// Refuses an element without a support, which no window fits.
fn some(name: &str, element: Element) -> PyResult<Element> {
    if element.entries.iter().any(|w| *w > f64::NEG_INFINITY) {
        return Ok(element);
    }
    let expected =
        if name == "footprint" { "an entry that is not 0" } else { "an entry above -inf" };
    Err(PyValueError::new_err(format!("{name}: expected {expected}, found none")))
}

/// A flat element from an array of two axes: where it is not 0.
fn support(footprint: &Bound<'_, PyAny>) -> PyResult<Element> {
    let array = match footprint.cast::<PyArrayDyn<bool>>() {
        Ok(array) => array.clone(),
        Err(_) => converted("footprint", footprint, "bool")?.cast_into()?,
    };
    let &[height, width] = array.shape() else {
        return Err(PyValueError::new_err(format!(
            "footprint: expected an array of 2 axes, or a list of pairs (array, times), found {} \
             axes",
            array.ndim()
        )));
    };
    let lent = Lent::new(&array)?;
    let entries = lent.slice().iter().map(|is_in| if *is_in { 0.0 } else { f64::NEG_INFINITY });
    Ok(Element { size: [height, width], channels: 1, entries: entries.collect(), repeats: 1 })
}

/// A structuring function from an array of two axes, or three with channels.
fn function(name: &str, structure: &Bound<'_, PyAny>) -> PyResult<Element> {
    let array = match structure.cast::<PyArrayDyn<f64>>() {
        Ok(array) => array.clone(),
        Err(_) => converted(name, structure, "float64")?.cast_into()?,
    };
    let (size, channels) = match *array.shape() {
        [height, width] => ([height, width], 1),
        [height, width, channels] if channels > 0 => ([height, width], channels),
        _ => {
            return Err(PyValueError::new_err(format!(
                "{name}: expected an array (height, width) or (height, width, channels), found \
                 shape {:?}",
                array.shape()
            )));
        }
    };
    let entries = Lent::new(&array)?.slice().to_vec();
    if let Some(w) = entries.iter().find(|w| w.is_nan() || **w == f64::INFINITY) {
        return Err(PyValueError::new_err(format!(
            "{name}: expected entries that are numbers or -inf, found {w}"
        )));
    }
    Ok(Element { size, channels, entries, repeats: 1 })
}

/// What NumPy makes an array of a type of.
fn converted<'py>(name: &str, any: &Bound<'py, PyAny>, dtype: &str) -> PyResult<Bound<'py, PyAny>> {
    let numpy = any.py().import("numpy")?;
    let array = numpy.call_method1("asarray", (any,))?;
    let kind: String = array.getattr("dtype")?.getattr("kind")?.extract()?;
    if !"buif".contains(&kind) {
        return Err(PyTypeError::new_err(format!(
            "{name}: expected an array of numbers, found {}",
            describe(&array)
        )));
    }
    array.call_method1("astype", (dtype,))
}

/// The array of a generator of structuring elements: 1 on the support, 0 elsewhere.
#[pyfunction]
pub(crate) fn footprint<'py>(
    py: Python<'py>,
    name: &str,
    a: usize,
    b: f64,
) -> PyResult<Bound<'py, PyArray2<u8>>> {
    let whole = b as usize;
    let element = match name {
        "rectangle" => StructuringElement::rectangle(a, whole),
        "disk" => StructuringElement::disk(a),
        "diamond" => StructuringElement::diamond(a),
        "cross" => StructuringElement::cross(a),
        "line" => StructuringElement::line(a, b),
        "octagon" => StructuringElement::octagon(a, whole),
        _ => return Err(PyValueError::new_err(format!("footprint: found no generator {name}"))),
    };
    let element = element.map_err(|error| value_error(&error))?;
    let ([height, width], origin) = (element.size(), element.origin());
    let array = PyArray2::zeros(py, [height, width], false);
    let mut pixels = array.readwrite();
    for ([y, x], _) in element.support() {
        let at = [y + origin[0], x + origin[1]].map(|t| t as usize);
        pixels.as_array_mut()[at] = 1u8;
    }
    drop(pixels);
    Ok(array)
}

/// A structuring element from a footprint, or from a structuring function of float entries.
fn element(name: &str, any: &Bound<'_, PyAny>) -> PyResult<StructuringElement> {
    let drawn = match any.cast::<PyArrayDyn<f64>>() {
        Ok(_) => function(name, any)?,
        Err(_) => support(any)?,
    };
    if drawn.channels != 1 {
        let found = drawn.channels;
        let expected = "an element that all channels share";
        return Err(PyValueError::new_err(format!("{name}: expected {expected}, found {found}")));
    }
    let origin = drawn.size.map(|n| (n as isize - 1) / 2);
    StructuringElement::new(drawn.size, origin, &drawn.entries).map_err(|error| value_error(&error))
}

/// The algebra of structuring elements: `reflected`, `dilated_by`, `eroded_by`, `decomposed`. The
/// results have the smallest odd size around their origin; 0 on the support, -inf off it, or the
/// entries.
#[pyfunction]
pub(crate) fn element_algebra<'py>(
    py: Python<'py>,
    operation: &str,
    a: &Bound<'py, PyAny>,
    b: Option<&Bound<'py, PyAny>>,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let a = element("element", a)?;
    let b = b.map(|b| element("other", b)).transpose()?;
    let missing = || PyTypeError::new_err(format!("{operation}: expected two elements, found one"));
    let results = match operation {
        "reflected" => vec![a.reflected()],
        "decomposed" => a.decompose(),
        "dilated_by" => {
            vec![a.dilated_by(&b.ok_or_else(missing)?).map_err(|error| value_error(&error))?]
        }
        "eroded_by" => vec![a.eroded_by(&b.ok_or_else(missing)?).ok_or_else(|| {
            let expected = "an element that fits into the first one";
            PyValueError::new_err(format!("eroded_by: expected {expected}, found none"))
        })?],
        _ => return Err(PyValueError::new_err(format!("elements: found no {operation}"))),
    };
    results
        .into_iter()
        .map(|element| {
            let kernel = element.kernel::<f64>(1);
            let &[height, width, _] = kernel.shape().dims() else { unreachable!("made so") };
            Ok(to_array(py, kernel, &[height, width])?.into_any())
        })
        .collect()
}
