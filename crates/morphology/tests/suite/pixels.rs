//! Connected operators on every type of pixels: their definitions, and what the tape computes.

use std::cmp::Ordering;
use std::fmt::Debug;

use morphograd_morphology::nn::tensor::{Shape, Tensor, TensorRef};
use morphograd_morphology::pixels::{
    Extremum, area, distance, geodesic, h_extrema, h_residue, leveling, reconstruction,
    regional_extrema,
};
use morphograd_morphology::{
    AreaOpening, Connectivity, GeodesicDilation, Leveling, Pixel, PixelDistance, Reconstruction,
    area_closing, area_opening, distance_transform, evaluate, geodesic_dilation, geodesic_erosion,
    h_concave, h_convex, h_maxima, h_minima, reconstruction_by_dilation, reconstruction_by_erosion,
    regional_maxima, regional_minima,
};
use morphograd_testkit::vjp;
use proptest::prelude::*;

use Extremum::{Maximum, Minimum};

const BOTH: [Connectivity; 2] = [Connectivity::Four, Connectivity::Eight];

/// Two images of one shape, of whole numbers with many ties: degenerate ones, and some that are
/// wider than a block of a scan.
fn images() -> impl Strategy<Value = ([usize; 4], [Vec<u8>; 2])> {
    let shape = prop_oneof![
        (1..=2usize, 1..=6usize, 1..=7usize, 1..=2usize),
        (Just(1usize), Just(1usize), 1..=40usize, Just(1usize)),
        (Just(1usize), 1..=40usize, Just(1usize), Just(1usize)),
        (Just(1usize), 5..=12usize, 15..=35usize, Just(1usize)),
    ];
    (shape, 2..=12u8).prop_flat_map(|((n, height, width, channels), levels)| {
        let image = || prop::collection::vec(0..levels, n * height * width * channels);
        (Just([n, height, width, channels]), [image(), image()])
    })
}

/// The pixels next to each, in the same image and channel.
fn neighbours(shape: [usize; 4], connectivity: Connectivity) -> Vec<Vec<usize>> {
    let [_, height, width, channels] = shape;
    let place = |i: usize| {
        (i / channels / width / height, i / channels / width % height, i / channels % width)
    };
    let near = |i: usize, j: usize| {
        let ((n, y, x), (m, v, u)) = (place(i), place(j));
        let (dy, dx) = (y.abs_diff(v), x.abs_diff(u));
        let reach = if connectivity == Connectivity::Four { dy + dx } else { dy.max(dx) };
        n == m && i % channels == j % channels && reach == 1
    };
    let all = 0..shape.iter().product();
    all.clone().map(|i| all.clone().filter(|j| near(i, *j)).collect()).collect()
}

/// The definition: step by step until nothing changes.
fn naive_reconstruction<P: Pixel>(
    neighbours: &[Vec<usize>],
    inputs: [&[P]; 2],
    extremum: Extremum,
) -> Vec<P> {
    naive_geodesic(neighbours, inputs, usize::MAX, extremum)
}

/// The definition: step by step.
fn naive_geodesic<P: Pixel>(
    neighbours: &[Vec<usize>],
    [marker, mask]: [&[P]; 2],
    steps: usize,
    extremum: Extremum,
) -> Vec<P> {
    let better = |a: P, b: P| if extremum == Maximum { a > b } else { a < b };
    let unknown = |x: P| x.partial_cmp(&x).is_none();
    let clip = |m: P, g: P| if unknown(g) || better(m, g) { g } else { m };
    let mut y: Vec<P> = marker.iter().zip(mask).map(|(m, g)| clip(*m, *g)).collect();
    for _ in 0..steps {
        let step = |(i, near): (usize, &Vec<usize>)| {
            if unknown(y[i]) {
                return y[i];
            }
            let best =
                near.iter().fold(y[i], |best, j| if better(y[*j], best) { y[*j] } else { best });
            clip(best, mask[i])
        };
        let new: Vec<P> = neighbours.iter().enumerate().map(step).collect();
        if new.iter().zip(&y).all(|(a, b)| a == b || unknown(*a)) {
            break;
        }
        y = new;
    }
    y
}

/// The definition: a marker below the image grows, one above it shrinks, until nothing changes.
fn naive_leveling<P: Pixel>(neighbours: &[Vec<usize>], [marker, image]: [&[P]; 2]) -> Vec<P> {
    let mut y = marker.to_vec();
    loop {
        let step = |(i, near): (usize, &Vec<usize>)| {
            let best = |better: fn(P, P) -> bool| {
                let best = |best, j: &usize| if better(y[*j], best) { y[*j] } else { best };
                let best = near.iter().fold(y[i], best);
                if better(best, image[i]) { image[i] } else { best }
            };
            match y[i].partial_cmp(&image[i]) {
                Some(Ordering::Less) => best(|a, b| a > b),
                Some(Ordering::Greater) => best(|a, b| a < b),
                _ => y[i],
            }
        };
        let new: Vec<P> = neighbours.iter().enumerate().map(step).collect();
        if same(&new, &y) {
            return y;
        }
        y = new;
    }
}

/// The definition: from each pixel on to lower levels, until the component is large enough or all.
/// NaN is the lowest.
fn naive_area<P: Pixel>(
    neighbours: &[Vec<usize>],
    x: &[P],
    area: usize,
    extremum: Extremum,
) -> Vec<P> {
    let unknown = |x: P| x.partial_cmp(&x).is_none();
    let above = |a: P, b: P| match extremum {
        Maximum => a > b || (unknown(b) && !unknown(a)),
        Minimum => a < b || (unknown(b) && !unknown(a)),
    };
    let level = |start: usize| {
        let mut level = x[start];
        loop {
            let (mut component, mut at, mut next) = (vec![start], 0, None);
            while at < component.len() {
                for j in &neighbours[component[at]] {
                    if above(level, x[*j]) {
                        next = Some(next.filter(|next| !above(x[*j], *next)).unwrap_or(x[*j]));
                    } else if !component.contains(j) {
                        component.push(*j);
                    }
                }
                at += 1;
            }
            match next {
                Some(next) if component.len() < area => level = next,
                _ => return level,
            }
        }
    };
    (0..x.len()).map(level).collect()
}

/// The definition: no pixel of the plateau has a neighbour beyond it.
fn naive_extrema<P: Pixel>(neighbours: &[Vec<usize>], x: &[P], extremum: Extremum) -> Vec<bool> {
    let better = |a: P, b: P| if extremum == Maximum { a > b } else { a < b };
    let is_one = |i: usize| {
        let (mut plateau, mut at) = (vec![i], 0);
        while at < plateau.len() {
            for j in &neighbours[plateau[at]] {
                if better(x[*j], x[i]) {
                    return false;
                }
                if x[*j] == x[i] && !plateau.contains(j) {
                    plateau.push(*j);
                }
            }
            at += 1;
        }
        x[i].partial_cmp(&x[i]).is_some()
    };
    (0..x.len()).map(is_one).collect()
}

/// Equal, where NaN equals NaN.
fn same<P: Pixel>(found: &[P], expected: &[P]) -> bool {
    let unknown = |x: &P| x.partial_cmp(x).is_none();
    found.len() == expected.len()
        && found.iter().zip(expected).all(|(a, b)| a == b || (unknown(a) && unknown(b)))
}

/// All operators on one type, by their definitions.
fn check<P: Pixel>(shape: [usize; 4], [marker, mask]: [&[P]; 2], h: P) {
    let zero = P::default();
    for connectivity in BOTH {
        let near = neighbours(shape, connectivity);
        for extremum in [Maximum, Minimum] {
            let what = || format!("{extremum:?} {connectivity:?} of {shape:?} {marker:?} {mask:?}");
            let inputs = [marker, mask];
            let found = reconstruction(shape, inputs, extremum, connectivity).unwrap();
            let expected = naive_reconstruction(&near, inputs, extremum);
            assert!(same(&found, &expected), "{found:?} {expected:?} {}", what());

            let shift = |x: &P| if extremum == Maximum { x.minus(h) } else { x.plus(h) };
            let shifted: Vec<P> = mask.iter().map(shift).collect();
            let found = h_extrema(shape, mask, h, extremum, connectivity).unwrap();
            let expected = naive_reconstruction(&near, [&shifted, mask], extremum);
            assert!(same(&found, &expected), "{found:?} {expected:?} {h:?} {}", what());

            let found = regional_extrema(shape, mask, extremum, connectivity).unwrap();
            assert_eq!(found, naive_extrema(&near, mask, extremum), "{}", what());

            for n in [0, 1, 3] {
                let found = geodesic(shape, inputs, n, extremum, connectivity).unwrap();
                let expected = naive_geodesic(&near, inputs, n, extremum);
                assert!(same(&found, &expected), "{found:?} {expected:?} {n} {}", what());
            }
            for n in [0, 1, 2, 5, 1000] {
                let found = area(shape, mask, n, extremum, connectivity).unwrap();
                let expected = naive_area(&near, mask, n, extremum);
                assert!(same(&found, &expected), "{found:?} {expected:?} {n} {}", what());
            }
        }
        let found = leveling(shape, [marker, mask], connectivity).unwrap();
        let expected = naive_leveling(&near, [marker, mask]);
        assert!(same(&found, &expected), "{found:?} {expected:?} {marker:?} {mask:?}");
    }
    for metric in [PixelDistance::Euclidean, PixelDistance::Taxicab, PixelDistance::Chessboard] {
        let set: Vec<f64> = mask.iter().map(|x| f64::from(u8::from(*x != zero))).collect();
        let expected = distance_transform(TensorRef::new(shape, &set), metric).unwrap();
        let found: Vec<f64> = distance(shape, mask, metric).unwrap();
        assert_eq!(found, expected.data(), "{metric:?} {shape:?} {mask:?}");
    }
}

/// As [`check`], of what a function makes of the numbers.
fn check_of<P: Pixel>(shape: [usize; 4], images: &[Vec<u8>; 2], h: u8, f: impl Fn(u8) -> P) {
    let [marker, mask] = images.each_ref().map(|x| x.iter().map(|x| f(*x)).collect::<Vec<P>>());
    check(shape, [&marker, &mask], P::of(f64::from(h)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_type_of_pixels_follows_the_definitions((shape, images) in images(), h in 0..6u8) {
        check_of(shape, &images, h, |x| x);
        check_of(shape, &images, h, |x| x > 1);
        check_of(shape, &images, h, |x| u16::from(x) * 5000);
        check_of(shape, &images, h, |x| u32::MAX - u32::from(x));
        check_of(shape, &images, h, |x| u64::MAX - u64::from(x));
        check_of(shape, &images, h, |x| i8::MIN + x as i8);
        check_of(shape, &images, h, |x| i16::from(x) - 4);
        check_of(shape, &images, h, |x| i32::MAX - i32::from(x));
        check_of(shape, &images, h, |x| (1 << 53) + i64::from(x));
        check_of(shape, &images, h, |x| f32::from(x) / 3.0 - 1.0);
        let special = [f64::NAN, f64::NEG_INFINITY, f64::INFINITY, -0.0];
        check_of(shape, &images, h, |x| {
            special.get(usize::from(x)).map_or(f64::from(x), |x| *x)
        });
    }

    #[test]
    fn values_are_those_of_the_tape_bit_for_bit((shape, images) in images(), h in 0..6u8) {
        let [marker, mask] = images.map(|x| {
            let numbers = x.into_iter().map(|x| f64::from(x) / 3.0 + 1.0).collect();
            Tensor::from_vec(shape, numbers).unwrap()
        });
        let h = f64::from(h) / 3.0;
        let height = TensorRef::new([1], std::slice::from_ref(&h));
        let bits = |x: &[f64]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        for connectivity in BOTH {
            let inputs = [marker.data(), mask.data()];
            let all = |extremum| [
                reconstruction(shape, inputs, extremum, connectivity).unwrap(),
                h_extrema(shape, mask.data(), h, extremum, connectivity).unwrap(),
                h_residue(shape, mask.data(), h, extremum, connectivity).unwrap(),
            ].map(|y| bits(&y));
            let (m, g) = (marker.view(), mask.view());
            let c = connectivity;
            let by_dilation = [
                evaluate([m, g], |graph, [m, g]| reconstruction_by_dilation(graph, m, g, c)),
                evaluate([g, height], |graph, [g, h]| h_maxima(graph, g, h, c)),
                evaluate([g, height], |graph, [g, h]| h_convex(graph, g, h, c)),
            ].map(|y| bits(y.unwrap().data()));
            prop_assert_eq!(all(Maximum), by_dilation);
            let by_erosion = [
                evaluate([m, g], |graph, [m, g]| reconstruction_by_erosion(graph, m, g, c)),
                evaluate([g, height], |graph, [g, h]| h_minima(graph, g, h, c)),
                evaluate([g, height], |graph, [g, h]| h_concave(graph, g, h, c)),
            ].map(|y| bits(y.unwrap().data()));
            prop_assert_eq!(all(Minimum), by_erosion);

            // With a gradient, values come with their origins, from another algorithm.
            let recorded = Reconstruction { connectivity, ties: Default::default() };
            let ones = vec![1.0; mask.data().len()];
            let (y, _) = vjp(recorded, &[marker.clone(), mask.clone()], &ones);
            prop_assert_eq!(bits(&y), all(Maximum)[0].clone());

            let pulled = bits(&leveling(shape, inputs, c).unwrap());
            let (y, _) = vjp(
                Leveling { connectivity, ties: Default::default() },
                &[marker.clone(), mask.clone()],
                &ones,
            );
            prop_assert_eq!(bits(&y), pulled);
            for n in [0, 1, 4] {
                let all = |extremum| [
                    geodesic(shape, inputs, n, extremum, c).unwrap(),
                    area(shape, mask.data(), n, extremum, c).unwrap(),
                ].map(|y| bits(&y));
                let maximum = [
                    evaluate([m, g], |graph, [m, g]| geodesic_dilation(graph, m, g, n, c)),
                    evaluate([g], |graph, [g]| area_opening(graph, g, n, c)),
                ].map(|y| bits(y.unwrap().data()));
                prop_assert_eq!(all(Maximum), maximum.clone());
                let minimum = [
                    evaluate([m, g], |graph, [m, g]| geodesic_erosion(graph, m, g, n, c)),
                    evaluate([g], |graph, [g]| area_closing(graph, g, n, c)),
                ].map(|y| bits(y.unwrap().data()));
                prop_assert_eq!(all(Minimum), minimum);
                let ties = Default::default();
                let dilation = GeodesicDilation { steps: n, connectivity, ties };
                let opening = AreaOpening { area: n, connectivity, ties };
                let recorded = [
                    vjp(dilation, &[marker.clone(), mask.clone()], &ones).0,
                    vjp(opening, std::slice::from_ref(&mask), &ones).0,
                ].map(|y| bits(&y));
                prop_assert_eq!(recorded, maximum);
            }

            for (extremum, found) in
                [(Maximum, regional_maxima(g, c)), (Minimum, regional_minima(g, c))]
            {
                let expected = regional_extrema(shape, mask.data(), extremum, c).unwrap();
                let found: Vec<bool> = found.unwrap().data().iter().map(|x| *x == 1.0).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }

    /// In a wider type nothing is outside the range.
    #[test]
    fn residues_of_integers_are_exact_also_where_the_markers_saturate(
        (shape, [x, _]) in images(), h in 0..=255u8, far in any::<bool>(),
    ) {
        let x: Vec<u8> = x.into_iter().map(|x| if far { 255 - 20 * x } else { 20 * x }).collect();
        let wide: Vec<i32> = x.iter().map(|x| i32::from(*x)).collect();
        let signed: Vec<i8> = x.iter().map(|x| (*x ^ 128).cast_signed()).collect();
        for connectivity in BOTH {
            for extremum in [Maximum, Minimum] {
                let of = |h: i32| h_residue(shape, &wide, h, extremum, connectivity).unwrap();
                let found = h_residue(shape, &x, h, extremum, connectivity).unwrap();
                let found: Vec<i32> = found.into_iter().map(i32::from).collect();
                prop_assert_eq!(found, of(i32::from(h)));
                let h = (h / 2).cast_signed();
                let found = h_residue(shape, &signed, h, extremum, connectivity).unwrap();
                let found: Vec<i32> = found.into_iter().map(i32::from).collect();
                prop_assert_eq!(found, of(i32::from(h)));
            }
        }
    }
}

/// Larger than any block or strip, with what needs the queue: noise, ramps, and a corridor that
/// winds through the whole image.
#[test]
fn large_images_follow_the_definitions_too() {
    let shape = [1, 70, 90, 1];
    let mut state = 7u32;
    let noise: Vec<u8> = (0..70 * 90)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    let corridor: Vec<u8> = (0..70 * 90usize)
        .map(|i| {
            let (y, x) = (i / 90, i % 90);
            let door = if y / 2 % 2 == 0 { x == 89 } else { x == 0 };
            if y % 2 == 0 || door { 255 - (y * 2) as u8 } else { 3 }
        })
        .collect();
    let columns: Vec<u8> = (0..70 * 90usize)
        .map(|i| {
            let (y, x) = (i / 90, i % 90);
            let door = if x / 2 % 2 == 0 { y == 0 } else { y == 69 };
            if x % 2 == 0 || door { 200 } else { 0 }
        })
        .collect();
    let start: Vec<u8> = (0..70 * 90).map(|i| if i == 0 { 255 } else { 0 }).collect();
    let end: Vec<u8> = (0..70 * 90).map(|i| if i == 70 * 90 - 1 { 255 } else { 0 }).collect();
    for mask in [&noise, &corridor, &columns] {
        for marker in [&start, &end, &mask.iter().map(|x| x.saturating_sub(40)).collect()] {
            let plane = |f: &dyn Fn(u8) -> f32| {
                let [marker, mask] =
                    [marker, mask].map(|x| x.iter().map(|x| f(*x)).collect::<Vec<_>>());
                for connectivity in BOTH {
                    let near = neighbours_of_plane(shape, connectivity);
                    for extremum in [Maximum, Minimum] {
                        let found = reconstruction(shape, [&marker, &mask], extremum, connectivity)
                            .unwrap();
                        let expected = naive_reconstruction(&near, [&marker, &mask], extremum);
                        assert!(same(&found, &expected), "{extremum:?} {connectivity:?}");
                    }
                }
            };
            plane(&|x| f32::from(x));
            plane(&|x| -f32::from(x));
        }
    }
}

/// Of a tall image parts are computed on their own.
#[test]
fn areas_in_tall_images_follow_the_definition_too() {
    let shape = [1, 200, 9, 1];
    let mut state = 3u32;
    let noise: Vec<u16> = (0..200 * 9)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as u16
        })
        .collect();
    // A line from the first row to the last, one of its halves and many smaller ones.
    let lines: Vec<u16> = (0..200 * 9usize)
        .map(|i| match (i / 9, i % 9) {
            (_, 1) => 9,
            (y, 3) if y < 100 => 8,
            (y, 5) if y % 12 != 0 => 7,
            (y, 7) if y % 9 != 0 => 300 + y as u16,
            _ => 5,
        })
        .collect();
    for x in [&noise, &lines] {
        for connectivity in BOTH {
            let near = neighbours_of_plane(shape, connectivity);
            for extremum in [Maximum, Minimum] {
                for n in [2, 8, 9, 11, 12, 25, 100, 101, 200, 201] {
                    let found = area(shape, x, n, extremum, connectivity).unwrap();
                    let expected = naive_area(&near, x, n, extremum);
                    assert_eq!(found, expected, "{n} {extremum:?} {connectivity:?}");
                }
            }
        }
    }
}

/// As [`neighbours`], without comparing all pixels with all.
fn neighbours_of_plane(shape: [usize; 4], connectivity: Connectivity) -> Vec<Vec<usize>> {
    let [_, height, width, _] = shape;
    (0..height * width)
        .map(|i| {
            let (y, x) = (i / width, i % width);
            let rows = y.saturating_sub(1)..(y + 2).min(height);
            rows.flat_map(|v| (x.saturating_sub(1)..(x + 2).min(width)).map(move |u| (v, u)))
                .filter(|&(v, u)| {
                    (v, u) != (y, x) && (connectivity == Connectivity::Eight || v == y || u == x)
                })
                .map(|(v, u)| v * width + u)
                .collect()
        })
        .collect()
}

#[test]
fn distances_in_tall_and_wide_images_are_those_of_the_definition() {
    for (shape, every) in [([1, 100, 9, 1], 250), ([1, 7, 120, 1], 333), ([1, 90, 40, 2], 3001)] {
        let [_, height, width, channels] = shape;
        let x: Vec<u16> =
            (0..height * width * channels).map(|i| u16::from(i * 7919 % every == 0)).collect();
        let found: Vec<f64> = distance(shape, &x, PixelDistance::Euclidean).unwrap();
        for c in 0..channels {
            let place = |i: usize| (i / channels / width, i / channels % width);
            let set: Vec<_> = (0..x.len()).filter(|i| i % channels == c && x[*i] != 0).collect();
            for i in (0..x.len()).filter(|i| i % channels == c) {
                let square = |j: &usize| {
                    let ((y, x), (v, u)) = (place(i), place(*j));
                    y.abs_diff(v).pow(2) + x.abs_diff(u).pow(2)
                };
                let nearest = set.iter().map(square).min();
                let expected = nearest.map_or(f64::INFINITY, |square| (square as f64).sqrt());
                assert_eq!(found[i], expected, "{shape:?} at {i}");
            }
        }
    }
}

#[test]
fn degenerate_images_are_accepted() {
    fn all<P: Pixel + Debug>(shape: [usize; 4], x: &[P]) {
        for connectivity in BOTH {
            for extremum in [Maximum, Minimum] {
                let y = reconstruction(shape, [x, x], extremum, connectivity).unwrap();
                assert_eq!(y, x);
                let y = h_extrema(shape, x, P::default(), extremum, connectivity).unwrap();
                assert_eq!(y, x);
                let y = h_residue(shape, x, P::default(), extremum, connectivity).unwrap();
                assert_eq!(y, vec![P::default(); x.len()]);
                let y = regional_extrema(shape, x, extremum, connectivity).unwrap();
                assert_eq!(y, vec![true; x.len()]);
                assert_eq!(area(shape, x, 3, extremum, connectivity).unwrap(), x);
                assert_eq!(geodesic(shape, [x, x], 2, extremum, connectivity).unwrap(), x);
            }
            assert_eq!(leveling(shape, [x, x], connectivity).unwrap(), x);
        }
    }
    for shape in [[0, 3, 3, 1], [1, 0, 3, 1], [1, 3, 0, 1], [1, 3, 3, 0]] {
        all::<u8>(shape, &[]);
        all::<f64>(shape, &[]);
    }
    for x in [i16::MIN, 0, i16::MAX] {
        all([1, 1, 1, 1], &[x]);
        all([1, 3, 2, 1], &[x; 6]);
    }
    for x in [-1.0f32, 2.0] {
        all([1, 3, 2, 1], &[x; 6]);
    }
}

#[test]
fn what_is_no_image_is_refused_by_name() {
    let message = |shape: Shape, lengths: [usize; 2]| {
        let [m, g] = lengths.map(|n| vec![0u8; n]);
        let connectivity = Connectivity::Eight;
        reconstruction(shape, [&m, &g], Maximum, connectivity).unwrap_err().to_string()
    };
    assert_eq!(
        message([1, 2, 3, 1].into(), [6, 5]),
        "reconstruction: expected 6 pixels of shape [1, 2, 3, 1], found 5"
    );
    assert_eq!(
        message([2, 3].into(), [6, 6]),
        "reconstruction: expected images [batch, height, width, channels], found shape [2, 3]"
    );
    let [m, g] = [&[0u8; 6][..], &[0; 5]];
    let (shape, connectivity) = ([1, 2, 3, 1], Connectivity::Eight);
    let errors = [
        ("area opening", area(shape, g, 3, Maximum, connectivity)),
        ("geodesic dilation", geodesic(shape, [m, g], 3, Maximum, connectivity)),
        ("leveling", leveling(shape, [m, g], connectivity)),
    ];
    for (name, found) in errors {
        let expected = format!("{name}: expected 6 pixels of shape [1, 2, 3, 1], found 5");
        assert_eq!(found.unwrap_err().to_string(), expected);
    }
    let error = regional_extrema([1, 2, 3, 1], &[0u8; 7], Minimum, Connectivity::Four).unwrap_err();
    assert!(error.to_string().starts_with("regional extrema: expected 6 pixels"), "{error}");
    let error = distance::<u8, f64>([1, 2, 3, 1], &[0; 7], PixelDistance::Euclidean).unwrap_err();
    assert!(error.to_string().starts_with("distance transform: expected 6 pixels"), "{error}");
}
