"""What the tests of `morphograd.keras` share: gradients on any backend, and reference values."""

import pathlib

import keras
import morphograd as mg
import numpy as np
import pytest

BACKEND = keras.backend.backend()
if BACKEND == "jax":
    import jax

    jax.config.update("jax_enable_x64", True)  # derivatives by differences need it
GOLDEN = pathlib.Path(__file__).parents[2] / "testkit/data/golden"


def golden(name):
    path = GOLDEN / f"{name}.safetensors"
    if not path.exists():
        pytest.skip(f"{name}: the reference values are in the repository only")
    return mg.weights.load(path)


def differentiate(function, inputs, dy=None, compiled=False):
    """Value, and gradients of `sum(dy * value)`, as NumPy arrays; `compiled`: in a graph."""
    inputs = [np.asarray(x) for x in inputs]
    if BACKEND == "tensorflow":
        import tensorflow as tf

        def both(*tensors):
            with tf.GradientTape() as tape:
                tape.watch(tensors)
                y = function(*tensors)
            g = tf.ones_like(y) if dy is None else tf.constant(dy)
            return y, tape.gradient(y, tensors, output_gradients=g)

        y, gradients = (tf.function(both) if compiled else both)(*map(tf.constant, inputs))
        return y.numpy(), [g.numpy() for g in gradients]
    if BACKEND == "jax":
        import jax
        import jax.numpy as jnp

        def both(*tensors):
            y, back = jax.vjp(function, *tensors)
            return y, back(jnp.ones_like(y) if dy is None else jnp.asarray(dy))

        y, gradients = (jax.jit(both) if compiled else both)(*map(jnp.asarray, inputs))
        return np.asarray(y), [np.asarray(g) for g in gradients]
    import torch

    tensors = [torch.tensor(x, requires_grad=True) for x in inputs]
    y = function(*tensors)
    y.backward(torch.ones_like(y) if dy is None else torch.tensor(dy))
    return y.detach().numpy(), [t.grad.numpy() for t in tensors]


def numpy(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))
