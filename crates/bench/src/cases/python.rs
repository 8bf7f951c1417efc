//! What the Python package costs where it is called: in NumPy, PyTorch and Keras. `peers/peer.py`
//! measures ours too, so that a call, its checks and its arrays are in the time.

use crate::case::Case;

pub(super) fn cases() -> Vec<Case> {
    [
        ("python-call", "dilation of an image of 8 x 8 pixels, u8, by 3 x 3: what a call costs"),
        ("python-dilation-3", "dilation of 1024 x 1024, u8, by 3 x 3"),
        ("python-dilation-5", "dilation of 1024 x 1024, u8, by 5 x 5"),
        ("python-dilation-15", "dilation of 1024 x 1024, u8, by 15 x 15"),
        ("python-dilation-51", "dilation of 1024 x 1024, u8, by 51 x 51"),
        ("python-dilation-disk", "dilation of 1024 x 1024, u8, by a disc of radius 5"),
        ("python-dilation-disk-10", "dilation of 1024 x 1024, u8, by a disc of radius 10"),
        ("python-dilation-disk-20", "dilation of 1024 x 1024, u8, by a disc of radius 20"),
        ("python-dilation-disk-50", "dilation of 1024 x 1024, u8, by a disc of radius 50"),
        ("python-dilation-float", "dilation of 1024 x 1024, f32, by 5 x 5"),
        ("python-dilation-disk-float", "dilation of 1024 x 1024, f32, by a disc of radius 5"),
        ("python-opening-15", "opening of 1024 x 1024, u8, by 15 x 15"),
        ("python-opening-disk", "opening of 1024 x 1024, u8, by a disc of radius 5"),
        ("python-tophat-15", "white top-hat of 1024 x 1024, u8, by 15 x 15"),
        ("python-gradient-15", "gradient of 1024 x 1024, u8, by 15 x 15"),
        ("python-reconstruction", "reconstruction under 1024 x 1024, u8, from 40 below"),
        ("python-reconstruction-float", "the same in f32"),
        ("python-h-maxima", "h-maxima of 1024 x 1024, u8, h = 40"),
        ("python-local-maxima", "local maxima of 1024 x 1024, u8"),
        ("python-area-opening", "area opening of 1024 x 1024, u8, 64 pixels"),
        ("python-area-opening-16", "area opening of 1024 x 1024, u16, 64 pixels"),
        ("python-distance", "exact distance transform of 1024 x 1024"),
        ("torch-dilation", "dilation2d, 128 images 28 x 28 x 1, 8 filters 5 x 5"),
        ("torch-dilation-gradient", "the same, and the gradients of all inputs"),
        ("torch-channels", "dilation2d, 32 images 64 x 64 x 16, 16 filters 7 x 7"),
        ("torch-channels-gradient", "the same, and the gradients of all inputs"),
        ("torch-constrain", "a step of SGD on 1024 x 1024 weights that are kept at 0 or above"),
        ("keras-tensorflow-step", "a training step of the tutorial in Keras on TensorFlow"),
        ("keras-torch-step", "a training step of the tutorial in Keras on PyTorch"),
    ]
    .map(|(name, what)| Case::in_python(name, what))
    .into()
}
