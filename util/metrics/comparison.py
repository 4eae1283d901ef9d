"""Is one model's AUC better than another's on the same films? DeLong's paired test, by patient where wanted."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtr

from util.findings import FINDINGS
from util.metrics.auc_intervals import Influence, influence, variance_of
from util.metrics.auc_tables import MINIMUM, shortage
from util.metrics.inputs import checked
from util.metrics.matching import matched, matched_patients
from util.metrics.proportions import holm, student_quantile


class Difference(NamedTuple):
    """A difference of two AUCs: its standard error, interval, z and two-sided p; NaN where it cannot be told.

    z is the difference over its error, as R's pROC has it. Interval and p are Student's, with one degree of freedom less
    than there are patients of equal weight (`util.metrics.auc_intervals.Influence.effective`): the error comes from few patients.
    """

    difference: float
    error: float
    low: float
    high: float
    z: float
    p: float


def auc_difference(y, first, second, patients=None, level=0.95):
    """AUC of the scores `first` less that of `second` on the same films.

    Parameters
    ----------
    y : array (n,) of 0/1
    first, second : arrays (n,) of scores
    patients : array (n,), the patient of each film, or None to treat the films as independent
    level : float in (0, 1), of the interval

    Returns
    -------
    Difference. Both models meet the same films, so their luck is shared and cancels: the error is smaller than that
    of two unrelated AUCs. DeLong et al. 1988 (doi 10.2307/2531595); with patients Obuchowski 1997.

    Raises
    ------
    CourseError : shapes differ, a score is NaN, a label is not 0/1.
    """
    one, two = influence(y, first, patients), influence(y, second, patients)
    apart = Influence(
        one.auc - two.auc, one.of_positives - two.of_positives, one.of_negatives - two.of_negatives, *one[3:]
    )
    return difference_from(apart.auc, variance_of(apart), level, apart.effective - 1)


def auc_gap(y, score, one, other, patients=None, level=0.95):
    """AUC among the films `one` less that among the films `other`, with the same scores.

    Parameters
    ----------
    y, score : arrays (n,)
    one, other : bool arrays (n,), the films of either group; they may share films or patients
    patients, level : as in `auc_difference`

    Returns
    -------
    Difference; NaN where a group lacks two patients (films) of each class. What the groups share is accounted for
    by the covariance of the patients' parts.
    """
    first, second = influence(y, score, patients, one), influence(y, score, patients, other)
    sums = [part.of_positives + part.of_negatives for part in (first, second)]
    variances = np.array([variance_of(first), variance_of(second)])
    freedom = np.array([first.effective, second.effective]) - 1
    if np.isnan(variances).any():
        return difference_from(first.auc - second.auc, np.nan, level)
    shared = variances.sum() ** 2 / np.sum(variances**2 / freedom) if variances.any() else freedom.min()
    return difference_from(first.auc - second.auc, np.sum((sums[0] - sums[1]) ** 2), level, shared)


def difference_from(difference, variance, level=0.95, freedom=np.inf):
    """`Difference` from an estimate and its variance; equal estimates without variance are no evidence: p is 1.

    freedom : float, degrees of freedom of the variance, for Student's quantile; infinite for the normal one
    """
    quantile = student_quantile(level, freedom)
    if np.isnan(difference) or np.isnan(variance):
        return Difference(float(difference), *[np.nan] * 5)
    error = float(np.sqrt(max(variance, 0.0)))
    without_error = 0.0 if abs(difference) < 1e-12 else np.nan
    z = difference / error if error > 1e-12 else without_error
    reach, p = quantile * error, 2 * stdtr(max(freedom, 0.1), -abs(z))
    return Difference(float(difference), error, difference - reach, difference + reach, float(z), float(p))


def compare_table(y, first, second, patients=None, minimum=MINIMUM, level=0.95):
    """Two models on the same films, all 14 findings, with Holm's correction for looking 14 times.

    Parameters
    ----------
    y, first, second : tables as those of `util.metrics.auc_tables.auc_table`
    patients, minimum, level : as there

    Returns
    -------
    DataFrame (index: finding): first, second (AUCs), difference, low, high, p, holm (p adjusted over the findings
    that were tested), note (why a row has no numbers)
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
