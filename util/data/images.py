"""From a film on disk to gray levels: decode and resize. Taught in lesson 2."""

from pathlib import Path

import numpy as np
from PIL import Image

from util.data.formats.png_jpeg import Refused, gray_of, head_of, read_bytes
from util.errors import CourseError


def read_film(path: Path | str) -> np.ndarray:
    """Read one film as NIH distributes it, or as the phantom writes it.

    Parameters
    ----------
    path : str or Path of a PNG or JPEG file of any name: gray of 1 to 16 bits, palette or RGB, with or without
        transparency

    Returns
    -------
    uint8 array (h, w), 0 black to 255 white, turned upright if EXIF says how the camera was held. Colors become luma,
    and 16-bit films are scaled by the bits in use (`util.data.formats.png_jpeg.gray_of`).

    Raises
    ------
    CourseError : the file is missing, neither PNG nor JPEG, damaged, too large for a film, or not a regular file.

    See Also
    --------
    resize : the next step
    util.data.own_film.read_own_film : the same for files of unknown origin, DICOM included

    Examples
    --------
    >>> from util.data.cohort import PHANTOM
    >>> film = read_film(PHANTOM / "films" / "00000001_000.jpg")
    >>> film.shape, film.dtype.name
    ((320, 320), 'uint8')

    Taught in lesson 2, section 5.
    """
    return _of_file(path, gray_of)


def film_shape(path: Path | str) -> tuple[int, int]:
    """(height, width) of the film that `read_film` gives, from the header of the file, without decoding the pixels.

    See Also
    --------
    read_film : the pixels themselves

    Examples
    --------
    >>> from util.data.cohort import PHANTOM
    >>> film_shape(PHANTOM / "films" / "00000001_000.jpg")
    (320, 320)
    """
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


def resize(film: np.ndarray, size: int) -> np.ndarray:
    """Shrink or enlarge a film to (size, size), averaging over what each new pixel covers.

    Taking the nearest pixel instead would alias: ribs and lines would turn into patterns that are not there.

    Parameters
    ----------
    film : uint8 array (h, w)
    size : int, pixels

    Returns
    -------
    float32 array (size, size), 0 to 255

    See Also
    --------
    util.models.preprocessing.Preprocessing : all that happens to a film before a network reads it

    Examples
    --------
    >>> resize(np.array([[0, 0], [100, 100]], np.uint8), 1).tolist()
    [[50.0]]

    Taught in lesson 2, section 5.
    """
    if film.shape == (size, size):
        return film.astype(np.float32)
    image = Image.fromarray(film.astype(np.float32))
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR), dtype=np.float32)
