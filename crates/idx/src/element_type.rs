//! The type of the elements of a file: a byte in its header.

use std::fmt;

/// The type of the elements of an IDX file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementType {
    /// Code 0x08.
    U8,
    /// Code 0x09.
    I8,
    /// Code 0x0B.
    I16,
    /// Code 0x0C.
    I32,
    /// Code 0x0D.
    F32,
    /// Code 0x0E.
    F64,
}

impl ElementType {
    /// The byte that stands for this type in a header.
    pub fn code(self) -> u8 {
        match self {
            ElementType::U8 => 0x08,
            ElementType::I8 => 0x09,
            ElementType::I16 => 0x0B,
            ElementType::I32 => 0x0C,
            ElementType::F32 => 0x0D,
            ElementType::F64 => 0x0E,
        }
    }

    /// Bytes per element.
    pub fn size(self) -> usize {
        match self {
            ElementType::U8 | ElementType::I8 => 1,
            ElementType::I16 => 2,
            ElementType::I32 | ElementType::F32 => 4,
            ElementType::F64 => 8,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        use ElementType::{F32, F64, I8, I16, I32, U8};
        [U8, I8, I16, I32, F32, F64].into_iter().find(|t| t.code() == code)
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ElementType::U8 => "u8",
            ElementType::I8 => "i8",
            ElementType::I16 => "i16",
            ElementType::I32 => "i32",
            ElementType::F32 => "f32",
            ElementType::F64 => "f64",
        })
    }
}
