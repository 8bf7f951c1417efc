"""Morphology for Keras 3, on TensorFlow, PyTorch and JAX: layers, constraints, differentiable ops.

    from morphograd.keras.layers import Dilation2D
    from morphograd.keras.constraints import NonPositive

    model = keras.Sequential([Dilation2D(8, (5, 5), kernel_constraint=NonPositive()), ...])

Layers, initializers and regularizers have the names and arguments of morpholayers; `constraints`
has every set of `morphograd.sets` besides. All of it is saved with a model and loaded with it.

Images are (batch, height, width, channels), kernels (kh, kw, channels, filters). A dilation does
not mirror its kernel, an erosion does, so that the two by one kernel are adjoint. Values and
gradients are those of the Rust library, bit for bit, for any number of threads.

The work is done on the processor, by calls out of the backend's graph. XLA cannot compile such
calls for TensorFlow: the layers say so, and Keras then leaves XLA out, with a warning where it was
told `jit_compile=True`. Such a model is saved by `model.save` and `save_weights`, but cannot be
exported as a TensorFlow SavedModel. JAX compiles a model with these layers.
"""

import importlib.util

if importlib.util.find_spec("keras") is None:
    raise ImportError("morphograd.keras: expected Keras 3, found none; `pip install keras` first")

import keras as _keras

if int(_keras.__version__.split(".")[0]) < 3:
    raise ImportError(f"morphograd.keras: expected Keras 3 or newer, found {_keras.__version__}")

from . import constraints, initializers, layers, ops, regularizers

__all__ = ["constraints", "initializers", "layers", "ops", "regularizers"]
