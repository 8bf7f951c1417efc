#![doc = include_str!("../README.md")]

pub mod apply;
pub mod artifacts;
pub mod compare;
pub mod data;
pub mod experiment;
pub mod first_dilation;
pub mod history;
pub mod initial;
pub mod memory;
pub mod metrics;
pub mod model;
pub mod published;
pub mod record;
pub mod recorder;
pub mod registry;
pub mod report;
pub mod run;
pub mod settings;
pub mod start;
pub mod state;
pub mod sweep;
pub mod tables;
pub mod tensorboard;

pub use morphograd_morphology as morphology;
