//! Read, write and validate IDX files (the format of MNIST), plain or gzip.
