"""What leaks among the films of an archive: copies by the hashes that it holds, patients in two splits, marks, tell-tale columns.

The films themselves are read only for a closer look at pairs whose hashes leave a doubt, and for the marks, on 2,000 films.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from util.archive.columns import names_at, read_hashes, rows_in
from util.data.cohort import Cohort
from util.errors import CourseError
from util.leaks.audit import Audit, audit
from util.leaks.hash_index import indexed_pairs
from util.leaks.near_duplicates import COPIES, SURE, look_closer
from util.notes import note

MOST_LOOKS = 20_000  # pairs with a closer look, each of which may read two films again: an hour or so


def copies_in(folder: Path | str, cohort: Cohort | None = None, salt: bytes | None = None) -> pd.DataFrame:
    """Pairs of films of an archive that are one exposure, found by their hashes (`util.leaks.hash_index`).

    Parameters
    ----------
    folder : Path of an archive
    cohort : util.data.cohort.Cohort with these films, for a closer look at pairs that differ in more than SURE bits, and
        to leave out other films; without it, only pairs of at most SURE bits are named
    salt : bytes that the names of the archive are hashed with, or None

    Returns
    -------
    DataFrame as of `util.leaks.near_duplicates.near_duplicates`; ``attrs["doubtful"]`` is the number of pairs that nobody
    has looked at, ``attrs["plain"]`` a tuple of the names of films without a hash

    Raises
    ------
    CourseError : the archive cannot be read, or more pairs are alike than can be listed.

    See Also
    --------
    util.leaks.hash_index.indexed_pairs : finds them

    Examples
    --------
    Not run by the tests, since it needs an archive.

    >>> copies_in("archive").attrs["doubtful"]  # doctest: +SKIP
    """
    hashes, places = read_hashes(folder)
    if cohort is None:
        pairs = indexed_pairs(hashes)
        sure = pairs[pairs["bits"] <= SURE]
        ends = [places[sure[end]] for end in ("first", "second")]
        names = names_at(folder, np.concatenate(ends))
        copies = pd.DataFrame([[names[place] for place in end] for end in ends], COPIES[:2], dtype=object).T
        copies = copies.assign(bits=sure["bits"].to_numpy(), correlation=np.nan)
        copies = copies.sort_values(["bits", "Image", "Other"], ignore_index=True)
        copies.attrs |= {"doubtful": len(pairs) - len(sure), "plain": ()}
        return copies
    rows = rows_in(folder, cohort.films, salt)
    plain = np.setdiff1d(np.flatnonzero(rows >= 0), places)
    images = cohort.films["Image"].to_numpy()
    kept = rows[places] >= 0
    hashes, rows_of_hash = hashes[kept], rows[places][kept]
    pairs = indexed_pairs(hashes)
    there = np.array([image in cohort.paths for image in images[rows_of_hash]], bool)
    look = (pairs["bits"] > SURE).to_numpy()
    can = look & there[pairs["first"]] & there[pairs["second"]] if len(pairs) else look
    can = can & (np.cumsum(can) <= MOST_LOOKS)
    copies = look_closer(cohort, images[rows_of_hash], pairs[~look | can].reset_index(drop=True))
    copies.attrs |= {"doubtful": int((look & ~can).sum()), "plain": tuple(images[rows[plain]])}
    return copies


def audit_archive(folder: Path | str, cohort: Cohort, salt: bytes | None = None) -> Audit:
    """Look for every leak the course knows among the films of an archive.

    Parameters
    ----------
    folder : Path of an archive
    cohort : util.data.cohort.Cohort whose table has the labels, patients and splits; films that the archive does not hold
        are left out
    salt : bytes that the names of the archive are hashed with, or None

    Returns
    -------
    util.leaks.audit.Audit

    Raises
    ------
    CourseError : the archive cannot be read, or none of its films is in the cohort.

    See Also
    --------
    util.leaks.audit.audit : the same without an archive

    Examples
    --------
    Not run by the tests, since it needs an archive.

    >>> audit_archive("archive", cohort)  # doctest: +SKIP
    """
    rows = rows_in(folder, cohort.films, salt)
    films = cohort.films.iloc[np.sort(rows[rows >= 0])].reset_index(drop=True)
    if "PatientId" not in films or "Split" not in films:
        raise CourseError("An audit needs a table with patients and splits: name the folder of the labels with --root.")
    cohort = replace(cohort, films=films)
    copies = copies_in(folder, cohort, salt)
    if copies.attrs["doubtful"]:
        note(f"{copies.attrs['doubtful']:,} further pairs have close hashes, and nobody has looked at their films.")
    return audit(cohort, copies=copies)
