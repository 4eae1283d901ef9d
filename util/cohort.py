"""One interface to two cohorts: simulated films with known truth (`phantom`) and real ones (`nih`)."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from util import nih
from util.errors import CourseError
from util.findings import FINDINGS
from util.images import read_film

HOME = Path(__file__).resolve().parents[1]  # the course's folder
PHANTOM = HOME / "data" / "phantom"
COLUMNS = ["Image", "PatientId", "FollowUp", "Age", "Sex", "View", "Split", *FINDINGS]


@dataclass(frozen=True, eq=False)
class Cohort:
    """Films with labels, boxes and a split by patient.

    Attributes
    ----------
    name : 'phantom' or 'nih'
    films : DataFrame, one row per film: Image, PatientId, FollowUp, Age (years), Sex (M, F), View (PA, AP),
        Split (train, valid, test) and the 14 findings as 0/1, as mined from reports
    boxes : DataFrame: Image, finding, x, y, w, h in pixels of the film as read
    truth : DataFrame Image and 14 findings as 0/1 as they really are (phantom), or None where nobody knows (nih)
    missing : tuple of names of films that the label table lists and that are not on disk
    notes : tuple of sentences about how the cohort was read
    """

    name: str
    films: pd.DataFrame
    boxes: pd.DataFrame
    truth: pd.DataFrame | None = None
    missing: tuple = ()
    notes: tuple = ()
    paths: dict = field(default_factory=dict, repr=False)

    @property
    def simulated(self):
        """True where the films are drawn by a computer."""
        return self.name == "phantom"

    def split(self, name):
        """Rows of `films` of one split, 'train', 'valid' or 'test', numbered from 0."""
        if name not in ("train", "valid", "test"):
            raise CourseError(f"There is no split {name!r}: use 'train', 'valid' or 'test'.")
        return self.films[self.films["Split"] == name].reset_index(drop=True)

    def read(self, image):
        """Pixels of one film by name: uint8 (h, w)."""
        if image not in self.paths:
            raise CourseError(f"The film {image} is not on disk in this cohort: choose one of cohort.films.Image.")
        return read_film(self.paths[image])

    def __str__(self):
        kind = "simulated films (phantom cohort)" if self.simulated else "real films (nih cohort, ChestX-ray14)"
        counts = self.films["Split"].value_counts()
        splits = ", ".join(f"{counts.get(split, 0):,} {split}" for split in ("train", "valid", "test"))
        head = f"{len(self.films):,} {kind} of {self.films['PatientId'].nunique():,} patients: {splits}."
        return "\n".join([head, *self.notes, "Not for clinical use."])


def load_cohort(name=None, root=None):
    """Load a cohort: its tables, never a film that is not asked for.

    Parameters
    ----------
    name : 'phantom' (embedded) or 'nih'; by default the environment variable COHORT, else 'phantom'
    root : folder of the cohort; for real films by default the environment variable CXR_ROOT, for the phantom the
        embedded one

    Returns
    -------
    Cohort

    Raises
    ------
    CourseError : the name is unknown, the folder is missing or empty, or a table in it is wrong.
    """
    name = name or os.environ.get("COHORT") or "phantom"
    if name == "phantom":
        return _load_phantom(Path(root or PHANTOM))
    if name == "nih":
        return _load_nih(root or os.environ.get("CXR_ROOT"))
    raise CourseError(f"There is no cohort {name!r}: use 'phantom' or 'nih'.")


def _load_phantom(root):
    tables = {}
    for table in ("films", "truth", "boxes"):
        path = root / f"{table}.csv"
        if not path.is_file():
            raise CourseError(
                f"No phantom cohort at {root} ({path.name} is missing): restore data/phantom from the repository."
            )
        tables[table] = _phantom_table(path)
    films, truth = tables["films"], tables["truth"].set_index("Image")
    if set(films["Image"]) != set(truth.index):
        raise CourseError(f"{root}: truth.csv speaks of other films than films.csv: restore data/phantom.")
    truth = truth.loc[films["Image"]]
    paths = {image: root / "films" / image for image in films["Image"]}
    return Cohort(
        name="phantom",
        films=films,
        boxes=tables["boxes"],
        truth=(truth > 0).astype("int8").reset_index(),
        notes=("Drawn by a computer with known truth; findings are enriched, see data/README.md.",),
        paths=paths,
    )


def _phantom_table(path):
    columns = {"films": COLUMNS, "truth": ["Image", *FINDINGS], "boxes": nih.BOX_COLUMNS}[path.stem]
    try:
        return pd.read_csv(path)[columns]
    except (OSError, ValueError, KeyError):
        raise CourseError(f"The table {path} is damaged: restore data/phantom from the repository.") from None


def _load_nih(root):
    if not root:
        raise CourseError(
            "Where are the real films? Name their folder: COHORT=nih CXR_ROOT=folder, or make course COHORT=nih ROOT=folder."
        )
    root = Path(root).expanduser().resolve()
    if not root.is_dir():
        raise CourseError(f"There is no folder {root}: name the folder that holds NIH's label file and films.")
    label_file = nih.find_file(root, nih.LABEL_FILES)
    if label_file is None:
        raise CourseError(f"No label file in {root}: put NIH's Data_Entry_2017_v2020.csv there, plain, .gz or .zip.")
    listed, paths = nih.read_labels(label_file), nih.find_films(root)
    notes = [f"Labels: {label_file.name}, mined from reports. Source: NIH Clinical Center, Wang et al. 2017."]
    films = listed[listed["Image"].isin(paths)] if paths else listed
    missing = tuple(listed["Image"][~listed["Image"].isin(paths)])
    if not paths:
        notes.append("No film is on disk: the tables can be explored, no film can be read.")
    elif films.empty:
        raise CourseError(f"{label_file} lists none of the films under {root}: keep NIH's file names.")
    elif missing:
        notes.append(f"{len(missing):,} of {len(listed):,} listed films are not on disk and are left out.")
    unknown_ages = int(films["Age"].isna().sum())
    if unknown_ages:
        notes.append(f"{unknown_ages:,} impossible ages (over {nih.OLDEST} years) are treated as unknown.")
    films = films.reset_index(drop=True)
    paths = {image: paths[image] for image in films["Image"] if image in paths}
    split, sentence = nih.assign_splits(films, root)
    box_file = nih.find_file(root, nih.BOX_FILES)
    boxes = nih.read_boxes(box_file, paths) if box_file else pd.DataFrame(columns=nih.BOX_COLUMNS)
    films = films.assign(Split=split)[COLUMNS]
    return Cohort("nih", films, boxes, None, missing, (*notes, sentence), paths)
