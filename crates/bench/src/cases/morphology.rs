//! Dilation and erosion by filters: the computation of the layers `Dilation2d` and `Erosion2d`.

use morphograd::morphology::nn::autodiff::{Graph, Var};
use morphograd::morphology::nn::tensor::{ShapeError, Window2d};
use morphograd::morphology::{FilterBank2d, Lattice, MaxPlus, MinMinus};

use super::{Fill, Pass, on_tape};
use crate::case::{Case, Unit, Work};

/// What such a case is told.
#[derive(Debug, Clone, Copy)]
pub struct Filters {
    /// `[batch, height, width, channels]`.
    pub images: [usize; 4],
    /// Number of filters.
    pub filters: usize,
    /// Side of the kernel.
    pub side: usize,
}

/// The sizes: the tutorial's layer, one with many channels, one of large images.
const SIZES: [(&str, Filters); 3] = [
    ("tutorial", Filters { images: [128, 28, 28, 1], filters: 8, side: 5 }),
    ("channels", Filters { images: [32, 64, 64, 16], filters: 16, side: 7 }),
    ("large", Filters { images: [8, 256, 256, 3], filters: 8, side: 5 }),
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (size, filters) in SIZES {
        for (pass, suffix) in Pass::BOTH {
            let dilation = case::<MaxPlus>(&format!("dilation-{size}{suffix}"), filters, pass);
            let erosion = case::<MinMinus>(&format!("erosion-{size}{suffix}"), filters, pass);
            // One size is enough to see that the loops did not change.
            if size == "tutorial" {
                cases.extend([dilation.counted(), erosion.counted()]);
            } else {
                cases.extend([dilation, erosion]);
            }
        }
    }
    cases
}

/// One case of them. Work counts the taps of the values; gradients cost two additions an output and
/// channel more.
pub fn case<L: Lattice>(name: &str, sizes: Filters, pass: Pass) -> Case {
    let Filters { images: [batch, height, width, channels], filters, side } = sizes;
    let outputs = batch * (height + 1 - side) * (width + 1 - side) * filters;
    let what = format!(
        "{}, {batch} images {height} x {width} x {channels}, {filters} filters {side} x {side}{}",
        L::NAME,
        pass.text()
    );
    let inputs = [
        ([batch, height, width, channels].into(), Fill::Uniform),
        ([side, side, channels, filters].into(), Fill::Normal(0.1)),
    ];
    let work = Work::of(Unit::MaxPlus, outputs * channels * side * side);
    Case::new(name, what, work, on_tape(inputs, pass, apply::<L>([side, side])))
}

/// The operation, with valid padding.
pub(super) fn apply<L: Lattice>(
    size: [usize; 2],
) -> impl Fn(&mut Graph<'_, f32>, &[Var]) -> Result<Var, ShapeError> + Clone + Send + Sync + 'static
{
    move |graph, vars| graph.apply(FilterBank2d::<L>::new(Window2d::new(size)), vars)
}
