//! The sets from outside, as one program: what all of them pass, what single ones promise, values
//! of other software, and the tables of the documents.

mod documents;
mod far_out;
mod matrices;
mod polyhedron;
mod references;
mod sets;
mod solve;
mod table;
