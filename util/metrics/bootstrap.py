"""The patient bootstrap: draw patients again and again, with all their films, and watch the AUC move.

A film's rank does not change when patients are drawn twice or not at all; only its weight does. So the films are
ranked once, and a thousand rounds cost one product of a sparse matrix (which negatives rank between which positives)
with the weights of the patients.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array
from scipy.stats import norm

from util.errors import CourseError
from util.metrics.inputs import checked, patient_codes
from util.metrics.proportions import normal_quantile, student_quantile

BATCH = 128  # rounds at a time: their weights stay in the processor's cache


def bootstrap_aucs(
    labels: ArrayLike, scores: ArrayLike, patients: ArrayLike | None = None, rounds: int = 1000, seed: int = 0
) -> np.ndarray:
    """AUCs of patients drawn with replacement; all columns share the same draws.

    Parameters
    ----------
    labels : array (films,) or (films, k) of 0/1
    scores : array of the same shape
    patients : array (films,), the patient of each film, or None to draw films
    rounds : int, at least 1
    seed : int, of numpy's generator

    Returns
    -------
    float array (rounds,) or (rounds, k); NaN in a round that drew one class only. Each round draws as many patients as
    there are, and a patient brings all of his or her films every time.

    Raises
    ------
    CourseError : wrong shapes, labels other than 0/1, NaN scores, fewer than one round.

    See Also
    --------
    percentile_interval : an interval from the draws
    util.metrics.auc_intervals.auc_interval : an interval without drawing

    Examples
    --------
    >>> aucs = bootstrap_aucs([1, 1, 1, 0, 0, 0], [6, 5, 2, 4, 3, 1], patients=[1, 1, 2, 3, 4, 4], rounds=200)
    >>> aucs.shape, bool(np.nanmin(aucs) >= 0)
    ((200,), True)

    Taught in lesson 6, section 5.
    """
    labels, scores = np.asarray(labels), np.asarray(scores, dtype=float)
    if labels.shape != scores.shape or labels.ndim not in (1, 2):
        raise CourseError(f"Labels have shape {labels.shape}, scores {scores.shape}: both must be (films, findings).")
    if rounds < 1:
        raise CourseError(f"{rounds} rounds are no bootstrap: ask for 1000.")
    who, everyone = patient_codes(patients, len(labels))
    columns = [
        checked(*pair)
        for pair in zip(labels.reshape(len(labels), -1).T, scores.reshape(len(labels), -1).T, strict=True)
    ]
    ladders = [_ladder(y, score, who, everyone) for y, score in columns]
    rng, aucs = np.random.default_rng(seed), np.full((rounds, len(columns)), np.nan)
    for start in range(0, rounds, BATCH):
        weights = draw_patients(everyone, min(BATCH, rounds - start), rng)
        for column, ladder in enumerate(ladders):
            if ladder is not None:
                aucs[start : start + BATCH, column] = _weighted_aucs(*ladder, weights)
    return aucs[:, 0] if labels.ndim == 1 else aucs


def draw_patients(everyone: int, rounds: int, rng: np.random.Generator) -> np.ndarray:
    """How often each patient is drawn: float array (patients, rounds), each column adding up to `everyone`.

    See Also
    --------
    bootstrap_aucs : the AUCs of the patients drawn

    Examples
    --------
    >>> draw_patients(4, 3, np.random.default_rng(0)).sum(axis=0).tolist()
    [4.0, 4.0, 4.0]

    Taught in lesson 6, section 5.
    """
    drawn = rng.integers(0, everyone, (rounds, everyone)) + everyone * np.arange(rounds)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=rounds * everyone)
    return np.ascontiguousarray(counts.reshape(rounds, everyone).T, dtype=float)


def percentile_interval(draws: np.ndarray, level: float = 0.95, effective: ArrayLike | None = None) -> np.ndarray:
    """Percentiles (k, 2) of bootstrap draws (rounds, k), leaving out rounds without a value; NaN if none has one.

    Parameters
    ----------
    draws : float array (rounds, k)
    level : float in (0, 1)
    effective : array (k,), the effective number of patients of each column
        (`util.metrics.proportions.effective_number`), or None for many. Few patients drawn with replacement vary less
        than new patients would, so the percentiles are too close together. With `effective` they are taken at the
        level that makes up for this in a mean (Hesterberg 2015, doi 10.1080/00031305.2015.1089789, 'expanded
        percentiles').

    See Also
    --------
    bootstrap_aucs : the draws
    util.metrics.proportions.student_quantile : what widens the interval of few patients

    Examples
    --------
    >>> draws = np.linspace(0, 1, 1001)[:, None]
    >>> percentile_interval(draws).round(3).tolist()
    [[0.025, 0.975]]

    Taught in lesson 6, section 5.
    """
    rows = []
    for column, size in zip(draws.T, [np.inf] * draws.shape[1] if effective is None else effective, strict=True):
        known, reach = column[~np.isnan(column)], normal_quantile(level)
        if np.isfinite(size):
            reach = student_quantile(level, size - 1) * np.sqrt(size / max(size - 1, 0.1))
        rows.append(np.quantile(known, norm.cdf([-reach, reach])) if len(known) else [np.nan] * 2)
    return np.reshape(rows, (-1, 2))


def _ladder(y, score, who, everyone):
    """Which patients have positives on each rung, and which have negatives between rungs (the positives' scores).

    Two sparse matrices (rungs, patients) and (rungs + 1, patients): row r of the second holds the negatives that
    rung r outranks and rung r - 1 does not. A negative tied with a rung counts as half below it.
    """
    if y.all() or not y.any():
        return None
    rungs, of_positive = np.unique(score[y], return_inverse=True)
    left, right = (np.searchsorted(rungs, score[~y], side) for side in ("left", "right"))
    positives = csr_array((np.ones(y.sum()), (of_positive, who[y])), (len(rungs), everyone))
    rows, columns = np.concatenate([left, right]), np.tile(who[~y], 2)
    negatives = csr_array((np.full(len(rows), 0.5), (rows, columns)), (len(rungs) + 1, everyone))
    return positives, negatives


def _weighted_aucs(positives, negatives, weights):
    """AUC of each column of weights (patients, rounds)."""
    of_positives, below = positives @ weights, np.cumsum(negatives @ weights, axis=0)
    wins, pairs = np.einsum("kr,kr->r", of_positives, below[:-1]), of_positives.sum(axis=0) * below[-1]
    return np.divide(wins, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
