"""From scores to decisions: thresholds, the counts and rates they give, and what a positive call is worth.

`y` holds one finding's labels (n,), 0 or 1, and `score` its scores (n,), higher meaning more likely. A film is called
positive when its score reaches the threshold. Choose a threshold on some films and judge it on others.
"""

from collections.abc import Sequence
from numbers import Real
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from util.errors import CourseError
from util.metrics.inputs import checked, checked_probabilities, checked_shares
from util.metrics.proportions import wilson_interval
from util.metrics.roc import roc_curve


def threshold_for_sensitivity(y: ArrayLike, score: ArrayLike, wanted: float) -> float:
    """Highest threshold that still finds the wanted share of the positives, and so has the best specificity.

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

    See Also
    --------
    youden_threshold : where no sensitivity is prescribed
    confusion : what the threshold does to the films

    Examples
    --------
    >>> threshold_for_sensitivity([1, 1, 1, 0, 0], [0.9, 0.6, 0.3, 0.5, 0.1], 0.6)
    0.6

    Taught in lesson 7.
    """
    y, score = checked(y, score)
    if not 0 < wanted <= 1:
        raise CourseError(f"The wanted sensitivity is {wanted}: give a share above 0 and at most 1, such as 0.8.")
    if not y.any():
        raise CourseError("No film is positive: no threshold can be chosen for a sensitivity.")
    falling = np.sort(score[y])[::-1]
    reached = np.arange(1, len(falling) + 1) / len(falling)
    return float(falling[np.argmax(reached >= wanted)])


def youden_threshold(y: ArrayLike, score: ArrayLike) -> float:
    """Threshold with the largest sensitivity + specificity - 1 (Youden 1950); the highest of several.

    It is the best one if a missed finding is worth as many false alarms as there are negatives for each positive.
    It raises a CourseError for the same input as `util.metrics.roc.roc_curve`.

    See Also
    --------
    cost_threshold : where misses and false alarms cost differently
    util.metrics.roc.roc_curve : the curve that it is a point of

    Examples
    --------
    >>> youden_threshold([1, 1, 1, 0, 0], [0.9, 0.6, 0.3, 0.5, 0.1])
    0.6

    Taught in lesson 7.
    """
    fpr, tpr, thresholds = roc_curve(y, score)
    return float(thresholds[np.argmax(np.round(tpr - fpr, 12))])


def cost_threshold(y: ArrayLike, score: ArrayLike, misses_per_alarm: float, prevalence: float | None = None) -> float:
    """Threshold with the least expected cost; the highest of several.

    Parameters
    ----------
    y, score : arrays (n,)
    misses_per_alarm : float above 0, how many false alarms one missed finding is worth
    prevalence : float in [0, 1] where the threshold will be used, or None for that of these films

    Returns
    -------
    float; infinite where it is best to call no film positive

    The cost of a film is prevalence (1 - TPR) misses_per_alarm + (1 - prevalence) FPR (Metz 1978,
    doi 10.1016/S0001-2998(78)80014-2).

    See Also
    --------
    youden_threshold : the special case of equal weight for both classes
    net_benefit : the same trade-off for probabilities

    Examples
    --------
    >>> y, score = [1, 1, 1, 0, 0], [0.9, 0.6, 0.3, 0.5, 0.1]
    >>> cost_threshold(y, score, misses_per_alarm=10), cost_threshold(y, score, misses_per_alarm=0.1)
    (0.3, 0.6)

    Taught in lesson 7.
    """
    if not misses_per_alarm > 0:
        raise CourseError(f"A miss is said to cost {misses_per_alarm} false alarms: give a number above 0.")
    prevalence = np.mean(checked(y, score)[0]) if prevalence is None else prevalence
    checked_shares(prevalence=prevalence)
    fpr, tpr, thresholds = roc_curve(y, score)
    cost = prevalence * (1 - tpr) * misses_per_alarm + (1 - prevalence) * fpr
    return float(thresholds[np.argmin(np.round(cost, 12))])


class Confusion(NamedTuple):
    """Numbers of films: true positives, false positives, false negatives, true negatives.

    See Also
    --------
    confusion : counts the films
    rates : sensitivity, specificity, PPV and NPV

    Examples
    --------
    >>> Confusion(8, 2, 1, 9).tp
    8

    Taught in lesson 7.
    """

    tp: int
    fp: int
    fn: int
    tn: int


def confusion(y: ArrayLike, score: ArrayLike, threshold: float) -> Confusion:
    """Count the films at one threshold: a `Confusion`.

    It raises a CourseError for the same input as `checked`, and for a threshold of NaN.

    See Also
    --------
    rates : the shares that follow from the counts

    Examples
    --------
    >>> confusion([1, 1, 1, 0, 0], [0.9, 0.6, 0.3, 0.5, 0.1], 0.5)
    Confusion(tp=2, fp=1, fn=1, tn=1)

    Taught in lesson 7.
    """
    y, score = checked(y, score)
    if not isinstance(threshold, Real) or np.isnan(threshold):
        raise CourseError(f"{threshold!r} is no threshold: choose one number on films with at least one positive.")
    called = score >= threshold
    return Confusion(*(int(np.sum(cell)) for cell in (y & called, ~y & called, y & ~called, ~y & ~called)))


def rates(counts: Confusion | Sequence[int], level: float = 0.95) -> pd.DataFrame:
    """Sensitivity, specificity, PPV and NPV with Wilson intervals.

    Parameters
    ----------
    counts : Confusion, or (tp, fp, fn, tn)
    level : float in (0, 1)

    Returns
    -------
    DataFrame (index: sensitivity, specificity, ppv, npv): value, low, high, of (the number of films that it is a
    share of); NaN where that number is 0. The intervals assume independent films.

    See Also
    --------
    confusion : the counts
    ppv_at_prevalence : the PPV elsewhere

    Examples
    --------
    >>> rates((8, 2, 2, 18))["value"].round(2).to_dict()
    {'sensitivity': 0.8, 'specificity': 0.9, 'ppv': 0.8, 'npv': 0.9}

    Taught in lesson 7.
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


def ppv_at_prevalence(sensitivity: ArrayLike, specificity: ArrayLike, prevalence: ArrayLike) -> np.ndarray | float:
    """Positive predictive value at any prevalence, by Bayes' theorem.

    Parameters
    ----------
    sensitivity, specificity, prevalence : floats or arrays in [0, 1] that fit together

    Returns
    -------
    float or array: the share of positives among the films called positive, NaN where none is called positive

    The result holds at a different prevalence only if sensitivity and specificity stay the same, and a different mix of
    patients may change them. Values outside [0, 1] raise a CourseError.

    See Also
    --------
    npv_at_prevalence : the same for negative calls
    util.metrics.label_noise.attainable_auc : the same formula for noisy labels

    Examples
    --------
    >>> print(round(ppv_at_prevalence(0.9, 0.9, prevalence=0.01), 3))
    0.083

    Taught in lesson 7.
    """
    checked_shares(sensitivity=sensitivity, specificity=specificity, prevalence=prevalence)
    true = np.multiply(sensitivity, prevalence)
    called = true + np.multiply(np.subtract(1, specificity), np.subtract(1, prevalence))
    ppv = np.divide(true, called, out=np.full(np.shape(called), np.nan), where=called > 0)
    return float(ppv) if ppv.ndim == 0 else ppv


def npv_at_prevalence(sensitivity: ArrayLike, specificity: ArrayLike, prevalence: ArrayLike) -> np.ndarray | float:
    """Negative predictive value at any prevalence: the share of negatives among the films called negative.

    Arguments, result and errors are those of `ppv_at_prevalence`, with the classes exchanged.

    See Also
    --------
    ppv_at_prevalence : the same for positive calls

    Examples
    --------
    >>> print(round(npv_at_prevalence(0.9, 0.9, prevalence=0.01), 4))
    0.9989

    Taught in lesson 7.
    """
    checked_shares(sensitivity=sensitivity, specificity=specificity, prevalence=prevalence)
    return ppv_at_prevalence(specificity, sensitivity, np.subtract(1, prevalence))


def net_benefit(y: ArrayLike, p: ArrayLike, thresholds: ArrayLike) -> pd.DataFrame:
    """Decision curve: the benefit of acting on the probabilities, in true positives per film.

    Parameters
    ----------
    y : array (n,) of 0/1
    p : array (n,) of probabilities
    thresholds : array (k,) in [0, 1), the probabilities from which to act

    Returns
    -------
    DataFrame (k rows): threshold, model, all (act on every film), none (0). Each false alarm costs
    threshold / (1 - threshold) true positives: acting from 0.1 on means accepting nine false alarms for one hit.

    Vickers and Elkin 2006 (doi 10.1177/0272989X06295361). Values that are not probabilities raise a CourseError.

    See Also
    --------
    cost_threshold : the same trade-off for scores
    util.metrics.calibration.reliability : whether the probabilities can be trusted

    Examples
    --------
    >>> net_benefit([1, 1, 0, 0], [0.9, 0.4, 0.3, 0.1], [0.2])["model"].round(4).tolist()
    [0.4375]

    Taught in lesson 7.
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
