"""The curves and points of a class beside the model's curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from util.metrics.roc import roc_curve
from util.reading.room import Room
from util.reading.study import GRID, class_curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_class(room: Room, ratings: np.ndarray, title: str = "") -> Figure:
    """Figure of a reading: a point for each reader, the mean curve of the class, and the model's curve where there is one.

    Parameters
    ----------
    room : Room
    ratings : int (readers, films), above 0 for a yes
    title : str

    Returns
    -------
    matplotlib Figure

    See Also
    --------
    util.reading.study.readers_table : the same in numbers

    Examples
    --------
    >>> from util.reading.room import draw_room
    >>> room, _ = draw_room("demo", films=8, size=64)
    >>> draw_class(room, np.where(room.truth, 3, -2)[None]).axes[0].get_xlabel()
    'false positive rate'
    """
    from matplotlib.figure import Figure

    from util.plots import DPI, PALETTE

    fig = Figure(figsize=(4.6, 4.6), dpi=DPI, layout="constrained")
    ax = fig.subplots()
    y, ratings = room.truth, np.asarray(ratings)
    ax.plot([0, 1], [0, 1], color="0.6", lw=1, ls=":", label="guessing")
    if room.advised:
        ax.plot(*roc_curve(y, room.films["Score"])[:2], color=PALETTE[1], label="model")
    ax.plot(GRID, class_curve(room, ratings), color=PALETTE[0], lw=2, ls="--", label="mean of the readers")
    points = np.array([[np.mean(r[~y] > 0), np.mean(r[y] > 0)] for r in ratings])
    ax.plot(*points.T, "o", color=PALETTE[0], mec="white", ms=7, label="one reader's yes or no")
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="false positive rate", ylabel="sensitivity", title=title)
    ax.set_aspect("equal")
    ax.legend(loc="lower right", frameon=False)
    return fig
