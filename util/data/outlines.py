"""Where a finding is: boxes as shares of a film, masks as arrays, masks as run lengths in row-major order.

Taught in lessons 9 and 10.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from util.data.images import film_shape
from util.data.tables import read_table
from util.errors import CourseError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from util.data.cohort import Cohort

MOST_OUTLINES = 256 * 2**20  # bytes of a list of outlines, enough for some 100,000 simulated films


def encode(mask: ArrayLike) -> str:
    """Run-length code of a bool mask (h, w): 'start length start length ...', pixels counted row by row from 0.

    See Also
    --------
    decode : the way back

    Examples
    --------
    >>> encode([[False, True, True], [True, False, True]])
    '1 3 5 1'
    """
    flat = np.asarray(mask, dtype=bool).ravel()
    edges = np.flatnonzero(np.diff(flat, prepend=False, append=False))
    starts, ends = edges[::2], edges[1::2]
    return " ".join(map(str, np.column_stack([starts, ends - starts]).ravel()))


def decode(code: str, shape: tuple[int, int]) -> np.ndarray:
    """Bool mask of ``shape`` (h, w) from its run-length code; a CourseError if the code does not fit the shape.

    See Also
    --------
    encode : the way there

    Examples
    --------
    >>> decode("1 3 5 1", (2, 3)).astype(int).tolist()
    [[0, 1, 1], [1, 0, 1]]
    """
    try:
        runs = np.array(code.split(), dtype=np.int64).reshape(-1, 2)
    except ValueError:
        raise CourseError("a run-length code must be pairs of whole numbers, 'start length'") from None
    flat = np.zeros(shape[0] * shape[1], dtype=bool)
    for start, length in runs:
        if start < 0 or length < 1 or start + length > flat.size:
            raise CourseError(f"the run '{start} {length}' lies outside a mask of shape {shape}")
        flat[start : start + length] = True
    return flat.reshape(shape)


def box_mask(boxes: ArrayLike | pd.DataFrame, size: tuple[int, int]) -> np.ndarray:
    """The pixels whose centers are in a box: bool (height, width). Borders count as inside.

    Parameters
    ----------
    boxes : (m, 4) numbers or DataFrame with x, y, w, h in pixels
    size : (height, width) of the film in pixels

    See Also
    --------
    outlines : the same for the films of a cohort

    Examples
    --------
    >>> box_mask([[1, 0, 2, 1]], (2, 4)).astype(int).tolist()
    [[0, 1, 1, 0], [0, 0, 0, 0]]

    Taught in lesson 9.
    """
    mask = np.zeros(size, bool)
    rows, columns = (np.arange(pixels) + 0.5 for pixels in size)
    for left, top, width, height in zip(*corners_of(boxes), strict=True):
        across, down = (left <= columns) & (columns <= left + width), (top <= rows) & (rows <= top + height)
        mask |= down[:, None] & across
    return mask


def outlines(
    cohort: Cohort, images: Iterable[str], size: tuple[int, int] | None = None
) -> dict[tuple[str, str], np.ndarray]:
    """Where the findings are: exact masks of simulated films, filled boxes of real ones.

    Parameters
    ----------
    cohort : util.data.cohort.Cohort
    images : film names; films without a box are left out
    size : (height, width) at which to sample every outline, or None for the film's own pixels

    Returns
    -------
    dict (image, finding) -> bool array (height, width)

    See Also
    --------
    box_shares : the boxes as numbers
    util.explain.localisation.judge_map : compares a map with an outline

    Examples
    --------
    >>> import pandas as pd
    >>> from util.data.cohort import PHANTOM, Cohort
    >>> boxes = pd.DataFrame({"Image": ["a"], "finding": ["Mass"], "x": 0, "y": 0, "w": 160, "h": 320})
    >>> cohort = Cohort("phantom", pd.DataFrame(), boxes, paths={"a": PHANTOM / "films" / "00000001_000.jpg"})
    >>> outlines(cohort, ["a"], size=(1, 4))["a", "Mass"].astype(int).tolist()
    [[1, 1, 0, 0]]

    Taught in lesson 9.
    """
    boxes = cohort.boxes[cohort.boxes["Image"].isin(list(images))]
    codes, masks = _mask_codes(cohort), {}
    for (image, finding), group in boxes.groupby(["Image", "finding"], sort=False):
        shape = film_shape(cohort.paths[image])
        code = codes.get((image, finding))
        mask = box_mask(group, shape) if code is None else decode(code, shape)
        if size is not None:
            rows, columns = ((2 * np.arange(n) + 1) * pixels // (2 * n) for n, pixels in zip(size, shape, strict=True))
            mask = mask[np.ix_(rows, columns)]
        masks[image, finding] = mask
    return masks


def _mask_codes(cohort):
    """Run lengths of the outlines of simulated films by (image, finding); empty if only boxes are known."""
    if not cohort.simulated or cohort.root is None or not (cohort.root / "masks.csv.gz").is_file():
        return {}
    columns = {name: name for name in ("Image", "finding", "rle")}
    table = read_table(
        cohort.root / "masks.csv.gz", columns, "a simulated cohort's list of outlines", most=MOST_OUTLINES
    )
    return dict(zip(zip(table["Image"], table["finding"], strict=True), table["rle"], strict=True))


def box_shares(cohort: Cohort, images: Iterable[str]) -> pd.DataFrame:
    """Boxes as shares of their film: DataFrame with Image, finding, and x, y, w, h from 0 to 1.

    See Also
    --------
    outlines : the boxes as masks

    Examples
    --------
    >>> import pandas as pd
    >>> from util.data.cohort import PHANTOM, Cohort
    >>> boxes = pd.DataFrame({"Image": ["a"], "finding": ["Mass"], "x": 160, "y": 80, "w": 32, "h": 64})
    >>> paths = {"a": PHANTOM / "films" / "00000001_000.jpg"}
    >>> box_shares(Cohort("phantom", pd.DataFrame(), boxes, paths=paths), ["a"]).iloc[0, 2:].tolist()
    [0.5, 0.25, 0.1, 0.2]

    Taught in lesson 10.
    """
    boxes = cohort.boxes[cohort.boxes["Image"].isin(list(images))].reset_index(drop=True)
    shapes = {image: film_shape(cohort.paths[image]) for image in boxes["Image"].unique()}
    height, width = np.array([shapes[image] for image in boxes["Image"]], float).reshape(-1, 2).T
    return boxes.assign(x=boxes["x"] / width, y=boxes["y"] / height, w=boxes["w"] / width, h=boxes["h"] / height)


def corners_of(boxes: ArrayLike | pd.DataFrame) -> np.ndarray:
    """Four arrays (m,): left, top, width and height of the boxes, of which there must be at least one.

    See Also
    --------
    box_mask : uses it

    Examples
    --------
    >>> left, top, width, height = corners_of([[10, 20, 30, 40]])
    >>> width.tolist()
    [30.0]
    """
    columns = ["x", "y", "w", "h"]
    boxes = np.asarray(boxes[columns] if hasattr(boxes, "columns") else boxes, float).reshape(-1, 4)
    if not len(boxes):
        raise CourseError("No box, so nothing to hit: take films with a box of the finding.")
    return boxes.T
