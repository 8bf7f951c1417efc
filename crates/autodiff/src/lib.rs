//! Tape-based reverse-mode automatic differentiation with constrained parameters.
