//! NumPy arrays as slices of real numbers, and back.
//!
//! The one design choice: what the kernels compute in is decided by the pixel type, once, by
//! [`Pixel`]. Where pixels are only compared, they are lent as they lie. For arithmetic `float32`
//! and `float64` are too; every other type is converted to the one of the two that holds its values
//! exactly, and the result is saturated and converted back.

use std::borrow::Cow;

use morphograd_morphology::Pixel as Ordered;
use morphograd_morphology::nn::tensor::{MAX_RANK, Real, Shape, Tensor, parallel};
use numpy::{Element, IntoPyArray, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn};
use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

/// A type of pixels.
pub(crate) trait Pixel: Element + Ordered {
    /// What is computed in.
    type Number: Real + Element;

    /// Whether values are whole numbers.
    const WHOLE: bool;

    /// The smallest and the largest value; what lies outside of an image in the modes `min` and
    /// `max`.
    const RANGE: [f64; 2];

    /// The pixels as numbers; an error says which value is not one of the type's.
    fn numbers(pixels: &[Self]) -> Result<Cow<'_, [Self::Number]>, String>;

    /// Numbers as pixels: what is outside the range becomes the nearest value of the range.
    fn pixels(numbers: Vec<Self::Number>) -> Vec<Self>;

    /// Whether comparing with a number is comparing with the pixel that [`Ordered::of`] makes of
    /// it.
    fn holds(number: f64) -> bool {
        let [least, most] = Self::RANGE;
        !Self::WHOLE || (number.fract() == 0.0 && (least..=most).contains(&number))
    }

    /// `(above - x) - (x - below)`, the nearest value of the range.
    fn laplacian(x: Self, above: Self, below: Self) -> Self;

    /// The nearer one to `x`; at equal distance `above`.
    fn nearer(x: Self, above: Self, below: Self) -> Self;
}

/// A pixel type that is computed in as it is.
macro_rules! float {
    ($t:ty) => {
        impl Pixel for $t {
            type Number = $t;
            const WHOLE: bool = false;
            const RANGE: [f64; 2] = [f64::NEG_INFINITY, f64::INFINITY];

            fn numbers(pixels: &[Self]) -> Result<Cow<'_, [Self]>, String> {
                Ok(Cow::Borrowed(pixels))
            }

            fn pixels(numbers: Vec<Self>) -> Vec<Self> {
                numbers
            }

            fn laplacian(x: Self, above: Self, below: Self) -> Self {
                (above - x) - (x - below)
            }

            fn nearer(x: Self, above: Self, below: Self) -> Self {
                if above - x <= x - below { above } else { below }
            }
        }
    };
}

float!(f32);
float!(f64);

/// A type of whole numbers, the type that holds them, and one that holds sums of four; the last
/// argument says which values the former does not hold, if any.
macro_rules! whole {
    ($t:ty, $number:ty, $wide:ty, $range:expr, $from:expr, $to:expr, $narrow:expr, $lost:expr) => {
        impl Pixel for $t {
            type Number = $number;
            const WHOLE: bool = true;
            const RANGE: [f64; 2] = $range;

            fn numbers(pixels: &[Self]) -> Result<Cow<'_, [$number]>, String> {
                let lost: Option<fn(&$t) -> bool> = $lost;
                if let Some(x) = lost.and_then(|lost| pixels.iter().find(|x| lost(x))) {
                    return Err(format!("between -2^53 and 2^53, found {x}"));
                }
                Ok(Cow::Owned(map(pixels, $from)))
            }

            fn pixels(numbers: Vec<$number>) -> Vec<Self> {
                map(&numbers, $to)
            }

            fn laplacian(x: Self, above: Self, below: Self) -> Self {
                let [x, above, below] = [x, above, below].map(<$wide>::from);
                $narrow(above + below - 2 * x)
            }

            fn nearer(x: Self, above: Self, below: Self) -> Self {
                let [to_above, to_below] = [above, below].map(<$wide>::from);
                let is_above = to_above + to_below <= 2 * <$wide>::from(x);
                if is_above { above } else { below }
            }
        }
    };
    // Casts from floats saturate.
    ($t:ty, $number:ty, $wide:ty, $lost:expr) => {
        whole!(
            $t,
            $number,
            $wide,
            [<$t>::MIN as f64, <$t>::MAX as f64],
            |x: $t| x as $number,
            |x: $number| x as $t,
            |x: $wide| x.clamp(<$t>::MIN.into(), <$t>::MAX.into()) as $t,
            $lost
        );
    };
}

whole!(bool, f32, i32, [0.0, 1.0], |x| f32::from(u8::from(x)), |x| x > 0.0, |x| x > 0, None);
whole!(u8, f32, i32, None);
whole!(i8, f32, i32, None);
whole!(u16, f32, i32, None);
whole!(i16, f32, i32, None);
whole!(u32, f64, i64, None);
whole!(i32, f64, i64, None);
whole!(u64, f64, i128, Some(|x| *x > 1 << 53));
whole!(i64, f64, i128, Some(|x| x.unsigned_abs() > 1 << 53));

/// Pixels of one piece of a conversion: large enough to be worth a thread.
const PIECE: usize = 1 << 16;

fn map<A: Copy + Send + Sync, B: Copy + Default + Send>(
    from: &[A],
    f: impl Fn(A) -> B + Send + Sync,
) -> Vec<B> {
    let mut to = vec![B::default(); from.len()];
    parallel::for_each_piece(&mut to, PIECE, |piece, to| {
        to.iter_mut().zip(&from[piece * PIECE..]).for_each(|(b, a)| *b = f(*a));
    });
    to
}

/// An array of Python, C-contiguous: lent, or copied once where it is not.
pub(crate) enum Lent<'py, P: Element> {
    Array(PyReadonlyArrayDyn<'py, P>),
    Copy(Vec<P>),
}

impl<'py, P: Element + Copy> Lent<'py, P> {
    pub(crate) fn new(array: &Bound<'py, PyArrayDyn<P>>) -> PyResult<Self> {
        let readonly = array.try_readonly().map_err(|error| {
            PyValueError::new_err(format!("expected an array nobody writes to, found {error}"))
        })?;
        if array.is_c_contiguous() && readonly.as_slice().is_ok() {
            return Ok(Self::Array(readonly));
        }
        Ok(Self::Copy(readonly.as_array().iter().copied().collect()))
    }

    pub(crate) fn slice(&self) -> &[P] {
        match self {
            Self::Array(array) => array.as_slice().expect("looked at in `new`"),
            Self::Copy(copy) => copy,
        }
    }
}

/// The shape of an array.
///
/// # Errors
/// If it has more axes than a [`Shape`].
pub(crate) fn shape_of(array: &Bound<'_, PyUntypedArray>) -> PyResult<Shape> {
    if array.ndim() > MAX_RANK {
        return Err(PyValueError::new_err(format!(
            "expected an array of at most {MAX_RANK} axes, found {}",
            array.ndim()
        )));
    }
    Ok(Shape::new(array.shape()))
}

/// A tensor as an array of a shape of as many elements; nothing is copied.
pub(crate) fn to_array<'py, T: Real + Element>(
    py: Python<'py>,
    tensor: Tensor<T>,
    shape: &[usize],
) -> PyResult<Bound<'py, PyArrayDyn<T>>> {
    tensor.into_vec().into_pyarray(py).reshape(shape.to_vec())
}

/// What an argument is, for errors.
pub(crate) fn describe(any: &Bound<'_, PyAny>) -> String {
    let of_type = |any: &Bound<'_, PyAny>| any.get_type().name().map(|name| name.to_string());
    match any.cast::<PyUntypedArray>() {
        Ok(array) => format!("an array of dtype {}", array.dtype()),
        Err(_) => of_type(any).unwrap_or_else(|_| "an object".to_owned()),
    }
}

/// The error for an argument of a type that cannot be computed with.
pub(crate) fn wrong_type(name: &str, expected: &str, found: &Bound<'_, PyAny>) -> PyErr {
    PyTypeError::new_err(format!("{name}: expected {expected}, found {}", describe(found)))
}

/// Does something with an array of the first type that fits.
macro_rules! with_array {
    ($any:expr, [$($t:ty),*], |$array:ident: $p:ident| $body:expr, $otherwise:expr) => {{
        let any = $any;
        $(if let Ok($array) = any.cast::<numpy::PyArrayDyn<$t>>() {
            type $p = $t;
            $body
        } else)* {
            $otherwise
        }
    }};
}

/// As [`with_array`], for every type of pixels.
macro_rules! with_pixels {
    ($any:expr, |$array:ident: $p:ident| $body:expr, $otherwise:expr) => {
        $crate::array::with_array!(
            $any,
            [f32, u8, f64, bool, u16, i64, i32, i16, i8, u32, u64],
            |$array: $p| $body,
            $otherwise
        )
    };
}

/// As [`with_array`], for the two types of numbers.
macro_rules! with_numbers {
    ($any:expr, |$array:ident: $p:ident| $body:expr, $otherwise:expr) => {
        $crate::array::with_array!($any, [f32, f64], |$array: $p| $body, $otherwise)
    };
}

pub(crate) use {with_array, with_numbers, with_pixels};

/// What [`with_pixels`] takes.
pub(crate) const PIXELS: &str = "an array of bool, integers of 8 to 64 bits, float32 or float64";

/// What [`with_numbers`] takes.
pub(crate) const NUMBERS: &str = "an array of float32 or float64";
