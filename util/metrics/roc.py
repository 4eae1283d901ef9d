"""How well scores rank films: ROC curve, AUC, average precision. Taught in lessons 6 and 7.

Throughout, `y` holds one finding's labels (n,), 0 or 1, and `score` its scores (n,), where higher means more likely.
Logits do as well as probabilities, since only the order counts. Every function raises a CourseError for labels other
than 0/1, NaN scores, shapes that differ, and fewer than two films.
"""

import numpy as np
from numpy.typing import ArrayLike

from util.errors import CourseError
from util.metrics.inputs import checked


def roc_curve(y: ArrayLike, score: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ROC curve, one point per distinct score, from (0, 0) to (1, 1).

    Parameters
    ----------
    y : array (n,) of 0/1
    score : array (n,)

    Returns
    -------
    fpr, tpr, thresholds : float arrays (k + 1,). The thresholds fall from infinity, where no film is called positive; a
    film is called positive when its score reaches the threshold.

    Raises
    ------
    CourseError : one class only, or as above.

    See Also
    --------
    auc : the area under this curve
    util.metrics.thresholds.youden_threshold : one point of it
    util.metrics.curve_bands.roc_band : how sure it is

    Examples
    --------
    >>> fpr, tpr, thresholds = roc_curve([1, 0, 1, 0], [4, 3, 2, 1])
    >>> fpr.tolist(), tpr.tolist()
    ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0])

    Taught in lesson 6, section 2.
    """
    y, score = checked(y, score)
    if y.all() or not y.any():
        raise CourseError("All films have the same label: a ROC curve needs positive and negative films.")
    thresholds, called, hits = _steps(y, score)
    fpr, tpr = (called - hits) / np.sum(~y), hits / np.sum(y)
    return np.append(0.0, fpr), np.append(0.0, tpr), np.append(np.inf, thresholds)


def _steps(y, score):
    """Distinct scores in falling order, and how many films and how many positives reach each of them."""
    order = np.argsort(score)[::-1]  # ties in any order
    falling = score[order]  # compared, not subtracted: two infinite scores are a tie, their difference is NaN
    ends = np.append(np.flatnonzero(falling[1:] != falling[:-1]), len(y) - 1)  # tied films pass the threshold together
    return falling[ends], ends + 1, np.cumsum(y[order])[ends]


def auc(y: ArrayLike, score: ArrayLike) -> float:
    """Area under the ROC curve: the probability that a positive film outranks a negative one; a tie counts half.

    Returns
    -------
    float in [0, 1], or NaN where all films have the same label

    Computed in O(n log n) (Mann and Whitney 1947; Hanley and McNeil 1982).

    See Also
    --------
    roc_curve : the curve
    util.metrics.auc_intervals.auc_interval : how sure the AUC is

    Examples
    --------
    >>> auc([1, 0, 1, 0], [4, 3, 2, 1])
    0.75

    Taught in lesson 6, section 3.
    """
    outranked, _ = placements(y, score)
    return float(outranked.mean()) if len(outranked) else np.nan


def average_precision(y: ArrayLike, score: ArrayLike) -> float:
    """Mean of the precision at each positive film's own score; the baseline is the prevalence.

    Returns
    -------
    float in (0, 1], or NaN where no film is positive

    This is the sum over thresholds of precision times the rise in recall, without interpolation, as in scikit-learn.

    See Also
    --------
    auc : does not depend on the prevalence
    util.metrics.curve_bands.average_precision_interval : how sure it is

    Examples
    --------
    >>> print(round(average_precision([1, 0, 1, 0], [4, 3, 2, 1]), 3))
    0.833

    Taught in lesson 7.
    """
    y, score = checked(y, score)
    _, called, hits = _steps(y, score)
    return float(np.sum(hits / called * np.diff(hits, prepend=0)) / hits[-1]) if hits[-1] else np.nan


def placements(y: ArrayLike, score: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """How each film ranks among the films of the other class: DeLong's structural components.

    Returns
    -------
    (float array (positives,), float array (negatives,)), in the order of the films: for each positive, the share of
    negatives below it; for each negative, the share of positives above it. Ties count half. Both average to the AUC;
    both are empty with one class only.

    One sort suffices, as in Sun and Xu 2014 (doi 10.1109/LSP.2014.2337313), who use midranks.

    See Also
    --------
    auc : their mean
    util.metrics.auc_intervals.influence : what they say of the AUC's error

    Examples
    --------
    >>> below, above = placements([1, 0, 1, 0], [4, 3, 2, 1])
    >>> below.tolist(), above.tolist()
    ([1.0, 0.5], [0.5, 1.0])

    Taught in lesson 6, section 5.
    """
    y, score = checked(y, score)
    positives = int(y.sum())
    if positives in (0, len(y)):
        return np.empty(0), np.empty(0)
    order = np.argsort(score)
    ranked, hits = score[order], np.cumsum(y[order])
    ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(y) - 1)  # last film of each tie
    sizes, tied_hits = np.diff(ends, prepend=-1), np.diff(hits[ends], prepend=0)
    hits = np.repeat(hits[ends] - tied_hits / 2, sizes)  # positives below a tie, and half of those in it
    films = np.repeat(ends + 1 - sizes / 2, sizes)
    below, above = np.empty(len(y)), np.empty(len(y))
    below[order], above[order] = (films - hits) / (len(y) - positives), 1 - hits / positives
    return below[y], above[~y]
