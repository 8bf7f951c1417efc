//! Operators on images of any pixel type, without gradients: what `import morphograd` offers.
//!
//! The one design choice: one function for each family, which takes the operator's name; the
//! operators are a table of compositions of `dilate` and `erode`. A footprint lies over the image
//! as it is drawn, for both, as in scikit-image; the second step of an opening or a closing is the
//! adjoint of the first.

use morphograd_morphology::nn::Activation;
use morphograd_morphology::nn::autodiff::{Graph, Sub, Ties, Var};
use morphograd_morphology::nn::tensor::{Real, Shape, ShapeError, Tensor, TensorRef};
use morphograd_morphology::operators::toggle::Toggle;
use morphograd_morphology::pixels::{self, Extremum};
use morphograd_morphology::{
    Border, Connectivity, Neighbourhood2d, Pixel as Level, PixelDistance, dilation2d, erosion2d,
    evaluate, smooth_dilation2d, smooth_erosion2d,
};
use numpy::{PyArrayDyn, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::array::{Lent, PIXELS, Pixel, shape_of, with_pixels, wrong_type};
use crate::elements::{Element, Step, elements};
use crate::flat::{self, Flat};
use crate::guard::{catch, compute, value_error};

/// What lies outside the image: for a dilation, and for an erosion.
#[derive(Clone, Copy)]
pub(crate) struct Outside {
    pub(crate) above: Border,
    pub(crate) below: Border,
}

impl Outside {
    fn new<P: Pixel>(mode: &str, cval: f64) -> PyResult<Self> {
        let border = match mode {
            "ignore" => Border::Infinity,
            "reflect" => Border::Reflect,
            "constant" => Border::Constant(cval),
            "nearest" => Border::Replicate,
            "mirror" => Border::Mirror,
            "wrap" => Border::Periodic,
            "min" => Border::Constant(P::RANGE[0]),
            "max" => Border::Constant(P::RANGE[1]),
            _ => {
                return Err(PyValueError::new_err(format!(
                    "mode: expected one of ignore, reflect, constant, nearest, mirror, wrap, min, \
                     max, found {mode}"
                )));
            }
        };
        // A pixel that cannot win is outside the lattice in the one order only.
        let never = |cannot_win: f64, border| match border {
            Border::Constant(c) if c == cannot_win => Border::Infinity,
            border => border,
        };
        Ok(Self { above: never(f64::NEG_INFINITY, border), below: never(f64::INFINITY, border) })
    }
}

/// One footprint or a sequence of them, with what lies outside the image.
struct Family<T> {
    steps: Vec<Step<T>>,
    outside: Outside,
}

impl<T: Real> Family<T> {
    /// The largest pixel where the element is drawn, or where its mirror image is.
    fn dilate(&self, g: &mut Graph<'_, T>, x: Var, turned: bool) -> Result<Var, ShapeError> {
        self.each(g, x, turned, self.outside.above, |g, x, w, scan| dilation2d(g, x, w, scan))
    }

    /// The smallest pixel there. The erosion of the engine is the adjoint, so it is given the
    /// mirror image.
    fn erode(&self, g: &mut Graph<'_, T>, x: Var, turned: bool) -> Result<Var, ShapeError> {
        self.each(g, x, !turned, self.outside.below, |g, x, w, scan| erosion2d(g, x, w, scan))
    }

    fn each(
        &self,
        g: &mut Graph<'_, T>,
        x: Var,
        turned: bool,
        border: Border,
        operator: impl Fn(&mut Graph<'_, T>, Var, Var, Neighbourhood2d) -> Result<Var, ShapeError>,
    ) -> Result<Var, ShapeError> {
        self.steps.iter().try_fold(x, |mut x, step| {
            let (kernel, window) = step.kernel(turned);
            let scan = Neighbourhood2d { window, border, ties: Ties::default() };
            for _ in 0..step.repeats {
                let kernel = g.input(kernel.view());
                x = operator(g, x, kernel, scan)?;
            }
            Ok(x)
        })
    }

    fn open(&self, g: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let eroded = self.erode(g, x, false)?;
        self.dilate(g, eroded, true)
    }

    fn close(&self, g: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let dilated = self.dilate(g, x, false)?;
        self.erode(g, dilated, true)
    }

    fn smooth(&self, g: &mut Graph<'_, T>, x: Var, beta: f64, up: bool) -> Result<Var, ShapeError> {
        self.each(g, x, !up, Border::Infinity, |g, x, w, Neighbourhood2d { window, .. }| {
            let beta = g.scalar(beta);
            if up {
                smooth_dilation2d(g, x, w, beta, window)
            } else {
                smooth_erosion2d(g, x, w, beta, window)
            }
        })
    }
}

/// The table of operators by footprints: `number` is what else they take.
fn apply<T: Real>(
    operator: &str,
    number: f64,
    families: &[Family<T>],
    g: &mut Graph<'_, T>,
    x: Var,
) -> Result<Vec<Var>, ShapeError> {
    let b = &families[0];
    let y = match operator {
        "dilation" => b.dilate(g, x, false),
        "erosion" => b.erode(g, x, false),
        "opening" => b.open(g, x),
        "closing" => b.close(g, x),
        "white_tophat" => b.open(g, x).and_then(|opened| g.apply(Sub, [x, opened])),
        "black_tophat" => b.close(g, x).and_then(|closed| g.apply(Sub, [closed, x])),
        "gradient" => {
            let [above, below] = [b.dilate(g, x, false)?, b.erode(g, x, false)?];
            g.apply(Sub, [above, below])
        }
        "internal_gradient" => b.erode(g, x, false).and_then(|below| g.apply(Sub, [x, below])),
        "external_gradient" => b.dilate(g, x, false).and_then(|above| g.apply(Sub, [above, x])),
        "laplacian" => {
            let [above, below] = [b.dilate(g, x, false)?, b.erode(g, x, false)?];
            let (up, down) = (g.apply(Sub, [above, x])?, g.apply(Sub, [x, below])?);
            g.apply(Sub, [up, down])
        }
        "toggle" => (0..number as usize).try_fold(x, |x, _| {
            let [above, below] = [b.dilate(g, x, false)?, b.erode(g, x, false)?];
            g.apply(Toggle, [x, above, below])
        }),
        "hit_or_miss" => {
            let [low, high] = [b.erode(g, x, false)?, families[1].dilate(g, x, false)?];
            let margin = g.apply(Sub, [low, high])?;
            Activation::Relu.apply(g, margin)
        }
        "alternating_sequential_filter" => families.iter().try_fold(x, |x, b| {
            if number > 0.0 {
                b.open(g, x).and_then(|x| b.close(g, x))
            } else {
                b.close(g, x).and_then(|x| b.open(g, x))
            }
        }),
        "granulometry" => return families.iter().map(|b| b.open(g, x)).collect(),
        "smooth_dilation" => b.smooth(g, x, number, true),
        "smooth_erosion" => b.smooth(g, x, number, false),
        _ => Err(ShapeError::new("operator", "the name of an operator", operator)),
    };
    y.map(|y| vec![y])
}

/// The shape of an image as the engine wants it.
fn image_shape(name: &'static str, shape: Shape) -> Result<Shape, ShapeError> {
    match *shape.dims() {
        [height, width] => Ok([1, height, width, 1].into()),
        [_, _, _, _] => Ok(shape),
        _ => {
            let expected = "an image (height, width) or images (batch, height, width, channels)";
            Err(ShapeError::new(name, expected, format!("shape {shape}")))
        }
    }
}

/// Applies an operator by footprints to an image, or to a batch with channels.
#[pyfunction]
pub(crate) fn operate<'py>(
    operator: &str,
    image: &Bound<'py, PyAny>,
    footprints: Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)>,
    mode: &str,
    cval: f64,
    number: f64,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    catch(|| {
        let families: Vec<_> =
            footprints.iter().map(|(b, w)| elements(b, w)).collect::<PyResult<_>>()?;
        with_pixels!(
            image,
            |array: P| operate_on::<P>(operator, array, &families, mode, cval, number),
            Err(wrong_type("image", PIXELS, image))
        )
    })
}

fn operate_on<'py, P: Pixel>(
    operator: &str,
    image: &Bound<'py, PyArrayDyn<P>>,
    families: &[Vec<Element>],
    mode: &str,
    cval: f64,
    number: f64,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let shape = image_shape("image", shape_of(image.as_untyped())?).map_err(|e| value_error(&e))?;
    let channels = shape.dims()[3];
    let outside = Outside::new::<P>(mode, cval)?;
    if P::WHOLE && !families.iter().flatten().all(Element::is_whole) {
        return Err(PyTypeError::new_err(format!(
            "structure: expected whole numbers for an image of dtype {}, found others; \
             image.astype('float32') takes any",
            image.dtype()
        )));
    }
    if !operator.starts_with("smooth")
        && let Some(families) =
            families.iter().map(|elements| Flat::new::<P>(elements, outside)).collect()
    {
        let families: Vec<Flat> = families;
        return natively(image, |pixels| {
            flat::apply(operator, number, &families, TensorRef { shape, data: pixels })
        });
    }
    let families: Vec<Family<P::Number>> = families
        .iter()
        .map(|elements| {
            let steps =
                elements.iter().map(|element| element.step(channels)).collect::<PyResult<_>>()?;
            Ok(Family { steps, outside })
        })
        .collect::<PyResult<_>>()?;
    on_pixels(image, shape, |x| {
        if x.shape.is_empty() {
            let count = if operator == "granulometry" { families.len() } else { 1 };
            return Ok(vec![x.to_tensor(); count]);
        }
        evaluate([x], |g, [x]| apply(operator, number, &families, g, x))
    })
}

/// Computes on an image's pixels, and gives images of its type and shape.
fn natively<'py, P: Pixel>(
    image: &Bound<'py, PyArrayDyn<P>>,
    work: impl FnOnce(&[P]) -> Result<Vec<Vec<P>>, ShapeError> + Send,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let py = image.py();
    let lent = Lent::new(image)?;
    let pixels = lent.slice();
    let images = compute(py, || work(pixels))?;
    images
        .into_iter()
        .map(|pixels| {
            let array = numpy::PyArray1::from_vec(py, pixels);
            Ok(array.reshape(image.shape().to_vec())?.into_any())
        })
        .collect()
}

/// Images, or why there are none.
type Results<T> = Result<Vec<Tensor<T>>, ShapeError>;

/// Computes on the numbers of an image's pixels, and gives images of its type and shape.
fn on_pixels<'py, P: Pixel>(
    image: &Bound<'py, PyArrayDyn<P>>,
    shape: Shape,
    work: impl FnOnce(TensorRef<'_, P::Number>) -> Results<P::Number> + Send,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    natively(image, |pixels| {
        let numbers =
            P::numbers(pixels).map_err(|found| ShapeError::new("image", "pixels", found))?;
        let results = work(TensorRef::new(shape, &numbers))?;
        Ok(results.into_iter().map(|y| P::pixels(y.into_vec())).collect())
    })
}

fn connectivity_of(connectivity: usize) -> PyResult<Connectivity> {
    match connectivity {
        1 => Ok(Connectivity::Four),
        2 => Ok(Connectivity::Eight),
        _ => Err(PyValueError::new_err(format!(
            "connectivity: expected 1 (four neighbours) or 2 (eight), found {connectivity}"
        ))),
    }
}

/// Applies an operator that selects pixels: of one image, or of a marker and a mask.
#[pyfunction]
pub(crate) fn connect<'py>(
    operator: &str,
    image: &Bound<'py, PyAny>,
    mask: &Bound<'py, PyAny>,
    connectivity: usize,
    number: f64,
) -> PyResult<Bound<'py, PyAny>> {
    let connectivity = connectivity_of(connectivity)?;
    catch(|| {
        with_pixels!(
            image,
            |array: P| {
                let mask = if mask.is_none() {
                    None
                } else {
                    let wrong = || wrong_type("mask", &format!("dtype {}", array.dtype()), mask);
                    Some(mask.cast::<PyArrayDyn<P>>().map_err(|_| wrong())?)
                };
                connect_on::<P>(operator, array, mask, connectivity, number)
            },
            Err(wrong_type("image", PIXELS, image))
        )
    })
}

fn connect_on<'py, P: Pixel + Level>(
    operator: &str,
    image: &Bound<'py, PyArrayDyn<P>>,
    mask: Option<&Bound<'py, PyArrayDyn<P>>>,
    connectivity: Connectivity,
    number: f64,
) -> PyResult<Bound<'py, PyAny>> {
    let shape = image_shape("image", shape_of(image.as_untyped())?).map_err(|e| value_error(&e))?;
    if let Some(mask) = mask.filter(|mask| mask.shape() != image.shape()) {
        let expected = format!("mask: expected the image's shape {:?}", image.shape());
        return Err(PyValueError::new_err(format!("{expected}, found {:?}", mask.shape())));
    }
    let dims = image.shape();
    let py = image.py();
    let (image, mask) = (Lent::new(image)?, mask.map(Lent::new).transpose()?);
    let x = image.slice();
    let other = mask.as_ref().map_or(x, Lent::slice);
    let found = compute(py, || select(operator, shape, [x, other], connectivity, number))?;
    match found {
        Selected::Pixels(y) => as_array(py, y, dims),
        Selected::Places(y) => as_array(py, y, dims),
        Selected::Distances(y) => as_array(py, y, dims),
    }
}

/// Elements as an array; nothing is copied.
fn as_array<'py, T: numpy::Element>(
    py: Python<'py>,
    elements: Vec<T>,
    dims: &[usize],
) -> PyResult<Bound<'py, PyAny>> {
    Ok(numpy::PyArray1::from_vec(py, elements).reshape(dims.to_vec())?.into_any())
}

/// What an operator gives for every pixel.
enum Selected<P> {
    Pixels(Vec<P>),
    Places(Vec<bool>),
    Distances(Vec<f64>),
}

/// The table of operators that select pixels.
fn select<P: Pixel + Level>(
    operator: &str,
    shape: Shape,
    [x, other]: [&[P]; 2],
    connectivity: Connectivity,
    number: f64,
) -> Result<Selected<P>, ShapeError> {
    use Extremum::{Maximum, Minimum};
    let reconstructed = |extremum| {
        pixels::reconstruction(shape, [x, other], extremum, connectivity).map(Selected::Pixels)
    };
    let h = P::of(number);
    let lowered =
        |extremum| pixels::h_extrema(shape, x, h, extremum, connectivity).map(Selected::Pixels);
    let residue =
        |extremum| pixels::h_residue(shape, x, h, extremum, connectivity).map(Selected::Pixels);
    let regional =
        |extremum| pixels::regional_extrema(shape, x, extremum, connectivity).map(Selected::Places);
    let distance = |metric| pixels::distance(shape, x, metric).map(Selected::Distances);
    let area = number as usize;
    let of_area =
        |extremum| pixels::area(shape, x, area, extremum, connectivity).map(Selected::Pixels);
    match operator {
        "reconstruction_by_dilation" => reconstructed(Maximum),
        "reconstruction_by_erosion" => reconstructed(Minimum),
        "hmax" => lowered(Maximum),
        "hmin" => lowered(Minimum),
        "hconvex" => residue(Maximum),
        "hconcave" => residue(Minimum),
        "regional_maxima" => regional(Maximum),
        "regional_minima" => regional(Minimum),
        "euclidean" => distance(PixelDistance::Euclidean),
        "taxicab" => distance(PixelDistance::Taxicab),
        "chessboard" => distance(PixelDistance::Chessboard),
        "leveling" => pixels::leveling(shape, [x, other], connectivity).map(Selected::Pixels),
        "area_opening" => of_area(Maximum),
        "area_closing" => of_area(Minimum),
        _ => Err(ShapeError::new("operator", "the name of an operator", operator)),
    }
}
