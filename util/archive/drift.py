"""Has anything changed between two archives: views, scores, gray levels? Distances with intervals, and one alarm rate for all.

The distance of a number is the probability that a film of the new archive has a higher one than a film of the reference,
which is an AUC: 0.5 where nothing has changed. Its interval is by patient, since films of one patient are alike. The same
is done with how far a number is from the median of the reference, which notices what spreads or narrows around it. Without
any change, some alarm is raised in at most ALARMS of all comparisons (Bonferroni). With a million films, changes are found
that mean nothing: the distance itself says how large a change is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from util.archive.columns import read_column, read_patients, read_texts
from util.archive.parts import GRAYS, LOGITS, read_manifest
from util.errors import CourseError
from util.metrics.auc_intervals import influence, interval_of
from util.progress import progress

ALARMS = 0.05  # the share of comparisons without any change in which there may be an alarm
FEWEST = 20  # patients of each archive: with fewer, intervals promise too much
BINS = 10  # of the population stability index: tenths of the reference
SHARES = (("view", "PA"), ("view", "AP"), ("gate", "unfamiliar"), ("gate", "not frontal"))


def drift_report(reference: Path | str, archive: Path | str, alarms: float = ALARMS) -> pd.DataFrame:
    """How an archive differs from a reference, number by number.

    Parameters
    ----------
    reference, archive : Paths of two archives of one model
    alarms : float in (0, 1), how often any alarm may be raised where nothing has changed

    Returns
    -------
    DataFrame, the largest distances first: what ('share of view PA', 'logit_Mass', 'logit_Mass, spread' ...), reference
    and now (means; shares for views), distance (0.5 without a change), low, high (intervals that hold together for all
    rows), psi (population stability index over tenths of the reference; NaN for shares) and alarm (bool).
    ``attrs["unknown"]`` is the number of films without a patient, which count as one patient each

    Raises
    ------
    CourseError : the archives are of different models, or have too few patients.

    See Also
    --------
    stability_index : one of its columns

    Examples
    --------
    Not run by the tests, since it needs an archive.

    >>> drift_report("archive-2024", "archive")  # doctest: +SKIP
    """
    _check_model(reference, archive)
    who, unknown = _patients(reference, archive)
    counts = [len(np.unique(part)) for part in who]
    if min(counts) < FEWEST:
        raise CourseError(
            f"The archives have films of {counts[0]} and {counts[1]} patients: {FEWEST} in each are the fewest for an "
            "interval."
        )
    rows = _compare(_columns(reference, archive), who, alarms)
    rows.attrs["unknown"] = unknown
    return rows


def _compare(
    columns: list[tuple[str, Callable[[], tuple[np.ndarray, np.ndarray]]]],
    patients: tuple[np.ndarray, np.ndarray],
    alarms: float = ALARMS,
) -> pd.DataFrame:
    """The rows of `drift_report` for columns that are read one after another.

    Parameters
    ----------
    columns : list of (name, function that returns the values of the reference and of the new films); those of a bool kind
        are shares
    patients : two arrays, the patients of the reference's films and of the new ones
    alarms : float in (0, 1)

    Returns
    -------
    DataFrame
    """
    if not 0 < alarms < 1:
        raise CourseError(f"The share of false alarms is {alarms}: give a number between 0 and 1, such as {ALARMS}.")
    new = np.concatenate([np.zeros(len(patients[0]), bool), np.ones(len(patients[1]), bool)])
    who = pd.factorize(np.concatenate(patients))[0]
    level = 1 - alarms / (2 * len(columns))  # as many rows at most
    rows = [row for name, read in progress(columns, "comparing") for row in _rows(name, *read(), new, who, level)]
    table = pd.DataFrame(rows)
    order = np.argsort(-np.abs(table["distance"] - 0.5).fillna(-1), kind="stable")
    return table.iloc[order].reset_index(drop=True)


def _check_model(reference, archive):
    one, other = read_manifest(reference)["identity"], read_manifest(archive)["identity"]
    for name in ("sha256", "preprocessing", "calibration"):
        if one.get(name) != other.get(name):
            raise CourseError(
                f"{reference} and {archive} differ in {name}: scores of two models differ without any drift. Score one "
                "of them again."
            )


def _patients(reference, archive):
    (one, a), (other, b) = read_patients(reference), read_patients(archive)
    return (one, other), a + b


def _columns(reference, archive):
    """(name, function that reads both) of all that is compared."""

    def texts(name, value):
        return lambda: (read_texts(reference, name, value), read_texts(archive, name, value))

    def numbers(name):
        return lambda: (read_column(reference, name), read_column(archive, name))

    shares = [(f"share of {name} {value}", texts(name, value)) for name, value in SHARES]
    return shares + [(name, numbers(name)) for name in (*LOGITS, *GRAYS)]


def _rows(name, one, other, new, who, level) -> Iterator[dict]:
    values = np.concatenate([one, other])
    if values.dtype == bool:
        yield _row(name, values.astype(float), new, who, level) | {"psi": np.nan}
        return
    psi = stability_index(one, other)
    yield _row(name, values, new, who, level) | {"psi": psi}
    spread = np.abs(values - np.median(one))
    yield _row(f"{name}, spread", spread, new, who, level) | {"psi": np.nan}


def _row(name, values, new, who, level):
    parts = influence(new, values, who)
    low, high = interval_of(parts, level)
    alarm = bool(low > 0.5 or high < 0.5) or parts.auc in (0.0, 1.0)
    means = {"reference": float(values[~new].mean()), "now": float(values[new].mean())}
    return {"what": name} | means | {"distance": parts.auc, "low": low, "high": high, "alarm": alarm}


def stability_index(reference: np.ndarray, now: np.ndarray) -> float:
    """Population stability index: sum over tenths of the reference of (share now - share then) x log of their ratio.

    Parameters
    ----------
    reference, now : float (n,), (m,)

    Returns
    -------
    float of at least 0, the symmetric Kullback-Leibler divergence of both histograms. Half a film is added to each bin, so
    that an empty one costs no infinity. Without any change it is about (BINS - 1) (1 / n + 1 / m) for independent films.

    See Also
    --------
    drift_report : has it for every number

    Examples
    --------
    >>> films = np.arange(1000.0)
    >>> stability_index(films, films), round(stability_index(films, films + 500), 1)
    (0.0, 3.5)
    """
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, BINS + 1)[1:-1]))
    shares = []
    for values in (reference, now):
        counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1) + 0.5
        shares.append(counts / counts.sum())
    return float(np.sum((shares[1] - shares[0]) * np.log(shares[1] / shares[0])))
