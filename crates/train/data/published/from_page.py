"""Reads the published training logs out of the tutorial's page and writes them as CSV, or with
--check compares them with the files here, byte for byte.

    python from_page.py [--check] PAGE

PAGE is a saved copy of the page that README.md beside this file names. Python 3.11, nothing else.
"""

import argparse
import html
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
# In the order of the page.
RUNS = ("dilation", "non_negative", "non_positive", "non_positive_increasing")
HEADER = "epoch,ms_per_step,loss,accuracy,val_loss,val_accuracy,lr"
# The last of the lines that Keras writes over each other in an epoch, which has the validation.
EPOCH = re.compile(
    r"8/8 \[=+\] - \S+ (\d+)ms/step - loss: (\S+) - accuracy: (\S+)"
    r" - val_loss: (\S+) - val_accuracy: (\S+) - lr: ([\d.]+(?:e-\d+)?)"
)


def logs(page):
    text = html.unescape(re.sub(r"<[^>]+>", "", page))
    runs = []
    # A run ends where the epochs begin again.
    for part in re.split(r"Epoch 1/100\b", text)[1:]:
        epochs = EPOCH.findall(part)
        rows = [",".join((str(number), *epoch)) for number, epoch in enumerate(epochs, 1)]
        runs.append("".join(f"{row}\r\n" for row in [HEADER, *rows]))
    if len(runs) != len(RUNS):
        sys.exit(f"expected {len(RUNS)} training logs on the page, found {len(runs)}")
    return dict(zip(RUNS, runs))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("page", type=Path, help="the saved page")
    arguments = parser.parse_args()
    different = False
    for name, log in logs(arguments.page.read_text(encoding="utf-8")).items():
        path = HERE / f"{name}.csv"
        if not arguments.check:
            path.write_bytes(log.encode())
        elif path.read_bytes() != log.encode():
            different = True
            print(f"{path.name}: differs")
        else:
            print(f"{path.name}: same bytes")
    sys.exit(different)


if __name__ == "__main__":
    main()
