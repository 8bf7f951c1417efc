//! Structuring elements from text: a shape with its sizes, a file, or a kernel that was learned.

use std::fs;
use std::path::{Path, PathBuf};

use morphograd_image::{Depth, Limits, Sample, each, read};
use morphograd_morphology::StructuringElement;
use morphograd_morphology::nn::tensor::ShapeError;
use safetensors::{Dtype, SafeTensors};

use crate::apply::error::ApplyError;
use crate::experiment::DILATION;
use crate::registry::closest;

/// A structuring element and how it was asked for.
///
/// - A shape of [`GENERATORS`]: `disk:5`, `rectangle:3x7`, `line:15@30`.
/// - An image file: the set of the pixels that are not 0, with the origin in the middle (of an even
///   side, before it).
/// - A text file: rows of `#` (in the set) and `.` (not in it), or rows of numbers between blanks,
///   which are added in grey levels; brackets around an entry mark the origin, else it is in the
///   middle.
/// - The folder of a run of `train`, or that of one of its trainings, with the number of a filter:
///   `runs/digits/none-seed0#3`. The numbers of the kernel are parts of white, as the network saw
///   images.
///
/// ```
/// use morphograd::apply::Element;
/// let line = Element::parse("line:3@90")?;
/// assert_eq!((line.shape().size(), line.shape().is_flat()), ([3, 1], true));
/// let error = Element::parse("dsk:5").unwrap_err().to_string();
/// assert!(error.starts_with("element: expected a shape (disk:R, "), "{error}");
/// assert!(error.ends_with("found `dsk:5` (did you mean `disk`?)"), "{error}");
/// # Ok::<(), morphograd::apply::ApplyError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Element {
    text: String,
    shape: StructuringElement,
    unit: Unit,
}

/// What the entries of an element are added in.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Unit {
    /// As the pixels are.
    Levels,
    /// Parts of the value of white.
    White,
}

/// A shape that has a name.
#[derive(Debug, Clone, Copy)]
pub struct Generator {
    /// The word before the colon.
    pub name: &'static str,
    /// What follows it.
    pub form: &'static str,
    /// What it is.
    pub about: &'static str,
    make: fn(&str) -> Option<Result<StructuringElement, ShapeError>>,
    /// The sizes up to one, if the shapes of a kind grow into one another.
    family: Option<fn(usize) -> Vec<usize>>,
}

/// The shapes by name.
pub const GENERATORS: &[Generator] = &[
    Generator {
        name: "disk",
        form: "R",
        about: "the pixels within R of the origin",
        make: |text| Some(StructuringElement::disk(text.parse().ok()?)),
        family: Some(|radius| (1..=radius).collect()),
    },
    Generator {
        name: "square",
        form: "N",
        about: "N x N pixels",
        make: |text| Some(StructuringElement::square(text.parse().ok()?)),
        family: Some(|side| (2 + side % 2..=side).step_by(2).collect()),
    },
    Generator {
        name: "rectangle",
        form: "HxW",
        about: "H rows of W pixels",
        make: |text| {
            let (height, width) = text.split_once('x')?;
            Some(StructuringElement::rectangle(height.parse().ok()?, width.parse().ok()?))
        },
        family: None,
    },
    Generator {
        name: "diamond",
        form: "R",
        about: "the pixels within R steps along rows and columns",
        make: |text| Some(StructuringElement::diamond(text.parse().ok()?)),
        family: Some(|radius| (1..=radius).collect()),
    },
    Generator {
        name: "cross",
        form: "R",
        about: "four arms of R pixels",
        make: |text| Some(StructuringElement::cross(text.parse().ok()?)),
        family: None,
    },
    Generator {
        name: "line",
        form: "L@DEGREES",
        about: "a line as long as L pixels are wide, counterclockwise from the row",
        make: |text| {
            let (length, degrees) = text.split_once('@').unwrap_or((text, "0"));
            Some(StructuringElement::line(length.parse().ok()?, degrees.parse().ok()?))
        },
        family: None,
    },
    Generator {
        name: "octagon",
        form: "MxN",
        about: "a square of M x M pixels dilated by a diamond of N",
        make: |text| {
            let (side, radius) = text.split_once('x')?;
            Some(StructuringElement::octagon(side.parse().ok()?, radius.parse().ok()?))
        },
        family: None,
    },
    Generator {
        name: "frame",
        form: "N",
        about: "the border of N x N pixels, for hit-or-miss",
        make: |text| Some(frame(text.parse().ok()?)),
        family: None,
    },
    Generator {
        name: "parabola",
        form: "N@S",
        about: "N x N numbers -d²/(2S)² in grey levels, not flat",
        make: |text| {
            let (side, scale) = text.split_once('@')?;
            let side = side.parse().ok()?;
            Some(StructuringElement::quadratic([side, side], scale.parse().ok()?))
        },
        family: None,
    },
];

const NAME: &str = "element";

/// The most positions of all elements of a family: they are in memory at once.
const MAX_FAMILY: usize = 1 << 26;

/// The square without the pixels that have all their neighbours in it.
fn frame(side: usize) -> Result<StructuringElement, ShapeError> {
    let square = StructuringElement::square(side)?;
    let at_border = |[y, x]: [isize; 2]| {
        [[y - 1, x], [y + 1, x], [y, x - 1], [y, x + 1]]
            .iter()
            .any(|neighbour| square.entry(*neighbour).is_none())
    };
    StructuringElement::from_offsets(square.support().filter(|(offset, _)| at_border(*offset)))
}

impl Element {
    /// An element from its text.
    ///
    /// # Errors
    /// If the text is none of the forms above, the numbers make no element, or a file or a run
    /// cannot be read.
    pub fn parse(text: &str) -> Result<Self, ApplyError> {
        let of = |shape, unit| Self { text: text.to_owned(), shape, unit };
        let (word, sizes) = text.split_once(':').unwrap_or((text, ""));
        if let Some(generator) = GENERATORS.iter().find(|generator| generator.name == word) {
            let made = (generator.make)(sizes).ok_or_else(|| {
                let expected = format!("{}:{}", generator.name, generator.form);
                ApplyError::new(NAME, expected, format!("`{text}`"))
            })?;
            return Ok(of(made?, Unit::Levels));
        }
        let (path, filter) = match text.rsplit_once('#') {
            Some((path, number)) if Path::new(path).is_dir() => {
                let number = number.parse().map_err(|_| {
                    ApplyError::new(NAME, "the number of a filter behind #", format!("`{number}`"))
                })?;
                (Path::new(path), Some(number))
            }
            _ => (Path::new(text), None),
        };
        if path.is_dir() {
            return Ok(of(learned(path, filter)?, Unit::White));
        }
        if path.is_file() {
            return Ok(of(from_file(path)?, Unit::Levels));
        }
        let forms: Vec<String> =
            GENERATORS.iter().map(|g| format!("{}:{}", g.name, g.form)).collect();
        let expected = format!("a shape ({}), a file or the folder of a run", forms.join(", "));
        let known = closest(GENERATORS.iter().map(|generator| generator.name), word);
        let suggestion = known.map_or(String::new(), |name| format!(" (did you mean `{name}`?)"));
        Err(ApplyError::new(NAME, expected, format!("`{text}`{suggestion}")))
    }

    /// The elements of the same kind up to this one, the smallest first: `disk:3` stands for the
    /// disks of radius 1, 2 and 3, `square:7` for the squares of side 3, 5 and 7.
    ///
    /// # Errors
    /// If the element is no disk, square or diamond, is too small to be one of a family, or is so
    /// large that all of them have more than 2^26 positions.
    pub fn family(&self) -> Result<Vec<Self>, ApplyError> {
        let sizes = self.text.split_once(':').and_then(|(word, size)| {
            let generator = GENERATORS.iter().find(|generator| generator.name == word)?;
            Some((word, generator.family?(size.parse().ok()?)))
        });
        let Some((word, sizes)) = sizes.filter(|(_, sizes)| !sizes.is_empty()) else {
            let with: Vec<&str> =
                GENERATORS.iter().filter(|g| g.family.is_some()).map(|g| g.name).collect();
            let expected = format!("the largest of a family ({})", with.join(", "));
            return Err(ApplyError::new(NAME, expected, format!("`{}`", self.text)));
        };
        // Up to this element, whose sides are at most 4097, there are at most 4097 of them.
        let side = |size: &usize| if word == "square" { *size } else { 2 * size + 1 };
        let positions: usize = sizes.iter().map(side).map(|side| side * side).sum();
        if positions > MAX_FAMILY {
            let expected = "a family of at most 2^26 positions, all elements together";
            return Err(ApplyError::new(NAME, expected, format!("{positions} of `{}`", self.text)));
        }
        sizes.into_iter().map(|size| Self::parse(&format!("{word}:{size}"))).collect()
    }

    /// How it was asked for.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The element itself.
    pub fn shape(&self) -> &StructuringElement {
        &self.shape
    }

    /// What an entry of 1 adds to a pixel of this depth.
    pub(crate) fn scale(&self, depth: Depth) -> f64 {
        match self.unit {
            Unit::Levels => 1.0,
            Unit::White => depth.white(),
        }
    }

    /// The rows that an operator by the element looks up or down.
    pub(crate) fn reach(&self) -> usize {
        (self.shape.window().size[0] - 1) / 2
    }
}

fn from_file(path: &Path) -> Result<StructuringElement, ApplyError> {
    let place = path.display().to_string();
    let picture = match read(path, Limits::default()) {
        Ok(picture) => picture,
        Err(error) if matches!(error.kind, morphograd_image::ErrorKind::NoImage { .. }) => {
            let text = fs::read_to_string(path);
            return drawn(
                &place,
                &text.map_err(|e| ApplyError::new(place.clone(), "text", e.to_string()))?,
            );
        }
        Err(error) => return Err(error.into()),
    };
    if picture.channels() != 1 {
        let found = picture.header().to_string();
        return Err(ApplyError::new(place, "a grey image of the set", found));
    }
    let size = picture.size();
    let entries: Vec<f64> = each!(picture.pixels(), samples => {
        let entry = |is_in: bool| if is_in { 0.0 } else { f64::NEG_INFINITY };
        samples.iter().map(|x| entry(x.number() != 0.0)).collect()
    });
    Ok(StructuringElement::new(size, middle(size), &entries)?)
}

fn middle(size: [usize; 2]) -> [isize; 2] {
    size.map(|n| (n.max(1) as isize - 1) / 2)
}

/// An element from rows of marks or numbers.
fn drawn(place: &str, text: &str) -> Result<StructuringElement, ApplyError> {
    let (mut entries, mut width, mut height) = (Vec::new(), None, 0);
    let mut origin = None;
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let refused = |expected: &str, found: String| {
            ApplyError::new(format!("{place}:{}", number + 1), expected, found)
        };
        let line = line.trim();
        let is_drawing = line.chars().all(|mark| mark == '#' || mark == '.');
        let words: Vec<&str> = if is_drawing {
            line.split("").filter(|mark| !mark.is_empty()).collect()
        } else {
            line.split_whitespace().collect()
        };
        if *width.get_or_insert(words.len()) != words.len() {
            let expected = format!("{} entries as above", width.unwrap_or_default());
            return Err(refused(&expected, words.len().to_string()));
        }
        for (column, word) in words.iter().enumerate() {
            let plain = word.strip_prefix('[').and_then(|word| word.strip_suffix(']'));
            if plain.is_some() && origin.replace([height, column as isize]).is_some() {
                return Err(refused("one origin in brackets", format!("a second, `{word}`")));
            }
            entries.push(match plain.unwrap_or(word) {
                "#" => 0.0,
                "." => f64::NEG_INFINITY,
                number => number
                    .parse()
                    .map_err(|_| refused("#, . or a number", format!("`{number}`")))?,
            });
        }
        height += 1;
    }
    let size = [height as usize, width.unwrap_or_default()];
    Ok(StructuringElement::new(size, origin.unwrap_or(middle(size)), &entries)?)
}

/// A filter of the dilation that a run has learned.
fn learned(folder: &Path, filter: Option<usize>) -> Result<StructuringElement, ApplyError> {
    const FILE: &str = "weights.safetensors";
    let place = folder.display().to_string();
    let mut files: Vec<PathBuf> = vec![folder.join(FILE)];
    if !files[0].is_file() {
        let entries = fs::read_dir(folder)
            .map_err(|e| ApplyError::new(place.clone(), "the folder of a run", e.to_string()))?;
        files = entries.flatten().map(|entry| entry.path().join(FILE)).collect();
        files.retain(|file| file.is_file());
        files.sort();
    }
    let [file] = &files[..] else {
        let names: Vec<String> = files
            .iter()
            .filter_map(|file| Some(file.parent()?.file_name()?.display().to_string()))
            .collect();
        let found = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(ApplyError::new(place, format!("one training with {FILE}"), found));
    };
    let place = file.display().to_string();
    let refused = |expected: &str, found: String| ApplyError::new(place.clone(), expected, found);
    let bytes = fs::read(file).map_err(|e| refused("a file that can be read", e.to_string()))?;
    let tensors = SafeTensors::deserialize(&bytes)
        .map_err(|e| refused("a complete safetensors file", e.to_string()))?;
    let name = format!("{DILATION}.kernel");
    let tensor = tensors
        .tensor(&name)
        .map_err(|_| refused(&format!("a kernel `{name}`"), tensors.names().join(", ")))?;
    let (&[height, width, 1, filters], Dtype::F32) = (tensor.shape(), tensor.dtype()) else {
        let found = format!("{:?} of {:?}", tensor.shape(), tensor.dtype());
        return Err(refused("a kernel [height, width, 1, filters] of F32", found));
    };
    let filter = match filter {
        Some(filter) if filter < filters => filter,
        None if filters == 1 => 0,
        found => {
            let found = found.map_or("none".to_owned(), |filter| format!("#{filter}"));
            let last = filters.saturating_sub(1);
            return Err(refused(&format!("the number of a filter, #0 to #{last}"), found));
        }
    };
    let numbers = tensor.data().chunks_exact(4);
    let numbers = numbers.map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
    let entries: Vec<f64> = numbers.skip(filter).step_by(filters).collect();
    let size = [height, width];
    Ok(StructuringElement::new(size, middle(size), &entries)?)
}
