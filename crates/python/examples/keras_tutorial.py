"""The tutorial's network in Keras: a learned dilation under four constraints.

    python keras_tutorial.py                          # TensorFlow, or what KERAS_BACKEND says
    python keras_tutorial.py --data mnist --epochs 100
    python keras_tutorial.py --layer tensorflow       # the same with tf.nn.dilation2d

A dilation by 8 kernels of 5 x 5, max-pooling, a convolution, max-pooling, dropout and a dense layer
are trained on the first 1,024 images of a folder of IDX files (MNIST, or the digits that the
repository has), once for each constraint on the kernels. The learning rate is halved when the
validation loss no longer falls, and training ends when the training loss does not.
"""

import argparse
import gzip
import pathlib
import time

import keras
import numpy as np
from keras.layers import Conv2D, Dense, Dropout, Flatten, Input, MaxPooling2D
from morphograd.keras.constraints import NonPositive, NonPositiveIncreasing
from morphograd.keras.layers import Dilation2D

DIGITS = pathlib.Path(__file__).resolve().parents[3] / "datasets/digits"


def read_idx(folder, name):
    """The array in an IDX file, packed or not."""
    packed = folder / f"{name}.gz"
    content = gzip.decompress(packed.read_bytes()) if packed.exists() else None
    content = (folder / name).read_bytes() if content is None else content
    rank = content[3]
    shape = np.frombuffer(content, ">i4", rank, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def images(folder, name, count=None):
    """Images in [0, 1] with a channel axis, and one-hot labels."""
    x = read_idx(folder, f"{name}-images-idx3-ubyte")[:count, :, :, None].astype("float32") / 255
    y = read_idx(folder, f"{name}-labels-idx1-ubyte")[:count]
    return x, keras.utils.to_categorical(y, 10)


def plain_tensorflow_dilation(constraint):
    """The same layer with TensorFlow's own dilation, filter by filter as morpholayers has it."""
    import tensorflow as tf

    class TensorFlowDilation2D(keras.layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(
                shape=(5, 5, shape[-1], 8), initializer="zeros", constraint=constraint
            )
            self.supports_jit = False  # XLA has no gradient of a dilation

        def call(self, x):
            filters = [
                tf.reduce_sum(
                    tf.nn.dilation2d(
                        x, self.kernel[..., f], (1, 1, 1, 1), "VALID", "NHWC", (1, 1, 1, 1)
                    ),
                    -1,
                )
                for f in range(8)
            ]
            return tf.stack(filters, -1)

    return TensorFlowDilation2D()


def build(first):
    """The network of the tutorial behind a first layer."""
    image = Input((28, 28, 1))
    x = MaxPooling2D((2, 2))(first(image))
    x = Conv2D(32, (3, 3), activation="relu")(x)
    x = MaxPooling2D((2, 2))(x)
    x = Dropout(0.5)(Flatten()(x))
    return keras.Model(image, Dense(10, activation="softmax")(x))


class StepTime(keras.callbacks.Callback):
    """The median time of a training step, without the first epoch, in seconds."""

    def on_epoch_begin(self, epoch, logs=None):
        self.times = [] if epoch <= 1 else self.times

    def on_train_batch_begin(self, batch, logs=None):
        self.start = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.times.append(time.perf_counter() - self.start)


CONSTRAINTS = {
    "none": None,
    "non-negative": keras.constraints.NonNeg(),
    "non-positive": NonPositive(),
    "non-positive-increasing": NonPositiveIncreasing(),
}


def train(constraint, layer, train_set, test_set, epochs):
    """Trains a network, and gives its history, its accuracy and the time of a step."""
    if layer == "tensorflow":
        first = plain_tensorflow_dilation(constraint)
    else:
        first = Dilation2D(8, padding="valid", kernel_size=(5, 5), kernel_constraint=constraint)
    model = build(first)
    model.compile(
        loss="categorical_crossentropy",
        optimizer=keras.optimizers.Adam(learning_rate=0.01),
        metrics=["accuracy"],
    )
    clock = StepTime()
    history = model.fit(
        *train_set,
        batch_size=128,
        epochs=epochs,
        validation_data=test_set,
        callbacks=[
            keras.callbacks.EarlyStopping("loss", patience=10, restore_best_weights=True),
            keras.callbacks.ReduceLROnPlateau(patience=3, factor=0.5),
            clock,
        ],
        verbose=0,
    )
    accuracy = model.evaluate(*test_set, batch_size=128, verbose=0)[1]
    kernel = keras.ops.convert_to_numpy(first.kernel)
    return history.history, accuracy, kernel, float(np.median(clock.times))


def main(arguments=None):
    parser = argparse.ArgumentParser(description="The tutorial's network under four constraints")
    parser.add_argument("--data", type=pathlib.Path, default=DIGITS, help="folder of IDX files")
    parser.add_argument("--samples", type=int, default=1024)
    parser.add_argument("--test-samples", type=int, default=None)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--layer", choices=["morphograd", "tensorflow"], default="morphograd")
    parser.add_argument("--constraint", choices=CONSTRAINTS, action="append")
    options = parser.parse_args(arguments)
    train_set = images(options.data, "train", options.samples)
    test_set = images(options.data, "t10k", options.test_samples)
    print(f"backend {keras.backend.backend()}, layer {options.layer}, {options.data.name}")
    print(f"{'constraint':24} epochs  best  restored  kernel             ms/step")
    results = {}
    for name in options.constraint or CONSTRAINTS:
        keras.utils.set_random_seed(options.seed)
        history, accuracy, kernel, step = train(
            CONSTRAINTS[name], options.layer, train_set, test_set, options.epochs
        )
        best = max(history["val_accuracy"])
        results[name] = {"accuracy": accuracy, "kernel": kernel, "history": history}
        print(
            f"{name:24} {len(history['loss']):6} {best:.4f}  {accuracy:.4f}   "
            f"{kernel.min():7.3f} ..{kernel.max():7.3f}  {1000 * step:7.2f}",
            flush=True,
        )
    return results


if __name__ == "__main__":
    main()
