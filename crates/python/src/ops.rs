//! Differentiable operations: forward gives the value and what the backward pass needs.
//!
//! The one design choice: an operation of the engine is driven directly, without a tape, on the
//! arrays as they lie. What it saved stays in Rust, unless a framework asks for it as arrays.

use std::ops::Deref;

use morphograd_morphology::connected::{AreaOpening, GeodesicDilation, Leveling, Reconstruction};
use morphograd_morphology::max_plus_dense::{MaxPlusProduct, MinPlusProduct};
use morphograd_morphology::nn::autodiff::{
    self, Backward, Forward, MAX_INPUTS, Op, SavedRef, Ties,
};
use morphograd_morphology::nn::tensor::{Padding, Real, Shape, Tensor, TensorRef, Window2d};
use morphograd_morphology::operators::toggle::Toggle;
use morphograd_morphology::{
    Border, Connectivity, Depthwise2d, FilterBank2d, MaxPlus, MinMinus, Neighbourhood2d, Parabolic,
    alpha_softmax_op, counter_harmonic_op, smooth_dilation_op, smooth_erosion_op,
};
use numpy::{
    Element, IntoPyArray, PyArray1, PyArrayDyn, PyArrayMethods, PyReadonlyArray1,
    PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::array::{NUMBERS, shape_of, to_array, with_numbers, wrong_type};
use crate::guard::{catch, compute, room, value_error};
use crate::strided::Ordered;

/// The settings of all operations; each takes what it knows.
#[derive(FromPyObject)]
pub(crate) struct Settings {
    strides: [usize; 2],
    rates: [usize; 2],
    padding: String,
    mode: String,
    cval: f64,
    ties: String,
    connectivity: usize,
    area: usize,
    scale: f64,
    steps: usize,
}

fn word<V: Copy>(name: &str, found: &str, words: &[(&str, V)]) -> PyResult<V> {
    words.iter().find(|(word, _)| *word == found).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        PyValueError::new_err(format!(
            "{name}: expected one of {}, found {found}",
            words.join(", ")
        ))
    })
}

impl Settings {
    fn ties(&self) -> PyResult<Ties> {
        let words = [("first", Ties::First), ("last", Ties::Last), ("split", Ties::Split)];
        word("ties", &self.ties, &words)
    }

    fn connectivity(&self) -> PyResult<Connectivity> {
        let words = [("1", Connectivity::Four), ("2", Connectivity::Eight)];
        word("connectivity", &self.connectivity.to_string(), &words)
    }

    fn scan(&self, kernel: Shape) -> PyResult<Neighbourhood2d> {
        let size = match *kernel.dims() {
            [height, width, ..] => [height, width],
            _ => [0; 2], // refused where shapes are
        };
        let paddings = [
            ("valid", Padding::Valid),
            ("same", Padding::Same),
            ("same-mirrored", Padding::SameMirrored),
        ];
        let borders = [
            ("ignore", Border::Infinity),
            ("reflect", Border::Reflect),
            ("constant", Border::Constant(self.cval)),
            ("nearest", Border::Replicate),
            ("mirror", Border::Mirror),
            ("wrap", Border::Periodic),
        ];
        let padding = word("padding", &self.padding, &paddings)?;
        let window = Window2d::new(size).strides(self.strides).rates(self.rates).padding(padding);
        Ok(Neighbourhood2d {
            window,
            border: word("mode", &self.mode, &borders)?,
            ties: self.ties()?,
        })
    }
}

/// The table of operations.
fn operation<T: Real>(name: &str, shapes: &[Shape], s: &Settings) -> PyResult<Box<dyn Op<T>>> {
    let kernel = shapes.get(1).copied().unwrap_or(Shape::scalar());
    let op: Box<dyn Op<T>> = match name {
        "dilation" | "erosion" => {
            let scan = s.scan(kernel)?;
            let adjoint = Neighbourhood2d { window: scan.window.adjoint(), ..scan };
            match (name, kernel.rank()) {
                ("dilation", 3) => Box::new(Depthwise2d::<MaxPlus>::new(scan)),
                ("dilation", _) => Box::new(FilterBank2d::<MaxPlus>::new(scan)),
                (_, 3) => Box::new(Depthwise2d::<MinMinus>::new(adjoint)),
                (_, _) => Box::new(FilterBank2d::<MinMinus>::new(adjoint)),
            }
        }
        "smooth_dilation" => Box::new(smooth_dilation_op(s.scan(kernel)?.window)),
        "smooth_erosion" => Box::new(smooth_erosion_op(s.scan(kernel)?.window)),
        "alpha_softmax" => Box::new(alpha_softmax_op(s.scan(kernel)?.window)),
        "counter_harmonic" => Box::new(counter_harmonic_op(s.scan(kernel)?.window)),
        "parabolic_dilation" => Box::new(Parabolic::<MaxPlus>::new(s.scale)),
        "parabolic_erosion" => Box::new(Parabolic::<MinMinus>::new(s.scale)),
        "toggle" => Box::new(Toggle),
        "reconstruction" => {
            Box::new(Reconstruction { connectivity: s.connectivity()?, ties: s.ties()? })
        }
        "geodesic_dilation" => Box::new(GeodesicDilation {
            steps: s.steps,
            connectivity: s.connectivity()?,
            ties: s.ties()?,
        }),
        "leveling" => Box::new(Leveling { connectivity: s.connectivity()?, ties: s.ties()? }),
        "area_opening" => {
            Box::new(AreaOpening { area: s.area, connectivity: s.connectivity()?, ties: s.ties()? })
        }
        "max_plus" => Box::new(MaxPlusProduct { ties: s.ties()? }),
        "min_plus" => Box::new(MinPlusProduct { ties: s.ties()? }),
        _ => return Err(PyValueError::new_err(format!("operation: found no operation {name}"))),
    };
    if op.arity().contains(&shapes.len()) {
        return Ok(op);
    }
    Err(PyTypeError::new_err(format!(
        "{name}: expected {} arrays, found {}",
        op.arity().end(),
        shapes.len()
    )))
}

/// What a forward pass leaves for its backward pass.
struct State<T: Element> {
    operation: Box<dyn Op<T>>,
    saved: autodiff::Saved<T>,
    inputs: Vec<Py<PyArrayDyn<T>>>,
    output: Py<PyArrayDyn<T>>,
}

/// In either precision.
enum Either {
    Single(State<f32>),
    Double(State<f64>),
}

/// A type of numbers with its own case of [`Either`].
trait Number: Real + Element + Default {
    fn wrap(state: State<Self>) -> Either;
}

impl Number for f32 {
    fn wrap(state: State<Self>) -> Either {
        Either::Single(state)
    }
}

impl Number for f64 {
    fn wrap(state: State<Self>) -> Either {
        Either::Double(state)
    }
}

/// What a forward pass saved for the backward pass. It refers to the inputs, which must not change
/// before.
#[pyclass(frozen, module = "morphograd._morphograd")]
pub(crate) struct Saved(Either);

/// Does something in the type of the first input.
macro_rules! with_first {
    ($name:expr, $inputs:expr, |$t:ident| $body:expr) => {{
        let Some(first) = $inputs.first() else {
            return Err(PyTypeError::new_err(format!("{}: expected arrays, found none", $name)));
        };
        with_numbers!(
            first,
            |x: $t| {
                let _ = x;
                $body
            },
            Err(wrong_type($name, NUMBERS, first))
        )
    }};
}

/// The value of an operation, and if asked for what its backward pass needs.
#[pyfunction]
pub(crate) fn forward<'py>(
    name: &str,
    inputs: Vec<Bound<'py, PyAny>>,
    settings: Settings,
    needs_grad: bool,
) -> PyResult<(Bound<'py, PyAny>, Option<Saved>)> {
    catch(|| {
        with_first!(name, inputs, |T| {
            let arrays = arrays::<T>(name, &inputs)?;
            let Computed { operation, output, saved } =
                forward_of::<T>(name, &arrays, &settings, needs_grad)?;
            if !needs_grad {
                return Ok((output.into_any(), None));
            }
            let inputs = arrays.into_iter().map(|x| x.clone().unbind()).collect();
            let state = State { operation, saved, inputs, output: output.clone().unbind() };
            Ok((output.into_any(), Some(Saved(T::wrap(state)))))
        })
    })
}

/// The inputs of an operation, all of one type.
fn arrays<'a, 'py, T: Element>(
    name: &str,
    inputs: &'a [Bound<'py, PyAny>],
) -> PyResult<Vec<&'a Bound<'py, PyArrayDyn<T>>>> {
    let dtype = numpy::dtype::<T>(inputs[0].py());
    let wrong = |x| wrong_type(name, &format!("arrays of one dtype, {dtype}"), x);
    inputs.iter().map(|x| x.cast::<PyArrayDyn<T>>().map_err(|_| wrong(x))).collect()
}

fn shapes<T: Element>(arrays: &[&Bound<'_, PyArrayDyn<T>>]) -> PyResult<Vec<Shape>> {
    arrays.iter().map(|x| shape_of(x.as_untyped())).collect()
}

/// Arrays in order as tensors, in an array that has room for the inputs of any operation. Of an
/// operation that reads no input there are shapes only.
struct Views<'a, T>([TensorRef<'a, T>; MAX_INPUTS], usize);

impl<'a, T: Number> Views<'a, T> {
    fn new(ordered: &'a [Ordered<'_, T>], shapes: &[Shape]) -> Self {
        let mut views = [TensorRef { shape: Shape::new(&[0]), data: &[][..] }; MAX_INPUTS];
        for (k, (view, shape)) in views.iter_mut().zip(shapes).enumerate() {
            view.shape = *shape;
            view.data = ordered.get(k).map_or(&[], Ordered::slice);
        }
        Self(views, shapes.len().min(MAX_INPUTS))
    }
}

impl<'a, T> Deref for Views<'a, T> {
    type Target = [TensorRef<'a, T>];

    fn deref(&self) -> &Self::Target {
        &self.0[..self.1]
    }
}

/// What a forward pass gives.
struct Computed<'py, T: Element> {
    operation: Box<dyn Op<T>>,
    output: Bound<'py, PyArrayDyn<T>>,
    saved: autodiff::Saved<T>,
}

fn forward_of<'py, T: Number>(
    name: &str,
    arrays: &[&Bound<'py, PyArrayDyn<T>>],
    settings: &Settings,
    needs_grad: bool,
) -> PyResult<Computed<'py, T>> {
    let py = arrays[0].py();
    let shapes = shapes(arrays)?;
    let operation = operation::<T>(name, &shapes, settings)?;
    let shape = operation.infer(&shapes).and_then(|shape| shape.countable(operation.name()));
    let shape = shape.map_err(|error| value_error(&error))?;
    room::<T>(name, shape.len())?;
    let ordered: Vec<_> = arrays.iter().map(|x| Ordered::new(x)).collect::<PyResult<_>>()?;
    let views = Views::new(&ordered, &shapes);
    let (output, saved) = compute(py, || {
        let mut saved = autodiff::Saved::default();
        let mut output = vec![T::zero(); shape.len()];
        operation.forward(Forward {
            inputs: &views,
            shape,
            output: &mut output,
            saved: &mut saved,
            scratch: &mut Vec::new(),
            needs_grad,
        });
        Ok((Tensor::from_vec(shape, output)?, saved))
    })?;
    let output = to_array(py, output, shape.dims())?;
    Ok(Computed { operation, output, saved })
}

/// The gradients of the inputs that are asked for.
type Gradients<'py> = Vec<Option<Bound<'py, PyAny>>>;

/// What a backward pass begins with.
struct Given<'a, 'py, T: Element> {
    arrays: &'a [&'a Bound<'py, PyArrayDyn<T>>],
    /// Whether the operation looks at the numbers of its inputs, and not at their shapes only.
    reads_inputs: bool,
    output: &'a Bound<'py, PyArrayDyn<T>>,
    saved: SavedRef<'a, T>,
}

fn backward_of<'py, T: Number>(
    operation: &dyn Op<T>,
    given: Given<'_, 'py, T>,
    gradient: &Bound<'py, PyArrayDyn<T>>,
    needed: &[bool],
) -> PyResult<Gradients<'py>> {
    let Given { arrays, reads_inputs, output, saved } = given;
    let py = gradient.py();
    if gradient.shape() != output.shape() || needed.len() != arrays.len() {
        return Err(PyValueError::new_err(format!(
            "gradient: expected the output's shape {:?} and {} inputs, found {:?} and {}",
            output.shape(),
            arrays.len(),
            gradient.shape(),
            needed.len()
        )));
    }
    let shapes = shapes(arrays)?;
    let read = if reads_inputs { arrays } else { &[] };
    let ordered: Vec<_> = read.iter().map(|x| Ordered::new(x)).collect::<PyResult<_>>()?;
    let views = Views::new(&ordered, &shapes);
    let output_shape = shape_of(output.as_untyped())?;
    let gradient = Ordered::new(gradient)?;
    let output = Ordered::new(output)?;
    let (y, dy) = (output.slice(), gradient.slice());
    let gradients: Vec<Option<Tensor<T>>> = compute(py, || {
        let zeros = |k: usize| needed[k].then(|| vec![T::zero(); shapes[k].len()]);
        let mut buffers: Vec<Option<Vec<T>>> = (0..shapes.len()).map(zeros).collect();
        let mut slots = [const { None }; MAX_INPUTS];
        for (slot, buffer) in slots.iter_mut().zip(&mut buffers) {
            *slot = buffer.as_deref_mut();
        }
        operation.backward(Backward {
            inputs: &views,
            output: TensorRef::new(output_shape, y),
            grad_output: dy,
            saved,
            scratch: &mut Vec::new(),
            grad_inputs: slots,
        });
        let tensor = |(k, buffer): (usize, Option<Vec<T>>)| {
            buffer.map(|data| Tensor::from_vec(shapes[k], data)).transpose()
        };
        buffers.into_iter().enumerate().map(tensor).collect::<Result<Vec<_>, _>>()
    })?;
    let array = |gradient: Option<Tensor<T>>| {
        let array = gradient.map(|gradient| {
            let shape = gradient.shape();
            to_array(py, gradient, shape.dims()).map(Bound::into_any)
        });
        array.transpose()
    };
    gradients.into_iter().map(array).collect()
}

fn typed<'a, 'py, T: Element>(
    gradient: &'a Bound<'py, PyAny>,
) -> PyResult<&'a Bound<'py, PyArrayDyn<T>>> {
    let dtype = numpy::dtype::<T>(gradient.py());
    gradient
        .cast::<PyArrayDyn<T>>()
        .map_err(|_| wrong_type("gradient", &format!("an array of dtype {dtype}"), gradient))
}

#[pymethods]
impl Saved {
    /// The gradients of the inputs, `None` where `needed` is false.
    fn backward<'py>(
        &self,
        gradient: &Bound<'py, PyAny>,
        needed: Vec<bool>,
    ) -> PyResult<Gradients<'py>> {
        fn of<'py, T: Number>(
            state: &State<T>,
            gradient: &Bound<'py, PyAny>,
            needed: &[bool],
        ) -> PyResult<Gradients<'py>> {
            let py = gradient.py();
            let arrays: Vec<_> = state.inputs.iter().map(|x| x.bind(py)).collect();
            let output = state.output.bind(py);
            let saved = state.saved.view();
            let given = Given { arrays: &arrays, reads_inputs: true, output, saved };
            backward_of(&*state.operation, given, typed(gradient)?, needed)
        }
        catch(|| match &self.0 {
            Either::Single(state) => of(state, gradient, &needed),
            Either::Double(state) => of(state, gradient, &needed),
        })
    }
}

/// What a forward pass saved, as arrays: codes, positions, numbers.
type Arrays<'py> = (Bound<'py, PyArray1<u16>>, Bound<'py, PyArray1<u32>>, Bound<'py, PyAny>);

/// As `forward`, with what it saved as arrays, of no elements unless asked for.
#[pyfunction]
pub(crate) fn forward_arrays<'py>(
    py: Python<'py>,
    name: &str,
    inputs: Vec<Bound<'py, PyAny>>,
    settings: Settings,
    needs_grad: bool,
) -> PyResult<(Bound<'py, PyAny>, Arrays<'py>)> {
    catch(|| {
        with_first!(name, inputs, |T| {
            let arrays = arrays::<T>(name, &inputs)?;
            let Computed { output, mut saved, .. } =
                forward_of::<T>(name, &arrays, &settings, needs_grad)?;
            if !needs_grad {
                saved = autodiff::Saved::default();
            } else if is_filter(name) {
                saved.values = Vec::new(); // what only the forward pass looked at
            }
            let autodiff::Saved { values, indices, codes } = saved;
            let values = values.into_pyarray(py).into_any();
            let arrays = (codes.into_pyarray(py), indices.into_pyarray(py), values);
            Ok((output.into_any(), arrays))
        })
    })
}

/// Whether the operation is a dilation or an erosion, whose backward pass looks at nothing but what
/// was saved if the winners are there.
fn is_filter(name: &str) -> bool {
    matches!(name, "dilation" | "erosion")
}

/// What `backward_arrays` takes of what `forward_arrays` saved.
type Lent<'py> = (PyReadonlyArray1<'py, u16>, PyReadonlyArray1<'py, u32>, Bound<'py, PyAny>);

/// The gradients from what `forward_arrays` gave. Some operations look at their output.
#[pyfunction]
pub(crate) fn backward_arrays<'py>(
    name: &str,
    inputs: Vec<Bound<'py, PyAny>>,
    settings: Settings,
    saved: Lent<'py>,
    output: Option<Bound<'py, PyAny>>,
    gradient: &Bound<'py, PyAny>,
    needed: Vec<bool>,
) -> PyResult<Gradients<'py>> {
    catch(|| {
        with_first!(name, inputs, |T| {
            let arrays = arrays::<T>(name, &inputs)?;
            let operation = operation::<T>(name, &shapes(&arrays)?, &settings)?;
            let shape = operation.infer(&shapes(&arrays)?).map_err(|error| value_error(&error))?;
            let gradient = typed::<T>(gradient)?;
            if shape.dims() != gradient.shape() {
                return Err(PyValueError::new_err(format!(
                    "gradient: expected shape {shape}, found {:?}",
                    gradient.shape()
                )));
            }
            let values = typed::<T>(&saved.2)?.try_readonly().map_err(|error| {
                PyValueError::new_err(format!("saved: expected arrays at rest, found {error}"))
            })?;
            let saved = SavedRef {
                codes: saved.0.as_slice()?,
                indices: saved.1.as_slice()?,
                values: values.as_slice()?,
            };
            // An operation that does not look at its output gets the gradient instead.
            let output = output.as_ref().map(typed::<T>).transpose()?.unwrap_or(gradient);
            let reads_inputs = !is_filter(name) || saved.codes.is_empty();
            let given = Given { arrays: &arrays, reads_inputs, output, saved };
            backward_of(&*operation, given, gradient, &needed)
        })
    })
}
