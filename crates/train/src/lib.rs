//! Everything above the libraries: data sets, the tutorial's experiment, the training loop, metrics, the report and the command line.

pub mod artifacts;
pub mod data;
pub mod metrics;
pub mod published;
pub mod record;
pub mod report;
pub mod tables;
