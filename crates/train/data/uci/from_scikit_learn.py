"""Writes `sets.csv.gz` from the three data sets that scikit-learn ships with.

    pip install scikit-learn && python from_scikit_learn.py [--check]

A row is the set's name, the class, and the features as scikit-learn has them. With `--check` it
compares the rows of the file with those it would write.
"""

import gzip
import sys
from pathlib import Path

from sklearn import datasets

FILE = Path(__file__).with_name("sets.csv.gz")
SETS = {
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
    "breast-cancer": datasets.load_breast_cancer,
}


def rows():
    for name, load in SETS.items():
        data = load()
        for features, label in zip(data.data, data.target):
            yield ",".join([name, str(label), *(f"{x:.10g}" for x in features)]) + "\n"


if __name__ == "__main__":
    text = "".join(rows()).encode()
    if sys.argv[1:] == ["--check"]:
        assert gzip.decompress(FILE.read_bytes()) == text, f"{FILE}: other rows"
    else:
        FILE.write_bytes(gzip.compress(text, 9, mtime=0))
