"""Keras' weights as safetensors, and back. With `cargo xtask python --frameworks`."""

import morphograd as mg
import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="Keras is not installed")
h5py = pytest.importorskip("h5py", reason="h5py is not installed")

from keras_support import numpy
from morphograd.keras import layers

RANDOM = keras.initializers.RandomNormal(seed=0)


def tutorial():
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Dilation2D(8, (5, 5), padding="valid", kernel_initializer=RANDOM),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(32, 3, activation="relu", name="conv2d"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(10, name="dense"),
        ]
    )


def nested():
    image = keras.Input((8, 8, 2))
    inner = keras.Sequential(
        [keras.Input((8, 8, 2)), layers.DepthwiseErosion2D(3, name="deep")], name="inner"
    )
    x = layers.SeparableDilation2D(3, 3, name="separable")(inner(image))
    x = layers.MixedPooling2D(2, name="pool")(keras.layers.BatchNormalization(name="norm")(x))
    x = layers.QuadraticDilation2D(2, 3, name="parabolas")(x)
    x = layers.LasryLionsDE(1, 3, name="lions")(x)
    x = keras.layers.LayerNormalization(name="layer_norm")(layers.Dilation2D(2, 3, name="a")(x))
    x = layers.Erosion2D(2, 3, use_bias=True, name="b")(x)
    return keras.Model(image, keras.layers.Dense(3, name="last")(keras.layers.Flatten()(x)))


@pytest.fixture(params=[tutorial, nested])
def model(request):
    keras.backend.clear_session()
    made = request.param()
    made.compile("adam", keras.losses.MeanSquaredError())
    x = np.random.default_rng(0).random((4, *made.input_shape[1:]), np.float32)
    made.fit(x, np.zeros((4, made.output_shape[-1])), epochs=2, verbose=0)
    return made


def same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape, name
        assert found[name].tobytes() == array.tobytes(), name


def test_names_are_those_of_the_rust_library():
    keras.backend.clear_session()
    assert {n: w.shape for n, w in mg.weights.from_keras(tutorial()).items()} == {
        "dilation2d.kernel": (5, 5, 1, 8),
        "conv2d.kernel": (3, 3, 8, 32),
        "conv2d.bias": (32,),
        "dense.kernel": (800, 10),
        "dense.bias": (10,),
    }


@pytest.mark.parametrize("kind", [".keras", ".weights.h5", ".h5"])
def test_every_file_of_keras_comes_and_goes_bit_for_bit(model, kind, tmp_path):
    expected = mg.weights.from_keras(model)
    assert len(expected) == len(model.weights)
    if "last.kernel" in expected:
        assert {"inner.deep.kernel2D", "norm.moving_mean", "lions.bias_bis"} < expected.keys()
    there = tmp_path / f"model{kind}"
    model.save_weights(there) if kind == ".weights.h5" else model.save(there)
    path = tmp_path / "weights.safetensors"
    mg.weights.save(there, path)
    same(mg.weights.load(path), expected)
    # Other numbers go back into the file, and into a model from there.
    turned = {name: array[::-1].copy() if array.ndim else array for name, array in expected.items()}
    mg.weights.save(turned, path)
    mg.weights.to_keras(path, there)
    same(mg.weights.from_keras(there), turned)
    if kind == ".weights.h5":
        model.load_weights(there)
    else:
        model = keras.saving.load_model(there)
    same(mg.weights.from_keras(model), turned)


def test_models_come_and_go_bit_for_bit(model, tmp_path):
    expected = mg.weights.from_keras(model)
    path = tmp_path / "weights.safetensors"
    mg.weights.save(model, path)
    for weight in model.weights:
        weight.assign(np.zeros(weight.shape, np.float32))
    mg.weights.to_keras(path, model)
    same(mg.weights.from_keras(model), expected)
    # The architecture is in the file.
    again = mg.weights.model(path)
    same(mg.weights.from_keras(again), expected)
    x = np.random.default_rng(1).random((2, *model.input_shape[1:]), np.float32)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_weights_of_keras_2_are_read(tmp_path):
    """As Keras 2 wrote them, with which morpholayers was used: names with `:0`."""
    kernel = np.random.default_rng(0).random((5, 5, 1, 8), np.float32)
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs["layer_names"] = [b"input_1", b"dilation2d_3"]
        file.create_group("input_1").attrs["weight_names"] = []
        group = file.create_group("dilation2d_3")
        group.attrs["weight_names"] = [b"dilation2d_3/kernel:0"]
        group["dilation2d_3/kernel:0"] = kernel
    same(mg.weights.from_keras(tmp_path / "old.h5"), {"dilation2d_3.kernel": kernel})


def test_weights_of_a_run_in_a_model(tmp_path):
    """What the Rust library saved is put into the tutorial's network."""
    keras.backend.clear_session()
    model = tutorial()
    rng = np.random.default_rng(3)
    weights = {
        name: rng.standard_normal(array.shape).astype(np.float32)
        for name, array in mg.weights.from_keras(model).items()
    }
    mg.weights.save(weights, tmp_path / "weights.safetensors")
    mg.weights.to_keras(tmp_path / "weights.safetensors", model)
    np.testing.assert_array_equal(numpy(model.layers[0].kernel), weights["dilation2d.kernel"])


class Scaled(keras.layers.Layer):
    def build(self, shape):
        self.low = self.add_weight(shape=(1,), name="low")
        self.high = self.add_weight(shape=(1,), name="high")

    def call(self, x):
        return x * self.high + self.low


def test_what_does_not_fit_changes_nothing(tmp_path):
    keras.backend.clear_session()
    model = tutorial()
    before = mg.weights.from_keras(model)
    zeros = {name: np.zeros_like(array) for name, array in before.items()}
    without = {name: array for name, array in zeros.items() if name != "dense.bias"}
    wide = zeros | {"dense.bias": np.zeros(10)}
    long = zeros | {"dense.bias": np.zeros(11, np.float32)}
    model.save_weights(tmp_path / "model.weights.h5")
    for wrong, message in [
        (without, "expected conv2d.bias"),
        (wide, r"expected \(10,\) of float32, found \(10,\) of float64"),
        (long, r"found \(11,\)"),
    ]:
        for target in (model, tmp_path / "model.weights.h5"):
            with pytest.raises(ValueError, match=message):
                mg.weights.to_keras(wrong, target)
            same(mg.weights.from_keras(target), before)


def test_names_that_a_file_does_not_have(tmp_path):
    keras.backend.clear_session()
    model = keras.Sequential([keras.Input((3,)), Scaled(name="scaled")])
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)
    with pytest.raises(ValueError, match="layer `scaled` of class `scaled`: expected the names"):
        mg.weights.from_keras(path)
    found = mg.weights.from_keras(path, names={"scaled": ["low", "high"]})
    same(found, mg.weights.from_keras(model))
    with pytest.raises(ValueError, match="no architecture"):
        mg.weights.save(path, tmp_path / "w.safetensors", names={"scaled": ["low", "high"]})
        mg.weights.model(tmp_path / "w.safetensors")
