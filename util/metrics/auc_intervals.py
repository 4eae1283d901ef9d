"""How sure an AUC is: influence of each film, variance by patient, intervals. Notebook 6."""

from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

from util.errors import CourseError
from util.metrics.inputs import checked, patient_codes
from util.metrics.proportions import effective_number, normal_quantile, student_quantile
from util.metrics.roc import placements

ADDED = 2  # hits, and as many misses, that an interval adds to those that an AUC is worth


class Influence(NamedTuple):
    """What each patient adds to the error of an AUC, and which share of the films is his or hers."""

    auc: float
    of_positives: np.ndarray  # (patients,): sums of placements less the AUC, over the number of positives, corrected
    of_negatives: np.ndarray
    positives: np.ndarray  # (patients,): shares of the positive films, which add up to 1, or 0 without any
    negatives: np.ndarray

    @property
    def effective(self):
        """Patients of equal weight that are worth as much as these, in the class where they are fewer; 0 of none."""
        return min(effective_number(self.positives), effective_number(self.negatives))


def influence(y, score, patients=None, among=None):
    """Parts of an AUC by patient (by film where `patients` is None): `Influence`, NaN and zeros with one class.

    Parameters
    ----------
    y, score, patients : as those of `auc_variance`
    among : bool array (n,), the films to take, or None for all; the parts are those of all patients either way, so
        that two AUCs can be compared patient by patient

    The AUC's error is, but for terms of higher order, the sum of independent parts, one of each patient. The sum of
    their squares is its variance, and the sum of products that of two AUCs that share films or patients.
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


def variance_of(parts):
    """Variance from an `Influence`; NaN with fewer than two patients with a film of each class."""
    return float(np.sum((parts.of_positives + parts.of_negatives) ** 2)) if parts.effective > 1 + 1e-9 else np.nan


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

    DeLong et al. 1988 (doi 10.2307/2531595) where every patient has one film. By patient the placements of a patient
    are added up first, as by Obuchowski 1997 (doi 10.2307/2533958). Her factor I / (I - 1) corrects for the mean being
    taken from the same I patients, each with equally many films; here each patient's sum is divided by the root of 1 -
    his or her share of the films, which is the same for equal shares, and right for a patient who has half of all
    films and draws the AUC after him (CR2: Bell and McCaffrey 2002, Survey Methodology 28:169-181).
    """
    return variance_of(influence(y, score, patients))


def auc_interval(y, score, level=0.95, patients=None, scale="logit"):
    """Confidence interval of the AUC from `auc_variance`.

    Parameters
    ----------
    y : array (n,) of 0/1
    score : array (n,)
    level : float in (0, 1)
    patients : array (n,), the patient of each film, or None to treat the films as independent
    scale : 'logit', or 'plain' for AUC +- z standard errors cut at 0 and 1, as R's pROC has it

    Returns
    -------
    (low, high), floats in [0, 1] with the AUC between them; NaN where the variance is unknown, and where the AUC is 0
    or 1, since a variance of 0 from a finite sample is no certainty
    """
    if scale not in ("logit", "plain"):
        raise CourseError(f"There is no scale {scale!r}: use 'logit' or 'plain'.")
    return interval_of(influence(y, score, patients), level, scale)


def interval_of(parts, level=0.95, scale="logit"):
    """Interval (low, high) of the AUC of an `Influence`; see `auc_interval`."""
    return interval_around(parts.auc, variance_of(parts), level, scale, parts.effective)


def interval_around(area, variance, level=0.95, scale="logit", effective=np.inf):
    """Interval (low, high) of an AUC whose variance is known.

    Parameters
    ----------
    area, variance : floats or arrays; level, scale : as those of `auc_interval`
    effective : float, `Influence.effective`: of how many patients of equal weight the variance is known; infinite for
        the interval of large samples, logit(AUC) +- z standard errors

    The logit keeps the interval within (0, 1) and covers better than the plain one when the AUC is high or positives
    are few (Qin and Hotilovac 2008, doi 10.1177/0962280207087173). Two things more where patients are few, each of which
    vanishes where they are many. The quantile is Student's, since the standard error is known from few patients, too, and
    patients with different numbers of films count as Kish's effective number. And the middle moves towards one half: few
    positives that by luck all rank high also look alike, and the interval of large samples is then too high and too
    narrow at once. AUC (1 - AUC) / variance is how many independent hits and misses would tell as much; to them
    hits and misses are added, as to a share by Agresti and Coull 1998 (doi 10.1080/00031305.1998.10480550). That Student's
    degrees are the effective number itself, for the other class adds to those of the rarer one, and how many are added,
    was settled by simulation: `python -m util.course.coverage`.
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
