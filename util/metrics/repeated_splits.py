"""How coverage varies over many splits of the same patients into calibration and test halves."""

import warnings

import numpy as np
from numpy.typing import ArrayLike

from util.errors import CourseError
from util.metrics.conformal import (
    answer_sets,
    checked_alpha,
    class_quantiles,
    conformal_quantile,
    conformal_rank,
    judged,
    label_scores,
    patient_weights,
)
from util.metrics.inputs import as_numbers, patient_codes

UNITS = ("one film", "all films", "patients")


def one_film_each(patients: ArrayLike, rng: np.random.Generator) -> np.ndarray:
    """One film of each patient, drawn at random, patients in random order.

    Parameters
    ----------
    patients : array (n,); rng : numpy Generator

    Returns
    -------
    int array (patients,), places in `patients`

    See Also
    --------
    repeated_coverage : draws them again and again

    Examples
    --------
    >>> places = one_film_each(["a", "b", "b", "b"], np.random.default_rng(1))
    >>> len(places), 0 in places
    (2, True)

    Taught in lesson 13, section 3.
    """
    codes, _ = patient_codes(patients, len(np.asarray(patients)))
    order = rng.permutation(len(codes))
    _, first = np.unique(codes[order], return_index=True)
    return rng.permutation(order[first])


def repeated_coverage(
    scores: ArrayLike,
    patients: ArrayLike,
    alpha: float,
    calibrate: str = "one film",
    judge: str = "one film",
    splits: int = 300,
    seed: int = 0,
) -> np.ndarray:
    """Coverage of conformal sets, split after split: half of the patients calibrate, the other half are judged.

    Parameters
    ----------
    scores : array (n, k), k findings' scores of the films' own labels (`util.metrics.conformal.label_scores`)
    patients : array (n,), of at least two patients
    alpha : float in (0, 1)
    calibrate : 'one film' of each patient; 'all films', as if they were independent; or 'patients', all films with
        `patient_weights`
    judge : 'one film' of each patient, or 'all films'
    splits, seed : int

    Returns
    -------
    float array (splits, k): the share of judged films whose label is in its set

    Raises
    ------
    CourseError : the scores are not finite numbers (n, k), a unit is unknown, or there is a single patient.

    See Also
    --------
    util.metrics.conformal.coverage_law : what theory says of 'one film', 'one film'

    Examples
    --------
    >>> scores = np.random.default_rng(1).random((200, 1))
    >>> print(repeated_coverage(scores, np.arange(200), 0.1).mean().round(1))
    0.9

    Taught in lesson 13, section 4.
    """
    scores = as_numbers(scores, "scores")
    if scores.ndim != 2 or not np.isfinite(scores).all():
        raise CourseError("Scores must be finite numbers (films, findings).")
    if calibrate not in UNITS or judge not in UNITS[:2]:
        raise CourseError(f"There is no unit {calibrate!r} or {judge!r}: use one of {', '.join(UNITS)}.")
    codes, known = patient_codes(patients, len(scores))
    if known < 2:
        raise CourseError("All films are of one patient: half of the patients are needed to calibrate, half to judge.")
    made = []
    for one in range(splits):
        rng = np.random.default_rng((seed, one))
        picked = one_film_each(codes, rng)
        half = np.zeros(known, bool)
        half[codes[picked[: known // 2]]] = True
        films = {"one film": picked, "all films": np.arange(len(codes))}
        tuned = films.get(calibrate, films["all films"])
        tuned, tested = tuned[half[codes[tuned]]], films[judge][~half[codes[films[judge]]]]
        weights = patient_weights(codes[tuned]) if calibrate == "patients" else None
        made.append((scores[tested] <= _limits(scores[tuned], alpha, weights)).mean(axis=0))
    return np.array(made)


def _limits(scores, alpha, weights):
    """The quantile of each column."""
    if weights is not None:
        return np.array([conformal_quantile(column, alpha, weights) for column in scores.T])
    rank = conformal_rank(len(scores), checked_alpha(alpha))
    return np.partition(scores, rank - 1, axis=0)[rank - 1] if rank <= len(scores) else np.inf


def repeated_by_class(
    y: ArrayLike,
    p: ArrayLike,
    patients: ArrayLike,
    alpha: float,
    truth: ArrayLike | None = None,
    splits: int = 100,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """What one quantile and two quantiles, one for each label, cover of the films with a finding; means over splits.

    Parameters
    ----------
    y, p : arrays (n, k), labels of k findings and their probabilities; patients : array (n,)
    alpha : float in (0, 1)
    truth : array (n, k), labels to judge by, or None for `y`
    splits, seed : int. In each split half of the patients calibrate and half are judged, with one film of each.

    Returns
    -------
    dict of float arrays (k,): 'one quantile' and 'two quantiles', the coverage of films with the finding; 'all films', that of
    all films with two quantiles; 'unsure', the share of films whose set then holds both labels

    See Also
    --------
    repeated_coverage : of all films, in other units
    util.metrics.conformal.class_quantiles : the two quantiles

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> p = rng.random((400, 1))
    >>> found = repeated_by_class(rng.random((400, 1)) < p, p, np.arange(400), 0.2)
    >>> print(found["two quantiles"].round(1))
    [0.8]

    Taught in lesson 13, section 5.
    """
    y, p = np.asarray(y), as_numbers(p, "probabilities")
    truth = y if truth is None else np.asarray(truth)
    if p.ndim != 2 or not y.shape == p.shape == truth.shape:
        raise CourseError(f"Labels have shape {y.shape}, probabilities {p.shape}: both must be (films, findings).")
    made = []
    for one in range(splits):
        picked = one_film_each(patients, np.random.default_rng((seed, one)))
        tuned, tested = np.split(picked, [len(picked) // 2])
        made.append([_of_one(*columns, tuned, tested, alpha) for columns in zip(y.T, p.T, truth.T, strict=True)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a finding that no judged film ever had is NaN
        means = np.nanmean(np.array(made), axis=0).T
    return dict(zip(("one quantile", "two quantiles", "all films", "unsure"), means, strict=True))


def _of_one(y, p, truth, tuned, tested, alpha):
    """The four numbers of one finding in one split."""
    one = conformal_quantile(label_scores(y[tuned], p[tuned]), alpha)
    simple = judged(truth[tested], answer_sets(p[tested], one))
    by_class = judged(truth[tested], answer_sets(p[tested], class_quantiles(y[tuned], p[tuned], alpha)))
    return simple.covered_with, by_class.covered_with, by_class.covered, by_class.unsure
