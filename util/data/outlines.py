"""Where a finding is: boxes as shares of a film, masks as arrays, masks as run lengths in row-major order.

Taught in notebooks 9 and 10.
"""

import numpy as np

from util.data.images import film_shape
from util.data.tables import read_table
from util.errors import CourseError

MOST_OUTLINES = 256 * 2**20  # bytes of a list of outlines, those of some 100,000 simulated films


def encode(mask):
    """Run-length code of a bool mask (h, w): 'start length start length ...', pixels counted row by row from 0."""
    flat = np.asarray(mask, dtype=bool).ravel()
    edges = np.flatnonzero(np.diff(flat, prepend=False, append=False))
    starts, ends = edges[::2], edges[1::2]
    return " ".join(map(str, np.column_stack([starts, ends - starts]).ravel()))


def decode(code, shape):
    """Bool mask of ``shape`` (h, w) from its run-length code; CourseError when the code does not fit the shape."""
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


def box_mask(boxes, size):
    """The pixels whose centres lie in a box: bool (height, width). Borders count, overlaps count once.

    boxes : (m, 4) numbers or DataFrame with x, y, w, h in pixels; size : (height, width) of the film in pixels
    """
    mask = np.zeros(size, bool)
    rows, columns = (np.arange(pixels) + 0.5 for pixels in size)
    for left, top, width, height in zip(*corners_of(boxes), strict=True):
        across, down = (left <= columns) & (columns <= left + width), (top <= rows) & (rows <= top + height)
        mask |= down[:, None] & across
    return mask


def outlines(cohort, images, size=None):
    """Where the findings are: exact masks of simulated films, filled boxes of real ones.

    Parameters
    ----------
    cohort : util.data.cohort.Cohort
    images : film names; those without a box are left out
    size : (height, width) to sample every outline at, or None for the film's own pixels

    Returns
    -------
    dict (image, finding) -> bool array (height, width)
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
    """Run lengths of the outlines of simulated films by (image, finding); empty where only boxes are known."""
    if not cohort.simulated or cohort.root is None or not (cohort.root / "masks.csv.gz").is_file():
        return {}
    columns = {name: name for name in ("Image", "finding", "rle")}
    table = read_table(
        cohort.root / "masks.csv.gz", columns, "a simulated cohort's list of outlines", most=MOST_OUTLINES
    )
    return dict(zip(zip(table["Image"], table["finding"], strict=True), table["rle"], strict=True))


def box_shares(cohort, images):
    """Boxes of films as shares of their film: DataFrame Image, finding, x, y, w, h, the numbers from 0 to 1."""
    boxes = cohort.boxes[cohort.boxes["Image"].isin(list(images))].reset_index(drop=True)
    shapes = {image: film_shape(cohort.paths[image]) for image in boxes["Image"].unique()}
    height, width = np.array([shapes[image] for image in boxes["Image"]], float).reshape(-1, 2).T
    return boxes.assign(x=boxes["x"] / width, y=boxes["y"] / height, w=boxes["w"] / width, h=boxes["h"] / height)


def corners_of(boxes):
    """Four arrays (m,): left, top, width and height of at least one box."""
    columns = ["x", "y", "w", "h"]
    boxes = np.asarray(boxes[columns] if hasattr(boxes, "columns") else boxes, float).reshape(-1, 4)
    if not len(boxes):
        raise CourseError("No box, so nothing to hit: take films with a box of the finding.")
    return boxes.T
