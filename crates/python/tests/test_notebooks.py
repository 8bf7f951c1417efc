"""The notebooks run, and the outputs that they keep are those of their code."""

import importlib.util
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")

FOLDER = Path(__file__).parent.parent / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))
NEEDS = {"constraints": "torch", "photograph": "skimage", "tutorial": "tensorflow"}


def read(path):
    return nbformat.read(path, as_version=4)


def execute(notebook):
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    return notebook


def pictures(notebook):
    """For each cell the number of its pictures."""
    return [
        sum("image/png" in output.get("data", {}) for output in cell.get("outputs", []))
        for cell in notebook.cells
    ]


def words(notebook):
    """What the cells print."""
    cells = [cell.get("outputs", []) for cell in notebook.cells]
    return [output.text for outputs in cells for output in outputs if "text" in output]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_what_it_keeps(path):
    needed = NEEDS[path.stem]
    if importlib.util.find_spec(needed) is None:  # the notebook imports it, in its own process
        pytest.skip(f"{needed} is not installed")
    kept, fresh = read(path), execute(read(path))
    assert sum(pictures(kept)) > 0
    assert pictures(kept) == pictures(fresh)
    if path.stem == "photograph":  # whole numbers: the same on every processor
        assert words(kept) == words(fresh)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_is_small_and_was_run_from_top_to_bottom(path):
    nbformat.validate(read(path))
    assert path.stat().st_size < 300_000
    code = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    lines = [line for cell in read(path).cells for line in cell.source.splitlines()]
    assert [line for line in lines if len(line) > 100] == []


def test_the_photograph_is_drawn_without_scikit_image():
    notebook = read(FOLDER / "photograph.ipynb")
    hide = nbformat.v4.new_code_cell("import sys\nsys.modules['skimage'] = None")
    notebook.cells.insert(0, hide)
    assert sum(pictures(execute(notebook))) == sum(pictures(read(FOLDER / "photograph.ipynb")))
