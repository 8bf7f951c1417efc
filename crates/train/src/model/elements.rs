//! Structuring elements by name: the supports of kernels.

use morphograd_morphology::StructuringElement;
use morphograd_morphology::nn::tensor::ShapeError;

use super::fields::{Entry, Fields, Kind, Read};

/// What an element can be.
pub const ELEMENT: Kind<StructuringElement> =
    Kind { what: "a structuring element", entries: ELEMENTS, words: &[] };

/// The largest length of an element in pixels.
const MOST: usize = 512;

/// The structuring elements.
pub const ELEMENTS: &[Entry<StructuringElement>] = &[
    Entry {
        name: "Cross",
        about: "a pixel and `arms` neighbours to each of four sides",
        read: |f| {
            let arms = f.whole("arms", 0..=MOST / 2, 1)?;
            checked(f, StructuringElement::cross(arms))
        },
    },
    Entry {
        name: "Diamond",
        about: "the pixels whose taxicab distance is at most a radius",
        read: |f| {
            let radius = f.whole("radius", 0..=MOST / 2, 1)?;
            checked(f, StructuringElement::diamond(radius))
        },
    },
    Entry {
        name: "Disk",
        about: "the pixels no further away than a radius",
        read: |f| {
            let radius = f.whole("radius", 0..=MOST / 2, 1)?;
            checked(f, StructuringElement::disk(radius))
        },
    },
    Entry {
        name: "Entries",
        about: "rows of your own numbers, -inf off the support, the origin in the centre",
        read: |f| {
            let rows = f.rows("rows")?;
            let size = [rows.len(), rows[0].len()];
            let origin = size.map(|n| (n as isize - 1) / 2);
            checked(f, StructuringElement::new(size, origin, &rows.concat()))
        },
    },
    Entry {
        name: "Line",
        about: "a line of pixels at an angle in degrees",
        read: |f| {
            let (length, degrees) = (f.whole("length", 1..=MOST, 3)?, f.number("degrees", 0.0)?);
            checked(f, StructuringElement::line(length, degrees))
        },
    },
    Entry {
        name: "Octagon",
        about: "a square of `size` pixels a side dilated by a diamond of a radius",
        read: |f| {
            let size = f.whole("size", 1..=MOST / 4, 3)?;
            let radius = f.whole("radius", 0..=MOST / 4, 1)?;
            checked(f, StructuringElement::octagon(size, radius))
        },
    },
    Entry {
        name: "Quadratic",
        about: "a parabola of a scale in pixels on a rectangle",
        read: |f| {
            let (size, scale) = (f.lengths("size", MOST, [3, 3])?, f.number("scale", 1.0)?);
            checked(f, StructuringElement::quadratic(size, scale))
        },
    },
    Entry {
        name: "Rectangle",
        about: "a flat rectangle",
        read: |f| {
            let [height, width] = f.lengths("size", MOST, [3, 3])?;
            checked(f, StructuringElement::rectangle(height, width))
        },
    },
    Entry {
        name: "Square",
        about: "a flat square of `size` pixels a side",
        read: |f| {
            let size = f.whole("size", 1..=MOST, 3)?;
            checked(f, StructuringElement::square(size))
        },
    },
];

fn checked(
    fields: &Fields<'_>,
    element: Result<StructuringElement, ShapeError>,
) -> Read<StructuringElement> {
    element.map_err(|error| fields.conflict(error.expected, error.found))
}
