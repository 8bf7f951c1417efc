"""Batch normalization and pooling of whole images, as Keras does them for small random images.

`batch_norm`: two training steps of a BatchNormalization with Keras' defaults and given gamma and
beta, that are not changed, on x0 and x1 with the gradient dy of the output; then y, the output in
evaluation for x0. Rank-5 input too, in the tensors named `volume_*`.

`global_pooling`: a tied image x and the gradients of both layers. Keras' maximum shares its
gradient among all tied positions.
"""

import keras
import numpy as np
import tensorflow as tf


def gradients(layer, x, dy, variables, **options):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, **options)
    gradients = tape.gradient(y, [x, *variables], output_gradients=tf.constant(dy))
    return y.numpy(), [g.numpy() for g in gradients]


def batch_norm(rng, shape, prefix):
    spread, centre = [1.0, 3.0, 0.2], [0.0, 5.0, -2.0]
    images = [(rng.normal(size=shape) * spread + centre).astype(np.float32) for _ in range(2)]
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
    known = keras.layers
    layers = {"max": known.GlobalMaxPooling2D(), "mean": known.GlobalAveragePooling2D()}
    for name, layer in layers.items():
        y, (dx,) = gradients(layer, x, dy, [])
        out |= {name: y, f"{name}_dx": dx}
    return out


def cases():
    rng = np.random.default_rng(20240301)
    image = batch_norm(rng, (3, 4, 5, 3), "")
    volume = batch_norm(rng, (2, 3, 4, 2, 3), "volume_")
    return {"batch_norm": image | volume, "global_pooling": global_pooling(rng)}
