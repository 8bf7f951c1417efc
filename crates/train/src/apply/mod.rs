//! Operators for image files: a table of them, pipelines of them in words, and images of which only
//! a part is in memory.
//!
//! The one design choice: one table registers an operator, and from it follow the words of a
//! pipeline, the help, the list with its pictures, and the errors. What an operator computes is a
//! function of `morphograd-morphology`; here is nothing but what connects the two.
//!
//! Each channel of an image is on its own, and alpha is handed on as it is. The bit depth stays.

mod catalogue;
mod connected;
mod element;
mod error;
mod flat;
mod operator;
mod parameter;
mod pipeline;
mod pointwise;
mod side_by_side;
mod strips;
mod table;

pub use catalogue::{contact_sheet, list, page};
pub use element::{Element, GENERATORS, Generator};
pub use error::ApplyError;
pub use operator::{Operator, Output};
pub use parameter::{PARAMETERS, Parameter};
pub use pipeline::Pipeline;
pub use side_by_side::side_by_side;
pub use strips::Strips;
pub use table::OPERATORS;
