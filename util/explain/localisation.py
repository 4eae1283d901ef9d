"""Is a heat map where the finding is? The pointing game, IoU and energy, next to players that never look (lesson 10).

Zhang et al., the pointing game, ECCV 2016 (arXiv 1608.00507); Wang et al., energy in the box, Score-CAM, CVPRW 2020
(arXiv 1910.01279); Wang et al., IoU with boxes, ChestX-ray8, CVPR 2017 (arXiv 1705.02315).
"""

import numpy as np
import pandas as pd
from scipy.special import stdtr

from util.data.outlines import box_mask, corners_of
from util.errors import CourseError
from util.explain.heat_maps import upsample
from util.metrics.proportions import clustered_mean, share_interval, student_quantile

OVERLAPS = (0.1, 0.3, 0.5)  # IoU from which a region counts as a hit, as in ChestX-ray8
MEASURES = ("pointing", "energy", *(f"IoU >= {overlap}" for overlap in OVERLAPS))


def peak(cam, size):
    """Where a map points: the center of its highest cell.

    The cell is well defined where the highest pixel of an enlarged map is not: along its border, such a map is flat.

    Parameters
    ----------
    cam : float array (rows, columns), one map
    size : (height, width) of the film in pixels

    Returns
    -------
    (x, y) in pixels of the film, or None if nothing in the map is positive, so that it points nowhere

    See Also
    --------
    hit : whether the peak lies on the finding

    Examples
    --------
    >>> [float(value) for value in peak([[0, 0], [0, 1]], size=(100, 200))]
    [150.0, 75.0]

    Taught in lesson 9.
    """
    cam = np.asarray(cam)
    if cam.ndim != 2 or not np.isfinite(cam).all():
        raise CourseError(f"One map (rows, columns) of finite numbers is needed, here an array of shape {cam.shape}.")
    if cam.max() <= 0:
        return None
    row, column = np.unravel_index(cam.argmax(), cam.shape)
    return (column + 0.5) * size[1] / cam.shape[1], (row + 0.5) * size[0] / cam.shape[0]


def hit(cam, mask):
    """The pointing game: is the peak of the map on the finding?

    There is no tolerance of 15 pixels as in the original. A map that points nowhere is a miss.

    Parameters
    ----------
    cam : float array (rows, columns), one map
    mask : bool array (height, width), one finding's outline on one film

    See Also
    --------
    peak : the point that counts
    judge_map : all measures at once

    Examples
    --------
    >>> hit([[0, 1]], np.array([[False, False, True, True]]))
    True

    Taught in lesson 9.
    """
    point = peak(cam, mask.shape)
    return point is not None and _on(point, mask)


def constant_point(masks):
    """The point on the most outlines: the best that a player can do who never looks at a film.

    Parameters
    ----------
    masks : bool array (m, rows, columns), one finding's outlines on other patients' films, sampled on one grid

    Returns
    -------
    (x, y) as shares of a film, 0 to 1; of several equally good points, the one nearest to their middle

    See Also
    --------
    constant_box : the same for outlines
    judge_constant : how good it is

    Examples
    --------
    >>> constant_point(np.array([[[False, False], [False, True]]]))
    (0.75, 0.75)

    Taught in lesson 10.
    """
    masks = np.asarray(masks)
    if masks.ndim != 3 or not len(masks):
        raise CourseError("No outline to fit a constant point on: give bool (outlines, rows, columns), at least one.")
    votes = masks.sum(axis=0)
    best = np.argwhere(votes == votes.max())
    row, column = best[np.square(best - best.mean(axis=0)).sum(axis=1).argmin()]
    return float((column + 0.5) / votes.shape[1]), float((row + 0.5) / votes.shape[0])


def constant_box(boxes, masks):
    """The box with the largest overlap with all outlines: the best that a player can draw who never looks at a film.

    Parameters
    ----------
    boxes : (m, 4) numbers or DataFrame with x, y, w, h as shares of their film, 0 to 1: the candidates
    masks : bool array (k, rows, columns), one finding's outlines on other patients' films, sampled on one grid

    Returns
    -------
    float array (4,) x, y, w, h: the candidate with the largest mean IoU with the outlines (the first of several)

    See Also
    --------
    constant_point : the same for the pointing game
    judge_constant : how good it is

    Examples
    --------
    >>> masks = np.array([[[False, True], [False, True]]])
    >>> constant_box([[0, 0, 0.5, 1], [0.5, 0, 0.5, 1]], masks).tolist()
    [0.5, 0.0, 0.5, 1.0]

    Taught in lesson 10.
    """
    corners = np.array(corners_of(boxes)).T
    rows, columns = masks.shape[1:]
    drawn = np.stack([box_mask([box * [columns, rows, columns, rows]], (rows, columns)) for box in corners])
    drawn, masks = (m.reshape(len(m), -1).astype(np.float32) for m in (drawn, np.asarray(masks)))
    both = drawn @ masks.T
    either = np.add.outer(drawn.sum(axis=1), masks.sum(axis=1)) - both
    overlap = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
    return corners[overlap.mean(axis=1).argmax()]


def region(cam, size):
    """What a map outlines: the pixels where the enlarged map reaches half of its highest value.

    Parameters
    ----------
    cam : float array (rows, columns), one map
    size : (height, width) of the film in pixels

    Returns
    -------
    bool array (height, width); False everywhere if nothing in the map is positive

    See Also
    --------
    iou : compares it with an outline
    util.explain.heat_maps.upsample : the enlarged map

    Examples
    --------
    >>> region([[0, 1]], (1, 4)).tolist()
    [[False, False, True, True]]

    Taught in lesson 10.
    """
    large = upsample(np.maximum(cam, 0), size)
    return large >= 0.5 * large.max() if large.max() > 0 else np.zeros(size, bool)


def iou(a, b):
    """Intersection over union of two masks, bool (height, width): 0 apart, 1 equal; 0 if both are empty.

    See Also
    --------
    energy : needs no cut-off
    region : the outline of a map

    Examples
    --------
    >>> print(round(iou(np.array([[True, True, False]]), np.array([[False, True, True]])), 3))
    0.333

    Taught in lesson 10.
    """
    either = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / either if either else 0.0


def energy(cam, mask):
    """Share of a map's positive evidence that is within a mask, 0 to 1; 0 if nothing in the map is positive.

    Parameters
    ----------
    cam : float array (rows, columns)
    mask : bool array (height, width); the map is enlarged to its size

    See Also
    --------
    iou : compares outlines instead

    Examples
    --------
    >>> energy([[0, 1]], np.array([[False, False, True, True]]))
    0.875

    Taught in lesson 10.
    """
    large = upsample(np.maximum(cam, 0), mask.shape).astype(float)
    return float(large[mask].sum() / large.sum()) if large.sum() > 0 else 0.0


def judge_map(cam, mask):
    """All measures of one map: dict with a number for each of MEASURES.

    Parameters
    ----------
    cam : float array (rows, columns)
    mask : bool array (height, width), this finding's outline on this film

    See Also
    --------
    judge_constant : a player that names the same place on every film
    judge_nothing : a player that knows nothing

    Examples
    --------
    >>> judge_map([[0, 1]], np.array([[False, False, True, True]]))["energy"]
    0.875

    Taught in lesson 10.
    """
    return _scores(hit(cam, mask), energy(cam, mask), iou(region(cam, mask.shape), mask))


def judge_constant(point, box, mask):
    """As `judge_map`, for a player who always names the same point (x, y) and box (x, y, w, h), as shares of a film.

    See Also
    --------
    constant_point : the best point
    constant_box : the best box

    Examples
    --------
    >>> judge_constant((0.9, 0.5), (0.5, 0, 0.5, 1), np.array([[False, False, True, True]]))["pointing"]
    1.0

    Taught in lesson 10.
    """
    height, width = mask.shape
    own = box_mask([np.asarray(box) * [width, height, width, height]], mask.shape)
    inside = np.count_nonzero(own & mask) / max(1, np.count_nonzero(own))
    return _scores(_on((point[0] * width, point[1] * height), mask), inside, iou(own, mask))


def judge_nothing(mask):
    """As `judge_map`, for players that know nothing: a random point (its chance to hit), an even map, the whole film.

    See Also
    --------
    judge_map : the map itself

    Examples
    --------
    >>> judge_nothing(np.array([[False, False, True, True]]))["pointing"]
    0.5

    Taught in lesson 10.
    """
    return _scores(mask.mean(), mask.mean(), mask.mean())


def _scores(pointing, inside, overlap):
    return dict(zip(MEASURES, map(float, (pointing, inside, *(overlap >= least for least in OVERLAPS))), strict=True))


def _on(point, mask):
    """Whether a point (x, y) in pixels is on the mask."""
    column, row = (min(int(place), pixels - 1) for place, pixels in zip(point, mask.shape[::-1], strict=True))
    return bool(mask[row, column])


def difference_interval(values, others, patients=None, level=0.95):
    """Mean difference of two players on the same films, with an interval by patient.

    Parameters
    ----------
    values, others : arrays (n,), film by film
    patients : array (n,), the patient of each film, or None to treat the films as independent
    level : float in (0, 1)

    Returns
    -------
    (difference, low, high) : floats; the interval is NaN for a single patient. It is Student's, with the effective
        number of patients less one as degrees of freedom: bootstrap percentiles of eight films are too narrow.

    See Also
    --------
    localisation_table : each player by itself
    util.metrics.proportions.clustered_mean : the variance behind the interval

    Examples
    --------
    >>> mean, low, high = difference_interval([1, 1, 0, 1], [0, 1, 0, 0], patients=[1, 2, 3, 4])
    >>> print(mean, low < 0 < high)
    0.5 True

    Taught in lesson 10.
    """
    mean, variance, effective = clustered_mean(np.asarray(values, float) - np.asarray(others, float), patients)
    reach = student_quantile(level, effective - 1) * np.sqrt(variance)
    return mean, float(mean - reach), float(mean + reach)


def difference_p(values, others, patients=None):
    """Two-sided p-value of no difference between two players on the same films: that of `difference_interval`.

    Parameters as there. Returns a float; NaN of a single patient, and 1 where no film differs.

    See Also
    --------
    difference_interval : the difference with its interval
    util.metrics.proportions.holm : adjusts several such p-values

    Examples
    --------
    >>> difference_p([1, 0, 1, 1], [1, 0, 1, 1], [7, 7, 8, 9])
    1.0

    Taught in lesson 10.
    """
    differences = np.asarray(values, float) - np.asarray(others, float)
    mean, variance, effective = clustered_mean(differences, patients)
    if not differences.any():
        return 1.0
    if np.isnan(variance):
        return float("nan")
    return float(2 * stdtr(effective - 1, -abs(mean) / np.sqrt(variance))) if variance > 0 else 0.0


def localisation_table(judged, measure, level=0.95):
    """One measure of several players, finding by finding and over all.

    Parameters
    ----------
    judged : DataFrame, one row for each player, film and finding: player, finding, PatientId and MEASURES; optionally
        cells, the size of the finding's outline in cells of the map
    measure : one of MEASURES
    level : float in (0, 1)

    Returns
    -------
    DataFrame, index (finding, player), in order of appearance, then 'all': value, low, high, films, patients and note,
    which says where the median outline is smaller than one cell of the map: there the map cannot be right, only lucky

    See Also
    --------
    judge_map : the rows
    difference_interval : two players on the same films

    Examples
    --------
    >>> judged = pd.DataFrame({"player": "map", "finding": "Mass", "PatientId": [1, 2], "energy": [0.2, 0.4]})
    >>> print(round(float(localisation_table(judged, "energy").loc[("all", "map"), "value"]), 3))
    0.3

    Taught in lesson 10.
    """
    if measure not in MEASURES:
        raise CourseError(f"There is no measure {measure!r}: choose one of {', '.join(MEASURES)}.")
    rows = {}
    for finding in [*judged["finding"].unique(), "all"]:
        chosen = judged if finding == "all" else judged[judged["finding"] == finding]
        tiny = finding != "all" and "cells" in chosen and chosen["cells"].median() < 1
        for player, group in chosen.groupby("player", sort=False):
            value, low, high = share_interval(group[measure], group["PatientId"], level)
            counts = {"films": len(group), "patients": group["PatientId"].nunique()}
            note = "smaller than one cell" if tiny else ""
            rows[finding, player] = {"value": value, "low": low, "high": high, **counts, "note": note}
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(table.index, names=["finding", "player"])
    return table
