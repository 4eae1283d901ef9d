"""Are the outputs probabilities? Reliability, the Brier score and its parts, calibration slope and intercept.

`y` holds one finding's labels (n,), 0 or 1, and `p` predicted probabilities (n,) in [0, 1]: of 100 films with a
prediction of 0.2, twenty should have the finding. A network trained with the weighted loss of lesson 4 predicts for a
prevalence of one half; `util.losses.weighted.undo_weighting` moves its outputs to the true prevalence.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from util.errors import CourseError
from util.metrics.inputs import checked_probabilities, patient_codes
from util.metrics.proportions import effective_number, share_interval, student_quantile, wilson_interval


def reliability(
    y: ArrayLike, p: ArrayLike, bins: int = 10, level: float = 0.95, patients: ArrayLike | None = None
) -> pd.DataFrame:
    """Reliability diagram as a table: films in bins of equal size, by their predicted probability.

    Parameters
    ----------
    y, p : arrays (n,)
    bins : int, at least 1; films with equal predictions stay together, so there may be fewer
    level : float in (0, 1)
    patients : array (n,), the patient of each film, or None to treat the films as independent

    Returns
    -------
    DataFrame, one row per bin from low to high: films, positives, answer (mean of p), share (of positives), low, high
    (Wilson's interval of the share; with patients, `util.metrics.proportions.share_interval`)

    See Also
    --------
    brier : one number for calibration and ranking together
    calibration_line : slope and intercept

    Examples
    --------
    >>> table = reliability([0, 0, 0, 1, 1, 1, 0, 1], [0.1, 0.2, 0.1, 0.2, 0.8, 0.9, 0.9, 0.8], bins=2)
    >>> table["share"].tolist()
    [0.25, 0.75]

    Taught in lesson 7.
    """
    y, p = checked_probabilities(y, p)
    which = _bins(p, bins)
    films, positives = np.bincount(which), np.bincount(which, y)
    limits = [wilson_interval(hits, of, level) for hits, of in zip(positives, films, strict=True)]
    if patients is not None:
        who, _ = patient_codes(patients, len(y))
        limits = [share_interval(y[which == k], who[which == k], level)[1:] for k in range(len(films))]
    return pd.DataFrame(
        {
            "films": films,
            "positives": positives.astype(int),
            "answer": np.bincount(which, p) / films,
            "share": positives / films,
            "low": [low for low, _ in limits],
            "high": [high for _, high in limits],
        }
    )


def _bins(p, bins):
    """Bin of each film, 0 to at most bins - 1, none empty."""
    if int(bins) != bins or bins < 1:
        raise CourseError(f"{bins} bins are asked for: give a whole number from 1 up, such as 10.")
    edges = np.unique(np.quantile(p, np.arange(1, bins) / bins))
    return np.unique(np.searchsorted(edges, p), return_inverse=True)[1]


class Brier(NamedTuple):
    """Brier score = reliability - resolution + uncertainty + within; all but the score itself depend on the bins.

    Attributes
    ----------
    score : mean squared distance between prediction and label
    reliability : mean squared distance between the predictions of the bins and their shares; 0 is best
    resolution : how much the shares of the bins differ; more is better
    uncertainty : prevalence (1 - prevalence), the score of predicting the prevalence for every film
    within : what varies within the bins

    See Also
    --------
    brier : computes it

    Examples
    --------
    >>> parts = brier([0, 1], [0.5, 0.5])
    >>> parts.score, parts.uncertainty
    (0.25, 0.25)

    Taught in lesson 7.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float


def brier(y: ArrayLike, p: ArrayLike, bins: int = 10) -> Brier:
    """Brier score and its parts, a `Brier`.

    Murphy 1973. Where predictions differ within a bin, two terms of Stephenson et al. 2008
    (doi 10.1175/2007WAF2006116.1) are added, the variance within bins and twice the covariance: they are `within`.

    See Also
    --------
    reliability : the bins as a table
    calibration_line : in which direction the probabilities are wrong

    Examples
    --------
    >>> parts = brier([0, 0, 1, 1], [0.1, 0.2, 0.7, 0.8], bins=2)
    >>> print(round(parts.score, 3), round(parts.resolution, 3))
    0.045 0.25

    Taught in lesson 7.
    """
    y, p = checked_probabilities(y, p)
    which = _bins(p, bins)
    films = np.bincount(which)
    answer, share = np.bincount(which, p) / films, np.bincount(which, y) / films
    weight, prevalence = films / len(y), y.mean()
    off = p - answer[which]
    return Brier(
        float(np.mean((p - y) ** 2)),
        float(np.sum(weight * (answer - share) ** 2)),
        float(np.sum(weight * (share - prevalence) ** 2)),
        float(prevalence * (1 - prevalence)),
        float(np.mean(off**2) - 2 * np.mean(off * (y - share[which]))),
    )


class Line(NamedTuple):
    """logit P(finding) = intercept + slope logit(p). With a slope below 1 the predictions are too extreme.

    in_the_large (calibration-in-the-large) is the intercept with the slope held at 1; above 0, the predictions are too
    low on the whole. The pairs are confidence intervals. Slope and intercept are NaN where the predictions separate
    the classes completely; everything is NaN where all labels are the same.

    See Also
    --------
    calibration_line : fits it

    Examples
    --------
    >>> line = calibration_line([0, 1, 0, 1], [0.3, 0.3, 0.7, 0.7])
    >>> print(round(abs(line.slope), 3))
    0.0

    Taught in lesson 7.
    """

    slope: float
    slope_interval: tuple
    intercept: float
    intercept_interval: tuple
    in_the_large: float
    in_the_large_interval: tuple


def calibration_line(y: ArrayLike, p: ArrayLike, patients: ArrayLike | None = None, level: float = 0.95) -> Line:
    """Calibration slope and intercept, by logistic regression of the labels on logit(p): a `Line`.

    Parameters
    ----------
    y, p : arrays (n,), p strictly between 0 and 1
    patients : array (n,), the patient of each film, or None to treat the films as independent
    level : float in (0, 1)

    Raises
    ------
    CourseError : a value is not a probability, or is exactly 0 or 1, so that its logit is infinite.

    Cox 1958 (doi 10.1093/biomet/45.3-4.562). The intervals use the sandwich variance, added up by patient, and
    Student's quantile; its degrees of freedom are the effective number of patients in the rarer class, less one.

    See Also
    --------
    reliability : the same question as a diagram
    util.losses.weighted.undo_weighting : the intercept that the weighted loss leaves behind

    Examples
    --------
    >>> y, p = [0, 0, 0, 1, 0, 1, 1, 1], [0.01] * 4 + [0.99] * 4
    >>> line = calibration_line(y, p)
    >>> print(round(line.slope, 2), line.slope < 1)
    0.24 True

    Taught in lesson 7.
    """
    y, p = checked_probabilities(y, p)
    if p.min() == 0 or p.max() == 1:
        raise CourseError(
            "Some predicted probabilities are exactly 0 or 1, so their logit is infinite: clip them, or give the scores of a model that is never certain."
        )
    x, (who, everyone) = logit(p), patient_codes(patients, len(y))
    nothing = np.nan, (np.nan, np.nan)
    if y.all() or not y.any():
        return Line(*nothing * 3)
    ones = np.ones((len(y), 1))
    effective = min(effective_number(np.bincount(who[mask])) for mask in (y, ~y))
    quantile = student_quantile(level, effective - 1)
    shift = _regress(ones, y, x, who, everyone, quantile)[0]
    if x[y].min() >= x[~y].max() or x[y].max() <= x[~y].min():  # the likelihood grows forever with the slope
        return Line(*nothing * 2, *shift)
    intercept, slope = _regress(np.column_stack([ones, x]), y, np.zeros(len(y)), who, everyone, quantile)
    return Line(*slope, *intercept, *shift)


def _regress(design, y, offset, who, everyone, quantile):
    """Coefficients of a logistic regression with their intervals: list of (value, (low, high)).

    Newton's method; each step is halved until the likelihood, which is concave, rises.
    """

    def loss(beta):
        z = design @ beta + offset
        return np.sum(np.logaddexp(0, z) - y * z)

    beta = np.zeros(design.shape[1])
    for _ in range(200):
        fitted = expit(design @ beta + offset)
        bread = np.linalg.pinv(design.T @ (design * (fitted * (1 - fitted))[:, None]))
        step = bread @ (design.T @ (y - fitted))
        while loss(beta + step) > loss(beta) + 1e-12 and np.abs(step).max() > 1e-12:
            step = step / 2
        beta = beta + step
        if np.abs(step).max() < 1e-11:
            break
    scores = design * (y - expit(design @ beta + offset))[:, None]
    by_patient = np.stack([np.bincount(who, column, everyone) for column in scores.T])
    meat = by_patient @ by_patient.T * everyone / (everyone - 1) if everyone > 1 else np.nan * np.eye(len(beta))
    reach = quantile * np.sqrt(np.diag(bread @ meat @ bread))
    return [(float(b), (float(b - r), float(b + r))) for b, r in zip(beta, reach, strict=True)]
