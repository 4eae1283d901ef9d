"""Edits of a film that need no knowledge of its patient: erase, print, mirror, re-window. Lesson 12.

They are the only twins that a real film can have. An edited film is like none that a network has met, so a changed logit
may come from the edit's own traces as well as from what was meant.
"""

from __future__ import annotations

import cv2
import numpy as np

from util.errors import CourseError

CORNERS = 0.20, 0.24  # height and width of an upper corner, as shares of a film


def upper_corners(film: np.ndarray) -> np.ndarray:
    """The two upper corners of a film, where side markers and words usually are: bool (h, w).

    See Also
    --------
    erase : paints over them

    Examples
    --------
    >>> int(upper_corners(np.zeros((100, 100), np.uint8)).sum())
    960

    Taught in lesson 12, section 6.
    """
    height, width = _checked(film).shape
    down, across = round(CORNERS[0] * height), round(CORNERS[1] * width)
    where = np.zeros((height, width), bool)
    where[:down, :across] = where[:down, width - across :] = True
    return where


def erase(film: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Paint over a part of a film, continuing the gray levels around it.

    Parameters
    ----------
    film : uint8 (h, w)
    where : bool (h, w), what to paint over, not the whole film

    Returns
    -------
    uint8 (h, w); outside of `where` it is the film. Telea 2004 (doi 10.1080/10867651.2004.10487596).

    Raises
    ------
    CourseError : film or mask are not as above.

    See Also
    --------
    print_words : the opposite

    Examples
    --------
    >>> film = np.full((8, 8), 90, np.uint8)
    >>> film[3, 3] = 255
    >>> int(erase(film, film == 255).max())
    90

    Taught in lesson 12, section 6.
    """
    film, where = _checked(film), np.asarray(where)
    if where.dtype != bool or where.shape != film.shape or where.all():
        raise CourseError("erase needs a mask bool (h, w) of the film's shape that leaves a part of the film.")
    painted = cv2.inpaint(np.ascontiguousarray(film), where.astype(np.uint8), 3, cv2.INPAINT_TELEA)
    return np.where(where, painted, film)


def print_words(film: np.ndarray, words: str = "PORTABLE", x: float = 0.72, y: float = 0.1) -> np.ndarray:
    """Print words on a film, white, as a machine does.

    Parameters
    ----------
    film : uint8 (h, w)
    words : str of Latin letters and digits
    x, y : floats from 0 to 1, where the words begin, from the left and from above

    Returns
    -------
    uint8 (h, w), nowhere darker than the film

    See Also
    --------
    erase : the opposite

    Examples
    --------
    >>> film = np.zeros((320, 320), np.uint8)
    >>> bool(print_words(film).max() > 200)
    True

    Taught in lesson 12, section 6.
    """
    film = _checked(film)
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise CourseError(f"Words at ({x}, {y}) are off the film: give shares from 0 to 1.")
    height, width = film.shape
    plate, scale = np.zeros(film.shape, np.uint8), width / 700
    at = round(x * width), round(y * height)
    cv2.putText(plate, words, at, cv2.FONT_HERSHEY_SIMPLEX, scale, 240, max(1, round(2 * scale)), cv2.LINE_AA)
    return np.maximum(film, plate)


def mirror(film: np.ndarray) -> np.ndarray:
    """The film with left and right exchanged: uint8 (h, w). The heart is then on the wrong side.

    See Also
    --------
    rewindow : changes gray levels alone

    Examples
    --------
    >>> mirror(np.array([[1, 2]], np.uint8)).tolist()
    [[2, 1]]

    Taught in lesson 12, section 6.
    """
    return np.ascontiguousarray(_checked(film)[:, ::-1])


def rewindow(film: np.ndarray, level: float = 0.0, contrast: float = 1.0) -> np.ndarray:
    """The film with other gray levels, as with another window: ``128 + contrast (gray - 128) + level``, clipped.

    Parameters
    ----------
    film : uint8 (h, w)
    level : gray levels added
    contrast : factor above 0

    Returns
    -------
    uint8 (h, w)

    See Also
    --------
    mirror : moves pixels and keeps their gray

    Examples
    --------
    >>> rewindow(np.array([[28, 128, 250]], np.uint8), level=20, contrast=0.5).tolist()
    [[98, 148, 209]]

    Taught in lesson 12, section 6.
    """
    if not contrast > 0:
        raise CourseError(f"The contrast is {contrast}; give a factor above 0.")
    grey = 128 + contrast * (_checked(film).astype(np.float32) - 128) + level
    return np.clip(np.round(grey), 0, 255).astype(np.uint8)


def _checked(film):
    """The film, if it is one."""
    film = np.asarray(film)
    if film.dtype != np.uint8 or film.ndim != 2 or not film.size:
        raise CourseError(f"An edit needs a film uint8 (h, w), here {film.dtype} {film.shape}.")
    return film
