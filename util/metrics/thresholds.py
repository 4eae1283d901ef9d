"""From scores to decisions: thresholds, the counts and rates they give, and what a positive call is worth.

`y` holds one finding's labels (n,), 0 or 1, and `score` its scores (n,), higher meaning more likely. A film is called
positive when its score reaches the threshold. Choose a threshold on other films than those that judge it.
"""

from numbers import Real
from typing import NamedTuple

import numpy as np
import pandas as pd

from util.errors import CourseError
from util.metrics.inputs import checked, checked_probabilities, checked_shares
from util.metrics.proportions import wilson_interval
from util.metrics.roc import roc_curve


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
    CourseError : `wanted` is out of range, no film is positive, or the input is wrong as in `util.metrics.roc.auc`.
    """
    y, score = checked(y, score)
    if not 0 < wanted <= 1:
        raise CourseError(f"The wanted sensitivity is {wanted}: give a share above 0 and at most 1, such as 0.8.")
    if not y.any():
        raise CourseError("No film is positive: no threshold can be chosen for a sensitivity.")
    falling = np.sort(score[y])[::-1]
    reached = np.arange(1, len(falling) + 1) / len(falling)
    return float(falling[np.argmax(reached >= wanted)])


def youden_threshold(y, score):
    """Threshold with the largest sensitivity + specificity - 1 (Youden 1950); of equals the highest.

    It is the best one where a missed finding costs as many false alarms as there are negatives for each positive.
    Raises CourseError as `util.metrics.roc.roc_curve`.
    """
    fpr, tpr, thresholds = roc_curve(y, score)
    return float(thresholds[np.argmax(np.round(tpr - fpr, 12))])


def cost_threshold(y, score, misses_per_alarm, prevalence=None):
    """Threshold of the least expected cost; of equals the highest.

    Parameters
    ----------
    y, score : arrays (n,)
    misses_per_alarm : float above 0, how many false alarms one missed finding is worth
    prevalence : float in [0, 1] of the place of use, or None for that of these films

    Returns
    -------
    float; infinite where it is best to call no film positive

    Cost of a film: prevalence (1 - TPR) misses_per_alarm + (1 - prevalence) FPR (Metz 1978,
    doi 10.1016/S0001-2998(78)80014-2).
    """
    if not misses_per_alarm > 0:
        raise CourseError(f"A miss is said to cost {misses_per_alarm} false alarms: give a number above 0.")
    prevalence = np.mean(checked(y, score)[0]) if prevalence is None else prevalence
    checked_shares(prevalence=prevalence)
    fpr, tpr, thresholds = roc_curve(y, score)
    cost = prevalence * (1 - tpr) * misses_per_alarm + (1 - prevalence) * fpr
    return float(thresholds[np.argmin(np.round(cost, 12))])


class Confusion(NamedTuple):
    """Numbers of films: true positives, false positives, false negatives, true negatives."""

    tp: int
    fp: int
    fn: int
    tn: int


def confusion(y, score, threshold):
    """Count the films at one threshold: `Confusion`. Raises CourseError as `checked`, and for a NaN threshold."""
    y, score = checked(y, score)
    if not isinstance(threshold, Real) or np.isnan(threshold):
        raise CourseError(f"{threshold!r} is no threshold: choose one number on films with at least one positive.")
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
    share of); NaN where that number is 0. The intervals take the films for independent.
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
    checked_shares(sensitivity=sensitivity, specificity=specificity, prevalence=prevalence)
    true = np.multiply(sensitivity, prevalence)
    called = true + np.multiply(np.subtract(1, specificity), np.subtract(1, prevalence))
    ppv = np.divide(true, called, out=np.full(np.shape(called), np.nan), where=called > 0)
    return float(ppv) if ppv.ndim == 0 else ppv


def npv_at_prevalence(sensitivity, specificity, prevalence):
    """Negative predictive value at any prevalence: the share of negatives among the films called negative.

    Arguments, result and errors as those of `ppv_at_prevalence`, with the classes exchanged.
    """
    checked_shares(sensitivity=sensitivity, specificity=specificity, prevalence=prevalence)
    return ppv_at_prevalence(specificity, sensitivity, np.subtract(1, prevalence))


def net_benefit(y, p, thresholds):
    """Decision curve: what acting on the probabilities is worth, in true positives per film.

    Parameters
    ----------
    y : array (n,) of 0/1
    p : array (n,) of probabilities
    thresholds : array (k,) in [0, 1), probabilities from which one would act

    Returns
    -------
    DataFrame (k rows): threshold, model, all (act on every film), none (0). Each false alarm is paid for with
    threshold / (1 - threshold) true positives: who acts from 0.1 on takes nine false alarms for one hit.

    Vickers and Elkin 2006 (doi 10.1177/0272989X06295361). Raises CourseError for values that are no probabilities.
    """
    y, p = checked_probabilities(y, p)
    thresholds = np.asarray(thresholds, dtype=float)
    if thresholds.ndim != 1 or not ((thresholds >= 0) & (thresholds < 1)).all():
        raise CourseError("Thresholds of a decision curve are probabilities from 0 up and below 1, in a list.")
    price, n = thresholds / (1 - thresholds), len(y)
    hits, alarms = (len(part) - np.searchsorted(np.sort(part), thresholds) for part in (p[y], p[~y]))
    return pd.DataFrame(
        {
            "threshold": thresholds,
            "model": hits / n - price * alarms / n,
            "all": np.mean(y) - price * np.mean(~y),
            "none": np.zeros(len(thresholds)),
        }
    )
