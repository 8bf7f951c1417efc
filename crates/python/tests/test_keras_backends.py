"""The tests of `morphograd.keras` on every backend that is installed, and without Keras."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
PARTS = ["ops", "layers", "constraints", "weights", "tutorial"]


def python(*arguments, **environment):
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=HERE,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("backend", ["tensorflow", "torch", "jax"])
def test_on_every_backend(backend):
    for name, called in (("keras", "Keras"), (backend, backend)):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{called} is not installed")
    if os.environ.get("KERAS_BACKEND") == backend:
        pytest.skip(f"{backend} is the backend of this run")
    files = [f"test_keras_{part}.py" for part in PARTS]
    code, output = python(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", *files, KERAS_BACKEND=backend
    )
    assert code == 0, output[-5000:]
    assert " passed" in output


def test_keras_itself_stays_on_demand():
    """`import morphograd` imports no framework."""
    code, output = python(
        "-c",
        "import sys, morphograd\n"
        "print([m for m in ('keras', 'tensorflow', 'torch', 'jax', 'h5py') if m in sys.modules])",
    )
    assert code == 0 and output.strip() == "[]", output


def test_without_keras():
    code, output = python("-c", "import sys; sys.modules['keras'] = None; import morphograd.keras")
    assert code == 1
    assert "ImportError: morphograd.keras: expected Keras 3, found none" in output


def test_with_an_old_keras(tmp_path):
    (tmp_path / "keras.py").write_text('__version__ = "2.15.0"\n')
    path = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    code, output = python("-c", "import morphograd.keras", PYTHONPATH=path)
    assert code == 1
    assert "expected Keras 3 or newer, found 2.15.0" in output
