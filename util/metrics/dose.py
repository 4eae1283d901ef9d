"""Dose and response: at which severity is a finding found half of the time? A psychometric curve for a network. Lesson 12.

Psychophysics asks the same of people: how bright must a light be to be seen half of the time (Finney, Probit Analysis, 1947)?
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from util.errors import CourseError
from util.metrics.proportions import student_quantile


class Curve(NamedTuple):
    """found = 1 / (1 + exp(-slope (severity - half))): `half` with its interval (low, high), and `slope`.

    See Also
    --------
    dose_response : fits it

    Examples
    --------
    >>> Curve(0.4, 0.3, 0.5, 9.0).half
    0.4

    Taught in lesson 12, section 4.
    """

    half: float
    low: float
    high: float
    slope: float


def dose_response(severity: ArrayLike, found: ArrayLike, patients: ArrayLike, level: float = 0.95) -> Curve:
    """Fit the logistic curve of the share found against severity, by maximum likelihood.

    Parameters
    ----------
    severity : array (n,), numbers of at least two values
    found : array (n,) of 0 and 1, whether the finding was found on each film
    patients : array (n,), the patient of each film
    level : float in (0, 1)

    Returns
    -------
    Curve. The interval is the jackknife's over patients, with Student's quantile. All four are NaN where no curve fits: nothing
    or everything is found, a threshold parts the two without an error, or the share does not rise. The interval alone is
    NaN where that is so once one patient is left out.

    Raises
    ------
    CourseError : the arrays have different lengths, or `found` has other values than 0 and 1.

    See Also
    --------
    util.metrics.calibration.calibration_line : the same model, with a logit in the place of the severity

    Examples
    --------
    >>> curve = dose_response([1, 1, 2, 2, 3, 3], [0, 0, 0, 1, 1, 1], patients=[1, 2, 1, 2, 1, 2])
    >>> curve.half != curve.half  # at 2 half is found, below nothing, above all: the steepest curve has no slope
    True
    >>> print(round(dose_response([1, 1, 2, 2, 3, 3], [0, 1, 0, 1, 1, 1], patients=[1, 2, 3, 4, 5, 6]).half, 2))
    1.32

    Taught in lesson 12, section 4.
    """
    severity, found, patients = np.asarray(severity, float), np.asarray(found, float), np.asarray(patients)
    if not severity.shape == found.shape == patients.shape or severity.ndim != 1 or not severity.size:
        raise CourseError("dose_response needs one severity, one answer and one patient for each film.")
    if not np.isin(found, (0, 1)).all():
        raise CourseError("dose_response needs answers of 0 (not found) and 1 (found).")
    half, slope = _fit(severity, found)
    names = np.unique(patients)
    if not np.isfinite(half) or len(names) < 3:
        return Curve(half, np.nan, np.nan, slope)
    without = np.array([_fit(severity[patients != name], found[patients != name])[0] for name in names])
    spread = np.sqrt((len(names) - 1) / len(names) * np.sum(np.square(without - without.mean())))
    reach = student_quantile(level, len(names) - 1) * spread
    return Curve(half, float(half - reach), float(half + reach), slope)


def _fit(x, y, rounds=60):
    """(half, slope) by Newton's method on a centered severity; NaN where there is no rising curve."""
    nothing = float("nan"), float("nan")
    misses, hits = x[y == 0], x[y == 1]
    if not misses.size or not hits.size or misses.max() <= hits.min() or hits.max() <= misses.min():
        return nothing
    middle = x.mean()
    design, beta = np.column_stack([np.ones(len(x)), x - middle]), np.zeros(2)
    for _ in range(rounds):
        p = expit(design @ beta)
        step = np.linalg.solve(design.T @ (design * (p * (1 - p))[:, None]), design.T @ (y - p))
        while _likelihood(design, y, beta + step) < _likelihood(design, y, beta) - 1e-12:
            step = step / 2  # a whole step can overshoot where nearly all answers are alike
        beta = beta + step
        if np.abs(step).max() < 1e-10:
            break
    return (float(middle - beta[0] / beta[1]), float(beta[1])) if beta[1] > 0 else nothing


def _likelihood(design, y, beta):
    """The logarithm of the likelihood."""
    z = design @ beta
    return float(np.sum(y * z - np.logaddexp(0, z)))
