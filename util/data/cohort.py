"""One interface to two cohorts: simulated films with known truth (`phantom`) and real ones (`nih`)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from util import settings
from util.data import nih
from util.data.images import read_film
from util.data.tables import read_table
from util.errors import CourseError
from util.findings import FINDINGS
from util.progress import progress
from util.threads import workers

HOME = settings.course_home()
PHANTOM = HOME / "data" / "phantom"
COLUMNS = ["Image", "PatientId", "FollowUp", "Age", "Sex", "View", "Split", *FINDINGS]
DEVICES = ["Portable", "ChestTube"]  # known for simulated films only
TEXTS = {"Image", "Sex", "View", "Split", "NearDuplicateOf", "finding"}  # columns of the phantom that hold no numbers
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, eq=False)
class Cohort:
    """Films with labels, boxes and a split by patient.

    Attributes
    ----------
    name : 'phantom' or 'nih'
    films : DataFrame, one row per film: Image, PatientId, FollowUp, Age (years), Sex (M, F), View (PA, AP),
        Split (train, valid, test) and the 14 findings as 0/1, as mined from reports; in the phantom also Portable (the
        printed marker) and ChestTube as 0/1
    boxes : DataFrame: Image, finding, x, y, w, h in pixels of the film as read
    truth : DataFrame: Image and the 14 findings as 0/1 as they really are (phantom), or None if unknown (nih)
    missing : tuple of names of films that are in the label table but not on disk
    notes : tuple of sentences about how the cohort was read
    paths : dict, film name -> Path of its file
    duplicates : DataFrame: Image and NearDuplicateOf, the film that it copies (phantom), or None (nih)
    reversed : a Cohort of its own, with films of other patients in which view, PORTABLE marker and chest tubes go with
        the findings the other way around (phantom), or None (nih). The tables above leave out its films.
    root : Path of the folder that the cohort was loaded from and that may hold further files, or None if it was put
        together by hand

    See Also
    --------
    load_cohort : loads one
    film_by_film : a function of every film

    Examples
    --------
    >>> films = pd.DataFrame({"Image": ["a.png", "b.png"], "Split": ["train", "test"]})
    >>> Cohort("phantom", films, boxes=pd.DataFrame()).split("test")["Image"].tolist()
    ['b.png']

    Taught in lesson 2, section 1.
    """

    name: str
    films: pd.DataFrame
    boxes: pd.DataFrame
    truth: pd.DataFrame | None = None
    missing: tuple = ()
    notes: tuple = ()
    paths: dict = field(default_factory=dict, repr=False)
    duplicates: pd.DataFrame | None = None
    reversed: "Cohort | None" = None
    root: Path | None = None

    @property
    def simulated(self) -> bool:
        """True where the films are drawn by a computer."""
        return self.name == "phantom"

    def split(self, name: str) -> pd.DataFrame:
        """Rows of `films` in the split 'train', 'valid' or 'test', numbered from 0; 'reversed' takes `reversed`."""
        if name not in (*SPLITS, "reversed"):
            raise CourseError(
                f"There is no split {name!r}: use 'train', 'valid' or 'test', or 'reversed' on the phantom."
            )
        films = self.films if name in SPLITS or self.reversed is None else self.reversed.films
        films = films[films["Split"] == name].reset_index(drop=True)
        if name == "reversed" and films.empty:
            raise CourseError(
                f"This {self.name} cohort has no split 'reversed': only a simulation can reverse how view, marker and "
                "chest tubes go with the findings. Use the embedded phantom."
            )
        return films

    def read(self, image: str) -> np.ndarray:
        """Pixels of one film by name: uint8 (h, w)."""
        if image not in self.paths:
            raise CourseError(f"The film {image} is not on disk in this cohort: choose one of cohort.films.Image.")
        return read_film(self.paths[image])

    def __str__(self):
        kind = "simulated films (phantom cohort)" if self.simulated else "real films (nih cohort, ChestX-ray14)"
        counts = self.films["Split"].value_counts()
        shown = [split for split in (*SPLITS, "reversed") if split in SPLITS or split in counts]
        splits = ", ".join(f"{counts.get(split, 0):,} {split}" for split in shown)
        head = f"{len(self.films):,} {kind} of {self.films['PatientId'].nunique():,} patients: {splits}."
        return "\n".join([head, *self.notes, "Not for clinical use."])


def film_by_film(
    cohort: Cohort,
    images: Sequence[str],
    work: Callable[[np.ndarray], Any],
    label: str,
    unreadable: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Apply a function to each film, on all cores and with a progress bar.

    Parameters
    ----------
    cohort : Cohort
    images : film names
    work : function of the pixels of a film, uint8 (h, w)
    label : str, shown in front of the bar
    unreadable : dict to be filled with the names of films that cannot be read and the reasons, or None

    Returns
    -------
    dict film name -> result of `work`, in the order of `images`, without the films that cannot be read

    Raises
    ------
    CourseError : a film cannot be read, and `unreadable` is None.

    See Also
    --------
    Cohort.read : one film

    Examples
    --------
    >>> paths = {"a": PHANTOM / "films" / "00000001_000.jpg"}
    >>> cohort = Cohort("phantom", pd.DataFrame(), pd.DataFrame(), paths=paths)
    >>> film_by_film(cohort, ["a"], np.shape, "measuring films")
    {'a': (320, 320)}
    """
    answers = {}

    def take(image):
        try:
            return image, work(cohort.read(image)), None
        except CourseError as error:
            return image, None, error

    with workers() as pool:
        for image, answer, error in progress(pool.map(take, images), label, total=len(images)):
            if error is None:
                answers[image] = answer
            elif unreadable is None:
                raise error
            else:
                unreadable[image] = str(error)
    return answers


def load_cohort(name: str | None = None, root: Path | str | None = None) -> Cohort:
    """Load the tables of a cohort; films are read later, one by one, when they are asked for.

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
    CourseError : the name is unknown, the folder is missing or empty, or a table in it is wrong; or neither name nor
        folder is given and only CXR_ROOT is set, so that it is unclear which films are meant.

    See Also
    --------
    load_table : NIH's whole label table, without films
    util.data.fetch_nih.fetch_nih : fetches real films

    Examples
    --------
    >>> cohort = load_cohort("phantom")
    >>> cohort.simulated, cohort.truth.shape == (len(cohort.films), 15)
    (True, True)

    Taught in lesson 2, section 1.
    """
    asked = name or settings.cohort_name()
    if not asked and not root and settings.films_folder():
        raise CourseError(
            "CXR_ROOT names a folder of real films, but COHORT is not set: set COHORT=nih to read them, or "
            "COHORT=phantom for the simulated ones."
        )
    name = asked or "phantom"
    if name == "phantom":
        return _load_phantom(Path(root or PHANTOM).expanduser().absolute())
    if name == "nih":
        return _load_nih(root or settings.films_folder())
    raise CourseError(f"There is no cohort {name!r}: use 'phantom' or 'nih'.")


def _load_phantom(root):
    tables = {}
    for table in ("films", "truth", "boxes"):
        path = root / f"{table}.csv"
        if not path.is_file():
            raise CourseError(
                f"No phantom cohort at {root} ({path.name} is missing): restore data/phantom from the repository, "
                "or ask for the cohort nih if that folder holds real films."
            )
        tables[table] = _phantom_table(path)
    films, truth = tables["films"], tables["truth"].set_index("Image")
    if set(films["Image"]) != set(truth.index):
        raise CourseError(f"{root}: truth.csv speaks of other films than films.csv: restore data/phantom.")
    tables["truth"] = truth.loc[films["Image"]].reset_index()
    aside = films["Split"] == "reversed"
    paths = {image: root / "films" / image for image in films["Image"]}
    notes = ("Drawn by a computer with known truth; findings are enriched, see data/README.md.",)
    if not aside.any():
        return _phantom(root, tables, films["Image"], paths, notes)
    apart = _phantom(root, tables, films["Image"][aside], paths, notes)
    notes += (f"{aside.sum():,} more films, confounders reversed, stay apart: cohort.split('reversed').",)
    return replace(_phantom(root, tables, films["Image"][~aside], paths, notes), reversed=apart)


def _phantom(root, tables, images, paths, notes):
    """The simulated cohort of some films of the tables; every film of `paths` can be read."""
    films, truth, boxes = (table[table["Image"].isin(images)].reset_index(drop=True) for table in tables.values())
    duplicates = truth.loc[truth["NearDuplicateOf"] != "", ["Image", "NearDuplicateOf"]].reset_index(drop=True)
    truth = truth[["Image"]].join((truth[list(FINDINGS)] > 0).astype("int8"))
    return Cohort("phantom", films, boxes, truth, notes=notes, paths=paths, duplicates=duplicates, root=root)


def _phantom_table(path):
    columns = {
        "films": [*COLUMNS, *DEVICES],
        "truth": ["Image", *FINDINGS, "NearDuplicateOf"],
        "boxes": nih.BOX_COLUMNS,
    }[path.stem]
    try:
        table = read_table(path, {column: column for column in columns}, "a table of the phantom")
        numbers = [column for column in columns if column not in TEXTS]
        table[numbers] = table[numbers].apply(pd.to_numeric)
        if path.stem == "films" and not _plausible(table):
            raise ValueError
    except ValueError:
        raise CourseError(f"The table {path} is damaged: restore data/phantom from the repository.") from None
    return table


def _plausible(films):
    """Whether a table of simulated films is plausible: each film once, whole numbers, labels of 0 and 1."""
    whole = films[["PatientId", "FollowUp", "Age"]]
    return (
        films["Image"].is_unique
        and all(pd.api.types.is_integer_dtype(dtype) for dtype in whole.dtypes)
        and (whole >= 0).all(axis=None)
        and films[[*FINDINGS, *DEVICES]].isin([0, 1]).all(axis=None)
        and films["Sex"].isin(["F", "M"]).all()
        and films["View"].isin(["PA", "AP"]).all()
        and films["Split"].isin([*SPLITS, "reversed"]).all()
    )


def load_table(root: Path | str) -> Cohort:
    """The whole label table of ChestX-ray14, with or without films on disk: a Cohort whose films cannot be read.

    Parameters
    ----------
    root : folder with NIH's label file, such as `root` of a cohort

    Raises
    ------
    CourseError : no folder is named, it is missing, or its label file is missing or wrong.

    See Also
    --------
    load_cohort : the films that are on disk

    Examples
    --------
    >>> load_table("no-such-folder")
    Traceback (most recent call last):
    util.errors.CourseError: There is no folder ...: name the folder that holds NIH's label file and films.

    Taught in lesson 2.
    """
    root, _, listed = _nih_labels(root)
    split, sentence = nih.assign_splits(listed, root)
    boxes = pd.DataFrame(columns=nih.BOX_COLUMNS)
    notes, films = (*listed.attrs["notes"], sentence), listed.assign(Split=split)[COLUMNS]
    films.attrs.clear()
    return Cohort("nih", films, boxes, notes=notes, root=root)


def _nih_labels(root):
    """Folder, label file and label table of ChestX-ray14."""
    if not root:
        raise CourseError(
            "Where are the real films? Name their folder: COHORT=nih CXR_ROOT=folder, or make course COHORT=nih "
            "ROOT=folder."
        )
    root = Path(root).expanduser().resolve()
    if not root.is_dir():
        raise CourseError(f"There is no folder {root}: name the folder that holds NIH's label file and films.")
    label_file = nih.find_file(root, nih.LABEL_FILES)
    if label_file is None:
        raise CourseError(f"No label file in {root}: put NIH's Data_Entry_2017_v2020.csv there, plain, .gz or .zip.")
    return root, label_file, nih.read_labels(label_file)


def _load_nih(root):
    root, label_file, listed = _nih_labels(root)
    files = nih.find_films(root)
    paths = nih.match_films(listed["Image"], files)
    notes = [f"Labels: {label_file.name}, mined from reports. Source: NIH Clinical Center, Wang et al. 2017."]
    films = listed[listed["Image"].isin(paths)] if files else listed
    missing = tuple(listed["Image"][~listed["Image"].isin(paths)])
    if not files:
        notes.append("No film is on disk: the tables can be explored, no film can be read.")
    elif films.empty:
        raise CourseError(f"{label_file} lists none of the films under {root}: keep NIH's file names.")
    elif missing:
        notes.append(f"{len(missing):,} of {len(listed):,} listed films are not on disk and are left out.")
    unknown_ages = int(films["Age"].isna().sum())
    if unknown_ages:
        notes.append(f"{unknown_ages:,} impossible ages (over {nih.OLDEST} years) are treated as unknown.")
    notes += listed.attrs["notes"]
    films = films.reset_index(drop=True)
    films.attrs.clear()
    split, sentence = nih.assign_splits(films, root)
    box_file = nih.find_file(root, nih.BOX_FILES)
    boxes = nih.read_boxes(box_file, paths) if box_file else pd.DataFrame(columns=nih.BOX_COLUMNS)
    films = films.assign(Split=split)[COLUMNS]
    return Cohort("nih", films, boxes, None, missing, (*notes, sentence, *_gaps(films)), paths, root=root)


def _gaps(films):
    """Sentences on what a small cohort lacks: splits without films, findings that all films or none have."""
    empty = [split for split in SPLITS if not (films["Split"] == split).any()]
    if empty:
        yield f"No film falls into the split {' or '.join(empty)}: a larger folder would fill all three."
    positives = films[list(FINDINGS)].sum()
    for number, text in ((0, "No film shows"), (len(films), "Every film shows")):
        if constant := list(positives.index[positives == number]):
            yield f"{text} {', '.join(constant)}."
