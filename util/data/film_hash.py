"""A perceptual hash of a film: 256 bits that survive resizing, brightness and compression. Taught in lesson 3."""

import numpy as np
from PIL import Image
from scipy.fft import dctn

SIDE = 16  # waves on each side: 256 bits


SHRUNK = 64  # pixels on each side, from which the waves are taken


PLAIN = 0.5  # gray levels: the standard deviation of a shrunk film that shows nothing


def film_hash(film: np.ndarray) -> np.ndarray:
    """Perceptual hash of one film, uint8 (h, w): uint64 (4,), 256 bits.

    See Also
    --------
    util.leaks.near_duplicates : finds near-duplicates with it
    hash_if_any : the same, or None of an empty film

    Examples
    --------
    >>> film = np.random.default_rng(0).integers(0, 200, (64, 64), dtype=np.uint8)
    >>> int(np.bitwise_count(film_hash(film) ^ film_hash(film + 20)).sum())  # a brighter copy
    0

    Taught in lesson 3.
    """
    return _hash(_shrunk(film))


def _hash(shrunk):
    waves = dctn(shrunk)[:SIDE, :SIDE]
    return np.packbits((waves > np.median(waves)).ravel()).view(np.uint64)


def hash_if_any(film: np.ndarray) -> np.ndarray | None:
    """Hash of a film, or None if it shows one gray level only: all such films would have the same hash, of noise.

    See Also
    --------
    film_hash : the hash itself

    Examples
    --------
    >>> print(hash_if_any(np.full((64, 64), 7, np.uint8)))
    None
    """
    shrunk = _shrunk(film)
    return _hash(shrunk) if shrunk.std() >= PLAIN else None


def _shrunk(film):
    return np.asarray(Image.fromarray(film).resize((SHRUNK, SHRUNK), Image.Resampling.LANCZOS), float)
