"""The examples of the documents run."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_the_examples_of_the_readme_run(block):
    if "import torch" in block:
        pytest.importorskip("torch", reason="PyTorch is not installed")
    exec(compile(block, str(README), "exec"), {})


def test_every_function_says_what_it_computes():
    import morphograd as mg

    for module in (mg, mg.ops, mg.sets):
        for name in module.__all__:
            member = getattr(module, name)
            if callable(member):
                assert member.__doc__, f"{module.__name__}.{name}"
