"""From a film on disk to what a network reads: decode, resize, standardise."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from util.decode import Refused, gray_of, head_of, read_bytes
from util.errors import CourseError


def read_film(path):
    """Read one film as NIH distributes it, or as the phantom writes it.

    Parameters
    ----------
    path : str or Path of a PNG or JPEG file, whatever its name: gray of 1 to 16 bits, palette, RGB, with transparency or
        without

    Returns
    -------
    uint8 array (h, w), 0 black to 255 white, upright where EXIF says how the camera was held. Colours are turned to
    luma, 16-bit films scaled by the bits in use (`util.decode.gray_of`, which films of one's own go through as well).

    Raises
    ------
    CourseError : the file is missing, no PNG or JPEG, damaged, too large for a film, or no ordinary file.
    """
    return _of_file(path, gray_of)


def film_shape(path):
    """(height, width) of the film that `read_film` gives, from the head of the file; the pixels are not unpacked."""
    return _of_file(path, lambda data: head_of(data).shape)


def _of_file(path, answer):
    path = Path(path)
    try:
        return answer(read_bytes(path))
    except FileNotFoundError:
        raise CourseError(f"No film at {path}: check the name, or fetch the film again.") from None
    except Refused as refused:
        reason = f"it {refused.reason}"
    except OSError as error:
        reason = (error.strerror or str(error)).lower()  # permission denied, input/output error
    except ValueError:
        reason = "no file can have this name"  # a zero byte in it
    raise CourseError(
        f"The film {path.name} cannot be read ({reason}): fetch it again or remove it from {path.parent}."
    )


def resize(film, size):
    """Shrink or enlarge a film to (size, size), averaging over what each new pixel covers.

    Taking the nearest pixel instead would alias: ribs and lines turn into patterns that are not there.

    Parameters
    ----------
    film : uint8 array (h, w)
    size : int, pixels

    Returns
    -------
    float32 array (size, size), 0 to 255
    """
    if film.shape == (size, size):
        return film.astype(np.float32)
    image = Image.fromarray(film.astype(np.float32))
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR), dtype=np.float32)


def centre_square(film):
    """The middle of a film (h, w) as a square of its shorter side."""
    side = min(film.shape)
    top, left = (film.shape[0] - side) // 2, (film.shape[1] - side) // 2
    return film[top : top + side, left : left + side]


@dataclass(frozen=True)
class Preprocessing:
    """What a film goes through before a certain network: part of its weights, never chosen apart from them.

    Parameters
    ----------
    size : int, pixels of the square input
    mean, std : float, or three of them for three channels; gray levels (0 to 255) of the *training* films, the same
        for every film
    aspect : 'stretch' (a film that is not square becomes so) or 'crop' (its middle square is taken)
    """

    size: int
    mean: float | tuple
    std: float | tuple
    aspect: str = "stretch"

    def __post_init__(self):
        constants = np.array([np.broadcast_to(value, 3) for value in (self.mean, self.std)], float)
        if not (np.isfinite(constants).all() and (constants[1] > 0).all() and self.aspect in ("stretch", "crop")):
            raise CourseError(f"{self} cannot be: std is above 0, aspect is 'stretch' or 'crop'.")

    def __call__(self, film):
        """uint8 (h, w) -> float32 (size, size, 3), standardised, the gray channel three times."""
        film = np.asarray(film)
        if film.ndim != 2 or film.dtype != np.uint8:
            raise CourseError(
                f"A film is a 2-D array of uint8, here {film.ndim}-D of {film.dtype}: read it with cohort.read(name)."
            )
        shrunk = resize(film if self.aspect == "stretch" else centre_square(film), self.size)
        if np.ndim(self.mean) == np.ndim(self.std) == 0:
            return np.repeat(((shrunk - np.float32(self.mean)) / np.float32(self.std))[..., None], 3, axis=-1)
        return (shrunk[..., None] - np.float32(self.mean)) / np.float32(self.std)
