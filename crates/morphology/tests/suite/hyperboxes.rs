//! Hyperboxes from outside: the class of a point, the start, training on what boxes can separate,
//! and what is refused.

use morphograd_morphology::nn::tensor::Tensor;
use morphograd_morphology::{ConvexConcave, Hyperbox, Hyperboxes};
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #[test]
    fn the_class_is_that_of_the_nearest_box_and_the_distance_that_of_the_maximum_norm(
        corners in vec(-2.0..2.0f64, 12),
        point in vec(-3.0..3.0f64, 3),
    ) {
        let boxes: Vec<Hyperbox> = corners
            .chunks(6)
            .enumerate()
            .map(|(class, c)| Hyperbox {
                class,
                lower: (0..3).map(|i| c[i].min(c[i + 3])).collect(),
                upper: (0..3).map(|i| c[i].max(c[i + 3])).collect(),
            })
            .collect();
        for own in &boxes {
            // The nearest point of the box is the clipped one.
            let sides = point.iter().zip(&own.lower).zip(&own.upper);
            let out = sides.map(|((x, a), b)| (x - x.clamp(*a, *b)).abs()).fold(0.0, f64::max);
            prop_assert!((own.distance(&point).max(0.0) - out).abs() < 1e-12);
        }
        let nearer = usize::from(boxes[1].distance(&point) < boxes[0].distance(&point));
        prop_assert_eq!(Hyperboxes { boxes }.classify(&point), nearer);
    }

    #[test]
    fn the_start_covers_every_point_with_a_box_of_its_class(
        points in vec(prop_oneof![-2.0..2.0f64, Just(0.5)], 40),
        per_class in 1..5usize,
        seed in 0..9u64,
    ) {
        let points = Tensor::from_vec([20, 2], points).unwrap();
        let labels: Vec<usize> = (0..20).map(|i| i * i % 3).collect();
        let boxes = Hyperboxes::around(&points, &labels, per_class, seed).unwrap();
        for (x, class) in points.data().chunks(2).zip(&labels) {
            let mut own = boxes.boxes.iter().filter(|own| own.class == *class);
            prop_assert!(own.any(|own| own.distance(x) <= 0.0));
        }
        for class in [0, 1] {
            let count = boxes.boxes.iter().filter(|own| own.class == class).count();
            prop_assert!((1..=per_class).contains(&count));
        }
    }
}

#[test]
fn what_boxes_can_separate_is_separated_by_the_margin() {
    // Three classes in columns, from boxes that are all in the wrong place.
    let points =
        Tensor::from_fn(
            [60, 2],
            |i| if i % 2 == 0 { (i / 2 % 3) as f64 } else { (i as f64).sin() },
        );
    let labels: Vec<usize> = (0..60).map(|i| i % 3).collect();
    let at =
        |class: usize, x: f64| Hyperbox { class, lower: vec![x, 0.0], upper: vec![x + 0.1, 0.1] };
    let mut boxes = Hyperboxes { boxes: vec![at(0, 0.9), at(1, 1.0), at(2, 1.1)] };
    let rounds = ConvexConcave { margin: 0.4, rounds: 200, ..ConvexConcave::default() }
        .fit(&mut boxes, &points, &labels)
        .unwrap();
    assert!(rounds.objectives[0] > 0.3, "{rounds:?}");
    assert!(rounds.objectives.last().unwrap() < &0.01, "{rounds:?}");
    assert!(rounds.remaining < 0.01, "{rounds:?}");
    let rows = points.data().chunks(2).zip(&labels);
    assert!(rows.into_iter().all(|(x, class)| boxes.classify(x) == *class));
}

#[test]
fn what_makes_no_problem_is_refused_and_nothing_changes() {
    let points = Tensor::from_fn([4, 2], |i| i as f64);
    let boxes = Hyperboxes::around(&points, &[0, 0, 1, 1], 1, 0).unwrap();
    let refused = |settings: ConvexConcave, labels: &[usize], start: &Hyperboxes| {
        let mut moved = start.clone();
        let error = settings.fit(&mut moved, &points, labels).unwrap_err().to_string();
        assert_eq!(&moved, start);
        error
    };
    let usual = ConvexConcave::default();
    assert_eq!(
        refused(usual, &[0, 1], &boxes),
        "hyperboxes: expected a label for each point [n, d], d > 0, found shape [4, 2] and 2 labels"
    );
    assert_eq!(
        refused(usual, &[0, 0, 2, 1], &boxes),
        "hyperboxes: expected boxes of class 2 and of another, found 0 of 2"
    );
    assert_eq!(
        refused(usual, &[1; 4], &boxes),
        "hyperboxes: expected points of two classes at least, found one or none"
    );
    assert_eq!(
        refused(ConvexConcave { proximity: 0.0, ..usual }, &[0, 0, 1, 1], &boxes),
        "convex-concave: expected finite margin, proximity and tolerance >= 0, and a proximity \
         above 0, found [0.5, 0.0, 0.0001]"
    );
    let mut other = boxes.clone();
    other.boxes[0].upper.push(0.0);
    assert_eq!(
        refused(usual, &[0, 0, 1, 1], &other),
        "hyperboxes: expected corners of 2 coordinates, found 2 and 3"
    );
    let error = Hyperboxes::around(&points, &[0, 0, 1, 1], 0, 0).unwrap_err().to_string();
    assert_eq!(error, "hyperboxes: expected at least one box for each class, found 0");
    let line = Tensor::from_vec([2, 1], vec![0.0, f64::NAN]).unwrap();
    let error = Hyperboxes::around(&line, &[0, 1], 1, 0).unwrap_err().to_string();
    assert_eq!(error, "hyperboxes: expected points of finite numbers, found NaN");
}
