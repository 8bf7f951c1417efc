//! Laws of structuring elements: what their algebra says about dilations, exactly, and what is off
//! a support.

use morphograd_morphology::nn::random::Stream;
use morphograd_morphology::nn::tensor::{Tensor, Window2d};
use morphograd_morphology::{
    Depthwise2d, FilterBank2d, Lattice, MaxPlus, MinMinus, StructuringElement,
};
use morphograd_testkit::{strategy, vjp};
use proptest::collection::vec;
use proptest::prelude::*;

/// Elements of up to `count` entries anywhere around the origin; in halves, so that sums are exact.
fn element(count: usize, flat: bool) -> impl Strategy<Value = StructuringElement> {
    let scale = if flat { 0.0 } else { 0.5 };
    let entry = (-2..=2isize, -2..=2isize, -6..=2i8)
        .prop_map(move |(dy, dx, w)| ([dy, dx], f64::from(w) * scale));
    vec(entry, 1..=count).prop_map(|support| StructuringElement::from_offsets(support).unwrap())
}

fn any_element() -> impl Strategy<Value = StructuringElement> {
    prop_oneof![element(9, true), element(9, false)]
}

fn apply<L: Lattice>(x: &Tensor<f64>, element: &StructuringElement) -> Tensor<f64> {
    let op = Depthwise2d::<L>::new(element.window());
    let zeros = vec![0.0; x.data().len()];
    let y = vjp(op, &[x.clone(), element.kernel(x.shape().dims()[3])], &zeros).0;
    Tensor::from_vec(x.shape(), y).unwrap()
}

/// The image in the middle of a plane of `outside`, `margin` wide: what an image without a border
/// is.
fn plane(x: &Tensor<f64>, margin: usize, outside: f64) -> Tensor<f64> {
    let &[batch, height, width, channels] = x.shape().dims() else { panic!("rank 4") };
    let [rows, columns] = [height + 2 * margin, width + 2 * margin];
    Tensor::from_fn([batch, rows, columns, channels], |n| {
        let (c, j, i, b) = (
            n % channels,
            n / channels % columns,
            n / channels / columns % rows,
            n / channels / columns / rows,
        );
        let (i, j) = (i.wrapping_sub(margin), j.wrapping_sub(margin));
        if i < height && j < width {
            x.data()[((b * height + i) * width + j) * channels + c]
        } else {
            outside
        }
    })
}

/// The sum of Minkowski of small elements.
fn sum(a: &StructuringElement, b: &StructuringElement) -> StructuringElement {
    a.dilated_by(b).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_dilation_by_a_sum_is_the_dilation_of_the_dilation(
        a in any_element(),
        b in any_element(),
        x in strategy::tied_tensor([1, 6, 5, 2]),
    ) {
        let sum = a.dilated_by(&b).unwrap();
        let x = plane(&x, 5, f64::NEG_INFINITY);
        prop_assert_eq!(
            apply::<MaxPlus>(&apply::<MaxPlus>(&x, &b), &a),
            apply::<MaxPlus>(&x, &sum)
        );
        let x = plane(&x, 0, 0.0);
        let x = Tensor::from_vec(x.shape(), x.data().iter().map(|x| -x).collect()).unwrap();
        prop_assert_eq!(
            apply::<MinMinus>(&apply::<MinMinus>(&x, &b), &a),
            apply::<MinMinus>(&x, &sum)
        );
    }

    #[test]
    fn sums_are_commutative_and_associative_and_commute_with_reflection_and_translation(
        a in any_element(),
        b in any_element(),
        c in any_element(),
        by in (-3..=3isize, -3..=3isize),
    ) {
        let by = [by.0, by.1];
        let ab = sum(&a, &b);
        let moved = |a: &StructuringElement, by| a.translated(by).unwrap();
        prop_assert_eq!(&ab, &sum(&b, &a));
        prop_assert_eq!(sum(&ab, &c), sum(&a, &sum(&b, &c)));
        prop_assert_eq!(ab.reflected(), sum(&a.reflected(), &b.reflected()));
        prop_assert_eq!(sum(&moved(&a, by), &b), moved(&ab, by));
        prop_assert_eq!(a.reflected().reflected(), a.clone());
        prop_assert_eq!(moved(&a, by).reflected(), moved(&a.reflected(), by.map(|t| -t)));
    }

    #[test]
    fn splitting_off_gives_the_greatest_element_below(a in any_element(), b in any_element()) {
        let sum = a.dilated_by(&b).unwrap();
        // Residuation: the quotient is at least a, and its sum with b is no more than the sum of a
        // and b.
        let quotient = sum.eroded_by(&b).unwrap();
        prop_assert!(a.support().all(|(d, w)| quotient.entry(d).is_some_and(|q| w <= q)));
        prop_assert_eq!(quotient.dilated_by(&b), Ok(sum));
        if let Some(below) = a.eroded_by(&b) {
            let opened = below.dilated_by(&b).unwrap();
            prop_assert!(opened.support().all(|(d, w)| a.entry(d).is_some_and(|a| w <= a)));
        }
    }

    #[test]
    fn an_erosion_is_dual_to_the_dilation_by_the_reflected_element(
        a in any_element(),
        x in strategy::tied_tensor([1, 6, 5, 2]),
    ) {
        let negated = Tensor::from_vec(x.shape(), x.data().iter().map(|x| -x).collect()).unwrap();
        let dual = apply::<MaxPlus>(&negated, &a.reflected());
        let eroded = apply::<MinMinus>(&x, &a);
        prop_assert!(eroded.data().iter().zip(dual.data()).all(|(e, d)| *e == -d));
    }

    #[test]
    fn dilation_and_erosion_by_an_element_with_any_origin_are_adjoint(
        a in any_element(),
        x in strategy::tied_tensor([1, 6, 5, 1]),
        y in strategy::tied_tensor([1, 6, 5, 1]),
    ) {
        let below =
            |a: &Tensor<f64>, b: &Tensor<f64>| a.data().iter().zip(b.data()).all(|(a, b)| a <= b);
        prop_assert_eq!(
            below(&apply::<MaxPlus>(&x, &a), &y),
            below(&x, &apply::<MinMinus>(&y, &a))
        );
        // Comparable pairs are rare among random images; these are.
        prop_assert!(below(&apply::<MaxPlus>(&apply::<MinMinus>(&y, &a), &a), &y));
        prop_assert!(below(&x, &apply::<MinMinus>(&apply::<MaxPlus>(&x, &a), &a)));
    }

    #[test]
    fn a_translated_element_translates_the_image(
        a in any_element(),
        by in (-2..=2isize, -2..=2isize),
        x in strategy::tied_tensor([1, 6, 5, 1]),
    ) {
        let x = plane(&x, 6, f64::NEG_INFINITY);
        let &[_, rows, columns, _] = x.shape().dims() else { panic!("rank 4") };
        let (still, moved) =
            (apply::<MaxPlus>(&x, &a), apply::<MaxPlus>(&x, &a.translated([by.0, by.1]).unwrap()));
        for (i, j) in (2..rows - 2).flat_map(|i| (2..columns - 2).map(move |j| (i, j))) {
            let from = (i as isize + by.0) as usize * columns + (j as isize + by.1) as usize;
            prop_assert_eq!(moved.data()[i * columns + j], still.data()[from]);
        }
    }

    #[test]
    fn off_the_support_nothing_wins_and_no_gradient_arrives(
        a in any_element(),
        x in strategy::tied_tensor([2, 8, 7, 2]),
    ) {
        // Valid windows: each holds the whole support.
        let window = Window2d::new(a.window().size);
        let w = a.kernel::<f64>(2);
        let four =
            Tensor::from_vec([window.size[0], window.size[1], 2, 1], w.data().to_vec()).unwrap();
        let outputs = (9 - window.size[0]) * (8 - window.size[1]);
        let both = [
            vjp(
                Depthwise2d::<MaxPlus>::new(window),
                &[x.clone(), w.clone()],
                &vec![1.0; 4 * outputs],
            ),
            vjp(
                Depthwise2d::<MinMinus>::new(window),
                &[x.clone(), w.clone()],
                &vec![1.0; 4 * outputs],
            ),
            vjp(
                FilterBank2d::<MaxPlus>::new(window),
                &[x.clone(), four.clone()],
                &vec![1.0; 2 * outputs],
            ),
            vjp(FilterBank2d::<MinMinus>::new(window), &[x.clone(), four], &vec![1.0; 2 * outputs]),
        ];
        for (y, grads) in both {
            prop_assert!(y.iter().all(|y| y.is_finite()));
            prop_assert!(grads[0].iter().all(|g| g.is_finite()));
            let pairs = grads[1].iter().zip(w.data());
            let off =
                pairs.clone().filter(|(_, w)| **w == f64::NEG_INFINITY).all(|(g, _)| *g == 0.0);
            prop_assert!(off);
            prop_assert_eq!(pairs.map(|(g, _)| g.abs()).sum::<f64>(), 4.0 * outputs as f64);
        }
    }

    #[test]
    fn the_parts_of_any_element_add_up_to_it(a in any_element(), b in any_element()) {
        let whole = sum(&a, &b);
        let parts = whole.decompose();
        prop_assert_eq!(parts.into_iter().reduce(|a, b| sum(&a, &b)), Some(whole));
    }
}

#[test]
fn the_parts_of_generated_elements_are_small_add_up_and_dilate_alike_up_to_the_border() {
    type E = StructuringElement;
    // The element, the number of parts, and of entries in them.
    let all = [
        (E::rectangle(7, 9), 2, 16),
        (E::square(8), 2, 16),
        (E::rectangle(1, 9), 1, 9),
        (E::diamond(6), 6, 30),
        (E::octagon(5, 4), 6, 30),
        (E::octagon(4, 2), 4, 18),
        (E::quadratic([9, 7], 2.0), 2, 16),
        (E::disk(12), 5, 229), // no sum of crosses and squares alone, but what remains is smaller
        (E::cross(1), 1, 5),
        (E::cross(5), 1, 21),
        (E::square(1), 1, 1),
    ];
    let mut noise = Stream::new(5, "noise", 0);
    let x = Tensor::from_fn([1, 11, 12, 1], |_| noise.uniform());
    for (element, parts, entries) in all {
        let element = element.unwrap();
        let found = element.decompose();
        let total: usize = found.iter().map(E::count).sum();
        assert_eq!((found.len(), total), (parts, entries), "\n{element}");
        assert_eq!(found.iter().cloned().reduce(|a, b| sum(&a, &b)).unwrap(), element);
        let tolerance = if element.is_flat() { 0.0 } else { 1e-15 };
        for (whole, by_parts) in [
            (
                apply::<MaxPlus>(&x, &element),
                found.iter().fold(x.clone(), |x, part| apply::<MaxPlus>(&x, part)),
            ),
            (
                apply::<MinMinus>(&x, &element),
                found.iter().fold(x.clone(), |x, part| apply::<MinMinus>(&x, part)),
            ),
        ] {
            let pairs = whole.data().iter().zip(by_parts.data());
            assert!(
                pairs.clone().all(|(a, b)| a == b || (a - b).abs() <= tolerance),
                "\n{element}"
            );
        }
    }
}

#[test]
fn an_element_is_its_function_whatever_array_it_came_from() {
    let off = f64::NEG_INFINITY;
    let small = StructuringElement::new([1, 2], [0, 1], &[-1.0, 0.0]).unwrap();
    let large = StructuringElement::new(
        [3, 4],
        [1, 2],
        &[off, off, off, off, off, -1.0, 0.0, off, off, off, off, off],
    );
    assert_eq!(Ok(&small), large.as_ref());
    assert_eq!(
        (small.size(), small.origin(), small.count(), small.is_flat()),
        ([1, 2], [0, 1], 2, false)
    );
    assert_eq!(small.support().collect::<Vec<_>>(), [([0, -1], -1.0), ([0, 0], 0.0)]);
    assert_eq!(
        (small.entry([0, -1]), small.entry([0, 1]), small.entry([-1, -1])),
        (Some(-1.0), None, None)
    );
    assert_eq!(small.to_string(), " -1 [ 0]");
    assert_eq!(small.translated([1, 0]).unwrap().to_string(), "  . [ .]\n -1   0 ");

    let kernel = small.kernel_within::<f32>([2, 2], 1).unwrap_err().to_string();
    assert_eq!(
        kernel,
        "structuring element: expected a support within a kernel of size [2, 2], found offsets \
         from [0, -1] to [0, 0]"
    );
    let kernel = small.kernel_within::<f32>([1, 4], 2).unwrap();
    let none = f32::NEG_INFINITY;
    assert_eq!(kernel.data(), [-1.0, -1.0, 0.0, 0.0, none, none, none, none]);
    // A finite entry stays on the support in every precision.
    let deep = StructuringElement::new([1, 1], [0, 0], &[-1e300]).unwrap();
    assert_eq!(deep.kernel::<f32>(1).data(), [f32::MIN]);
}

#[test]
fn what_is_no_element_is_refused() {
    let new =
        |entries: &[f64]| StructuringElement::new([1, 2], [0, 0], entries).unwrap_err().to_string();
    let cases = [
        (
            new(&[0.0]),
            "structuring element: expected one entry for each position, found 1 entries for size \
             [1, 2]",
        ),
        (
            new(&[0.0, f64::NAN]),
            "structuring element: expected entries that are numbers or -inf, found NaN at offset \
             [0, 1]",
        ),
        (
            new(&[f64::INFINITY, 0.0]),
            "structuring element: expected entries that are numbers or -inf, found inf at offset \
             [0, 0]",
        ),
        (
            new(&[f64::NEG_INFINITY; 2]),
            "structuring element: expected an entry above -inf, found none",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
}

#[test]
fn what_would_take_all_memory_is_refused_before_any_is_taken() {
    type E = StructuringElement;
    let one = E::square(1).unwrap();
    let far = |at: [isize; 2]| E::from_offsets([(at, 0.0)]);
    let too_far = [
        far([1 << 40, 0]),
        far([isize::MIN, 0]),
        far([0, isize::MAX]),
        E::from_offsets([([0, 0], 0.0), ([isize::MAX, isize::MIN], 0.0)]),
        E::new([1, 1], [isize::MIN, 0], &[0.0]),
        one.translated([isize::MAX, 0]),
        one.translated([0, isize::MIN]),
        far([1 << 20, 0]).unwrap().translated([isize::MAX, 0]),
        far([1 << 20, 0]).unwrap().dilated_by(&far([0, 1 << 20]).unwrap()),
    ];
    for refused in too_far {
        let message = refused.unwrap_err().to_string();
        let expected = "structuring element: expected a window around the origin of at most 2^26 \
                        positions, found offsets from [";
        assert!(message.starts_with(expected), "{message}");
    }
    assert_eq!(
        one.kernel_within::<f32>([1 << 40, 3], 1).unwrap_err().to_string(),
        "structuring element: expected a kernel of at most 2^26 positions, found size \
         [1099511627776, 3]"
    );
    assert_eq!((one.entry([isize::MIN, 0]), one.entry([0, isize::MAX])), (None, None));
    // The largest that is allowed.
    assert_eq!(far([(1 << 25) - 1, 0]).unwrap().window().size, [(1 << 26) - 1, 1]);
}
