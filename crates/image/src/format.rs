//! The formats of files: by which bytes they are known, by which endings, and what they can hold.
//!
//! A file is read by its content, whatever its name. Only a file that is to be written has nothing
//! but its name to tell.

use std::fmt;
use std::path::Path;

use crate::depth::Depth;
use crate::header::Header;

/// A format of image files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Portable network graphics, without loss.
    Png,
    /// Tagged image file format, written without compression.
    Tiff,
    /// With loss, and of 8 bits only.
    Jpeg,
    /// Portable bitmap: masks.
    Pbm,
    /// Portable graymap.
    Pgm,
    /// Portable pixmap.
    Ppm,
    /// Whichever of the three before holds the image.
    Pnm,
    /// Portable arbitrary map, which can have alpha.
    Pam,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Png, Self::Tiff, Self::Jpeg, Self::Pbm, Self::Pgm, Self::Ppm, Self::Pnm, Self::Pam];

    fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Png => &["png"],
            Self::Tiff => &["tif", "tiff"],
            Self::Jpeg => &["jpg", "jpeg"],
            Self::Pbm => &["pbm"],
            Self::Pgm => &["pgm"],
            Self::Ppm => &["ppm"],
            Self::Pnm => &["pnm"],
            Self::Pam => &["pam"],
        }
    }

    /// The format that the ending of a name stands for, in lower or upper case.
    pub fn of_name(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        Self::ALL.into_iter().find(|format| format.endings().contains(&&*ending))
    }

    /// The format that the first bytes of a file stand for.
    pub(crate) fn of_content(start: &[u8]) -> Option<Self> {
        match start {
            [0x89, b'P', b'N', b'G', ..] => Some(Self::Png),
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(Self::Tiff),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'P', b'1' | b'4', ..] => Some(Self::Pbm),
            [b'P', b'2' | b'5', ..] => Some(Self::Pgm),
            [b'P', b'3' | b'6', ..] => Some(Self::Ppm),
            [b'P', b'7', ..] => Some(Self::Pam),
            _ => None,
        }
    }

    /// Whether a file of this format keeps pixels of a type bit for bit, but for the loss of JPEG.
    pub fn holds(self, header: &Header) -> bool {
        let Header { channels, depth, alpha, .. } = *header;
        let grey = channels == 1;
        let mask = depth == Depth::Bit && grey && !alpha;
        let whole = matches!(depth, Depth::U8 | Depth::U16);
        match self {
            Self::Png => whole || mask,
            Self::Tiff => depth != Depth::Bit || mask,
            Self::Jpeg => depth == Depth::U8 && !alpha,
            Self::Pbm => mask,
            Self::Pgm => whole && grey && !alpha,
            Self::Ppm => whole && !grey && !alpha,
            Self::Pnm => (whole && !alpha) || mask,
            Self::Pam => whole,
        }
    }

    /// What it holds, in words.
    pub(crate) fn holding(self) -> &'static str {
        match self {
            Self::Png => "8 or 16 bit grey or RGB, with or without alpha, and 1 bit grey",
            Self::Tiff => "8 or 16 bit or float grey or RGB, with or without alpha, and 1 bit grey",
            Self::Jpeg => "8 bit grey or RGB",
            Self::Pbm => "1 bit grey",
            Self::Pgm => "8 or 16 bit grey",
            Self::Ppm => "8 or 16 bit RGB",
            Self::Pnm => "8 or 16 bit grey or RGB, and 1 bit grey",
            Self::Pam => "8 or 16 bit grey or RGB, with or without alpha",
        }
    }

    /// The formats that hold the pixels, in words.
    pub(crate) fn for_kind(header: &Header) -> String {
        let holding = Self::ALL.into_iter().filter(|format| format.holds(header));
        let names: Vec<String> = holding.map(|format| format.to_string()).collect();
        if names.is_empty() { "no format".to_owned() } else { names.join(", ") }
    }

    pub(crate) fn extensions() -> String {
        let all = Self::ALL.into_iter().flat_map(Self::endings);
        all.map(|ending| format!(".{ending}")).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn readable() -> &'static str {
        "PNG, TIFF, JPEG or PNM"
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Png => "PNG",
            Self::Tiff => "TIFF",
            Self::Jpeg => "JPEG",
            Self::Pbm => "PBM",
            Self::Pgm => "PGM",
            Self::Ppm => "PPM",
            Self::Pnm => "PNM",
            Self::Pam => "PAM",
        })
    }
}
