"""Writes the reference files, or with --check compares them with what it computes, byte for byte.

    python generate.py [--check] [FAMILY ...]

README.md beside this file tells what the families are and what they need.
"""

import argparse
import os
import sys
from pathlib import Path

# Results depend on the number of threads in their last digits, and so do the bytes.
THREADS = 2
os.environ |= {"OMP_NUM_THREADS": str(THREADS), "OPENBLAS_NUM_THREADS": str(THREADS)}
# Its kernels differ in last bits; which one it takes would depend on the model of the processor.
os.environ |= {"OPENBLAS_CORETYPE": "SKYLAKEX"}
os.environ |= {"TF_ENABLE_ONEDNN_OPTS": "0", "TF_CPP_MIN_LOG_LEVEL": "3"}

import numpy as np
from safetensors.numpy import load, save

HERE = Path(__file__).resolve().parent
AUTODIFF = HERE.parents[2] / "autodiff/tests/data"
MORPHOLOGY = HERE.parents[2] / "morphology/tests/suite/data"


def tensorflow():
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    import batch_norm
    import callbacks
    import losses
    import operators
    import training

    rng = np.random.default_rng(20261)  # one stream: the order of the cases decides their inputs
    drawn = operators.cases(rng) | training.cases(rng)
    return drawn | batch_norm.cases() | losses.cases() | callbacks.cases()


def projections():
    import projections

    return projections.cases()


def operations():
    sys.path.append(str(AUTODIFF))
    import ops

    return ops.cases()


def morphology():
    sys.path.append(str(MORPHOLOGY))
    import reference

    return reference.cases()


# name: (function that computes the cases, folder of their files)
FAMILIES = {
    "tensorflow": (tensorflow, HERE),
    "projections": (projections, HERE),
    "operations": (operations, AUTODIFF),
    "morphology": (morphology, MORPHOLOGY),
}


def differences(found, expected):
    """What differs between two files, a line for each tensor."""
    found, expected = load(found), load(expected)
    for name in sorted(found.keys() | expected.keys()):
        a, b = found.get(name), expected.get(name)
        if a is None or b is None or (a.shape, a.dtype) != (b.shape, b.dtype):
            yield f"{name}: another shape or type, or missing"
        elif a.tobytes() != b.tobytes():
            a, b = a.astype(float), b.astype(float)
            error = np.abs(a - b).max() / max(np.abs(b).max(), np.finfo(float).tiny)
            yield f"{name}: differs by {error:.1e} of the largest magnitude"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("family", nargs="*", help=f"of {', '.join(FAMILIES)}; all by default")
    arguments = parser.parse_args()
    unknown = set(arguments.family) - FAMILIES.keys()
    if unknown:
        parser.error(f"no such family: {', '.join(sorted(unknown))}")

    made, problems = set(), []
    for family in arguments.family or FAMILIES:
        compute, folder = FAMILIES[family]
        for case, tensors in compute().items():
            path = folder / f"{case}.safetensors"
            data = save({k: np.ascontiguousarray(v) for k, v in tensors.items()})
            made.add(path)
            if not arguments.check:
                path.write_bytes(data)
            elif not path.exists():
                problems.append(f"{path.name}: missing")
            elif path.read_bytes() != data:
                reasons = list(differences(data, path.read_bytes())) or ["another header"]
                problems += [f"{path.name}: {reason}" for reason in reasons]
    if not arguments.family:
        there = {path for _, folder in FAMILIES.values() for path in folder.glob("*.safetensors")}
        problems += [f"{path.name}: nothing here computes it" for path in sorted(there - made)]
    print(
        "\n".join(problems) or f"{len(made)} files: {'same bytes' * arguments.check or 'written'}"
    )
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
