//! Symmetric structuring functions.
//!
//! The one design choice: the group is named, and its orbits are walked, not stored. Symmetry is
//! about the pixel itself, so sizes have to be odd where an axis is mirrored: an even kernel has
//! its centre beside the middle.

use morphograd_nn::autodiff::sets::Kind;
use morphograd_nn::tensor::ShapeError;

use super::plane::worst;
use super::plane::{PlaneSet, constraint_on_planes};

/// $\{ w : w_{gd} = w_d \text{ for every } g \text{ of a group} \}$ for each channel and filter: by
/// the mean over each orbit. Convex, a subspace; exact in every diagonal metric (the means are
/// weighted), O(n).
///
/// Dilations by kernels that are symmetric under a group commute with it: rotating the image
/// rotates the result. A centrally symmetric kernel is its own reflection, so that dilation and
/// erosion by it are dual.
///
/// ```
/// use morphograd_morphology::{nn::autodiff::{tensor::Shape, sets::Constraint}, Symmetric};
/// let mut kernel = [1.0f32, 2.0, 3.0];
/// Symmetric::Central.project(Shape::from([1, 3]), &mut kernel);
/// assert_eq!(kernel, [2.0, 2.0, 2.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Symmetric {
    /// $w_{-d} = w_d$: rotation by half a turn.
    Central,
    /// $w_{(y, -x)} = w_{(y, x)}$: left and right alike.
    LeftRight,
    /// $w_{(-y, x)} = w_{(y, x)}$: above and below alike.
    UpDown,
    /// Both, and so central too.
    Axial,
    /// All eight symmetries of a square: also $w_{(x, y)} = w_{(y, x)}$.
    Dihedral,
}

constraint_on_planes!(Symmetric);

impl Symmetric {
    /// Where the elements of the group other than the identity take a position.
    fn images(self, [height, width]: [usize; 2], position: usize) -> impl Iterator<Item = usize> {
        let (y, x) = (position / width, position % width);
        let (down, right) = (height - 1 - y, width - 1 - x);
        let at = |y: usize, x: usize| y * width + x;
        let mut all = [position; 7];
        match self {
            Self::Central => all[0] = at(down, right),
            Self::LeftRight => all[0] = at(y, right),
            Self::UpDown => all[0] = at(down, x),
            Self::Axial => all[..3].copy_from_slice(&[at(down, right), at(y, right), at(down, x)]),
            Self::Dihedral => {
                all = [
                    at(down, right),
                    at(y, right),
                    at(down, x),
                    at(x, y),
                    at(right, y),
                    at(x, down),
                    at(right, down),
                ];
            }
        }
        let count = match self {
            Self::Central | Self::LeftRight | Self::UpDown => 1,
            Self::Axial => 3,
            Self::Dihedral => 7,
        };
        all.into_iter().take(count)
    }

    /// Replaces each orbit by its mean.
    fn average(self, size: [usize; 2], metric: Option<&[f64]>, plane: &mut [f64]) {
        for position in 0..plane.len() {
            // Each orbit once, from its first position.
            if self.images(size, position).any(|image| image < position) {
                continue;
            }
            let weight = |i: usize| metric.map_or(1.0, |m| m[i]);
            // Every member is met equally often.
            let (mut sum, mut weights) = (weight(position) * plane[position], weight(position));
            for image in self.images(size, position) {
                sum += weight(image) * plane[image];
                weights += weight(image);
            }
            plane[position] = sum / weights;
            for image in self.images(size, position) {
                plane[image] = sum / weights;
            }
        }
    }
}

impl PlaneSet for Symmetric {
    const NAME: &'static str = "symmetric";
    const HAS_GREATEST: bool = true;
    const AFFINE: bool = true;

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "w_d = w_gd for every g of the group"
    }

    fn check(&self, size: [usize; 2]) -> Result<(), ShapeError> {
        let mirrored = match self {
            Self::LeftRight => [false, true],
            Self::UpDown => [true, false],
            Self::Central | Self::Axial | Self::Dihedral => [true, true],
        };
        let odd = (0..2).all(|axis| !mirrored[axis] || size[axis] % 2 == 1);
        if odd && (*self != Self::Dihedral || size[0] == size[1]) {
            return Ok(());
        }
        let expected = if *self == Self::Dihedral {
            "a square of odd size"
        } else {
            "odd sizes along the axes that are mirrored, so that the centre is the middle"
        };
        Err(ShapeError::new(Self::NAME, expected, format!("size {size:?}")))
    }

    /// The largest difference within an orbit, exactly: symmetric entries are one number.
    fn missed(&self, size: [usize; 2], _: f64, plane: &[f64]) -> f64 {
        (0..plane.len()).fold(0.0, |all, i| {
            let of =
                |j: usize| if plane[i] == plane[j] { 0.0 } else { (plane[i] - plane[j]).abs() };
            let own = if plane[i].is_nan() { plane[i] } else { 0.0 };
            self.images(size, i).map(of).fold(worst(own, all), |all, missed| worst(missed, all))
        })
    }

    fn solve(&self, size: [usize; 2], metric: Option<&[f64]>, plane: &mut [f64]) {
        self.average(size, metric, plane);
    }

    /// The least entry of each orbit.
    fn greatest_below(&self, size: [usize; 2], upper: &mut [f64]) -> bool {
        for position in 0..upper.len() {
            let least = self.images(size, position).map(|image| upper[image]);
            let least = least.fold(upper[position], f64::min);
            upper[position] = least;
            self.images(size, position).for_each(|image| upper[image] = least);
        }
        true
    }

    fn tangent(&self, size: [usize; 2], _: f64, _: &[f64], direction: &mut [f64]) {
        self.average(size, None, direction);
    }
}
