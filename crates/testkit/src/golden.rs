//! Reference values: one safetensors file a case, computed with TensorFlow 2.21 / Keras 3.15 in
//! `f32` on a CPU, or, for projections, with Optax, JAXopt and SciPy in `f64`.
//! `python data/golden/generate.py` computes all of them, and `--check` compares, byte for byte;
//! `data/golden/README.md` tells what that needs.

use std::fs;
use std::path::Path;

use morphograd_autodiff::tensor::{Real, Shape, Tensor};
use safetensors::{Dtype, SafeTensors};

/// One file: named tensors.
#[derive(Debug)]
pub struct Golden {
    case: String,
    bytes: Vec<u8>,
}

impl Golden {
    /// Reads a case from `data/golden`.
    ///
    /// # Panics
    /// If there is no such case.
    pub fn read(case: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/golden");
        Self::open(&folder.join(format!("{case}.safetensors")))
    }

    /// Reads a safetensors file.
    ///
    /// # Panics
    /// If it cannot be read.
    pub fn open(path: &Path) -> Self {
        let case = path.display().to_string();
        let bytes = fs::read(path).unwrap_or_else(|error| panic!("{case}: {error}"));
        Self { case, bytes }
    }

    /// The tensor of this name; bytes become numbers from 0 to 255.
    ///
    /// # Panics
    /// If the case has no such tensor.
    pub fn tensor<T: Real>(&self, name: &str) -> Tensor<T> {
        let file = SafeTensors::deserialize(&self.bytes).expect("a safetensors file");
        let view =
            file.tensor(name).unwrap_or_else(|error| panic!("{}: {name}: {error}", self.case));
        let data: Vec<T> = match view.dtype() {
            Dtype::F32 => view
                .data()
                .chunks_exact(4)
                .map(|b| T::of(f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]]))))
                .collect(),
            Dtype::F64 => {
                let number = |b: &[u8]| f64::from_le_bytes(b.try_into().expect("eight bytes"));
                view.data().chunks_exact(8).map(|b| T::of(number(b))).collect()
            }
            Dtype::U8 => view.data().iter().map(|b| T::of(f64::from(*b))).collect(),
            other => panic!("{}: {name}: unexpected type {other:?}", self.case),
        };
        Tensor::from_vec(Shape::new(view.shape()), data)
            .expect("as many elements as the shape says")
    }
}

/// Asserts that no element differs by more than `tolerance` times the largest magnitude of
/// `expected`.
///
/// # Panics
/// If one does, or the lengths differ, or a found element is NaN.
#[track_caller]
pub fn assert_close<T: Real>(what: &str, found: &[T], expected: &[T], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}: number of elements");
    let scale = expected.iter().map(|x| x.f64().abs()).fold(0.0, f64::max);
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        let error = (f.f64() - e.f64()).abs();
        assert!(
            error <= tolerance * scale,
            "{what}[{i}]: expected {e}, found {f} (largest magnitude {scale})"
        );
    }
}
