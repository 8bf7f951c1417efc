#![doc = include_str!("../README.md")]

pub mod case;
pub mod cases;
pub mod document;
pub mod fit;
pub mod instructions;
pub mod limits;
pub mod machine;
pub mod measure;
pub mod peer;
pub mod record;
pub mod sample;
pub mod scaling;
pub mod table;
