//! Sets with their projections, on arrays and along axes.
//!
//! The one design choice: Python's classes hold the settings and this file makes the set from the
//! name of the class and its fields, so that a set is one line here and one class there.

use std::fmt;
use std::sync::Arc;

use morphograd_morphology::nn::sets::{
    Affine, Annulus, Bounds, Capabilities, CappedSimplex, Cardinality, Certificate, Constraint,
    FixedMean, FixedSum, Grid, Halfspace, Hyperplane, Intersection, Interval, Isotonic,
    KSparsePolytope, Kind, L1Ball, L2Ball, LInfBall, MaxNorm, Member, MinMaxNorm, NonNegative,
    NonPositive, NuclearBall, OrthonormalColumns, Per, Polyhedron, PositiveSemidefinite, Precision,
    RadialConstraint, Rank, Simplex, SpectralBall, Sphere, UnitNorm,
};
use morphograd_morphology::nn::tensor::{Shape, ShapeError, Tensor};
use morphograd_morphology::{
    Concave, ConstantKernel, PixelDistance, RadiallyNonIncreasing, Separable, StructuringElement,
    SupNormalized, Support, Symmetric, ZeroCentre,
};
use numpy::{Element, PyArrayDyn, PyArrayMethods, PyReadwriteArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::array::{Lent, NUMBERS, shape_of, to_array, with_numbers, wrong_type};
use crate::enforced::Enforced;
use crate::guard::{catch, compute, value_error};

/// A set of any kind, which may be shared.
#[derive(Clone)]
pub(crate) struct Shared(Arc<dyn Member>);

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A set is handed on as it is, in both precisions.
impl<T: Precision> Constraint<T> for Shared {
    fn project(&self, shape: Shape, value: &mut [T]) {
        T::view(&*self.0).project(shape, value);
    }

    fn violation(&self, shape: Shape, value: &[T]) -> f64 {
        T::view(&*self.0).violation(shape, value)
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        T::view(&*self.0).accepts(shape)
    }

    fn kind(&self) -> Kind {
        T::view(&*self.0).kind()
    }

    fn formula(&self) -> &'static str {
        T::view(&*self.0).formula()
    }

    fn capabilities(&self, shape: Shape) -> Capabilities {
        T::view(&*self.0).capabilities(shape)
    }

    fn project_in_metric(&self, shape: Shape, metric: &[T], value: &mut [T]) {
        T::view(&*self.0).project_in_metric(shape, metric, value);
    }

    fn project_tangent(&self, shape: Shape, at: &[T], direction: &mut [T]) {
        T::view(&*self.0).project_tangent(shape, at, direction);
    }

    fn minimize_linear(&self, shape: Shape, gradient: &[T], vertex: &mut [T]) {
        T::view(&*self.0).minimize_linear(shape, gradient, vertex);
    }

    fn project_vjp(&self, shape: Shape, at: &[T], projected: &[T], gradient: &mut [T]) {
        T::view(&*self.0).project_vjp(shape, at, projected, gradient);
    }

    fn greatest_below(&self, shape: Shape, upper: &mut [T]) -> bool {
        T::view(&*self.0).greatest_below(shape, upper)
    }

    fn active(&self, shape: Shape, value: &[T]) -> Option<usize> {
        T::view(&*self.0).active(shape, value)
    }
}

/// A set of arrays.
#[pyclass(frozen, module = "morphograd._morphograd")]
pub(crate) struct Set {
    set: Shared,
    /// The same as an intersection, which alone can prove its projections.
    intersection: Option<Arc<Intersection>>,
    /// The bounds of a set that bounds every number alike.
    bounds: Option<[f64; 2]>,
}

/// The bounds of the sets that have them.
fn bounds(name: &str, fields: &Fields<'_, '_>) -> PyResult<Option<[f64; 2]>> {
    Ok(match name {
        "NonNegative" => Some([0.0, f64::INFINITY]),
        "NonPositive" => Some([f64::NEG_INFINITY, 0.0]),
        "Interval" => Some([fields.number("min")?, fields.number("max")?]),
        _ => None,
    })
}

/// The fields of a set.
struct Fields<'a, 'py>(&'a str, &'a Bound<'py, PyDict>);

impl<'py> Fields<'_, 'py> {
    fn any(&self, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let Self(set, fields) = self;
        let missing =
            || PyTypeError::new_err(format!("{set}: expected the field {name}, found none"));
        fields.get_item(name)?.ok_or_else(missing)
    }

    fn get<V: for<'a> FromPyObject<'a, 'py>>(&self, name: &str, expected: &str) -> PyResult<V> {
        let value = self.any(name)?;
        value.extract().map_err(|_| {
            let found = value.repr().map_or_else(|_| "an object".to_owned(), |r| r.to_string());
            PyTypeError::new_err(format!("{}: expected {name}: {expected}, found {found}", self.0))
        })
    }

    fn number(&self, name: &str) -> PyResult<f64> {
        self.get(name, "a number")
    }

    fn count(&self, name: &str) -> PyResult<usize> {
        self.get(name, "a whole number that is not negative")
    }

    fn numbers(&self, name: &str) -> PyResult<Vec<f64>> {
        self.get(name, "a list of numbers")
    }

    fn axes(&self) -> PyResult<Vec<usize>> {
        self.get("axes", "a list of axes")
    }

    /// An array of `float64`, which the Python side has made.
    fn array(&self, name: &str) -> PyResult<Tensor<f64>> {
        let value = self.any(name)?;
        let array = value
            .cast::<PyArrayDyn<f64>>()
            .map_err(|_| wrong_type(name, "an array of float64", &value))?;
        let (shape, lent) = (shape_of(array.as_untyped())?, Lent::new(array)?);
        Tensor::from_vec(shape, lent.slice().to_vec()).map_err(|error| value_error(&error))
    }

    fn element(&self, name: &str) -> PyResult<StructuringElement> {
        let array = self.array(name)?;
        let &[height, width] = array.shape().dims() else {
            return Err(PyValueError::new_err(format!(
                "{}: expected {name} of two axes, found shape {}",
                self.0,
                array.shape()
            )));
        };
        let size = [height, width];
        let origin = size.map(|n| (n.max(1) as isize - 1) / 2);
        let entries: Vec<f64> =
            array.data().iter().map(|x| if *x == 0.0 { f64::NEG_INFINITY } else { 0.0 }).collect();
        StructuringElement::new(size, origin, &entries).map_err(|error| value_error(&error))
    }

    /// One of some words.
    fn word<V: Copy>(&self, name: &str, words: &[(&str, V)]) -> PyResult<V> {
        let found: String = self.get(name, "a string")?;
        words.iter().find(|(word, _)| *word == found).map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            let (set, words) = (self.0, words.join(", "));
            PyValueError::new_err(format!("{set}: expected {name}: one of {words}, found {found}"))
        })
    }
}

/// The table of sets.
fn make(name: &str, fields: &Bound<'_, PyDict>) -> PyResult<Arc<dyn Member>> {
    let f = Fields(name, fields);
    let of = |error: ShapeError| value_error(&error);
    Ok(match name {
        "NonNegative" => Arc::new(NonNegative),
        "NonPositive" => Arc::new(NonPositive),
        "Interval" => Arc::new(Interval { min: f.number("min")?, max: f.number("max")? }),
        "Bounds" => Arc::new(Bounds { min: f.array("min")?, max: f.array("max")? }),
        "Grid" => Arc::new(Grid {
            origin: f.number("origin")?,
            step: f.number("step")?,
            min: f.number("min")?,
            max: f.number("max")?,
        }),
        "FixedSum" => Arc::new(FixedSum { sum: f.number("sum")? }),
        "FixedMean" => Arc::new(FixedMean { mean: f.number("mean")? }),
        "Hyperplane" => {
            Arc::new(Hyperplane { normal: f.numbers("normal")?, offset: f.number("offset")? })
        }
        "Halfspace" => {
            Arc::new(Halfspace { normal: f.numbers("normal")?, offset: f.number("offset")? })
        }
        "Affine" => Arc::new(Affine::new(&f.array("matrix")?, &f.numbers("values")?).map_err(of)?),
        "Polyhedron" => {
            let (matrix, bounds) = (f.array("matrix")?, f.numbers("bounds")?);
            let &[rows, n] = matrix.shape().dims() else {
                return Err(PyValueError::new_err(format!(
                    "Polyhedron: expected a matrix (inequalities, entries), found shape {}",
                    matrix.shape()
                )));
            };
            if rows != bounds.len() {
                return Err(PyValueError::new_err(format!(
                    "Polyhedron: expected {rows} bounds, found {}",
                    bounds.len()
                )));
            }
            let row = |j: usize| {
                let entries = matrix.data()[j * n..][..n].iter().copied().enumerate();
                (entries.filter(|(_, a)| *a != 0.0).collect(), bounds[j])
            };
            Arc::new(Polyhedron::new(n, (0..rows).map(row)).map_err(of)?)
        }
        "L1Ball" => Arc::new(L1Ball { radius: f.number("radius")? }),
        "KSparsePolytope" => {
            Arc::new(KSparsePolytope { count: f.count("count")?, size: f.number("size")? })
        }
        "L2Ball" => Arc::new(L2Ball { radius: f.number("radius")? }),
        "LInfBall" => Arc::new(LInfBall { radius: f.number("radius")? }),
        "Sphere" => Arc::new(Sphere { radius: f.number("radius")? }),
        "Annulus" => Arc::new(Annulus { min: f.number("min")?, max: f.number("max")? }),
        "Simplex" => Arc::new(Simplex { sum: f.number("sum")? }),
        "CappedSimplex" => Arc::new(CappedSimplex { sum: f.number("sum")?, cap: f.number("cap")? }),
        "Isotonic" => Arc::new(f.word(
            "order",
            &[
                ("non-decreasing", Isotonic::NonDecreasing),
                ("non-increasing", Isotonic::NonIncreasing),
            ],
        )?),
        "Cardinality" => Arc::new(Cardinality { count: f.count("count")? }),
        "Rank" => Arc::new(Rank { rank: f.count("rank")? }),
        "SpectralBall" => Arc::new(SpectralBall { radius: f.number("radius")? }),
        "NuclearBall" => Arc::new(NuclearBall { radius: f.number("radius")? }),
        "PositiveSemidefinite" => Arc::new(PositiveSemidefinite),
        "OrthonormalColumns" => Arc::new(OrthonormalColumns),
        "UnitNorm" => Arc::new(UnitNorm { axes: f.axes()? }),
        "MaxNorm" => Arc::new(MaxNorm { axes: f.axes()?, max: f.number("max")? }),
        "MinMaxNorm" => Arc::new(MinMaxNorm {
            axes: f.axes()?,
            min: f.number("min")?,
            max: f.number("max")?,
            rate: f.number("rate")?,
        }),
        "RadialConstraint" => Arc::new(RadialConstraint),
        "ZeroCentre" => Arc::new(ZeroCentre { min: f.number("min")?, max: f.number("max")? }),
        "Support" => Arc::new(Support {
            element: f.element("footprint")?,
            min: f.number("min")?,
            max: f.number("max")?,
        }),
        "SupNormalized" => Arc::new(SupNormalized),
        "ConstantKernel" if f.any("footprint")?.is_none() => Arc::new(ConstantKernel::default()),
        "ConstantKernel" => Arc::new(ConstantKernel::on(f.element("footprint")?)),
        "Symmetric" => Arc::new(f.word(
            "group",
            &[
                ("central", Symmetric::Central),
                ("left-right", Symmetric::LeftRight),
                ("up-down", Symmetric::UpDown),
                ("axial", Symmetric::Axial),
                ("dihedral", Symmetric::Dihedral),
            ],
        )?),
        "RadiallyNonIncreasing" => Arc::new(RadiallyNonIncreasing {
            distance: f.word(
                "metric",
                &[
                    ("euclidean", PixelDistance::Euclidean),
                    ("taxicab", PixelDistance::Taxicab),
                    ("chessboard", PixelDistance::Chessboard),
                ],
            )?,
        }),
        "Concave" => Arc::new(Concave),
        "Separable" => Arc::new(Separable),
        "Per" => {
            Arc::new(Per::axes(f.axes()?, f.get::<PyRef<'_, Set>>("set", "a set")?.set.clone()))
        }
        _ => return Err(PyValueError::new_err(format!("set: found no set {name}"))),
    })
}

#[pymethods]
impl Set {
    /// The set of a class of `morphograd.sets` with its fields.
    #[new]
    fn new(name: &str, fields: &Bound<'_, PyDict>) -> PyResult<Self> {
        catch(|| {
            if name != "Intersection" {
                let set = Shared(make(name, fields)?);
                let bounds = bounds(name, &Fields(name, fields))?;
                return Ok(Self { set, intersection: None, bounds });
            }
            let fields = Fields(name, fields);
            let members: Vec<PyRef<'_, Self>> = fields.get("sets", "a list of sets")?;
            let mut sets = members.iter().map(|member| member.set.clone());
            let first = sets.next().ok_or_else(|| {
                PyValueError::new_err("Intersection: expected at least one set, found none")
            })?;
            let mut all = sets.fold(Intersection::of(first), Intersection::and);
            all.tolerance = fields.number("tolerance")?;
            all.sweeps = fields.count("sweeps")?;
            let all = Arc::new(all);
            let set = Shared(all.clone());
            Ok(Self { set, intersection: Some(all), bounds: None })
        })
    }

    /// `convex`, `non-convex` or `not a projection`.
    #[getter]
    fn kind(&self) -> &'static str {
        match Constraint::<f64>::kind(&self.set) {
            Kind::Convex => "convex",
            Kind::NonConvex => "non-convex",
            Kind::NotAProjection => "not a projection",
        }
    }

    #[getter]
    fn formula(&self) -> &'static str {
        Constraint::<f64>::formula(&self.set)
    }

    /// What the set knows beside its projection, for arrays of a shape.
    fn capabilities(
        &self,
        shape: Vec<usize>,
        axes: Option<Vec<isize>>,
    ) -> PyResult<Vec<&'static str>> {
        let shape = Shape::new(&shape);
        let set = self.along::<f64>(axes, shape)?;
        let Capabilities { metric, tangent, linear, derivative, greatest } =
            set.capabilities(shape);
        let all = [
            (metric, "metric"),
            (tangent, "tangent"),
            (linear, "linear"),
            (derivative, "derivative"),
            (greatest, "greatest"),
        ];
        Ok(all.into_iter().filter(|(is_there, _)| *is_there).map(|(_, name)| name).collect())
    }

    /// The projection of an array, as a new array or in place.
    fn project<'py>(
        &self,
        array: &Bound<'py, PyAny>,
        axes: Option<Vec<isize>>,
        in_place: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        catch(|| {
            with_numbers!(
                array,
                |x: T| self.project_array::<T>(x, axes, in_place),
                Err(wrong_type("array", NUMBERS, array))
            )
        })
    }

    /// Projects an array in place. Gives its violation then, how many numbers are others than
    /// before, and how far they were moved.
    fn enforce(
        &self,
        array: &Bound<'_, PyAny>,
        axes: Option<Vec<isize>>,
    ) -> PyResult<(f64, usize, f64)> {
        catch(|| {
            with_numbers!(
                array,
                |x: T| {
                    let Enforced { violation, moved, square } = self.enforce_on::<T>(x, axes)?;
                    Ok((violation, moved, square.sqrt()))
                },
                Err(wrong_type("array", NUMBERS, array))
            )
        })
    }

    /// The projection by Dykstra's algorithm with what proves it: violations, gap, distance, sweeps
    /// and whether the tolerance was met.
    #[expect(clippy::type_complexity, reason = "a tuple that Python names")]
    fn project_with_proof<'py>(
        &self,
        array: &Bound<'py, PyAny>,
    ) -> PyResult<(Bound<'py, PyAny>, (Vec<f64>, f64, f64, usize, bool))> {
        let Some(all) = &self.intersection else {
            return Err(PyTypeError::new_err(format!(
                "project_with_proof: expected an Intersection, found {:?}",
                self.set.0
            )));
        };
        catch(|| {
            with_numbers!(
                array,
                |x: T| {
                    let shape = shape_of(x.as_untyped())?;
                    Constraint::<T>::accepts(&**all, shape).map_err(|e| value_error(&e))?;
                    let mut value = Lent::new(x)?.slice().to_vec();
                    let py = x.py();
                    let (value, proof) = compute(py, || {
                        let proof = all.project_with_proof(shape, &mut value);
                        Ok((value, proof))
                    })?;
                    let distance = proof.distance();
                    let Certificate { violations, gap, sweeps, converged } = proof;
                    let tensor = Tensor::from_vec(shape, value).map_err(|e| value_error(&e))?;
                    let array = to_array(py, tensor, x.shape())?.into_any();
                    Ok((array, (violations, gap, distance, sweeps, converged)))
                },
                Err(wrong_type("array", NUMBERS, array))
            )
        })
    }

    /// How far an array is from the set, or with `distance` the Euclidean distance.
    fn violation(
        &self,
        array: &Bound<'_, PyAny>,
        axes: Option<Vec<isize>>,
        distance: bool,
    ) -> PyResult<f64> {
        catch(|| {
            with_numbers!(
                array,
                |x: T| {
                    let shape = shape_of(x.as_untyped())?;
                    let set = self.along::<T>(axes, shape)?;
                    let lent = Lent::new(x)?;
                    let value = lent.slice();
                    compute(x.py(), || {
                        Ok(match distance {
                            true => set.distance(shape, value),
                            false => set.violation(shape, value),
                        })
                    })
                },
                Err(wrong_type("array", NUMBERS, array))
            )
        })
    }

    /// A direction without what leads out of the set at a feasible point (`operation` `tangent`);
    /// the point of the set with the least product with a gradient (`linear`, without a point); the
    /// gradient of the projection of a point (`derivative`).
    fn second<'py>(
        &self,
        operation: &str,
        at: &Bound<'py, PyAny>,
        direction: &Bound<'py, PyAny>,
        axes: Option<Vec<isize>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        catch(|| {
            with_numbers!(
                at,
                |x: T| {
                    let wrong =
                        || wrong_type("direction", &format!("dtype {}", x.dtype()), direction);
                    let direction = direction.cast::<PyArrayDyn<T>>().map_err(|_| wrong())?;
                    self.second_of::<T>(operation, x, direction, axes)
                },
                Err(wrong_type("array", NUMBERS, at))
            )
        })
    }
}

impl Set {
    /// The set of groups along axes, if it accepts the shape.
    pub(crate) fn along<T: Precision>(
        &self,
        axes: Option<Vec<isize>>,
        shape: Shape,
    ) -> PyResult<Arc<dyn Constraint<T>>> {
        let set: Arc<dyn Constraint<T>> = match axes {
            None => Arc::new(self.set.clone()),
            Some(axes) => {
                let rank = shape.rank() as isize;
                let place = |axis: isize| if axis < 0 { axis + rank } else { axis };
                let axes: Vec<usize> = axes
                    .iter()
                    .map(|axis| {
                        usize::try_from(place(*axis)).map_err(|_| {
                            PyValueError::new_err(format!(
                                "axis: expected an axis of {rank}, found {axis}"
                            ))
                        })
                    })
                    .collect::<PyResult<_>>()?;
                Arc::new(Per::axes(axes, self.set.clone()))
            }
        };
        set.accepts(shape).map_err(|error| value_error(&error))?;
        Ok(set)
    }

    fn enforce_on<T: Precision + Element>(
        &self,
        x: &Bound<'_, PyArrayDyn<T>>,
        axes: Option<Vec<isize>>,
    ) -> PyResult<Enforced> {
        let shape = shape_of(x.as_untyped())?;
        let set = self.along::<T>(axes, shape)?;
        let mut writable = writable(x)?;
        let value = writable.as_slice_mut()?;
        compute(x.py(), || {
            if let Some(bounds) = self.bounds {
                return Ok(Enforced::clip(value, bounds.map(T::of)));
            }
            let before = value.to_vec();
            set.project(shape, value);
            let violation = set.violation(shape, value);
            Ok(Enforced { violation, ..Enforced::compare(&before, value) })
        })
    }

    fn project_array<'py, T: Precision + Element>(
        &self,
        x: &Bound<'py, PyArrayDyn<T>>,
        axes: Option<Vec<isize>>,
        in_place: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let shape = shape_of(x.as_untyped())?;
        let set = self.along::<T>(axes, shape)?;
        let py = x.py();
        if in_place {
            let mut writable = writable(x)?;
            let value = writable.as_slice_mut()?;
            compute(py, || {
                set.project(shape, value);
                Ok(())
            })?;
            return Ok(x.clone().into_any());
        }
        let mut value = Lent::new(x)?.slice().to_vec();
        let value = compute(py, || {
            set.project(shape, &mut value);
            Tensor::from_vec(shape, value)
        })?;
        Ok(to_array(py, value, x.shape())?.into_any())
    }

    fn second_of<'py, T: Precision + Element>(
        &self,
        operation: &str,
        at: &Bound<'py, PyArrayDyn<T>>,
        direction: &Bound<'py, PyArrayDyn<T>>,
        axes: Option<Vec<isize>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if at.shape() != direction.shape() {
            return Err(PyValueError::new_err(format!(
                "direction: expected shape {:?}, found {:?}",
                at.shape(),
                direction.shape()
            )));
        }
        let shape = shape_of(at.as_untyped())?;
        let set = self.along::<T>(axes, shape)?;
        let capabilities = set.capabilities(shape);
        let is_there = match operation {
            "tangent" => capabilities.tangent,
            "linear" => capabilities.linear,
            "greatest" => capabilities.greatest,
            _ => capabilities.derivative,
        };
        if !is_there {
            let set = &self.set.0;
            return Err(PyValueError::new_err(format!(
                "{operation}: expected a set that states it in capabilities(), found {set:?}"
            )));
        }
        let py = at.py();
        let (at, d) = (Lent::new(at)?, Lent::new(direction)?);
        let (at, d) = (at.slice(), d.slice());
        let result = compute(py, || {
            let mut result = d.to_vec();
            match operation {
                "tangent" => set.project_tangent(shape, at, &mut result),
                "linear" => set.minimize_linear(shape, d, &mut result),
                "greatest" => {
                    if !set.greatest_below(shape, &mut result) {
                        let expected = "a bound with a point of the set below";
                        return Err(ShapeError::new("greatest_below", expected, "one without"));
                    }
                }
                _ => {
                    let mut projected = at.to_vec();
                    set.project(shape, &mut projected);
                    set.project_vjp(shape, at, &projected, &mut result);
                }
            }
            Tensor::from_vec(shape, result)
        })?;
        Ok(to_array(py, result, direction.shape())?.into_any())
    }
}

/// An array that is written in place.
///
/// # Errors
/// If it cannot be written, or is not C-contiguous.
fn writable<'py, T: Element>(
    x: &Bound<'py, PyArrayDyn<T>>,
) -> PyResult<PyReadwriteArrayDyn<'py, T>> {
    if !x.is_c_contiguous() {
        return Err(PyValueError::new_err("out: expected a C-contiguous array, found strides"));
    }
    x.try_readwrite().map_err(|error| {
        PyValueError::new_err(format!("out: expected an array that can be written, {error}"))
    })
}
