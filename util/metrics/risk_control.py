"""A threshold that promises few missed findings: conformal risk control.

Angelopoulos, Bates, Fisch, Lei and Schuster 2024, 'Conformal risk control', ICLR, arXiv 2208.02814.
"""

import numpy as np
from numpy.typing import ArrayLike

from util.errors import CourseError
from util.metrics.conformal import SLACK, checked_alpha
from util.metrics.inputs import as_numbers


def missed_shares(y: ArrayLike, p: ArrayLike, threshold: float) -> np.ndarray:
    """Share of each film's findings that are not called at a threshold.

    Parameters
    ----------
    y : array (n, k) of 0/1, at least one 1 in each row; p : array (n, k); threshold : float. Called is what reaches it.

    Returns
    -------
    float array (n,) in [0, 1]

    Raises
    ------
    CourseError : the shapes differ, a label is not 0 or 1, a probability is NaN or infinite, or a film has no finding.

    See Also
    --------
    risk_threshold : keeps the mean of these small

    Examples
    --------
    >>> missed_shares([[1, 1, 0], [0, 0, 1]], [[0.9, 0.2, 0.1], [0.8, 0.3, 0.4]], 0.3).tolist()
    [0.5, 0.0]

    Taught in lesson 13, section 7.
    """
    y, p = _checked(y, p)
    return np.sum(y & (p < threshold), axis=1) / y.sum(axis=1)


def risk_threshold(y: ArrayLike, p: ArrayLike, alpha: float) -> float:
    """The highest threshold that promises to miss at most the share alpha of a new film's findings, on average.

    Parameters
    ----------
    y, p : arrays (n, k) as in `missed_shares`, of calibration films that each have a finding
    alpha : float in (0, 1)

    Returns
    -------
    float: the highest threshold t with (sum of the films' missed shares at t + 1) / (n + 1) <= alpha; minus infinity,
    which calls everything, where n is too small for one

    The 1 stands for the film that is asked about, at its worst: the largest loss of the paper, B, is 1 here.

    See Also
    --------
    missed_shares : the loss
    util.metrics.conformal.conformal_quantile : the same idea for sets of answers

    Examples
    --------
    >>> risk_threshold([[1], [1], [1], [1]], [[0.9], [0.2], [0.6], [0.4]], 0.4), risk_threshold([[1]], [[0.9]], 0.4)
    (0.4, -inf)

    Taught in lesson 13, section 7.
    """
    y, p = _checked(y, p)
    weights = np.broadcast_to(1 / y.sum(axis=1, keepdims=True), y.shape)[y]
    order = np.argsort(p[y], kind="stable")
    lost = np.cumsum(weights[order])  # the sum of missed shares where the threshold passes each of the findings
    allowed = checked_alpha(alpha) * (len(y) + 1) - 1
    if allowed < -SLACK:
        return -np.inf
    return float(p[y][order][np.argmax(lost > allowed + SLACK * len(y))])


def _checked(y, p):
    y, p = as_numbers(y, "labels"), as_numbers(p, "probabilities")
    if y.ndim != 2 or y.shape != p.shape or not y.size:
        raise CourseError(f"Labels have shape {y.shape}, probabilities {p.shape}: both must be (films, findings).")
    if not np.isin(y, (0, 1)).all() or not np.isfinite(p).all():
        raise CourseError("Labels must be 0 or 1 and probabilities finite numbers: find out why some are not.")
    if (y.sum(axis=1) == 0).any():
        raise CourseError("Some films have no finding, so none can be missed: give only films with at least one.")
    return y.astype(bool), p
