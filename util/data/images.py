"""From a film on disk to what a network reads: decode, resize, standardise."""

from pathlib import Path

import numpy as np
from PIL import Image

from util.data.formats.png_jpeg import Refused, gray_of, head_of, read_bytes
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
    luma, 16-bit films scaled by the bits in use (`util.data.formats.png_jpeg.gray_of`, which films of one's own go through as well).

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
