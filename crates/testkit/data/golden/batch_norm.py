"""Writes batch_norm.safetensors and global_pooling.safetensors: what Keras computes for small random images.

Requirements: python 3.11, tensorflow-cpu==2.21.0 keras==3.15.1 safetensors==0.8.0
Run: python batch_norm.py (the seed is fixed)

batch_norm: two training steps of a BatchNormalization with Keras' defaults and given gamma and beta, that are not changed, on x0 and x1 with
the gradient dy of the output; then y, the output in evaluation for x0. Rank-5 input too, in the tensors named `volume_*`.

global_pooling: a tied image x and the gradients of both layers. Keras' maximum shares its gradient among all tied positions.
"""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from safetensors.numpy import save_file

FOLDER = Path(__file__).parent


def gradients(layer, x, dy, variables, **options):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, **options)
    return y.numpy(), [g.numpy() for g in tape.gradient(y, [x, *variables], output_gradients=tf.constant(dy))]


def batch_norm(rng, shape, prefix):
    images = [(rng.normal(size=shape) * [1.0, 3.0, 0.2] + [0.0, 5.0, -2.0]).astype(np.float32) for _ in range(2)]
    dy = rng.normal(size=shape).astype(np.float32)
    gamma, beta = (rng.normal(size=3).astype(np.float32) for _ in range(2))
    layer = keras.layers.BatchNormalization()
    layer.build(shape)
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    out = {"gamma": gamma, "beta": beta, "dy": dy}
    for step, x in enumerate(images):
        variables = [layer.gamma.value, layer.beta.value]
        y, (dx, dgamma, dbeta) = gradients(layer, x, dy, variables, training=True)
        moving = np.stack([layer.moving_mean.numpy(), layer.moving_variance.numpy()])
        values = {"x": x, "y": y, "dx": dx, "dgamma": dgamma, "dbeta": dbeta, "moving": moving}
        out |= {f"{name}{step}": value for name, value in values.items()}
    out["y"] = layer(images[0], training=False).numpy()
    return {prefix + name: np.ascontiguousarray(value, np.float32) for name, value in out.items()}


def global_pooling(rng):
    x = rng.integers(0, 4, (2, 3, 4, 3)).astype(np.float32)
    dy = rng.normal(size=(2, 3)).astype(np.float32)
    out = {"x": x, "dy": dy}
    for name, layer in [("max", keras.layers.GlobalMaxPooling2D()), ("mean", keras.layers.GlobalAveragePooling2D())]:
        y, (dx,) = gradients(layer, x, dy, [])
        out |= {name: y, f"{name}_dx": dx}
    return out


rng = np.random.default_rng(20240301)
image, volume = (batch_norm(rng, shape, prefix) for shape, prefix in [((3, 4, 5, 3), ""), ((2, 3, 4, 2, 3), "volume_")])
save_file(image | volume, FOLDER / "batch_norm.safetensors")
save_file(global_pooling(rng), FOLDER / "global_pooling.safetensors")
