"""Is one model's AUC better than another's on the same films? DeLong's paired test, by patient if wanted."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import stdtr

from util.findings import FINDINGS
from util.metrics.auc_intervals import Influence, influence, variance_of
from util.metrics.auc_tables import MINIMUM, shortage
from util.metrics.inputs import checked
from util.metrics.matching import matched, matched_patients
from util.metrics.proportions import holm, student_quantile


class Difference(NamedTuple):
    """A difference of two AUCs with its standard error, interval, z and two-sided p; NaN where they are unknown.

    z is the difference divided by its standard error, as in R's pROC. Interval and p are Student's, since the error may
    come from few patients; the degrees of freedom are the effective number of patients, less one
    (`util.metrics.auc_intervals.Influence.effective`).

    See Also
    --------
    auc_difference : two models on the same films
    auc_gap : one model on two groups of films

    Examples
    --------
    >>> found = difference_from(0.05, 0.02**2)
    >>> print(round(found.z, 2), round(found.p, 3))
    2.5 0.012

    Taught in lesson 8.
    """

    difference: float
    error: float
    low: float
    high: float
    z: float
    p: float


def auc_difference(
    y: ArrayLike, first: ArrayLike, second: ArrayLike, patients: ArrayLike | None = None, level: float = 0.95
) -> Difference:
    """AUC of the scores `first` minus the AUC of `second` on the same films.

    Parameters
    ----------
    y : array (n,) of 0/1
    first, second : arrays (n,) of scores
    patients : array (n,), the patient of each film, or None to treat the films as independent
    level : float in (0, 1), of the interval

    Returns
    -------
    Difference. Both models see the same films, so much of their luck is shared and cancels: the error is usually
    smaller than for two unrelated AUCs. DeLong et al. 1988 (doi 10.2307/2531595); with patients, Obuchowski 1997.

    Raises
    ------
    CourseError : shapes differ, a score is NaN, a label is not 0/1.

    See Also
    --------
    compare_table : all 14 findings at once
    auc_gap : one model on two groups of films

    Examples
    --------
    >>> found = auc_difference([1, 1, 1, 0, 0, 0], [6, 5, 4, 3, 2, 1], [6, 5, 2, 4, 3, 1])
    >>> print(round(found.difference, 3), found.p > 0.05)
    0.222 True

    Taught in lesson 8.
    """
    one, two = influence(y, first, patients), influence(y, second, patients)
    apart = Influence(
        one.auc - two.auc, one.of_positives - two.of_positives, one.of_negatives - two.of_negatives, *one[3:]
    )
    return difference_from(apart.auc, variance_of(apart), level, apart.effective - 1)


def auc_gap(
    y: ArrayLike,
    score: ArrayLike,
    one: np.ndarray,
    other: np.ndarray,
    patients: ArrayLike | None = None,
    level: float = 0.95,
) -> Difference:
    """AUC among the films `one` minus the AUC among the films `other`, with the same scores.

    Parameters
    ----------
    y, score : arrays (n,)
    one, other : bool arrays (n,), the films of each group; the groups may share films or patients
    patients, level : as in `auc_difference`

    Returns
    -------
    Difference; NaN where a group has fewer than two patients (films) of either class. The covariance of the patients'
    parts accounts for what the groups share.

    See Also
    --------
    util.metrics.subgroups.subgroup_table : the AUC of each group
    auc_difference : two models on the same films

    Examples
    --------
    >>> y, score = np.tile([1, 1, 0, 0], 2), np.array([4, 3, 2, 1, 4, 2, 3, 1])
    >>> group = np.arange(8) < 4
    >>> print(round(auc_gap(y, score, group, ~group).difference, 3))
    0.25

    Taught in lesson 8.
    """
    first, second = influence(y, score, patients, one), influence(y, score, patients, other)
    sums = [part.of_positives + part.of_negatives for part in (first, second)]
    variances = np.array([variance_of(first), variance_of(second)])
    freedom = np.array([first.effective, second.effective]) - 1
    if np.isnan(variances).any():
        return difference_from(first.auc - second.auc, np.nan, level)
    shared = variances.sum() ** 2 / np.sum(variances**2 / freedom) if variances.any() else freedom.min()
    return difference_from(first.auc - second.auc, np.sum((sums[0] - sums[1]) ** 2), level, shared)


def difference_from(difference: float, variance: float, level: float = 0.95, freedom: float = np.inf) -> Difference:
    """`Difference` from an estimate and its variance; a difference of 0 without variance is no evidence, so p is 1.

    Parameters
    ----------
    difference, variance : floats
    level : float in (0, 1)
    freedom : float, degrees of freedom of the variance, for Student's quantile; infinite for the normal quantile

    See Also
    --------
    auc_difference : the difference of two models

    Examples
    --------
    >>> found = difference_from(0.05, 0.02**2, freedom=5)
    >>> print(round(found.low, 3), round(found.high, 3))
    -0.001 0.101

    Taught in lesson 8.
    """
    quantile = student_quantile(level, freedom)
    if np.isnan(difference) or np.isnan(variance):
        return Difference(float(difference), *[np.nan] * 5)
    error = float(np.sqrt(max(variance, 0.0)))
    without_error = 0.0 if abs(difference) < 1e-12 else np.nan
    z = difference / error if error > 1e-12 else without_error
    reach, p = quantile * error, 2 * stdtr(max(freedom, 0.1), -abs(z))
    return Difference(float(difference), error, difference - reach, difference + reach, float(z), float(p))


def compare_table(
    y: pd.DataFrame | ArrayLike,
    first: pd.DataFrame | ArrayLike,
    second: pd.DataFrame | ArrayLike,
    patients: ArrayLike | None = None,
    minimum: int = MINIMUM,
    level: float = 0.95,
) -> pd.DataFrame:
    """Two models on the same films, for all 14 findings, with Holm's correction for 14 tests.

    Parameters
    ----------
    y, first, second : tables as in `util.metrics.auc_tables.auc_table`
    patients, minimum, level : as there

    Returns
    -------
    DataFrame (index: finding): first, second (AUCs), difference, low, high, p, holm (p adjusted over the findings
    that were tested), note (why a row has no numbers)

    See Also
    --------
    auc_difference : the test of one finding
    util.metrics.proportions.holm : the correction for 14 tests

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, (60, 14))
    >>> table = compare_table(y, y + rng.normal(size=y.shape), rng.normal(size=y.shape))
    >>> bool((table["holm"] >= table["p"]).all())
    True

    Taught in lesson 8.
    """
    patients = matched_patients(y, patients)
    (labels, one), (_, two) = matched(y, first), matched(y, second)
    rows = []
    for k, finding in enumerate(FINDINGS):
        truth, score = checked(labels[:, k], one[:, k], finding)
        row = {"note": shortage(truth, patients, minimum)}
        if not row["note"]:
            found = auc_difference(truth, score, two[:, k], patients, level)
            second_auc = influence(truth, two[:, k]).auc
            row |= {"first": second_auc + found.difference, "second": second_auc, **found._asdict()}
        rows.append(row)
    columns = ["first", "second", "difference", "low", "high", "p"]
    table = pd.DataFrame(rows, index=pd.Index(FINDINGS, name="finding")).reindex(columns=[*columns, "note"])
    table[columns] = table[columns].astype(float)
    table.insert(len(columns), "holm", holm(table["p"]))
    return table
