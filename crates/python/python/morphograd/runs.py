"""Folders of trainings, as plain columns.

    >>> run = mg.runs.load("runs/digits")                                  # doctest: +SKIP
    >>> run.history("non-negative", seed=0)["val_accuracy"].max()          # doctest: +SKIP
    >>> run.to_pandas().groupby("constraint")["val_accuracy"].max()        # doctest: +SKIP

`cargo xtask train` writes such a folder: `config.toml`, `metrics.json`, and for each run a folder
with `history.csv` (a line for each epoch) and `weights.safetensors`.
"""

from __future__ import annotations

import csv
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import weights

__all__ = ["Folder", "Run", "load"]

Array = npt.NDArray[Any]


def _column(name: str, entries: list[str]) -> Array:
    """Numbers, NaN where there is none; of a column for each filter, a row for each epoch."""
    if name == "epoch":
        return np.array([int(entry) for entry in entries], np.int64)
    if name.endswith("_by_filter"):
        return np.array([[float(number) for number in entry.split()] for entry in entries])
    return np.array([float(entry) if entry else np.nan for entry in entries], np.float64)


def _history(path: Path) -> dict[str, Array]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    if not rows:
        raise ValueError(f"{path}: expected a header, found an empty file")
    header, *rows = rows
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise ValueError(
                f"{path}: line {number}: expected {len(header)} entries, found {len(row)}"
            )
    return {name: _column(name, [row[n] for row in rows]) for n, name in enumerate(header)}


@dataclass(frozen=True)
class Run(Mapping[str, Array]):
    """One run: its history by columns, its results, its weights."""

    path: Path
    results: dict[str, Any]
    """What `metrics.json` says of it: the constraint, the seed, the best accuracy and so on."""
    columns: dict[str, Array]

    def __getitem__(self, name: str) -> Array:
        if name not in self.columns:
            raise KeyError(f"history: expected one of {', '.join(self.columns)}, found {name}")
        return self.columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def weights(self) -> dict[str, Array]:
        """The weights at the end, by name."""
        return weights.load(self.path / "weights.safetensors")

    def to_pandas(self) -> Any:
        """The history as a `pandas.DataFrame`; columns of several numbers hold arrays."""
        pandas = _pandas()
        plain = {n: c if c.ndim == 1 else list(c) for n, c in self.columns.items()}
        return pandas.DataFrame(plain)


@dataclass(frozen=True)
class Folder:
    """All runs of one call of `cargo xtask train`."""

    path: Path
    config: dict[str, Any]
    """`config.toml`."""
    runs: list[Run]
    dataset: str

    def history(
        self, constraint: str, seed: int | None = None, enforcement: str | None = None
    ) -> Run:
        """The one run with this constraint (and seed, and enforcement)."""
        wanted = {"constraint": constraint, "seed": seed, "enforcement": enforcement}
        wanted = {name: value for name, value in wanted.items() if value is not None}
        found = [r for r in self.runs if wanted.items() <= r.results.items()]
        if len(found) != 1:
            there = [r.path.name for r in self.runs]
            raise KeyError(
                f"{self.path}: expected one run with {wanted}, found {len(found)}; there are "
                f"{', '.join(there)}"
            )
        return found[0]

    def to_pandas(self) -> Any:
        """The histories of all runs below one another, with constraint, enforcement and seed."""
        pandas = _pandas()
        frames = []
        for run in self.runs:
            frame = run.to_pandas()
            for n, name in enumerate(("constraint", "enforcement", "seed")):
                frame.insert(n, name, run.results[name])
            frames.append(frame)
        return pandas.concat(frames, ignore_index=True)


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise ImportError("to_pandas: expected pandas, found none; `pip install pandas`") from error
    return pandas


def _stem(results: dict[str, Any]) -> str:
    """The name of a run's folder."""
    variant, enforcement = results["constraint"], results["enforcement"]
    if enforcement != "projected-step":
        variant = f"{variant} by {enforcement}"
    return re.sub(r"[^A-Za-z0-9_.]", "-", variant) + f"-seed{results['seed']}"


def load(path: Any) -> Folder:
    """Opens a folder of runs.

    Raises `FileNotFoundError` if the folder has no `metrics.json`, and `ValueError` if what is
    there is not what a training writes.
    """
    path = Path(path)
    config = tomllib.loads((path / "config.toml").read_text(encoding="utf-8"))
    metrics = json.loads((path / "metrics.json").read_text(encoding="utf-8"))
    runs = []
    for results in metrics["runs"]:
        folder = path / _stem(results)
        if not folder.is_dir():
            raise ValueError(f"{path}: expected a folder {folder.name}, found none")
        runs.append(Run(folder, results, _history(folder / "history.csv")))
    return Folder(path, config, runs, metrics["dataset"])
