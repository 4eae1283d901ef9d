"""Sets of answers with a promise: split conformal prediction for a yes/no finding, by class, by patient, and under a known shift.

A film's answer is a set: {no}, {yes}, both ("I don't know") or none. `p` holds probabilities (n,) in [0, 1] that the finding
is there. The score of a film with a label is 1 minus the probability of that label: how strange the label looks to the
model. Labels whose score does not exceed a quantile of calibration films form the set.

Vovk, Gammerman and Shafer 2005, 'Algorithmic learning in a random world'; Angelopoulos and Bates 2021, arXiv 2107.07511.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from util.errors import CourseError
from util.metrics.inputs import as_numbers, checked_probabilities, patient_codes

SLACK = 1e-9  # relative; so that (n + 1)(1 - alpha) = 9.000000000000002 asks for the 9th score, not for the 10th


def checked_alpha(alpha: float) -> float:
    """The share of wrong answers that is allowed, as a float; a CourseError where it is not between 0 and 1.

    See Also
    --------
    conformal_quantile : uses it

    Examples
    --------
    >>> checked_alpha(0.1)
    0.1
    """
    if not isinstance(alpha, int | float | np.number) or not 0 < alpha < 1:
        raise CourseError(
            f"The share of misses that is allowed is {alpha}: give a number between 0 and 1, such as 0.1."
        )
    return float(alpha)


def conformal_rank(n: int, alpha: float) -> int:
    """Which of n sorted scores, counted from 1, is the conformal quantile; n + 1 says that there are too few.

    Parameters
    ----------
    n : int, calibration films, at least 0
    alpha : float in (0, 1), the share of films whose label may be left out of its set

    Returns
    -------
    int, ceil((n + 1)(1 - alpha))

    See Also
    --------
    conformal_quantile : the score of this rank

    Examples
    --------
    >>> conformal_rank(9, 0.1), conformal_rank(8, 0.1)
    (9, 9)

    Taught in lesson 13, section 3.
    """
    wanted = (n + 1) * (1 - checked_alpha(alpha))
    return int(np.ceil(wanted * (1 - SLACK)))


def conformal_quantile(scores: ArrayLike, alpha: float, weights: ArrayLike | None = None, own: float = 1.0) -> float:
    """The highest score that a label may have and still be in the set.

    Parameters
    ----------
    scores : array (n,) of finite numbers, those of the calibration films' own labels
    alpha : float in (0, 1), the share of films whose label may be left out
    weights : array (n,), at least 0, or None for equal ones. A film of a kind that is twice as frequent where the sets will be
        used as among the calibration films weighs 2 (`shift_weights`).
    own : float above 0, the weight of the film that is asked about. It is put at infinity: its score is not known.

    Returns
    -------
    float, the lowest score that at least the share 1 - alpha of all weight does not exceed: without weights that of rank
    ceil((n + 1)(1 - alpha)). Infinite where the calibration films do not carry that much; every label is then in the set.

    Raises
    ------
    CourseError : a score is infinite or NaN, a weight is negative, or `alpha` is out of range.

    With weights: Tibshirani, Barber, Candes and Ramdas 2019, arXiv 1904.06019.

    See Also
    --------
    class_quantiles : one for films with the finding, and one for those without
    coverage_law : what the quantile promises
    shift_weights : weights for a known shift

    Examples
    --------
    >>> conformal_quantile([0.7, 0.1, 0.4, 0.2], 0.4), conformal_quantile([0.7, 0.1, 0.4, 0.2], 0.1)
    (0.4, inf)
    >>> conformal_quantile([0.7, 0.1, 0.4, 0.2], 0.4, weights=[3, 1, 1, 1])
    0.7

    Taught in lesson 13, section 3.
    """
    scores, wanted = as_numbers(scores, "scores"), 1 - checked_alpha(alpha)
    if scores.ndim != 1 or not np.isfinite(scores).all():
        raise CourseError("Conformal scores must be finite numbers (n,), one for each calibration film: drop no film.")
    weights = np.ones(len(scores)) if weights is None else as_numbers(weights, "weights")
    if weights.shape != scores.shape or not np.isfinite(weights).all() or (weights < 0).any():
        raise CourseError("Weights must be finite numbers of at least 0, one for each score.")
    if not 0 < own < np.inf:
        raise CourseError(f"The weight of the film itself is {own}: give a finite number above 0.")
    used = weights > 0
    order = np.argsort(scores[used], kind="stable")
    reached = np.cumsum(weights[used][order])
    total = (reached[-1] if len(reached) else 0.0) + own
    enough = reached >= wanted * total * (1 - SLACK)
    return float(scores[used][order][np.argmax(enough)]) if enough.any() else np.inf


def label_scores(y: ArrayLike, p: ArrayLike) -> np.ndarray:
    """How strange its label makes each film: 1 minus the probability of the label.

    Parameters
    ----------
    y : array (n,) of 0/1; p : array (n,) in [0, 1], the probability of label 1

    Returns
    -------
    float array (n,) in [0, 1]

    See Also
    --------
    conformal_quantile : the limit of these scores

    Examples
    --------
    >>> label_scores([1, 0], [0.75, 0.25]).tolist()
    [0.25, 0.25]

    Taught in lesson 13, section 3.
    """
    y, p = checked_probabilities(y, p)
    return np.where(y, 1 - p, p)


def class_quantiles(y: ArrayLike, p: ArrayLike, alpha: float) -> tuple[float, float]:
    """Two quantiles, of the films without and of those with the finding: each class is covered (Mondrian prediction).

    Parameters
    ----------
    y, p : arrays (n,); alpha : float in (0, 1)

    Returns
    -------
    (quantile of label 0, quantile of label 1), for `answer_sets`; infinite where the class has fewer than
    (1 - alpha) / alpha films

    Vovk, Lindsay, Nouretdinov and Gammerman 2003, 'Mondrian confidence machine'.

    See Also
    --------
    conformal_quantile : one for all films

    Examples
    --------
    >>> class_quantiles([0, 0, 0, 1], [0.1, 0.2, 0.3, 0.4], 0.25)
    (0.3, inf)

    Taught in lesson 13, section 5.
    """
    strange, y = label_scores(y, p), np.asarray(y).astype(bool)
    return conformal_quantile(strange[~y], alpha), conformal_quantile(strange[y], alpha)


def answer_sets(p: ArrayLike, limits: float | tuple[float, float]) -> np.ndarray:
    """The answers to each film: whether 'no' and whether 'yes' is in its set.

    Parameters
    ----------
    p : array (...,) in [0, 1]
    limits : float, one quantile for both labels, or a pair of them, of label 0 and of label 1

    Returns
    -------
    bool array (..., 2): both labels of a film are True where the answer is "I don't know", none where neither fits

    See Also
    --------
    judged : what such sets are worth

    Examples
    --------
    >>> answer_sets([0.1, 0.5, 0.9], 0.6).tolist()
    [[True, False], [True, True], [False, True]]

    Taught in lesson 13, section 3.
    """
    p = as_numbers(p, "probabilities")
    if not ((p >= 0) & (p <= 1)).all():
        raise CourseError("Probabilities must lie between 0 and 1: take the sigmoid of logits first.")
    return np.stack([p, 1 - p], axis=-1) <= np.broadcast_to(limits, 2)


class Judged(NamedTuple):
    """Shares of films: their label is in the set, of all films and of those with and without the finding; what the sets are.

    See Also
    --------
    judged : makes it

    Examples
    --------
    >>> judged([1, 0], [[False, True], [True, True]]).unsure
    0.5
    """

    covered: float
    covered_with: float
    covered_without: float
    unsure: float
    empty: float


def judged(y: ArrayLike, sets: ArrayLike) -> Judged:
    """Coverage and kinds of answer sets.

    Parameters
    ----------
    y : array (n,) of 0/1; sets : bool array (n, 2), as from `answer_sets`

    Returns
    -------
    Judged; NaN for a class without films

    See Also
    --------
    answer_sets : makes the sets
    util.metrics.proportions.share_interval : how sure a coverage is, by patient

    Examples
    --------
    >>> judged([1, 0, 0, 1], answer_sets([0.1, 0.5, 0.2, 0.9], 0.6)).covered
    0.75

    Taught in lesson 13, section 3.
    """
    y, sets = np.asarray(y).astype(int), np.asarray(sets)
    if sets.shape != (len(y), 2) or sets.dtype != bool or not len(y):
        raise CourseError(
            f"Sets must be True or False of shape ({len(y)}, 2) for {len(y)} films, of at least one film."
        )
    covered, size = sets[np.arange(len(y)), y], sets.sum(axis=1)
    with_, without = (float(covered[y == label].mean()) if (y == label).any() else np.nan for label in (1, 0))
    return Judged(float(covered.mean()), with_, without, float(np.mean(size == 2)), float(np.mean(size == 0)))


def coverage_law(n: int, alpha: float, films: int | None = None) -> Any:
    """How the coverage varies from one draw of n calibration films to the next, if scores have no ties.

    Parameters
    ----------
    n : int, calibration films, enough that the quantile is finite
    alpha : float in (0, 1)
    films : int, test films on which the coverage is counted, or None for infinitely many

    Returns
    -------
    A frozen distribution of SciPy: of the share of all future films that are covered, Beta(k, n + 1 - k) with the rank k; or,
    with `films`, of the number of covered films, which is beta-binomial

    Vovk 2012, 'Conditional validity of inductive conformal predictors', arXiv 1209.2673.

    See Also
    --------
    conformal_rank : k

    Examples
    --------
    >>> print(round(coverage_law(99, 0.1).mean(), 3), round(coverage_law(99, 0.1).std(), 3))
    0.9 0.03

    Taught in lesson 13, section 3.
    """
    from scipy import stats

    k = conformal_rank(n, alpha)
    if k > n:
        raise CourseError(f"{n} calibration films are too few for alpha = {alpha}: every label is in every set.")
    return stats.beta(k, n + 1 - k) if films is None else stats.betabinom(films, k, n + 1 - k)


def patient_weights(patients: ArrayLike) -> np.ndarray:
    """Weights that let each patient count once: 1 over the number of the patient's films.

    Parameters
    ----------
    patients : array (n,)

    Returns
    -------
    float array (n,), whose sum is the number of patients. With them `conformal_quantile` promises its coverage for a film
    that is drawn at random from those of a new patient (Lee, Barber and Willett 2023, arXiv 2306.06342).

    See Also
    --------
    shift_weights : weights for a known shift

    Examples
    --------
    >>> patient_weights(["a", "b", "b"]).tolist()
    [1.0, 0.5, 0.5]

    Taught in lesson 13, section 4.
    """
    codes, known = patient_codes(patients, len(np.asarray(patients)))
    return 1 / np.bincount(codes, minlength=known)[codes]


def shift_weights(groups: ArrayLike, wanted: Mapping) -> np.ndarray:
    """Weights of calibration films where the shares of groups, such as views, will be different ones.

    Parameters
    ----------
    groups : array (n,) of names
    wanted : dict, name -> share of films where the sets will be used; shares add up to 1, and groups without one have 0

    Returns
    -------
    float array (n,): the wanted share of a film's group over its share here

    Raises
    ------
    CourseError : the shares do not add up to 1, or a group is wanted of which there is no calibration film.

    See Also
    --------
    conformal_quantile : uses them; `own` is the weight of the group of the film that is asked about

    Examples
    --------
    >>> shift_weights(["PA", "PA", "PA", "AP"], {"PA": 0.25, "AP": 0.75}).round(2).tolist()
    [0.33, 0.33, 0.33, 3.0]

    Taught in lesson 13, section 6.
    """
    groups, total = np.asarray(groups), sum(wanted.values())
    if not np.isclose(total, 1) or min(wanted.values()) < 0:
        raise CourseError(f"The wanted shares add up to {total:.3g}: give shares of at least 0 that add up to 1.")
    here = {name: np.mean(groups == name) for name in wanted}
    if absent := [name for name, share in here.items() if share == 0 < wanted[name]]:
        raise CourseError(f"No calibration film is of the group {absent[0]}: no weight can stand in for it.")
    ratio = {name: wanted[name] / share for name, share in here.items() if share}
    return np.array([ratio.get(name, 0.0) for name in groups])
