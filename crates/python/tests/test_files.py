"""Weights and run folders on disk; those of Keras are tested in test_keras_weights."""

import json
import struct

import morphograd as mg
import numpy as np
import pytest

HISTORY = """epoch,loss,val_accuracy,active_share,dead_by_filter
1,2.164166644215584,0.5365,,0 1
2,1.3430992662906647,0.7243,0.5,2 0
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.toml").write_text('constraints = ["none"]\nlearning_rate = 0.01\n')
    runs = []
    for constraint, enforcement, name in [
        ("none", "projected-step", "none-seed0"),
        ("non-negative", "penalty", "non-negative-by-penalty-seed0"),
    ]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "history.csv").write_text(HISTORY)
        kernel = {"dilation2d.kernel": np.full((5, 5, 1, 8), 0.25, np.float32)}
        mg.weights.save(kernel, tmp_path / name / "weights.safetensors")
        runs.append({"constraint": constraint, "enforcement": enforcement, "seed": 0})
    (tmp_path / "metrics.json").write_text(json.dumps({"dataset": "digits", "runs": runs}))
    return tmp_path


def test_a_run_has_plain_columns(folder):
    opened = mg.runs.load(folder)
    assert opened.dataset == "digits" and opened.config["learning_rate"] == 0.01
    run = opened.history("none")
    assert list(run) == ["epoch", "loss", "val_accuracy", "active_share", "dead_by_filter"]
    assert run["epoch"].dtype == np.int64 and run["loss"][0] == 2.164166644215584
    assert np.isnan(run["active_share"][0]) and run["active_share"][1] == 0.5
    np.testing.assert_array_equal(run["dead_by_filter"], [[0, 1], [2, 0]])
    assert run.weights()["dilation2d.kernel"].shape == (5, 5, 1, 8)
    assert (
        opened.history("non-negative", enforcement="penalty", seed=0)["val_accuracy"][1] == 0.7243
    )


def test_a_run_that_is_not_there_is_named(folder):
    opened = mg.runs.load(folder)
    with pytest.raises(KeyError, match="non-negative-by-penalty-seed0"):
        opened.history("lattice")
    with pytest.raises(KeyError, match="found accuracy"):
        opened.history("none")["accuracy"]
    (folder / "none-seed0" / "history.csv").write_text("epoch,loss\n1\n")
    with pytest.raises(ValueError, match="line 2: expected 2 entries, found 1"):
        mg.runs.load(folder)
    with pytest.raises(FileNotFoundError):
        mg.runs.load(folder / "nothing")


def test_histories_as_data_frames(folder):
    pytest.importorskip("pandas", reason="pandas is not installed")
    frame = mg.runs.load(folder).to_pandas()
    assert frame.groupby("constraint")["val_accuracy"].max().to_dict() == {
        "none": 0.7243,
        "non-negative": 0.7243,
    }


def test_weights_come_back_bit_for_bit(tmp_path):
    rng = np.random.default_rng(0)
    tensors = {
        "b": rng.standard_normal((2, 3)).astype(np.float32),
        "a": np.array([-0.0, np.inf, 1e-45], np.float32),
        "wide": rng.standard_normal(5),
        "empty": np.zeros((0, 3), np.float32),
        "one": np.float32(3),
        "turned": np.asfortranarray(rng.standard_normal((3, 4))),
    }
    path = tmp_path / "weights.safetensors"
    mg.weights.save(tensors, path)
    read = mg.weights.load(path)
    assert read.keys() == tensors.keys()
    for name, array in tensors.items():
        assert read[name].tobytes() == np.ascontiguousarray(array).tobytes()
        assert read[name].shape == np.shape(array)
    assert list(tmp_path.iterdir()) == [path]


def test_the_bytes_are_those_of_the_rust_library(tmp_path):
    """What `morphograd_nn::checkpoint::save` writes for these two parameters."""
    path = tmp_path / "weights.safetensors"
    kernel = np.arange(4, dtype=np.float32).reshape(2, 2)
    mg.weights.save({"dense.kernel": kernel, "dense.bias": np.ones(2, np.float32)}, path)
    header = (
        b'{"dense.bias":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},'
        b'"dense.kernel":{"dtype":"F32","shape":[2,2],"data_offsets":[8,24]}}'
    )
    header += b" " * (-len(header) % 8)
    numbers = struct.pack("<6f", 1, 1, 0, 1, 2, 3)
    assert path.read_bytes() == struct.pack("<Q", len(header)) + header + numbers


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "expected a safetensors file"),
        (struct.pack("<Q", 1 << 60) + b"{}", "expected a safetensors file"),
        (struct.pack("<Q", 2) + b"[]", "expected a safetensors file"),
        (
            struct.pack("<Q", 54)
            + b'{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}'
            + b"8bytes..",
            "tensor `a`",
        ),
        (
            struct.pack("<Q", 56) + b'{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,999]}}',
            "tensor `a`",
        ),
    ],
)
def test_broken_files_are_refused(tmp_path, content, message):
    (tmp_path / "broken").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        mg.weights.load(tmp_path / "broken")


def test_what_is_not_saved(tmp_path):
    path = tmp_path / "weights.safetensors"
    with pytest.raises(ValueError, match="found NaN"):
        mg.weights.save({"a": np.array([np.nan])}, path)
    with pytest.raises(TypeError, match="expected numbers"):
        mg.weights.save({"a": np.array(["text"])}, path)
    assert not path.exists()
