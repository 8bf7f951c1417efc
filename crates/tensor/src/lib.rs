//! Numbers with a shape: contiguous tensors, windows, GEMM and deterministic data-parallel helpers.
