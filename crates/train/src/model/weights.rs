//! A parameter by its fields: how it starts, the set it is kept in and in which way, and what it
//! adds to the loss.

use morphograd_morphology::initializer::{
    ElementInitializer, Identity, Quadratic, SignedOnes, SparseNumZeros, SparseZeros,
    UniformWithCentre,
};
use morphograd_morphology::nn::enforcement::{Enforcement, ProjectionVjp};
use morphograd_morphology::nn::initializer::{
    Constant, Distribution, Fan, GlorotNormal, GlorotUniform, HeNormal, HeUniform, LecunNormal,
    LecunUniform, Normal, TruncatedNormal, Uniform, VarianceScaling,
};
use morphograd_morphology::nn::regularizer::{L1, L1L2, L2};
use morphograd_morphology::nn::sets::NonNegative;
use morphograd_morphology::nn::{Initializer, Weight};
use morphograd_morphology::regularizer::L1L2Lattice;
use morphograd_morphology::{Sharpness, StructuringElement, StructuringFunction};

use super::elements::ELEMENT;
use super::fields::{Entry, Fields, Kind, Read, number};
use super::sets::SET;
use super::source::{Data, Value};
use crate::registry::ENFORCEMENTS as ENFORCEMENT_WORDS;

/// A start, of a type that is chosen at run time.
pub type Start = Box<dyn Initializer<f32>>;

/// Adds a term of the loss to a parameter.
pub type Regularize = Box<dyn FnOnce(Weight<f32>) -> Weight<f32>>;

/// What a start can be.
pub const INITIALIZER: Kind<Start> =
    Kind { what: "an initializer", entries: INITIALIZERS, words: &[] };

/// What a way to enforce can be; the words of `--enforcement` too.
pub const ENFORCEMENT: Kind<Enforcement> =
    Kind { what: "a way to enforce", entries: ENFORCEMENTS, words: ENFORCEMENT_WORDS };

/// What a regularizer can be.
pub const REGULARIZER: Kind<Regularize> =
    Kind { what: "a regularizer", entries: REGULARIZERS, words: &[] };

/// The initializers.
pub const INITIALIZERS: &[Entry<Start>] = &[
    Entry {
        name: "Constant",
        about: "all entries equal",
        read: |f| start(Constant(f.number("value", 0.0)?)),
    },
    Entry {
        name: "ElementInitializer",
        about: "the entries of a structuring element, and another value off its support",
        read: |f| {
            let element = f.choice("element", &ELEMENT, "has to be given")?;
            let outside = f.number("outside", f64::NEG_INFINITY)?;
            match element {
                Some(element) => start(ElementInitializer { element, outside }),
                None => Err(f.missing("element", ELEMENT.what)),
            }
        },
    },
    Entry {
        name: "GlorotNormal",
        about: "truncated normal, variance 1 over the mean of both fans",
        read: |_| start(GlorotNormal),
    },
    Entry {
        name: "GlorotUniform",
        about: "uniform, variance 1 over the mean of both fans",
        read: |_| start(GlorotUniform),
    },
    Entry {
        name: "HeNormal",
        about: "truncated normal, variance 2 over the fan in",
        read: |_| start(HeNormal),
    },
    Entry {
        name: "HeUniform",
        about: "uniform, variance 2 over the fan in",
        read: |_| start(HeUniform),
    },
    Entry {
        name: "Identity",
        about: "0 in the centre and another value elsewhere: a dilation starts as the identity",
        read: |f| start(Identity { outside: f.number("outside", f64::NEG_INFINITY)? }),
    },
    Entry {
        name: "LecunNormal",
        about: "truncated normal, variance 1 over the fan in",
        read: |_| start(LecunNormal),
    },
    Entry {
        name: "LecunUniform",
        about: "uniform, variance 1 over the fan in",
        read: |_| start(LecunUniform),
    },
    Entry {
        name: "Normal",
        about: "normal numbers",
        read: |f| {
            let default = Normal::default();
            let (mean, std) = (f.number("mean", default.mean)?, f.number("std", default.std)?);
            start(Normal { mean, std })
        },
    },
    Entry {
        name: "Quadratic",
        about: "the parabola that falls by `c` at the distance `t`",
        read: |f| {
            let default = Quadratic::default();
            start(Quadratic { t: f.number("t", default.t)?, c: f.number("c", default.c)? })
        },
    },
    Entry { name: "SignedOnes", about: "-1 or 1, equally likely", read: |_| start(SignedOnes) },
    Entry {
        name: "SparseNumZeros",
        about: "`count` zeros at random in each kernel, and another value elsewhere",
        read: |f| {
            let count = f.whole("count", 0..=1_000_000, 1)?;
            start(SparseNumZeros { count, outside: f.number("outside", -1.0)? })
        },
    },
    Entry {
        name: "SparseZeros",
        about: "each entry 0 with the probability `share`, and another value else",
        read: |f| {
            let default = SparseZeros::default();
            let share = f.number("share", default.share)?;
            start(SparseZeros { share, outside: f.number("outside", default.outside)? })
        },
    },
    Entry {
        name: "TruncatedNormal",
        about: "normal numbers within two standard deviations",
        read: |f| {
            let default = TruncatedNormal::default();
            let (mean, std) = (f.number("mean", default.mean)?, f.number("std", default.std)?);
            start(TruncatedNormal { mean, std })
        },
    },
    Entry {
        name: "Uniform",
        about: "uniform numbers from `low` to below `high`",
        read: |f| {
            let default = Uniform::default();
            let (low, high) = (f.number("low", default.low)?, f.number("high", default.high)?);
            start(Uniform { low, high })
        },
    },
    Entry {
        name: "UniformWithCentre",
        about: "uniform from `min` to below `max`, and another value in the centre",
        read: |f| {
            let (min, max) = (f.number("min", -1.0)?, f.number("max", 0.0)?);
            start(UniformWithCentre { min, max, centre: f.number("centre", 0.0)? })
        },
    },
    Entry {
        name: "VarianceScaling",
        about: "mean 0 and variance `scale` over a fan",
        read: |f| {
            const FANS: &[(&str, Fan)] =
                &[("in", Fan::In), ("out", Fan::Out), ("average", Fan::Average)];
            const DISTRIBUTIONS: &[(&str, Distribution)] = &[
                ("uniform", Distribution::Uniform),
                ("normal", Distribution::Normal),
                ("truncated-normal", Distribution::TruncatedNormal),
            ];
            start(VarianceScaling {
                scale: f.number("scale", 1.0)?,
                mode: f.word("mode", FANS, Fan::In)?,
                distribution: f.word(
                    "distribution",
                    DISTRIBUTIONS,
                    Distribution::TruncatedNormal,
                )?,
            })
        },
    },
    Entry { name: "Zeros", about: "all entries 0", read: |_| start(Constant(0.0)) },
];

/// The ways to enforce that have numbers; the others are words.
pub const ENFORCEMENTS: &[Entry<Enforcement>] = &[
    Entry {
        name: "AugmentedLagrangian",
        about: "a penalty and a multiplier that changes every few steps; projected at the end",
        read: |f| {
            let factor = f.number("factor", 10.0)?;
            Ok(Enforcement::AugmentedLagrangian { factor, every: f.count("every", 8)? as u64 })
        },
    },
    Entry {
        name: "ForwardProjection",
        about: "a projection in the forward pass, with its derivative or straight through",
        read: |f| {
            const GRADIENTS: &[(&str, ProjectionVjp)] = &[
                ("exact", ProjectionVjp::Exact),
                ("straight-through", ProjectionVjp::StraightThrough),
            ];
            let gradient = f.word("gradient", GRADIENTS, ProjectionVjp::Exact)?;
            Ok(Enforcement::ForwardProjection { gradient })
        },
    },
    Entry {
        name: "Penalty",
        about: "the squared distance from the set in the loss; projected at the end",
        read: |f| Ok(Enforcement::Penalty { factor: f.number("factor", 10.0)? }),
    },
    Entry {
        name: "ProjectedStep",
        about: "a projection after each step",
        read: |_| Ok(Enforcement::ProjectedStep),
    },
    Entry {
        name: "Reparametrization",
        about: "a smooth map from a free parameter",
        read: |_| Ok(Enforcement::Reparametrization),
    },
];

/// The regularizers.
pub const REGULARIZERS: &[Entry<Regularize>] = &[
    Entry {
        name: "L1",
        about: "a multiple of the sum of magnitudes",
        read: |f| {
            let term = L1(f.number("factor", 0.01)?);
            Ok(Box::new(move |weight| weight.regularized(term)))
        },
    },
    Entry {
        name: "L1L2",
        about: "the sum of both",
        read: |f| {
            let term = L1L2 { l1: f.number("l1", 0.01)?, l2: f.number("l2", 0.01)? };
            Ok(Box::new(move |weight| weight.regularized(term)))
        },
    },
    Entry {
        name: "L1L2Lattice",
        about: "the same of the distances from the bottom of a lattice",
        read: |f| {
            let default = L1L2Lattice::default();
            let term = L1L2Lattice {
                l1: f.number("l1", default.l1)?,
                l2: f.number("l2", default.l2)?,
                bottom: f.number("bottom", default.bottom)?,
            };
            Ok(Box::new(move |weight| weight.regularized(term)))
        },
    },
    Entry {
        name: "L2",
        about: "a multiple of the sum of squares",
        read: |f| {
            let term = L2(f.number("factor", 0.01)?);
            Ok(Box::new(move |weight| weight.regularized(term)))
        },
    },
];

fn start(initializer: impl Initializer<f32> + 'static) -> Read<Start> {
    Ok(Box::new(initializer))
}

const WEIGHT: &str = "a parameter (a number, an initializer, or a table)";

impl<'a> Fields<'a> {
    /// A parameter. What a file does not say stays as it is by default.
    pub(crate) fn weight(&mut self, name: &'static str, default: Weight<f32>) -> Read<Weight<f32>> {
        let shown = default.to_string();
        match self.value(name, WEIGHT, shown) {
            None => Ok(default),
            Some(value) => self.weight_of(name, value, default, |_| Ok(())).map(|(w, ())| w),
        }
    }

    /// A parameter that may be missing: `false` for none, `true` for one that starts at 0.
    pub(crate) fn optional_weight(
        &mut self,
        name: &'static str,
        default: Option<Weight<f32>>,
    ) -> Read<Option<Weight<f32>>> {
        let shown = default.as_ref().map_or_else(|| "false".to_owned(), Weight::to_string);
        let expected = format!("true, false, or {WEIGHT}");
        match self.value(name, expected, shown) {
            None => Ok(default),
            Some(Value { data: Data::Flag(false), .. }) => Ok(None),
            Some(value) => {
                let weight = default.unwrap_or_else(Weight::zeros);
                if matches!(value.data, Data::Flag(true)) {
                    return Ok(Some(weight));
                }
                self.weight_of(name, value, weight, |_| Ok(())).map(|(weight, ())| Some(weight))
            }
        }
    }

    /// Two parameters that may be missing: `true` for two that start at 0, or a list.
    pub(crate) fn optional_pair(&mut self, name: &'static str) -> Read<Option<[Weight<f32>; 2]>> {
        let expected = "true, false, or a list of two parameters";
        match self.value(name, expected, "false") {
            None | Some(Value { data: Data::Flag(false), .. }) => Ok(None),
            Some(Value { data: Data::Flag(true), .. }) => {
                Ok(Some([Weight::zeros(), Weight::zeros()]))
            }
            Some(Value { data: Data::List(list), .. }) if list.len() == 2 => {
                let read = |value| {
                    let read = self.weight_of(name, value, Weight::zeros(), |_| Ok(()));
                    read.map(|(weight, ())| weight)
                };
                Ok(Some([read(&list[0])?, read(&list[1])?]))
            }
            Some(value) => Err(self.wrong(name, value, expected)),
        }
    }

    /// The fields of a parameter.
    pub(crate) fn parameter(&mut self, mut weight: Weight<f32>) -> Read<Weight<f32>> {
        let by_default = "that of the layer";
        if let Some(initializer) = self.choice("initializer", &INITIALIZER, by_default)? {
            weight = weight.started(initializer);
        }
        if let Some(constraint) = self.choice("constraint", &SET, by_default)? {
            weight = weight.constrained_by(constraint);
        }
        if let Some(enforcement) = self.choice("enforcement", &ENFORCEMENT, "projected-step")? {
            weight = weight.enforced(enforcement);
        }
        if let Some(regularize) = self.choice("regularizer", &REGULARIZER, "none")? {
            weight = regularize(weight);
        }
        Ok(if self.flag("frozen", false)? { weight.frozen() } else { weight })
    }

    /// What the table of a structuring function holds beside the fields of a parameter.
    pub(crate) fn form(&mut self) -> Read<More> {
        let (form, scale) = (self.word("form", FORMS, Form::Free)?, self.number("scale", 1.0)?);
        Ok(More { form, scale, support: self.supports()? })
    }

    /// A parameter from its value; `more` reads what else its table may hold.
    fn weight_of<M: Default>(
        &self,
        name: &str,
        value: &'a Value,
        weight: Weight<f32>,
        more: impl FnOnce(&mut Fields<'a>) -> Read<M>,
    ) -> Read<(Weight<f32>, M)> {
        match &value.data {
            Data::Table(items) if items.iter().all(|item| item.key != "type") => {
                self.table(name, value, items, |f| Ok((f.parameter(weight)?, more(f)?)))
            }
            Data::Table(_) | Data::Text(_) => {
                let initializer = self.one(name, value, &INITIALIZER)?;
                Ok((weight.started(initializer), M::default()))
            }
            _ => match number(value) {
                Some(number) => Ok((weight.started(Constant(number)), M::default())),
                None => Err(self.wrong(name, value, WEIGHT)),
            },
        }
    }

    /// Structuring functions: a parameter, and in its table the `form`, the `scale` of parabolas
    /// and the `support`.
    pub(crate) fn function(&mut self, name: &'static str) -> Read<StructuringFunction<f32>> {
        let expected = "a structuring function (a parameter with a form and a support)";
        let shown = format!("free, {}", Weight::<f32>::zeros());
        let Some(value) = self.value(name, expected, shown) else {
            return Ok(StructuringFunction::default());
        };
        // A parabola has a start of its own.
        let form = match &value.data {
            Data::Table(items) => items.iter().find(|item| item.key == "form"),
            _ => None,
        };
        let quadratic = form.is_some_and(
            |item| matches!(&item.value.data, Data::Text(word) if word == "quadratic"),
        );
        let default = if quadratic {
            Weight::new(Uniform { low: 0.75, high: 1.25 }).constrained(NonNegative)
        } else {
            Weight::zeros()
        };
        let (weight, more) = self.weight_of(name, value, default, Fields::form)?;
        let function = match more.form {
            Form::Free => StructuringFunction::Free(weight),
            Form::Shared => StructuringFunction::Shared(weight),
            Form::Quadratic => {
                StructuringFunction::Quadratic { curvature: weight, scale: more.scale }
            }
        };
        Ok(if more.support.is_empty() { function } else { function.on(more.support) })
    }

    /// An element, or a list with one for each filter.
    fn supports(&mut self) -> Read<Vec<StructuringElement>> {
        let expected = "an element, or a list of elements";
        match self.value("support", expected, "the whole window") {
            None => Ok(Vec::new()),
            Some(Value { data: Data::List(list), .. }) if !list.is_empty() => {
                list.iter().map(|value| self.one("support", value, &ELEMENT)).collect()
            }
            Some(value) => Ok(vec![self.one("support", value, &ELEMENT)?]),
        }
    }

    /// How sharp a smooth operator is: a constant, or a parameter with `shared` in its table.
    pub(crate) fn sharpness(
        &mut self,
        name: &'static str,
        default: Sharpness<f32>,
    ) -> Read<Sharpness<f32>> {
        let (shown, shared, weight) = match default {
            Sharpness::Fixed(number) => (number.to_string(), true, None),
            Sharpness::Shared(weight) => (format!("shared, {weight}"), true, Some(weight)),
            Sharpness::PerFilter(weight) => {
                (format!("for each filter, {weight}"), false, Some(weight))
            }
        };
        let expected = "a number that stays, or a parameter, with shared = true for one and false \
                        for one for each filter";
        let fixed = shown.parse::<f64>();
        let Some(value) = self.value(name, expected, &shown) else {
            return Ok(match weight {
                None => Sharpness::Fixed(fixed.unwrap_or(1.0)),
                Some(weight) if shared => Sharpness::Shared(weight),
                Some(weight) => Sharpness::PerFilter(weight),
            });
        };
        if let Some(number) = number(value) {
            return Ok(Sharpness::Fixed(number));
        }
        let start = weight.unwrap_or_else(|| Weight::new(Constant(fixed.unwrap_or(1.0))));
        let (weight, Shared(shared)) =
            self.weight_of(name, value, start, |f| f.flag("shared", shared).map(Shared))?;
        Ok(if shared { Sharpness::Shared(weight) } else { Sharpness::PerFilter(weight) })
    }
}

/// Whether all filters share a sharpness; they do where only its start is given.
struct Shared(bool);

impl Default for Shared {
    fn default() -> Self {
        Self(true)
    }
}

/// What else the table of a structuring function holds.
#[derive(Debug)]
pub(crate) struct More {
    form: Form,
    scale: f64,
    support: Vec<StructuringElement>,
}

impl Default for More {
    fn default() -> Self {
        Self { form: Form::Free, scale: 1.0, support: Vec::new() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Free,
    Shared,
    Quadratic,
}

const FORMS: &[(&str, Form)] =
    &[("free", Form::Free), ("shared", Form::Shared), ("quadratic", Form::Quadratic)];
