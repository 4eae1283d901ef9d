"""One column of an archive at a time: what is asked of a million films fits the memory, column by column.

A column of numbers takes 8 bytes a film, 8 MB for a million. All columns of one archive come in the same order of films.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from util.archive.parts import HASHES, name_id, read_parts
from util.archive.reader import hashed
from util.errors import CourseError


def read_column(folder: Path | str, name: str) -> np.ndarray:
    """A column of numbers of the films that are scored, float64 (films,), NaN where a film has none.

    See Also
    --------
    read_texts : of a column of text

    Examples
    --------
    Not run by the tests, since it needs an archive.

    >>> read_column("archive", "logit_Mass").mean()  # doctest: +SKIP
    """
    parts = [table[name].to_numpy().astype(float) for table in read_parts(folder, [name])]
    return np.concatenate(parts) if parts else np.zeros(0)


def _read_names(folder: Path | str) -> np.ndarray:
    """64 bits for the name of each scored film, uint64 (films,)."""
    return _ids(table["name"].to_pylist() for table in read_parts(folder, ["name"]))


def read_patients(folder: Path | str) -> tuple[np.ndarray, int]:
    """The patient of each scored film as 64 bits, uint64 (films,), and how many films have none.

    A film without a patient counts as one of a patient of its own.

    See Also
    --------
    read_column : a column of numbers

    Examples
    --------
    Not run by the tests, since it needs an archive.

    >>> who, unknown = read_patients("archive")  # doctest: +SKIP
    """
    ids, unknown = [], 0
    for table in read_parts(folder, ["name", "patient"]):
        pairs = zip(table["name"].to_pylist(), table["patient"].to_pylist(), strict=True)
        ids.append([f"film {name}" if patient is None else f"patient {patient}" for name, patient in pairs])
        unknown += table["patient"].null_count
    return _ids(ids), unknown


def read_texts(folder: Path | str, name: str, value: str) -> np.ndarray:
    """Whether a column of text has a value, bool (films,).

    See Also
    --------
    read_column : a column of numbers

    Examples
    --------
    Not run by the tests, since it needs an archive.

    >>> read_texts("archive", "view", "PA").mean()  # doctest: +SKIP
    """
    parts = [np.array([text == value for text in table[name].to_pylist()]) for table in read_parts(folder, [name])]
    return np.concatenate(parts) if parts else np.zeros(0, bool)


def read_hashes(folder: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """Perceptual hashes, uint64 (k, 4), of the films that show anything, and their places among the scored films.

    See Also
    --------
    util.data.film_hash.film_hash : makes them

    Examples
    --------
    Not run by the tests, since it needs an archive.

    >>> hashes, places = read_hashes("archive")  # doctest: +SKIP
    """
    hashes, places, before = [np.zeros((0, len(HASHES)), np.uint64)], [np.zeros(0, np.int64)], 0
    for table in read_parts(folder, HASHES):
        there = table[HASHES[0]].is_valid().to_numpy(zero_copy_only=False)
        full = table.filter(table[HASHES[0]].is_valid())
        hashes.append(np.column_stack([full[name].to_numpy() for name in HASHES]).astype(np.uint64))
        places.append(np.flatnonzero(there) + before)
        before += table.num_rows
    return np.concatenate(hashes), np.concatenate(places)


def names_at(folder: Path | str, places: Iterable[int]) -> dict[int, str]:
    """Names of some of the scored films by their places.

    See Also
    --------
    read_hashes : gives places

    Examples
    --------
    Not run by the tests, since it needs an archive.

    >>> names_at("archive", [0, 1])  # doctest: +SKIP
    """
    wanted, names, before = np.unique(np.fromiter(places, np.int64)), {}, 0
    for table in read_parts(folder, ["name"]):
        here = wanted[(wanted >= before) & (wanted < before + table.num_rows)]
        names |= zip(here.tolist(), table["name"].take(here - before).to_pylist(), strict=True)
        before += table.num_rows
    return names


def rows_in(folder: Path | str, films: pd.DataFrame, salt: bytes | None = None) -> np.ndarray:
    """For each scored film its row in a table with a column Image, int64 (films,), or -1 where it is in none.

    Parameters
    ----------
    folder : Path of an archive
    films : DataFrame with a column Image, the names as they were before they were hashed
    salt : bytes that the names of the archive are hashed with, or None

    Raises
    ------
    CourseError : a name is in the table twice, or no film of the archive is in it.

    See Also
    --------
    read_column : in the same order of films

    Examples
    --------
    Not run by the tests, since it needs an archive.

    >>> rows_in("archive", cohort.films)  # doctest: +SKIP
    """
    ids = _ids([[hashed(name, salt) if salt else name for name in films["Image"]]])
    order = np.argsort(ids, kind="stable")
    again = np.flatnonzero(ids[order][1:] == ids[order][:-1])
    if len(again):
        raise CourseError(f"The film {films['Image'].iloc[order[again[0]]]} is in the table twice: keep one row of it.")
    names = _read_names(folder)
    place = np.searchsorted(ids[order], names).clip(max=max(0, len(ids) - 1))
    rows = np.where(ids[order][place] == names, order[place], -1) if len(ids) else np.full(len(names), -1)
    if not (rows >= 0).any():
        salted = "" if salt else "; where its names are hashed, name the salt as well"
        raise CourseError(f"No film of {folder} is in the table of labels: take the table of its films{salted}.")
    return rows


def _ids(parts):
    parts = [np.fromiter(map(name_id, names), np.uint64, len(names)) for names in parts]
    return np.concatenate(parts) if parts else np.zeros(0, np.uint64)
