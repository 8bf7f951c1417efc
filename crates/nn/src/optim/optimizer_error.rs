//! Why an optimizer refuses a step.
//!
//! The one design choice: each error names the rule and the parameter, as a network has many.

use thiserror::Error;

/// Why there was no step. The parameters are as before.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum OptimizerError {
    /// A trainable parameter that the loss does not depend on.
    #[error(
        "{rule}: expected a gradient for `{parameter}`, found none: use it in the loss or freeze it"
    )]
    MissingGradient {
        /// The rule's name.
        rule: &'static str,
        /// The parameter.
        parameter: String,
    },
    /// Numbers that would destroy the parameters.
    #[error("{rule}: expected a gradient of finite norm for `{parameter}`, found norm {norm}")]
    NotFinite {
        /// The rule's name.
        rule: &'static str,
        /// The parameter.
        parameter: String,
        /// The norm.
        norm: f64,
    },
    /// A penalty that the backward pass did not go through, so that it would do nothing.
    #[error(
        "{rule}: expected the penalty of `{parameter}` in what was differentiated, found none: \
         differentiate a loss by Graph::backward, or the sum of Graph::penalized"
    )]
    MissingPenalty {
        /// The rule's name.
        rule: &'static str,
        /// The parameter.
        parameter: String,
    },
    /// A step that leads to numbers that are not finite.
    #[error("{rule}: expected a step to finite numbers for `{parameter}`, found {found}")]
    Diverged {
        /// The rule's name.
        rule: &'static str,
        /// The parameter.
        parameter: String,
        /// The first of them.
        found: f64,
    },
    /// A learning rate or a bound that makes no sense.
    #[error("{rule}: expected a {setting} that is finite and not negative, found {found}")]
    Setting {
        /// The rule's name.
        rule: &'static str,
        /// What is wrong.
        setting: &'static str,
        /// Its value.
        found: f64,
    },
    /// A step beyond a vertex.
    #[error(
        "{rule}: expected a learning rate of at most 1 for `{parameter}`, the share of the way to \
         a vertex, found {found}"
    )]
    BeyondVertex {
        /// The rule's name.
        rule: &'static str,
        /// The parameter.
        parameter: String,
        /// The learning rate, with its factor.
        found: f64,
    },
    /// A set that does not know what the rule, the metric or the momentum asks of it.
    #[error("{rule}: expected a set with {missing} for `{parameter}`, found {set}")]
    Set {
        /// The rule's name.
        rule: &'static str,
        /// The parameter.
        parameter: String,
        /// What the set does not have.
        missing: &'static str,
        /// The set.
        set: String,
    },
    /// Other parameters, or a state of others.
    #[error(
        "{rule}: expected the parameters the optimizer was made for, found other numbers or sizes \
         of them"
    )]
    OtherParameters {
        /// The rule's name.
        rule: &'static str,
    },
}
