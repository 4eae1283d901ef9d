"""Answers that are held back: what remains wrong when the least sure films go to a person.

`wrong` says of each film, 1 or 0, whether the model's call is wrong; `unsure` is higher where the model is less sure. The
**coverage** is the share of films that the model answers itself, and the **risk** the share of wrong calls among these.

El-Yaniv and Wiener 2010, 'On the foundations of noise-free selective classification', JMLR 11.
"""

import numpy as np
from numpy.typing import ArrayLike

from util.errors import CourseError
from util.metrics.inputs import as_numbers, checked


def entropy(p: ArrayLike) -> np.ndarray:
    """Entropy of a yes/no answer in bits: 1 at the probability 0.5, and 0 at 0 and at 1.

    Parameters
    ----------
    p : array (...,) in [0, 1]

    Returns
    -------
    float array (...,)

    See Also
    --------
    nearness : how near the probability is to the threshold in use

    Examples
    --------
    >>> entropy([0.5, 1.0]).tolist()
    [1.0, 0.0]

    Taught in lesson 13, section 2.
    """
    p = as_numbers(p, "probabilities")
    if not ((p >= 0) & (p <= 1)).all():
        raise CourseError("Probabilities must lie between 0 and 1: take the sigmoid of logits first.")
    inside = np.where((p > 0) & (p < 1), p, 0.5)
    bits = -inside * np.log2(inside) - (1 - inside) * np.log2(1 - inside)
    return np.where((p > 0) & (p < 1), bits, 0.0)


def nearness(score: ArrayLike, threshold: ArrayLike) -> np.ndarray:
    """How near scores are to the threshold: minus the distance, so that a film at the threshold is the least sure.

    Parameters
    ----------
    score : float array (...,), such as logits; threshold : float or array that fits, on the same scale

    Returns
    -------
    float array (...,), at most 0

    See Also
    --------
    entropy : how near the probability is to 0.5, whatever the threshold

    Examples
    --------
    >>> nearness([-1.0, 0.5], 0.5).tolist()
    [-1.5, -0.0]

    Taught in lesson 13, section 2.
    """
    return -np.abs(as_numbers(score, "scores") - as_numbers(threshold, "thresholds"))


def risk_coverage(wrong: ArrayLike, unsure: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Risk at each coverage, surest films first.

    Parameters
    ----------
    wrong : array (n,) of 0/1; unsure : array (n,)

    Returns
    -------
    coverage, risk : float arrays (n,), at 1/n, 2/n, ... 1. Films that are equally unsure come in random order; the risk is
    then the one to expect.

    Raises
    ------
    CourseError : `wrong` is not 0 or 1, `unsure` is NaN, the shapes differ, or there are fewer than two films.

    See Also
    --------
    aurc : the mean risk of this curve

    Examples
    --------
    >>> coverage, risk = risk_coverage([0, 1, 0, 1], [0.1, 0.9, 0.2, 0.3])
    >>> coverage.tolist(), risk.round(2).tolist()
    ([0.25, 0.5, 0.75, 1.0], [0.0, 0.0, 0.33, 0.5])

    Taught in lesson 13, section 1.
    """
    wrong, unsure = checked(wrong, unsure)
    _, tied, size = np.unique(unsure, return_inverse=True, return_counts=True)
    expected = np.bincount(tied, wrong) / size  # of a film among those that are equally unsure
    kept = np.arange(1, len(wrong) + 1)
    return kept / len(wrong), np.cumsum(expected[np.sort(tied)]) / kept


def aurc(wrong: ArrayLike, unsure: ArrayLike) -> float:
    """Area under the risk-coverage curve: the mean of the risk over all coverages. Lower is better.

    Parameters
    ----------
    wrong : array (n,) of 0/1; unsure : array (n,)

    Returns
    -------
    float in [0, 1]; to expect of a measure without information: the share of wrong calls

    Geifman, Uziel and El-Yaniv 2019, arXiv 1805.08206.

    See Also
    --------
    risk_coverage : the curve
    util.metrics.roc.auc : of `wrong` and `unsure`, whether the measure separates errors from hits

    Examples
    --------
    >>> print(round(aurc([0, 1, 0, 1], [0.1, 0.9, 0.2, 0.3]), 3))
    0.208

    Taught in lesson 13, section 1.
    """
    return float(np.mean(risk_coverage(wrong, unsure)[1]))
