"""Open a hospital's folder: films, tables and the vendor's claims, with nothing changed and nothing missing. Lesson 15."""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from util.data.cohort import Cohort
from util.errors import CourseError

FORMAT = "hospital-1"
TABLES = ("films.csv", "scores.csv", "reread.csv", "claims.csv")  # what the fingerprint is of
OTHERS = ("boxes.csv", "maps.npz", "claims.md", "hospital.json")


@dataclass(frozen=True, eq=False)
class Hospital:
    """A hospital, as a student holds it: no verdict and no key is in here.

    Attributes
    ----------
    student : str, whose hospital this is
    fingerprint : str, SHA-256 of the tables in hexadecimal; a report names it
    folder : Path
    films : DataFrame, one row per film: Image, PatientId, FollowUp, Age (years), Sex (F, M), View (AP, PA), Site (A, B),
        Split (train, valid, test) and the 14 findings as 0/1, as mined from reports
    scores : DataFrame of the validation and test films: Image, a probability for each scored finding, and one column
        '<finding>_old', the old model's probabilities for the finding of the claim 'better'
    reread : DataFrame of a random sample of films: Image and one finding as 0/1, what a radiologist saw
    boxes : DataFrame: Image, finding, x, y, w, h in pixels, the outlines for the claim 'maps'; one film may have several
    maps : dict film name -> uint8 (80, 80), the vendor's heat map of a test film; a cell is 1/80 of the film wide
    claims : DataFrame, index key: claim (a sentence), finding (or ""), attribute ('Sex', 'Age', 'View', 'Site' or ""; see
        util.hospital.claims.GROUPS) and claimed (the number that the claim states)
    cohort : util.data.cohort.Cohort of the films, for the functions of util.leaks

    See Also
    --------
    open_hospital : reads one from its folder

    Examples
    --------
    Not run by the tests, since it needs a hospital's folder.

    >>> open_hospital("anna").scored("test")  # doctest: +SKIP

    Taught in lesson 15, section 1.
    """

    student: str
    fingerprint: str
    folder: Path
    films: pd.DataFrame
    scores: pd.DataFrame
    reread: pd.DataFrame
    boxes: pd.DataFrame
    maps: Mapping[str, np.ndarray]
    claims: pd.DataFrame
    cohort: Cohort

    def read(self, image: str) -> np.ndarray:
        """Pixels of one film by name: uint8 (h, w), 0 black to 255 white."""
        return self.cohort.read(image)

    def split(self, name: str) -> pd.DataFrame:
        """Rows of `films` in the split 'train', 'valid' or 'test', numbered from 0."""
        return self.cohort.split(name)

    def scored(self, split: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Films of the split 'valid' or 'test', and their rows of `scores` in the same order."""
        films = self.split(split)
        scores = self.scores.set_index("Image").reindex(films["Image"]).reset_index()
        return films, scores


def fingerprint_of(contents: Mapping[str, bytes]) -> str:
    """SHA-256 in hexadecimal of the bytes of the `TABLES`, by name.

    See Also
    --------
    util.hospital.tables.fingerprint : of a plan

    Examples
    --------
    >>> fingerprint_of(dict.fromkeys(TABLES, b""))[:8]
    'b08be02d'
    """
    digest = hashlib.sha256()
    for name in TABLES:
        digest.update(f"{name} {len(contents[name])}\n".encode())
        digest.update(contents[name])
    return digest.hexdigest()


def open_hospital(folder: Path | str) -> Hospital:
    """Open the folder of a hospital.

    Parameters
    ----------
    folder : path of a folder that ``python -m util hospital`` wrote

    Returns
    -------
    Hospital

    Raises
    ------
    CourseError : the folder is not there or does not hold a hospital, a file is missing or damaged, or a table was changed.

    See Also
    --------
    util.hospital.draw.draw_hospital : writes such a folder

    Examples
    --------
    Not run by the tests, since it needs a hospital's folder.

    >>> open_hospital("anna").claims.loc["copies", "claim"]  # doctest: +SKIP

    Taught in lesson 15, section 1.
    """
    folder = Path(folder).expanduser().absolute()
    note = _passport(folder)
    for name in (*TABLES, *OTHERS):
        if not (folder / name).is_file():
            raise CourseError(f"{folder} lacks {name}: draw the hospital again in an empty folder.")
    contents = {name: (folder / name).read_bytes() for name in (*TABLES, "boxes.csv")}
    if fingerprint_of(contents) != note["fingerprint"]:
        raise CourseError(
            f"A table in {folder} is not the one that was drawn ({', '.join(TABLES)}): keep your own numbers in other "
            "files, and draw the hospital again in an empty folder."
        )
    tables = {Path(name).stem: pd.read_csv(io.BytesIO(raw), keep_default_na=False) for name, raw in contents.items()}
    films = tables["films"]
    paths = {image: folder / "films" / image for image in films["Image"]}
    absent = [image for image, path in paths.items() if not path.is_file()]
    if absent:
        raise CourseError(
            f"{folder} lacks {len(absent):,} of {len(films):,} films, such as films/{absent[0]}: draw the hospital "
            "again in an empty folder."
        )
    cohort = Cohort("phantom", films, tables["boxes"], paths=paths, root=folder, notes=("A hospital of lesson 15.",))
    return Hospital(
        note["student"], note["fingerprint"], folder, films, tables["scores"], tables["reread"], tables["boxes"],
        _maps(folder / "maps.npz"), tables["claims"].set_index("key"), cohort,
    )  # fmt: skip


def _passport(folder):
    """What hospital.json says."""
    if not folder.is_dir():
        raise CourseError(f"There is no folder {folder}: name one that python -m util hospital wrote.")
    path = folder / "hospital.json"
    if not path.is_file():
        raise CourseError(
            f"{folder} is not a hospital (hospital.json is missing): name one that python -m util hospital wrote."
        )
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        known = note["format"] == FORMAT
        if not isinstance(note["student"], str) or not isinstance(note["fingerprint"], str):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CourseError(f"{path} is damaged: draw the hospital again in an empty folder.") from None
    if not known:
        raise CourseError(
            f"{folder} is of the format {note['format']!r}, and this version of the course reads {FORMAT!r}: draw the "
            "hospital again."
        )
    return note


def _maps(path):
    """The heat maps by film name."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:  # NumPy leaves a damaged one open
            names, maps = stored["names"], stored["maps"]
        if maps.dtype != np.uint8 or maps.ndim != 3 or len(names) != len(maps):
            raise ValueError
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        raise CourseError(f"{path} is damaged: draw the hospital again in an empty folder.") from None
    return dict(zip(names.tolist(), maps, strict=True))
