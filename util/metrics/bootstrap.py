"""The bootstrap of patients: draw them again and again, with all their films, and watch the AUC move.

A film's rank does not change when patients are drawn twice or not at all, only its weight does. So the films are
ranked once, and a thousand rounds cost one product of a sparse matrix (which negatives lie between which positives)
with the weights of the patients.
"""

import numpy as np
from scipy.sparse import csr_array
from scipy.stats import norm

from util.errors import CourseError
from util.metrics.inputs import checked, patient_codes
from util.metrics.proportions import normal_quantile, student_quantile

BATCH = 128  # rounds at a time: their weights stay in the processor's cache


def bootstrap_aucs(labels, scores, patients=None, rounds=1000, seed=0):
    """AUCs of patients drawn with replacement, the same draw for all columns.

    Parameters
    ----------
    labels : array (films,) or (films, k) of 0/1
    scores : array of the same shape
    patients : array (films,), the patient of each film, or None to draw films
    rounds : int, at least 1
    seed : int, of numpy's generator

    Returns
    -------
    float array (rounds,) or (rounds, k); NaN in a round that drew one class only. A patient comes with all films
    every time he or she is drawn, as many patients as there are.

    Raises
    ------
    CourseError : wrong shapes, labels other than 0/1, NaN scores, fewer than one round.
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


def draw_patients(everyone, rounds, rng):
    """How often each patient is drawn: float array (patients, rounds), each column adding up to `everyone`."""
    drawn = rng.integers(0, everyone, (rounds, everyone)) + everyone * np.arange(rounds)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=rounds * everyone)
    return np.ascontiguousarray(counts.reshape(rounds, everyone).T, dtype=float)


def percentile_interval(draws, level=0.95, effective=None):
    """Percentiles (k, 2) of bootstrap draws (rounds, k), rounds without a value left out; NaN where all are.

    level : float in (0, 1)
    effective : array (k,), of how many patients of equal weight each column is (`util.metrics.proportions.effective_number`), or None
        for many. Few patients drawn with replacement scatter less than new ones would, and the percentiles lie too
        close together; with `effective` they are those of the level that makes up for it in a mean (Hesterberg 2015,
        doi 10.1080/00031305.2015.1089789, 'expanded percentiles').
    """
    rows = []
    for column, size in zip(draws.T, [np.inf] * draws.shape[1] if effective is None else effective, strict=True):
        known, reach = column[~np.isnan(column)], normal_quantile(level)
        if np.isfinite(size):
            reach = student_quantile(level, size - 1) * np.sqrt(size / max(size - 1, 0.1))
        rows.append(np.quantile(known, norm.cdf([-reach, reach])) if len(known) else [np.nan] * 2)
    return np.reshape(rows, (-1, 2))


def _ladder(y, score, who, everyone):
    """Which patients have positives on each rung, and negatives between rungs; rungs are the positives' scores.

    Two sparse matrices (rungs, patients) and (rungs + 1, patients): row r of the second holds the negatives that
    rung r - 1 does not outrank and rung r does. A negative tied with a rung is half below it.
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
