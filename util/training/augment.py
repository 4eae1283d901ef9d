"""Another take of the same film, for training: films are few, takes are not.

Far apart in framing, shape, tone, sharpness and noise, so that what a take does not change is what is learned (domain
randomisation, Tobin et al. 2017, arXiv 1703.06907). Never mirrored: the side of the heart is information.
"""

import cv2
import numpy as np

from util.phantom.shards import PLACE

BEND = 0.012  # SD of the shifts, shares of the film, at 4 x 4 points between which a film is bent


def augment(film, places, size, rng, wide=False):
    """Turned, scaled, shifted, bent, re-windowed, shaded, sharpened or blurred, in part hidden.

    Parameters
    ----------
    film : uint8 (h, h)
    places : bool (h / PLACE, h / PLACE, findings), where each finding lies, or None where that is not known
    size : int, pixels a side of the take
    rng : numpy Generator
    wide : bool, also made coarser, crossed by wires, equalised, and shaded more strongly

    Returns
    -------
    uint8 (size, size), and bool (size / PLACE, size / PLACE, findings) or None
    """
    bend = rng.normal(0, BEND, (2, 4, 4)).astype(np.float32)
    move = _move(rng)
    moved = _warp(cv2.resize(film, (size, size), interpolation=cv2.INTER_AREA), move, bend, size)
    take = np.clip(_another_look(moved.astype(np.float32) / 255, rng, wide) * 255, 0, 255).astype(np.uint8)
    if places is None:
        return take, None
    planes = np.array_split(
        places.astype(np.float32), -(-places.shape[-1] // 4), axis=-1
    )  # OpenCV takes four at a time
    where = [_warp(np.ascontiguousarray(four), move, bend, size // PLACE) for four in planes]
    return take, np.concatenate(where, axis=-1) > 0.4  # a place stays if nearly half of it does


def _move(rng):
    """Matrix (2, 3) that turns, stretches and shifts about the centre of a film whose sides go from -1 to 1."""
    angle, zoom, stretch = np.radians(rng.normal(0, 5)), np.exp(rng.normal(0, 0.1)), np.exp(rng.normal(0, 0.04))
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / zoom
    return np.column_stack([turned * [stretch, 1 / stretch], rng.normal(0, 0.07, 2)])


def _warp(image, move, bend, side):
    """An image (h, h, ...) as seen through the move and a slow bend, at side x side pixels."""
    ends = (np.arange(side, dtype=np.float32) + 0.5) * (2 / side) - 1
    x, y = np.meshgrid(ends, ends)
    slow = [cv2.resize(part, (side, side), interpolation=cv2.INTER_CUBIC) for part in bend]
    back = [(row[0] * x + row[1] * y + row[2] + 2 * slow[i] + 1) * (len(image) / 2) - 0.5 for i, row in enumerate(move)]
    return cv2.remap(
        image, *(part.astype(np.float32) for part in back), cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )


def _another_look(film, rng, wide):
    """Film float32 (h, h), 0 to 1, with other tones, exposure, processing and noise, and perhaps a part hidden."""
    size = len(film)
    if wide and rng.random() < 0.8:  # as if of a coarser film: no finding has only its finest detail
        coarse = int(size * rng.uniform(0.25, 1))
        film = cv2.resize(film, (coarse, coarse), interpolation=cv2.INTER_AREA)
        film = np.clip(cv2.resize(film, (size, size), interpolation=cv2.INTER_CUBIC), 0, 1)
    film = film ** np.float32(np.exp(rng.normal(0, 0.3)))
    mean = film.mean()
    film = (film - mean) * np.float32(np.exp(rng.normal(0, 0.22))) + mean + np.float32(rng.normal(0, 0.07))
    knots, strength = (rng.integers(3, 7), 0.07) if wide else (3, 0.04)
    shade = rng.normal(0, strength, (knots, knots)).astype(np.float32)  # uneven exposure, slow over the film
    film += cv2.resize(shade, (size, size), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.4:  # a detector's software sharpens or flattens what is local
        film += np.float32(rng.uniform(-0.4, 0.8)) * (
            film - cv2.blur(film, (2 * int(size * rng.uniform(0.01, 0.07)) + 3,) * 2)
        )
    if rng.random() < 0.3:
        film = cv2.GaussianBlur(film, (0, 0), rng.uniform(0.3, 1.2))
    if rng.random() < 0.5:
        film += rng.standard_normal(film.shape, dtype=np.float32) * np.float32(rng.uniform(0, 0.04))
    if wide and rng.random() < 0.2:
        film = film + _wires(size, rng)
    if wide and rng.random() < 0.3:  # or equalises, in one to eight parts a side
        equalise = cv2.createCLAHE(rng.uniform(0.5, 4), (int(rng.integers(1, 9)),) * 2)
        film = equalise.apply((np.clip(film, 0, 1) * 255).astype(np.uint8)).astype(np.float32) / 255
    if rng.random() < 0.2:
        h, w = rng.integers(size // 12, size // 5, 2)
        y, x = rng.integers(0, size - h), rng.integers(0, size - w)
        film[y : y + h, x : x + w] = rng.uniform(0, 1)
    return film


def _wires(size, rng):
    """One to seven lines in slow curves across a film, float32 (size, size): what lies on a patient, light or dark."""
    canvas = np.zeros((2 * size, 2 * size), np.float32)
    along = np.linspace(0, 1, 24)[:, None]
    for _ in range(rng.integers(1, 8)):
        a, b, c, d = rng.uniform(-0.1, 1.1, (4, 2)) * 2 * size
        line = (1 - along) ** 3 * a + 3 * (1 - along) ** 2 * along * b + 3 * (1 - along) * along**2 * c + along**3 * d
        cv2.polylines(canvas, [line.astype(np.int32)], False, rng.uniform(-0.1, 0.35), int(rng.integers(1, 4)))
    return cv2.GaussianBlur(cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA), (0, 0), 0.5)
