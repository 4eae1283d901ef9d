"""Published predictions of a CheXNet that J. Zech retrained, on 22,433 real films of ChestX-ray14. Lesson 17.

They are not part of the course (4 MB, under the terms of NIH and of the repository). To put them next to NIH's label
file, where lessons 6 to 8 find them:

    python -m util published --root folder-of-the-films

Source: github.com/jrzech/reproduce-chexnet, J. Zech 2018; the network is a DenseNet-121 trained on other patients of
ChestX-ray14 with the plain cross-entropy. Its probabilities were never calibrated.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from util import settings
from util.command import argument_parser, command
from util.data.download import download
from util.data.fetch_nih import PREDICTIONS
from util.errors import CourseError
from util.files import alone, sweep
from util.findings import FINDINGS

FILE = PREDICTIONS.name
FILES = (FILE, "preds.csv")
FILMS = 22_433

# AUCs in the README of that repository, computed with scikit-learn from the same predictions.
PUBLISHED_AUC = {
    "Cardiomegaly": 0.9090, "Emphysema": 0.9316, "Effusion": 0.8827, "Hernia": 0.9175, "Infiltration": 0.7156,
    "Mass": 0.8377, "Nodule": 0.7756, "Atelectasis": 0.8180, "Pneumothorax": 0.8776, "Pleural_Thickening": 0.7889,
    "Pneumonia": 0.7617, "Fibrosis": 0.8251, "Edema": 0.8945, "Consolidation": 0.8002,
}  # fmt: skip


def find_predictions(root: Path | str) -> Path | None:
    """Path of the predictions in the folder `root`, or None.

    See Also
    --------
    find_and_read : the same, after a check of the content

    Examples
    --------
    >>> from util.data.cohort import PHANTOM
    >>> print(find_predictions(PHANTOM))
    None
    """
    return next((path for name in FILES if (path := Path(root).expanduser() / name).is_file()), None)


def read_predictions(path: Path | str) -> pd.DataFrame:
    """Published probabilities: DataFrame of floats (index: Image; columns: the 14 findings).

    Raises
    ------
    CourseError : the file is not the published one, byte for byte.

    See Also
    --------
    fetch_predictions : downloads the file
    util.models.study.load_study : evaluates them

    Examples
    --------
    >>> read_predictions("no-such-file.csv")
    Traceback (most recent call last):
    util.errors.CourseError: no-such-file.csv is no file: get https://...

    Taught in lesson 17.
    """
    path = Path(path)
    if not path.is_file():
        raise CourseError(f"{path} is no file: get {PREDICTIONS.url}.")
    much = path.stat().st_size > 2 * PREDICTIONS.bytes  # then it is not even read
    if problem := "it is much larger" if much else PREDICTIONS.problem(path):
        raise CourseError(f"{path} is not the published file ({problem}): get {PREDICTIONS.url}.")
    table = pd.read_csv(path, index_col="Image Index").rename_axis("Image")
    return table.set_axis(table.columns.str.removeprefix("prob_"), axis=1)[list(FINDINGS)]


def fetch_predictions(root: Path | str) -> Path:
    """Download the predictions into the folder `root`, whole and verified or not at all; return the path.

    Raises
    ------
    CourseError : no such folder, no network, an answer that is not the published file.

    See Also
    --------
    read_predictions : reads the file

    Examples
    --------
    >>> fetch_predictions("no-such-folder")
    Traceback (most recent call last):
    util.errors.CourseError: There is no folder no-such-folder: name the folder that holds NIH's label file.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        raise CourseError(f"There is no folder {root}: name the folder that holds NIH's label file.")
    with alone(root):
        sweep(root, re.escape(FILE))
        return download(PREDICTIONS, root)


@command("Stopped. Nothing half was left; the same command starts again.")
def main(arguments: Sequence[str] | None = None) -> int | None:
    """Run the command; returns the exit code.

    See Also
    --------
    fetch_predictions : does the work

    Examples
    --------
    Not run by the tests, since it needs a network.

    >>> main(["--root", "data/nih"])  # doctest: +SKIP
    """
    parser = argument_parser("published", __doc__)
    parser.add_argument("--root", default=settings.films_folder(), help="folder of the label file (or CXR_ROOT)")
    options = parser.parse_args(arguments)
    if not options.root:
        raise CourseError("Where to? Name the folder of NIH's label file with --root.")
    print(f"Verified: {find_and_read(options.root) or fetch_predictions(options.root)}")


def find_and_read(root: Path | str) -> Path | None:
    """Path of the predictions, after a check that they are the published ones; None if there are none.

    See Also
    --------
    find_predictions : the same without reading

    Examples
    --------
    >>> from util.data.cohort import PHANTOM
    >>> print(find_and_read(PHANTOM))
    None
    """
    path = find_predictions(root)
    if path:
        read_predictions(path)
    return path
