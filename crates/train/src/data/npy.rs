//! One array of NumPy (`.npy`, versions 1 to 3): plain numbers in C order.
//!
//! The one design choice: an own reader of a format that is a line of text and the numbers behind
//! it. Every size is checked against the bytes that are there before anything is taken.

use std::ops::Range;

/// The numbers of an array, as they lie in the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Array<'a> {
    pub(super) shape: Vec<usize>,
    kind: Kind,
    data: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Kind {
    /// `b`, `u`, `i` or `f`.
    letter: char,
    bytes: usize,
    is_big_endian: bool,
}

/// What an array is, and where its numbers begin: what the head of a file says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layout {
    pub(super) shape: Vec<usize>,
    kind: Kind,
    pub(super) start: usize,
}

impl Layout {
    /// Reads the head of a file of so many bytes.
    pub(super) fn parse(bytes: &[u8], file: u64) -> Result<Self, String> {
        let expected = |what: &str, found: &str| Err(format!("expected {what}, found {found}"));
        let Some(rest) = bytes.strip_prefix(b"\x93NUMPY") else {
            return expected("a file that begins as .npy does", "another");
        };
        let (length, start) = match rest {
            [1, _, a, b, ..] => (usize::from(u16::from_le_bytes([*a, *b])), 4),
            [2 | 3, _, a, b, c, d, ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 6),
            _ => return expected("version 1 to 3 of .npy", &format!("{:?}", rest.first())),
        };
        let Some(header) = rest.get(start..).and_then(|rest| rest.get(..length)) else {
            let found = format!("{} bytes", rest.len());
            return expected(&format!("a header of {length} bytes"), &found);
        };
        let start = bytes.len() - rest.len() + start + length;
        let data = file.saturating_sub(start as u64);
        let header = std::str::from_utf8(header)
            .map_err(|_| "expected a header of text, found other bytes")?;
        let (kind, shape) = dictionary(header)?;
        let count = shape.iter().try_fold(kind.bytes, |n, side| n.checked_mul(*side));
        if count.map(|count| count as u64) != Some(data) {
            let found = format!("{data} bytes");
            return expected(&format!("the numbers of an array of shape {shape:?}"), &found);
        }
        Ok(Self { shape, kind, start })
    }

    /// Bytes of a number.
    pub(super) fn bytes(&self) -> usize {
        self.kind.bytes
    }

    /// Some of the numbers, as they lie in the file.
    pub(super) fn part<'a>(&self, data: &'a [u8]) -> Array<'a> {
        Array { shape: self.shape.clone(), kind: self.kind, data }
    }
}

impl<'a> Array<'a> {
    /// Reads an array; the error says what was expected and found.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let layout = Layout::parse(bytes, bytes.len() as u64)?;
        Ok(layout.part(&bytes[layout.start..]))
    }

    /// What the numbers are, as NumPy calls it.
    pub(super) fn name(&self) -> String {
        let word = match self.kind.letter {
            'b' => return "bool".to_owned(),
            'u' => "uint",
            'i' => "int",
            _ => "float",
        };
        format!("{word}{}", 8 * self.kind.bytes)
    }

    /// The bytes, if they are the numbers: booleans or `uint8`.
    pub(super) fn bytes(&self) -> Option<&'a [u8]> {
        (self.kind.bytes == 1 && matches!(self.kind.letter, 'b' | 'u')).then_some(self.data)
    }

    pub(super) fn is_integer(&self) -> bool {
        matches!(self.kind.letter, 'b' | 'u' | 'i')
    }

    /// The largest number of an unsigned type.
    pub(super) fn white(&self) -> f64 {
        match (self.kind.letter, self.kind.bytes) {
            ('u', bytes) => 2f64.powi(8 * bytes as i32) - 1.0,
            _ => 1.0,
        }
    }

    /// The numbers in double precision.
    pub(super) fn numbers(&self) -> impl ExactSizeIterator<Item = f64> + '_ {
        let Kind { letter, bytes, is_big_endian } = self.kind;
        self.data.chunks_exact(bytes).map(move |chunk| {
            let mut raw = [0u8; 8];
            for (i, byte) in chunk.iter().enumerate() {
                raw[if is_big_endian { bytes - 1 - i } else { i }] = *byte;
            }
            let unsigned = u64::from_le_bytes(raw);
            match (letter, bytes) {
                ('f', 4) => f64::from(f32::from_bits(unsigned as u32)),
                ('f', _) => f64::from_bits(unsigned),
                // The sign is in the highest bit of the bytes that there are.
                ('i', _) => ((unsigned << (64 - 8 * bytes)) as i64 >> (64 - 8 * bytes)) as f64,
                _ => unsigned as f64,
            }
        })
    }
}

/// The header: a dictionary of Python with `descr`, `fortran_order` and `shape`.
fn dictionary(header: &str) -> Result<(Kind, Vec<usize>), String> {
    let mut text = Text { whole: header, rest: header };
    let (mut kind, mut shape, mut order) = (None, None, None);
    text.take("{")?;
    while !text.is_next("}") {
        match text.word('\'')? {
            "descr" => {
                text.take(":")?;
                if text.rest.starts_with('[') {
                    return Err("expected an array of numbers, found records".to_owned());
                }
                kind = Some(of_name(text.word('\'')?)?);
            }
            "fortran_order" => {
                text.take(":")?;
                order = Some(text.is_next("True"));
                text.take(if order == Some(true) { "True" } else { "False" })?;
            }
            "shape" => {
                text.take(":")?;
                shape = Some(text.tuple()?);
            }
            other => return Err(format!("expected descr, fortran_order or shape, found {other}")),
        }
        if text.is_next(",") {
            text.take(",")?;
        }
    }
    match (kind, shape, order) {
        (Some(kind), Some(shape), Some(false)) => Ok((kind, shape)),
        (Some(_), Some(_), Some(true)) => {
            Err("expected C order (numpy.ascontiguousarray), found Fortran order".to_owned())
        }
        _ => Err(format!("expected descr, shape and fortran_order, found {header:?}")),
    }
}

/// A type such as `<f4`.
fn of_name(name: &str) -> Result<Kind, String> {
    let mut chars = name.chars();
    let (order, letter) = (chars.next(), chars.next());
    let kind = match (order, letter, chars.as_str()) {
        (Some('|'), Some(letter @ ('b' | 'u' | 'i')), "1") => (letter, 1),
        (Some('<' | '>'), Some(letter @ ('u' | 'i')), bytes @ ("1" | "2" | "4" | "8")) => {
            (letter, bytes.parse().unwrap_or(1))
        }
        (Some('<' | '>'), Some(letter @ 'f'), "4") => (letter, 4),
        (Some('<' | '>'), Some(letter @ 'f'), "8") => (letter, 8),
        (_, Some('O'), _) => return Err("expected numbers, found Python objects".to_owned()),
        _ => return Err(format!("expected booleans, integers, float32 or float64, found {name}")),
    };
    Ok(Kind { letter: kind.0, bytes: kind.1, is_big_endian: order == Some('>') })
}

/// What is left of a header.
struct Text<'a> {
    whole: &'a str,
    rest: &'a str,
}

impl<'a> Text<'a> {
    fn is_next(&mut self, what: &str) -> bool {
        self.rest = self.rest.trim_start();
        self.rest.starts_with(what)
    }

    fn take(&mut self, what: &str) -> Result<(), String> {
        if !self.is_next(what) {
            return Err(format!("expected `{what}` in the header, found {:?}", self.whole));
        }
        self.rest = self.rest[what.len()..].trim_start();
        Ok(())
    }

    /// What stands between two quotes.
    fn word(&mut self, quote: char) -> Result<&'a str, String> {
        self.take(&quote.to_string())?;
        let Some((word, rest)) = self.rest.split_once(quote) else {
            return Err(format!("expected a closing quote in the header, found {:?}", self.whole));
        };
        self.rest = rest;
        Ok(word)
    }

    /// Whole numbers between parentheses, at most eight.
    fn tuple(&mut self) -> Result<Vec<usize>, String> {
        self.take("(")?;
        let mut numbers = Vec::new();
        while !self.is_next(")") {
            let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
            let Range { start, end } = 0..end;
            let number = self.rest[start..end].parse();
            let (Ok(number), true) = (number, numbers.len() < 8) else {
                return Err(format!(
                    "expected a shape of at most 8 numbers, found {:?}",
                    self.whole
                ));
            };
            numbers.push(number);
            self.rest = &self.rest[end..];
            if self.is_next(",") {
                self.take(",")?;
            }
        }
        self.take(")")?;
        Ok(numbers)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The file that NumPy writes.
    pub(crate) fn file(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let mut header =
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
        header.extend(std::iter::repeat_n(' ', 63 - (10 + header.len()) % 64));
        header.push('\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn numbers_of_every_type_are_read() {
        let of = |descr: &str, data: &[u8]| -> (String, Vec<f64>) {
            let bytes = file(descr, "(2,)", data);
            let array = Array::parse(&bytes).unwrap();
            assert_eq!(array.shape, [2]);
            (array.name(), array.numbers().collect())
        };
        assert_eq!(of("|u1", &[3, 255]), ("uint8".to_owned(), vec![3.0, 255.0]));
        assert_eq!(of("|b1", &[0, 1]), ("bool".to_owned(), vec![0.0, 1.0]));
        assert_eq!(of("<i2", &[254, 255, 1, 0]), ("int16".to_owned(), vec![-2.0, 1.0]));
        assert_eq!(of(">u2", &[1, 0, 0, 2]), ("uint16".to_owned(), vec![256.0, 2.0]));
        let floats: Vec<u8> = [0.5f32, -1.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(of("<f4", &floats), ("float32".to_owned(), vec![0.5, -1.0]));
        let doubles: Vec<u8> = [0.5f64, -1.0].iter().flat_map(|x| x.to_be_bytes()).collect();
        assert_eq!(of(">f8", &doubles), ("float64".to_owned(), vec![0.5, -1.0]));
        let integers: Vec<u8> = [-7i64, 1 << 40].iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(of("<i8", &integers).1, [-7.0, (1u64 << 40) as f64]);
    }

    #[test]
    fn lies_are_refused() {
        let error = |bytes: &[u8]| Array::parse(bytes).unwrap_err();
        assert!(error(b"PK").contains("begins as .npy"));
        assert!(error(&file("|O", "(2,)", &[0; 16])).contains("Python objects"));
        assert!(error(&file("<c8", "(2,)", &[0; 16])).contains("<c8"));
        assert!(error(&file("<f4", "(3,)", &[0; 8])).contains("shape [3]"));
        let huge = "(18446744073709551615, 18446744073709551615)";
        assert!(error(&file("<f8", huge, &[])).contains("found 0 bytes"));
        let fortran = String::from_utf8(file("|u1", "(2,)", b"ab")[..].to_vec().split_off(10))
            .unwrap()
            .replace("False", "True ");
        let mut bytes = file("|u1", "(2,)", b"ab")[..10].to_vec();
        bytes.extend(fortran.as_bytes());
        assert!(error(&bytes).contains("Fortran"));
        assert!(error(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{").contains("a header of"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Array::parse(&bytes);
            bytes.splice(0..0, *b"\x93NUMPY\x01\x00\x20\x00");
            let _ = Array::parse(&bytes);
        }

        #[test]
        fn no_change_of_a_file_makes_it_panic(at in 0usize..140, byte: u8, cut in 0usize..140) {
            let mut bytes = file("<u2", "(2, 3)", &[7; 12]);
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            let _ = Array::parse(&bytes);
            bytes.truncate(cut);
            prop_assert!(Array::parse(&bytes).is_err());
        }
    }
}
