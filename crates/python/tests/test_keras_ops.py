"""Differentiable operations on tensors of Keras' backend. With `cargo xtask python --frameworks`.

The backend is what KERAS_BACKEND says; `test_keras_backends` runs these tests on each.
"""

import morphograd as mg
import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="Keras is not installed")

from keras_support import BACKEND, differentiate, golden, numpy
from morphograd.keras import ops

rng = np.random.default_rng(0)
RULES = [
    {"padding": "valid"},
    {"padding": "same"},
    {"padding": "same", "mode": "reflect", "ties": "last"},
    {"padding": "same", "mode": "constant", "cval": 0.5, "strides": (2, 2)},
    {"padding": "same", "strides": (1, 2), "ties": "split"},
    {"padding": "same-mirrored", "rates": (2, 1)},
]
# image, kernel, strides, rates: as in crates/testkit/data/golden/operators.py
WINDOWS = [
    ((1, 1), (1, 1)),
    ((2, 2), (1, 1)),
    ((1, 2), (2, 2)),
    ((3, 1), (1, 2)),
    ((1, 1), (1, 1)),
]
COMPOSED = {
    "opening2d": ops.opening2d,
    "closing2d": ops.closing2d,
    "gradient2d": ops.gradient2d,
    "internal_gradient2d": ops.internal_gradient2d,
    "external_gradient2d": ops.external_gradient2d,
    "tophat_opening2d": ops.white_tophat2d,
    "tophat_closing2d": ops.black_tophat2d,
}


def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("name", ["dilation", "erosion"])
@pytest.mark.parametrize("kernel", [(3, 2, 3), (2, 3, 3, 4)])
@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("compiled", [False, True])
def test_filters_have_the_bits_of_numpy(name, kernel, rules, compiled):
    x, w = normal(2, 7, 6, 3), normal(*kernel)
    expected, saved = getattr(mg.ops, name)(x, w, **rules)
    dy = normal(*expected.shape)
    op = getattr(ops, f"{name}2d")
    y, gradients = differentiate(lambda x, w: op(x, w, **rules), [x, w], dy, compiled)
    np.testing.assert_array_equal(y, expected)
    # Each gradient by itself, where the graph decides which are computed: the sums of a kernel's
    # gradient have another order then.
    needed = [[True, True]] * 2 if BACKEND == "torch" else [[True, False], [False, True]]
    for k, found in enumerate(gradients):
        np.testing.assert_array_equal(found, saved.backward(dy, needed[k])[k])


@pytest.mark.parametrize("name", ["dilation2d", "erosion2d"])
def test_without_saving_the_gradient_is_the_same(name):
    x, w = normal(2, 7, 6, 3), normal(3, 3, 3)
    op = getattr(ops, name)
    kept = differentiate(lambda x, w: op(x, w), [x, w])
    anew = differentiate(lambda x, w: op(x, w, save=False), [x, w])
    np.testing.assert_array_equal(kept[0], anew[0])
    for a, b in zip(kept[1], anew[1], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["dilation2d", "erosion2d"])
@pytest.mark.parametrize("case", range(5))
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("ties", ["", "_ties"])
def test_filters_are_those_of_tensorflow(name, case, padding, ties):
    """`tf.nn.dilation2d` and `erosion2d`: values, and both gradients, where maxima are tied too."""
    data = golden(f"{name}_{case}_{padding}{ties}")
    strides, rates = WINDOWS[case]
    # TensorFlow does not mirror the window of an erosion; here it is not mirrored with strides.
    if name == "erosion2d" and padding == "same" and strides == (1, 1):
        padding = "same-mirrored"
    op = getattr(ops, name)
    y, (dx, dw) = differentiate(
        lambda x, w: op(x, w, strides, padding, rates), [data["x"], data["kernel"]], data["dy"]
    )
    np.testing.assert_array_equal(y, data["y"])
    np.testing.assert_allclose(dx, data["dx"], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(dw, data["dkernel"], rtol=1e-5, atol=1e-5)


def test_tensorflow_itself_says_the_same():
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    x, w = normal(2, 12, 11, 3), normal(3, 3, 3)
    for theirs, ours in [(tf.nn.dilation2d, ops.dilation2d), (tf.nn.erosion2d, ops.erosion2d)]:
        tx, tw = tf.constant(x), tf.constant(w)
        with tf.GradientTape() as tape:
            tape.watch([tx, tw])
            expected = theirs(tx, tw, (1, 2, 2, 1), "SAME", "NHWC", (1, 1, 1, 1))
        wanted = tape.gradient(expected, [tx, tw])
        y, gradients = differentiate(lambda x, w: ours(x, w, 2, "SAME"), [x, w])  # noqa: B023
        np.testing.assert_array_equal(y, expected.numpy())
        for found, gradient in zip(gradients, wanted, strict=True):
            np.testing.assert_allclose(found, gradient.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", COMPOSED)
def test_compositions_are_those_of_tensorflow(name):
    data = golden(name)
    y, (dx, dw) = differentiate(COMPOSED[name], [data["x"], data["kernel"]], data["dy"])
    np.testing.assert_allclose(y, data["y"], atol=1e-6)
    np.testing.assert_allclose(dx, data["dx"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(dw, data["dkernel"], rtol=1e-5, atol=1e-5)


SMALL = {
    "average2d": (ops.average2d, (2, 3, 2)),
    "anti_dilation2d": (ops.anti_dilation2d, (2, 3, 2)),
    "anti_erosion2d": (ops.anti_erosion2d, (2, 3, 2)),
    "probing2d": (ops.probing2d, (3, 3, 2, 2)),
    "convolution2d": (ops.convolution2d, (3, 3, 2)),
    "smooth_dilation2d": (lambda x, w: ops.smooth_dilation2d(x, w, 2.0), (3, 3, 2, 4)),
    "smooth_erosion2d": (lambda x, w: ops.smooth_erosion2d(x, w, 2.0), (3, 3, 2)),
    "lasry_lions_upper2d": (lambda x, w: ops.lasry_lions_upper2d(x, w / 2, w), (3, 3, 2)),
    "lasry_lions_lower2d": (lambda x, w: ops.lasry_lions_lower2d(x, w / 2, w), (3, 3, 2)),
    "reconstruction": (ops.reconstruction_by_dilation, (1, 6, 5, 2)),
    "reconstruction_by_erosion": (ops.reconstruction_by_erosion, (1, 6, 5, 2)),
    "leveling": (ops.leveling, (1, 6, 5, 2)),
    "geodesic_dilation": (lambda m, g: ops.geodesic_dilation(m, g, 2), (1, 6, 5, 2)),
    "geodesic_erosion": (lambda m, g: ops.geodesic_erosion(m, g, 2), (1, 6, 5, 2)),
    "h_maxima": (lambda x, h: ops.h_maxima(x, h**2), (1,)),
    "h_minima": (lambda x, h: ops.h_minima(x, h**2), (1,)),
    "h_convex": (lambda x, h: ops.h_convex(x, h**2), (1,)),
    "h_concave": (lambda x, h: ops.h_concave(x, h**2), (1,)),
}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("compiled", [False, True])
def test_gradients_by_differences(name, compiled):
    """The derivative along a random direction, by central differences."""
    op, second = SMALL[name]
    x, w = normal(1, 6, 5, 2).astype(np.float64), normal(*second).astype(np.float64)
    y, _ = differentiate(op, [x, w])
    dy = rng.standard_normal(y.shape)
    _, gradients = differentiate(op, [x, w], dy, compiled)
    for k, g in enumerate(gradients):
        direction = rng.standard_normal(g.shape)

        def value(t, k=k, direction=direction):
            moved = [x, w]
            moved[k] = moved[k] + t * direction
            return (differentiate(op, moved)[0] * dy).sum()

        slope = (value(1e-6) - value(-1e-6)) / 2e-6
        np.testing.assert_allclose((g * direction).sum(), slope, rtol=1e-5, atol=1e-5)


def test_toggles_pass_the_gradient_to_what_they_chose():
    x, w = normal(1, 6, 5, 2), normal(2, 3, 2)
    (high, above), (low, below) = (
        f(x, w, padding="same") for f in (mg.ops.dilation, mg.ops.erosion)
    )
    up = high - x <= x - low
    dy = normal(*x.shape)
    y, gradients = differentiate(lambda x, w: ops.toggle2d(x, w, steps=1), [x, w], dy)
    np.testing.assert_array_equal(y, np.where(up, high, low))
    assert up.any() and not up.all()
    zero = np.float32(0)
    pairs = zip(
        above.backward(np.where(up, dy, zero)), below.backward(np.where(up, zero, dy)), strict=True
    )
    for found, (a, b) in zip(gradients, pairs, strict=True):
        np.testing.assert_allclose(found, a + b, rtol=1e-5, atol=1e-5)


def test_max_plus_products():
    x, w = normal(4, 5), normal(5, 3)
    y, _ = differentiate(ops.max_plus, [x, w])
    np.testing.assert_array_equal(y, (x[:, :, None] + w).max(1))
    y, (dx, dw) = differentiate(ops.min_plus, [x, w])
    np.testing.assert_array_equal(y, (x[:, :, None] + w).min(1))
    assert dx.sum() == dw.sum() == 12


def test_area_openings():
    x = np.zeros((1, 8, 8, 1), np.float32)
    x[0, 1, 1], x[0, 4:7, 4:7] = 1, 2
    y, (dx,) = differentiate(lambda x: ops.area_opening(x, 4), [x])
    assert y[0, 1, 1, 0] == 0 and (y[0, 4:7, 4:7] == 2).all()
    assert dx.sum() == 64


def test_shapes_are_known_where_images_are_not():
    image = keras.Input((None, 20, 3))
    kernel = keras.ops.zeros((3, 5, 3, 8))
    assert ops.dilation2d(image, kernel, padding="valid").shape == (None, None, 16, 8)
    assert ops.erosion2d(image, kernel, strides=3).shape == (None, None, 7, 8)
    assert ops.reconstruction_by_dilation(image, image).shape == (None, None, 20, 3)


def test_operations_are_saved_with_a_functional_model(tmp_path):
    image = keras.Input((9, 8, 2))
    top = image - ops.opening2d(image, np.zeros((3, 3, 2), np.float32))
    model = keras.Model(image, ops.dilation2d(top, np.ones((2, 2, 2, 3), np.float32), ties="last"))
    x = normal(2, 9, 8, 2)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    expected = mg.ops.dilation(
        x - numpy(ops.opening2d(x, np.zeros((3, 3, 2), np.float32))),
        np.ones((2, 2, 2, 3), np.float32),
        padding="same",
    )[0]
    np.testing.assert_array_equal(numpy(loaded(x)), expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_types_are_kept(dtype):
    x = keras.ops.cast(normal(1, 5, 5, 2), dtype)
    y = ops.dilation2d(x, keras.ops.zeros((3, 3, 2)))
    assert keras.backend.standardize_dtype(y.dtype) == dtype
    largest = [numpy(keras.ops.cast(keras.ops.max(t), "float64")) for t in (x, y)]
    assert largest[0] == largest[1]


def test_infinities():
    x, w = normal(1, 6, 6, 1), np.full((3, 3, 1), -np.inf, np.float32)
    w[1, 1] = 0
    y, (dx, dw) = differentiate(ops.dilation2d, [x, w])
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(dx, np.ones_like(x))
    assert dw[1, 1] == 36 and dw.sum() == 36


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ops.dilation2d(normal(5, 5, 2), normal(3, 3, 2)), "expected images"),
        (lambda: ops.dilation2d(normal(1, 5, 5, 3), normal(3, 3, 2)), "expected images"),
        (lambda: ops.opening2d(normal(1, 5, 5, 2), normal(3, 3, 2, 4)), "opening2d: expected"),
        (lambda: ops.probing2d(normal(1, 5, 5, 2), normal(3, 3, 2)), "probing2d: expected"),
        (lambda: ops.white_tophat2d(normal(1, 5, 5, 2), normal(3, 3, 2), 2), "strides 1"),
        (lambda: ops.toggle2d(normal(1, 5, 5, 2), normal(3, 3, 2), 1, "valid"), "padding same"),
        (lambda: ops.dilation2d(normal(1, 2, 2, 1), normal(3, 3, 1), 1, "valid"), "at least 3"),
        (lambda: ops.dilation2d(normal(1, 5, 5, 1), normal(3, 3, 1), 0), "strides: expected"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.skipif(BACKEND != "tensorflow", reason="about TensorFlow")
def test_gradients_nobody_asks_for_are_not_computed(monkeypatch):
    import tensorflow as tf
    from morphograd.keras import _backend

    asked = []
    real = _backend._one_gradient
    monkeypatch.setattr(_backend, "_one_gradient", lambda *a: asked.append(a[-1]) or real(*a))

    @tf.function
    def step(x, w):
        with tf.GradientTape() as tape:
            tape.watch(w)
            y = ops.dilation2d(x, w)
        return tape.gradient(y, w)

    step(tf.constant(normal(1, 6, 6, 1)), tf.constant(normal(3, 3, 1)))
    assert asked == [1]
