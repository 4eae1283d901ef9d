"""Linear heads on fixed features, trained in a moment with one of several losses: to compare what a loss does.

The loss is convex but for the focal one, so what differs between two heads is the loss, not luck. Notebook 2 uses them.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from util.errors import CourseError

LOSSES = ("plain", "weighted", "resampled", "focal")
GAMMA = 2.0  # of the focal loss
COMPONENTS = 30  # of the features: few for some hundred films, so that a head does not learn them by heart
PENALTY = 0.03  # on squared coefficients, beside a loss of mean weight 1; the same for every loss


def components(x, training, most=COMPONENTS):
    """The directions of features in which training films differ most (PCA): few numbers a film.

    Parameters
    ----------
    x : array (films, features)
    training : bool array (films,)
    most : int, how many directions at most; n training films differ in n - 1 directions, so there are no more

    Returns
    -------
    float array (films, at most `most`), of mean 0 and SD 1 over the training films
    """
    mean = x[training].mean(axis=0)
    spread, directions = np.linalg.eigh(np.cov(x[training] - mean, rowvar=False))
    kept = slice(-1, -1 - min(most, x.shape[1], int(np.sum(training)) - 1), -1)
    return (x - mean) @ directions[:, kept] / np.sqrt(np.maximum(spread[kept], 1e-12))


def head_logits(x, y, training, loss="plain", seed=0):
    """Logits of all films from heads trained on some.

    Parameters
    ----------
    x : array (films, features), few and of SD 1, such as `components`
    y : array (films, findings) of 0 and 1, both among the training films of each finding
    training : bool array (films,)
    loss : 'plain' cross-entropy; 'weighted', positives and negatives balanced; 'resampled', plain, on positives
        drawn again and again until they are as many as the negatives; 'focal', with gamma 2
    seed : int, of the drawing

    Returns
    -------
    float array (films, findings)

    Raises
    ------
    CourseError : the loss is unknown, or a finding has one label only.
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
    """What each training film counts for each finding, mean 1: array like `y` (films, findings)."""
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
    """Penalised loss, added up over the findings, and its gradient.

    Products this small are faster without the threads of a BLAS, hence einsum.
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
