//! The variables of a batch: a few of them, kept inline, so that a step allocates nothing.

use std::ops::Deref;

use morphograd_autodiff::{MAX_INPUTS, Var};

/// A list of at most [`MAX_INPUTS`] variables: the inputs of a model, its outputs, the targets.
/// Made of one variable or an array of them; a slice to whoever reads it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Vars {
    /// The variables, then copies of the first; `None` where there is none.
    all: Option<[Var; MAX_INPUTS]>,
    len: usize,
}

/// What a data set writes of a few examples: what the model sees, and what should come out of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Batch {
    /// The inputs of the model.
    pub inputs: Vars,
    /// What its outputs are compared with.
    pub targets: Vars,
}

impl Vars {
    /// Adds a variable at the end.
    ///
    /// # Panics
    /// If there are [`MAX_INPUTS`] of them already.
    #[track_caller]
    pub fn push(&mut self, var: Var) {
        assert!(
            self.len < MAX_INPUTS,
            "a batch has at most {MAX_INPUTS} inputs, outputs or targets"
        );
        self.all.get_or_insert([var; MAX_INPUTS])[self.len] = var;
        self.len += 1;
    }
}

impl Batch {
    /// A batch of these inputs and targets.
    pub fn new(inputs: impl Into<Vars>, targets: impl Into<Vars>) -> Self {
        Self { inputs: inputs.into(), targets: targets.into() }
    }
}

impl Deref for Vars {
    type Target = [Var];

    fn deref(&self) -> &[Var] {
        self.all.as_ref().map_or(&[], |all| &all[..self.len])
    }
}

impl From<Var> for Vars {
    fn from(var: Var) -> Self {
        Self::from([var])
    }
}

impl<const N: usize> From<[Var; N]> for Vars {
    /// # Panics
    /// If there are more than [`MAX_INPUTS`].
    #[track_caller]
    fn from(vars: [Var; N]) -> Self {
        let mut all = Self::default();
        vars.into_iter().for_each(|var| all.push(var));
        all
    }
}
