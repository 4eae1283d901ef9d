"""From a decoded film to the input of a network: crop, resize, standardize. Lessons 2 and 5."""

from dataclasses import dataclass

import numpy as np

from util.data.images import resize
from util.errors import CourseError


def centre_square(film: np.ndarray) -> np.ndarray:
    """The middle square of a film (h, w), with the length of its shorter side."""
    side = min(film.shape)
    top, left = (film.shape[0] - side) // 2, (film.shape[1] - side) // 2
    return film[top : top + side, left : left + side]


@dataclass(frozen=True)
class Preprocessing:
    """What happens to a film before a network reads it. It belongs to the weights and is never chosen apart from them.

    Parameters
    ----------
    size : int, pixels of the square input
    mean, std : float, or three of them for three channels; gray levels (0 to 255) of the *training* films, the same
        for every film
    aspect : 'stretch' (a film that is not square is stretched to one) or 'crop' (its middle square is taken)
    """

    size: int
    mean: float | tuple
    std: float | tuple
    aspect: str = "stretch"

    def __post_init__(self) -> None:
        constants = np.array([np.broadcast_to(value, 3) for value in (self.mean, self.std)], float)
        if not (np.isfinite(constants).all() and (constants[1] > 0).all() and self.aspect in ("stretch", "crop")):
            raise CourseError(f"{self} cannot be: std is above 0, aspect is 'stretch' or 'crop'.")

    def __call__(self, film: np.ndarray) -> np.ndarray:
        """uint8 (h, w) -> float32 (size, size, 3), standardized, with the gray channel three times."""
        film = np.asarray(film)
        if film.ndim != 2 or film.dtype != np.uint8:
            raise CourseError(
                f"A film is a 2-D array of uint8, here {film.ndim}-D of {film.dtype}: read it with cohort.read(name)."
            )
        shrunk = resize(film if self.aspect == "stretch" else centre_square(film), self.size)
        if np.ndim(self.mean) == np.ndim(self.std) == 0:
            return np.repeat(((shrunk - np.float32(self.mean)) / np.float32(self.std))[..., None], 3, axis=-1)
        return (shrunk[..., None] - np.float32(self.mean)) / np.float32(self.std)
