"""Predictions that somebody else published: a CheXNet retrained by J. Zech, on 22,433 real films of ChestX-ray14.

They are not part of the course (4 MB, under NIH's and the repository's own terms). To put them beside NIH's label
file, where notebook 4 finds them:

    python -m util.data.published --root folder-of-the-films

Source: github.com/jrzech/reproduce-chexnet, J. Zech 2018; the network is a DenseNet-121 trained on other patients of
ChestX-ray14 with the plain cross-entropy. Its probabilities were never calibrated.
"""

import argparse
import re
import sys
from pathlib import Path

import pandas as pd

from util import settings
from util.data.download import download
from util.data.fetch_nih import PREDICTIONS
from util.errors import CourseError
from util.files import alone, interruptible, sweep
from util.findings import FINDINGS

FILE = PREDICTIONS.name
FILES = (FILE, "preds.csv")
FILMS = 22_433

# AUCs in the README of that repository, made with scikit-learn from these very predictions.
PUBLISHED_AUC = {
    "Cardiomegaly": 0.9090, "Emphysema": 0.9316, "Effusion": 0.8827, "Hernia": 0.9175, "Infiltration": 0.7156,
    "Mass": 0.8377, "Nodule": 0.7756, "Atelectasis": 0.8180, "Pneumothorax": 0.8776, "Pleural_Thickening": 0.7889,
    "Pneumonia": 0.7617, "Fibrosis": 0.8251, "Edema": 0.8945, "Consolidation": 0.8002,
}  # fmt: skip


def find_predictions(root):
    """Path of the predictions in the folder `root`, or None."""
    return next((path for name in FILES if (path := Path(root).expanduser() / name).is_file()), None)


def read_predictions(path):
    """Published probabilities: DataFrame float (index: Image, the 14 findings); never another file's.

    Raises
    ------
    CourseError : the file is not the published one, byte for byte.
    """
    path = Path(path)
    if not path.is_file():
        raise CourseError(f"{path} is no file: get {PREDICTIONS.url}.")
    much = path.stat().st_size > 2 * PREDICTIONS.bytes  # then it is not even read
    if problem := "it is much larger" if much else PREDICTIONS.problem(path):
        raise CourseError(f"{path} is not the published file ({problem}): get {PREDICTIONS.url}.")
    table = pd.read_csv(path, index_col="Image Index").rename_axis("Image")
    return table.set_axis(table.columns.str.removeprefix("prob_"), axis=1)[list(FINDINGS)]


def fetch_predictions(root):
    """Download the predictions into the folder `root`, whole and verified or not at all; return the path.

    Raises
    ------
    CourseError : no such folder, no network, an answer that is not the published file.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        raise CourseError(f"There is no folder {root}: name the folder that holds NIH's label file.")
    with alone(root):
        sweep(root, re.escape(FILE))
        return download(PREDICTIONS, root)


def main(arguments=None):
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m util.data.published", description=__doc__.split("\n")[0])
    parser.add_argument("--root", default=settings.films_folder(), help="folder of the label file (or CXR_ROOT)")
    options = parser.parse_args(arguments)
    try:
        if not options.root:
            raise CourseError("Where to? Name the folder of NIH's label file with --root.")
        with interruptible():
            print(f"Verified: {find_and_read(options.root) or fetch_predictions(options.root)}")
    except CourseError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped. Nothing half was left; the same command starts again.", file=sys.stderr)
        return 130
    return 0


def find_and_read(root):
    """Path of predictions that are there and right, or None where there are none."""
    path = find_predictions(root)
    if path:
        read_predictions(path)
    return path


if __name__ == "__main__":
    sys.exit(main())
