//! `apply`: every operator of the table against the library's function, elements from text, strips
//! against the whole, and the command.

mod command;
mod elements;
mod operators;
mod strips;
