//! Random images for the operators that select pixels, and what they compute by their definitions,
//! one pixel after the other, with the choice at ties written out.

use morphograd_morphology::nn::autodiff::{Graph, Op, Ties, Var};
use morphograd_morphology::nn::tensor::{Shape, ShapeError, Tensor};
use morphograd_morphology::{Connectivity, evaluate};
use morphograd_testkit::{strategy, vjp};
use proptest::prelude::*;

pub(crate) fn connectivity() -> impl Strategy<Value = Connectivity> {
    prop_oneof![Just(Connectivity::Four), Just(Connectivity::Eight)]
}

pub(crate) const RULES: [Ties; 3] = [Ties::First, Ties::Last, Ties::Split];

pub(crate) fn ties() -> impl Strategy<Value = Ties> {
    prop::sample::select(RULES.to_vec())
}

/// Small images, degenerate ones among them.
pub(crate) fn shape() -> impl Strategy<Value = [usize; 4]> {
    (1..=2usize, 1..=6usize, 1..=7usize, 1..=2usize).prop_map(|(batch, h, w, c)| [batch, h, w, c])
}

/// Two images of one shape, full of ties.
pub(crate) fn tied_pair() -> impl Strategy<Value = [Tensor<f64>; 2]> {
    shape().prop_flat_map(|shape| [strategy::tied_tensor(shape), strategy::tied_tensor(shape)])
}

/// Two images of one shape, without ties.
pub(crate) fn pair() -> impl Strategy<Value = [Tensor<f64>; 2]> {
    shape().prop_flat_map(|shape| [strategy::tensor(shape), strategy::tensor(shape)])
}

/// For each pixel the numbers of its window's pixels within the same image and channel, in raster
/// order.
pub(crate) fn windows(shape: Shape, connectivity: Connectivity) -> Vec<Vec<usize>> {
    let &[_, height, width, channels] = shape.dims() else { panic!("rank 4") };
    let of = |at: usize| {
        let (c, x, y) = (at % channels, at / channels % width, at / channels / width % height);
        let image = at / (channels * width * height);
        let near = |a: usize, b: usize| a.abs_diff(b) <= 1;
        let all = (0..height).flat_map(|v| (0..width).map(move |u| (v, u)));
        all.filter(|&(v, u)| {
            near(v, y) && near(u, x) && (connectivity == Connectivity::Eight || v == y || u == x)
        })
        .map(|(v, u)| ((image * height + v) * width + u) * channels + c)
        .collect()
    };
    (0..shape.len()).map(of).collect()
}

/// A value and its origin: pixel `i` of input 0 is `i`, of input 1 `n + i`.
pub(crate) type Traced = (f64, usize);

/// A value, and its derivative by every pixel of both inputs.
pub(crate) type Shared = (f64, Vec<f64>);

/// The largest (smallest) of some candidates, with the derivative that the rule gives.
pub(crate) fn choose(candidates: &[&Shared], max: bool, ties: Ties) -> Shared {
    let best =
        candidates.iter().map(|c| c.0).reduce(if max { f64::max } else { f64::min }).unwrap();
    let tied: Vec<&&Shared> = candidates.iter().filter(|c| c.0 == best).collect();
    let chosen = match ties {
        Ties::First => &tied[..1],
        Ties::Last => &tied[tied.len() - 1..],
        Ties::Split => &tied[..],
    };
    let mean = |k: usize| chosen.iter().map(|c| c.1[k]).sum::<f64>() / chosen.len() as f64;
    (best, (0..candidates[0].1.len()).map(mean).collect())
}

/// `min(max over the window, mask)`, as often as there are steps, with the rule in each of them;
/// the marker before the mask.
pub(crate) fn naive_geodesic(
    [marker, mask]: &[Tensor<f64>; 2],
    steps: usize,
    connectivity: Connectivity,
    ties: Ties,
) -> Vec<Shared> {
    let n = marker.data().len();
    let windows = windows(marker.shape(), connectivity);
    let pixels = |x: &Tensor<f64>, first: usize| -> Vec<Shared> {
        let one = |i: usize| (0..2 * n).map(|k| f64::from(u8::from(k == first + i))).collect();
        x.data().iter().enumerate().map(|(i, x)| (*x, one(i))).collect()
    };
    let (start, masks) = (pixels(marker, 0), pixels(mask, n));
    let mut all: Vec<Shared> =
        start.iter().zip(&masks).map(|(m, g)| choose(&[m, g], false, ties)).collect();
    for _ in 0..steps {
        let dilated = windows.iter().map(|window| {
            let candidates: Vec<&Shared> = window.iter().map(|q| &all[*q]).collect();
            choose(&candidates, true, ties)
        });
        all = dilated
            .collect::<Vec<_>>()
            .iter()
            .zip(&masks)
            .map(|(m, g)| choose(&[m, g], false, ties))
            .collect();
    }
    all
}

/// The gradient of each flat zone of `y`, in equal parts to the pixels of the inputs in it that
/// have its value.
pub(crate) fn naive_zones(
    y: &[f64],
    inputs: &[Tensor<f64>],
    grad: &[f64],
    connectivity: Connectivity,
) -> Vec<Vec<f64>> {
    let windows = windows(inputs[0].shape(), connectivity);
    let mut dx = vec![vec![0.0; y.len()]; inputs.len()];
    for (p, g) in grad.iter().enumerate() {
        let zone = flood(p, &windows, |q| y[q] == y[p]);
        let all = (0..inputs.len()).flat_map(|k| zone.iter().map(move |q| (k, *q)));
        let equal: Vec<_> = all.filter(|(k, q)| inputs[*k].data()[*q] == y[p]).collect();
        assert!(!equal.is_empty(), "no pixel has the value of the zone");
        equal.iter().for_each(|(k, q)| dx[*k][*q] += g / equal.len() as f64);
    }
    dx
}

/// The iteration on the whole image until nothing changes, with the documented choice at ties.
pub(crate) fn naive_leveling(
    marker: &Tensor<f64>,
    image: &Tensor<f64>,
    connectivity: Connectivity,
    ties: Ties,
) -> Vec<Traced> {
    let (n, last) = (marker.data().len(), ties == Ties::Last);
    let mut windows = windows(marker.shape(), connectivity);
    if last {
        windows.iter_mut().for_each(|window| window.reverse());
    }
    let mut traced: Vec<Traced> = marker.data().iter().copied().zip(0..).collect();
    loop {
        let one = |(i, window): (usize, &Vec<usize>)| {
            let g = (image.data()[i], n + i);
            let neighbours = || window.iter().filter(|q| **q != i).map(|q| traced[*q]);
            let above = neighbours().fold(traced[i], |best, q| if q.0 > best.0 { q } else { best });
            let below = neighbours().fold(traced[i], |best, q| if q.0 < best.0 { q } else { best });
            let pulled = if above.0 < g.0 || (above.0 == g.0 && !last) { above } else { g };
            let new =
                if below.0 > pulled.0 || (below.0 == pulled.0 && !last) { below } else { pulled };
            if new.0 == traced[i].0 { traced[i] } else { new }
        };
        let new: Vec<Traced> = windows.iter().enumerate().map(one).collect();
        if new == traced {
            return traced;
        }
        traced = new;
    }
}

/// The pixels that can be reached from `start` through pixels that satisfy `inside`.
pub(crate) fn flood(
    start: usize,
    windows: &[Vec<usize>],
    inside: impl Fn(usize) -> bool,
) -> Vec<usize> {
    let (mut reached, mut next) = (vec![start], 0);
    while next < reached.len() {
        let fresh =
            windows[reached[next]].iter().copied().filter(|q| inside(*q) && !reached.contains(q));
        let fresh: Vec<usize> = fresh.collect();
        reached.extend(fresh);
        next += 1;
    }
    reached
}

/// The definition by components: from each pixel down, level by level, until the component is large
/// enough or the whole plane.
pub(crate) fn naive_area_opening(
    x: &Tensor<f64>,
    area: usize,
    connectivity: Connectivity,
    ties: Ties,
) -> Vec<Traced> {
    let (windows, data) = (windows(x.shape(), connectivity), x.data());
    let level = |start: usize| {
        let mut level = data[start];
        loop {
            let component = flood(start, &windows, |q| data[q] >= level);
            let border = component
                .iter()
                .flat_map(|p| &windows[*p])
                .map(|q| data[*q])
                .filter(|v| *v < level);
            match border.max_by(f64::total_cmp) {
                Some(lower) if component.len() < area => level = lower,
                _ => return level,
            }
        }
    };
    let levels: Vec<f64> = (0..data.len()).map(level).collect();
    let origin = |p: usize| {
        let plateau = flood(p, &windows, |q| levels[q] == levels[p]);
        let unchanged = plateau.into_iter().filter(|q| data[*q] == levels[p]);
        let chosen = if ties == Ties::Last { unchanged.max() } else { unchanged.min() };
        (levels[p], if data[p] == levels[p] { p } else { chosen.expect("the level's pixel") })
    };
    (0..data.len()).map(origin).collect()
}

/// Some gradients, with exact sums.
pub(crate) fn numbers(n: usize) -> Vec<f64> {
    (0..n).map(|i| f64::from(i as u32 % 7) - 3.0).collect()
}

/// Values and gradients of an op are those of the traced definition, exactly.
#[track_caller]
pub(crate) fn agrees<O: Op<f64> + Clone>(op: O, inputs: &[Tensor<f64>], traced: &[Traced]) {
    let n = traced.len();
    let grad = numbers(n);
    let (y, grads) = vjp(op.clone(), inputs, &grad);
    let expected: Vec<f64> = traced.iter().map(|(value, _)| *value).collect();
    assert_eq!(y, expected, "{op:?}");
    let mut dx = vec![vec![0.0; n]; inputs.len()];
    for ((_, origin), g) in traced.iter().zip(&grad) {
        dx[origin / n][origin % n] += g;
    }
    assert_eq!(grads, dx, "{op:?}");
}

pub(crate) fn below(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| a <= b)
}

pub(crate) fn on<const N: usize>(
    inputs: [&Tensor<f64>; N],
    f: impl FnOnce(&mut Graph<'_, f64>, [Var; N]) -> Result<Var, ShapeError>,
) -> Tensor<f64> {
    evaluate(inputs.map(Tensor::view), f).unwrap()
}

pub(crate) fn lower(a: &Tensor<f64>, b: &Tensor<f64>) -> Tensor<f64> {
    Tensor::from_fn(a.shape(), |i| a.data()[i].min(b.data()[i]))
}
