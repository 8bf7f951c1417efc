//! A dilation and the max-pooling behind it, as one computation: each output is the best of a block
//! of neighbouring windows.
//!
//! The one design choice: it is one dilation with strides, whose kernel is dilated by the block,
//! $$\max_q \max_d x_{s i + q + d} + w_d = \max_u x_{s i + u} + \max_q w_{u - q},$$
//! with the same values because rounding is monotone: 36 taps instead of 4 times 25 for 5 x 5
//! entries and blocks of 2 x 2. A tap stands for the first window $q$ that has the best entry
//! there. Of the taps that reach the output, the winner is the one whose window, and then whose
//! entry, comes first: ties go where they would go in the two operations one after the other. Only
//! entries that differ, and that rounding makes equal in the sum with one pixel, are not tied here.

use std::marker::PhantomData;

use morphograd_nn::tensor::simd::{Level, VectorKernel};
use morphograd_nn::tensor::{MAX_LANES, Real, Vector};

use crate::Lattice;
use crate::dilation::forward::{NONE, at_level, room};
use crate::dilation::planes::Planes;
use crate::neighbourhood::window_layout::WindowLayout;

/// Whether one computation costs less than two.
pub(crate) fn pays(place: &WindowLayout) -> bool {
    let ([kh, kw], [sy, sx]) = (place.kernel(), place.window.strides);
    place.candidates() < usize::from(NONE) && place.window.taps() < kh * kw * sy * sx
}

/// Calls `f(window, tap)` for every window of the block, in raster order, that a tap of the joint
/// window belongs to, and its place in that window.
fn for_each_window(place: &WindowLayout, tap: usize, mut f: impl FnMut(usize, usize)) {
    let ([kh, kw], [qh, qw]) = (place.kernel(), place.block);
    let (y, x) = (tap / place.window.size[1], tap % place.window.size[1]);
    for (qy, qx) in (0..qh.min(y + 1)).flat_map(|qy| (0..qw.min(x + 1)).map(move |qx| (qy, qx))) {
        if y - qy < kh && x - qx < kw {
            f(qy * qw + qx, (y - qy) * kw + x - qx);
        }
    }
}

/// Packs the dilated kernel and then, of each entry, the number of the first candidate that has it
/// (windows of the block before entries), both `[tap][filter]` with room; and the offsets of the
/// taps and then of the candidates.
pub(crate) fn pack<T: Real, L: Lattice>(
    place: &WindowLayout,
    kernel: &[T],
    planes: &Planes,
    packed: &mut Vec<T>,
    offsets: &mut Vec<u32>,
) {
    let ([kh, kw], [qh, qw]) = (place.kernel(), place.block);
    let taps = place.window.taps();
    let filters = kernel.len() / (kh * kw);
    let room = room(filters);
    packed.clear();
    packed.resize(2 * taps * room, T::zero());
    let (best, numbers) = packed.split_at_mut(taps * room);
    for (tap, (best, numbers)) in
        best.chunks_exact_mut(room).zip(numbers.chunks_exact_mut(room)).enumerate()
    {
        let unset = T::of(f64::from(NONE));
        numbers[..filters].fill(unset);
        for_each_window(place, tap, |window, tap| {
            let number = T::of((window * kh * kw + tap) as f64);
            for (f, w) in kernel[place.entry::<L>(tap) * filters..][..filters].iter().enumerate() {
                let beats = L::beats(L::candidate(T::zero(), *w), L::candidate(T::zero(), best[f]));
                // The first, or the first that is a number.
                if beats || numbers[f] == unset || (best[f].is_nan() && !w.is_nan()) {
                    (best[f], numbers[f]) = (*w, number);
                }
            }
        });
    }
    offsets.clear();
    offsets.extend((0..taps).map(|tap| planes.offset(tap)));
    for (qy, qx) in (0..qh).flat_map(|qy| (0..qw).map(move |qx| (qy, qx))) {
        let taps = (0..kh)
            .flat_map(|dy| (0..kw).map(move |dx| (qy + dy) * place.window.size[1] + qx + dx));
        offsets.extend(taps.map(|tap| planes.offset(tap)));
    }
}

/// A row of outputs whose winners are looked for.
pub(crate) struct Search<'a, T, L> {
    /// From the first pixel of the row's first window on.
    pub(crate) image: &'a [T],
    /// What [`pack`] made.
    pub(crate) packed: &'a [T],
    /// The offsets of the taps.
    pub(crate) offsets: &'a [u32],
    pub(crate) filters: usize,
    pub(crate) y: &'a [T],
    pub(crate) winners: &'a mut [u16],
    pub(crate) lattice: PhantomData<L>,
}

impl<T: Real, L: Lattice> Search<'_, T, L> {
    pub(crate) fn run(mut self, level: Level) {
        at_level(level, Rows(&mut self));
    }
}

/// The search on the vectors of a level, filters in the lanes.
struct Rows<'r, 'a, T, L>(&'r mut Search<'a, T, L>);

impl<T: Real, L: Lattice> VectorKernel<T> for Rows<'_, '_, T, L> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<T>>(self) {
        if self.0.filters <= V::Half::LANES { self.0.row::<V::Half>() } else { self.0.row::<V>() }
    }
}

impl<T: Real, L: Lattice> Search<'_, T, L> {
    #[inline(always)]
    fn row<V: Vector<T>>(&mut self) {
        // As many outputs at a time as have room in registers, their values and their winners.
        const P: usize = 6;
        let columns = self.y.len() / self.filters;
        for f in (0..self.filters).step_by(V::LANES) {
            let mut j = 0;
            while j < columns {
                if columns - j >= P {
                    self.block::<V, P>(j, f);
                    j += P;
                } else {
                    self.block::<V, 1>(j, f);
                    j += 1;
                }
            }
        }
    }

    /// The winners of the filters from `f` on at the columns from `j` on.
    #[inline(always)]
    fn block<V: Vector<T>, const P: usize>(&mut self, j: usize, f: usize) {
        let (filters, room) = (self.filters, room(self.filters));
        let n = V::LANES.min(filters - f);
        let none = V::splat(T::of(f64::from(NONE)));
        let (mut y, mut winner) = ([none; P], [none; P]);
        for p in 0..P {
            y[p] = V::load_start(&self.y[(j + p) * filters + f..][..n]);
        }
        let (best, numbers) = self.packed.split_at(self.packed.len() / 2);
        for ((offset, best), number) in
            self.offsets.iter().zip(best.chunks_exact(room)).zip(numbers.chunks_exact(room))
        {
            let (w, number) = (V::load(&best[f..]), V::load(&number[f..]));
            let line = &self.image[j + *offset as usize..][..P];
            for p in 0..P {
                // None beats the output, so one that the output does not beat equals it.
                let reaches = L::reaches::<T, V>(L::candidates::<T, V>(V::splat(line[p]), w), y[p]);
                winner[p] = V::select(reaches, number.smaller(winner[p]), winner[p]);
            }
        }
        for p in 0..P {
            // Where no candidate beats the bottom, the first, as in the two operations.
            let wins = L::wins::<T, V>(y[p], V::splat(L::bottom()));
            let found = V::select(wins, winner[p], V::splat(T::zero()));
            let mut lanes = [0; MAX_LANES];
            found.store_indices(&mut lanes);
            self.winners[(j + p) * filters + f..][..n].copy_from_slice(&lanes[..n]);
        }
    }
}

#[cfg(test)]
mod tests {
    use morphograd_nn::autodiff::{Mode, Params, Tape};
    use morphograd_nn::initializer::Uniform;
    use morphograd_nn::tensor::{Shape, Tensor, Window2d};
    use morphograd_nn::{Layer, MaxPool2d, Sequential, Weight};
    use morphograd_testkit::check_op;
    use proptest::prelude::*;

    use crate::{Dilation2d, FilterBank2d, MaxPlus, MinMinus};

    /// Numbers of which many are tied and all sums are exact; `-inf`, as an entry off a support,
    /// and NaN among them.
    fn numbers(shape: impl Into<Shape>) -> impl Strategy<Value = Tensor<f64>> {
        let shape = shape.into();
        let number = prop_oneof![
            40 => (-4..=4i8).prop_map(|i| f64::from(i) / 4.0),
            1 => Just(f64::NEG_INFINITY),
            1 => Just(f64::NAN),
        ];
        proptest::collection::vec(number, shape.len())
            .prop_map(move |data| Tensor::from_vec(shape, data).expect("elements"))
    }

    /// Images, kernel, and the pooling's size and strides.
    fn case() -> impl Strategy<Value = (Tensor<f64>, Tensor<f64>, [usize; 2], [usize; 2])> {
        let sizes = ([1..=4usize, 1..=4usize], [1..=3usize, 1..=3usize], [2..=3usize, 2..=3usize]);
        (sizes, [0..9usize, 0..20usize], 4..20usize).prop_flat_map(
            |((kernel, pool, strides), more, filters)| {
                let image = [0, 1].map(|axis| kernel[axis] + pool[axis] - 1 + more[axis]);
                let x = numbers([2, image[0], image[1], 1]);
                (x, numbers([kernel[0], kernel[1], 1, filters]), Just(pool), Just(strides))
            },
        )
    }

    /// Output and the gradients of image and kernel: the layers as a model applies them, or one by
    /// one.
    fn run(x: &Tensor<f64>, w: &Tensor<f64>, pool: MaxPool2d, joint: bool) -> [Vec<f64>; 3] {
        let [kh, kw, _, filters] = *w.shape().dims() else { unreachable!("a kernel") };
        let dilation = Dilation2d { filters, size: [kh, kw], ..Dilation2d::default() };
        let mut params = Params::new();
        let model = Sequential::new()
            .add("dilation", dilation)
            .add("pool", pool)
            .build_model(&mut params, 0, x.shape().unbatched())
            .unwrap();
        let kernel = params.find("dilation.kernel").unwrap();
        params.update(kernel, |value| value.copy_from_slice(w.data()));
        let mut tape = Tape::new();
        let mut graph = tape.record(&params, Mode::Train { step: 0 });
        let image = graph.variable(x.view());
        let y = if joint {
            model.forward(&mut graph, image).unwrap()
        } else {
            let dilated = model.forward_until(&mut graph, image, "dilation").unwrap();
            pool.forward(&mut graph, dilated).unwrap()
        };
        let value = graph.value(y).data.to_vec();
        // Sums of these are exact.
        let gradient: Vec<f64> =
            (0..value.len()).map(|i| f64::from((i * 7 % 11) as u8) - 5.0).collect();
        graph.backward_with(y, &gradient);
        let dx = graph.grad(image).unwrap().to_vec();
        [value, dx, tape.grad(kernel).unwrap().to_vec()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn a_model_gives_the_values_and_gradients_of_its_layers_one_by_one(
            (x, w, size, strides) in case(),
        ) {
            let pool = MaxPool2d { size, strides: Some(strides), ..MaxPool2d::default() };
            prop_assert_eq!(run(&x, &w, pool, true), run(&x, &w, pool, false));
        }

        #[test]
        fn gradients_agree_with_differences(
            x in morphograd_testkit::strategy::tensor([2, 7, 8, 1]),
            w in morphograd_testkit::strategy::tensor([3, 2, 1, 5]),
        ) {
            let window = Window2d { size: [3, 2], ..Window2d::default() };
            let inputs = [x, w];
            check_op(FilterBank2d::<MaxPlus>::new(window).pooled([2, 2], [2, 2]), &inputs);
            check_op(FilterBank2d::<MinMinus>::new(window).pooled([2, 3], [2, 1]), &inputs);
        }
    }

    #[test]
    fn a_bias_stays_and_several_channels_stay_apart() {
        let forward = |channels: usize, joint: bool| {
            let mut params = Params::<f64>::new();
            let random = || Weight::new(Uniform { low: -1.0, high: 1.0 });
            let dilation = Dilation2d {
                filters: 6,
                size: [3, 3],
                kernel: random(),
                bias: Some(random()),
                ..Dilation2d::default()
            };
            let model = Sequential::new()
                .add("dilation", dilation)
                .add("pool", MaxPool2d::default())
                .build_model(&mut params, 5, [9, 9, channels])
                .unwrap();
            let x = Tensor::from_fn([2, 9, 9, channels], |i| (i as f64 * 0.37).sin());
            let mut tape = Tape::new();
            let mut graph = tape.record(&params, Mode::Eval);
            let x = graph.input(x.view());
            let y = if joint {
                model.forward(&mut graph, x).unwrap()
            } else {
                let x = model.forward_until(&mut graph, x, "dilation").unwrap();
                MaxPool2d::default().forward(&mut graph, x).unwrap()
            };
            graph.value(y).data.to_vec()
        };
        for channels in [1, 2] {
            assert_eq!(forward(channels, true), forward(channels, false));
        }
    }
}
