"""The example of Keras: the tutorial's network. With `cargo xtask python --frameworks`."""

import importlib.util
import pathlib

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="Keras is not installed")

EXAMPLE = pathlib.Path(__file__).parents[1] / "examples/keras_tutorial.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("keras_tutorial", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not module.DIGITS.exists():
        pytest.skip("the digits are in the repository only")
    return module


def test_two_epochs_of_each_constraint(example, capsys):
    results = example.main(["--epochs", "2", "--test-samples", "1000"])
    assert list(results) == ["none", "non-negative", "non-positive", "non-positive-increasing"]
    for found in results.values():
        assert len(found["history"]["loss"]) == 2
        # Rust has 0.71 to 0.73 after two epochs; a network that does not learn has 0.1.
        assert found["accuracy"] > 0.4
    assert (results["non-negative"]["kernel"] >= 0).all()
    assert (results["non-positive"]["kernel"] <= 0).all()
    increasing = results["non-positive-increasing"]["kernel"]
    assert (increasing <= 0).all() and (increasing[2, 2] == 0).all()
    assert np.abs(results["none"]["kernel"]).max() > 0
    assert "ms/step" in capsys.readouterr().out


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="about TensorFlow")
def test_a_training_is_that_of_tensorflows_own_dilation(example):
    """From the same seed the histories agree, up to what rounding makes of two epochs."""
    options = ["--epochs", "2", "--test-samples", "500", "--constraint", "non-negative"]
    ours = example.main(options)["non-negative"]
    theirs = example.main([*options, "--layer", "tensorflow"])["non-negative"]
    np.testing.assert_allclose(ours["history"]["loss"], theirs["history"]["loss"], rtol=1e-3)
    np.testing.assert_allclose(ours["kernel"], theirs["kernel"], atol=5e-3)
