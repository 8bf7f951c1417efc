"""The cases of the benchmark as other libraries do them.

A server that `cargo xtask bench --peers PYTHON` starts and talks to. One request a line on standard
input, `{"case": "step", "samples": 1}`; one answer a line on standard output,
`{"seconds": {"PyTorch, unfold": [0.0012]}, "lacks": {"morphocore": "why"}}`. The first line is a
greeting with the versions of what is there. It uses whatever of TensorFlow, PyTorch, morphocore,
OpenCV, SciPy, scikit-image, mmorph, kornia and the Python package of morphograd the interpreter
finds. Cases are
found by their names, which are those of the tables in `crates/bench/src/cases`; a case has an entry
here for every library that can do it. Those of `morphograd` are ours.

Each library gets its own layout of images: channels last in TensorFlow, channels first in PyTorch.
"""

import argparse
import gc
import gzip
import json
import math
import os
import sys
import time

import numpy as np

SAMPLE_SECONDS = 0.04
WARM_UP_SECONDS = 0.12
# Threads that look for more work after a computation would disturb whoever is measured next.
PAUSE_SECONDS = 0.02

# name: (images [batch, height, width, channels], filters, side of the kernel)
FILTERS = {
    "tutorial": ((128, 28, 28, 1), 8, 5),
    "channels": ((32, 64, 64, 16), 16, 7),
    "large": ((8, 256, 256, 3), 8, 5),
}
FLAT_SIDE = 1024
FLAT = (5, 51, 101)
# name: (sizes m, k, n, whether the first factor lies in memory as its transpose)
PRODUCTS = {
    "gemm-1024": (1024, 1024, 1024, False),
    "gemm-windows": (12800, 72, 32, False),
    "gemm-transposed": (72, 12800, 32, True),
}
# Constraints of the tutorial by the names Keras' projections get below.
CONSTRAINTS = ("none", "non-negative", "non-positive", "non-positive-increasing")
# Cases that take minutes: one run, without a warm-up.
LONG = ("tutorial",)


OURS = "morphograd"


class Lacks(Exception):
    """A library cannot do a case."""


def normal(*shape):
    return np.random.default_rng(0).normal(0, 0.1, shape).astype(np.float32)


def uniform(*shape):
    return np.random.default_rng(0).random(shape, dtype=np.float32)


class Digits:
    """The data set, in channels last."""

    def __init__(self, folder):
        def read(name, offset):
            with gzip.open(os.path.join(folder, name + ".gz")) as file:
                return np.frombuffer(file.read(), np.uint8, offset=offset)

        def images(name):
            return read(name, 16).reshape(-1, 28, 28, 1).astype(np.float32) / 255

        self.train = images("train-images-idx3-ubyte")[:1024], read("train-labels-idx1-ubyte", 8)[
            :1024
        ].astype(int)
        self.test = images("t10k-images-idx3-ubyte"), read("t10k-labels-idx1-ubyte", 8).astype(int)


def keras_model(first):
    """The tutorial's network in Keras behind a first layer, compiled."""
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            first,
            layers.MaxPooling2D(2),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        loss="categorical_crossentropy",
        optimizer=keras.optimizers.Adam(0.01),
        metrics=["accuracy"],
    )
    return model


def keras_step(digits):
    """A step of the tutorial in Keras with our layer, on whatever backend it has."""
    import keras
    from morphograd.keras.layers import Dilation2D

    model = keras_model(Dilation2D(8, (5, 5), padding="valid"))
    x, labels = digits.train
    x, y = x[:128], keras.utils.to_categorical(labels[:128], 10)
    x, y = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y)
    return lambda: model.train_on_batch(x, y)


class TensorFlow:
    def __init__(self, threads, digits):
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        import keras
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        self.tf, self.keras, self.digits = tf, keras, digits
        self.versions = {"TensorFlow": tf.__version__, "Keras": keras.__version__}

    def cases(self):
        tf = self.tf
        cases = {}
        for size, (images, filters, side) in FILTERS.items():
            for word in ("dilation", "erosion"):
                self.both(
                    cases,
                    f"{word}-{size}",
                    lambda w=word, i=images, f=filters, s=side: self.filters(w, i, f, s),
                )
        for word in ("dilation", "erosion", "opening"):
            cases[f"flat-{word}-5"] = {"TensorFlow": lambda word=word: self.flat(word, 5)}
        self.both(
            cases,
            "max-pooling",
            lambda: (lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"), uniform(128, 24, 24, 8)),
        )
        self.both(
            cases,
            "convolution",
            lambda: (
                lambda x, w, b: tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, w, 1, "VALID"), b)),
                uniform(128, 12, 12, 8),
                normal(3, 3, 8, 32),
                np.zeros(32, np.float32),
            ),
        )
        for units in (10, 256):
            self.both(
                cases,
                f"dense-{units}",
                lambda units=units: (
                    lambda x, w, b: tf.nn.bias_add(x @ w, b),
                    uniform(128, 800),
                    normal(800, units),
                    np.zeros(units, np.float32),
                ),
            )
        for name, (m, k, n, transposed) in PRODUCTS.items():
            cases[name] = {
                "TensorFlow": lambda m=m, k=k, n=n, t=transposed: self.product(m, k, n, t)
            }
        cases["step"] = {"TensorFlow": self.step}
        cases["epoch"] = {"TensorFlow": self.epoch}
        cases["prediction"] = {"TensorFlow": self.prediction}
        cases["tutorial"] = {"TensorFlow": self.tutorial}
        # The first layer alone is another one.
        theirs = {"TensorFlow, tf.nn.dilation2d": self.step}
        cases["keras-tensorflow-step"] = {OURS: lambda: keras_step(self.digits), **theirs}
        cases["keras-torch-step"] = theirs
        return cases

    def both(self, cases, name, make):
        """Values, and values with the gradients of all inputs. `make` gives a function and its
        inputs."""
        tf = self.tf

        def forward():
            function, *inputs = make()
            function, inputs = tf.function(function), [tf.constant(x) for x in inputs]
            return lambda: function(*inputs).numpy()

        def gradient():
            function, *inputs = make()
            inputs = [tf.constant(x) for x in inputs]

            @tf.function
            def gradients(*inputs):
                with tf.GradientTape() as tape:
                    tape.watch(inputs)
                    y = tf.reduce_sum(function(*inputs))
                return tape.gradient(y, inputs)

            return lambda: [gradient.numpy() for gradient in gradients(*inputs)]

        cases[name] = {"TensorFlow": forward}
        cases[f"{name}-gradient"] = {"TensorFlow": gradient}

    def filters(self, word, images, filters, side):
        return (
            lambda x, w: self.layer(word, x, w, filters),
            uniform(*images),
            normal(side, side, images[-1], filters),
        )

    def layer(self, word, x, w, filters):
        """A dilation for each filter, the channels summed, as morpholayers does it."""
        tf = self.tf
        operation = tf.nn.dilation2d if word == "dilation" else tf.nn.erosion2d
        ones = (1, 1, 1, 1)
        planes = [operation(x, w[..., i], ones, "VALID", "NHWC", ones) for i in range(filters)]
        return tf.stack([tf.reduce_sum(plane, -1) for plane in planes], -1)

    def flat(self, word, side):
        tf = self.tf
        x, w, ones = (
            tf.constant(uniform(1, FLAT_SIDE, FLAT_SIDE, 1)),
            tf.zeros((side, side, 1)),
            (1, 1, 1, 1),
        )

        def dilation(x):
            return tf.nn.dilation2d(x, w, ones, "SAME", "NHWC", ones)

        def erosion(x):
            return tf.nn.erosion2d(x, w, ones, "SAME", "NHWC", ones)

        chosen = {
            "dilation": dilation,
            "erosion": erosion,
            "opening": lambda x: dilation(erosion(x)),
        }[word]
        function = tf.function(chosen)
        return lambda: function(x).numpy()

    def product(self, m, k, n, transposed):
        tf = self.tf
        a, b = tf.constant(uniform(*((k, m) if transposed else (m, k)))), tf.constant(uniform(k, n))
        function = tf.function(lambda a, b: tf.matmul(a, b, transpose_a=transposed))
        return lambda: function(a, b).numpy()

    def network(self, constraint="none"):
        keras, outer = self.keras, self

        class Dilation(keras.layers.Layer):
            def build(self, shape):
                self.kernel = self.add_weight(
                    shape=(5, 5, shape[-1], 8),
                    initializer="zeros",
                    constraint=outer.constraint(constraint),
                    name="kernel",
                )

            def call(self, x):
                return outer.layer("dilation", x, self.kernel, 8)

            def compute_output_shape(self, shape):
                return (shape[0], shape[1] - 4, shape[2] - 4, 8)

        return keras_model(Dilation())

    def constraint(self, name):
        keras = self.keras
        if name == "none":
            return None
        if name == "non-negative":
            return keras.constraints.NonNeg()

        class Box(keras.constraints.Constraint):
            def __call__(self, w):
                w = keras.ops.clip(w, -1, 0)
                if name == "non-positive":
                    return w
                mask = np.ones(w.shape, np.float32)
                mask[w.shape[0] // 2, w.shape[1] // 2] = 0
                return w * mask

        return Box()

    def targets(self, labels):
        return self.keras.utils.to_categorical(labels, 10)

    def step(self):
        tf, model = self.tf, self.network()
        x, labels = self.digits.train
        x, y = tf.constant(x[:128]), tf.constant(self.targets(labels[:128]))
        return lambda: model.train_on_batch(x, y)

    def fit(self, model, epochs, callbacks):
        (x, labels), (x_test, labels_test) = self.digits.train, self.digits.test
        validation = (x_test, self.targets(labels_test))
        model.fit(
            x,
            self.targets(labels),
            batch_size=128,
            epochs=epochs,
            validation_data=validation,
            verbose=0,
            callbacks=callbacks,
        )

    def epoch(self):
        model = self.network()
        return lambda: self.fit(model, 1, [])

    def prediction(self):
        model, x = self.network(), self.digits.test[0]
        return lambda: model.predict(x, batch_size=128, verbose=0).argmax(1)

    def tutorial(self):
        def run():
            for constraint in CONSTRAINTS:
                self.keras.utils.set_random_seed(0)
                callbacks = self.keras.callbacks
                stop = callbacks.EarlyStopping(
                    monitor="loss", patience=10, restore_best_weights=True
                )
                self.fit(
                    self.network(constraint),
                    100,
                    [stop, callbacks.ReduceLROnPlateau(patience=3, factor=0.5)],
                )

        return run


class Torch:
    def __init__(self, threads, digits):
        os.environ.setdefault("KERAS_BACKEND", "torch")
        import torch

        torch.set_num_threads(threads)
        self.torch, self.digits = torch, digits
        self.versions = {"PyTorch": torch.__version__}
        try:
            import morphocore
            import morphocore.functional as functional
            from importlib.metadata import version

            self.morphocore = functional
            self.versions["morphocore"] = version("morphocore")
        except ImportError:
            self.morphocore = None
        try:
            import morphograd.torch as ours

            self.ours = ours
        except ImportError:
            self.ours = None

    def cases(self):
        F = self.torch.nn.functional
        cases = {}
        for size, (images, filters, side) in FILTERS.items():
            for word in ("dilation", "erosion"):
                for peer, layer in self.layers(word).items():
                    self.both(
                        cases,
                        peer,
                        f"{word}-{size}",
                        lambda l=layer, i=images, f=filters, s=side: self.filters(l, i, f, s),
                    )
        for side in FLAT:
            for word in ("dilation", "erosion", "opening"):
                if word != "opening" or side == 5:
                    cases[f"flat-{word}-{side}"] = {
                        "PyTorch, max-pooling": lambda w=word, s=side: self.flat(w, s)
                    }
        peer = "PyTorch"
        self.both(
            cases,
            peer,
            "max-pooling",
            lambda: (lambda x: F.max_pool2d(x, 2), uniform(128, 8, 24, 24)),
        )
        self.both(
            cases,
            peer,
            "convolution",
            lambda: (
                lambda x, w, b: F.relu(F.conv2d(x, w, b)),
                uniform(128, 8, 12, 12),
                normal(32, 8, 3, 3),
                np.zeros(32, np.float32),
            ),
        )
        for units in (10, 256):
            self.both(
                cases,
                peer,
                f"dense-{units}",
                lambda units=units: (
                    F.linear,
                    uniform(128, 800),
                    normal(units, 800),
                    np.zeros(units, np.float32),
                ),
            )
        for name, (m, k, n, transposed) in PRODUCTS.items():
            cases[name] = {peer: lambda m=m, k=k, n=n, t=transposed: self.product(m, k, n, t)}
        for name, project in self.projections().items():
            cases[name] = {peer: lambda project=project: self.projection(project)}
        if self.ours:
            for name, size in (("torch-dilation", "tutorial"), ("torch-channels", "channels")):
                images, filters, side = FILTERS[size]
                for peer, layer in {OURS: self.ours.dilation2d, **self.layers("dilation")}.items():
                    self.both(
                        cases,
                        peer,
                        name,
                        lambda l=layer, i=images, f=filters, s=side: self.filters(l, i, f, s),
                    )
            cases["torch-constrain"] = {OURS: self.constrained, "PyTorch, clamp_": self.clamped}
            cases["keras-torch-step"] = {OURS: self.keras_step}
        first = {"PyTorch, convolution": lambda x, w: F.conv2d(x, w), **self.layers("dilation")}
        cases["step"] = {
            peer: lambda layer=layer: self.step(layer) for peer, layer in first.items()
        }
        cases["prediction"] = {
            peer: lambda layer=layer: self.prediction(layer) for peer, layer in first.items()
        }
        return cases

    def layers(self, word):
        """The ways there are to dilate or erode by filters, with the values of ours."""
        F = self.torch.nn.functional
        dilates = word == "dilation"

        def unfold(x, w):
            (batch, channels, height, width), (filters, _, side, _) = x.shape, w.shape
            rows, columns = height - side + 1, width - side + 1
            if batch * rows * columns * filters * channels * side * side > 1e9:
                raise Lacks("would take gigabytes: every candidate is a number in memory")
            windows = F.unfold(x, side).view(batch, 1, channels, side * side, -1)
            w = w if dilates else -w.flip(2, 3)
            candidates = windows + w.reshape(1, filters, channels, side * side, 1)
            # `max` gives the gradient to one candidate; `amax` would share it.
            best = (candidates.max(3) if dilates else candidates.min(3))[0]
            return best.sum(2).view(batch, filters, rows, columns)

        def morphocore(x, w):
            # It mirrors the kernel the other way round, and knows same padding only: the border is
            # computed and cut off.
            operation = self.morphocore.dilation if dilates else self.morphocore.erosion
            border = w.shape[-1] // 2
            return operation(x, w.flip(2, 3), "sum")[:, :, border:-border, border:-border]

        layers = {"PyTorch, unfold": unfold}
        if self.morphocore:
            layers["morphocore"] = morphocore
        return layers

    def both(self, cases, peer, name, make):
        torch = self.torch

        def forward():
            function, *inputs = make()
            inputs = [torch.from_numpy(x) for x in inputs]

            def run():
                with torch.inference_mode():
                    function(*inputs)

            return run

        def gradient():
            function, *inputs = make()
            inputs = [torch.from_numpy(x).requires_grad_() for x in inputs]

            def run():
                for x in inputs:
                    x.grad = None
                function(*inputs).sum().backward()

            return run

        cases.setdefault(name, {})[peer] = forward
        cases.setdefault(f"{name}-gradient", {})[peer] = gradient

    def filters(self, layer, images, filters, side):
        batch, height, width, channels = images
        return layer, uniform(batch, channels, height, width), normal(filters, channels, side, side)

    def flat(self, word, side):
        torch = self.torch
        x = torch.from_numpy(uniform(1, 1, FLAT_SIDE, FLAT_SIDE))

        def dilation(x):
            return torch.nn.functional.max_pool2d(x, side, 1, side // 2)

        def erosion(x):
            return -dilation(-x)

        chosen = {
            "dilation": dilation,
            "erosion": erosion,
            "opening": lambda x: dilation(erosion(x)),
        }[word]

        def run():
            with torch.inference_mode():
                chosen(x)

        return run

    def product(self, m, k, n, transposed):
        torch = self.torch
        a, b = torch.from_numpy(uniform(*((k, m) if transposed else (m, k)))), torch.from_numpy(
            uniform(k, n)
        )
        a = a.T if transposed else a
        c = torch.empty(m, n)
        return lambda: torch.mm(a, b, out=c)

    def projections(self):
        return {
            "projection-box": lambda w: w.clamp_(-1, 0),
            "projection-unit-norm": lambda w: w.div_(w.norm(dim=0, keepdim=True) + 1e-7),
            "projection-rounding": lambda w: w.mul_(100).round_().div_(100),
        }

    def projection(self, project):
        start = self.torch.from_numpy(10 * normal(1000, 1000))
        value = start.clone()
        return lambda: project(value.copy_(start))

    def weights(self):
        """Weights of both signs, with gradients that move them a little."""
        torch = self.torch
        weights = torch.from_numpy(normal(1024, 1024)).requires_grad_()
        weights.grad = torch.from_numpy(normal(1024, 1024))
        return weights, torch.optim.SGD([weights], 1e-3)

    def constrained(self):
        import morphograd as mg

        weights, optimizer = self.weights()
        self.ours.constrain(optimizer, {weights: mg.sets.NonNegative()})
        return optimizer.step

    def clamped(self):
        weights, optimizer = self.weights()

        def run():
            optimizer.step()
            with self.torch.no_grad():
                weights.clamp_(min=0)

        return run

    def keras_step(self):
        import keras

        if keras.backend.backend() != "torch":
            raise Lacks("has Keras with another backend: PyTorch needs an environment of its own")
        return keras_step(self.digits)

    def network(self, layer):
        torch, F = self.torch, self.torch.nn.functional

        class Network(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.kernel = torch.nn.Parameter(torch.zeros(8, 1, 5, 5))
                self.convolution = torch.nn.Conv2d(8, 32, 3)
                self.dense = torch.nn.Linear(800, 10)

            def forward(self, x):
                x = F.max_pool2d(layer(x, self.kernel), 2)
                x = F.max_pool2d(F.relu(self.convolution(x)), 2)
                return self.dense(F.dropout(x.flatten(1), 0.5, self.training))

        return Network()

    def step(self, layer):
        torch, network = self.torch, self.network(layer)
        optimizer = torch.optim.Adam(network.parameters(), 0.01)
        x, labels = self.digits.train
        x, y = torch.from_numpy(x[:128].reshape(-1, 1, 28, 28)), torch.from_numpy(labels[:128])

        def run():
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(x), y).backward()
            optimizer.step()

        return run

    def prediction(self, layer):
        torch, network = self.torch, self.network(layer).eval()
        x = torch.from_numpy(self.digits.test[0].reshape(-1, 1, 28, 28))

        def run():
            with torch.inference_mode():
                for batch in x.split(128):
                    network(batch).argmax(1)

        return run


class OpenCv:
    def __init__(self, threads, digits):
        import cv2

        cv2.setNumThreads(threads)
        self.cv2, self.versions = cv2, {"OpenCV": cv2.__version__}

    def cases(self):
        cases = {}
        for side in FLAT:
            cases[f"flat-dilation-{side}"] = {
                "OpenCV": lambda side=side: self.flat(self.cv2.MORPH_DILATE, side)
            }
            cases[f"flat-erosion-{side}"] = {
                "OpenCV": lambda side=side: self.flat(self.cv2.MORPH_ERODE, side)
            }
        cases["flat-opening-5"] = {"OpenCV": lambda: self.flat(self.cv2.MORPH_OPEN, 5)}
        return cases

    def flat(self, operation, side):
        x, kernel, y = (
            uniform(FLAT_SIDE, FLAT_SIDE),
            np.ones((side, side), np.uint8),
            np.empty((FLAT_SIDE, FLAT_SIDE), np.float32),
        )
        return lambda: self.cv2.morphologyEx(x, operation, kernel, y)


class SciPy:
    def __init__(self, threads, digits):
        import scipy
        from scipy import ndimage

        self.ndimage, self.versions = ndimage, {"SciPy": scipy.__version__}

    def cases(self):
        image = self.ndimage
        cases = {}
        for side in FLAT:
            cases[f"flat-dilation-{side}"] = {
                "SciPy": lambda side=side: self.flat(image.grey_dilation, side)
            }
            cases[f"flat-erosion-{side}"] = {
                "SciPy": lambda side=side: self.flat(image.grey_erosion, side)
            }
        cases["flat-opening-5"] = {"SciPy": lambda: self.flat(image.grey_opening, 5)}
        return cases

    def flat(self, operation, side):
        x, y = uniform(FLAT_SIDE, FLAT_SIDE), np.empty((FLAT_SIDE, FLAT_SIDE), np.float32)
        return lambda: operation(x, size=(side, side), output=y)


def photograph():
    """Smooth grey values with edges and a little noise, 8 bits."""
    noise, image = np.random.default_rng(0), np.zeros((FLAT_SIDE, FLAT_SIDE))
    for octave in range(1, 8):
        cells = 2**octave
        at = np.linspace(0, cells, FLAT_SIDE)
        heights = noise.random((cells + 1, cells + 1))
        rows = np.array([np.interp(at, range(cells + 1), row) for row in heights])
        image += np.array([np.interp(at, range(cells + 1), row) for row in rows.T]) / octave
    image += 0.5 * (image > np.median(image)) + 0.02 * noise.standard_normal(image.shape)
    low, high = image.min(), image.max()
    return (255 * (image - low) / (high - low)).astype(np.uint8)


class Images:
    """The operators of the Python package on NumPy arrays, beside scikit-image, OpenCV, mmorph and
    kornia."""

    def __init__(self, threads, digits):
        import morphograd

        self.ours, self.versions = morphograd, {OURS: morphograd.__version__}
        self.threads, self.skimage, self.cv2, self.mmorph, self.kornia = threads, *[None] * 4
        try:
            import skimage.morphology

            self.skimage = skimage.morphology
            self.versions["scikit-image"] = skimage.__version__
        except ImportError:
            pass
        try:
            import cv2

            self.cv2 = cv2
        except ImportError:
            pass
        try:
            import mmorph

            self.mmorph, self.versions["mmorph"] = mmorph, mmorph.__version__
        except ImportError:
            pass
        try:
            import kornia
            import torch

            torch.set_num_threads(threads)
            self.kornia, self.torch = kornia, torch
            self.versions["kornia"] = kornia.__version__
        except ImportError:
            pass

    def cases(self):
        mg = self.ours
        u8 = photograph()
        f32, small, black = (u8 / 255).astype(np.float32), u8[:8, :8].copy(), u8 > 128
        below = np.maximum(u8, 40) - 40
        cases = {}
        for name, word, image, footprint in (
            ("call", "dilation", small, mg.square(3)),
            ("dilation-3", "dilation", u8, mg.square(3)),
            ("dilation-5", "dilation", u8, mg.square(5)),
            ("dilation-15", "dilation", u8, mg.square(15)),
            ("dilation-51", "dilation", u8, mg.square(51)),
            ("dilation-disk", "dilation", u8, mg.disk(5)),
            ("dilation-disk-10", "dilation", u8, mg.disk(10)),
            ("dilation-disk-20", "dilation", u8, mg.disk(20)),
            ("dilation-disk-50", "dilation", u8, mg.disk(50)),
            ("dilation-float", "dilation", f32, mg.square(5)),
            ("dilation-disk-float", "dilation", f32, mg.disk(5)),
            ("opening-15", "opening", u8, mg.square(15)),
            ("opening-disk", "opening", u8, mg.disk(5)),
            ("tophat-15", "white_tophat", u8, mg.square(15)),
            ("gradient-15", "gradient", u8, mg.square(15)),
        ):
            self.filters(cases, f"python-{name}", word, image, footprint)
        self.both(cases, "reconstruction", "reconstruction", below, u8)
        low = np.minimum((below / 255).astype(np.float32), f32)
        self.both(cases, "reconstruction-float", "reconstruction", low, f32)
        self.both(cases, "h-maxima", "h_maxima", u8, 40)
        self.both(cases, "local-maxima", "local_maxima", u8)
        self.both(cases, "area-opening", "area_opening", u8, 64)
        wide = u8.astype(np.uint16) * 257
        cases["python-area-opening-16"] = {OURS: lambda: lambda: mg.area_opening(wide, 64)}
        if self.mmorph:
            mm = self.mmorph
            # The neighbours that ours and scikit-image take by default.
            for name, run in (
                ("reconstruction", lambda: mm.reconstruction_by_dilation(below, u8, 8)),
                ("area-opening", lambda: mm.area_opening(u8, 64, 4)),
                ("area-opening-16", lambda: mm.area_opening(wide, 64, 4)),
            ):
                cases[f"python-{name}"]["mmorph"] = lambda run=run: run
        if self.kornia:
            for name in ("reconstruction", "area-opening", "area-opening-16"):
                cases[f"python-{name}"]["kornia"] = self.without
        cases["python-distance"] = {OURS: lambda: lambda: mg.distance_transform(black)}
        if self.cv2:
            binary = black.astype(np.uint8)
            exact = self.cv2.DIST_L2, self.cv2.DIST_MASK_PRECISE
            cases["python-distance"]["OpenCV"] = lambda: (
                lambda: self.cv2.distanceTransform(binary, *exact)
            )
        try:
            from scipy.ndimage import distance_transform_edt

            cases["python-distance"]["SciPy"] = lambda: lambda: distance_transform_edt(black)
        except ImportError:
            pass
        return cases

    def without(self):
        raise Lacks("has no such operator")

    def both(self, cases, name, word, *arguments):
        cases[f"python-{name}"] = {
            peer: lambda f=getattr(library, word): lambda: f(*arguments)
            for peer, library in ((OURS, self.ours), ("scikit-image", self.skimage))
            if library
        }

    def filters(self, cases, name, word, image, footprint):
        cases[name] = {OURS: lambda: lambda: getattr(self.ours, word)(image, footprint)}
        if self.skimage and word != "gradient":
            # A rectangle is given as scikit-image is fastest with it, in two lines.
            lines = footprint
            if footprint.all():
                side = len(footprint)
                lines = [(np.ones((side, 1)), 1), (np.ones((1, side)), 1)]
            operator = getattr(self.skimage, word)

            def skimage():
                self.by_offsets(lines if lines is footprint else np.ones(1))
                return lambda: operator(image, lines)

            cases[name]["scikit-image"] = skimage
        if self.cv2:
            kernel = footprint.astype(np.uint8)
            words = {"dilation": "DILATE", "opening": "OPEN", "white_tophat": "TOPHAT"}
            operation = getattr(self.cv2, "MORPH_" + words.get(word, word.upper()))

            def opencv():
                self.cv2.setNumThreads(self.threads)
                return lambda: self.cv2.morphologyEx(image, operation, kernel)

            cases[name]["OpenCV"] = opencv
        if word != "dilation" or name == "python-call":
            return
        if self.mmorph:
            element = self.mmorph.se.from_array(footprint.astype(bool))

            def mmorph():
                if image.dtype != np.uint8:
                    raise Lacks("has no images of floats")
                self.by_offsets(footprint)
                return lambda: self.mmorph.dilation(image, element)

            cases[name]["mmorph"] = mmorph
        if self.kornia:
            cases[name]["kornia"] = lambda: self.with_kornia(image, footprint)

    def by_offsets(self, footprint):
        """For libraries that visit each offset of a pixel."""
        if footprint.size > 1e4:
            raise Lacks("takes seconds, and is left out")

    def with_kornia(self, image, footprint):
        # It takes tensors of floats.
        if 4 * image.size * footprint.size > 1e9:
            raise Lacks("would take gigabytes: every candidate is a number in memory")
        torch = self.torch
        x = torch.from_numpy(image.astype(np.float32))[None, None]
        kernel = torch.from_numpy(footprint.astype(np.float32))

        def run():
            with torch.inference_mode():
                self.kornia.morphology.dilation(x, kernel)

        return run


class Sampler:
    """Runs until a sample lasts long enough, as ours does."""

    def __init__(self, run, long):
        self.run, self.repetitions = run, 1
        if long:
            return
        start, best, runs = time.perf_counter(), math.inf, 0
        while runs < 2 or time.perf_counter() - start < WARM_UP_SECONDS:
            one = time.perf_counter()
            run()
            best = min(best, time.perf_counter() - one)
            runs += 1
        self.repetitions = max(1, math.ceil(SAMPLE_SECONDS / best))

    def sample(self):
        start = time.perf_counter()
        for _ in range(self.repetitions):
            self.run()
        return (time.perf_counter() - start) / self.repetitions


class Server:
    def __init__(self, threads, digits):
        self.cases, self.versions, self.case, self.samplers, self.lacks = {}, {}, None, {}, {}
        for library in (TensorFlow, Torch, OpenCv, SciPy, Images):
            try:
                found = library(threads, digits)
            except ImportError:
                continue
            self.versions.update(found.versions)
            for case, peers in found.cases().items():
                self.cases.setdefault(case, {}).update(peers)

    def answer(self, request):
        case = request["case"]
        if case != self.case:
            self.case, self.samplers, self.lacks = case, {}, {}
            gc.collect()
            for peer, make in self.cases.get(case, {}).items():
                try:
                    self.samplers[peer] = Sampler(make(), case in LONG)
                except Exception as error:
                    self.lacks[peer] = str(error) if isinstance(error, Lacks) else repr(error)[:300]
        seconds = {}
        for peer, sampler in self.samplers.items():
            seconds[peer] = [sampler.sample() for _ in range(request["samples"])]
            time.sleep(PAUSE_SECONDS)
        return {"seconds": seconds, "lacks": self.lacks}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument(
        "--digits", required=True, help="folder with the four files of the digits, gzipped"
    )
    arguments = parser.parse_args()
    # What libraries print goes to standard error, so that standard output has answers only.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def send(answer):
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    try:
        server = Server(arguments.threads, Digits(arguments.digits))
        send({"versions": server.versions})
        for line in sys.stdin:
            send(server.answer(json.loads(line)))
    except Exception as error:
        send({"error": repr(error)})
        raise


if __name__ == "__main__":
    main()
