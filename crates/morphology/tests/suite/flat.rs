//! Flat operators on pixels of every type: against the definition, by their laws, and against the
//! differentiable operators.

use std::fmt::Debug;

use morphograd_morphology::nn::tensor::{Shape, Tensor, TensorRef};
use morphograd_morphology::*;
use proptest::prelude::*;

/// What a number of a test is as a pixel: of integers also the extremes, of floats also what is
/// not finite.
trait Sample: Pixel {
    fn sample(n: u32) -> Self;
}

macro_rules! integers {
    ($($t:ty)*) => {
        $(impl Sample for $t {
            fn sample(n: u32) -> Self {
                match n % 16 {
                    0 => Self::MIN,
                    1 => Self::MAX,
                    _ => Self::of(f64::from(n % 100)),
                }
            }
        })*
    };
}
integers!(u8 u16 u32 u64 i8 i16 i32 i64);

macro_rules! floats {
    ($($t:ty)*) => {
        $(impl Sample for $t {
            fn sample(n: u32) -> Self {
                match n % 16 {
                    0 => Self::NEG_INFINITY,
                    1 => Self::INFINITY,
                    2..6 => Self::NAN,
                    _ => Self::of(f64::from(n % 100) - 49.5),
                }
            }
        })*
    };
}
floats!(f32 f64);

impl Sample for bool {
    fn sample(n: u32) -> Self {
        n.is_multiple_of(3)
    }
}

fn pixels<P: Sample>(shape: [usize; 4], seed: u32) -> Vec<P> {
    let number = |i: usize| (i as u32 ^ seed << 16).wrapping_mul(2_654_435_761) >> 16;
    (0..shape.iter().product()).map(|i| P::sample(number(i))).collect()
}

fn view<P>(shape: [usize; 4], data: &[P]) -> TensorRef<'_, P> {
    TensorRef { shape: Shape::from(shape), data }
}

/// A footprint as a list of offsets.
#[derive(Debug, Clone)]
struct Set {
    size: [usize; 2],
    origin: [isize; 2],
    is_in: Vec<bool>,
}

impl Set {
    fn footprint(&self) -> Footprint {
        Footprint::new(self.size, self.origin, &self.is_in).unwrap()
    }

    fn offsets(&self) -> Vec<[isize; 2]> {
        let at = |n: usize| [n / self.size[1], n % self.size[1]].map(|at| at as isize);
        let all = (0..self.is_in.len()).filter(|n| self.is_in[*n]).map(at);
        all.map(|at| [at[0] - self.origin[0], at[1] - self.origin[1]]).collect()
    }
}

/// The definition: the best pixel over the offsets, times a sign.
fn naive<P: Pixel>(
    shape: [usize; 4],
    x: &[P],
    (set, sign): (&Set, isize),
    border: Border,
    (bottom, best): (P, fn(P, P) -> P),
) -> Vec<P> {
    let [_, height, width, channels] = shape;
    let offsets = set.offsets();
    let value = |at: usize| {
        let (channel, column) = (at % channels, at / channels % width);
        let (row, image) = (at / channels / width % height, at / channels / width / height);
        offsets.iter().fold(bottom, |so_far, [dy, dx]| {
            let row = border.source(row as isize + sign * dy, height);
            let column = border.source(column as isize + sign * dx, width);
            match (row, column, border) {
                (Some(row), Some(column), _) => {
                    best(x[((image * height + row) * width + column) * channels + channel], so_far)
                }
                (_, _, Border::Constant(c)) => best(P::of(c), so_far),
                _ => so_far,
            }
        })
    };
    (0..x.len()).map(value).collect()
}

fn dilated<P: Pixel>(shape: [usize; 4], x: &[P], set: &Set, border: Border) -> Vec<P> {
    naive(shape, x, (set, 1), border, (P::LOWEST, P::larger))
}

fn eroded<P: Pixel>(shape: [usize; 4], x: &[P], set: &Set, border: Border) -> Vec<P> {
    naive(shape, x, (set, -1), border, (P::HIGHEST, P::smaller))
}

fn borders() -> impl Strategy<Value = Border> {
    prop::sample::select(vec![
        Border::Infinity,
        Border::Constant(7.0),
        Border::Replicate,
        Border::Reflect,
        Border::Mirror,
        Border::Periodic,
    ])
}

fn sets(most: usize) -> impl Strategy<Value = Set> {
    let size = (1..=most, 1..=most);
    (size, 0..4u32, any::<u32>(), any::<[i8; 2]>()).prop_map(|((h, w), kind, seed, moved)| {
        let number = |n: usize| (n as u32 ^ seed).wrapping_mul(2_246_822_519) >> 20;
        // Rectangles, blobs, sparse sets.
        let mut is_in: Vec<bool> = (0..h * w)
            .map(|n| match kind {
                0 | 1 => true,
                2 => number(n / w) % (w as u32) <= 1 + 2 * (n % w) as u32,
                _ => number(n).is_multiple_of(4),
            })
            .collect();
        is_in[seed as usize % (h * w)] = true;
        let centre = [(h as isize - 1) / 2, (w as isize - 1) / 2];
        let origin = if kind == 0 {
            centre
        } else {
            [centre[0] + isize::from(moved[0] / 24), centre[1] + isize::from(moved[1] / 24)]
        };
        Set { size: [h, w], origin, is_in }
    })
}

/// The difference that [`Pixel::minus`] takes, element by element.
fn minus<P: Pixel>(a: &[P], b: &[P]) -> Vec<P> {
    a.iter().zip(b).map(|(a, b)| a.minus(*b)).collect()
}

/// Pixels as text, in which NaN equals itself.
fn text<P: Debug>(x: &[P]) -> String {
    format!("{x:?}")
}

fn check<P: Sample>(shape: [usize; 4], seed: u32, set: &Set, border: Border) {
    let x = pixels::<P>(shape, seed);
    let (images, b) = (view(shape, &x), set.footprint());
    let (above, below) = (dilated(shape, &x, set, border), eroded(shape, &x, set, border));
    let name = std::any::type_name::<P>();
    assert_eq!(flat_dilation(images, &b, border).unwrap(), above, "{name}");
    assert_eq!(flat_erosion(images, &b, border).unwrap(), below, "{name}");
    let opened = dilated(shape, &below, set, border);
    let closed = eroded(shape, &above, set, border);
    assert_eq!(flat_opening(images, &b, border).unwrap(), opened, "{name}");
    assert_eq!(flat_closing(images, &b, border).unwrap(), closed, "{name}");
    for (found, expected) in [
        (flat_white_top_hat(images, &b, border), minus(&x, &opened)),
        (flat_black_top_hat(images, &b, border), minus(&closed, &x)),
        (flat_gradient(images, &b, border), minus(&above, &below)),
        (flat_internal_gradient(images, &b, border), minus(&x, &below)),
        (flat_external_gradient(images, &b, border), minus(&above, &x)),
    ] {
        assert_eq!(text(&found.unwrap()), text(&expected), "{name}");
    }
}

fn check_types(shape: [usize; 4], seed: u32, set: &Set, border: Border) {
    check::<u8>(shape, seed, set, border);
    check::<u16>(shape, seed, set, border);
    check::<u32>(shape, seed, set, border);
    check::<u64>(shape, seed, set, border);
    check::<i8>(shape, seed, set, border);
    check::<i16>(shape, seed, set, border);
    check::<i32>(shape, seed, set, border);
    check::<i64>(shape, seed, set, border);
    check::<f32>(shape, seed, set, border);
    check::<f64>(shape, seed, set, border);
    check::<bool>(shape, seed, set, border);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_type_border_and_footprint_is_its_definition(
        (rows, columns, channels) in (1..=12usize, 1..=20usize, 1..=3usize),
        seed in any::<u32>(),
        set in sets(15),
        border in borders(),
    ) {
        check_types([2, rows, columns, channels], seed, &set, border);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn images_of_several_tasks_and_vectors_are_too(
        (rows, columns) in (120..=160usize, 280..=330usize),
        seed in any::<u32>(),
        set in sets(9),
        border in borders(),
    ) {
        check::<u8>([1, rows, columns, 1], seed, &set, border);
        check::<f32>([2, rows, columns, 1], seed, &set, border);
    }

    #[test]
    fn so_are_rows_that_are_cut_into_strips(
        (rows, columns) in (1..=4usize, 1100..=2100usize),
        seed in any::<u32>(),
        set in sets(40),
        border in borders(),
    ) {
        check::<f64>([1, rows, columns, 1], seed, &set, border);
    }
}

#[test]
fn footprints_far_away_and_far_larger_than_the_image_are_their_definition() {
    for border in [
        Border::Infinity,
        Border::Constant(3.0),
        Border::Replicate,
        Border::Reflect,
        Border::Mirror,
        Border::Periodic,
    ] {
        for (size, origin) in [
            ([1, 1], [-5, 9]),
            ([2, 3], [40, -33]),
            ([61, 1], [4, 0]),
            ([1, 50], [0, 60]),
            ([33, 47], [16, 23]),
        ] {
            let set = Set { size, origin, is_in: vec![true; size[0] * size[1]] };
            for (rows, columns) in [(1, 1), (1, 7), (5, 1), (3, 4)] {
                check::<i16>([1, rows, columns, 2], 5, &set, border);
            }
        }
        let huge = Footprint::rectangle([1 << 12, 1 << 23], [1 << 11, 1 << 22]).unwrap();
        let x = [5u8, 9, 7, 6];
        let y = flat_dilation(view([1, 2, 2, 1], &x), &huge, border).unwrap();
        assert_eq!(y, [9; 4], "{border:?}");
    }
}

#[test]
fn images_without_pixels_give_images_without_pixels() {
    let b = Footprint::rectangle([3, 3], [1, 1]).unwrap();
    for shape in [[0, 4, 5, 1], [1, 0, 5, 1], [1, 4, 0, 1], [1, 4, 5, 0]] {
        assert!(flat_dilation(view::<u8>(shape, &[]), &b, Border::Reflect).unwrap().is_empty());
        assert!(flat_gradient(view::<f32>(shape, &[]), &b, Border::Infinity).unwrap().is_empty());
    }
}

#[test]
fn what_is_no_image_is_refused() {
    let b = Footprint::rectangle([3, 3], [1, 1]).unwrap();
    let step = [FlatStep::dilation(&b, Border::Infinity)];
    let refused = |x: TensorRef<'_, u8>, steps: &[FlatStep], residue: Residue<'_, u8>| {
        flat_chain(x, steps, residue).unwrap_err().to_string()
    };
    let flat = TensorRef { shape: Shape::from([2, 2]), data: &[0; 4] };
    assert_eq!(
        refused(flat, &step, Residue::None),
        "flat operator: expected images [batch, height, width, channels], found shape [2, 2]"
    );
    let short = view([1, 2, 2, 1], &[0; 3]);
    let expected = "flat operator: expected 4 pixels for shape [1, 2, 2, 1], found 3";
    assert_eq!(refused(short, &step, Residue::None), expected);
    let whole = view([1, 2, 2, 1], &[0; 4]);
    assert_eq!(refused(whole, &step, Residue::Above(&[0; 3])), expected);
    let none = "flat operator: expected at least one step, found none";
    assert_eq!(refused(whole, &[], Residue::None), none);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn laws_hold_for_every_footprint(
        (rows, columns) in (1..=12usize, 1..=20usize),
        seed in any::<u32>(),
        set in sets(7),
        border in prop::sample::select(vec![Border::Infinity, Border::Periodic]),
    ) {
        let shape = [1, rows, columns, 1];
        let (x, z) = (pixels::<i8>(shape, seed), pixels::<i8>(shape, !seed));
        let b = set.footprint();
        let below = |a: &[i8], b: &[i8]| a.iter().zip(b).all(|(a, b)| a <= b);
        let dilated = flat_dilation(view(shape, &x), &b, border).unwrap();
        // The adjunction, also for images for which both sides are true.
        let above = dilated.iter().zip(&z).map(|(a, b)| *a.max(b)).collect();
        for z in [z, above] {
            let eroded = flat_erosion(view(shape, &z), &b, border).unwrap();
            prop_assert_eq!(below(&dilated, &z), below(&x, &eroded));
        }
        let closed = flat_closing(view(shape, &x), &b, border).unwrap();
        let opened = flat_opening(view(shape, &x), &b, border).unwrap();
        prop_assert!(below(&opened, &x) && below(&x, &closed));
        let again = flat_opening(view(shape, &opened), &b, border).unwrap();
        prop_assert_eq!(again, opened);
        let again = flat_closing(view(shape, &closed), &b, border).unwrap();
        prop_assert_eq!(again, closed);
    }

    #[test]
    fn floats_get_the_values_of_the_differentiable_operators(
        (rows, columns, channels) in (1..=12usize, 1..=40usize, 1..=2usize),
        seed in any::<u32>(),
        set in sets(9),
        border in borders(),
    ) {
        let shape = [2, rows, columns, channels];
        let x = pixels::<f32>(shape, seed);
        let entries: Vec<f64> =
            set.is_in.iter().map(|is_in| if *is_in { 0.0 } else { f64::NEG_INFINITY }).collect();
        let element = StructuringElement::new(set.size, set.origin, &entries).unwrap();
        let b = Footprint::try_from(&element).unwrap();
        prop_assert_eq!(&b, &set.footprint());
        let kernel: Tensor<f32> = element.kernel(channels);
        let around = Neighbourhood2d { border, ..element.window().into() };
        // An infinite pixel and an entry off the support are NaN together there.
        let x: Vec<f32> = x.into_iter().map(|x| x.clamp(-1e30, 1e30)).collect();
        let images = TensorRef::new(shape, &x);
        let y = evaluate([images, kernel.view()], |g, [x, w]| dilation2d(g, x, w, around)).unwrap();
        prop_assert_eq!(flat_dilation(images, &b, border).unwrap(), y.data());
        let y = evaluate([images, kernel.view()], |g, [x, w]| erosion2d(g, x, w, around)).unwrap();
        prop_assert_eq!(flat_erosion(images, &b, border).unwrap(), y.data());
    }
}
