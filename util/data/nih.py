"""ChestX-ray14's own files as NIH distributes them: label table, box list, split lists, folders of films.

Wang et al., ChestX-ray8, CVPR 2017 (arXiv 1705.02315); https://nihcc.app.box.com/v/ChestXray-NIHCC
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from util.data.images import film_shape
from util.data.tables import PACKINGS, named, quoted, read_lines, read_table
from util.errors import CourseError
from util.findings import FINDINGS

LABEL_FILES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv", "labels.csv", "sample_labels.csv")
BOX_FILES = ("BBox_List_2017.csv", "boxes.csv")
COLUMNS = {
    "Image Index": "Image",
    "Patient ID": "PatientId",
    "Follow-up #": "FollowUp",
    "Patient Age": "Age",
    "Patient Gender": "Sex",
    "View Position": "View",
}
LISTS = ("train_val_list.txt", "test_list.txt")
BOX_PIXELS = 1024  # NIH gives its boxes in films of 1024 x 1024 pixels
BOX_COLUMNS = ["Image", "finding", "x", "y", "w", "h"]
CORNERS = BOX_COLUMNS[2:]
BOX_HEADER = ["Image Index", "Finding Label", ("Bbox [x", "x"), "y", "w", ("h]", "h")]
HEALTHY = "No Finding"  # NIH's own words
NUMBER = re.compile(r" *0*([0-9]{1,9})(?:\.0*)?([A-Z]?) *")  # 58, 00000001, 58.0, 058Y
LENGTH = re.compile(r" *(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})? *")  # 225, 225.08, 2.25e2
YEARS, YOUNG = {"": 1, "Y": 1}, {"M": 12, "W": 52, "D": 365}  # units of ages in early copies, and how many make a year
ENDINGS = ("png", "jpg", "jpeg")  # of films on disk
OLDEST = 120  # the first label file holds ages up to 414


def find_file(root: Path, names: Iterable[str]) -> Path | None:
    """First of `names` in the folder `root`, plain or packed, such as .csv.gz, .csv.zip or .zip, or None.

    See Also
    --------
    find_films : the films of the folder

    Examples
    --------
    >>> print(find_file(Path("no-such-folder"), LABEL_FILES))
    None
    """
    packed = [file for name in names for file in (*(name + ending for ending in PACKINGS), f"{Path(name).stem}.zip")]
    return next((root / file for file in packed if (root / file).is_file()), None)


def read_labels(path: Path | str) -> pd.DataFrame:
    """Read a label file of ChestX-ray14, any version, plain or packed.

    Parameters
    ----------
    path : str or Path, such as Data_Entry_2017_v2020.csv.gz

    Returns
    -------
    DataFrame, one row per film in the file's order: Image, PatientId, FollowUp, Age (whole years, NaN where the file
    says more than 120), Sex, View, and the 14 findings as 0/1 (int8) in the order of FINDINGS. ``attrs["notes"]`` is a
    tuple of sentences on how it was read.

    Raises
    ------
    CourseError : the file cannot be read (`util.data.tables.read_table`), a finding is unknown, a film appears twice or
        has no name, a value is not a number, is negative or too large, or no film is listed at all.

    See Also
    --------
    read_boxes : the boxes
    util.data.cohort.load_cohort : labels, boxes, films and split together

    Examples
    --------
    >>> from util.data.cohort import PHANTOM
    >>> read_labels(PHANTOM / "films.csv")
    Traceback (most recent call last):
    util.errors.CourseError: ... has no column Image Index, ...: is it NIH's Data_Entry_2017 file?

    Taught in lesson 2.
    """
    path = Path(path)
    table = read_table(path, COLUMNS | {"Finding Labels": "labels"}, "NIH's Data_Entry_2017 file")
    if table.empty:
        raise CourseError(f"{path} lists no film: fetch it again from NIH.")
    films = table[list(COLUMNS.values())].copy()
    _refuse(films, [not name.strip() for name in films["Image"].tolist()], "Image", "the name of a film", path)
    twice = films["Image"][film_stems(films["Image"]).duplicated()]
    if len(twice):
        raise CourseError(f"{path} lists the film {named(twice.iloc[0])} twice: keep one of its rows.")
    young = films["Age"].isin([age for age in films["Age"].unique() if age.strip().endswith(tuple(YOUNG))]).sum()
    for column, units in (("PatientId", {"": 1}), ("FollowUp", {"": 1}), ("Age", YEARS | YOUNG)):
        films[column] = _numbers(films, column, units, path)
    films["Age"] = films["Age"].astype(float).where(films["Age"] <= OLDEST)
    _refuse(films, ~films["Sex"].isin(["M", "F"]), "Sex", "M or F", path)
    _refuse(films, ~films["View"].isin(["PA", "AP"]), "View", "PA or AP", path)
    films = films.join(_findings(table["labels"], films["Image"], path))
    films.attrs["notes"] = (f"{young:,} ages in months, weeks or days are read as whole years.",) if young else ()
    return films


def _numbers(films, column, units, path):
    """Whole numbers from a column of text, divided by their unit; few texts are distinct, so each is parsed once."""
    codes, texts = pd.factorize(films[column])
    found = [NUMBER.fullmatch(text) for text in texts.tolist()]
    numbers = [int(match[1]) // units[match[2]] if match and match[2] in units else -1 for match in found]
    numbers = pd.Series(np.array(numbers, np.int64)[codes], films.index)
    _refuse(films, numbers < 0, column, "a whole number from 0 up to 999,999,999", path)
    return numbers


def _refuse(films, bad, column, wanted, path):
    """Raise a CourseError that names the first film of the rows `bad`, if there are any."""
    if any(bad):
        film, value = (
            films.loc[bad, ["Image", column]].iloc[0] if column != "Image" else [films[bad]["Image"].iloc[0]] * 2
        )
        raise CourseError(
            f"{path}: the film {named(film)} has {column} {quoted(value)}, not {wanted}: correct that row."
        )


def _findings(labels, images, path):
    """0/1 table of the 14 findings from strings such as 'Effusion|Mass'; each distinct string is parsed once."""
    codes, distinct = pd.factorize(labels)
    known = {finding: column for column, finding in enumerate(FINDINGS)}
    rows = np.zeros((len(distinct), len(FINDINGS)), np.int8)
    for number, text in enumerate(distinct):
        names = text.split("|")
        unknown = [name for name in names if name not in known and name != HEALTHY]
        film = named(images[codes == number].iloc[0]) if unknown or (HEALTHY in names and len(set(names)) > 1) else None
        if unknown:
            raise CourseError(
                f"{path}: unknown finding {quoted(unknown[0])} of the film {film}; known are {', '.join(FINDINGS)}."
            )
        if film:
            raise CourseError(f"{path}: the film {film} has both {HEALTHY} and a finding: correct that row.")
        rows[number, [known[name] for name in names if name in known]] = 1
    return pd.DataFrame(rows[codes], columns=list(FINDINGS), index=labels.index)


def film_stems(names: Iterable[str]) -> pd.Series:
    """Names of films without .png, .jpg or .jpeg, since a film may have a different format on disk than in a table.

    See Also
    --------
    match_films : finds films by them

    Examples
    --------
    >>> film_stems(["00000001_000.png", "00000001_000.JPG"]).tolist()
    ['00000001_000', '00000001_000']
    """
    index = names.index if isinstance(names, pd.Series) else None
    names = list(names) if index is None else names.tolist()  # a pandas column of text is slow to iterate over
    parts = [(name, *name.rpartition(".")) for name in names]
    stems = [head if ending.lower() in ENDINGS else name for name, head, _, ending in parts]
    return pd.Series(stems, index, dtype=object)


def find_films(root: Path) -> dict[str, Path]:
    """Paths of the PNG and JPEG films under `root` by file name.

    They may be in images/, in images_001/images/ to images_012/images/, or in root itself.

    See Also
    --------
    match_films : the films of a table among them

    Examples
    --------
    >>> find_films(Path("no-such-folder"))
    {}
    """
    folders = [root, root / "images", *sorted(root.glob("images_0*")), *sorted(root.glob("images_0*/images"))]
    return {
        path.name: path
        for folder in folders
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if path.suffix[1:].lower() in ENDINGS and not path.name.startswith(".")
    }


def match_films(images: pd.Series, files: Mapping[str, Path]) -> dict[str, Path]:
    """Paths of the films in a table, by their names in the table.

    Parameters
    ----------
    images : Series of film names, with distinct stems
    files : dict, file name -> Path (`find_films`); if the exact name is absent, a file with a different ending counts

    Returns
    -------
    dict, name in `images` -> Path, without the films that are not there

    Raises
    ------
    CourseError : two files with different endings could be the same film.

    See Also
    --------
    find_films : the files

    Examples
    --------
    >>> match_films(pd.Series(["a.png", "b.png"]), {"a.jpg": Path("a.jpg")})["a.png"].name
    'a.jpg'
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


def read_boxes(path: Path | str, paths: Mapping[str, Path]) -> pd.DataFrame:
    """Read NIH's box list, scaled to the films on disk.

    Parameters
    ----------
    path : str or Path of BBox_List_2017.csv, plain or packed (header of nine fields, rows of six), or of a table with
        x, y, w and h
    paths : dict, film name -> Path; boxes are matched by stem, and those of other films are left out

    Returns
    -------
    DataFrame: Image, finding, x, y, w, h in pixels of the film as read (float)

    Raises
    ------
    CourseError : the file cannot be read (`util.data.tables.read_table`), a finding is unknown, or a box is not four
        numbers within the film.

    See Also
    --------
    read_labels : the labels
    util.data.outlines.outlines : boxes as masks

    Examples
    --------
    >>> from util.data.cohort import PHANTOM
    >>> read_boxes(PHANTOM / "films.csv", {})
    Traceback (most recent call last):
    util.errors.CourseError: ... has no column Image Index, ...: is it NIH's BBox_List_2017 file?

    Taught in lesson 9.
    """
    path = Path(path)
    rows = read_table(path, dict(zip(BOX_HEADER, BOX_COLUMNS, strict=True)), "NIH's BBox_List_2017 file")
    rows["finding"] = rows["finding"].replace({"Infiltrate": "Infiltration"})  # the box list's own word
    unknown = rows[~rows["finding"].isin(FINDINGS)]
    if len(unknown):
        image, finding = unknown.iloc[0][["Image", "finding"]]
        raise CourseError(
            f"{path}: unknown finding {quoted(finding)} of the film {named(image)}; known are {', '.join(FINDINGS)}."
        )
    rows[CORNERS] = _within_film(rows, path)
    names, text = (
        film_stems(rows["Image"]).map(dict(zip(film_stems(list(paths)), paths, strict=True))),
        rows["Image"].dtype,
    )
    rows = (
        rows.assign(Image=names)[names.notna()].astype({"Image": text}).reset_index(drop=True)
    )  # text also where none is left
    shapes = {image: film_shape(paths[image]) for image in rows["Image"].unique()}
    scale = np.array([shapes[image] for image in rows["Image"]], float).reshape(-1, 2) / BOX_PIXELS
    rows[["x", "w"]] = rows[["x", "w"]].mul(scale[:, 1], axis=0)
    rows[["y", "h"]] = rows[["y", "h"]].mul(scale[:, 0], axis=0)
    return rows


def _within_film(rows, path):
    """x, y, w, h of a box list as floats; a number with a sign is refused."""
    box = rows[CORNERS].map(lambda text: float(text) if LENGTH.fullmatch(text) else np.nan).astype(float)
    far = box[["x", "y"]] + box[["w", "h"]].to_numpy()
    good = (box[["w", "h"]] > 0).all(axis=1) & (far <= BOX_PIXELS).all(axis=1)
    if not good.all():
        image, *values = map(named, rows.loc[~good, ["Image", *CORNERS]].iloc[0])
        raise CourseError(
            f"{path}: the box {', '.join(values)} of the film {image} is not x, y, w, h in a film of {BOX_PIXELS} x "
            f"{BOX_PIXELS} pixels: correct that row."
        )
    return box


def assign_splits(films: pd.DataFrame, root: Path) -> tuple[np.ndarray, str]:
    """Split of every film, and a sentence that says whose split it is.

    NIH's own lists (train_val_list.txt, test_list.txt) are used if both are present; an eighth of the patients of
    train_val are then validation patients. Without the lists, all patients are divided. A hash of the patient number
    decides, so that a patient is always on the same side, whichever films are at hand.

    Returns
    -------
    (array of str (n,): 'train', 'valid' or 'test', str)

    Raises
    ------
    CourseError : a list cannot be read (`util.data.tables.read_text`), or a film is in neither of them or in both.

    See Also
    --------
    util.data.splits.split_by_patient : a split of your own, balanced by finding

    Examples
    --------
    >>> films = pd.DataFrame({"PatientId": [7, 7]})
    >>> split, sentence = assign_splits(films, Path("no-such-folder"))
    >>> bool(split[0] == split[1])
    True

    Taught in lesson 3.
    """
    unit = films["PatientId"].map({patient: _unit(patient) for patient in films["PatientId"].unique()}).to_numpy()
    lists = [root / name for name in LISTS]
    if absent := [path.name for path in lists if not path.is_file()]:
        alone = f" ({absent[0]} is missing)" if len(absent) == 1 else ""
        split = np.select([unit < 0.60, unit < 0.70], ["train", "valid"], "test")
        return split, f"The split by patient is the course's own, not NIH's{alone}."
    train_val, test = (set(film_stems(read_lines(path))) for path in lists)
    stems = film_stems(films["Image"])
    for wrong, where in (
        (~stems.isin(train_val | test), "neither train_val_list.txt nor test_list.txt"),
        (stems.isin(train_val & test), "both train_val_list.txt and test_list.txt"),
    ):
        if wrong.any():
            image = named(films["Image"][wrong].iloc[0])
            raise CourseError(f"{root}: the film {image} is in {where}: fetch both lists again from NIH.")
    split = np.where(stems.isin(test), "test", np.where(unit < 0.125, "valid", "train"))
    return split, "Test films are NIH's official list; its training list is divided by patient by the course."


def _unit(patient):
    """A number in [0, 1) that depends on the patient alone, the same on every machine."""
    return int.from_bytes(hashlib.sha256(f"patient {patient}".encode()).digest()[:6], "big") / 2**48
