"""How good scores are and how sure that is: ROC curve, AUC with intervals, thresholds, rates (notebook 4).

Throughout, `y` holds one finding's labels (n,), 0 or 1, and `score` its scores (n,), higher meaning more
likely; logits serve as well as probabilities. A film is called positive when its score reaches the threshold.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

from util.errors import CourseError
from util.findings import FINDINGS

# Below ten positives a 95 % interval by DeLong holds the truth far less often than 95 % of the time.
MINIMUM = 10


def roc_curve(y, score):
    """ROC curve, one point per distinct score, from (0, 0) to (1, 1).

    Parameters
    ----------
    y : array (n,) of 0/1
    score : array (n,)

    Returns
    -------
    fpr, tpr, thresholds : float arrays (k + 1,), thresholds falling; at the first, infinite, none is positive

    Raises
    ------
    CourseError : labels other than 0/1, NaN scores, shapes that differ, or one class only.
    """
    y, score = _checked(y, score)
    if y.all() or not y.any():
        raise CourseError("All films have the same label: a ROC curve needs positive and negative films.")
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(y) - 1)  # tied films pass the threshold together
    called = ends + 1
    hits = np.cumsum(y[order])[ends]
    fpr, tpr = (called - hits) / np.sum(~y), hits / np.sum(y)
    return np.append(0.0, fpr), np.append(0.0, tpr), np.append(np.inf, score[order][ends])


def auc(y, score):
    """Area under the ROC curve: probability that a positive film outranks a negative one, ties counting half.

    Parameters
    ----------
    y : array (n,) of 0/1
    score : array (n,)

    Returns
    -------
    float in [0, 1], or NaN where all films have the same label

    From midranks in O(n log n) (Mann and Whitney 1947; Hanley and McNeil 1982). Raises CourseError as
    `roc_curve`, but for one class only.
    """
    outranked, _ = placements(*_checked(y, score))
    return float(outranked.mean()) if len(outranked) else np.nan


def placements(y, score):
    """How each film stands among the films of the other class: DeLong's structural components.

    Returns
    -------
    (float array (positives,), float array (negatives,)): for each positive the share of negatives below it,
    for each negative the share of positives above it, ties counting half; both average to the AUC. Empty with
    one class.

    From midranks (Sun and Xu 2014, doi 10.1109/LSP.2014.2337313). Raises CourseError as `auc`.
    """
    y, score = _checked(y, score)
    if y.all() or not y.any():
        return np.empty(0), np.empty(0)
    ranks = rankdata(score)  # ties share their mean rank
    below = (ranks[y] - rankdata(score[y])) / np.sum(~y)
    above = 1 - (ranks[~y] - rankdata(score[~y])) / np.sum(y)
    return below, above


def auc_variance(y, score, patients=None):
    """Variance of the AUC: DeLong's, or Obuchowski's where films of one patient hang together.

    Parameters
    ----------
    y : array (n,) of 0/1
    score : array (n,)
    patients : array (n,), the patient of each film, or None to treat the films as independent

    Returns
    -------
    float, or NaN with fewer than two positives or negatives (with `patients`: patients who have one)

    DeLong et al. 1988 (doi 10.2307/2531595); Obuchowski 1997 (doi 10.2307/2533958), which is DeLong's when
    every patient has one film. Raises CourseError as `auc`.
    """
    y, score = _checked(y, score)
    patients = np.arange(len(y)) if patients is None else np.asarray(patients)
    if patients.shape != y.shape:
        raise CourseError(f"There are {len(y)} films and {len(patients)} patients' numbers: give one for each film.")
    _, who = np.unique(patients, return_inverse=True)
    with_positive, with_negative = len(np.unique(who[y])), len(np.unique(who[~y]))
    if min(with_positive, with_negative) < 2:
        return np.nan
    below, above = placements(y, score)
    area, everyone = below.mean(), who.max() + 1
    a = np.bincount(who[y], below - area, everyone) / np.sum(y)
    b = np.bincount(who[~y], above - area, everyone) / np.sum(~y)
    return float(_bessel(with_positive) * a @ a + _bessel(with_negative) * b @ b + 2 * _bessel(everyone) * a @ b)


def _bessel(count):
    return count / (count - 1)


def auc_interval(y, score, level=0.95, patients=None):
    """Confidence interval of the AUC from `auc_variance`, made on the logit scale.

    Parameters
    ----------
    y : array (n,) of 0/1
    score : array (n,)
    level : float in (0, 1)
    patients : array (n,), the patient of each film, or None to treat the films as independent

    Returns
    -------
    (low, high), floats in [0, 1]; NaN where the variance is unknown, and where the AUC is 0 or 1, since a
    variance of 0 from a finite sample is no certainty

    The logit keeps the interval within (0, 1) and covers better than the plain one when the AUC is high or
    positives are few (Qin and Hotilovac 2008, doi 10.1177/0962280207087173; a test here measures it).
    Raises CourseError as `auc`.
    """
    z = _quantile(level)
    area, variance = auc(y, score), auc_variance(y, score, patients)
    if not 0 < area < 1 or np.isnan(variance):
        return np.nan, np.nan
    centre, reach = np.log(area / (1 - area)), z * np.sqrt(variance) / (area * (1 - area))
    return float(1 / (1 + np.exp(reach - centre))), float(1 / (1 + np.exp(-reach - centre)))


def hanley_mcneil_variance(area, positives, negatives):
    """Variance of an AUC expected before any film is scored, from the numbers of films alone.

    Parameters
    ----------
    area : float or array in (0, 1), the AUC that is supposed
    positives, negatives : int or array, at least 1

    Returns
    -------
    float or array. Hanley and McNeil 1982 (doi 10.1148/radiology.143.1.7063747), for exponential scores.
    """
    area, positives, negatives = map(np.asarray, (area, positives, negatives))
    if np.any(positives < 1) or np.any(negatives < 1) or not np.all((area > 0) & (area < 1)):
        raise CourseError(
            "Hanley and McNeil's formula needs an AUC between 0 and 1 and at least one film of each class."
        )
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (positives - 1) * (q1 - area**2) + (negatives - 1) * (q2 - area**2)
    return spread / (positives * negatives)


def auc_table(films, scores, minimum=MINIMUM, level=0.95, by_patient=False):
    """AUC and interval of all 14 findings, one row each, whatever the data hold.

    Parameters
    ----------
    films : DataFrame with Image, the 14 findings as 0/1 and, for `by_patient`, PatientId
    scores : DataFrame (index: Image) with the 14 findings' scores; films are found in it by name
    minimum : int, fewest positives and fewest negatives for an AUC to be given
    level : float in (0, 1), of the interval
    by_patient : bool, widen the intervals for films of the same patient

    Returns
    -------
    DataFrame (index: finding, in the order of FINDINGS): films, positives, auc, low, high, note. A finding
    that cannot be judged keeps its row, with NaN and a note that says why.

    Raises
    ------
    CourseError : a film or a finding has no score, a film has two, a score is NaN, a label is not 0/1.
    """
    scores = _matched(films, scores)
    patients = films["PatientId"] if by_patient else None
    rows = [_table_row(films[f], scores[f], f, minimum, level, patients) for f in FINDINGS]
    return pd.DataFrame(rows, index=pd.Index(FINDINGS, name="finding"))


def _table_row(y, score, finding, minimum, level, patients):
    y, score = _checked(y, score, finding)
    counts = {"positive": int(y.sum()), "negative": int((~y).sum())}
    rarer = min(counts, key=counts.get)
    row = {
        "films": len(y),
        "positives": counts["positive"],
        "auc": np.nan,
        "low": np.nan,
        "high": np.nan,
        "note": "",
    }
    if counts[rarer] == 0:
        return row | {"note": f"undefined: no {rarer} film"}
    if counts[rarer] < minimum:
        return row | {"note": f"too few: {counts[rarer]} {rarer}{'s' * (counts[rarer] > 1)}"}
    row["auc"] = auc(y, score)
    row["low"], row["high"] = auc_interval(y, score, level, patients)
    if np.isnan(row["low"]):
        row["note"] = "no interval: the AUC is 0 or 1" if row["auc"] in (0, 1) else "no interval: one film or patient"
    return row


def threshold_for_sensitivity(y, score, wanted):
    """Highest threshold that still finds the wanted share of the positives, hence the best specificity.

    Parameters
    ----------
    y : array (n,) of 0/1
    score : array (n,)
    wanted : float in (0, 1], the sensitivity to reach

    Returns
    -------
    float, the score of a positive film: films that reach it are called positive

    Raises
    ------
    CourseError : `wanted` is out of range, no film is positive, or the input is wrong as in `auc`.
    """
    y, score = _checked(y, score)
    if not 0 < wanted <= 1:
        raise CourseError(f"The wanted sensitivity is {wanted}: give a share above 0 and at most 1, such as 0.8.")
    if not y.any():
        raise CourseError("No film is positive: no threshold can be chosen for a sensitivity.")
    falling = np.sort(score[y])[::-1]
    reached = np.arange(1, len(falling) + 1) / len(falling)
    return float(falling[np.argmax(reached >= wanted)])


class Confusion(NamedTuple):
    """Numbers of films: true positives, false positives, false negatives, true negatives."""

    tp: int
    fp: int
    fn: int
    tn: int


def confusion(y, score, threshold):
    """Count the films at one threshold: `Confusion`. Raises CourseError as `auc`, and for a NaN threshold."""
    y, score = _checked(y, score)
    if np.isnan(threshold):
        raise CourseError("The threshold is NaN: choose it on films with at least one positive.")
    called = score >= threshold
    return Confusion(*(int(np.sum(cell)) for cell in (y & called, ~y & called, y & ~called, ~y & ~called)))


def rates(counts, level=0.95):
    """Sensitivity, specificity, PPV and NPV with Wilson intervals.

    Parameters
    ----------
    counts : Confusion, or (tp, fp, fn, tn)
    level : float in (0, 1)

    Returns
    -------
    DataFrame (index: sensitivity, specificity, ppv, npv): value, low, high, of (the number of films it is a
    share of); NaN where that number is 0
    """
    tp, fp, fn, tn = counts
    parts = {
        "sensitivity": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "ppv": (tp, tp + fp),
        "npv": (tn, tn + fn),
    }
    rows = {
        name: (hits / of if of else np.nan, *wilson_interval(hits, of, level), of) for name, (hits, of) in parts.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high", "of"])


def wilson_interval(hits, of, level=0.95):
    """Confidence interval (low, high) of a share, `hits` of `of` films; NaN of none.

    Wilson 1927 (doi 10.1080/01621459.1927.10502953). Unlike the textbook's p +- z sqrt(p(1-p)/n) it stays
    within [0, 1] and keeps a width when no film, or every film, is a hit.
    """
    z = _quantile(level)
    if not 0 <= hits <= of:
        raise CourseError(f"{hits} of {of} films is no share: the first number lies between 0 and the second.")
    if of == 0:
        return np.nan, np.nan
    share = hits / of
    centre = share + z**2 / (2 * of)
    reach = z * np.sqrt(share * (1 - share) / of + z**2 / (4 * of**2))
    low, high = (centre - reach) / (1 + z**2 / of), (centre + reach) / (1 + z**2 / of)
    return (0.0 if hits == 0 else float(low)), (1.0 if hits == of else float(high))


def ppv_at_prevalence(sensitivity, specificity, prevalence):
    """Positive predictive value at any prevalence, by Bayes' theorem.

    Parameters
    ----------
    sensitivity, specificity, prevalence : floats or arrays in [0, 1] that fit together

    Returns
    -------
    float or array: the share of positives among the films called positive, NaN where none is called positive

    It holds for another prevalence as long as sensitivity and specificity stay what they are, which another
    mix of patients does not promise. Raises CourseError outside [0, 1].
    """
    given = {"sensitivity": sensitivity, "specificity": specificity, "prevalence": prevalence}
    for name, value in given.items():
        if not np.all((np.asarray(value) >= 0) & (np.asarray(value) <= 1)):
            raise CourseError(f"The {name} must lie between 0 and 1; is it in percent?")
    true = np.multiply(sensitivity, prevalence)
    called = true + np.multiply(np.subtract(1, specificity), np.subtract(1, prevalence))
    ppv = np.divide(true, called, out=np.full(np.shape(called), np.nan), where=called > 0)
    return float(ppv) if ppv.ndim == 0 else ppv


def _quantile(level):
    if not 0 < level < 1:
        raise CourseError(f"The level is {level}: give a share between 0 and 1, such as 0.95.")
    return norm.ppf((1 + level) / 2)


def _checked(y, score, finding=""):
    """Labels as bool (n,) and scores as float (n,), or a CourseError that says what is wrong."""
    place = f" of {finding}" if finding else ""
    y, score = np.asarray(y), np.asarray(score, dtype=float)
    if y.ndim != 1 or y.shape != score.shape:
        raise CourseError(f"Labels{place} have shape {y.shape}, scores {score.shape}: both must be (n,), film by film.")
    if not len(y):
        raise CourseError(f"There are no films{place}: give at least one label and one score.")
    if not np.isin(y, (0, 1)).all():
        raise CourseError(
            f"Labels{place} must be 0 or 1, and some are not: 1 says the finding is there, 0 that it is not."
        )
    if np.isnan(score).any():
        raise CourseError(f"{np.isnan(score).sum()} of {len(score)} scores{place} are NaN: find out why, drop no film.")
    return y.astype(bool), score


def _matched(films, scores):
    """Rows of `scores` in the order of `films`, by name: a row taken by position could be another film's."""
    absent = [finding for finding in FINDINGS if finding not in scores.columns or finding not in films.columns]
    if absent:
        raise CourseError(f"No labels or no scores for {', '.join(absent)}: all 14 findings must be there.")
    if scores.index.has_duplicates:
        raise CourseError(f"The film {scores.index[scores.index.duplicated()][0]} has more than one row of scores.")
    unscored = films["Image"][~films["Image"].isin(scores.index)]
    if len(unscored):
        count = f"{len(unscored)} of {len(films)} films, {unscored.iloc[0]} for one,"
        raise CourseError(f"{count} have no score: take scores of the same split.")
    return scores.loc[films["Image"]]
