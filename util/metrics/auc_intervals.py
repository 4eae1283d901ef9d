"""How sure an AUC is: the influence of each film, the variance by patient, intervals. Lesson 6."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from util.errors import CourseError
from util.metrics.inputs import checked, patient_codes
from util.metrics.proportions import effective_number, normal_quantile, student_quantile
from util.metrics.roc import placements

ADDED = 2  # hits, and as many misses, that an interval adds to the hits and misses that an AUC is worth


class Influence(NamedTuple):
    """What each patient adds to the error of an AUC, and each patient's share of the films.

    See Also
    --------
    influence : makes it from labels and scores
    variance_of : the variance of its AUC

    Examples
    --------
    >>> parts = influence([1, 1, 0, 0], [3, 1, 2, 0])
    >>> round(parts.auc, 3), round(parts.effective, 3)
    (0.75, 2.0)

    Taught in lesson 6, section 5.
    """

    auc: float
    of_positives: np.ndarray  # (patients,): sums of placements less the AUC, over the number of positives, corrected
    of_negatives: np.ndarray
    positives: np.ndarray  # (patients,): shares of the positive films, which add up to 1, or 0 without any
    negatives: np.ndarray

    @property
    def effective(self) -> float:
        """Effective number of patients in the class that has fewer of them; 0 where there are none."""
        return min(effective_number(self.positives), effective_number(self.negatives))


def influence(
    y: ArrayLike, score: ArrayLike, patients: ArrayLike | None = None, among: np.ndarray | None = None
) -> Influence:
    """Parts of an AUC by patient (by film if `patients` is None): an `Influence`; NaN and zeros with one class only.

    Parameters
    ----------
    y, score, patients : as in `auc_variance`
    among : bool array (n,), the films to take, or None for all; there is one part for each of all patients either
        way, so that two AUCs can be compared patient by patient

    Except for terms of higher order, the error of the AUC is a sum of independent parts, one for each patient. The sum
    of their squares is the variance; the sum of their products is the covariance of two AUCs that share patients.

    See Also
    --------
    auc_variance : the variance that follows from the parts
    util.metrics.roc.placements : the ranks that the parts are made of

    Examples
    --------
    >>> parts = influence([1, 1, 0, 0], [3, 1, 2, 0], patients=[7, 8, 9, 9])
    >>> len(parts.of_positives), round(float(parts.of_positives.sum()), 3)
    (3, 0.0)

    Taught in lesson 6, section 5.
    """
    y, score = checked(y, score)
    who, everyone = patient_codes(patients, len(y))
    if among is not None:
        y, score, who = y[among], score[among], who[among]
    if not y.any() or y.all():
        return Influence(np.nan, *np.zeros((4, everyone)))
    below, above = placements(y, score)
    area = float(below.mean())
    parts, shares = [], []
    for mine, placed in ((who[y], below), (who[~y], above)):
        share = np.bincount(mine, minlength=everyone) / len(placed)
        part = np.bincount(mine, placed - area, everyone) / len(placed)
        parts.append(np.divide(part, np.sqrt(1 - share), out=part, where=share < 1))
        shares.append(share)
    return Influence(area, *parts, *shares)


def variance_of(parts: Influence) -> float:
    """Variance of the AUC of an `Influence`; NaN unless each class has films of at least two patients.

    See Also
    --------
    auc_variance : the same, from labels and scores

    Examples
    --------
    >>> print(round(variance_of(influence([1, 1, 0, 0], [3, 1, 2, 0])), 3))
    0.125

    Taught in lesson 6, section 5.
    """
    return float(np.sum((parts.of_positives + parts.of_negatives) ** 2)) if parts.effective > 1 + 1e-9 else np.nan


def auc_variance(y: ArrayLike, score: ArrayLike, patients: ArrayLike | None = None) -> float:
    """Variance of the AUC: DeLong's, or Obuchowski's where films of one patient are not independent.

    Parameters
    ----------
    y : array (n,) of 0/1
    score : array (n,)
    patients : array (n,), the patient of each film, or None to treat the films as independent

    Returns
    -------
    float, or NaN with fewer than two positives or negatives (with `patients`: than two patients who have one)

    Without `patients`: DeLong et al. 1988 (doi 10.2307/2531595). With them, the placements are first added up within
    each patient, as in Obuchowski 1997 (doi 10.2307/2533958). Her factor I / (I - 1) corrects for taking the mean from
    the same I patients and assumes equally many films of each. Here each patient's sum is divided by the square root
    of 1 - the patient's share of the films. This is the same for equal shares, and it stays right for a patient who
    has half of all films and so pulls the AUC along (CR2: Bell and McCaffrey 2002, Survey Methodology 28:169-181).

    See Also
    --------
    auc_interval : the confidence interval that it gives
    hanley_mcneil_variance : what to expect before any film is scored

    Examples
    --------
    >>> y, score = [1, 1, 1, 0, 0, 0], [6, 5, 2, 4, 3, 1]
    >>> print(round(auc_variance(y, score), 3))
    0.062

    Taught in lesson 6, section 5.
    """
    return variance_of(influence(y, score, patients))


def auc_interval(
    y: ArrayLike, score: ArrayLike, level: float = 0.95, patients: ArrayLike | None = None, scale: str = "logit"
) -> tuple[float, float]:
    """Confidence interval of the AUC from `auc_variance`.

    Parameters
    ----------
    y : array (n,) of 0/1
    score : array (n,)
    level : float in (0, 1)
    patients : array (n,), the patient of each film, or None to treat the films as independent
    scale : 'logit', or 'plain' for AUC +- z standard errors, cut at 0 and 1, as in R's pROC

    Returns
    -------
    (low, high), floats in [0, 1] with the AUC between them; NaN where the variance is unknown, and where the AUC is 0
    or 1, because an estimated variance of 0 does not mean certainty

    See Also
    --------
    auc_variance : the variance behind the interval
    util.metrics.bootstrap.bootstrap_aucs : an interval by drawing patients again and again
    util.metrics.auc_tables.auc_table : AUC and interval of all 14 findings

    Examples
    --------
    >>> low, high = auc_interval([1, 1, 1, 0, 0, 0], [6, 5, 2, 4, 3, 1])
    >>> print(round(low, 2), round(high, 2))
    0.02 0.99

    Taught in lesson 6, section 5.
    """
    if scale not in ("logit", "plain"):
        raise CourseError(f"There is no scale {scale!r}: use 'logit' or 'plain'.")
    return interval_of(influence(y, score, patients), level, scale)


def interval_of(parts: Influence, level: float = 0.95, scale: str = "logit") -> tuple[float, float]:
    """Interval (low, high) of the AUC of an `Influence`; see `auc_interval`.

    See Also
    --------
    auc_interval : the same, from labels and scores

    Examples
    --------
    >>> low, high = interval_of(influence([1, 1, 1, 0, 0, 0], [6, 5, 2, 4, 3, 1]), scale="plain")
    >>> print(round(low, 2), round(high, 2))
    0.29 1.0

    Taught in lesson 6, section 5.
    """
    return interval_around(parts.auc, variance_of(parts), level, scale, parts.effective)


def interval_around(
    area: ArrayLike, variance: ArrayLike, level: float = 0.95, scale: str = "logit", effective: float = np.inf
) -> tuple[float, float] | tuple[np.ndarray, np.ndarray]:
    """Interval (low, high) of an AUC whose variance is known.

    Parameters
    ----------
    area, variance : floats or arrays
    level, scale : as in `auc_interval`
    effective : float, the effective number of patients behind the variance (`Influence.effective`); infinite for the
        interval of large samples, logit(AUC) +- z standard errors

    The logit scale keeps the interval within (0, 1), and its coverage is better than that of the plain scale when the
    AUC is high or positives are few (Qin and Hotilovac 2008, doi 10.1177/0962280207087173). Two corrections matter
    where patients are few and vanish where they are many. First, the quantile is Student's, because the standard error
    is estimated from few patients as well; patients with unequal numbers of films count as Kish's effective number.
    Second, the center moves toward one half: a few positives that all rank high by luck also vary little, and then the
    interval of large samples is both too high and too narrow. AUC (1 - AUC) / variance is the number of independent
    hits and misses with the same information; `ADDED` hits and misses are added to them, as Agresti and Coull 1998
    do for a share (doi 10.1080/00031305.1998.10480550). A simulation settled how many to add, and that the degrees of
    freedom are the effective number itself (the other class adds to the rarer one): `python -m util coverage`.

    See Also
    --------
    auc_interval : the same, from labels and scores
    util.metrics.proportions.share_around : the interval of a share

    Examples
    --------
    >>> low, high = interval_around(0.8, 0.05**2)
    >>> print(round(low, 3), round(high, 3))
    0.684 0.881

    Taught in lesson 6, section 5.
    """
    area, variance, quantile = np.asarray(area, dtype=float), np.asarray(variance, dtype=float), normal_quantile(level)
    known = (area > 0) & (area < 1) & (variance > 0)
    share, variance = np.where(known, area, 0.5), np.where(known, variance, 1.0)
    if scale == "plain":
        reach = quantile * np.sqrt(variance)
        low, high = np.maximum(share - reach, 0), np.minimum(share + reach, 1)
    else:
        centre = share
        if not np.isinf(effective):
            films, quantile = share * (1 - share) / variance, student_quantile(level, effective)
            centre = (films * share + ADDED) / (films + 2 * ADDED)
        reach = quantile * np.sqrt(variance) / (share * (1 - share))
        low = np.minimum(expit(logit(centre) - reach), share)
        high = np.maximum(expit(logit(centre) + reach), share)
    low, high = np.where(known, low, np.nan), np.where(known, high, np.nan)
    return (low, high) if low.ndim else (float(low), float(high))


def hanley_mcneil_variance(area: ArrayLike, positives: ArrayLike, negatives: ArrayLike) -> np.ndarray | float:
    """Variance to expect of an AUC before any film is scored, from the numbers of films alone.

    Parameters
    ----------
    area : float or array in (0, 1), the assumed AUC
    positives, negatives : int or array, at least 1

    Returns
    -------
    float or array. Hanley and McNeil 1982 (doi 10.1148/radiology.143.1.7063747), for exponential scores.

    See Also
    --------
    auc_variance : the variance once the films are scored

    Examples
    --------
    >>> print(round(float(hanley_mcneil_variance(0.8, positives=50, negatives=50)) ** 0.5, 3))
    0.045

    Taught in lesson 6, section 5.
    """
    area, positives, negatives = map(np.asarray, (area, positives, negatives))
    if np.any(positives < 1) or np.any(negatives < 1) or not np.all((area > 0) & (area < 1)):
        raise CourseError(
            "Hanley and McNeil's formula needs an AUC between 0 and 1 and at least one film of each class."
        )
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (positives - 1) * (q1 - area**2) + (negatives - 1) * (q2 - area**2)
    return spread / (positives * negatives)
