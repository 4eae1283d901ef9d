"""Linear heads on fixed features, trained in a moment with one of several losses, to compare the losses.

All losses but the focal one are convex, so two heads differ by their losses, not by luck. Taught in lesson 17.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from util.errors import CourseError

LOSSES = ("plain", "weighted", "resampled", "focal")
GAMMA = 2.0  # of the focal loss
COMPONENTS = 30  # of the features: few enough that a head does not memorize some hundred films
PENALTY = 0.03  # on squared coefficients, next to a loss of mean weight 1; the same for every loss


def components(x, training, most=COMPONENTS):
    """The directions in which the features of the training films vary most (PCA): a few numbers for each film.

    Parameters
    ----------
    x : array (films, features)
    training : bool array (films,)
    most : int, the most directions to keep; n training films vary in at most n - 1 directions

    Returns
    -------
    float array (films, at most `most`), with mean 0 and SD 1 over the training films

    See Also
    --------
    head_logits : trains a head on them

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(20, 5))
    >>> few = components(x, np.arange(20) < 10, most=2)
    >>> few.shape, few[:10].std(axis=0).round(1).tolist()
    ((20, 2), [0.9, 0.9])

    Taught in lesson 17.
    """
    mean = x[training].mean(axis=0)
    spread, directions = np.linalg.eigh(np.cov(x[training] - mean, rowvar=False))
    kept = slice(-1, -1 - min(most, x.shape[1], int(np.sum(training)) - 1), -1)
    return (x - mean) @ directions[:, kept] / np.sqrt(np.maximum(spread[kept], 1e-12))


def head_logits(x, y, training, loss="plain", seed=0):
    """Logits of all films from linear heads trained on some of them.

    Parameters
    ----------
    x : array (films, features), few features with SD 1, such as `components`
    y : array (films, findings) of 0 and 1; each finding needs both among the training films
    training : bool array (films,)
    loss : 'plain' cross-entropy; 'weighted', with positives and negatives balanced; 'resampled', plain, on positives
        drawn with replacement until they are as many as the negatives; 'focal', with gamma 2
    seed : int, of the resampling

    Returns
    -------
    float array (films, findings)

    Raises
    ------
    CourseError : the loss is unknown, or all training films have the same label of a finding.

    See Also
    --------
    components : features few enough for a head
    film_weights : what the losses differ in

    Examples
    --------
    >>> x, y = np.array([[-1.0], [-1], [1], [1], [1]]), np.array([[0], [0], [1], [1], [0]])
    >>> logits = head_logits(x, y, np.ones(5, bool), "weighted")
    >>> bool(logits[2, 0] > logits[0, 0])
    True

    Taught in lesson 17.
    """
    if loss not in LOSSES:
        raise CourseError(f"There is no loss {loss!r}: use {', '.join(LOSSES)}.")
    y = np.asarray(y, float)
    p = y[training].mean(axis=0)
    if ((p == 0) | (p == 1)).any():
        raise CourseError("A finding has the same label on all training films: leave it out.")
    weights = film_weights(y[training], loss, seed)
    start = np.zeros((x.shape[1] + 1, y.shape[1]))
    start[-1] = np.log(p / (1 - p)) if loss in ("plain", "focal") else 0
    best = minimize(
        _loss,
        start.ravel(),
        (x[training], y[training], weights, GAMMA if loss == "focal" else 0.0),
        method="L-BFGS-B",
        jac=True,
        options={"maxiter": 500},
    )
    coefficients = best.x.reshape(start.shape)
    return x @ coefficients[:-1] + coefficients[-1]


def film_weights(y, loss, seed=0):
    """Weight of each training film for each finding, with mean 1: array (films, findings).

    See Also
    --------
    util.losses.weighted.class_weights : the weights of the course's own loss

    Examples
    --------
    >>> film_weights(np.array([[1], [0], [0], [0]]), "weighted").round(3).ravel().tolist()
    [2.0, 0.667, 0.667, 0.667]

    Taught in lesson 17.
    """
    p = y.mean(axis=0)
    if loss == "weighted":
        return np.where(y == 1, 0.5 / p, 0.5 / (1 - p))
    if loss != "resampled":
        return np.ones_like(y)
    rng, drawn = np.random.default_rng(seed), np.where(y == 1, 0.0, 1.0)
    for k, column in enumerate(y.T):
        positives = np.flatnonzero(column)
        drawn[positives, k] = np.bincount(
            rng.integers(0, len(positives), int((1 - column).sum())), minlength=len(positives)
        )
    return drawn / drawn.mean(axis=0)


def _loss(coefficients, z, y, weights, gamma):
    """Penalized loss, added up over the findings, and its gradient.

    It uses einsum because products this small are faster without the threads of a BLAS.
    """
    coefficients = coefficients.reshape(z.shape[1] + 1, y.shape[1])
    sign = 2 * y - 1
    margin = sign * (np.einsum("fc,ck->fk", z, coefficients[:-1]) + coefficients[-1])
    wrong, cost = expit(-margin), np.logaddexp(0, -margin)  # 1 - q and -log q of the true label
    focus = wrong**gamma
    slope = -sign * weights * focus * (wrong + gamma * (1 - wrong) * cost) / len(z)
    value = np.sum(weights * focus * cost) / len(z) + PENALTY / 2 * np.sum(coefficients[:-1] ** 2)
    gradient = np.vstack([np.einsum("fc,fk->ck", z, slope) + PENALTY * coefficients[:-1], slope.sum(axis=0)])
    return value, gradient.ravel()
