"""How well scores rank films, and how sure that is: ROC curve, AUC with intervals, the table (notebook 4).

Throughout, `y` holds one finding's labels (n,), 0 or 1, and `score` its scores (n,), higher meaning more
likely; logits serve as well as probabilities, since only the order counts. Every function raises CourseError for
labels other than 0/1, NaN scores, shapes that differ, and fewer than two films.
"""

import numpy as np

from util.errors import CourseError
from util.metrics.inputs import checked


def roc_curve(y, score):
    """ROC curve, one point per distinct score, from (0, 0) to (1, 1).

    Parameters
    ----------
    y : array (n,) of 0/1
    score : array (n,)

    Returns
    -------
    fpr, tpr, thresholds : float arrays (k + 1,), thresholds falling; at the first, infinite, none is positive.
    A film is called positive when its score reaches the threshold.

    Raises
    ------
    CourseError : one class only, or as above.
    """
    y, score = checked(y, score)
    if y.all() or not y.any():
        raise CourseError("All films have the same label: a ROC curve needs positive and negative films.")
    thresholds, called, hits = _steps(y, score)
    fpr, tpr = (called - hits) / np.sum(~y), hits / np.sum(y)
    return np.append(0.0, fpr), np.append(0.0, tpr), np.append(np.inf, thresholds)


def _steps(y, score):
    """Distinct scores falling, and how many films and how many positives reach each."""
    order = np.argsort(score)[::-1]  # in any order within ties
    falling = score[order]  # compared, not subtracted: two infinite scores are a tie, their difference is NaN
    ends = np.append(np.flatnonzero(falling[1:] != falling[:-1]), len(y) - 1)  # tied films pass the threshold together
    return falling[ends], ends + 1, np.cumsum(y[order])[ends]


def auc(y, score):
    """Area under the ROC curve: probability that a positive film outranks a negative one, ties counting half.

    Returns
    -------
    float in [0, 1], or NaN where all films have the same label

    In O(n log n) (Mann and Whitney 1947; Hanley and McNeil 1982).
    """
    outranked, _ = placements(y, score)
    return float(outranked.mean()) if len(outranked) else np.nan


def average_precision(y, score):
    """Mean precision over the positives, each at the threshold that finds it; its baseline is the prevalence.

    Returns
    -------
    float in (0, 1], or NaN where no film is positive

    The sum over thresholds of precision times the rise in recall, without interpolation, as scikit-learn's.
    """
    y, score = checked(y, score)
    _, called, hits = _steps(y, score)
    return float(np.sum(hits / called * np.diff(hits, prepend=0)) / hits[-1]) if hits[-1] else np.nan


def placements(y, score):
    """How each film stands among the films of the other class: DeLong's structural components.

    Returns
    -------
    (float array (positives,), float array (negatives,)), in the order of the films: for each positive the share of
    negatives below it, for each negative the share of positives above it, ties counting half; both average to the
    AUC. Empty with one class.

    By one sort, as Sun and Xu 2014 (doi 10.1109/LSP.2014.2337313) with midranks.
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
