//! Flat dilations, erosions and an opening of one image: what libraries of image processing do with
//! a rectangle.

use morphograd::morphology::nn::tensor::Window2d;
use morphograd::morphology::{Operator, dilation2d, erosion2d, opening2d};

use super::{Fill, Pass, on_tape};
use crate::case::{Case, Unit, Work};

/// The image's side.
const SIDE: usize = 1024;

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("flat-dilation-5", "dilation", dilation2d, SIDE, 5).counted(),
        case("flat-dilation-51", "dilation", dilation2d, SIDE, 51),
        case("flat-dilation-101", "dilation", dilation2d, SIDE, 101),
        case("flat-erosion-5", "erosion", erosion2d, SIDE, 5),
        case("flat-erosion-51", "erosion", erosion2d, SIDE, 51),
        case("flat-erosion-101", "erosion", erosion2d, SIDE, 101),
        case("flat-opening-5", "opening", opening2d, SIDE, 5).counted(),
    ]
}

/// One case of them. The work is that of memory: whatever the side of the rectangle, a pixel has to
/// be read and written once.
pub fn case(name: &str, word: &str, operator: Operator<f32>, image: usize, side: usize) -> Case {
    let window = Window2d::new([side, side]).same();
    let inputs =
        [([1, image, image, 1].into(), Fill::Uniform), ([side, side, 1].into(), Fill::Zeros)];
    let prepare = on_tape(inputs, Pass::Forward, move |graph, vars| {
        operator(graph, vars[0], vars[1], window.into())
    });
    let what = format!("{word} of an image {image} x {image} by a rectangle {side} x {side}");
    Case::new(name, what, Work::of(Unit::Byte, 8 * image * image), prepare)
}
