//! Networks from files: TOML that names layers, sets, starts and how they are trained, by the names
//! of the documentation.
//!
//! Each kind of thing has one table ([`LAYERS`], [`SETS`], [`OPTIMIZERS`], …) of [`Entry`]s: a
//! name, a sentence, and a function that reads the fields. A field is declared by being read, so a
//! table is all there is: files, help ([`list()`]) and errors follow from it. The cookbook has a
//! page with a file, `docs/cookbook/model.md`; the folder `models/` has more.

mod config;
mod elements;
mod error;
mod fields;
mod file;
mod layers;
mod list;
mod saved;
mod sets;
mod source;
mod targets;
mod training;
mod weights;
mod words;

pub use crate::initial::WEIGHTS;
pub use crate::memory::{MAX_OUTPUTS, MAX_PARAMETERS};
pub use config::ModelConfig;
pub use elements::{ELEMENT, ELEMENTS};
pub use error::{FieldError, ModelError};
pub use fields::{Entry, Field, Fields, Kind};
pub use file::ModelFile;
pub use layers::{LAYER, LAYERS, Layer, OPERATOR, PAIR_OPERATOR};
pub use list::list;
pub use saved::{NOTE, Note, SavedModel};
pub use sets::{SET, SETS, Set};
pub(crate) use source::{Data, Source};
pub use targets::{Examples, Goal, ImageTargets, NOISE, NOISES, Noise, Target};
pub use training::{
    CALLBACK, CALLBACKS, CLIP, CLIPS, LOSS, LOSSES, METRIC, METRICS, Measure, OPTIMIZER,
    OPTIMIZERS, SCHEDULE, SCHEDULES, Training, Watcher,
};
pub use weights::{
    ENFORCEMENT, ENFORCEMENTS, INITIALIZER, INITIALIZERS, REGULARIZER, REGULARIZERS, Regularize,
    Start,
};
