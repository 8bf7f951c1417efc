//! Every case, group by group. The one design choice: a table. A case is one entry, and the
//! command, the documents, the guard and the peers know it by its name.

pub mod flat;
pub mod layers;
pub mod morphology;
pub mod products;
pub mod projections;
pub mod python;
pub mod tutorial;

use std::num::NonZeroUsize;

use morphograd::morphology::nn::autodiff::{Graph, Mode, Params, Tape, Var};
use morphograd::morphology::nn::random::Stream;
use morphograd::morphology::nn::tensor::{Shape, ShapeError, Tensor};

use crate::case::{Case, Prepare};

/// Cases of one kind.
pub struct Group {
    /// Its heading.
    pub title: &'static str,
    /// Its cases.
    pub cases: Vec<Case>,
}

/// All cases.
pub fn groups() -> Vec<Group> {
    vec![
        Group { title: "Dilation and erosion by filters", cases: morphology::cases() },
        Group { title: "Flat operators on an image", cases: flat::cases() },
        Group { title: "Layers", cases: layers::cases() },
        Group { title: "Matrix products", cases: products::cases() },
        Group { title: "Projections", cases: projections::cases() },
        Group { title: "The tutorial", cases: tutorial::cases() },
        Group { title: "The Python package", cases: python::cases() },
    ]
}

/// How far a case goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Values only.
    Forward,
    /// Values, and the gradients of all inputs for an output gradient of ones.
    Gradient,
}

impl Pass {
    /// Both, with what they add to the name of a case.
    pub const BOTH: [(Self, &'static str); 2] =
        [(Self::Forward, ""), (Self::Gradient, "-gradient")];

    /// What it adds to the sentence that describes a case.
    pub fn text(self) -> &'static str {
        match self {
            Self::Forward => "",
            Self::Gradient => ", and the gradients of all inputs",
        }
    }
}

/// What an input is filled with.
#[derive(Debug, Clone, Copy)]
pub enum Fill {
    /// Uniform noise in [0, 1).
    Uniform,
    /// Normal noise of this deviation.
    Normal(f64),
    /// Zeros.
    Zeros,
}

impl Fill {
    /// A tensor filled with it, the same one each time.
    pub fn tensor(self, shape: impl Into<Shape>) -> Tensor<f32> {
        let shape = shape.into();
        let mut noise = Stream::new(0, "bench", shape.len() as u64);
        Tensor::from_fn(shape, |_| match self {
            Self::Uniform => noise.uniform() as f32,
            Self::Normal(deviation) => (noise.normal() * deviation) as f32,
            Self::Zeros => 0.0,
        })
    }
}

/// A computation on a tape that is kept. The inputs are parameters, which a recording borrows in
/// place, so that no copy of them is timed.
pub fn on_tape(
    inputs: impl IntoIterator<Item = (Shape, Fill)>,
    pass: Pass,
    computation: impl Fn(&mut Graph<'_, f32>, &[Var]) -> Result<Var, ShapeError>
    + Clone
    + Send
    + Sync
    + 'static,
) -> Prepare {
    let inputs: Vec<(Shape, Fill)> = inputs.into_iter().collect();
    Box::new(move || {
        let mut params = Params::new();
        let ids: Vec<_> = inputs
            .iter()
            .enumerate()
            .map(|(i, (shape, fill))| params.add(i.to_string(), fill.tensor(*shape), None))
            .collect::<Result<_, _>>()
            .expect("names that differ");
        let (mut tape, mut ones, mut vars) = (Tape::new(), Vec::new(), Vec::new());
        let computation = computation.clone();
        Box::new(move || {
            let mode = if pass == Pass::Gradient { Mode::Train { step: 0 } } else { Mode::Eval };
            let mut graph = tape.record(&params, mode);
            vars.clear();
            vars.extend(ids.iter().map(|id| graph.param(*id)));
            let y = computation(&mut graph, &vars).expect("shapes of a case fit");
            if pass == Pass::Gradient {
                ones.resize(graph.shape(y).len(), 1.0);
                graph.backward_with(y, &ones);
            }
        })
    })
}

/// The processors there are.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_there_once() {
        let groups = groups();
        let mut names: Vec<&str> =
            groups.iter().flat_map(|group| &group.cases).map(|case| &*case.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn inputs_are_the_same_each_time() {
        let [a, b] = [(); 2].map(|()| Fill::Normal(0.1).tensor([5]));
        assert_eq!(a, b);
        assert!(a.data().iter().any(|x| *x < 0.0));
    }

    #[test]
    fn a_computation_can_be_run_again() {
        let inputs =
            [(Shape::from([1, 6, 6, 1]), Fill::Uniform), ([3, 3, 1, 2].into(), Fill::Normal(0.1))];
        for (pass, _) in Pass::BOTH {
            let mut run = on_tape(
                inputs,
                pass,
                morphology::apply::<morphograd::morphology::MaxPlus>([3, 3]),
            )();
            run();
            run();
        }
    }
}
