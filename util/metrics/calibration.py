"""Are the answers probabilities? Reliability, Brier's score taken apart, slope and intercept.

`y` holds one finding's labels (n,), 0 or 1, and `p` probabilities (n,) in [0, 1]: of 100 films answered 0.2, twenty
should have the finding. The weighted loss of notebook 2 gives answers for a prevalence of one half;
`util.losses.weighted.undo_weighting` carries them to the true one.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from util.errors import CourseError
from util.metrics.inputs import checked_probabilities, patient_codes
from util.metrics.proportions import effective_number, share_interval, student_quantile, wilson_interval


def reliability(y, p, bins=10, level=0.95, patients=None):
    """Reliability diagram as a table: films sorted by their answer into bins of equal numbers.

    Parameters
    ----------
    y, p : arrays (n,)
    bins : int, at least 1; films with equal answers stay together, so there may be fewer
    level : float in (0, 1)
    patients : array (n,), the patient of each film, or None to treat the films as independent

    Returns
    -------
    DataFrame, one row per bin from low to high answers: films, positives, answer (mean of p), share (of positives),
    low, high (Wilson's interval of the share; with patients `util.metrics.proportions.share_interval`)
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
    """Brier's score = reliability - resolution + uncertainty + within; all but the score itself depend on the bins.

    score : mean squared distance of answer and label; reliability : of the bins' answers from their shares, 0 is
    best; resolution : how far the bins' shares lie apart, more is better; uncertainty : prevalence (1 - prevalence),
    what answering the prevalence to every film costs; within : what the bins hide.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float


def brier(y, p, bins=10):
    """Brier's score and its parts: `Brier`.

    Murphy 1973; with answers that differ within a bin, Stephenson et al. 2008 (doi 10.1175/2007WAF2006116.1), whose
    two terms, the variance within bins and twice the covariance, are `within`.
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
    """logit P(finding) = intercept + slope logit(p). A slope below 1: the answers are too extreme.

    in_the_large is the intercept with the slope held at 1: above 0, the answers are too low on the whole. The pairs
    are confidence intervals. All NaN where the answers part the classes completely, or all labels are the same.
    """

    slope: float
    slope_interval: tuple
    intercept: float
    intercept_interval: tuple
    in_the_large: float
    in_the_large_interval: tuple


def calibration_line(y, p, patients=None, level=0.95):
    """Slope and intercept of the labels on the answers, by logistic regression: `Line`.

    Parameters
    ----------
    y, p : arrays (n,), p strictly between 0 and 1
    patients : array (n,), the patient of each film, or None to treat the films as independent
    level : float in (0, 1)

    Cox 1958 (doi 10.1093/biomet/45.3-4.562); intervals with the sandwich variance, added up by patient, and Student's
    quantile with one degree of freedom less than there are patients of equal weight in the rarer class.
    Raises CourseError for values that are no probabilities, and for answers of exactly 0 or 1, whose logit is
    infinite.
    """
    y, p = checked_probabilities(y, p)
    if p.min() == 0 or p.max() == 1:
        raise CourseError("Some answers are exactly 0 or 1: so sure is nobody, and their logit is infinite.")
    x, (who, everyone) = logit(p), patient_codes(patients, len(y))
    nothing = np.nan, (np.nan, np.nan)
    if y.all() or not y.any():
        return Line(*nothing * 3)
    ones = np.ones((len(y), 1))
    effective = min(effective_number(np.bincount(who[mask])) for mask in (y, ~y))
    quantile = student_quantile(level, effective - 1)
    shift = _regress(ones, y, x, who, everyone, quantile)[0]
    if x[y].min() >= x[~y].max() or x[y].max() <= x[~y].min():  # the likelihood grows for ever with the slope
        return Line(*nothing * 2, *shift)
    intercept, slope = _regress(np.column_stack([ones, x]), y, np.zeros(len(y)), who, everyone, quantile)
    return Line(*slope, *intercept, *shift)


def _regress(design, y, offset, who, everyone, quantile):
    """Coefficients of a logistic regression with their intervals: list of (value, (low, high)). Newton's steps, halved
    until the likelihood, which is concave, rises."""

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
