"""Operators as TensorFlow computes them, in single precision: values and gradients.

`x`, `kernel` and `bias` are inputs, `y` is the value, `dy` a random gradient of the value, and
`d<input>` the gradient that TensorFlow returns for it. Images are [batch, height, width, channels];
kernels are [height, width, channels] where every channel has its own, and [height, width, in, out]
in layers.

- `dilation2d_*`, `erosion2d_*`: strides, rates, borders and channels of `WINDOWS`. Those called
  `_ties` are full of tied maxima.
- `layer_dilation2d_*`, `layer_erosion2d_*`: layers of filters, that sum over channels.
- `opening2d` to `tophat_closing2d`: compositions. The centre of the kernel is 0, the rest below.
- `conv2d_*`, `maxpool2d_*`, `avgpool2d_*`: windows of 3 and pools of 2, strides 1 and 2.
- `softmax_cross_entropy`: the mean over the batch of the loss, and the softmax.
- `constraints`: one kernel, and what each constraint of Keras and of morpholayers makes of it.
"""

import keras
import numpy as np
import tensorflow as tf

# image, kernel, strides, rates
WINDOWS = [
    ((2, 7, 9, 1), (3, 3, 1), (1, 1), (1, 1)),
    ((1, 8, 8, 3), (3, 5, 3), (2, 2), (1, 1)),
    ((2, 11, 10, 2), (2, 3, 2), (1, 2), (2, 2)),
    ((1, 6, 7, 4), (4, 4, 4), (3, 1), (1, 2)),
    ((3, 28, 28, 1), (5, 5, 1), (1, 1), (1, 1)),
]
# image, kernel, border
LAYERS = [((2, 12, 12, 3), (5, 5, 3, 4), "VALID"), ((1, 9, 9, 2), (3, 3, 2, 6), "SAME")]
COMPOSITIONS = {
    "opening2d": lambda x, w: dilation(erosion(x, w), w),
    "closing2d": lambda x, w: erosion(dilation(x, w), w),
    "gradient2d": lambda x, w: dilation(x, w) - erosion(x, w),
    "internal_gradient2d": lambda x, w: x - erosion(x, w),
    "external_gradient2d": lambda x, w: dilation(x, w) - x,
    "tophat_opening2d": lambda x, w: x - dilation(erosion(x, w), w),
    "tophat_closing2d": lambda x, w: erosion(dilation(x, w), w) - x,
}


def dilation(x, w, padding="SAME", strides=(1, 1), rates=(1, 1)):
    return tf.nn.dilation2d(x, w, (1, *strides, 1), padding, "NHWC", (1, *rates, 1))


def erosion(x, w, padding="SAME", strides=(1, 1), rates=(1, 1)):
    return tf.nn.erosion2d(x, w, (1, *strides, 1), padding, "NHWC", (1, *rates, 1))


OPERATORS = {"dilation2d": dilation, "erosion2d": erosion}


def filters(operator, x, w, padding):
    """A layer: one channel for each filter, the sum over the channels of the image."""
    filtered = [operator(x, w[..., k], padding) for k in range(w.shape[-1])]
    return tf.stack([tf.reduce_sum(y, -1) for y in filtered], -1)


def normal(rng, shape, scale=1.0):
    return (scale * rng.normal(size=shape)).astype(np.float32)


def box(low, high, centre=1):
    """The constraint of morpholayers to an interval, for kernels of 5 x 5; the middle of the kernel
    is multiplied by `centre`."""
    factor = np.ones((5, 5, 1, 1), np.float32)
    factor[2, 2] = centre
    return lambda w: keras.ops.clip(w, low, high) * factor


def differentiated(rng, function, **inputs):
    """The case of a function of these inputs."""
    values = [tf.constant(value) for value in inputs.values()]
    with tf.GradientTape() as tape:
        tape.watch(values)
        y = function(*values)
    dy = normal(rng, y.shape)
    gradients = tape.gradient(y, values, output_gradients=tf.constant(dy))
    names = [f"d{name}" for name in inputs]
    return {**inputs, "y": y, "dy": dy, **dict(zip(names, gradients))}


def cases(rng):
    return depthwise(rng) | layers(rng) | compositions(rng) | windows(rng) | others(rng)


def depthwise(rng):
    out = {}
    for number, (image, size, strides, rates) in enumerate(WINDOWS):
        for padding in ("VALID", "SAME"):
            for ties in ("", "_ties"):
                if ties:
                    x = (rng.integers(0, 3, image) / 2).astype(np.float32)
                    flat = number % 2 == 0
                    kernel = np.zeros(size) if flat else (rng.integers(0, 3, size) - 1) / 2
                    kernel = kernel.astype(np.float32)
                else:
                    x, kernel = normal(rng, image), normal(rng, size, 0.5)
                for name, operator in OPERATORS.items():
                    out[f"{name}_{number}_{padding.lower()}{ties}"] = differentiated(
                        rng,
                        lambda x, w: operator(x, w, padding, strides, rates),
                        x=x,
                        kernel=kernel,
                    )
    return out


def layers(rng):
    out = {}
    for name, operator in OPERATORS.items():
        for number, (image, size, padding) in enumerate(LAYERS):
            out[f"layer_{name}_{number}"] = differentiated(
                rng,
                lambda x, w: filters(operator, x, w, padding),
                x=normal(rng, image),
                kernel=normal(rng, size, 0.5),
            )
    return out


def compositions(rng):
    out = {}
    for name, function in COMPOSITIONS.items():
        x, kernel = normal(rng, (2, 10, 11, 2)), -np.abs(normal(rng, (3, 3, 2), 0.5))
        kernel[1, 1] = 0
        out[name] = differentiated(rng, function, x=x, kernel=kernel)
    return out


def windows(rng):
    image = (2, 9, 10, 3)
    out = {}
    for padding in ("VALID", "SAME"):
        for stride in (1, 2):
            name = f"{padding.lower()}_s{stride}"
            out[f"conv2d_{name}"] = differentiated(
                rng,
                lambda x, w, b: tf.nn.conv2d(x, w, stride, padding) + b,
                x=normal(rng, image),
                kernel=normal(rng, (3, 3, 3, 5), 0.3),
                bias=normal(rng, 5),
            )
            out[f"maxpool2d_{name}"] = differentiated(
                rng,
                lambda x: tf.nn.max_pool2d(x, 2, stride, padding),
                x=rng.integers(0, 4, image).astype(np.float32),
            )
            out[f"avgpool2d_{name}"] = differentiated(
                rng, lambda x: tf.nn.avg_pool2d(x, 2, stride, padding), x=normal(rng, image)
            )
    return out


def others(rng):
    logits = normal(rng, (6, 10), 3.0)
    target = np.eye(10, dtype=np.float32)[rng.integers(0, 10, 6)]
    x = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(target, x))
    entropy = {
        "logits": logits,
        "target": target,
        "loss": tf.reshape(loss, 1),
        "dlogits": tape.gradient(loss, x),
        "softmax": tf.nn.softmax(x),
    }

    w = normal(rng, (5, 5, 3, 4))
    known = keras.constraints
    constraints = {
        "non_neg": known.NonNeg(),
        "non_positive": box(-1, 0),
        "non_positive_extensive": box(-1, 0, centre=0),
        "as_run_non_positive": box(-1, 1),
        "as_run_non_positive_increasing": box(-1, 1, centre=0),
        "zero_to_one": box(0, 1),
        "lattice": box(-1, 1),
        "unit_norm_axis0": known.UnitNorm(axis=0),
        "unit_norm_axis012": known.UnitNorm(axis=[0, 1, 2]),
        "max_norm2_axis0": known.MaxNorm(2, axis=0),
        "max_norm2_axis012": known.MaxNorm(2, axis=[0, 1, 2]),
        "min_max_norm_axis0": known.MinMaxNorm(0, 1.5, rate=0.7, axis=0),
    }
    constrained = {"w": w}
    constrained |= {name: f(tf.constant(w)) for name, f in constraints.items()}
    return {"softmax_cross_entropy": entropy, "constraints": constrained}
