//! An IDX array in memory. The element type is a run-time property (an enum of vectors), because a
//! file decides it; [`Element`] is the compile-time side for the callers who know what they expect.

use byteorder::{BigEndian, ByteOrder};

use crate::element_type::ElementType;
use crate::error::ErrorKind;

/// A Rust type that IDX files can hold: `u8`, `i8`, `i16`, `i32`, `f32`, `f64`. The crate
/// implements it for all there are.
pub trait Element: Copy + Default + sealed::Codec {
    /// The type in the header.
    const TYPE: ElementType;
}

/// The elements of an IDX array, in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub enum IdxData {
    /// Unsigned bytes.
    U8(Vec<u8>),
    /// Signed bytes.
    I8(Vec<i8>),
    /// 16-bit integers.
    I16(Vec<i16>),
    /// 32-bit integers.
    I32(Vec<i32>),
    /// Single-precision numbers.
    F32(Vec<f32>),
    /// Double-precision numbers.
    F64(Vec<f64>),
}

impl IdxData {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            IdxData::U8(v) => v.len(),
            IdxData::I8(v) => v.len(),
            IdxData::I16(v) => v.len(),
            IdxData::I32(v) => v.len(),
            IdxData::F32(v) => v.len(),
            IdxData::F64(v) => v.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type of the elements.
    pub fn element_type(&self) -> ElementType {
        match self {
            IdxData::U8(_) => ElementType::U8,
            IdxData::I8(_) => ElementType::I8,
            IdxData::I16(_) => ElementType::I16,
            IdxData::I32(_) => ElementType::I32,
            IdxData::F32(_) => ElementType::F32,
            IdxData::F64(_) => ElementType::F64,
        }
    }
}

/// An array: dimensions and elements that match them. A scalar has no dimensions and one element.
#[derive(Debug, Clone, PartialEq)]
pub struct Idx {
    dims: Vec<usize>,
    data: IdxData,
}

impl Idx {
    /// Joins dimensions and elements.
    ///
    /// # Errors
    /// [`ErrorKind::Dimensions`] where the product of the dimensions is not the number of elements.
    pub fn new(dims: Vec<usize>, data: IdxData) -> Result<Self, ErrorKind> {
        let product = if dims.contains(&0) {
            Some(0)
        } else {
            dims.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim))
        };
        if product != Some(data.len()) {
            return Err(ErrorKind::Dimensions { dims, elements: data.len() });
        }
        Ok(Idx { dims, data })
    }

    /// The dimensions, outermost first.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// The elements, in row-major order.
    pub fn data(&self) -> &IdxData {
        &self.data
    }

    /// The dimensions and the elements.
    pub fn into_parts(self) -> (Vec<usize>, IdxData) {
        (self.dims, self.data)
    }
}

pub(crate) mod sealed {
    /// How a type lies in a file. Private, so that the list of element types stays that of the
    /// format.
    pub trait Codec: Sized {
        /// Reads big-endian elements; `bytes` is exactly as long as `out` needs.
        fn decode(bytes: &[u8], out: &mut [Self]);
        /// Writes big-endian elements; `out` is exactly as long as `values` need.
        fn encode(values: &[Self], out: &mut [u8]);
    }
}

macro_rules! element {
    ($type:ty, $code:ident, $decode:expr, $encode:expr) => {
        impl Element for $type {
            const TYPE: ElementType = ElementType::$code;
        }
        impl sealed::Codec for $type {
            fn decode(bytes: &[u8], out: &mut [Self]) {
                $decode(bytes, out);
            }
            fn encode(values: &[Self], out: &mut [u8]) {
                $encode(values, out);
            }
        }
    };
}

element!(
    u8,
    U8,
    |bytes: &[u8], out: &mut [u8]| out.copy_from_slice(bytes),
    |values: &[u8], out: &mut [u8]| out.copy_from_slice(values)
);
element!(
    i8,
    I8,
    |bytes: &[u8], out: &mut [i8]| out
        .iter_mut()
        .zip(bytes)
        .for_each(|(o, &b)| *o = b.cast_signed()),
    |values: &[i8], out: &mut [u8]| out
        .iter_mut()
        .zip(values)
        .for_each(|(o, &v)| *o = v.cast_unsigned())
);
element!(i16, I16, BigEndian::read_i16_into, BigEndian::write_i16_into);
element!(i32, I32, BigEndian::read_i32_into, BigEndian::write_i32_into);
element!(f32, F32, BigEndian::read_f32_into, BigEndian::write_f32_into);
element!(f64, F64, BigEndian::read_f64_into, BigEndian::write_f64_into);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_must_match_the_elements() {
        assert!(Idx::new(vec![], IdxData::I8(vec![7])).is_ok());
        assert!(Idx::new(vec![2, 0, 5], IdxData::I8(vec![])).is_ok());
        assert!(Idx::new(vec![usize::MAX, usize::MAX, 0], IdxData::I8(vec![])).is_ok());
        let error = Idx::new(vec![2, 3], IdxData::I8(vec![1; 5])).unwrap_err();
        assert_eq!(error.to_string(), "dimensions [2, 3] do not match 5 elements");
        assert!(Idx::new(vec![usize::MAX, 2], IdxData::U8(vec![])).is_err());
    }
}
