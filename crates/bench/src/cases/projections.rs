//! Projections of a large parameter onto its set. Each run puts the value back first, so that there
//! is something to project.

use morphograd::morphology::nn::autodiff::sets::Constraint;
use morphograd::morphology::nn::sets::{Grid, Interval, UnitNorm};

use super::Fill;
use crate::case::{Case, Unit, Work};

/// Rows and columns: a million entries.
const SHAPE: [usize; 2] = [1000, 1000];

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("projection-box", "onto the box [-1, 0]", Interval { min: -1.0, max: 0.0 }).counted(),
        case("projection-unit-norm", "of every column onto norm 1", UnitNorm { axes: vec![0] }),
        case("projection-rounding", "onto two decimals", Grid::decimals(2)),
    ]
}

fn case(name: &str, onto: &str, constraint: impl Constraint<f32> + Clone + 'static) -> Case {
    let entries = SHAPE[0] * SHAPE[1];
    let prepare = Box::new(move || {
        let start = Fill::Normal(1.0).tensor(SHAPE);
        let (mut value, constraint) = (start.clone(), constraint.clone());
        Box::new(move || {
            value.data_mut().copy_from_slice(start.data());
            constraint.project(SHAPE.into(), value.data_mut());
        }) as Box<dyn FnMut() + Send>
    });
    // A copy and a pass in place.
    Case::new(
        name,
        format!("projection of {entries} entries {onto}"),
        Work::of(Unit::Byte, 16 * entries),
        prepare,
    )
}
