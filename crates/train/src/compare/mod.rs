//! Several trainings side by side: their runs read from the folders they left, one table, one page.
//!
//! The one design choice: a comparison knows nothing of a training but what its folder holds. So
//! runs of different days, of both kinds of networks and of a sweep are compared by the same code.

mod figures;
mod page;
mod saved;
mod table;

pub use page::report;
pub use saved::{CompareError, SavedRun, runs_of};
pub use table::{Compared, Failed, Group};
