//! Differentiable mathematical morphology: max-plus operators and layers, and constraints on their kernels.
