"""Weights on disk: safetensors as the Rust library writes them, and Keras' files and models.

    >>> mg.weights.save(model, "weights.safetensors")                      # doctest: +SKIP
    >>> mg.weights.save("old.weights.h5", "weights.safetensors")           # doctest: +SKIP
    >>> mg.weights.to_keras("weights.safetensors", model)                  # doctest: +SKIP

A weight is called by its layer and its own name: `dilation2d.kernel`, `dense.bias`, and in a model
within a model `inner.dense.bias`. Layouts are the same on both sides, so every number crosses as it
is, bit for bit. Keras' files are read with h5py, without Keras; those of Keras 2, which was there
when morpholayers was written, too.
"""

from __future__ import annotations

import io
import json
import os
import re
import struct
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["from_keras", "load", "metadata", "model", "save", "to_keras"]

Array = npt.NDArray[Any]
Names = Mapping[str, Sequence[str]]

_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_CONFIG = "keras_config"
_STORED = "model.weights.h5"

# The weights of layers, in the order in which Keras stores them, by the class in Keras' files.
_NORMALIZED = ("gamma", "beta", "moving_mean", "moving_variance")
_WEIGHTS = {
    "batch_normalization": _NORMALIZED,
    "layer_normalization": ("gamma", "beta"),
    "group_normalization": ("gamma", "beta"),
    "separable_conv1d": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "separable_conv2d": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "embedding": ("embeddings",),
    "p_re_lu": ("alpha",),
    "bias_layer": ("bias",),
    "depthwise_dilation2d": ("kernel2D",),
    "depthwise_erosion2d": ("kernel2D",),
    "depthwise_operator2d": ("kernel2D", "bias"),
    "separable_dilation2d": ("kernel2D", "kernelDepth"),
    "separable_erosion2d": ("kernel2D", "kernelDepth"),
    "separable_dilation3d": ("kernel2D", "kernelDepth"),
    "bs_dilation2d": ("kernel2D", "kernelDepth"),
    "bs_erosion2d": ("kernel2D", "kernelDepth"),
    "quadratic_dilation2d": ("bias",),
    "quadratic_average2d": ("bias",),
    "lasry_lions_de": ("bias", "bias_bis"),
    "lasry_lions_ed": ("bias", "bias_bis"),
    "mixed_pooling2d": ("alpha",),
    "mixed_max_min_pooling2d": ("alpha",),
}
_KERNELS = {"dense", "einsum_dense", "maxof_erosions2d_old", "minof_dilations2d_old"}


def _header(path: Path, content: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        (size,) = struct.unpack_from("<Q", content)
        header = json.loads(content[8 : 8 + size])
        if not isinstance(header, dict) or 8 + size > len(content):
            raise ValueError("no header")
    except (struct.error, ValueError) as error:
        raise ValueError(f"{path}: expected a safetensors file, found: {error}") from error
    return header, content[8 + size :]


def load(path: Any) -> dict[str, Array]:
    """The tensors of a safetensors file, by name.

    Raises `ValueError` for what is no complete file of that format.
    """
    path = Path(path)
    header, data = _header(path, path.read_bytes())
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        try:
            dtype, shape = _DTYPES[entry["dtype"]], tuple(entry["shape"])
            start, end = entry["data_offsets"]
            if not 0 <= start <= end <= len(data):
                raise ValueError(f"numbers at {start} to {end} of {len(data)} bytes")
            tensors[name] = np.frombuffer(data[start:end], dtype).reshape(shape).copy()
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: tensor `{name}`: {error!r}") from error
    return tensors


def metadata(path: Any) -> dict[str, str]:
    """What a safetensors file says beside its tensors: `keras_config`, if it was a model's."""
    path = Path(path)
    found: dict[str, str] = _header(path, path.read_bytes())[0].get("__metadata__", {})
    return found


def model(path: Any) -> Any:
    """The Keras model of a file that `save` made of a model, with its weights."""
    import keras

    config = metadata(path).get(_CONFIG)
    if config is None:
        raise ValueError(f"{path}: expected a file made of a Keras model, found no architecture")
    import morphograd.keras  # noqa: F401  (registers its layers)

    built = keras.models.model_from_json(config)
    to_keras(path, built)
    return built


def save(source: Any, path: Any, *, names: Names | None = None) -> None:
    """Writes weights as safetensors, as the Rust library does: the same weights, the same bytes.

    `source` is a dictionary of arrays, a Keras model, or the path of a `.keras`, `.weights.h5` or
    `.h5` file. Of a model or a `.keras` file the architecture is written too, as metadata. `names`:
    see `from_keras`. The file appears at once and complete.
    """
    path = Path(path)
    described: dict[str, str] = {}
    if isinstance(source, Mapping):
        tensors = {str(name): np.asarray(array) for name, array in source.items()}
    else:
        tensors = from_keras(source, names=names)
        config = _architecture(source)
        if config is not None:
            described = {_CONFIG: config}
    kinds = {dtype: kind for kind, dtype in _DTYPES.items()}
    entries, parts, offset = {}, [], 0
    for name, array in tensors.items():
        if array.dtype.newbyteorder("<") not in kinds:
            raise TypeError(f"{name}: expected numbers, found {array.dtype}")
    # As the Rust crate sorts: wide types first, then by name.
    for name in sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name)):
        array = tensors[name]
        if array.dtype.kind == "f" and np.isnan(array).any():
            raise ValueError(f"{name}: expected numbers, found NaN")
        little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
        data = little.tobytes()
        entries[name] = {
            "dtype": kinds[little.dtype],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + len(data)],
        }
        parts.append(data)
        offset += len(data)
    header = ({"__metadata__": described} if described else {}) | entries
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    _replace(path, struct.pack("<Q", len(text)) + text + b"".join(parts))


def _replace(path: Path, content: bytes) -> None:
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        unfinished.write_bytes(content)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _architecture(source: Any) -> str | None:
    if not isinstance(source, (str, os.PathLike)):
        config: str = source.to_json()
        return config
    if Path(source).suffix == ".keras":
        with zipfile.ZipFile(source) as archive:
            return archive.read("config.json").decode()
    return None


def from_keras(source: Any, *, names: Names | None = None) -> dict[str, Array]:
    """The weights of a Keras model or of a file of one, by name.

    `.weights.h5` files do not have the names of weights. Those of Keras' own layers and of ours are
    known; for others, `names` says them in their order: `{"my_layer": ["kernel", "scale"]}`, by the
    name of the layer or of its class as the file has it.
    """
    if not isinstance(source, (str, os.PathLike)):
        return {name: _value(variable) for name, variable in _variables(source).items()}
    with _opened(Path(source), "r") as file:
        return {name: data[()] for name, data in _datasets(Path(source), file, names)}


def _value(variable: Any) -> Array:
    import keras

    return np.array(keras.ops.convert_to_numpy(variable))


def _variables(model: Any) -> dict[str, Any]:
    """The variables of a model by name."""
    named: dict[str, Any] = {}

    def add(layer: Any, prefix: str) -> None:
        for part in getattr(layer, "layers", ()):
            add(part, f"{prefix}{part.name}.")
        taken = {id(variable) for variable in named.values()}
        for variable in layer.weights:
            if id(variable) in taken:
                continue
            name = prefix + ".".join(_after(layer.name, variable.path.split("/")))
            if name in named:
                raise ValueError(f"model: expected weights of different names, found two `{name}`")
            named[name] = variable

    add(model, "")
    return named


def _after(name: str, parts: list[str]) -> list[str]:
    """What comes after the name of a layer in the path of its weight, which may lack it."""
    return parts[len(parts) - parts[::-1].index(name) :] if name in parts else parts


class _opened:
    """The h5 file of weights in a file of Keras; written back at the end if it was changed."""

    def __init__(self, path: Path, mode: str) -> None:
        self._path, self._mode = path, mode

    def __enter__(self) -> Any:
        try:
            import h5py
        except ImportError as error:
            raise ImportError(
                f"{self._path}: expected h5py to read it, found none; `pip install h5py`"
            ) from error
        if self._path.suffix == ".keras":
            with zipfile.ZipFile(self._path) as archive:
                content = archive.read(_STORED)
        else:
            content = self._path.read_bytes()
        self._buffer = io.BytesIO(content)
        self._file = h5py.File(self._buffer, "r" if self._mode == "r" else "r+")
        return self._file

    def __exit__(self, kind: Any, *_: object) -> None:
        self._file.close()
        if kind is not None or self._mode == "r":
            return
        content = self._buffer.getvalue()
        if self._path.suffix == ".keras":
            packed = io.BytesIO()
            with zipfile.ZipFile(self._path) as old, zipfile.ZipFile(packed, "w") as new:
                for entry in old.infolist():
                    data = content if entry.filename == _STORED else old.read(entry)
                    new.writestr(entry, data)
            content = packed.getvalue()
        _replace(self._path, content)


def _datasets(path: Path, file: Any, names: Names | None) -> Iterator[tuple[str, Any]]:
    """The weights in an h5 file of Keras, with their names."""
    root = file.get("model_weights", file)
    if "layer_names" in root.attrs:  # as Keras 2 writes, and Keras 3 as `.h5`
        for layer in root.attrs["layer_names"]:
            group = root[_text(layer)]
            for weight in group.attrs["weight_names"]:
                path_of = re.sub(r":\d+$", "", _text(weight)).split("/")
                name = ".".join([_text(layer), *_after(_text(layer), path_of)])
                yield name, group[_text(weight)]
        return
    if "layers" not in file:
        raise ValueError(f"{path}: expected weights of Keras, found {sorted(file)}")
    yield from _layers(path, file["layers"], "", names)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _layers(path: Path, group: Any, prefix: str, names: Names | None) -> Iterator[tuple[str, Any]]:
    for key in sorted(group):
        layer = group[key]
        variables = layer.get("vars", {})
        name = prefix + _text(variables.attrs.get("name", key) if variables != {} else key)
        if len(variables) > 0:
            called = _names_of(path, key, name, len(variables), names)
            for n, weight in enumerate(called):
                yield f"{name}.{weight}", variables[str(n)]
        for part in sorted(layer):
            if part == "layers":
                yield from _layers(path, layer[part], f"{name}.", names)
            elif part not in ("vars", "seed_generator") and hasattr(layer[part], "keys"):
                yield from _layers(path, {part: layer[part]}, f"{name}.", names)


def _names_of(path: Path, key: str, name: str, count: int, names: Names | None) -> Sequence[str]:
    kind = re.sub(r"_\d+$", "", key)
    for wanted in (name, key, kind):
        if names is not None and wanted in names:
            known = names[wanted]
            break
    else:
        simple = kind in _KERNELS or re.fullmatch(r"[a-z_]*[123]d(_transpose)?", kind) is not None
        simple = simple or kind == "dilation_se2d"
        known = _WEIGHTS.get(kind, ("kernel", "bias") if simple else ())
        # What is left out comes last, except in a normalization, where it can be anything.
        known = () if known == _NORMALIZED and count < 4 else known[:count]
    if len(known) != count:
        raise ValueError(
            f"{path}: layer `{name}` of class `{kind}`: expected the names of its {count} weights, "
            f"found none; give them by names={{{kind!r}: [...]}}"
        )
    return known


def to_keras(source: Any, target: Any, *, names: Names | None = None) -> None:
    """Puts weights into a Keras model, or into a file of one; all or nothing.

    `source` is a safetensors file or a dictionary. The model, or the `.keras`, `.weights.h5` or
    `.h5` file, has to have the same names, shapes and types; else it is left as it is, and
    `ValueError` says what differs.
    """
    tensors = dict(source) if isinstance(source, Mapping) else load(source)
    if not isinstance(target, (str, os.PathLike)):
        variables = _variables(target)
        types = {n: (tuple(v.shape), np.dtype(v.dtype)) for n, v in variables.items()}
        _compare(tensors, types)
        for name, variable in variables.items():
            variable.assign(tensors[name])
        return
    path = Path(target)
    with _opened(path, "r+") as file:
        found = dict(_datasets(path, file, names))
        _compare(tensors, {n: (d.shape, d.dtype) for n, d in found.items()})
        for name, data in found.items():
            data[...] = tensors[name]


def _compare(tensors: Mapping[str, Array], target: Mapping[str, tuple[Any, Any]]) -> None:
    if tensors.keys() != target.keys():
        raise ValueError(
            f"weights: expected {', '.join(sorted(target))}, found {', '.join(sorted(tensors))}"
        )
    for name, (shape, dtype) in target.items():
        array = tensors[name]
        if array.shape != tuple(shape) or array.dtype != dtype:
            raise ValueError(
                f"{name}: expected {tuple(shape)} of {dtype}, found {array.shape} of {array.dtype}"
            )
