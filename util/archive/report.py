"""AUCs of an archive, by patient, one finding at a time. What grows with the films is one column of numbers, not the table.

`util.metrics.auc_tables.auc_table` makes the same numbers of a table that is in memory as a whole; the tests hold both to
be equal.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from util.archive.columns import read_column, rows_in
from util.archive.parts import read_manifest
from util.data.cohort import Cohort
from util.errors import CourseError
from util.findings import FINDINGS
from util.metrics.auc_intervals import influence, interval_of
from util.metrics.auc_tables import MINIMUM, shortage
from util.metrics.roc import average_precision
from util.models.contamination import contamination
from util.progress import progress


def auc_report(
    folder: Path | str,
    films: pd.DataFrame,
    salt: bytes | None = None,
    known: set | frozenset = frozenset(),
) -> pd.DataFrame:
    """AUC, 95 % interval by patient and average precision of all findings, one row each.

    Parameters
    ----------
    folder : Path of an archive
    films : DataFrame with Image, PatientId and the 14 findings as 0/1; films of the archive that are not in it are left out
    salt : bytes that the names of the archive are hashed with, or None
    known : names of films that the model has met, which are left out

    Returns
    -------
    DataFrame (index: finding): films, positives, positive_patients, auc, low, high, average_precision, baseline, note, as
    of `util.metrics.auc_tables.auc_table` by patient

    Raises
    ------
    CourseError : no film of the archive is in the table, or is left to judge by.

    See Also
    --------
    util.metrics.auc_tables.auc_table : the same of a table in memory

    Examples
    --------
    Not run by the tests, since it needs an archive.

    >>> auc_report("archive", cohort.films)["auc"]  # doctest: +SKIP
    """
    rows = rows_in(folder, films, salt)
    if known:
        met = films["Image"].isin(known).to_numpy()
        rows = np.where((rows >= 0) & ~met[rows], rows, -1)
    there = np.flatnonzero(rows >= 0)
    if len(there) < 2:
        raise CourseError(
            f"{len(there)} films of {folder} are left to judge the model by: take films that it has not met."
        )
    rows = rows[there]
    who = pd.factorize(films["PatientId"].to_numpy()[rows])[0]
    table = {}
    for finding in progress(FINDINGS, "AUCs"):
        y = films[finding].to_numpy()[rows].astype(bool)
        table[finding] = _row(y, read_column(folder, f"logit_{finding}")[there], who)
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("finding")


def _row(y, score, who):
    row = {"films": len(y), "positives": int(y.sum()), "positive_patients": len(np.unique(who[y]))}
    row |= dict.fromkeys(["auc", "low", "high", "average_precision"], np.nan)
    row |= {"baseline": row["positives"] / len(y), "note": shortage(y, who, MINIMUM)}
    if row["note"]:
        return row
    parts = influence(y, score, who)
    row |= {"auc": parts.auc, "average_precision": average_precision(y, score)}
    row["low"], row["high"] = interval_of(parts)
    return row


def known_to_model(folder: Path | str, cohort: Cohort) -> tuple[set, str]:
    """Names of the cohort's films that the archive's model has met, or whose patients it has met, and a sentence on it.

    See Also
    --------
    util.models.contamination.contamination : finds them

    Examples
    --------
    Not run by the tests, since it needs an archive.

    >>> known, sentence = known_to_model("archive", cohort)  # doctest: +SKIP
    """
    from util.models.weights import read_passport

    identity = read_manifest(folder)["identity"]
    try:
        passport = read_passport(identity["weights"])
        if passport["sha256"] != identity["sha256"]:
            passport = {"films": "real"}
    except CourseError:
        passport = {"films": "real"}
    images = () if cohort.simulated else cohort.films["Image"]  # the names of both cohorts may be alike
    met = contamination(passport, images, None)
    return {*met.seen, *met.related}, str(met)
