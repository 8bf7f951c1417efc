//! Values that are far larger than the set, or of entries of mixed size.

use proptest::collection::vec;
use proptest::prelude::*;

use super::table::{number, sets};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_is_projected_from_far_out_is_inside(
        point in vec((number(), 0..30i32), 12),
        metric in vec(0.05..4.0f64, 12),
        exponent in 0..290i32,
        is_mixed in prop::bool::ANY,
    ) {
        for entry in sets() {
            let (n, shape) = (entry.shape.len(), entry.shape);
            let of = |(w, own): &(f64, i32)| w * 10f64.powi(if is_mixed { *own } else { exponent });
            let mut value: Vec<f64> = point[..n].iter().map(of).collect();
            let mut single: Vec<f32> = value.iter().map(|w| *w as f32).collect();
            entry.double().project(shape, &mut value);
            let violation = entry.double().violation(shape, &value);
            prop_assert_eq!(violation, 0.0, "{}: {:?}", entry.name, value);
            if entry.double().capabilities(shape).metric {
                let mut value: Vec<f64> = point[..n].iter().map(of).collect();
                entry.double().project_in_metric(shape, &metric[..n], &mut value);
                let violation = entry.double().violation(shape, &value);
                prop_assert_eq!(violation, 0.0, "{} in a metric: {:?}", entry.name, value);
            }
            if single.iter().all(|w| w.abs() < 1e36) {
                entry.single().project(shape, &mut single);
                let violation = entry.single().violation(shape, &single);
                prop_assert_eq!(violation, 0.0, "{}: {:?}", entry.name, single);
            }
        }
    }
}
