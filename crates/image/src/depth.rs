//! The types of samples that a file can hold.

use std::fmt;

/// How much a sample of an image can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Depth {
    /// One bit: a mask.
    Bit,
    /// 8 bits without sign.
    U8,
    /// 16 bits without sign.
    U16,
    /// Single precision.
    F32,
}

impl Depth {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Bit, Self::U8, Self::U16, Self::F32];

    /// The bytes of a sample in memory.
    pub fn bytes(self) -> usize {
        match self {
            Self::Bit | Self::U8 => 1,
            Self::U16 => 2,
            Self::F32 => 4,
        }
    }

    /// The value of white, by which tensors are scaled: 1, 255, 65535, and 1 for floats.
    pub fn white(self) -> f64 {
        match self {
            Self::Bit | Self::F32 => 1.0,
            Self::U8 => 255.0,
            Self::U16 => 65_535.0,
        }
    }
}

impl fmt::Display for Depth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bit => "1 bit",
            Self::U8 => "8 bit",
            Self::U16 => "16 bit",
            Self::F32 => "float",
        })
    }
}
