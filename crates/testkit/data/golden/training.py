"""Steps of training as Keras does them, in single precision.

- `optimizer_*`: 20 steps from `w0` along the rows of `grads`; `trajectory` has what follows each.
- `tutorial_*`: five steps of Adam with the network of the tutorial, without dropout, on 64 images
  at once, under each constraint on the dilation. `x_uint8` are the images, which the network gets
  divided by 255, and `y` their classes. Parameters `w0` to `w4` are the dilation's kernel, kernel
  and bias of the convolution, weights and bias of the dense layer; `w*_step0` is the start, which
  lies in the set, `g*_step0` the first gradients, `w*_step5` the end, `losses` the five losses.

`asrun` are the constraints which morpholayers applied under the names without it at every public
commit that had both: the box from -1 to 1, with and without a centre of 0.
"""

import hashlib
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from operators import box, dilation, filters, normal
from safetensors.numpy import load_file

SEED_OF_KERAS = 20261
IMAGES = Path(__file__).with_name("tutorial_none.safetensors")
SHA256_OF_IMAGES = "c54edf3c811ba80c2aa3e2f3feb8df916ea4c3ddac61b1a6a0b20bfef4db7b23"


def optimizers():
    known = keras.optimizers
    return {
        "adam": known.Adam(0.01),
        "adam_amsgrad": known.Adam(0.01, amsgrad=True),
        "sgd": known.SGD(0.1),
        "sgd_momentum": known.SGD(0.1, momentum=0.9),
        "sgd_nesterov": known.SGD(0.1, momentum=0.9, nesterov=True),
        "rmsprop": known.RMSprop(0.01),
        "adagrad": known.Adagrad(0.1),
        "adamw": known.AdamW(0.01, weight_decay=0.02),
    }


CONSTRAINTS = {
    "none": None,
    "nonneg": keras.constraints.NonNeg(),
    "nonpos": box(-1, 0),
    "nonposinc": box(-1, 0, centre=0),
    "nonpos_asrun": box(-1, 1),
    "nonposinc_asrun": box(-1, 1, centre=0),
}


class Dilation(keras.layers.Layer):
    def __init__(self, constraint):
        super().__init__()
        self.constraint = constraint

    def build(self, shape):
        self.kernel = self.add_weight(
            shape=(5, 5, shape[-1], 8), initializer="zeros", constraint=self.constraint
        )

    def call(self, x):
        return filters(dilation, x, tf.convert_to_tensor(self.kernel), "VALID")

    def compute_output_shape(self, shape):
        return (shape[0], shape[1] - 4, shape[2] - 4, 8)


def cases(rng):
    out = {}
    for name, optimizer in optimizers().items():
        w0, grads = normal(rng, 7, 0.5), normal(rng, (20, 7))
        variable, trajectory = keras.Variable(w0), []
        for grad in grads:
            optimizer.apply([tf.constant(grad)], [variable])
            trajectory.append(variable.numpy().copy())
        out[f"optimizer_{name}"] = {"w0": w0, "grads": grads, "trajectory": np.stack(trajectory)}
    for name, constraint in CONSTRAINTS.items():
        kernel = normal(rng, (5, 5, 1, 8), 0.2)
        out[f"tutorial_{name}"] = tutorial(kernel, constraint)
    return out


def tutorial(kernel, constraint):
    keras.utils.set_random_seed(SEED_OF_KERAS)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            Dilation(constraint),
            layers.MaxPooling2D(2),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )
    weights = model.trainable_variables
    weights[0].assign(kernel if constraint is None else constraint(tf.constant(kernel)))
    images, classes = digits()
    x, target = tf.constant(images.astype(np.float32) / 255), tf.one_hot(classes, 10)
    optimizer = keras.optimizers.Adam(0.01)
    out = {"x_uint8": images, "y": classes}
    out |= {f"w{k}_step0": w.numpy().copy() for k, w in enumerate(weights)}
    losses = []
    for step in range(5):
        with tf.GradientTape() as tape:
            entropies = tf.nn.softmax_cross_entropy_with_logits(target, model(x, training=True))
            loss = tf.reduce_mean(entropies)
        gradients = tape.gradient(loss, [w.value for w in weights])
        if step == 0:
            out |= {f"g{k}_step0": g.numpy() for k, g in enumerate(gradients)}
        losses.append(loss.numpy())
        optimizer.apply(gradients, weights)
    out |= {f"w{k}_step5": w.numpy() for k, w in enumerate(weights)}
    return out | {"losses": np.array(losses)}


def digits():
    """The first 64 training images of MNIST and their classes. MNIST is not in the repository, so
    they are taken from a file that has them."""
    tensors = load_file(IMAGES)
    images, classes = tensors["x_uint8"], tensors["y"]
    found = hashlib.sha256(images.tobytes() + classes.tobytes()).hexdigest()
    if found != SHA256_OF_IMAGES:
        raise SystemExit(f"{IMAGES}: expected images of SHA-256 {SHA256_OF_IMAGES}, found {found}")
    return images, classes
