"""A shortcut caught red-handed: a stamp printed on the films of ill patients, and a head that learns it (lesson 10).

Real collections contain such stamps: Zech et al., PLOS Medicine 2018 (doi 10.1371/journal.pmed.1002683); DeGrave et
al., Nature Machine Intelligence 2021 (doi 10.1038/s42256-021-00338-7).
"""

import numpy as np

from util.errors import CourseError
from util.progress import progress


def stamp(film, rng):
    """Print a stamp, a bright plate with a dark cross, near the upper left corner of a film.

    Parameters
    ----------
    film : uint8 (h, w), at least 64 pixels on each side
    rng : numpy.random.Generator, chooses the exact position

    Returns
    -------
    (film, mask) : uint8 (h, w), a copy, and bool (h, w), where the stamp is

    See Also
    --------
    fit_head : the head that learns it

    Examples
    --------
    >>> film, mask = stamp(np.zeros((90, 90), np.uint8), np.random.default_rng(0))
    >>> int(mask.sum()), sorted(set(film[mask].tolist()))
    (100, [5, 250])

    Taught in lesson 10.
    """
    if film.ndim != 2 or min(film.shape) < 64:
        raise CourseError(f"A film (h, w) of at least 64 pixels a side is needed, here shape {film.shape}.")
    side = min(film.shape) // 9
    top, left = (int(rng.integers(pixels // 40, pixels // 14 + 1)) for pixels in film.shape)
    place = np.arange(side)
    bar = max(2, side // 8)
    cross = (abs(place[:, None] - place) < bar) | (abs(place[:, None] + place - side + 1) < bar)
    film, mask = film.copy(), np.zeros(film.shape, bool)
    mask[top : top + side, left : left + side] = True
    film[mask] = np.where(cross, 5, 250).ravel()
    return film, mask


def pooled_features(features, films, batch_size=8):
    """What the frozen network passes to its head: the mean of each channel.

    Parameters
    ----------
    features : keras.Model, films -> activations (n, rows, columns, channels) of the last ReLU
    films : float32 (n, h, w, channels), standardized
    batch_size : int, films at a time

    Returns
    -------
    float32 (n, channels)

    See Also
    --------
    fit_head : a head on these features

    Examples
    --------
    Not run by the tests, since it needs Keras and a trained network.

    >>> pooled_features(features, films).shape  # doctest: +SKIP
    (8, 1024)

    Taught in lesson 10.
    """
    from util.models.predict import predict_films

    starts = progress(range(0, len(films), batch_size), "reading films")
    parts = [predict_films(features, films[start : start + batch_size], batch_size) for start in starts]
    return np.concatenate(parts).mean(axis=(1, 2))


def fit_head(features, labels):
    """A linear head on frozen features: logistic regression on standardized features, solved in a moment.

    Parameters
    ----------
    features : float (n, channels)
    labels : (n, k) of 0/1, a column for each question; each column needs both 0 and 1

    Returns
    -------
    (kernel, bias) : float32 (channels, k) and (k,), for the features as given: ``features @ kernel + bias``

    See Also
    --------
    pooled_features : the features
    with_head : the network with this head

    Examples
    --------
    >>> x = np.array([[0.0, 1], [1, 0], [2, 1], [3, 0]])
    >>> kernel, bias = fit_head(x, [[0], [0], [1], [1]])
    >>> kernel.shape, bool(kernel[0, 0] > 0)
    ((2, 1), True)

    Taught in lesson 10.
    """
    from sklearn.linear_model import LogisticRegression

    labels = np.asarray(labels).astype(int)
    if labels.ndim != 2 or len(labels) != len(features) or (np.ptp(labels, axis=0) == 0).any():
        raise CourseError("The head needs labels (n, k), one row for each film, with both 0 and 1 in every column.")
    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.where(spread > 0, spread, 1)
    heads = [LogisticRegression(max_iter=2000).fit((features - mean) / spread, column) for column in labels.T]
    kernel = np.stack([head.coef_[0] / spread for head in heads], axis=1)
    bias = np.array([head.intercept_[0] for head in heads]) - mean @ kernel
    return kernel.astype(np.float32), bias.astype(np.float32)


def with_head(model, kernel, bias):
    """The same frozen network with a new linear head: keras.Model, films -> logits (n, k), flat and functional.

    Parameters
    ----------
    model : keras.Model with a layer 'pool', as built by util.models.densenet.build_densenet
    kernel, bias : from `fit_head`

    See Also
    --------
    fit_head : kernel and bias

    Examples
    --------
    Not run by the tests, since it needs Keras and a trained network.

    >>> cheat = with_head(pretrained.model, *fit_head(features, labels))  # doctest: +SKIP

    Taught in lesson 10.
    """
    import keras

    dense = keras.layers.Dense(kernel.shape[1], name="new_head")
    changed = keras.Model(model.input, dense(model.get_layer("pool").output), name="shortcut")
    dense.set_weights([kernel, bias])
    return changed
