"""Is one model's AUC better than another's on the same films? DeLong's paired test, by patient where wanted."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm

from util.errors import CourseError
from util.evaluation import MINIMUM, Influence, bessel, influence, matched, variance_of
from util.findings import FINDINGS
from util.stats import checked, holm, normal_quantile


class Difference(NamedTuple):
    """A difference of two AUCs: its standard error, interval, z and two-sided p; NaN where it cannot be told."""

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
        one.auc - two.auc,
        one.of_positives - two.of_positives,
        one.of_negatives - two.of_negatives,
        *one[3:],
    )
    return difference_from(apart.auc, variance_of(apart), level)


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
    variance = variance_of(first) + variance_of(second) - 2 * _covariance(first, second)
    return difference_from(first.auc - second.auc, variance, level)


def _covariance(first, second):
    """Covariance of two AUCs that share patients: Obuchowski's variance with one AUC's parts on either side."""
    with_positive, with_negative = np.maximum(2, np.minimum(first[4:], second[4:]))
    positives = bessel(with_positive) * np.sum(first.of_positives * second.of_positives)
    negatives = bessel(with_negative) * np.sum(first.of_negatives * second.of_negatives)
    crossed = np.sum(first.of_positives * second.of_negatives + first.of_negatives * second.of_positives)
    return positives + negatives + bessel(max(2, min(first.patients, second.patients))) * crossed


def difference_from(difference, variance, level=0.95):
    """`Difference` from an estimate and its variance; equal estimates without variance are no evidence: p is 1."""
    z_level = normal_quantile(level)
    if np.isnan(difference) or np.isnan(variance):
        return Difference(float(difference), *[np.nan] * 5)
    error = float(np.sqrt(max(variance, 0.0)))
    without_error = 0.0 if abs(difference) < 1e-12 else np.nan
    z = difference / error if error > 1e-12 else without_error
    reach = z_level * error
    return Difference(
        float(difference), error, difference - reach, difference + reach, float(z), float(2 * norm.sf(abs(z)))
    )


def compare_table(y, first, second, patients=None, minimum=MINIMUM, level=0.95):
    """Two models on the same films, all 14 findings, with Holm's correction for looking 14 times.

    Parameters
    ----------
    y, first, second : tables as those of `util.evaluation.auc_table`
    patients, minimum, level : as there

    Returns
    -------
    DataFrame (index: finding): first, second (AUCs), difference, low, high, p, holm (p adjusted over the findings
    that were tested), note (why a row has no numbers)
    """
    (labels, one), (_, two) = matched(y, first), matched(y, second)
    if len(labels) < 2:
        raise CourseError("There is a single film: films are judged against each other, so give more.")
    rows = []
    for k, finding in enumerate(FINDINGS):
        truth, score = checked(labels[:, k], one[:, k], finding)
        rarer = min(truth.sum(), (~truth).sum())
        row = {"note": f"too few: {rarer} of the rarer class"} if rarer < max(minimum, 1) else {"note": ""}
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
