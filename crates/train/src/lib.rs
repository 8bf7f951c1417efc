#![doc = include_str!("../README.md")]

pub mod artifacts;
pub mod callbacks;
pub mod data;
pub mod experiment;
pub mod fit;
pub mod metrics;
pub mod named;
pub mod published;
pub mod record;
pub mod report;
pub mod run;
pub mod step;
pub mod tables;

pub use morphograd_morphology as morphology;
