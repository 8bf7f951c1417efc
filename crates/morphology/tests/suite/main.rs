//! The tests of the crate's public interface, by subject. One program for all of them: each would
//! compile the kernels again.

mod best_in_set;
mod borders;
mod compositions;
mod definition;
mod flat;
mod geodesic;
mod golden;
mod hyperboxes;
mod laws;
mod layers;
mod pixels;
mod promise;
mod properties;
mod python;
mod reference;
mod residuation;
mod sets;
mod smooth;
mod structuring_element;
mod support;

use morphograd_morphology as morphology;
