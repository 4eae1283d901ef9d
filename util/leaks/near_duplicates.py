"""Which films are one exposure, exported twice? Perceptual hashes find them, a closer look confirms them.

A film's hash says which of the 16 x 16 slowest waves (DCT) of its gray levels are above their median: 256 bits, those
of phash in the library imagehash. Re-exporting, re-windowing and cropping by up to 2 % change few bits; another chest changes about
half. Pairs that differ in few bits are copies; pairs in between are laid over each other and compared.
"""

from functools import lru_cache

import numpy as np
import pandas as pd

from util.data.cohort import film_by_film
from util.data.film_hash import SIDE, hash_if_any
from util.errors import CourseError
from util.progress import progress
from util.threads import workers

SURE, CLOSE = 24, 60  # bits that differ: at most SURE, a copy; at most CLOSE, perhaps one
ALIKE = 0.92  # correlation of the details from which a close pair is a copy
THUMB = 96  # pixels a side, for the closer look
ROWS, COLUMNS = 64, 4096  # pairs of hashes compared at a time: they fit the processor's cache
COPIES = ["Image", "Other", "bits", "correlation"]


def close_pairs(hashes, most=CLOSE):
    """All pairs of hashes that differ in at most `most` bits: every pair is compared, on all cores.

    Parameters
    ----------
    hashes : uint64 (n, words)
    most : int, bits

    Returns
    -------
    DataFrame of int: first, second (rows of `hashes`, first < second, in ascending order), bits

    Raises
    ------
    CourseError : `hashes` is no table of uint64.

    See Also
    --------
    util.leaks.hash_index.indexed_pairs : for a million hashes
    """
    hashes = check_hashes(hashes)
    words = np.ascontiguousarray(hashes.T)
    starts = range(0, len(hashes), ROWS)
    with workers() as pool:  # numpy lets go of the interpreter meanwhile
        found = pool.map(lambda start: _close_to(words, start, most), starts)
        pairs = [part for part in progress(found, "comparing hashes", total=len(starts)) if len(part)]
    table = np.concatenate(pairs) if pairs else np.zeros((0, 3), int)
    table = pd.DataFrame(table, columns=["first", "second", "bits"])
    return table.sort_values(["first", "second"], ignore_index=True)


def check_hashes(hashes):
    """Hashes as an array uint64 (n, words), or a CourseError."""
    hashes = np.asarray(hashes)
    if hashes.ndim != 2 or hashes.dtype != np.uint64:
        raise CourseError(f"Hashes are uint64 (films, words), here {hashes.dtype} {hashes.shape}: use film_hash.")
    return hashes


def _close_to(words, start, most):
    """Close pairs of the ROWS hashes from `start` with those after them: int (pairs, 3)."""
    rows, found = words[:, start : start + ROWS, None], []
    for left in range(start, words.shape[1], COLUMNS):
        columns = words[:, None, left : left + COLUMNS]
        bits = np.zeros(np.broadcast_shapes(rows.shape[1:], columns.shape[1:]), np.uint16)
        for one, other in zip(rows, columns, strict=True):
            bits += np.bitwise_count(one ^ other)
        i, j = np.nonzero(bits <= most)
        later = i + start < j + left
        found.append(np.column_stack([i + start, j + left, bits[i, j]])[later].astype(int))
    return np.concatenate(found)


def likeness(film, other):
    """Correlation of the fine details of two films, the second first moved, scaled and turned to fit the first.

    Parameters
    ----------
    film, other : uint8 (h, w) of any size

    Returns
    -------
    float from -1 to 1; about 1 for two exports of one exposure, at any contrast. -1 where nothing fits.

    The fit maximises the enhanced correlation coefficient (Evangelidis and Psarakis 2008, doi 10.1109/TPAMI.2008.113).
    """
    return _likeness(_thumb(film), _thumb(other))


def _thumb(film):
    import cv2

    return cv2.resize(film.astype(np.float32), (THUMB, THUMB), interpolation=cv2.INTER_AREA)


def _likeness(a, b):
    import cv2

    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-5)
    try:
        _, move = cv2.findTransformECC(a, b, np.eye(2, 3, dtype=np.float32), cv2.MOTION_AFFINE, stop, None, 5)
    except cv2.error:  # no fit: they have nothing in common
        return -1.0
    b = cv2.warpAffine(b, move, (THUMB, THUMB), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    inner = (slice(THUMB // 12, -THUMB // 12),) * 2  # the rim may have come from outside the film
    fine = [(x - cv2.GaussianBlur(x, (0, 0), 3))[inner].ravel() for x in (a, b)]
    return float(np.corrcoef(*fine)[0, 1]) if all(x.std() > 0 for x in fine) else -1.0


def near_duplicates(cohort, images=None, unreadable=None):
    """Pairs of films that are one exposure: re-exported, re-windowed, or cropped by up to 2 %.

    Parameters
    ----------
    cohort : util.data.cohort.Cohort
    images : film names, by default all of the cohort
    unreadable : dict that takes the names of films that cannot be read, and why; or None

    Returns
    -------
    DataFrame, the closest pairs first: Image, Other (film names), bits (of 256 in which the hashes differ),
    correlation (of the details, see `likeness`; NaN where the hashes alone settle it). Films of one gray are no copies of each other
    and are left out: ``attrs["plain"]`` is a tuple of their names.

    Raises
    ------
    CourseError : a film cannot be read, and `unreadable` is None.
    """
    images = list(cohort.films["Image"] if images is None else images)
    hashes = film_by_film(cohort, images, hash_if_any, "hashing films", unreadable)
    plain = tuple(image for image, found in hashes.items() if found is None)
    images = [image for image in hashes if image not in plain]
    pairs = close_pairs(np.array([hashes[image] for image in images], np.uint64).reshape(-1, SIDE * SIDE // 64))
    copies = look_closer(cohort, images, pairs)
    copies.attrs["plain"] = plain
    return copies


def look_closer(cohort, images, pairs):
    """Which pairs of films with close hashes are one exposure.

    Parameters
    ----------
    cohort : util.data.cohort.Cohort, whose films are read where the hashes alone do not settle it
    images : sequence of film names
    pairs : DataFrame as of `close_pairs`; `first` and `second` are places in `images`

    Returns
    -------
    DataFrame, the closest pairs first, as of `near_duplicates`
    """
    thumb = lru_cache(1000)(lambda row: _thumb(cohort.read(images[row])))
    looks = [
        np.nan if pair.bits <= SURE else _likeness(thumb(pair.first), thumb(pair.second))
        for pair in progress(pairs.itertuples(), "looking closer", total=len(pairs))
    ]
    pairs = pairs.assign(correlation=np.array(looks, float))
    pairs = pairs[(pairs["bits"] <= SURE) | (pairs["correlation"] >= ALIKE)]
    names = np.array(images, dtype=object)
    copies = pd.DataFrame({"Image": names[pairs["first"]], "Other": names[pairs["second"]]}, dtype=object)
    copies = copies.join(pairs[["bits", "correlation"]].reset_index(drop=True))
    return copies.sort_values(["bits", "Image", "Other"], ignore_index=True)[COPIES]
