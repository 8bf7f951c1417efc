//! The forward pass of dilation and erosion by any kernel: a correlation in $(\max, +)$ or
//! $(\min, -)$, and where it took each of its values from.
//!
//! The one design choice: everything that depends on the operation is decided before the first
//! row. Images are laid out as planes and the kernel is packed in the order in which the taps are
//! met; the kernels of `row.rs` then run over both without a question.

use std::marker::PhantomData;

use morphograd_nn::autodiff::{Forward, Saved, Ties};
use morphograd_nn::tensor::Real;
use morphograd_nn::tensor::simd::Level;

use crate::dilation::layout::{Layout, room, saves_winners};
use crate::dilation::planes::Planes;
use crate::dilation::row::{Row, for_each_row};
use crate::neighbourhood::lattice::Lattice;
use crate::neighbourhood::window_layout::WindowLayout;

/// Computes the output from the images and a kernel `[taps][channels][filters]`. If a gradient may
/// be asked for, saves the offsets of the taps in the order in which they were met
/// ([`WindowLayout::in_order`]) and, counted in this order, the winners,
/// `[image][row][channel][column][filter]`.
pub(crate) fn correlate<T: Real, L: Lattice>(
    level: Level,
    pass: Forward<'_, T>,
    place: &WindowLayout,
    layout: Layout,
    ties: Ties,
) {
    let Forward { inputs: [x, kernel, ..], output, saved, scratch, needs_grad, .. } = pass else {
        unreachable!("an image and a kernel")
    };
    if output.is_empty() {
        return;
    }
    let planes = Planes::new(*place);
    let laid_out = planes.lay_out::<T, L>(*x, scratch);
    let Saved { values: packed, indices: offsets, codes: winners } = saved;
    pack::<T, L>(place, kernel.data, layout.filters, ties, packed);
    offsets.clear();
    offsets.extend((0..place.window.taps()).map(|n| planes.offset(place.in_order(ties, n))));
    let (packed, offsets) = (&packed[..], &offsets[..]);

    let [rows, columns] = place.extent.output;
    let winners = (needs_grad && saves_winners(place, ties)).then_some(winners);
    let lengths = [layout.outputs(place.channels), layout.filters * place.channels];
    for_each_row(output, winners, lengths.map(|n| columns * n), |line, y, winners| {
        let mut row = Row::<T, L> {
            level,
            place,
            planes: &planes,
            image: &laid_out[line / rows * planes.image_len()..][..planes.image_len()],
            offsets,
            packed,
            i: line % rows,
            layout,
            ties,
            y,
            winners,
            lattice: PhantomData,
        };
        row.compute();
    });
}

/// Rearranges the kernel as `[channel][tap][filter]`, the taps in the order of the search, mirrored
/// if the lattice says so; room without a filter holds 0, whose results are not used.
fn pack<T: Real, L: Lattice>(
    place: &WindowLayout,
    kernel: &[T],
    filters: usize,
    ties: Ties,
    packed: &mut Vec<T>,
) {
    let (taps, channels, room) = (place.window.taps(), place.channels, room(filters));
    packed.clear();
    for (c, n) in (0..channels).flat_map(|c| (0..taps).map(move |n| (c, n))) {
        let entry = place.entry::<L>(place.in_order(ties, n));
        packed.extend_from_slice(&kernel[(entry * channels + c) * filters..][..filters]);
        packed.extend((filters..room).map(|_| T::zero()));
    }
}

#[cfg(test)]
mod tests {
    use morphograd_nn::tensor::{Padding, Shape, Tensor, Window2d};
    use proptest::prelude::*;

    use super::*;
    use crate::{Border, MaxPlus, MinMinus};

    /// Output and winners, as bits.
    fn run<L: Lattice>(
        level: Level,
        [x, w]: [&Tensor<f32>; 2],
        window: Window2d,
        (marginal, ties, needs_grad): (bool, Ties, bool),
    ) -> (Vec<u32>, Vec<u16>) {
        let place = WindowLayout::new("test", window, Border::Infinity, x.shape()).unwrap();
        let layout = Layout { filters: w.shape().dims()[3], marginal };
        let [rows, columns] = place.extent.output;
        let shape =
            Shape::from([x.shape().dims()[0], rows, columns, layout.outputs(place.channels)]);
        let (mut output, mut saved) = (vec![f32::NAN; shape.len()], Saved::default());
        let pass = Forward {
            inputs: &[x.view(), w.view()],
            shape,
            output: &mut output,
            saved: &mut saved,
            scratch: &mut Vec::new(),
            needs_grad,
        };
        correlate::<f32, L>(level, pass, &place, layout, ties);
        (output.iter().map(|y| y.to_bits()).collect(), saved.codes)
    }

    /// Numbers with ties, infinities and NaN among them.
    fn numbers(shape: impl Into<Shape>) -> impl Strategy<Value = Tensor<f32>> {
        let shape = shape.into();
        let number = prop_oneof![
            20 => (-4..=4i8).prop_map(|i| f32::from(i) / 4.0),
            1 => Just(f32::NEG_INFINITY),
            1 => Just(f32::NAN),
        ];
        proptest::collection::vec(number, shape.len())
            .prop_map(move |data| Tensor::from_vec(shape, data).expect("elements"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn every_level_gives_the_bits_of_the_scalar_one(
            (x, w, window) in (
                1..=3usize,
                prop_oneof![1..=5usize, 6..=40usize],
                3..=40usize,
                1..=4usize,
                1..=4usize,
                any::<bool>(),
            )
                .prop_flat_map(|(channels, filters, width, kh, kw, same)| {
                    let padding = if same || kw > width { Padding::Same } else { Padding::Valid };
                    let window = Window2d::new([kh, kw]).padding(padding);
                    (
                        numbers([2, 5, width, channels]),
                        numbers([kh, kw, channels, filters]),
                        Just(window),
                    )
                }),
            marginal in any::<bool>(),
            last in any::<bool>(),
            needs_grad in any::<bool>(),
        ) {
            let how = (marginal, if last { Ties::Last } else { Ties::First }, needs_grad);
            let dilated = run::<MaxPlus>(Level::Scalar, [&x, &w], window, how);
            let eroded = run::<MinMinus>(Level::Scalar, [&x, &w], window, how);
            for level in Level::available() {
                prop_assert_eq!(
                    &run::<MaxPlus>(level, [&x, &w], window, how),
                    &dilated,
                    "{:?}",
                    level
                );
                prop_assert_eq!(
                    &run::<MinMinus>(level, [&x, &w], window, how),
                    &eroded,
                    "{:?}",
                    level
                );
            }
        }
    }
}
