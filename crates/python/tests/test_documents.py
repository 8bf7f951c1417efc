"""The examples of the documents run."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent
ROOT = PACKAGE.parent.parent
PAGES = [PACKAGE / "README.md", ROOT / "README.md", *sorted((ROOT / "docs/python").glob("*.md"))]
# `morphograd.keras` needs Keras, and so on.
OTHERS = re.compile(r"^(?:import|from) (?:morphograd\.(?=keras|torch)|(?!morphograd))(\w+)", re.M)


def examples():
    for page in PAGES:
        found = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        for number in range(len(found)):
            name = f"{page.relative_to(ROOT).as_posix()}-{number}"
            yield pytest.param(found[: number + 1], id=name)


def missing(block):
    """The modules that a block imports and that are not installed."""
    return [module for module in OTHERS.findall(block) if find_spec(module) is None]


@pytest.mark.parametrize("blocks", list(examples()))
def test_an_example_runs_after_those_above_it(blocks, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    # Not TensorFlow, which aborts in one process with what `torch.compile` loads.
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    if missing(blocks[-1]):
        pytest.skip(f"{', '.join(missing(blocks[-1]))} is not installed")
    names = {}
    for block in blocks:
        if not missing(block):
            exec(compile(block, "example", "exec"), names)


def test_every_function_says_what_it_computes():
    import morphograd as mg

    for module in (mg, mg.law, mg.ops, mg.sets):
        for name in module.__all__:
            member = getattr(module, name)
            if callable(member):
                assert member.__doc__, f"{module.__name__}.{name}"
