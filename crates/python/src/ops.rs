//! Differentiable operations: forward gives the value and what the backward pass needs.
//!
//! The one design choice: an operation of the engine is driven directly, without a tape, on the
//! arrays as they lie. What it saved stays in Rust, unless a framework asks for it as arrays.

use std::ops::Deref;

use morphograd_morphology::connected::{AreaOpening, Leveling, Reconstruction};
use morphograd_morphology::max_plus_dense::{MaxPlusProduct, MinPlusProduct};
use morphograd_morphology::nn::autodiff::{
    self, Backward, Forward, Graph, MAX_INPUTS, Op, Ties, Var, evaluate, evaluate_with_gradients,
};
use morphograd_morphology::nn::tensor::{
    Padding, Real, Shape, ShapeError, Tensor, TensorRef, Window2d,
};
use morphograd_morphology::operators::toggle::Toggle;
use morphograd_morphology::{
    Border, Connectivity, Depthwise2d, FilterBank2d, MaxPlus, MinMinus, Neighbourhood2d,
    smooth_dilation2d, smooth_erosion2d,
};
use numpy::{
    Element, IntoPyArray, PyArray1, PyArrayDyn, PyArrayMethods, PyReadonlyArray1,
    PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::array::{Lent, NUMBERS, shape_of, to_array, with_numbers, wrong_type};
use crate::guard::{catch, compute, room, value_error};

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

/// A composed operator on image, kernel and sharpness.
type Composed<T> = fn(&mut Graph<'_, T>, [Var; 3], Window2d) -> Result<Var, ShapeError>;

/// An operation with its settings.
enum Operation<T> {
    /// One of the engine's.
    Single(Box<dyn Op<T>>),
    /// One that is recorded anew for the backward pass.
    Recorded(Composed<T>, Window2d),
}

/// The table of operations.
fn operation<T: Real>(name: &str, shapes: &[Shape], s: &Settings) -> PyResult<Operation<T>> {
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
        "smooth_dilation" => {
            let apply: Composed<T> = |g, [x, w, b], window| smooth_dilation2d(g, x, w, b, window);
            return Ok(Operation::Recorded(apply, s.scan(kernel)?.window));
        }
        "smooth_erosion" => {
            let apply: Composed<T> = |g, [x, w, b], window| smooth_erosion2d(g, x, w, b, window);
            return Ok(Operation::Recorded(apply, s.scan(kernel)?.window));
        }
        "toggle" => Box::new(Toggle),
        "reconstruction" => {
            Box::new(Reconstruction { connectivity: s.connectivity()?, ties: s.ties()? })
        }
        "leveling" => Box::new(Leveling { connectivity: s.connectivity()?, ties: s.ties()? }),
        "area_opening" => {
            Box::new(AreaOpening { area: s.area, connectivity: s.connectivity()?, ties: s.ties()? })
        }
        "max_plus" => Box::new(MaxPlusProduct { ties: s.ties()? }),
        "min_plus" => Box::new(MinPlusProduct { ties: s.ties()? }),
        _ => return Err(PyValueError::new_err(format!("operation: found no operation {name}"))),
    };
    if op.arity().contains(&shapes.len()) {
        return Ok(Operation::Single(op));
    }
    Err(PyTypeError::new_err(format!(
        "{name}: expected {} arrays, found {}",
        op.arity().end(),
        shapes.len()
    )))
}

/// What a forward pass leaves for its backward pass.
struct State<T: Element> {
    operation: Operation<T>,
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
trait Number: Real + Element {
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

/// The result of `forward`.
type Result2<'py> = (Bound<'py, PyAny>, Option<Saved>);

/// The value of an operation, and if asked for what its backward pass needs.
#[pyfunction]
pub(crate) fn forward<'py>(
    name: &str,
    inputs: Vec<Bound<'py, PyAny>>,
    settings: Settings,
    needs_grad: bool,
) -> PyResult<Result2<'py>> {
    let Some(first) = inputs.first() else {
        return Err(PyTypeError::new_err(format!("{name}: expected arrays, found none")));
    };
    catch(|| {
        with_numbers!(
            first,
            |x: T| {
                let _ = x;
                forward_of::<T>(name, &inputs, &settings, needs_grad)
            },
            Err(wrong_type(name, NUMBERS, first))
        )
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

/// Lent arrays as tensors, in an array that has room for the inputs of any operation.
struct Views<'a, T>([TensorRef<'a, T>; MAX_INPUTS], usize);

impl<'a, T: Real + Element> Views<'a, T> {
    fn new(lent: &'a [Lent<'_, T>], shapes: &[Shape]) -> Self {
        let mut views = [TensorRef { shape: Shape::new(&[0]), data: &[][..] }; MAX_INPUTS];
        for ((view, lent), shape) in views.iter_mut().zip(lent).zip(shapes) {
            *view = TensorRef::new(*shape, lent.slice());
        }
        Self(views, lent.len().min(MAX_INPUTS))
    }
}

impl<'a, T> Deref for Views<'a, T> {
    type Target = [TensorRef<'a, T>];

    fn deref(&self) -> &Self::Target {
        &self.0[..self.1]
    }
}

fn forward_of<'py, T: Number>(
    name: &str,
    inputs: &[Bound<'py, PyAny>],
    settings: &Settings,
    needs_grad: bool,
) -> PyResult<Result2<'py>> {
    let py = inputs[0].py();
    let arrays = arrays::<T>(name, inputs)?;
    let shapes: Vec<Shape> =
        arrays.iter().map(|x| shape_of(x.as_untyped())).collect::<PyResult<_>>()?;
    let operation = operation::<T>(name, &shapes, settings)?;
    let lent: Vec<Lent<'_, T>> = arrays.iter().map(|x| Lent::new(x)).collect::<PyResult<_>>()?;
    let views = Views::new(&lent, &shapes);
    let (output, saved) = match &operation {
        Operation::Single(op) => {
            let shape = op.infer(&shapes).and_then(|shape| shape.countable(op.name()));
            let shape = shape.map_err(|error| value_error(&error))?;
            room::<T>(name, shape.len())?;
            compute(py, || {
                let mut saved = autodiff::Saved::default();
                let mut output = vec![T::zero(); shape.len()];
                op.forward(Forward {
                    inputs: &views,
                    shape,
                    output: &mut output,
                    saved: &mut saved,
                    scratch: &mut Vec::new(),
                    needs_grad,
                });
                Ok((Tensor::from_vec(shape, output)?, saved))
            })?
        }
        Operation::Recorded(apply, window) => {
            let inputs = three(name, &views)?;
            let work = || evaluate(inputs, |g, vars| apply(g, vars, *window));
            (compute(py, work)?, autodiff::Saved::default())
        }
    };
    let shape = output.shape();
    let output = to_array(py, output, shape.dims())?;
    if !needs_grad {
        return Ok((output.into_any(), None));
    }
    let inputs = arrays.into_iter().map(|x| x.clone().unbind()).collect();
    let state = State { operation, saved, inputs, output: output.clone().unbind() };
    Ok((output.into_any(), Some(Saved(T::wrap(state)))))
}

fn three<'a, T>(name: &str, views: &[TensorRef<'a, T>]) -> PyResult<[TensorRef<'a, T>; 3]>
where
    TensorRef<'a, T>: Copy,
{
    views.try_into().map_err(|_| {
        PyTypeError::new_err(format!("{name}: expected 3 arrays, found {}", views.len()))
    })
}

/// The gradients of the inputs that are asked for.
type Gradients<'py> = Vec<Option<Bound<'py, PyAny>>>;

fn backward_of<'py, T: Number>(
    state: &State<T>,
    gradient: &Bound<'py, PyAny>,
    needed: &[bool],
) -> PyResult<Gradients<'py>> {
    let py = gradient.py();
    let output = state.output.bind(py);
    let gradient = gradient.cast::<PyArrayDyn<T>>().map_err(|_| {
        wrong_type("gradient", &format!("an array of dtype {}", output.dtype()), gradient)
    })?;
    if gradient.shape() != output.shape() || needed.len() != state.inputs.len() {
        return Err(PyValueError::new_err(format!(
            "gradient: expected the output's shape {:?} and {} inputs, found {:?} and {}",
            output.shape(),
            state.inputs.len(),
            gradient.shape(),
            needed.len()
        )));
    }
    let arrays: Vec<_> = state.inputs.iter().map(|x| x.bind(py)).collect();
    let shapes: Vec<Shape> =
        arrays.iter().map(|x| shape_of(x.as_untyped())).collect::<PyResult<_>>()?;
    let lent: Vec<Lent<'_, T>> = arrays.iter().map(|x| Lent::new(x)).collect::<PyResult<_>>()?;
    let views = Views::new(&lent, &shapes);
    let (output_shape, output) = (shape_of(output.as_untyped())?, Lent::new(output)?);
    let gradient = Lent::new(gradient)?;
    let (y, dy) = (output.slice(), gradient.slice());
    let gradients = match &state.operation {
        Operation::Single(op) => compute(py, || {
            let zeros = |k: usize| needed[k].then(|| vec![T::zero(); shapes[k].len()]);
            let mut buffers: Vec<Option<Vec<T>>> = (0..shapes.len()).map(zeros).collect();
            let mut slots = [const { None }; MAX_INPUTS];
            for (slot, buffer) in slots.iter_mut().zip(&mut buffers) {
                *slot = buffer.as_deref_mut();
            }
            op.backward(Backward {
                inputs: &views,
                output: TensorRef::new(output_shape, y),
                grad_output: dy,
                saved: &state.saved,
                scratch: &mut Vec::new(),
                grad_inputs: slots,
            });
            let tensor = |(k, buffer): (usize, Option<Vec<T>>)| {
                buffer.map(|data| Tensor::from_vec(shapes[k], data)).transpose()
            };
            buffers.into_iter().enumerate().map(tensor).collect::<Result<Vec<_>, _>>()
        })?,
        Operation::Recorded(apply, window) => {
            let inputs = three("gradient", &views)?;
            let work = || evaluate_with_gradients(inputs, dy, |g, vars| apply(g, vars, *window));
            let (_, gradients) = compute(py, work)?;
            gradients.into_iter().zip(needed).map(|(g, is_needed)| is_needed.then_some(g)).collect()
        }
    };
    let array = |gradient: Option<Tensor<T>>| {
        let array = gradient.map(|gradient| {
            let shape = gradient.shape();
            to_array(py, gradient, shape.dims()).map(Bound::into_any)
        });
        array.transpose()
    };
    gradients.into_iter().map(array).collect()
}

/// What a dilation saved, as arrays: the winners, and the offsets of the taps.
type Arrays<'py> = (Bound<'py, PyArray1<u16>>, Bound<'py, PyArray1<u32>>);

#[pymethods]
impl Saved {
    /// The gradients of the inputs, `None` where `needed` is false.
    fn backward<'py>(
        &self,
        gradient: &Bound<'py, PyAny>,
        needed: Vec<bool>,
    ) -> PyResult<Gradients<'py>> {
        catch(|| match &self.0 {
            Either::Single(state) => backward_of(state, gradient, &needed),
            Either::Double(state) => backward_of(state, gradient, &needed),
        })
    }
}

/// As `forward` for a dilation or an erosion, with what it saved as arrays.
#[pyfunction]
pub(crate) fn forward_arrays<'py>(
    py: Python<'py>,
    name: &str,
    inputs: Vec<Bound<'py, PyAny>>,
    settings: Settings,
) -> PyResult<(Bound<'py, PyAny>, Arrays<'py>)> {
    let (output, saved) = forward(name, inputs, settings, true)?;
    let (codes, indices) = match saved.map(|saved| saved.0) {
        Some(Either::Single(State { saved, .. })) => (saved.codes, saved.indices),
        Some(Either::Double(State { saved, .. })) => (saved.codes, saved.indices),
        None => Default::default(),
    };
    Ok((output, (codes.into_pyarray(py), indices.into_pyarray(py))))
}

/// The gradients from what `forward_arrays` gave.
#[pyfunction]
pub(crate) fn backward_arrays<'py>(
    name: &str,
    inputs: Vec<Bound<'py, PyAny>>,
    settings: Settings,
    arrays: (PyReadonlyArray1<'py, u16>, PyReadonlyArray1<'py, u32>),
    gradient: &Bound<'py, PyAny>,
    needed: Vec<bool>,
) -> PyResult<Gradients<'py>> {
    catch(|| {
        with_numbers!(
            gradient,
            |g: T| {
                let bound = self::arrays::<T>(name, &inputs)?;
                let shapes: Vec<Shape> =
                    bound.iter().map(|x| shape_of(x.as_untyped())).collect::<PyResult<_>>()?;
                let operation = operation::<T>(name, &shapes, &settings)?;
                if let Operation::Single(op) = &operation {
                    let shape = op.infer(&shapes).map_err(|error| value_error(&error))?;
                    if shape.dims() != g.shape() {
                        return Err(PyValueError::new_err(format!(
                            "gradient: expected shape {shape}, found {:?}",
                            g.shape()
                        )));
                    }
                }
                let saved = autodiff::Saved {
                    values: Vec::new(),
                    codes: arrays.0.to_vec()?,
                    indices: arrays.1.to_vec()?,
                };
                let inputs = bound.into_iter().map(|x| x.clone().unbind()).collect();
                // Nothing of a dilation's backward pass looks at its output.
                let output = g.clone().unbind();
                backward_of(&State { operation, saved, inputs, output }, g, &needed)
            },
            Err(wrong_type("gradient", NUMBERS, gradient))
        )
    })
}
