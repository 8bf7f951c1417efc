//! What many layers have in common: windows and their borders, ties, merging, activations.

use morphograd_morphology::nn::Activation;
use morphograd_morphology::nn::autodiff::Ties;
use morphograd_morphology::nn::tensor::{Padding, Window2d};
use morphograd_morphology::{
    Border, Connectivity, ElementDropout, MaxMin, Merge, Neighbourhood2d, Reduction, Semiring,
    Separation, WeightRule,
};

use super::fields::{Fields, Read, number};
use super::source::{Data, Value};

/// The most taps of a window along an axis: supports and elements are drawn in a window, and more
/// is a slip of the keyboard.
pub(crate) const MAX_WINDOW: usize = 1024;

const PADDINGS: &[(&str, Padding)] =
    &[("valid", Padding::Valid), ("same", Padding::Same), ("same-mirrored", Padding::SameMirrored)];

const TIES: &[(&str, Ties)] =
    &[("first", Ties::First), ("last", Ties::Last), ("split", Ties::Split)];

const BORDERS: &[(&str, Border)] = &[
    ("infinity", Border::Infinity),
    ("replicate", Border::Replicate),
    ("reflect", Border::Reflect),
    ("mirror", Border::Mirror),
    ("periodic", Border::Periodic),
];

const CONNECTIVITIES: &[(&str, Connectivity)] =
    &[("four", Connectivity::Four), ("eight", Connectivity::Eight)];

const SEMIRINGS: &[(&str, Semiring)] =
    &[("max-plus", Semiring::MaxPlus), ("min-plus", Semiring::MinPlus)];

const RULES: &[(&str, WeightRule)] =
    &[("gradient", WeightRule::Gradient), ("correlation", WeightRule::Correlation)];

const MAX_MINS: &[(&str, MaxMin)] = &[("sum", MaxMin::Sum), ("both", MaxMin::Both)];

const SEPARATIONS: &[(&str, Separation)] = &[
    ("depthwise-first", Separation::DepthwiseFirst),
    ("pointwise-first", Separation::PointwiseFirst),
];

const REDUCTIONS: &[(&str, Reduction)] = &[
    ("sum", Reduction::Sum),
    ("mean", Reduction::Mean),
    ("max", Reduction::Max),
    ("min", Reduction::Min),
];

const MERGES: &[(&str, Merge)] = &[
    ("none", Merge::None),
    ("sum", Merge::Channels(Reduction::Sum)),
    ("mean", Merge::Channels(Reduction::Mean)),
    ("max", Merge::Channels(Reduction::Max)),
    ("min", Merge::Channels(Reduction::Min)),
    ("all-sum", Merge::All(Reduction::Sum)),
    ("all-mean", Merge::All(Reduction::Mean)),
    ("all-max", Merge::All(Reduction::Max)),
    ("all-min", Merge::All(Reduction::Min)),
];

const ACTIVATIONS: &[(&str, Activation)] = &[
    ("linear", Activation::Linear),
    ("relu", Activation::Relu),
    ("sigmoid", Activation::Sigmoid),
    ("tanh", Activation::Tanh),
    ("softmax", Activation::Softmax),
];

impl Fields<'_> {
    /// A window: `size`, `strides`, `rates`, `padding`.
    pub(crate) fn window(&mut self, default: Window2d) -> Read<Window2d> {
        let size = self.lengths("size", MAX_WINDOW, default.size)?;
        self.window_of(size, default.strides, default)
    }

    /// A window whose strides are its size unless others are given: that of a pooling.
    pub(crate) fn pool(&mut self, default: Window2d) -> Read<Window2d> {
        let size = self.lengths("size", MAX_WINDOW, default.size)?;
        self.window_of(size, size, default)
    }

    fn window_of(
        &mut self,
        size: [usize; 2],
        strides: [usize; 2],
        default: Window2d,
    ) -> Read<Window2d> {
        Ok(Window2d {
            size,
            strides: self.lengths("strides", MAX_WINDOW, strides)?,
            rates: self.lengths("rates", MAX_WINDOW, default.rates)?,
            padding: self.word("padding", PADDINGS, default.padding)?,
        })
    }

    /// A window with its `border` and its `ties`.
    pub(crate) fn neighbourhood(&mut self, default: Neighbourhood2d) -> Read<Neighbourhood2d> {
        Ok(Neighbourhood2d {
            window: self.window(default.window)?,
            border: self.border(default.border)?,
            ties: self.ties(default.ties)?,
        })
    }

    /// What lies outside the image: a word, or the number that all pixels outside have.
    pub(crate) fn border(&mut self, default: Border) -> Read<Border> {
        let expected = "one of infinity, replicate, reflect, mirror, periodic, or a number";
        let shown = BORDERS.iter().find(|(_, border)| *border == default).map_or("", |(w, _)| *w);
        let Some(value) = self.value("border", expected, shown) else { return Ok(default) };
        let border = match &value.data {
            Data::Text(word) => BORDERS.iter().find(|(known, _)| known == word).map(|(_, b)| *b),
            _ => number(value).filter(|number| number.is_finite()).map(Border::Constant),
        };
        border.ok_or_else(|| self.wrong("border", value, expected))
    }

    pub(crate) fn ties(&mut self, default: Ties) -> Read<Ties> {
        self.word("ties", TIES, default)
    }

    pub(crate) fn connectivity(&mut self) -> Read<Connectivity> {
        self.word("connectivity", CONNECTIVITIES, Connectivity::default())
    }

    pub(crate) fn semiring(&mut self, default: Semiring) -> Read<Semiring> {
        self.word("semiring", SEMIRINGS, default)
    }

    pub(crate) fn rule(&mut self, default: WeightRule) -> Read<WeightRule> {
        self.word("rule", RULES, default)
    }

    pub(crate) fn max_min(&mut self, default: MaxMin) -> Read<MaxMin> {
        self.word("merge", MAX_MINS, default)
    }

    pub(crate) fn separation(&mut self, default: Separation) -> Read<Separation> {
        self.word("separation", SEPARATIONS, default)
    }

    pub(crate) fn activation(
        &mut self,
        name: &'static str,
        default: Activation,
    ) -> Read<Activation> {
        self.word(name, ACTIVATIONS, default)
    }

    /// How the channels of a pixel become one, and who gets the gradient of tied ones.
    pub(crate) fn reduction(&mut self, default: Reduction) -> Read<Reduction> {
        let reduction = self.word("reduction", REDUCTIONS, default)?;
        let ties = self.word("reduction_ties", TIES, Ties::First)?;
        Ok(tied(reduction, ties))
    }

    /// What becomes of the channels, and who gets the gradient of tied ones.
    pub(crate) fn merge(&mut self, default: Merge) -> Read<Merge> {
        let merge = self.word("merge", MERGES, default)?;
        let ties = self.word("merge_ties", TIES, Ties::First)?;
        Ok(match merge {
            Merge::None => Merge::None,
            Merge::Channels(reduction) => Merge::Channels(tied(reduction, ties)),
            Merge::All(reduction) => Merge::All(tied(reduction, ties)),
        })
    }

    /// The share of entries that are left out while training.
    pub(crate) fn element_dropout(&mut self) -> Read<ElementDropout> {
        Ok(ElementDropout { rate: self.number("element_dropout", 0.0)? })
    }

    /// The shape of one input: height, width and channels, or other lengths.
    pub(crate) fn shape(&mut self, name: &'static str) -> Read<Option<Vec<usize>>> {
        let expected = "a list of 1 to 4 lengths, height, width and channels for images, of at \
                        most 1000000 each and 100000000 together";
        let Some(value) = self.value(name, expected, "that of the data") else { return Ok(None) };
        let length = |value: &Value| match value.data {
            Data::Whole(n) => usize::try_from(n).ok().filter(|n| (1..=1_000_000).contains(n)),
            _ => None,
        };
        let lengths: Option<Vec<usize>> = match &value.data {
            Data::List(list) if (1..=4).contains(&list.len()) => list.iter().map(length).collect(),
            _ => None,
        };
        let together = |lengths: &Vec<usize>| {
            lengths.iter().try_fold(1usize, |all, n| all.checked_mul(*n)).is_some_and(fits)
        };
        lengths.filter(together).map(Some).ok_or_else(|| self.wrong(name, value, expected))
    }
}

/// Whether an input may have so many numbers.
pub(crate) fn fits(numbers: usize) -> bool {
    numbers <= 100_000_000
}

fn tied(reduction: Reduction, ties: Ties) -> Reduction {
    match (reduction, ties) {
        (Reduction::Max, Ties::Last | Ties::Split) => Reduction::TiedMax(ties),
        (Reduction::Min, Ties::Last | Ties::Split) => Reduction::TiedMin(ties),
        _ => reduction,
    }
}
