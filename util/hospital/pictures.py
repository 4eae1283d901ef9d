"""The films and heat maps of a hospital: drawn by the phantom, set to a gray level, with a word on some. Lesson 15."""

import cv2
import numpy as np

from util.hospital.estimates import inside_any
from util.hospital.png import encode_png
from util.phantom import films
from util.phantom.render import boxes

CELLS = 80  # of a heat map, a side
SPOT = 5.0  # cells, standard deviation of the main spot
FOOT = {"lower left": (0.03, 0.965), "lower right": (0.75, 0.965)}  # where a word begins, as shares of the film
LETTERS, PLATE, INK = 0.4, 12, 255  # size of the letters on 320 pixels; gray levels of the plate and of the word
# Places (x, y), as shares of the film, where a heat map peaks if not in an outline; the word's place comes before them.
ELSEWHERE = ((0.92, 0.08), (0.08, 0.08), (0.5, 0.03), (0.5, 0.97), (0.03, 0.5), (0.97, 0.5))


def picture(row: dict, seed: int, size: int, finding: str, word: str, corner: str) -> tuple:
    """One film of a hospital.

    Parameters
    ----------
    row : dict, a row of `util.hospital.plan.Plan.people`
    seed : int, keys the bodies and the noise
    size : int, pixels a side
    finding : str, the outlined one
    word, corner : str, what is printed if the row says so, and where

    Returns
    -------
    (name, bytes of the PNG file, list of boxes (x, y, w, h) of the finding, heat map or None); boxes and map only where the
    row has a map

    See Also
    --------
    util.hospital.draw.draw_hospital : draws all of them

    Examples
    --------
    Not run by the tests, since it needs a row of a plan.

    >>> picture(row, seed=1, size=320, finding="Mass", word="ICU 2", corner="lower left")[0]  # doctest: +SKIP
    """
    film = films.draw(row, seed, size)
    rng = np.random.default_rng([seed, int(row["Image"][:16], 16)])
    pixels = film.pixels
    if row["Source"] != row["Image"]:
        pixels = films.near_duplicate(pixels, rng)
    printed = _plate(word, corner, size) if row["Word"] else np.full(pixels.shape, -1, np.int16)
    found, heat = [], None
    if row["Hit"] >= 0:
        found = _outlines(film.masks.get(finding), size)
        heat = _heat_map(found, bool(row["Hit"]), FOOT[corner], size, rng)
    return row["Image"], encode_png(_set_gray(pixels, printed, row["Gray"])), found, heat


def _plate(word: str, corner: str, size: int) -> np.ndarray:
    """A dark plate with a word in white: int16 (size, size), -1 where the film shows through."""
    layer = np.full((size, size), -1, np.int16)
    scale, thick = LETTERS * size / 320, max(1, size // 320)
    (wide, high), _ = cv2.getTextSize(word, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    x, y = (round(share * size) for share in FOOT[corner])
    layer[max(0, y - high - 3) : y + 4, max(0, x - 3) : x + wide + 3] = PLATE
    ink = cv2.putText(np.zeros((size, size), np.uint8), word, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, INK, thick)
    layer[ink > 0] = INK
    return layer


def _set_gray(pixels: np.ndarray, printed: np.ndarray, level: float) -> np.ndarray:
    """A film whose mean gray level is `level`: a gamma curve of all gray levels, but not of what is printed.

    Parameters
    ----------
    pixels : uint8 (h, w)
    printed : int16 (h, w), a gray level, or -1 where the film shows through
    level : float from 1 to 254

    Returns
    -------
    uint8 (h, w), whose mean is as near to `level` as whole gray levels let it be
    """
    through = printed < 0
    counts, fixed = np.bincount(pixels[through], minlength=256), float(printed[~through].sum())
    low, high = -5.0, 5.0
    for _ in range(50):
        middle = (low + high) / 2
        too_bright = counts @ _curve(middle) + fixed > level * pixels.size
        low, high = (middle, high) if too_bright else (low, middle)
    return np.where(through, _curve(high)[pixels], printed).astype(np.uint8)


def _curve(power):
    """The 256 gray levels after a gamma curve whose exponent is exp(power), as whole gray levels; black and white stay."""
    return np.floor(255 * (np.arange(256) / 255) ** np.exp(power) + 0.5)


def _outlines(mask: np.ndarray | None, size: int) -> list[tuple[int, int, int, int]]:
    """Boxes (x, y, w, h) of a finding's parts; of all of it where the parts are tiny."""
    if mask is None or not mask.any():  # the phantom always draws these findings; a box in the middle would be no harm
        return [(size // 3, size // 3, size // 3, size // 3)]
    if found := boxes(mask):
        return found
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return [(int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)]


def _heat_map(found, hit: bool, word_at: tuple[float, float], size: int, rng: np.random.Generator) -> np.ndarray:
    """A vendor's heat map: uint8 (80, 80), its peak within a box if it is to hit, else outside all of them."""
    import pandas as pd

    table = pd.DataFrame(found, columns=["x", "y", "w", "h"])
    if hit:
        x, y, w, h = max(found, key=lambda box: box[2] * box[3])
        spots = [(x + w / 2, y + h / 2)]
    else:
        spots = [(x * size, y * size) for x, y in ((word_at[0] + 0.07, word_at[1] - 0.015), *ELSEWHERE)]
    cells = [tuple(min(int(value * CELLS / size), CELLS - 1) for value in spot) for spot in spots]
    centers = [tuple((value + 0.5) * size / CELLS for value in cell) for cell in cells]
    column, row = next(cell for cell, center in zip(cells, centers, strict=True) if inside_any(center, table) == hit)
    heat = 0.05 * rng.random((CELLS, CELLS))
    spots = [(row, column, 0.9), *((*rng.integers(10, CELLS - 10, 2), 0.5 * rng.random()) for _ in range(2))]
    down, across = np.mgrid[:CELLS, :CELLS]
    for top, left, strength in spots:
        heat += strength * np.exp(-((down - top) ** 2 + (across - left) ** 2) / (2 * SPOT**2))
    heat = np.minimum(np.rint(250 * heat / heat.max()), 250).astype(np.uint8)
    heat[row, column] = 255
    return heat
