"""How sure are the curves? A band on the ROC curve and an interval of the average precision, both by patient."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from util.errors import CourseError
from util.metrics.auc_intervals import influence, interval_around
from util.metrics.bootstrap import BATCH, draw_patients
from util.metrics.inputs import checked, patient_codes
from util.metrics.proportions import effective_number, share_around
from util.metrics.roc import average_precision, roc_curve

GRID = np.linspace(0.01, 0.99, 99)


def roc_band(
    y: ArrayLike,
    score: ArrayLike,
    patients: ArrayLike | None = None,
    fpr: ArrayLike = GRID,
    level: float = 0.95,
    rounds: int = 500,
    seed: int = 0,
) -> pd.DataFrame:
    """Sensitivity at each false positive rate, with an interval by patient: a pointwise band.

    Parameters
    ----------
    y : array (n,) of 0/1
    score : array (n,)
    patients : array (n,), the patient of each film, or None to treat the films as independent
    fpr : array (k,) in (0, 1)
    level : float in (0, 1), at each false positive rate by itself; the whole curve is within the band less often
    rounds, seed : of the patient bootstrap that gives the standard error

    Returns
    -------
    DataFrame (k rows): fpr, tpr (interpolated linearly between the steps of the curve), low, high; NaN with fewer than
    two patients of either class

    The standard error covers both the luck of the positives and that of the negatives, whose ranks set the threshold.
    The interval is that of a share by patient (`util.metrics.proportions.share_interval`).

    Raises
    ------
    CourseError : one class only, a false positive rate of 0 or 1 or beyond, or as in `util.metrics.roc.auc`.

    See Also
    --------
    util.metrics.roc.roc_curve : the curve without a band
    average_precision_interval : how sure the average precision is

    Examples
    --------
    >>> band = roc_band([1, 1, 1, 0, 0, 0], [6, 5, 2, 4, 3, 1], fpr=[0.5], rounds=50)
    >>> bool((band["low"] <= band["tpr"]).all() and (band["tpr"] <= band["high"]).all())
    True

    Taught in lesson 6, section 5.
    """
    y, score = checked(y, score)
    fpr = np.asarray(fpr, dtype=float)
    if fpr.ndim != 1 or not ((fpr > 0) & (fpr < 1)).all():
        raise CourseError("False positive rates of a band lie between 0 and 1, without the ends, in a list.")
    who, everyone = patient_codes(patients, len(y))
    curve = roc_curve(y, score)
    tpr = np.interp(fpr, *curve[:2])
    effective = influence(y, score, who).effective
    table = pd.DataFrame({"fpr": fpr, "tpr": tpr, "low": np.nan, "high": np.nan})
    if effective > 1 + 1e-9:
        step = np.searchsorted(-curve[2][1:], -score)  # of each film on the curve
        drawn = _drawn_curves(y, step, len(curve[2]) - 1, who, everyone, fpr, rounds, seed)
        variances = np.nanvar(drawn, axis=0) * effective / (effective - 1)
        table[["low", "high"]] = [share_around(*point, effective, level) for point in zip(tpr, variances, strict=True)]
    return table


def _drawn_curves(y, step, steps, who, everyone, fpr, rounds, seed):
    """Sensitivities (rounds, k) of resampled patients, without rounds that drew one class only."""
    rng, curves = np.random.default_rng(seed), []
    for start in range(0, rounds, BATCH):
        for weights in draw_patients(everyone, min(BATCH, rounds - start), rng).T:
            films = weights[who]
            hits = np.cumsum(np.bincount(step, films * y, steps))
            alarms = np.cumsum(np.bincount(step, films * ~y, steps))
            if hits[-1] and alarms[-1]:
                curves.append(np.interp(fpr, np.append(0, alarms / alarms[-1]), np.append(0, hits / hits[-1])))
    return np.array(curves) if curves else np.full((1, len(fpr)), np.nan)


def average_precision_influence(y: ArrayLike, score: ArrayLike) -> np.ndarray:
    """How much each film moves the average precision: float array (n,), the derivative by its weight; the sum is 0.

    See Also
    --------
    average_precision_interval : the interval that follows
    util.metrics.auc_intervals.influence : the same for the AUC

    Examples
    --------
    >>> moved = average_precision_influence([1, 0, 1, 0], [4, 3, 2, 1])
    >>> print(round(abs(float(moved.sum())), 3))
    0.0
    """
    y, score = checked(y, score)
    levels, step = np.unique(-score, return_inverse=True)  # the highest score first, tied films together
    found = np.bincount(step, y, len(levels))
    hits, called = np.cumsum(found), np.cumsum(np.bincount(step, minlength=len(levels)))
    precision, weight = hits / called, found / hits[-1]
    area = np.sum(weight * precision)
    lower = np.cumsum((weight * precision / called)[::-1])[::-1]  # a film takes from all thresholds that it reaches
    gained = np.cumsum((weight / called)[::-1])[::-1] + (precision - area) / hits[-1]
    return np.where(y, gained[step] - lower[step], -lower[step])


def average_precision_interval(
    y: ArrayLike, score: ArrayLike, level: float = 0.95, patients: ArrayLike | None = None
) -> tuple[float, float]:
    """Confidence interval (low, high) of the average precision; NaN with fewer than two patients of either class.

    Parameters
    ----------
    y, score, level, patients : as in `util.metrics.auc_intervals.auc_interval`

    The influences of the films are added up by patient, and their variance gives the interval in the same way as for
    an AUC (`util.metrics.auc_intervals.interval_around`). It holds for this prevalence only: where the finding is
    rarer, the average precision is lower.

    See Also
    --------
    util.metrics.roc.average_precision : the value itself
    util.metrics.auc_intervals.auc_interval : the same for the AUC

    Examples
    --------
    >>> low, high = average_precision_interval([1, 0, 1, 1, 0, 0], [6, 5, 4, 3, 2, 1])
    >>> print(0 < low < 0.81 < high < 1)
    True

    Taught in lesson 7.
    """
    y, score = checked(y, score)
    who, everyone = patient_codes(patients, len(y))
    effective = min(effective_number(np.bincount(who[mask])) if mask.any() else 0.0 for mask in (y, ~y))
    if effective <= 1 + 1e-9:
        return np.nan, np.nan
    moved = average_precision_influence(y, score)
    sums = np.zeros(everyone)
    for mask in (y, ~y):
        share = np.bincount(who[mask], minlength=everyone) / mask.sum()
        sums += np.bincount(who[mask], moved[mask], everyone) / np.sqrt(np.where(share < 1, 1 - share, 1))
    value = average_precision(y, score)
    return interval_around(value, float(np.sum(sums**2)), level, "logit", effective)
