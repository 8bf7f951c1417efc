//! Many trainings: all combinations of lists of settings, in parallel, in a folder that a later
//! call goes on with.
//!
//! The one design choice: a run is a training of its own, in a folder whose name holds a check sum
//! of its settings and data. It is trained under another name and renamed when it is finished. So a
//! folder that is there is done, other settings never meet old results, and nothing else has to be
//! remembered.

mod lists;
mod runs;

pub use lists::{List, Lists, ONLY};
pub use runs::{Outcome, Planned, Progress, Sweep, SweepError};
