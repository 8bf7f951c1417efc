"""The layers of morpholayers for Keras. With `cargo xtask python --frameworks`."""

import morphograd as mg
import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="Keras is not installed")

from keras_support import BACKEND, differentiate, golden, numpy
from morphograd.keras import constraints, initializers, layers, ops

rng = np.random.default_rng(0)
RANDOM = keras.initializers.RandomNormal(stddev=0.5, seed=3)
# A layer, the channels of its output for 2 channels, and the shapes of its weights.
LAYERS = {
    "Dilation2D": (layers.Dilation2D(3, (3, 2), use_bias=True), 3, [(3, 2, 2, 3), (3,)]),
    "Erosion2D": (layers.Erosion2D(3, 3, activation="tanh"), 3, [(3, 3, 2, 3)]),
    "DilationSE2D": (layers.DilationSE2D(3), 3, [(3, 3, 2, 3)]),
    "IntegratorofOperator2D": (
        layers.IntegratorofOperator2D(3, (3, 3), integrator="max", operator=ops.opening2d),
        3,
        [(3, 3, 2, 3), (3,)],
    ),
    "MaxofErosions2D": (layers.MaxofErosions2D(3, 3), 1, [(3, 3, 2, 3)]),
    "MinofDilations2D": (layers.MinofDilations2D(3, 3), 1, [(3, 3, 2, 3)]),
    "MaxofErosions2D_old": (layers.MaxofErosions2D_old(3, 3), 3, [(3, 3, 2, 3)]),
    "MinofDilations2D_old": (layers.MinofDilations2D_old(3, 3), 3, [(3, 3, 2, 3)]),
    "Opening2D": (layers.Opening2D(3, 3), 6, [(3, 3, 2, 3)]),
    "Closing2D": (layers.Closing2D(3, (2, 3), dilation_rate=2), 6, [(2, 3, 2, 3)]),
    "TopHatOpening2D": (layers.TopHatOpening2D(3, 3), 6, [(3, 3, 2, 3)]),
    "TopHatClosing2D": (layers.TopHatClosing2D(3, 3), 6, [(3, 3, 2, 3)]),
    "Gradient2D": (layers.Gradient2D(3, 3, strides=(2, 1)), 6, [(3, 3, 2, 3)]),
    "InternalGradient2D": (layers.InternalGradient2D(3, 3), 6, [(3, 3, 2, 3)]),
    "ExternalGradient2D": (layers.ExternalGradient2D(3, 3), 6, [(3, 3, 2, 3)]),
    "Antidilation2D": (layers.Antidilation2D(3, 3), 6, [(3, 3, 2, 3)]),
    "Antierosion2D": (layers.Antierosion2D(3, 3), 6, [(3, 3, 2, 3)]),
    "MorphoAverage2D": (layers.MorphoAverage2D(3, 3), 6, [(3, 3, 2, 3)]),
    "Probing2D": (layers.Probing2D(3, 3), 6, [(3, 3, 2, 3, 2)]),
    "ToggleMapping2D": (layers.ToggleMapping2D(3, 3, steps=2), 6, [(3, 3, 2, 3)]),
    "QuadraticDilation2D": (layers.QuadraticDilation2D(3, 3), 6, [(2, 3)]),
    "QuadraticAverage2D": (layers.QuadraticAverage2D(3, 3), 6, [(2, 3)]),
    "LasryLionsDE": (layers.LasryLionsDE(3, 5), 6, [(2, 3), (2, 3)]),
    "LasryLionsED": (layers.LasryLionsED(3, 5), 6, [(2, 3), (2, 3)]),
    "DepthwiseDilation2D": (layers.DepthwiseDilation2D(3, 3), 6, [(3, 3, 2, 3)]),
    "DepthwiseErosion2D": (layers.DepthwiseErosion2D(3, 3, shared=True), 6, [(3, 3, 3)]),
    "DepthwiseOperator2D": (
        layers.DepthwiseOperator2D(3, 3, operator="gradient2d"),
        6,
        [(3, 3, 2, 3), (6,)],
    ),
    "DepthwiseDilationLines2D": (layers.DepthwiseDilationLines2D(3), 8, [(3, 3, 4), (8,)]),
    "SeparableDilation2D": (layers.SeparableDilation2D(3, 3, 2), 6, [(3, 3, 2, 3), (2, 2)]),
    "SeparableErosion2D": (
        layers.SeparableErosion2D(3, 3, 2, shared=True),
        6,
        [(3, 3, 3), (2, 2)],
    ),
    "SeparableDilation3D": (layers.SeparableDilation3D((3, 3, 2)), 2, [(3, 3, 1), (2, 1, 1)]),
    "BSDilation2D": (layers.BSDilation2D(3, 3), 3, [(3, 3, 3), (2, 3)]),
    "BSErosion2D": (layers.BSErosion2D(3, 3, shared=True), 3, [(3, 3, 1), (2, 3)]),
    "BiasLayer": (layers.BiasLayer(), 2, [(9, 8, 2)]),
    "MinPooling2D": (layers.MinPooling2D((2, 2), None), 2, []),
    "GradPooling2D": (layers.GradPooling2D((2, 2), (1, 1), padding="same"), 2, []),
    "MixedPooling2D": (layers.MixedPooling2D(2), 2, [(1,)]),
    "MixedMaxMinPooling2D": (layers.MixedMaxMinPooling2D(2), 2, [(1,)]),
}
FUNCTIONS = {"BSOperator2D", "MorphoEMP2D", "MorphoEMP2DShare", "SeparableOperator2D"}


def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def fresh(layer):
    """The layer again, with random weights."""
    config = layer.get_config()
    for seed, name in enumerate(config):
        if name.endswith(("_initializer", "_initializer_bis")):
            config[name] = keras.initializers.RandomUniform(0.1, 0.9, seed=seed)
    return type(layer).from_config(config)


def test_no_layer_is_left_out():
    classes = {name for name in layers.__all__ if name[0].isupper()}
    assert classes == set(LAYERS) | FUNCTIONS


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, tmp_path):
    """Shapes, weights, gradients, and a model that is saved and loaded."""
    layer, channels, shapes = LAYERS[name]
    layer = fresh(layer)
    x = normal(2, 9, 8, 2)
    model = keras.Sequential([keras.Input((9, 8, 2)), layer])
    y = model.predict(x, verbose=0)
    assert y.shape == (2, *model.output_shape[1:]) and y.shape[-1] == channels
    assert [tuple(w.shape) for w in layer.weights] == shapes
    assert np.isfinite(y).all()
    # The same in training, with a loss that every weight takes part in.
    model.compile("sgd", "mse")
    model.fit(x, y + 1, epochs=1, verbose=0)
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert loaded.layers[0].get_config() == layer.get_config()
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("name", [n for n in LAYERS if LAYERS[n][2]])
def test_every_weight_is_trained(name):
    layer = fresh(LAYERS[name][0])
    x = normal(8, 9, 8, 2)
    model = keras.Sequential([keras.Input((9, 8, 2)), layer])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    before = [numpy(w) for w in layer.trainable_weights]
    assert len(before) == len(LAYERS[name][2])
    model.fit(x, model.predict(x, verbose=0) + 1, epochs=2, verbose=0)
    for w, old in zip(layer.trainable_weights, before, strict=True):
        assert (numpy(w) != old).any(), w.path


@pytest.mark.parametrize("name", ["dilation2d", "erosion2d"])
@pytest.mark.parametrize("case", [0, 1])
def test_filters_sum_the_channels_as_in_tensorflow(name, case):
    data = golden(f"layer_{name}_{case}")
    kind = layers.Dilation2D if name == "dilation2d" else layers.Erosion2D
    *size, _, filters = data["kernel"].shape
    layer = kind(filters, tuple(size), padding=["valid", "same"][case])
    layer.build(data["x"].shape)
    assert layer.weights[0].name == "kernel"
    layer.kernel.assign(data["kernel"])
    np.testing.assert_allclose(numpy(layer(data["x"])), data["y"], rtol=1e-6, atol=1e-6)
    op = getattr(ops, name)
    _, (dx, dw) = differentiate(
        lambda x, w: op(x, w, padding=layer.padding), [data["x"], data["kernel"]], data["dy"]
    )
    np.testing.assert_allclose(dx, data["dx"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(dw, data["dkernel"], rtol=1e-5, atol=1e-5)


def kernels(layer, *names):
    return [numpy(getattr(layer, name)) for name in names]


def run(layer, x):
    model = keras.Sequential([keras.Input(x.shape[1:]), layer])
    return model.predict(x, verbose=0)


def dilation(x, w):
    return mg.ops.dilation(x, np.ascontiguousarray(w), padding="same")[0]


def erosion(x, w):
    return mg.ops.erosion(x, np.ascontiguousarray(w), padding="same")[0]


def test_marginal_channels_come_filter_by_filter():
    layer, x = layers.Opening2D(3, 3, kernel_initializer=RANDOM), normal(2, 9, 8, 2)
    y = run(layer, x)
    (w,) = kernels(layer, "kernel")
    for f in range(3):
        expected = dilation(erosion(x, w[..., f]), w[..., f])
        np.testing.assert_array_equal(y[..., 2 * f : 2 * f + 2], expected)


def test_probing_has_two_kernels():
    layer, x = layers.Probing2D(3, 3, kernel_initializer=RANDOM), normal(2, 9, 8, 2)
    y = run(layer, x)
    (w,) = kernels(layer, "kernel")
    for f in range(3):
        expected = dilation(x, w[..., f, 0]) - erosion(x, w[..., f, 1])
        np.testing.assert_array_equal(y[..., 2 * f : 2 * f + 2], expected)


def test_depthwise_operators():
    x = normal(2, 9, 8, 2)
    layer = layers.DepthwiseOperator2D(3, 3, kernel_initializer=RANDOM, bias_initializer=RANDOM)
    y = run(layer, x)
    w, b = kernels(layer, "kernel2D", "bias")
    for m in range(3):
        expected = dilation(x, w[..., m]) + b[2 * m : 2 * m + 2]
        np.testing.assert_array_equal(y[..., 2 * m : 2 * m + 2], expected)
    layer = layers.DepthwiseErosion2D(3, 3, shared=True, kernel_initializer=RANDOM)
    y = run(layer, x)
    (w,) = kernels(layer, "kernel2D")
    for m in range(3):
        expected = erosion(x, np.repeat(w[:, :, None, m], 2, 2))
        np.testing.assert_array_equal(y[..., 2 * m : 2 * m + 2], expected)


def test_integrators_and_extremes():
    x = normal(2, 9, 8, 2)
    layer = layers.IntegratorofOperator2D(
        3, 3, integrator=keras.ops.max, operator=layers.closing2d, kernel_initializer=RANDOM
    )
    y = run(layer, x)
    (w,) = kernels(layer, "kernel")
    expected = [erosion(dilation(x, w[..., f]), w[..., f]).max(-1) for f in range(3)]
    np.testing.assert_array_equal(y, np.stack(expected, -1))
    layer = layers.MaxofErosions2D(3, 3, kernel_initializer=RANDOM)
    y = run(layer, x)
    (w,) = kernels(layer, "kernel")
    each = np.stack([erosion(x, w[..., f]) for f in range(3)], -1)
    np.testing.assert_array_equal(y[..., 0], each.max((-2, -1)))
    layer = layers.MinofDilations2D_old(3, 3, kernel_initializer=RANDOM)
    y = run(layer, x)
    (w,) = kernels(layer, "kernel")
    each = np.stack([dilation(x, w[..., f]) for f in range(3)], -1)
    np.testing.assert_array_equal(y, each.min(-2))


def test_separable_layers():
    x = normal(2, 9, 8, 2)
    for kind, op, sign, across in [
        (layers.SeparableDilation2D, dilation, 1, np.max),
        (layers.SeparableErosion2D, erosion, -1, np.min),
    ]:
        layer = kind(3, 3, depth_multiplier=2, kernel_initializer=RANDOM)
        y = run(layer, x)
        w, v = kernels(layer, "kernel2D", "kernelDepth")
        for f in range(3):
            filtered = op(x, w[..., f])[..., None] + sign * v
            np.testing.assert_array_equal(y[..., 2 * f : 2 * f + 2], across(filtered, axis=-2))
    for kind, op, sign, across in [
        (layers.BSDilation2D, dilation, 1, np.max),
        (layers.BSErosion2D, erosion, -1, np.min),
    ]:
        layer = kind(3, 3, kernel_initializer=RANDOM)
        y = run(layer, x)
        w, v = kernels(layer, "kernel2D", "kernelDepth")
        np.testing.assert_array_equal(y, op(across(x[..., None] + sign * v, axis=-2), w))


def test_a_dilation_along_the_channels():
    layer, x = layers.SeparableDilation3D((3, 3, 3), kernel_initializer=RANDOM), normal(1, 5, 6, 4)
    y = run(layer, x)
    w, v = kernels(layer, "kernel2D", "kernelDepth")
    spatial = dilation(x, np.repeat(w, 4, 2))
    padded = np.pad(spatial, [(0, 0)] * 3 + [(1, 1)], constant_values=-np.inf)
    expected = np.max([padded[..., k : k + 4] + v[k, 0, 0] for k in range(3)], 0)
    np.testing.assert_array_equal(y, expected)


def test_parabolas():
    x = normal(1, 9, 8, 2)
    rows, columns = np.mgrid[-2:3, -2:3]
    squares = (rows**2 + columns**2)[:, :, None].astype(np.float32)
    layer = layers.QuadraticDilation2D(2, 5, scale=3)
    y = run(layer, x)
    (b,) = kernels(layer, "bias")
    assert (b >= 0.1).all() and (b <= 1).all()
    for f in range(2):
        expected = dilation(x, (-squares / 36 * b[:, f]).astype(np.float32))
        np.testing.assert_allclose(y[..., 2 * f : 2 * f + 2], expected, atol=1e-6)
    layer = layers.LasryLionsDE(2, 5)
    y = run(layer, x)
    b, c = kernels(layer, "bias", "bias_bis")
    assert (c >= 0.5).all() and (c <= 0.9).all()
    for f in range(2):
        flat, steep = (-squares / 400 * k for k in (b[:, f] * c[:, f], b[:, f]))
        expected = erosion(dilation(x, flat.astype(np.float32)), steep.astype(np.float32))
        np.testing.assert_allclose(y[..., 2 * f : 2 * f + 2], expected, atol=1e-6)


def test_lines():
    lines = layers.get_lines(5)
    assert lines.shape == (5, 5, 8) and lines.sum() == 40
    np.testing.assert_array_equal(lines, lines[::-1, ::-1])
    np.testing.assert_array_equal(lines[..., 2][2], np.ones(5))  # the row in the middle
    np.testing.assert_array_equal(lines[..., 6].sum(0), [0, 0, 5, 0, 0])  # and the column
    np.testing.assert_array_equal(np.diag(lines[..., 0]), np.ones(5))
    with pytest.raises(ValueError, match="odd size"):
        layers.get_lines(4)
    layer, x = layers.DepthwiseDilationLines2D(3, kernel_initializer=RANDOM), normal(1, 6, 7, 2)
    y = run(layer, x)
    (w,) = kernels(layer, "kernel")
    for line in range(4):
        masked = np.where(layers.get_lines(3)[..., line] > 0, w[..., line], -np.inf)
        expected = dilation(x, np.repeat(masked[:, :, None], 2, 2).astype(np.float32))
        np.testing.assert_array_equal(y[..., line::4], expected)


def test_supports_and_their_gradients():
    element = mg.diamond(1)
    layer = layers.DilationSE2D(4, element, kernel_initializer=RANDOM)
    x = normal(2, 9, 8, 1)
    y = run(layer, x)
    (w,) = kernels(layer, "kernel")
    on = np.where(element[:, :, None, None] != 0, w, -np.inf).astype(np.float32)
    np.testing.assert_array_equal(y, dilation(x, on))


def test_constraints_hold_from_the_start_and_after_every_step(tmp_path):
    for constraint in [
        constraints.NonPositiveIncreasing(),
        constraints.Simplex(axis=(0, 1)),
        constraints.Disk(),
        keras.constraints.NonNeg(),
    ]:
        layer = layers.Dilation2D(
            4, (3, 3), kernel_constraint=constraint, kernel_initializer=RANDOM
        )
        model = keras.Sequential([keras.Input((9, 8, 2)), layer])
        x = normal(16, 9, 8, 2)

        def check(layer=layer, constraint=constraint):
            w = numpy(layer.kernel)
            np.testing.assert_array_equal(numpy(constraint(w)), w)

        check()
        model.compile("adam", "mse")
        model.fit(x, normal(16, 9, 8, 4), batch_size=4, epochs=2, verbose=0)
        check()
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        # What is loaded is trained under the same constraint.
        loaded.fit(x, normal(16, 9, 8, 4), verbose=0)
        check(loaded.layers[0], loaded.layers[0].kernel_constraint)


def test_poolings():
    x = normal(2, 8, 8, 2)
    blocks = x.reshape(2, 4, 2, 4, 2, 2)
    high, low, mean = blocks.max((2, 4)), blocks.min((2, 4)), blocks.mean((2, 4))
    np.testing.assert_array_equal(run(layers.MinPooling2D(2, None), x), low)
    np.testing.assert_array_equal(run(layers.GradPooling2D(2, (2, 2)), x), high - low)
    np.testing.assert_allclose(run(layers.MixedPooling2D(2), x), (high + mean) / 2, atol=1e-6)
    np.testing.assert_allclose(run(layers.MixedMaxMinPooling2D(2), x), (high + low) / 2, atol=1e-6)


def test_functions_that_add_layers():
    x = normal(2, 9, 8, 1)
    image = keras.Input((9, 8, 1))
    for function in (layers.MorphoEMP2D, layers.MorphoEMP2DShare):
        model = keras.Model(image, function(image, 3, (3, 3), (1, 1)))
        inner = x[:, 1:-1, 1:-1]
        around = np.stack([x[:, i : i + 7, j : j + 6] for i in range(3) for j in range(3)])
        # The kernels are flat at first, and -1 is not absent for these images.
        identity = np.maximum(inner, around.max(0) - 1)
        expected = identity - (around.max(0) + around.min(0)) / 2
        y = model.predict(x, verbose=0)
        np.testing.assert_allclose(y, np.repeat(expected, 3, -1), atol=1e-6)
        assert len(model.trainable_weights) == (2 if function is layers.MorphoEMP2D else 1)
    image = keras.Input((9, 8, 2))
    for function in (layers.SeparableOperator2D, layers.BSOperator2D):
        model = keras.Model(image, function(image, 3, (3, 3)))
        assert model.output_shape == (None, 9, 8, 3)
        assert model.predict(normal(2, 9, 8, 2), verbose=0).shape == (2, 9, 8, 3)


def test_functions_under_the_names_of_morpholayers():
    x, mask = normal(1, 9, 8, 1), normal(1, 9, 8, 1)
    marker = np.minimum(x, mask)
    flat = np.zeros((3, 3, 1), np.float32)
    one = np.minimum(dilation(marker, flat), mask)
    np.testing.assert_array_equal(numpy(layers.geodesic_dilation_step([marker, mask])), one)
    np.testing.assert_array_equal(numpy(layers.geodesic_dilation([marker, mask], 1)), one)
    many = numpy(layers.geodesic_dilation([marker, mask], 80))
    np.testing.assert_array_equal(numpy(layers.reconstruction_dilation([marker, mask])), many)
    above = np.maximum(x, mask)
    many = numpy(layers.geodesic_erosion([above, mask], 80))
    np.testing.assert_array_equal(numpy(layers.reconstruction_erosion([above, mask])), many)
    many = numpy(layers.leveling([x, mask], 80))
    np.testing.assert_array_equal(numpy(layers.leveling([x, mask])), many)
    h = np.float32(0.3)
    peaks = x - numpy(layers.h_maxima_transform([h, x]))
    np.testing.assert_array_equal(numpy(layers.h_convex_transform([h, x])), peaks)
    pits = numpy(layers.h_minima_transform([h, x])) - x
    np.testing.assert_array_equal(numpy(layers.h_concave_transform([h, x])), pits)
    high, low = dilation(x, flat), erosion(x, flat)
    toggled = np.where(high - x <= x - low, high, low)
    np.testing.assert_array_equal(numpy(layers.togglemapping(x, 1)), toggled)
    np.testing.assert_array_equal(
        numpy(layers.dilation2d(x, flat, (1, 1), "valid", (1, 1))), high[:, 1:-1, 1:-1]
    )


def test_images_of_any_size():
    model = keras.Sequential(
        [keras.Input((None, None, 2)), layers.Opening2D(2, 3), layers.Dilation2D(3, 3, strides=2)]
    )
    assert model.output_shape == (None, None, None, 3)
    assert model.predict(normal(1, 9, 8, 2), verbose=0).shape == (1, 5, 4, 3)
    assert model.predict(normal(1, 4, 7, 2), verbose=0).shape == (1, 2, 4, 3)


def test_mixed_precision():
    layer = layers.Dilation2D(2, 3, dtype="mixed_float16")
    y = layer(keras.ops.convert_to_tensor(normal(1, 5, 5, 1)))
    assert keras.backend.standardize_dtype(y.dtype) == "float16"
    assert keras.backend.standardize_dtype(layer.kernel.dtype) == "float32"


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: layers.Dilation2D(2, (3, 3, 3)), "kernel_size: expected"),
        (lambda: layers.Dilation2D(2, 3, padding="reflect"), "padding: expected"),
        (lambda: layers.Dilation2D(2, 3, strides=0), "strides: expected"),
        (lambda: layers.IntegratorofOperator2D(2, 3, operator="sharpen"), "operator: expected"),
        (lambda: layers.Dilation2D(2, 3).build((None, 9, 8)), "expected images"),
        (lambda: layers.Dilation2D(2, 3).build((None, 9, 8, None)), "known number"),
        (lambda: layers.Dilation2D(2, 9, padding="valid")(normal(1, 5, 5, 1)), "at least 9"),
        (lambda: layers.TopHatOpening2D(2, 3, strides=2)(normal(1, 5, 5, 1)), "strides 1"),
        (lambda: layers.MorphoEMP2DShare(keras.Input((5, 5, 2)), 2, 3, 1), "one channel"),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_ready_made_kernel():
    layer = layers.Dilation2D(1, 3, kernel_initializer=initializers.MinusOnesZeroCenter(-np.inf))
    x = normal(1, 5, 5, 1)
    np.testing.assert_array_equal(run(layer, x), x)


def test_xla():
    """The layers tell Keras whether XLA can compile them."""
    layer = layers.Dilation2D(1, 3)
    assert layer.supports_jit == (BACKEND != "tensorflow")
