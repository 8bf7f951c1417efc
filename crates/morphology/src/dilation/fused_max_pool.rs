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
use std::ops::RangeInclusive;

use morphograd_nn::autodiff::{Backward, Forward, Op, Saved, Ties};
use morphograd_nn::layers::MaxPool2d;
use morphograd_nn::tensor::simd::{Level, VectorKernel, dispatch_vectors_at};
use morphograd_nn::tensor::{
    MAX_LANES, Padding, Real, Shape, ShapeError, TensorRef, Vector, Window2d,
};

use crate::dilation::backward::distribute_to_winners;
use crate::dilation::filter_bank::FilterBank2d;
use crate::dilation::layout::{FILTERS_IN_LANES, Layout, NONE, room};
use crate::dilation::planes::Planes;
use crate::dilation::row::{Row, for_each_row};
use crate::neighbourhood::border::Border;
use crate::neighbourhood::lattice::Lattice;
use crate::neighbourhood::window_layout::WindowLayout;

/// A [`FilterBank2d`] of one channel and the max-pooling of its outputs. Inputs as there; the
/// output is that of the pooling.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FusedMaxPool2d<L> {
    bank: FilterBank2d<L>,
    pool: MaxPool2d,
}

impl<L: Lattice> FusedMaxPool2d<L> {
    /// The operation on images and a kernel of these shapes, if it is the two operations one after
    /// the other and costs less: of one channel (the maximum of a sum is not the sum of the
    /// maxima), with whole windows of neighbouring taps, and the default rule for ties.
    pub(crate) fn new(
        bank: FilterBank2d<L>,
        pool: MaxPool2d,
        [x, kernel]: [Shape; 2],
    ) -> Option<Self> {
        let window = bank.neighbourhood.window;
        let one = x.rank() == 4 && x.dims()[3] == 1;
        let dense = [window.strides, window.rates, pool.window.rates] == [[1, 1]; 3];
        let valid = [window.padding, pool.window.padding] == [Padding::Valid; 2];
        let first = [bank.neighbourhood.ties, pool.ties] == [Ties::First; 2];
        if !(L::IS_MAXIMUM && one && dense && valid && first) {
            return None;
        }
        let fused = Self { bank, pool };
        let joint = fused.joint(x).ok()?;
        (joint.pays() && kernel.dims()[3] >= FILTERS_IN_LANES).then_some(fused)
    }

    fn joint(&self, x: Shape) -> Result<Joint, ShapeError> {
        let (kernel, block) = (self.bank.neighbourhood.window.size, self.pool.window.size);
        // Saturating: what is larger than any image is refused.
        let size = [0, 1].map(|axis| kernel[axis].saturating_add(block[axis]).saturating_sub(1));
        let window = Window2d::new(size).strides(self.pool.window.strides);
        let place = WindowLayout::new(L::NAME, window, Border::Infinity, x)?;
        Ok(Joint { place, kernel, block })
    }
}

impl<T: Real, L: Lattice> Op<T> for FusedMaxPool2d<L> {
    fn name(&self) -> &'static str {
        L::NAME
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let dilated = Op::<T>::infer(&self.bank, inputs)?;
        Op::<T>::infer(&self.pool, &[dilated])
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let joint = self.joint(pass.inputs[0].shape).expect("shapes were inferred");
        joint.correlate::<T, L>(Level::best(), pass);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let joint = self.joint(pass.inputs[0].shape).expect("shapes were inferred");
        let layout = Layout { filters: pass.inputs[1].shape.dims()[3], marginal: false };
        // Their offsets come behind those of the taps.
        let (taps, [kh, kw]) = (joint.place.window.taps(), joint.kernel);
        let candidates = taps..taps + joint.candidates();
        let entry = |candidate: usize| joint.entry::<L>(candidate % (kh * kw));
        distribute_to_winners::<T, L>(pass, &joint.place, layout, candidates, entry);
    }

    fn overwrites(&self) -> bool {
        true
    }
}

/// A window that covers the windows of a block of neighbouring outputs. A candidate is an entry of
/// the kernel at one of these.
#[derive(Debug)]
struct Joint {
    place: WindowLayout,
    /// Size of the kernel.
    kernel: [usize; 2],
    /// Number of windows.
    block: [usize; 2],
}

impl Joint {
    /// Whether one computation costs less than two.
    fn pays(&self) -> bool {
        let (window, [kh, kw]) = (self.place.window, self.kernel);
        self.candidates() < usize::from(NONE)
            && window.taps() < kh * kw * window.strides[0] * window.strides[1]
    }

    fn candidates(&self) -> usize {
        self.kernel.into_iter().chain(self.block).product()
    }

    /// The kernel entry at a tap of one window.
    fn entry<L: Lattice>(&self, tap: usize) -> usize {
        if L::MIRRORED { self.kernel[0] * self.kernel[1] - 1 - tap } else { tap }
    }

    /// Computes the output. If a gradient may be asked for, saves the offsets of the taps and then
    /// of the candidates, and the number of the winning candidate,
    /// `[image][row][column][filter]`.
    fn correlate<T: Real, L: Lattice>(&self, level: Level, pass: Forward<'_, T>) {
        let Forward { inputs: [x, kernel, ..], output, saved, scratch, needs_grad, .. } = pass
        else {
            unreachable!("an image and a kernel")
        };
        if output.is_empty() {
            return;
        }
        let place = &self.place;
        let planes = Planes::new(*place);
        let laid_out = planes.lay_out::<T, L>(*x, scratch);
        let Saved { values: packed, indices: offsets, codes: winners } = saved;
        self.pack::<T, L>(*kernel, &planes, packed, offsets);
        let (packed, offsets) = (&packed[..], &offsets[..place.window.taps()]);

        let [rows, columns] = place.extent.output;
        let layout = Layout { filters: kernel.shape.dims()[3], marginal: false };
        let lengths = [columns * layout.filters; 2];
        for_each_row(output, needs_grad.then_some(winners), lengths, |line, y, winners| {
            let (i, lattice) = (line % rows, PhantomData::<L>);
            let image = &laid_out[line / rows * planes.image_len()..][..planes.image_len()];
            let mut row = Row {
                level,
                place,
                planes: &planes,
                image,
                offsets,
                packed,
                i,
                layout,
                ties: Ties::First,
                y: &mut *y,
                // A tap is not yet a candidate.
                winners: &mut [],
                lattice,
            };
            row.compute();
            if !winners.is_empty() {
                let (image, filters) = (&image[i * planes.row()..], layout.filters);
                let search = Search { image, packed, offsets, filters, y, winners, lattice };
                dispatch_vectors_at(level, search);
            }
        });
    }

    /// Calls `f(window, tap)` for every window of the block, in raster order, that a tap of the
    /// joint window belongs to, and its place in that window.
    fn for_each_window(&self, tap: usize, mut f: impl FnMut(usize, usize)) {
        let ([kh, kw], [qh, qw]) = (self.kernel, self.block);
        let (y, x) = (tap / self.place.window.size[1], tap % self.place.window.size[1]);
        for (qy, qx) in (0..qh.min(y + 1)).flat_map(|qy| (0..qw.min(x + 1)).map(move |qx| (qy, qx)))
        {
            if y - qy < kh && x - qx < kw {
                f(qy * qw + qx, (y - qy) * kw + x - qx);
            }
        }
    }

    /// Packs the dilated kernel and then, of each entry, the number of the first candidate that has
    /// it (windows of the block before entries), both `[tap][filter]` with room; and the offsets of
    /// the taps and then of the candidates.
    fn pack<T: Real, L: Lattice>(
        &self,
        kernel: TensorRef<'_, T>,
        planes: &Planes,
        packed: &mut Vec<T>,
        offsets: &mut Vec<u32>,
    ) {
        let ([kh, kw], [qh, qw]) = (self.kernel, self.block);
        let (taps, filters, columns) =
            (self.place.window.taps(), kernel.shape.dims()[3], self.place.window.size[1]);
        let room = room(filters);
        packed.clear();
        packed.resize(2 * taps * room, T::zero());
        let (best, numbers) = packed.split_at_mut(taps * room);
        for (tap, (best, numbers)) in
            best.chunks_exact_mut(room).zip(numbers.chunks_exact_mut(room)).enumerate()
        {
            let unset = T::of(f64::from(NONE));
            numbers[..filters].fill(unset);
            self.for_each_window(tap, |window, tap| {
                let number = T::of((window * kh * kw + tap) as f64);
                let entries = &kernel.data[self.entry::<L>(tap) * filters..][..filters];
                for (f, w) in entries.iter().enumerate() {
                    let [new, old] = [*w, best[f]].map(|w| L::candidate(T::zero(), w));
                    // The first, or the first that is a number.
                    if L::beats(new, old)
                        || numbers[f] == unset
                        || (best[f].is_nan() && !w.is_nan())
                    {
                        (best[f], numbers[f]) = (*w, number);
                    }
                }
            });
        }
        offsets.clear();
        offsets.extend((0..taps).map(|tap| planes.offset(tap)));
        for (qy, qx) in (0..qh).flat_map(|qy| (0..qw).map(move |qx| (qy, qx))) {
            let taps = (0..kh).flat_map(|dy| (0..kw).map(move |dx| (qy + dy) * columns + qx + dx));
            offsets.extend(taps.map(|tap| planes.offset(tap)));
        }
    }
}

/// A row of outputs whose winners are looked for.
struct Search<'a, T, L> {
    /// From the first pixel of the row's first window on.
    image: &'a [T],
    /// What [`Joint::pack`] made.
    packed: &'a [T],
    /// The offsets of the taps.
    offsets: &'a [u32],
    filters: usize,
    y: &'a [T],
    winners: &'a mut [u16],
    lattice: PhantomData<L>,
}

/// The search on the vectors of a level, filters in the lanes.
impl<T: Real, L: Lattice> VectorKernel<T> for Search<'_, T, L> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<T>>(mut self) {
        if self.filters <= V::Half::LANES { self.row::<V::Half>() } else { self.row::<V>() }
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

    use super::*;
    use crate::{Dilation2d, MaxPlus, Neighbourhood2d};

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
        let dilation = Dilation2d {
            filters,
            neighbourhood: Neighbourhood2d::new([kh, kw]),
            ..Dilation2d::default()
        };
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
            graph.apply(pool, [dilated]).unwrap()
        };
        let value = graph.value(y).data.to_vec();
        // Sums of these are exact.
        let gradient: Vec<f64> =
            (0..value.len()).map(|i| f64::from((i * 7 % 11) as u8) - 5.0).collect();
        graph.backward_with(y, &gradient);
        let dx = graph.grad(image).unwrap().to_vec();
        [value, dx, tape.grad(kernel).unwrap().to_vec()]
    }

    /// Output and winners, as bits.
    fn bits<L: Lattice>(
        level: Level,
        x: &Tensor<f64>,
        w: &Tensor<f64>,
        pool: MaxPool2d,
    ) -> (Vec<u64>, Vec<u16>) {
        let size = [w.shape().dims()[0], w.shape().dims()[1]];
        let window = Window2d::new(size);
        let op = FusedMaxPool2d { bank: FilterBank2d::<L>::new(window), pool };
        let shape = Op::<f64>::infer(&op, &[x.shape(), w.shape()]).unwrap();
        let (mut output, mut saved) = (vec![f64::NAN; shape.len()], Saved::default());
        let pass = Forward {
            inputs: &[x.view(), w.view()],
            shape,
            output: &mut output,
            saved: &mut saved,
            scratch: &mut Vec::new(),
            needs_grad: true,
        };
        op.joint(x.shape()).unwrap().correlate::<f64, L>(level, pass);
        (output.iter().map(|y| y.to_bits()).collect(), saved.codes)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn a_model_gives_the_values_and_gradients_of_its_layers_one_by_one(
            (x, w, size, strides) in case(),
        ) {
            let window = Window2d::new(size).strides(strides);
            let pool = MaxPool2d { window, ..MaxPool2d::default() };
            prop_assert_eq!(run(&x, &w, pool, true), run(&x, &w, pool, false));
        }

        #[test]
        fn every_level_gives_the_bits_of_the_scalar_one(
            (x, w, pool) in (4..=40usize, 5..=40usize, [1..=4usize, 1..=4usize], 1..=2usize)
                .prop_flat_map(|(filters, width, [kh, kw], stride)| {
                    let window = Window2d::new([2, 2]).strides([2, stride]);
                    let pool = MaxPool2d { window, ..MaxPool2d::default() };
                    (numbers([2, 6, width, 1]), numbers([kh, kw, 1, filters]), Just(pool))
                }),
        ) {
            let expected = bits::<MaxPlus>(Level::Scalar, &x, &w, pool);
            for level in Level::available() {
                prop_assert_eq!(&bits::<MaxPlus>(level, &x, &w, pool), &expected, "{:?}", level);
            }
        }

        #[test]
        fn gradients_agree_with_differences(
            x in morphograd_testkit::strategy::tensor([2, 7, 8, 1]),
            w in morphograd_testkit::strategy::tensor([3, 2, 1, 5]),
        ) {
            let window = Window2d::new([3, 2]);
            let inputs = [x, w];
            let halves = MaxPool2d::default();
            let bank = FilterBank2d::<MaxPlus>::new(window);
            check_op(FusedMaxPool2d { bank, pool: halves }, &inputs);
            let pool = MaxPool2d { window: Window2d::new([2, 3]).strides([2, 1]), ..halves };
            check_op(FusedMaxPool2d { bank: FilterBank2d::<MaxPlus>::new(window), pool }, &inputs);
        }
    }

    #[test]
    fn a_bias_stays_and_several_channels_stay_apart() {
        let forward = |channels: usize, joint: bool| {
            let mut params = Params::<f64>::new();
            let random = || Weight::new(Uniform { low: -1.0, high: 1.0 });
            let dilation = Dilation2d {
                filters: 6,
                neighbourhood: Neighbourhood2d::new([3, 3]),
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
                graph.apply(MaxPool2d::default(), [x]).unwrap()
            };
            graph.value(y).data.to_vec()
        };
        for channels in [1, 2] {
            assert_eq!(forward(channels, true), forward(channels, false));
        }
    }
}
