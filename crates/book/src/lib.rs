#![doc = include_str!("../README.md")]

pub mod api;
pub mod book;
pub mod experiment;
pub mod figures;
pub mod formula;
pub mod html;
pub mod link;
pub mod page;
pub mod spelling;
pub mod summary;

#[cfg(doctest)]
mod pages;
