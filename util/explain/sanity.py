"""Does a heat map depend on the model, and the model on what the map marks? Sanity and faithfulness (lesson 10).

Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018 (arXiv 1810.03292); Petsiuk et al., RISE: deletion and
insertion, BMVC 2018 (arXiv 1806.07421).
"""

from contextlib import contextmanager

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from util.errors import CourseError
from util.explain.heat_maps import grad_cam
from util.progress import progress

BATCH = 8  # films at a time
SHARES = (0.0, 0.1, 0.3, 1.0)  # of a film's cells that are deleted or inserted


def rank_correlation(maps, others):
    """Spearman's rank correlation, cell by cell, of maps (..., rows, columns) with others of the same shape.

    Returns
    -------
    float array (...); 0 where one of the two maps is constant and so says nothing about the other

    See Also
    --------
    randomisation : uses it

    Examples
    --------
    >>> print(round(float(rank_correlation([[1, 2], [3, 4]], [[4, 3], [2, 1]])), 3))
    -1.0

    Taught in lesson 10.
    """
    a, b = (np.asarray(array, float).reshape(*np.shape(array)[:-2], -1) for array in (maps, others))
    a, b = (rankdata(array, axis=-1) - (array.shape[-1] + 1) / 2 for array in (a, b))
    lengths = np.sqrt(np.square(a).sum(axis=-1) * np.square(b).sum(axis=-1))
    return np.divide((a * b).sum(axis=-1), lengths, out=np.zeros_like(lengths), where=lengths > 0)


def randomisation(model, films, layer="relu", method=grad_cam, seeds=(0, 1, 2)):
    """Shuffle the weights stage by stage, from the top down, and compare the maps with those of the intact model.

    A map that survives shows edges of the film, not what the model learned. Every kernel, scale and shift of a stage
    keeps its numbers, in random order; running statistics stay. Afterward the model is intact again in any case.

    Parameters
    ----------
    model, films, layer : as for `util.explain.heat_maps.grad_cam`
    method : one of util.explain.heat_maps.METHODS
    seeds : ints, of the random orders; each shuffles the model anew

    Returns
    -------
    DataFrame (index: the last stage shuffled, 'intact' first; a column for each output of the model), from 0 to 1: the
    absolute value of Spearman's correlation over the cells, averaged over films and seeds. The sign is dropped because
    the negative of a map still shows the same edges, and because opposite signs would cancel in the mean.

    See Also
    --------
    rank_correlation : the measure
    faithfulness : the question the other way around

    Examples
    --------
    Not run by the tests, since it needs Keras and a trained network.

    >>> table = randomisation(pretrained.model, films, seeds=(0,))  # doctest: +SKIP

    Taught in lesson 10.
    """
    intact = method(model, films, layer)[1]
    sizes = {"intact": [np.abs(rank_correlation(intact, intact))]}
    for seed in progress(seeds, "shuffling weights"):
        rng = np.random.default_rng(seed)
        with restored(model):
            for stage, variables in _stages(model).items():
                for variable in variables:
                    variable.assign(rng.permutation(variable.numpy().ravel()).reshape(variable.shape))
                maps = method(model, films, layer)[1]
                sizes.setdefault(stage, []).append(np.abs(rank_correlation(intact, maps)))
    return pd.DataFrame.from_dict({stage: np.mean(c, axis=(0, 1)) for stage, c in sizes.items()}, orient="index")


@contextmanager
def restored(model):
    """Context manager that restores a model's weights at the end of the block.

    See Also
    --------
    randomisation : uses it

    Examples
    --------
    Not run by the tests, since it needs Keras and a network.

    >>> with restored(model):  # doctest: +SKIP
    ...     model.set_weights([0 * array for array in model.get_weights()])

    Taught in lesson 10.
    """
    kept = [variable.numpy().copy() for variable in model.variables]
    try:
        yield model
    finally:
        for variable, value in zip(model.variables, kept, strict=True):
            variable.assign(value)


def _stages(model):
    """Trainable variables by stage, from the top down; a stage is the part of a layer's name before the first '_'."""
    stages = {}
    for layer in reversed(model.layers):
        if layer.trainable_variables:
            stages.setdefault(layer.name.split("_")[0], []).extend(layer.trainable_variables)
    return stages


def middle_first(rows, columns):
    """A map that ignores the film: float (rows, columns), highest in the middle, falling with the distance from it.

    See Also
    --------
    faithfulness : takes it as a rival

    Examples
    --------
    >>> int(middle_first(3, 3).argmax())
    4

    Taught in lesson 10.
    """
    across, down = (np.arange(n) - (n - 1) / 2 for n in (columns, rows))
    return -np.hypot(down[:, None], across)


def faithfulness(model, films, findings, rankings, shares=SHARES):
    """Deletion and insertion: does the logit follow the cells that a map ranks first?

    Deletion paints the first cells mid-gray (the mean of the training films); insertion shows only them, on gray.
    Rivals give the scale: the map of a different film, a map that ignores the film, and cells in random order.

    Parameters
    ----------
    model : keras.Model, as for `util.explain.heat_maps.grad_cam`
    films : float32 (n, h, w, channels), standardized
    findings : int (n,), the number of the finding in question for each film
    rankings : dict name -> float (n, rows, columns), a map for each film, whose highest cell comes first
    shares : increasing floats from 0 to 1, of the cells

    Returns
    -------
    DataFrame, one row for each film, order (the names of `rankings`, then 'random') and share: film, order, share,
    deletion, insertion (logits)

    See Also
    --------
    area_under : one number for each curve
    util.explain.heat_maps.occlusion : hides one cell at a time

    Examples
    --------
    Not run by the tests, since it needs Keras and a trained network.

    >>> curves = faithfulness(pretrained.model, films, [2], {"Grad-CAM": maps[:, 2]})  # doctest: +SKIP

    Taught in lesson 10.
    """
    films, shares = np.asarray(films), np.asarray(shares, float)
    rankings = {name: np.asarray(maps) for name, maps in rankings.items()}
    shapes = {maps.shape for maps in rankings.values()}
    shape = next(iter(shapes), ())
    if len(shapes) != 1 or len(shape) != 3 or not len(films) == shape[0] == len(findings):
        raise CourseError("One finding and one map (rows, columns) of each ranking are needed for each film.")
    if not (np.diff(shares) > 0).all() or shares[0] != 0 or shares[-1] != 1:
        raise CourseError("The shares of cells must grow from 0 to 1.")
    rng, cells = np.random.default_rng(0), shape[1] * shape[2]
    orders = {n: np.argsort(-m.reshape(len(m), -1), axis=1, kind="stable") for n, m in rankings.items()}
    orders["random"] = np.stack([rng.permutation(cells) for _ in films])
    rows = []
    for order, ranked in orders.items():
        for share in shares:
            first = [np.isin(np.arange(cells), own[: round(share * cells)]).reshape(shape[1:]) for own in ranked]
            rows += [{"film": k, "order": order, "share": share, "first": cell} for k, cell in enumerate(first)]
    for what, keep_first in (("deletion", False), ("insertion", True)):
        kept = [row["first"] == keep_first for row in rows]
        pictures = [(row["film"], cell) for row, cell in zip(rows, kept, strict=True)]
        for row, logits in zip(rows, _logits_of(model, films, pictures), strict=True):
            row[what] = float(logits[findings[row["film"]]])
    return pd.DataFrame(rows).drop(columns="first")


def _logits_of(model, films, pictures):
    """Logits of films of which only some cells are kept; each distinct picture is shown to the model once.

    pictures : list of (number of the film, bool (rows, columns) of the cells kept)
    """
    from util.models.predict import predict_films

    keys = [(0 if not cells.any() else film, cells.tobytes()) for film, cells in pictures]  # all gray: no film at all
    different = {key: picture for key, picture in zip(keys, pictures, strict=True)}
    todo, logits = list(different.items()), {}
    for start in progress(range(0, len(todo), BATCH), "deleting and inserting"):
        batch = todo[start : start + BATCH]
        shown = np.stack([films[film] * _enlarge(cells, films.shape[1:3])[..., None] for _, (film, cells) in batch])
        logits |= zip([key for key, _ in batch], predict_films(model, shown, BATCH), strict=True)
    return [logits[key] for key in keys]


def _enlarge(cells, size):
    """Cells (rows, columns) as pixels (height, width), float32: each pixel takes the value of its cell."""
    rows, columns = (np.arange(n) * k // n for n, k in zip(size, cells.shape, strict=True))
    return cells[np.ix_(rows, columns)].astype(np.float32)


def area_under(curves, what):
    """Mean logit along each curve of `faithfulness`, by the trapezoid rule over the share: DataFrame (film, order).

    Parameters
    ----------
    curves : DataFrame of `faithfulness`
    what : 'deletion' or 'insertion'

    See Also
    --------
    faithfulness : the curves

    Examples
    --------
    >>> curves = pd.DataFrame({"film": 0, "order": "map", "share": [0.0, 1.0], "deletion": [3.0, 1.0]})
    >>> print(round(float(area_under(curves, "deletion").loc[0, "map"]), 3))
    2.0

    Taught in lesson 10.
    """
    areas = curves.groupby(["film", "order"])[[what, "share"]].apply(lambda c: np.trapezoid(c[what], c["share"]))
    return areas.unstack("order")
