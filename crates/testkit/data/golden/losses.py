"""Losses as Keras computes them, in single precision: values and gradients.

`losses`: `x` is a prediction (or logits) of shape [5, 4], `target` what it is compared with by
`mse`, `mae` and `huber` (delta 0.7), `probability` by `bce`, `labels` by `sce`. Some elements of
`target` are equal to those of `x`, at the kink of `mae`. `<loss>` is the value and `<loss>_dx` the
gradient for `x`.
"""

import keras
import numpy as np
import tensorflow as tf


def cases():
    rng = np.random.default_rng(20261127)
    x = rng.normal(size=(5, 4)).astype(np.float32)
    target = rng.normal(size=(5, 4)).astype(np.float32)
    target[0] = x[0]
    probability = rng.uniform(size=(5, 4)).astype(np.float32)
    probability[1:3] = np.round(probability[1:3])
    labels = rng.integers(0, 4, 5)
    losses = {
        "mse": (keras.losses.MeanSquaredError(), target),
        "mae": (keras.losses.MeanAbsoluteError(), target),
        "huber": (keras.losses.Huber(delta=0.7), target),
        "bce": (keras.losses.BinaryCrossentropy(from_logits=True), probability),
        "sce": (keras.losses.SparseCategoricalCrossentropy(from_logits=True), labels),
    }
    out = {"x": x, "target": target, "probability": probability}
    out["labels"] = labels.astype(np.float32)
    for name, (loss, truth) in losses.items():
        variable = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(variable)
            value = loss(tf.constant(truth), variable)
        out[name] = np.reshape(value.numpy(), 1)
        out[f"{name}_dx"] = tape.gradient(value, variable).numpy()
    return {"losses": out}
