//! Things chosen by a word on the command line: one table a kind, from which the help, the errors
//! and the choice all follow. Adding an optimizer or a constraint to the command is one line here.

use morphograd_morphology::nn::autodiff::sets::Constraint;
use morphograd_morphology::nn::enforcement::{Enforcement, ProjectionVjp};
use morphograd_morphology::nn::optim::{Adagrad, Adam, FrankWolfe, RmsProp, Rule, Sgd};
use morphograd_morphology::nn::sets::{Interval, L2Ball, NonNegative, Per, Sphere};
use morphograd_morphology::{
    Concave, ConstantKernel, RadiallyNonIncreasing, SupNormalized, Symmetric, ZeroCentre,
};

use crate::start::Start;

/// Something with a name, other names, one sentence, and a way to make it.
#[derive(Debug, Clone, Copy)]
pub struct Named<V> {
    /// The name, as printed and recorded.
    pub name: &'static str,
    /// Names that mean the same.
    pub aliases: &'static [&'static str],
    /// What it is, for the help.
    pub about: &'static str,
    /// Makes one.
    pub make: fn() -> V,
}

/// A set for the kernel of the dilation, or none.
pub type KernelConstraint = Option<Box<dyn Constraint<f32>>>;

/// The constraints of the experiment. The first four are the tutorial's; each acts on every channel
/// and filter by itself, unless it says otherwise.
pub const CONSTRAINTS: &[Named<KernelConstraint>] = &[
    Named { name: "none", aliases: &["free"], about: "any value", make: || None },
    Named {
        name: "non-negative",
        aliases: &["nonneg"],
        about: "w >= 0",
        make: || Some(Box::new(NonNegative)),
    },
    Named {
        name: "non-positive",
        aliases: &["nonpos"],
        about: "the box -1 <= w <= 0",
        make: || Some(Box::new(Interval { min: -1.0, max: 0.0 })),
    },
    Named {
        name: "non-positive-increasing",
        aliases: &["non-positive-extensive"],
        about: "the box -1 <= w <= 0 with the centre at 0: an extensive dilation",
        make: || Some(Box::new(ZeroCentre { min: -1.0, max: 0.0 })),
    },
    Named {
        name: "lattice",
        aliases: &[],
        about: "the box -1 <= w <= 1: what the public code of the tutorial had as `non-positive`",
        make: || Some(Box::new(Interval { min: -1.0, max: 1.0 })),
    },
    Named {
        name: "lattice-zero-centre",
        aliases: &[],
        about: "the box -1 <= w <= 1 with the centre at 0: what the public code of the tutorial \
            had as `non-positive-increasing`",
        make: || Some(Box::new(ZeroCentre { min: -1.0, max: 1.0 })),
    },
    Named {
        name: "sup-normalised",
        aliases: &["sup-normalized"],
        about: "w <= 0 and the largest entry 0: never above the flat dilation",
        make: || Some(Box::new(SupNormalized)),
    },
    Named {
        name: "radial",
        aliases: &["radially-non-increasing"],
        about: "no entry above one nearer to the centre",
        make: || Some(Box::new(RadiallyNonIncreasing::default())),
    },
    Named {
        name: "symmetric",
        aliases: &["dihedral"],
        about: "the eight symmetries of a square",
        make: || Some(Box::new(Symmetric::Dihedral)),
    },
    Named {
        name: "concave",
        aliases: &[],
        about: "second differences <= 0 along rows, columns and diagonals",
        make: || Some(Box::new(Concave)),
    },
    Named {
        name: "flat",
        aliases: &[],
        about: "all entries of a channel and filter equal",
        make: || Some(Box::new(ConstantKernel::default())),
    },
    Named {
        name: "unit-ball",
        aliases: &["l2-ball"],
        about: "Euclidean norm at most 1 for each filter",
        make: || Some(Box::new(Per::filter(L2Ball { radius: 1.0 }))),
    },
    // Keras' `UnitNorm` divides by the norm plus 1e-7 and leaves 0 where it is: a rescaling that
    // ends near the sphere and is no projection on it.
    Named {
        name: "norm-one",
        aliases: &["unit-norm", "sphere"],
        about: "Euclidean norm exactly 1 for each filter; Keras' UnitNorm is a rescaling instead, \
            no projection",
        make: || Some(Box::new(Per::filter(Sphere { radius: 1.0 }))),
    },
];

/// The optimizers of the command, with Keras' default settings.
pub const OPTIMIZERS: &[Named<Box<dyn Rule<f32>>>] = &[
    Named { name: "adam", aliases: &[], about: "Adam", make: || Box::new(Adam::default()) },
    Named {
        name: "amsgrad",
        aliases: &[],
        about: "Adam with the largest second moment so far",
        make: || Box::new(Adam { amsgrad: true, ..Adam::default() }),
    },
    Named {
        name: "adamw",
        aliases: &[],
        about: "Adam with decoupled weight decay",
        make: || Box::new(Adam::adamw()),
    },
    Named {
        name: "sgd",
        aliases: &[],
        about: "plain gradient descent",
        make: || Box::new(Sgd::default()),
    },
    Named {
        name: "momentum",
        aliases: &[],
        about: "gradient descent with momentum 0.9",
        make: || Box::new(Sgd { momentum: 0.9, ..Sgd::default() }),
    },
    Named {
        name: "nesterov",
        aliases: &[],
        about: "gradient descent with Nesterov momentum 0.9",
        make: || Box::new(Sgd { momentum: 0.9, nesterov: true }),
    },
    Named {
        name: "rmsprop",
        aliases: &[],
        about: "RMSprop",
        make: || Box::new(RmsProp::default()),
    },
    Named {
        name: "adagrad",
        aliases: &[],
        about: "Adagrad",
        make: || Box::new(Adagrad::default()),
    },
    Named {
        name: "frank-wolfe",
        aliases: &["conditional-gradient"],
        about: "steps towards vertices of a bounded convex set, by a mean gradient with momentum \
            0.9; what has no set follows the mean gradient",
        make: || Box::new(FrankWolfe::default()),
    },
];

/// The ways to enforce the constraint of the experiment. The multiplier changes once in 8 steps, an
/// epoch of the tutorial.
pub const ENFORCEMENTS: &[Named<Enforcement>] = &[
    Named {
        name: "projected-step",
        aliases: &["projection"],
        about: "a projection after each step",
        make: || Enforcement::ProjectedStep,
    },
    Named {
        name: "forward-projection",
        aliases: &["exact"],
        about: "a projection in the forward pass, with its derivative in the backward pass",
        make: || Enforcement::ForwardProjection { gradient: ProjectionVjp::Exact },
    },
    Named {
        name: "straight-through",
        aliases: &[],
        about: "a projection in the forward pass that gradients pass as if it were not there",
        make: || Enforcement::ForwardProjection { gradient: ProjectionVjp::StraightThrough },
    },
    Named {
        name: "reparametrization",
        aliases: &["smooth"],
        about: "a smooth map from a free parameter (sigmoid, softplus, ...), started off the \
            boundary",
        make: || Enforcement::Reparametrization,
    },
    Named {
        name: "penalty",
        aliases: &[],
        about: "5 times the squared distance from the set in the loss; projected at the end",
        make: || Enforcement::Penalty { factor: 10.0 },
    },
    Named {
        name: "augmented-lagrangian",
        aliases: &["lagrangian"],
        about: "the same, with a multiplier that ends in the set; projected at the end",
        make: || Enforcement::AugmentedLagrangian { factor: 10.0, every: 8 },
    },
];

/// Where the kernel of the dilation may start.
pub const STARTS: &[Named<Start>] = &[
    Named {
        name: "zero",
        aliases: &[],
        about: "kernels of 0, a corner of some sets; the tutorial's",
        make: || Start::Zero,
    },
    Named {
        name: "interior",
        aliases: &[],
        about: "off the boundary, with the same outputs by the bias of the convolution",
        make: || Start::Interior,
    },
];

/// A name that no table has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {kind} `{found}`{}, expected one of \
    {known}", suggestion.as_ref().map_or(String::new(), |s| format!(" (did you mean `{s}`?)")))]
pub struct UnknownName {
    /// What was looked for: `constraint`, ...
    pub kind: &'static str,
    /// The word given.
    pub found: String,
    /// The most similar name, if one is similar.
    pub suggestion: Option<&'static str>,
    /// All names.
    pub known: String,
}

/// Looks a word up.
///
/// # Errors
/// If no entry has the name, with a suggestion.
///
/// ```
/// use morphograd::registry::{CONSTRAINTS, find};
/// assert_eq!(
///     find("constraint", CONSTRAINTS, "non-positive-extensive")?.name,
///     "non-positive-increasing"
/// );
/// let error = find("constraint", CONSTRAINTS, "non-postive").unwrap_err().to_string();
/// let start = "unknown constraint `non-postive` (did you mean `non-positive`?), expected ";
/// assert!(error.starts_with(start));
/// # Ok::<(), morphograd::registry::UnknownName>(())
/// ```
pub fn find<'a, V>(
    kind: &'static str,
    table: &'a [Named<V>],
    word: &str,
) -> Result<&'a Named<V>, UnknownName> {
    if let Some(entry) =
        table.iter().find(|entry| entry.name == word || entry.aliases.contains(&word))
    {
        return Ok(entry);
    }
    let names = table.iter().flat_map(|entry| std::iter::once(&entry.name).chain(entry.aliases));
    Err(UnknownName {
        kind,
        found: word.to_owned(),
        suggestion: closest(names.copied(), word),
        known: table.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", "),
    })
}

/// The name most similar to a word, if one is similar, whatever the case and the hyphens.
pub(crate) fn closest<'n>(names: impl Iterator<Item = &'n str>, word: &str) -> Option<&'n str> {
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let word = plain(word);
    let similarity = |name: &str| strsim::jaro_winkler(&plain(name), &word);
    let closest = names.max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    closest.filter(|name| similarity(name) > 0.75)
}

/// The table as lines of help.
pub fn help<V>(table: &[Named<V>]) -> String {
    let width = table.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
    let line = |entry: &Named<V>| format!("  {:width$}  {}", entry.name, entry.about);
    table.iter().map(line).collect::<Vec<_>>().join("\n")
}
