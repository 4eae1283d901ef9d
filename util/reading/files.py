"""The answers of a class: one CSV file for each reader and reading, read strictly, with one sentence for each nonsense.

    room,reader,reading,film,finding,confidence,x,y
    4be1c2d0a9f7,ann,alone,03fa9c,yes,4,0.3120,0.4450
    4be1c2d0a9f7,ann,alone,77b1e0,no,2,,

`x` and `y` are shares of the film's width and height, from the left and from above, or empty where no place was shown.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from util.data.tables import quoted, read_text
from util.errors import CourseError
from util.files import write_text
from util.reading.room import Room

COLUMNS = ["room", "reader", "reading", "film", "finding", "confidence", "x", "y"]
READINGS = ("alone", "advice")
NAME = re.compile(r"\w[\w .-]{0,39}")  # of a reader; no sign that a spreadsheet or a page would act on
STEPS = 5  # of confidence, from 1 guessing to 5 sure
MOST_BYTES, MOST_FILES = 100_000, 400


@dataclass(frozen=True, eq=False)
class Answers:
    """One reader's answers in one reading.

    Attributes
    ----------
    reader : str; reading : 'alone' or 'advice'
    table : DataFrame, index Film in the room's order: Finding (bool), Confidence (1 to 5), X, Y (shares, or NaN); only films
        that were answered
    missing : list of str, the films that were left out

    See Also
    --------
    read_answers : reads them from a file

    Examples
    --------
    >>> table = pd.DataFrame({"Finding": [True, False], "Confidence": [4, 2], "X": np.nan, "Y": np.nan}, ["a", "b"])
    >>> Answers("ann", "alone", table).ratings.tolist()
    [4, -2]

    Taught in lesson 16, section 1.
    """

    reader: str
    reading: str
    table: pd.DataFrame = field(repr=False)
    missing: list = field(default_factory=list)

    @property
    def ratings(self) -> np.ndarray:
        """How sure the reader is of the finding: int (films,) from -5 (surely not there) to 5 (surely there), without 0."""
        return np.where(self.table["Finding"], 1, -1) * self.table["Confidence"].to_numpy(int)


def read_answers(path: str | Path, room: Room) -> Answers:
    """The answers in one file.

    Parameters
    ----------
    path : a CSV file as the page saves it
    room : Room, the one that was read

    Raises
    ------
    CourseError : the file is missing, too large, of a different room, or has a line that makes no sense; the sentence names it.

    See Also
    --------
    read_class : all files of a class

    Examples
    --------
    Not run by the tests, since there is no such file.

    >>> read_answers("reader-ann-alone.csv", room).reader  # doctest: +SKIP
    'ann'

    Taught in lesson 16, section 1.
    """
    text = read_text(path, "ask the reader to save it from the page again", MOST_BYTES)
    try:
        rows = [row for row in csv.reader(text.splitlines(), strict=True) if row]
    except csv.Error as error:
        raise CourseError(f"{path} is not a table ({error}): ask the reader to save it from the page again.") from None
    if not rows or [name.strip() for name in rows[0]] != COLUMNS:
        raise CourseError(
            f"{path} begins with {quoted(','.join(rows[0]) if rows else '')}, not with {','.join(COLUMNS)}."
        )
    if len(rows) == 1:
        raise CourseError(f"{path} has no answers: ask the reader to save it from the page again.")
    lines = [_line(path, number, row, room) for number, row in enumerate(rows[1:], start=2)]
    first, films = lines[0], {}
    for number, line in enumerate(lines, start=2):
        if line[:2] != first[:2]:
            raise CourseError(
                f"{path}, line {number}, is of a different reader or reading than line 2: one file holds one reading of one reader."
            )
        if line[2] in films:
            raise CourseError(
                f"{path}, line {number}, answers film {line[2]} for the second time: keep one of the two lines."
            )
        films[line[2]] = line[3:]
    given = [name for name in room.names if name in films]
    columns = ["Finding", "Confidence", "X", "Y"]
    table = pd.DataFrame([films[name] for name in given], index=pd.Index(given, name="Film"), columns=columns)
    table = table.astype({"Finding": bool, "Confidence": int, "X": float, "Y": float})
    return Answers(*first[:2], table, [name for name in room.names if name not in films])


def _line(path, number, row, room):
    """(reader, reading, film, finding, confidence, x, y) of one line."""

    def wrong(what):
        return CourseError(f"{path}, line {number}: {what}.")

    if len(row) != len(COLUMNS):
        raise wrong(f"it has {len(row)} cells, not {len(COLUMNS)}")
    of, reader, reading, film, finding, confidence, x, y = (cell.strip() for cell in row)
    if of != room.fingerprint:
        raise wrong(f"it is of room {quoted(of)}, and this room is {room.fingerprint!r}")
    if not NAME.fullmatch(reader):
        raise wrong(f"{quoted(reader)} is not a reader's name: use up to 40 letters, digits, blanks and _ . -")
    if reading not in READINGS:
        raise wrong(f"the reading is {quoted(reading)}, not 'alone' or 'advice'")
    if reading == "advice" and not room.advised:
        raise wrong("it was read with advice, but no model has read this room")
    if film not in set(room.names):
        raise wrong(f"there is no film {quoted(film)} in this room")
    if finding not in ("yes", "no"):
        raise wrong(f"the finding is {quoted(finding)}, not 'yes' or 'no'")
    if confidence not in [str(step) for step in range(1, STEPS + 1)]:
        raise wrong(f"the confidence is {quoted(confidence)}, not a whole number from 1 to {STEPS}")
    return reader, reading, film, finding == "yes", int(confidence), *_place(x, y, wrong)


def _place(x, y, wrong):
    if x == y == "":
        return np.nan, np.nan
    if not all(re.fullmatch(r"[01](\.\d{1,6})?", part) and float(part) <= 1 for part in (x, y)):
        raise wrong(f"the place is {quoted(x)}, {quoted(y)}, not two shares between 0 and 1, or both empty")
    return float(x), float(y)


def read_class(paths: Iterable[str | Path], room: Room, left_out: list | None = None) -> list[Answers]:
    """The answers of a class, sorted by reader and reading.

    Parameters
    ----------
    paths : CSV files, and folders of which all files that end in .csv are taken
    room : Room
    left_out : list that gets a sentence for each file that makes no sense, and for the second of two files of the same reader
        and reading; the others are read. Without it, the first such file is an error

    Raises
    ------
    CourseError : there is no file, there are more than 400, none makes sense, two are of the same reader and reading, or as in
        `read_answers`.

    See Also
    --------
    read_answers : one file

    Examples
    --------
    Not run by the tests, since there is no such folder.

    >>> len(read_class(["answers"], room))  # doctest: +SKIP
    24

    Taught in lesson 16, section 1.
    """
    files = []
    for path in map(Path, paths):
        files += sorted(p for p in path.iterdir() if p.suffix.lower() == ".csv") if path.is_dir() else [path]
    if not files:
        raise CourseError("There are no answers: name the readers' CSV files, or the folder that has them.")
    if len(files) > MOST_FILES:
        raise CourseError(f"There are {len(files)} files; a class has at most {MOST_FILES}. Is this the right folder?")
    found, wrong = {}, []
    for path in files:
        try:
            answers = read_answers(path, room)
            key = (answers.reader, answers.reading)
            if key in found:
                raise CourseError(
                    f"{path} and {found[key][0]} are both of {answers.reader}, {answers.reading}: keep one of them."
                )
            found[key] = path, answers
        except CourseError as error:
            wrong.append(str(error))
            if left_out is None:
                raise
    if not found:
        raise CourseError(
            wrong[0] if len(wrong) == 1 else f"None of {len(wrong)} files makes sense; the first: {wrong[0]}"
        )
    if left_out is not None:
        left_out += wrong
    return [found[key][1] for key in sorted(found, key=lambda key: (key[0], READINGS.index(key[1])))]


def _file_name(reader: str, reading: str) -> str:
    """The name of the file in which the page saves a reader's answers.

    Examples
    --------
    >>> _file_name("ann b", "alone")
    'reader-ann_b-alone.csv'

    Taught in lesson 16, section 1.
    """
    return f"reader-{reader.replace(' ', '_')}-{reading}.csv"


def write_answers(answers: Answers, room: Room, folder: str | Path) -> Path:
    """Write a reader's answers as the page does; returns the file.

    Raises
    ------
    CourseError : the reader's name is not possible, or the file cannot be written.

    See Also
    --------
    read_answers : reads them again

    Examples
    --------
    Not run by the tests, since it writes a file.

    >>> write_answers(answers, room, "answers")  # doctest: +SKIP

    Taught in lesson 16, section 1.
    """
    if not NAME.fullmatch(answers.reader):
        raise CourseError(
            f"{quoted(answers.reader)} is not a reader's name: use up to 40 letters, digits, blanks and _ . -."
        )
    lines = [",".join(COLUMNS)]
    for row in answers.table.itertuples():
        place = ["", ""] if np.isnan(row.X) else [f"{row.X:.4f}", f"{row.Y:.4f}"]
        finding = "yes" if row.Finding else "no"
        lines.append(
            ",".join(
                [room.fingerprint, answers.reader, answers.reading, row.Index, finding, str(row.Confidence), *place]
            )
        )
    path = Path(folder) / _file_name(answers.reader, answers.reading)
    write_text(path, "\n".join(lines) + "\n")
    return path
