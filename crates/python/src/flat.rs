//! Operators by flat footprints, on pixels as they are.
//!
//! The one design choice: what is exact in the pixels' own type is computed there. The rest, an
//! additive structure or a constant outside that is no pixel, is left to the engine's numbers.

use morphograd_morphology::nn::tensor::{ShapeError, TensorRef};
use morphograd_morphology::{Border, FlatStep, Footprint, Residue, flat_chain};

use crate::array::Pixel;
use crate::elements::Element;
use crate::operators::Outside;

/// One footprint or a sequence of them, with what lies outside the image.
pub(crate) struct Flat {
    /// As they are drawn, each with how often it is applied.
    steps: Vec<(Footprint, usize)>,
    outside: Outside,
}

impl Flat {
    /// `None` if there is no such family of footprints for the type of pixels.
    pub(crate) fn new<P: Pixel>(elements: &[Element], outside: Outside) -> Option<Self> {
        let held = |border| match border {
            Border::Constant(c) => P::holds(c),
            _ => true,
        };
        if !held(outside.above) || !held(outside.below) {
            return None;
        }
        let step = |element: &Element| Some((element.footprint()?, element.repeats));
        let steps = elements.iter().map(step).collect::<Option<Vec<_>>>()?;
        (steps.iter().any(|(_, repeats)| *repeats > 0)).then_some(Self { steps, outside })
    }

    /// The largest pixels where the footprints are drawn, or where their mirror images are.
    fn dilate(&self, is_turned: bool) -> impl Iterator<Item = FlatStep> {
        self.each(is_turned).map(|b| FlatStep::largest(b, self.outside.above))
    }

    /// The smallest pixels there.
    fn erode(&self, is_turned: bool) -> impl Iterator<Item = FlatStep> {
        self.each(is_turned).map(|b| FlatStep::smallest(b, self.outside.below))
    }

    fn each(&self, is_turned: bool) -> impl Iterator<Item = Footprint> {
        self.steps.iter().flat_map(move |(drawn, repeats)| {
            let b = if is_turned { drawn.reflected() } else { drawn.clone() };
            std::iter::repeat_n(b, *repeats)
        })
    }

    fn dilation(&self) -> Vec<FlatStep> {
        self.dilate(false).collect()
    }

    fn erosion(&self) -> Vec<FlatStep> {
        self.erode(false).collect()
    }

    fn both<P: Pixel>(&self, x: TensorRef<'_, P>) -> Result<[Vec<P>; 2], ShapeError> {
        let above = flat_chain(x, &self.dilation(), Residue::None)?;
        Ok([above, flat_chain(x, &self.erosion(), Residue::None)?])
    }

    fn opening(&self) -> Vec<FlatStep> {
        self.erode(false).chain(self.dilate(true)).collect()
    }

    fn closing(&self) -> Vec<FlatStep> {
        self.dilate(false).chain(self.erode(true)).collect()
    }
}

/// The table of operators by flat footprints: `number` is what else they take.
pub(crate) fn apply<P: Pixel>(
    operator: &str,
    number: f64,
    families: &[Flat],
    x: TensorRef<'_, P>,
) -> Result<Vec<Vec<P>>, ShapeError> {
    let b = &families[0];
    let y = match operator {
        "dilation" => flat_chain(x, &b.dilation(), Residue::None),
        "erosion" => flat_chain(x, &b.erosion(), Residue::None),
        "opening" => flat_chain(x, &b.opening(), Residue::None),
        "closing" => flat_chain(x, &b.closing(), Residue::None),
        "white_tophat" => flat_chain(x, &b.opening(), Residue::Below(x.data)),
        "black_tophat" => flat_chain(x, &b.closing(), Residue::Above(x.data)),
        "gradient" => {
            let above = flat_chain(x, &b.dilation(), Residue::None)?;
            flat_chain(x, &b.erosion(), Residue::Below(&above))
        }
        "internal_gradient" => flat_chain(x, &b.erosion(), Residue::Below(x.data)),
        "external_gradient" => flat_chain(x, &b.dilation(), Residue::Above(x.data)),
        "laplacian" => b.both(x).map(|[above, below]| merge(x.data, above, &below, P::laplacian)),
        "toggle" => (0..number as usize).try_fold(x.data.to_vec(), |y, _| {
            let [above, below] = b.both(TensorRef { data: &y, ..x })?;
            Ok(merge(&y, above, &below, P::nearer))
        }),
        "hit_or_miss" => {
            let high = flat_chain(x, &families[1].dilation(), Residue::None)?;
            let low = flat_chain(x, &b.erosion(), Residue::None)?;
            let margin = |_, low: P, high| if low > high { low.minus(high) } else { P::default() };
            Ok(merge(x.data, low, &high, margin))
        }
        "alternating_sequential_filter" => {
            let steps = families.iter().flat_map(|b| {
                let [first, second] = if number > 0.0 {
                    [b.opening(), b.closing()]
                } else {
                    [b.closing(), b.opening()]
                };
                first.into_iter().chain(second)
            });
            flat_chain(x, &steps.collect::<Vec<_>>(), Residue::None)
        }
        "granulometry" => {
            let opened = |b: &Flat| flat_chain(x, &b.opening(), Residue::None);
            return families.iter().map(opened).collect();
        }
        _ => Err(ShapeError::new("operator", "the name of an operator", operator)),
    };
    y.map(|y| vec![y])
}

/// A function of the pixels of three images, in the memory of the second.
fn merge<P: Pixel>(x: &[P], mut above: Vec<P>, below: &[P], f: impl Fn(P, P, P) -> P) -> Vec<P> {
    for ((y, x), below) in above.iter_mut().zip(x).zip(below) {
        *y = f(*x, *y, *below);
    }
    above
}
