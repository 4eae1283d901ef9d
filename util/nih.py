"""ChestX-ray14's own files as NIH distributes them: label table, box list, split lists, folders of films.

Wang et al., ChestX-ray8, CVPR 2017 (arXiv 1705.02315); https://nihcc.app.box.com/v/ChestXray-NIHCC
"""

import hashlib
import re
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from util.errors import CourseError
from util.findings import FINDINGS
from util.images import film_shape

LABEL_FILES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv", "labels.csv")
BOX_FILES = ("BBox_List_2017.csv", "boxes.csv")
COLUMNS = {
    "Image Index": "Image",
    "Patient ID": "PatientId",
    "Follow-up #": "FollowUp",
    "Patient Age": "Age",
    "Patient Gender": "Sex",
    "View Position": "View",
}
BOX_PIXELS = 1024  # NIH gives its boxes in films of 1024 x 1024 pixels
BOX_COLUMNS = ["Image", "finding", "x", "y", "w", "h"]
CORNERS = BOX_COLUMNS[2:]
FILM = re.compile(r"\.(png|jpe?g)$", re.IGNORECASE)  # endings of films on disk
OLDEST = 120  # the first label file holds ages up to 414


def find_file(root, names):
    """First of `names` in the folder `root`, plain, .csv.gz, .csv.zip or .zip, or None."""
    packed = [file for name in names for file in (name, f"{name}.gz", f"{name}.zip", f"{Path(name).stem}.zip")]
    return next((root / file for file in packed if (root / file).is_file()), None)


def _read_table(path, **options):
    try:
        return pd.read_csv(path, **options)
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CourseError(f"The table {path} cannot be read ({reason}): fetch it again from NIH.") from None


def read_labels(path):
    """Read a label file of ChestX-ray14, either version, plain, gzip or zip.

    Parameters
    ----------
    path : str or Path, such as Data_Entry_2017_v2020.csv.gz

    Returns
    -------
    DataFrame, one row per film in the file's order: Image, PatientId, FollowUp, Age (years, NaN where the file
    says more than 120), Sex, View, and the 14 findings as 0/1 (int8) in the order of FINDINGS

    Raises
    ------
    CourseError : a column is missing, a finding is unknown, a film stands twice, an age is negative or no number,
    or no film is listed at all.
    """
    path = Path(path)
    table = _read_table(path, dtype=str, keep_default_na=False)
    absent = [column for column in (*COLUMNS, "Finding Labels") if column not in table]
    if absent:
        raise CourseError(f"{path} has no column {', '.join(absent)}: is it NIH's Data_Entry_2017 file?")
    if table.empty:
        raise CourseError(f"{path} lists no film: fetch it again from NIH.")
    films = table[list(COLUMNS)].rename(columns=COLUMNS)
    twice = films["Image"][film_stems(films["Image"]).duplicated()]
    if len(twice):
        raise CourseError(f"{path} lists the film {twice.iloc[0]} twice: keep one of its rows.")
    for column in ("PatientId", "FollowUp", "Age"):
        films[column] = _numbers(films, column, path)
    films[["PatientId", "FollowUp"]] = films[["PatientId", "FollowUp"]].astype(int)
    films.loc[films["Age"] > OLDEST, "Age"] = np.nan
    _refuse(films, ~films["Sex"].isin(["M", "F"]), "Sex", "M or F", path)
    _refuse(films, ~films["View"].isin(["PA", "AP"]), "View", "PA or AP", path)
    return pd.concat([films, _findings(table["Finding Labels"], path)], axis=1)


def _numbers(films, column, path):
    text = films[column].str.removesuffix("Y") if column == "Age" else films[column]  # '058Y' in early copies
    numbers = pd.to_numeric(text, errors="coerce")
    _refuse(films, ~((numbers >= 0) & (numbers % 1 == 0)), column, "a whole number from 0 up", path)
    return numbers


def _refuse(films, bad, column, wanted, path):
    """Name the first film of the rows `bad`, if there are any."""
    if bad.any():
        row = films[bad].iloc[0]
        raise CourseError(
            f"{path}: the film {row['Image']} has {column} {row[column]!r}, not {wanted}: correct that row."
        )


def _findings(labels, path):
    """0/1 table of the 14 findings from 'Effusion|Mass' strings; few distinct strings, so each is parsed once."""
    codes, distinct = pd.factorize(labels)
    known = {finding: column for column, finding in enumerate(FINDINGS)}
    rows = np.zeros((len(distinct), len(FINDINGS)), np.int8)
    for row, text in zip(rows, distinct, strict=True):
        for finding in text.split("|"):
            if finding in known:
                row[known[finding]] = 1
            elif finding != "No Finding":
                raise CourseError(f"{path}: unknown finding {finding!r}; known are {', '.join(FINDINGS)}.")
    return pd.DataFrame(rows[codes], columns=list(FINDINGS), index=labels.index)


def film_stems(names):
    """Names of films without .png, .jpg or .jpeg: the same film may be kept in another format than a table says."""
    return pd.Series(names, dtype=object).str.replace(FILM, "", regex=True)


def find_films(root):
    """Paths of the films under `root`, by file name, PNG or JPEG: in images/, images_001/images/ to images_012/images/,
    or in root itself."""
    folders = [root, root / "images", *sorted(root.glob("images_0*")), *sorted(root.glob("images_0*/images"))]
    return {
        path.name: path
        for folder in folders
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if FILM.search(path.name) and not path.name.startswith(".")
    }


def match_films(images, files):
    """Paths of the films that a table lists, by the table's own names.

    Parameters
    ----------
    images : Series of film names, no two of one stem
    files : dict, file name -> Path (`find_films`); a file of another ending is taken where the very name is absent

    Returns
    -------
    dict, name in `images` -> Path, without the films that are not there

    Raises
    ------
    CourseError : two files of other endings could be a film.
    """
    stems, by_stem = film_stems(list(files)), {}
    for name, stem in zip(files, stems, strict=True):
        by_stem.setdefault(stem, []).append(name)
    found = {}
    for image, stem in zip(images, film_stems(images), strict=True):
        names = [image] if image in files else by_stem.get(stem, [])
        if len(names) > 1:
            raise CourseError(f"The film {image} could be {names[0]} or {names[1]} on disk: keep one of them.")
        if names:
            found[image] = files[names[0]]
    return found


def read_boxes(path, paths):
    """Read NIH's box list, scaled to the films on disk.

    Parameters
    ----------
    path : str or Path of BBox_List_2017.csv, plain, gzip or zip (header of nine fields, rows of six) or a table of six
    paths : dict, film name -> Path; boxes are found by stem, those of other films are left out

    Returns
    -------
    DataFrame: Image, finding, x, y, w, h in pixels of the film as read (float)

    Raises
    ------
    CourseError : a finding is unknown, or a box is not four numbers within the film.
    """
    rows = _read_table(path, header=0, names=BOX_COLUMNS, usecols=range(6), dtype=str, keep_default_na=False)
    rows["finding"] = rows["finding"].replace({"Infiltrate": "Infiltration"})  # the box list's own word
    unknown = set(rows["finding"]) - set(FINDINGS)
    if unknown:
        raise CourseError(f"{path}: unknown finding {sorted(unknown)[0]!r}; known are {', '.join(FINDINGS)}.")
    rows[CORNERS] = _within_film(rows, path)
    rows["Image"] = film_stems(rows["Image"]).map(dict(zip(film_stems(list(paths)), paths, strict=True)))
    rows = rows[rows["Image"].notna()].reset_index(drop=True)
    shapes = {image: film_shape(paths[image]) for image in rows["Image"].unique()}
    scale = np.array([shapes[image] for image in rows["Image"]], float).reshape(-1, 2) / BOX_PIXELS
    rows[["x", "w"]] = rows[["x", "w"]].mul(scale[:, 1], axis=0)
    rows[["y", "h"]] = rows[["y", "h"]].mul(scale[:, 0], axis=0)
    return rows


def _within_film(rows, path):
    """x, y, w, h of a box list as floats."""
    box = rows[CORNERS].apply(pd.to_numeric, errors="coerce").astype(float)
    far = box[["x", "y"]] + box[["w", "h"]].to_numpy()
    good = (box[["x", "y"]] >= 0).all(axis=1) & (box[["w", "h"]] > 0).all(axis=1) & (far <= BOX_PIXELS).all(axis=1)
    if not good.all():
        image, *values = rows.loc[~good, ["Image", *CORNERS]].iloc[0]
        raise CourseError(
            f"{path}: the box {', '.join(values)} of the film {image} is not x, y, w, h in a film of {BOX_PIXELS} x "
            f"{BOX_PIXELS} pixels: correct that row."
        )
    return box


def assign_splits(films, root):
    """Split of every film, and a sentence that says whose split it is.

    NIH's own lists (train_val_list.txt, test_list.txt) are used where present; a fifth of the patients of
    train_val, and without the lists all patients, are divided by a hash of the patient number, so that a patient
    falls on the same side whichever films are at hand.

    Returns
    -------
    (array of str (n,): 'train', 'valid' or 'test', str)
    """
    unit = films["PatientId"].map({patient: _unit(patient) for patient in films["PatientId"].unique()}).to_numpy()
    lists = [root / "train_val_list.txt", root / "test_list.txt"]
    if not all(path.is_file() for path in lists):
        split = np.select([unit < 0.60, unit < 0.70], ["train", "valid"], "test")
        return split, "The split by patient is the course's own, not NIH's."
    train_val, test = (set(film_stems(path.read_text(encoding="utf-8").split())) for path in lists)
    stems = film_stems(films["Image"])
    unlisted = films["Image"][~stems.isin(train_val | test)]
    if len(unlisted):
        raise CourseError(f"{root}: the film {unlisted.iloc[0]} is in neither train_val_list.txt nor test_list.txt.")
    split = np.where(stems.isin(test), "test", np.where(unit < 0.125, "valid", "train"))
    return split, "Test films are NIH's official list; its training list is divided by patient by the course."


def _unit(patient):
    """A number in [0, 1) that depends on the patient alone, the same on every machine."""
    return int.from_bytes(hashlib.sha256(f"patient {patient}".encode()).digest()[:6], "big") / 2**48
