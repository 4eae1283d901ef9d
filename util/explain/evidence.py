"""What really changed between two twins, and what really moved the logit: two truths for a heat map. Lesson 12.

The second is activation patching on the film itself: a patch of one picture is put into the other, and the logit is
read again (Vig et al. 2020, arXiv 2004.12265, do so within a network, and call it causal mediation).
"""

import numpy as np

from util.errors import CourseError
from util.explain.heat_maps import _logits
from util.explain.sanity import rank_correlation
from util.progress import progress


def by_cell(picture, shape):
    """The mean of a picture in each cell of a map.

    Parameters
    ----------
    picture : array (h, w), numbers or bool
    shape : (rows, columns) of the map, at most (h, w)

    Returns
    -------
    float array (rows, columns)

    See Also
    --------
    util.explain.heat_maps.upsample : the way back

    Examples
    --------
    >>> by_cell(np.array([[1.0, 3.0, 0.0, 0.0]]), (1, 2)).tolist()
    [[2.0, 0.0]]

    Taught in lesson 12, section 5.
    """
    picture = np.asarray(picture, float)
    if picture.ndim != 2 or any(not 1 <= few <= many for few, many in zip(shape, picture.shape, strict=True)):
        raise CourseError(
            f"A picture {picture.shape} cannot be averaged over cells {tuple(shape)}: give (h, w), and fewer cells."
        )
    down, across = (
        (np.arange(cells)[:, None] == np.arange(n) * cells // n).astype(float)
        for cells, n in zip(shape, picture.shape, strict=True)
    )
    return (down @ picture @ across.T) / (down.sum(1)[:, None] * across.sum(1))


def restoration(model, films, twins, findings, shape=(10, 10), batch_size=8):
    """How much the logit of a twin falls when one patch is put back as it was on the first film.

    Parameters
    ----------
    model : keras.Model, standardized films -> logits (n, c)
    films, twins : float32 (n, h, w, channels), standardized: before and after the change
    findings : int (n,), the number of the logit in question for each pair
    shape : (rows, columns) of patches
    batch_size : int, films at a time

    Returns
    -------
    float32 array (n, rows, columns) in logits. Above 0 the change in that patch raised the logit. Patches act together,
    so the sum need not be the whole effect.

    Raises
    ------
    CourseError : films and twins do not have one shape, or not one finding each.

    See Also
    --------
    util.explain.heat_maps.occlusion : paints a patch gray, which no patient is
    agreement : compares a map with this one

    Examples
    --------
    Not run by the tests, since it needs Keras and a trained network.

    >>> moved = restoration(pretrained.model, films, twins, [2])  # doctest: +SKIP

    Taught in lesson 12, section 5.
    """
    films, twins = np.asarray(films), np.asarray(twins)
    if films.shape != twins.shape or films.ndim != 4 or len(findings) != len(films):
        raise CourseError("Films and twins must have one shape (n, h, w, channels), with one finding for each pair.")
    rows, columns = (np.arange(n) * k // n for n, k in zip(films.shape[1:3], shape, strict=True))
    whole = _logits(model, twins, batch_size)
    moved = np.empty((len(films), *shape), np.float32)
    for number in progress(range(len(films)), "restoring patches"):
        for start in range(0, moved[0].size, batch_size):
            cells = range(start, min(start + batch_size, moved[0].size))
            patched = np.repeat(twins[number : number + 1], len(cells), axis=0)
            for picture, cell in zip(patched, cells, strict=True):
                where = np.ix_(rows == cell // shape[1], columns == cell % shape[1])
                picture[where] = films[number][where]
            logits = _logits(model, patched, batch_size)[:, findings[number]]
            moved[number].flat[list(cells)] = whole[number, findings[number]] - logits
    return moved


def agreement(cam, true_map):
    """How well the positive part of a map ranks the cells as a true map does: Spearman's correlation, from -1 to 1.

    Parameters
    ----------
    cam : float array (..., rows, columns), a heat map; what is below 0 counts as 0
    true_map : float array of the same shape, such as `by_cell` of the absolute difference, or `restoration`; likewise

    Returns
    -------
    float array (...); 0 where one of the two is constant

    See Also
    --------
    util.explain.sanity.rank_correlation : the measure

    Examples
    --------
    >>> print(round(float(agreement([[-1.0, 0.0], [2.0, 3.0]], [[0.0, 0.0], [5.0, 9.0]])), 3))
    1.0

    Taught in lesson 12, section 5.
    """
    return rank_correlation(np.maximum(cam, 0), np.maximum(true_map, 0))
