"""Is a heat map where the finding is? The pointing game, IoU and energy, beside players that never looked (notebook 5).

Zhang et al., the pointing game, ECCV 2016 (arXiv 1608.00507); Wang et al., energy in the box, Score-CAM, CVPRW 2020
(arXiv 1910.01279); Wang et al., IoU with boxes, ChestX-ray8, CVPR 2017 (arXiv 1705.02315).
"""

import numpy as np
import pandas as pd

from util.data.outlines import box_mask, corners_of
from util.errors import CourseError
from util.explain.heat_maps import upsample
from util.metrics.proportions import clustered_mean, share_interval, student_quantile

OVERLAPS = (0.1, 0.3, 0.5)  # IoU from which a region counts, as in ChestX-ray8
MEASURES = ("pointing", "energy", *(f"IoU >= {overlap}" for overlap in OVERLAPS))


def peak(cam, size):
    """Where a map points: the centre of its highest cell.

    The cell's centre is exact where the highest pixel of an enlarged map is not: along the border those are flat.

    Parameters
    ----------
    cam : float array (rows, columns), one map
    size : (height, width) of the film in pixels

    Returns
    -------
    (x, y) in pixels of the film, or None where nothing in the map is positive: it points nowhere
    """
    cam = np.asarray(cam)
    if cam.ndim != 2 or not np.isfinite(cam).all():
        raise CourseError(f"One map (rows, columns) of finite numbers is needed, here an array of shape {cam.shape}.")
    if cam.max() <= 0:
        return None
    row, column = np.unravel_index(cam.argmax(), cam.shape)
    return (column + 0.5) * size[1] / cam.shape[1], (row + 0.5) * size[0] / cam.shape[0]


def hit(cam, mask):
    """The pointing game: does the map's peak lie on the finding?

    Without the tolerance of 15 pixels that the original allows. A map that points nowhere is a miss.

    cam : float array (rows, columns), one map; mask : bool array (height, width), one finding's outline on one film
    """
    point = peak(cam, mask.shape)
    return point is not None and _on(point, mask)


def constant_point(masks):
    """The point that lies on the most outlines: the best that a player can do who never looks at a film.

    Parameters
    ----------
    masks : bool array (m, rows, columns), one finding's outlines on other patients' films, sampled on one grid

    Returns
    -------
    (x, y) as shares of a film, 0 to 1; of several equally good points the one nearest to their middle
    """
    masks = np.asarray(masks)
    if masks.ndim != 3 or not len(masks):
        raise CourseError("No outline to fit a constant point on: give bool (outlines, rows, columns), at least one.")
    votes = masks.sum(axis=0)
    best = np.argwhere(votes == votes.max())
    row, column = best[np.square(best - best.mean(axis=0)).sum(axis=1).argmin()]
    return float((column + 0.5) / votes.shape[1]), float((row + 0.5) / votes.shape[0])


def constant_box(boxes, masks):
    """The box that overlaps most with all outlines: the best outline of a player who never looks at a film.

    Parameters
    ----------
    boxes : (m, 4) numbers or DataFrame with x, y, w, h as shares of their film, 0 to 1: the candidates
    masks : bool array (k, rows, columns), one finding's outlines on other patients' films, sampled on one grid

    Returns
    -------
    float array (4,) x, y, w, h: the candidate with the largest mean IoU with the outlines (the first of several)
    """
    corners = np.array(corners_of(boxes)).T
    rows, columns = masks.shape[1:]
    drawn = np.stack([box_mask([box * [columns, rows, columns, rows]], (rows, columns)) for box in corners])
    drawn, masks = (m.reshape(len(m), -1).astype(np.float32) for m in (drawn, np.asarray(masks)))
    both = drawn @ masks.T
    either = np.add.outer(drawn.sum(axis=1), masks.sum(axis=1)) - both
    overlap = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
    return corners[overlap.mean(axis=1).argmax()]


def region(cam, size, share=0.5):
    """What a map outlines: the pixels where the enlarged map reaches a share of its highest value.

    Parameters
    ----------
    cam : float array (rows, columns), one map; size : (height, width) of the film in pixels; share : float in (0, 1]

    Returns
    -------
    bool array (height, width); empty where nothing in the map is positive
    """
    large = upsample(np.maximum(cam, 0), size)
    return large >= share * large.max() if large.max() > 0 else np.zeros(size, bool)


def iou(a, b):
    """Intersection over union of two masks, bool (height, width): 0 apart, 1 equal; 0 where both are empty."""
    either = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / either if either else 0.0


def energy(cam, mask):
    """Share of a map's positive evidence that lies in a mask, 0 to 1; 0 where nothing in the map is positive.

    cam : float array (rows, columns); mask : bool array (height, width), on which the map is enlarged
    """
    large = upsample(np.maximum(cam, 0), mask.shape).astype(float)
    return float(large[mask].sum() / large.sum()) if large.sum() > 0 else 0.0


def judge_map(cam, mask):
    """All measures of one map: dict measure -> number, of MEASURES.

    cam : float array (rows, columns); mask : bool array (height, width), this finding's outline on this film
    """
    return _scores(hit(cam, mask), energy(cam, mask), iou(region(cam, mask.shape), mask))


def judge_constant(point, box, mask):
    """As `judge_map`, of a player who always names the same point (x, y) and box (x, y, w, h), as shares of a film."""
    height, width = mask.shape
    own = box_mask([np.asarray(box) * [width, height, width, height]], mask.shape)
    inside = np.count_nonzero(own & mask) / max(1, np.count_nonzero(own))
    return _scores(_on((point[0] * width, point[1] * height), mask), inside, iou(own, mask))


def judge_nothing(mask):
    """As `judge_map`, of what knows nothing: a random point (its chance to hit), an even map, the whole film."""
    return _scores(mask.mean(), mask.mean(), mask.mean())


def _scores(pointing, inside, overlap):
    return dict(zip(MEASURES, map(float, (pointing, inside, *(overlap >= least for least in OVERLAPS))), strict=True))


def _on(point, mask):
    """Does a point (x, y) in pixels lie on the mask?"""
    column, row = (min(int(place), pixels - 1) for place, pixels in zip(point, mask.shape[::-1], strict=True))
    return bool(mask[row, column])


def difference_interval(values, others, patients=None, level=0.95):
    """Mean difference of two players on the same films, with an interval by patient.

    Parameters
    ----------
    values, others : arrays (n,), film by film; patients : array (n,) or None; level : float in (0, 1)

    Returns
    -------
    (difference, low, high) : floats; no interval (NaN) of a single patient. Student's, with as many degrees of freedom
    as there are patients of equal weight, less one: percentiles of a bootstrap of eight films are too narrow.
    """
    mean, variance, effective = clustered_mean(np.asarray(values, float) - np.asarray(others, float), patients)
    reach = student_quantile(level, effective - 1) * np.sqrt(variance)
    return mean, float(mean - reach), float(mean + reach)


def localisation_table(judged, measure, level=0.95):
    """One measure of several players, finding by finding and over all.

    Parameters
    ----------
    judged : DataFrame, one row for each player, film and finding: player, finding, PatientId and MEASURES; may have
        cells, the size of the finding's outline in cells of the map
    measure : one of MEASURES

    Returns
    -------
    DataFrame, index (finding, player), in the order met, then 'all': value, low, high, films, patients and note, which
    says where the median outline is smaller than one cell of the map: there the map cannot be right, only lucky
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
