//! A projection that is repeated where rounding has left the value outside.

use morphograd_tensor::Shape;

use crate::constraint::Constraint;

/// Passes of [`project_until_inside`] that are made whatever they achieve.
const PASSES: usize = 3;

/// Projects a value that is outside, by `pass`, and again where rounding has left it there: where a
/// value is much larger than the set, its projection is a difference of large numbers, and the
/// second one is of small ones. More than three passes are made as long as each brings the value a
/// thousand times nearer. What is inside stays as it is, bit for bit.
pub(crate) fn project_until_inside<T>(
    set: &(impl Constraint<T> + ?Sized),
    shape: Shape,
    value: &mut [T],
    mut pass: impl FnMut(&mut [T]),
) {
    let mut last = f64::INFINITY;
    for passes in 0.. {
        let violation = set.violation(shape, value);
        let has_come_nearer = violation < 1e-3 * last;
        if violation == 0.0 || passes >= PASSES && !has_come_nearer {
            return;
        }
        pass(value);
        last = violation;
    }
}
