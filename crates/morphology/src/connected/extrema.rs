//! Peaks and valleys of an image: by height (h-maxima and their kin, differentiable) and as sets
//! (regional and extended extrema, binary). The sets are found on plateaus of exactly equal pixels,
//! whatever the data's scale.

use morphograd_nn::autodiff::{Add, Graph, Sub, Var};
use morphograd_nn::tensor::simd::{Kernel, dispatch};
use morphograd_nn::tensor::{Real, ShapeError, Tensor, TensorRef, parallel};

use crate::connected::order::{Extremum, OfNumbers, Order};
use crate::connected::reconstruction::{reconstruction_by_dilation, reconstruction_by_erosion};
use crate::connected::scan::{BLOCK, Steps, collect, larger, reach};
use crate::connected::selection::{Frame, Planes, Selection, is_nan};
use crate::neighbourhood::connectivity::Connectivity;
use morphograd_nn::autodiff::evaluate;

/// The h-maxima: $R^\delta_x(x - h)$, which lowers every peak by $h$, and so removes those that are
/// not higher.
///
/// `x` and output `[batch, height, width, channels]`; `h >= 0` of a shape that broadcasts to it (a
/// scalar, `[channels]`, one number an image), where it is negative it acts as 0. Differentiable in
/// both; border, ties and cost are those of [`reconstruction_by_dilation`]. Source: P. Soille,
/// *Morphological Image Analysis* (2003), ch. 6.
///
/// # Errors
/// If `x` is not images or `h` does not broadcast to its shape.
///
/// ```
/// use morphograd_morphology::{Connectivity, evaluate, h_maxima, nn::tensor::TensorRef};
/// let x = TensorRef::new([1, 1, 6, 1], &[0.0, 1.0, 0.0, 9.0, 0.0, 0.0]);
/// let h = TensorRef::new([1], &[2.0]);
/// let y = evaluate([x, h], |graph, [x, h]| h_maxima(graph, x, h, Connectivity::Eight))?;
/// assert_eq!(y.data(), [0.0, 0.0, 0.0, 7.0, 0.0, 0.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn h_maxima<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    h: Var,
    selection: impl Into<Selection>,
) -> Result<Var, ShapeError> {
    let marker = graph.apply(Sub, [x, h])?;
    reconstruction_by_dilation(graph, marker, x, selection)
}

/// The h-minima: $R^\varepsilon_x(x + h)$, which fills every valley by $h$. The dual of
/// [`h_maxima`].
///
/// # Errors
/// If `x` is not images or `h` does not broadcast to its shape.
pub fn h_minima<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    h: Var,
    selection: impl Into<Selection>,
) -> Result<Var, ShapeError> {
    let marker = graph.apply(Add, [x, h])?;
    reconstruction_by_erosion(graph, marker, x, selection)
}

/// The h-convex transform: $x - R^\delta_x(x - h)$, the part of every peak that [`h_maxima`]
/// removes, between 0 and $h$.
///
/// # Errors
/// If `x` is not images or `h` does not broadcast to its shape.
pub fn h_convex<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    h: Var,
    selection: impl Into<Selection>,
) -> Result<Var, ShapeError> {
    let lowered = h_maxima(graph, x, h, selection)?;
    graph.apply(Sub, [x, lowered])
}

/// The h-concave transform: $R^\varepsilon_x(x + h) - x$, what [`h_minima`] fills, between 0 and
/// $h$.
///
/// # Errors
/// If `x` is not images or `h` does not broadcast to its shape.
pub fn h_concave<T: Real>(
    graph: &mut Graph<'_, T>,
    x: Var,
    h: Var,
    selection: impl Into<Selection>,
) -> Result<Var, ShapeError> {
    let filled = h_minima(graph, x, h, selection)?;
    graph.apply(Sub, [filled, x])
}

/// The regional maxima: 1 on every connected set of equal pixels that has no higher neighbour, 0
/// elsewhere. A constant image is one maximum.
///
/// `x` and result `[batch, height, width, channels]`, each image and channel on its own. NaN is
/// never a maximum and is no neighbour. Piecewise constant, so without a derivative. Cost: two
/// visits of a pixel and its neighbours.
///
/// # Errors
/// If the shape is not that of images.
///
/// ```
/// use morphograd_morphology::{Connectivity, nn::tensor::TensorRef, regional_maxima};
/// let x = TensorRef::new([1, 1, 7, 1], &[1.0, 1.0, 0.0, 2.0, 2.0, 3.0, 0.0]);
/// assert_eq!(
///     regional_maxima(x, Connectivity::Eight)?.data(),
///     [1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
/// );
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn regional_maxima<T: Real>(
    x: TensorRef<'_, T>,
    connectivity: Connectivity,
) -> Result<Tensor<T>, ShapeError> {
    indicator("regional maxima", x, connectivity, Extremum::Maximum)
}

/// The regional minima: 1 on every connected set of equal pixels that has no lower neighbour, 0
/// elsewhere. See [`regional_maxima`].
///
/// # Errors
/// If the shape is not that of images.
pub fn regional_minima<T: Real>(
    x: TensorRef<'_, T>,
    connectivity: Connectivity,
) -> Result<Tensor<T>, ShapeError> {
    indicator("regional minima", x, connectivity, Extremum::Minimum)
}

/// The extended maxima: the [`regional_maxima`] of the [`h_maxima`], that is, where the peaks
/// higher than $h$ are.
///
/// # Errors
/// If the shape is not that of images.
pub fn extended_maxima<T: Real>(
    x: TensorRef<'_, T>,
    h: T,
    connectivity: Connectivity,
) -> Result<Tensor<T>, ShapeError> {
    let h = TensorRef::new([1], std::slice::from_ref(&h));
    let lowered = evaluate([x, h], |graph, [x, h]| h_maxima(graph, x, h, connectivity))?;
    regional_maxima(lowered.view(), connectivity)
}

/// The extended minima: the [`regional_minima`] of the [`h_minima`], that is, where the valleys
/// deeper than $h$ are.
///
/// # Errors
/// If the shape is not that of images.
pub fn extended_minima<T: Real>(
    x: TensorRef<'_, T>,
    h: T,
    connectivity: Connectivity,
) -> Result<Tensor<T>, ShapeError> {
    let h = TensorRef::new([1], std::slice::from_ref(&h));
    let filled = evaluate([x, h], |graph, [x, h]| h_minima(graph, x, h, connectivity))?;
    regional_minima(filled.view(), connectivity)
}

/// 1 on the plateaus that no neighbour exceeds (or falls below), 0 elsewhere.
fn indicator<T: Real>(
    operation: &'static str,
    x: TensorRef<'_, T>,
    connectivity: Connectivity,
    extremum: Extremum,
) -> Result<Tensor<T>, ShapeError> {
    let planes = Planes::new(operation, x.shape)?;
    let mut y = Tensor::zeros(x.shape);
    let order = OfNumbers(extremum);
    maxima(planes, x.data, connectivity, &order, [T::zero(), T::one()], y.data_mut());
    Ok(y)
}

/// Writes `[elsewhere, there]`: there is where a plateau is that no neighbour exceeds in the order.
pub(crate) fn maxima<P: Copy + Send + Sync, O: Order<P>, Y: Copy + Send + Sync>(
    planes: Planes,
    x: &[P],
    connectivity: Connectivity,
    order: &O,
    [elsewhere, there]: [Y; 2],
    y: &mut [Y],
) {
    if y.is_empty() {
        return;
    }
    let (frame, [lowest, _]) = (planes.frame, order.extremes());
    parallel::for_each_piece(y, planes.image_len(), |image, y| {
        // The frame is the lowest level, which exceeds nothing, and no part of a plateau.
        let mut levels = vec![lowest; frame.len()];
        let mut states = vec![OUTSIDE; frame.len()];
        let mut steps = Steps::new(frame.width(), [FREE, BEATEN]);
        let mut pending = Vec::new();
        for c in 0..planes.channels() {
            planes.load_with(x, image * planes.channels() + c, &mut levels, |x| order.level(x));
            dispatch(Plateaus {
                frame,
                connectivity,
                lowest,
                levels: &levels,
                states: &mut states,
                steps: &mut steps,
                pending: &mut pending,
            });
            match connectivity {
                Connectivity::Four => flood::<1>(frame, &levels, &mut states, &mut pending),
                Connectivity::Eight => flood::<3>(frame, &levels, &mut states, &mut pending),
            }
            let mark = |state, _| if state == FREE { there } else { elsewhere };
            planes.store_with(&states, c, y, mark);
        }
    });
}

/// What is known of a pixel: no neighbour exceeds its plateau; one does; it is no part of one.
const FREE: u8 = 0;
const BEATEN: u8 = 1;
const OUTSIDE: u8 = 2;

/// Finds the pixels that a neighbour exceeds, and what these beat of their plateaus in a scan
/// downwards and a scan upwards. Those that could beat more are left to be flooded from. There are
/// no branches: a processor predicts none of the comparisons.
struct Plateaus<'a, L> {
    frame: Frame,
    connectivity: Connectivity,
    lowest: L,
    levels: &'a [L],
    states: &'a mut [u8],
    steps: &'a mut Steps<u8>,
    pending: &'a mut Vec<u32>,
}

impl<L: Copy + PartialOrd> Kernel for Plateaus<'_, L> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { frame, connectivity, lowest, levels, states, steps, pending } = self;
        let (width, stride) = (frame.width(), frame.stride());
        let reach_levels = |first: usize| reach(connectivity, &levels[first..], width);
        for row in frame.rows() {
            let left = row.start - 1;
            let (before, here) = states.split_at_mut(left);
            let pixels = &levels[row.clone()];
            let [above, below] = [left - stride, left + stride].map(reach_levels);
            let (beaten, links) = steps.row();
            let rows = [above[0], above[1], above[2], below[0], below[1], below[2]];
            let beside = [&levels[left..], &levels[row.start + 1..]];
            exceeded(beaten, pixels, rows, beside, lowest);
            link(links, pixels, &levels[left..]);
            spread(beaten, pixels, above, reach(connectivity, &before[left - stride..], width));
            let states = here[1..=width].iter_mut().zip(steps.scan::<BLOCK, false>());
            for ((state, beaten), pixel) in states.zip(pixels) {
                *state = if is_nan(*pixel) { OUTSIDE } else { *beaten };
            }
        }
        let mut can_beat = vec![false; width];
        for row in frame.rows().rev() {
            let (before, below) = states.split_at_mut(row.end + 1);
            let (pixels, right) = (&levels[row.clone()], &levels[row.start + 1..]);
            let levels_below = reach_levels(row.end + 1);
            let states_below = reach(connectivity, below, width);
            let (beaten, links) = steps.row();
            let states = before[row.clone()].iter();
            beaten.iter_mut().zip(states).for_each(|(beaten, state)| *beaten = state & BEATEN);
            link(links, pixels, right);
            spread(beaten, pixels, levels_below, states_below);
            let states = before[row.clone()].iter_mut().zip(steps.scan::<BLOCK, true>());
            states.for_each(|(state, beaten)| *state |= beaten);

            can_beat.fill(false);
            let states = &before[row.start..];
            let later = levels_below.into_iter().zip(states_below).chain([(right, &states[1..])]);
            for (levels, states) in later {
                let others = levels.iter().zip(states);
                for ((can, pixel), (level, state)) in can_beat.iter_mut().zip(pixels).zip(others) {
                    *can |= (level == pixel) & (*state == FREE);
                }
            }
            can_beat.iter_mut().zip(states).for_each(|(can, state)| *can &= *state == BEATEN);
            collect(&can_beat, row.start, pending);
        }
    }
}

/// Writes which pixels of a row a neighbour exceeds, of two rows and of the left and the right.
#[inline(always)]
fn exceeded<L: Copy + PartialOrd>(
    beaten: &mut [u8],
    pixels: &[L],
    [a, b, c, d, e, f]: [&[L]; 6],
    [left, right]: [&[L]; 2],
    lowest: L,
) {
    let rows = a.iter().zip(b).zip(c).zip(d).zip(e).zip(f).zip(left).zip(right);
    for ((beaten, pixel), (((((((a, b), c), d), e), f), left), right)) in
        beaten.iter_mut().zip(pixels).zip(rows)
    {
        // In this order NaN never wins.
        let highest = [*a, *b, *c, *d, *e, *f, *left, *right].into_iter().fold(lowest, larger);
        *beaten = u8::from(highest > *pixel);
    }
}

/// Writes which pixels of a row equal the one beside them.
#[inline(always)]
fn link<L: Copy + PartialOrd>(links: &mut [u8], pixels: &[L], beside: &[L]) {
    for ((link, pixel), beside) in links.iter_mut().zip(pixels).zip(beside) {
        *link = u8::from(pixel == beside);
    }
}

/// Beats the pixels of a row that equal one that is beaten in the row beside it.
#[inline(always)]
fn spread<L: Copy + PartialOrd>(
    beaten: &mut [u8],
    pixels: &[L],
    levels: [&[L]; 3],
    states: [&[u8]; 3],
) {
    for (levels, states) in levels.into_iter().zip(states) {
        let others = levels.iter().zip(states);
        for ((beaten, pixel), (level, state)) in beaten.iter_mut().zip(pixels).zip(others) {
            *beaten |= u8::from((level == pixel) & (*state == BEATEN));
        }
    }
}

/// Beats the plateaus of the pixels that are pending, which are beaten. Above and below a pixel
/// there are `SIDE` neighbours.
fn flood<const SIDE: usize>(
    frame: Frame,
    levels: &[impl Copy + PartialOrd],
    states: &mut [u8],
    pending: &mut Vec<u32>,
) {
    while let Some(p) = pending.pop().map(|p| p as usize) {
        let level = levels[p];
        for (first, count) in frame.beside::<SIDE>(p) {
            let neighbours = states[first..first + count].iter_mut();
            for (i, (state, other)) in neighbours.zip(&levels[first..]).enumerate() {
                if *state == FREE && *other == level {
                    *state = BEATEN;
                    pending.push((first + i) as u32);
                }
            }
        }
    }
}
