//! Colours of constraints, by name and not by position: a constraint has one colour in every figure
//! of every report.

use morphograd_plot::palette::COLOURS;

use crate::record::{ExperimentRecord, Variant};

/// The constraints with a colour of their own, in the order of [`COLOURS`].
const KNOWN: [&str; 6] = [
    "none",
    "non-negative",
    "non-positive",
    "non-positive-increasing",
    "lattice",
    "lattice-zero-centre",
];

/// The colour of a variant in this experiment. One without a colour of its own takes the next that
/// no other has, in the order in which they appear, and then from the start again.
pub(super) fn of(variant: &Variant, experiment: &ExperimentRecord) -> &'static str {
    let known = |variant: &Variant| {
        let own = |name: &&str| variant.is_projected_step() && *name == variant.constraint;
        KNOWN.iter().position(own).map(|position| COLOURS[position])
    };
    known(variant).unwrap_or_else(|| {
        let (mut taken, mut others) = (Vec::new(), Vec::new());
        for run in &experiment.runs {
            match known(&run.variant) {
                Some(colour) => taken.push(colour),
                None if others.contains(&&run.variant) => {}
                None => others.push(&run.variant),
            }
        }
        let (own, free) = COLOURS.split_at(KNOWN.len());
        let all = free.iter().chain(own).copied();
        let left: Vec<&str> = all.filter(|colour| !taken.contains(colour)).collect();
        let position = others.iter().position(|other| *other == variant).unwrap_or(0);
        left[position % left.len()]
    })
}
