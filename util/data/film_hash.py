"""A perceptual hash of a film: 256 bits that survive resizing, brightness and compression. Notebook 3."""

import numpy as np
from PIL import Image
from scipy.fft import dctn

SIDE = 16  # waves a side: 256 bits


SHRUNK = 64  # pixels a side, from which the waves are taken


PLAIN = 0.5  # gray levels: the standard deviation of a shrunk film that shows nothing


def film_hash(film):
    """Perceptual hash of one film, uint8 (h, w): uint64 (4,), 256 bits."""
    return _hash(_shrunk(film))


def _hash(shrunk):
    waves = dctn(shrunk)[:SIDE, :SIDE]
    return np.packbits((waves > np.median(waves)).ravel()).view(np.uint64)


def hash_if_any(film):
    """Hash of a film, or None of one gray: its waves are rounding noise, the same in all such films."""
    shrunk = _shrunk(film)
    return _hash(shrunk) if shrunk.std() >= PLAIN else None


def _shrunk(film):
    return np.asarray(Image.fromarray(film).resize((SHRUNK, SHRUNK), Image.Resampling.LANCZOS), float)
