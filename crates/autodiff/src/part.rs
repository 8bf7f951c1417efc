//! Recordings of parts of a batch: where a part stands, and what it used.

use morphograd_tensor::Real;

use crate::param_id::ParamId;
use crate::tape::{Graph, Tape};

impl<T: Real> Graph<'_, T> {
    /// Says that this recording has a part of a batch, whose first example stands at this place of
    /// the batch, from 0. What is random then is as if the whole batch were recorded.
    pub fn begin_at(&mut self, first: usize) {
        self.first = first;
    }

    /// Where in its batch the first example of this recording stands: 0, or what
    /// [`begin_at`](Self::begin_at) said. A layer that draws by the place of an example adds it.
    pub fn first_example(&self) -> usize {
        self.first
    }
}

impl<T: Real> Tape<T> {
    /// Whether this recording uses the parameter.
    pub fn uses(&self, id: ParamId) -> bool {
        self.params.get(id.0 as usize).is_some_and(Option::is_some)
    }

    /// The parameters that [`settle`](Self::settle) will move, in the order of the calls of
    /// [`Graph::track`].
    pub fn tracked(&self) -> impl Iterator<Item = ParamId> {
        self.tracked.iter().map(|tracked| tracked.param)
    }
}
