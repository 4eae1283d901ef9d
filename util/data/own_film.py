"""A film of your own: PNG, JPEG or DICOM, from a file or bytes in memory. Nothing is stored, no header is shown."""

from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np

from util.data.formats.dicom_header import looks_like_dicom
from util.data.formats.png_jpeg import BYTES, Refused, check_bytes, gray_of, read_bytes
from util.errors import CourseError

SUFFIXES = (".png", ".jpg", ".jpeg", ".dcm", ".dicom")  # of films; a DICOM file may have none


def read_own_film(source: Path | str | bytes | bytearray | memoryview | BinaryIO) -> np.ndarray:
    """Read a film as a network of this course wants it: air dark, bone bright, 8 bits.

    DICOM (`util.data.formats.dicom`): the rescale slope or modality table is applied, then the first window or table of
    gray levels; MONOCHROME1 is inverted. The file may have 8 to 32 bits, with or without a preamble; it may be
    uncompressed, deflated, run-length coded, JPEG of 8 bits, JPEG 2000, or a different JPEG if pydicom finds a decoder.
    PNG and JPEG (`util.data.formats.png_jpeg`) are read as in `read_film`.

    Parameters
    ----------
    source : str or Path of a file; or its content as bytes, bytearray, memoryview or an open binary file

    Returns
    -------
    uint8 array (h, w): only the pixels of the file

    Raises
    ------
    CourseError : the file is missing, unreadable, damaged, too large for a film (64 million pixels, 256 MB), compressed
        in a way that has no decoder here, or holds several frames, colors or no picture. The message repeats no text of
        the file.

    See Also
    --------
    util.models.input_gate.Gate : asks whether it is a frontal chest film
    util.data.images.read_film : the same for the films of a cohort

    Examples
    --------
    >>> from util.data.cohort import PHANTOM
    >>> read_own_film(PHANTOM / "films" / "00000001_000.jpg").shape
    (320, 320)

    Taught in lesson 9.
    """
    name = f"The film {Path(source).name}" if isinstance(source, str | Path) else "This upload"
    try:
        return gray_of_film(_bytes_of(source))
    except Refused as refused:
        raise CourseError(f"{name} {refused.reason}: {refused.advice or 'export the film again'}.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no file can have this name"
        raise CourseError(f"{name} cannot be read ({reason}): check name and folder.") from None


def gray_of_film(data: bytes) -> np.ndarray:
    """Gray levels of the bytes of a PNG, JPEG or DICOM file: uint8 (h, w), 0 black to 255 white.

    Raises
    ------
    util.data.formats.png_jpeg.Refused : why it is not read; `read_own_film` makes a sentence of it.

    See Also
    --------
    read_own_film : from a file, with one sentence where it cannot be read

    Examples
    --------
    >>> from util.data.cohort import PHANTOM
    >>> gray_of_film((PHANTOM / "films" / "00000001_000.jpg").read_bytes()).shape
    (320, 320)
    """
    if not looks_like_dicom(data):
        if data and not data.startswith((b"\x89PNG", b"\xff\xd8")):
            raise Refused("is no PNG, JPEG or DICOM file", "export the film in one of these formats")
        return gray_of(data)
    from util.data.formats.dicom import gray_of_dicom

    return gray_of_dicom(data)


def _bytes_of(source):
    if isinstance(source, str | Path):
        return read_bytes(Path(source).expanduser())
    if isinstance(source, bytes | bytearray | memoryview):
        check_bytes(memoryview(source).nbytes)
        return bytes(source)
    if hasattr(source, "read"):
        data = source.read(BYTES + 1)
        if isinstance(data, bytes):
            check_bytes(len(data))
            return data
    raise Refused("is neither a path nor the bytes of a file", "give one of them")


def as_dicom(film: np.ndarray) -> bytes:
    """A film packed as X-ray machines do, to try the reader: a DICOM file of 12 bits, MONOCHROME1, with a window.

    Parameters
    ----------
    film : uint8 (h, w)

    Returns
    -------
    bytes; they say nothing about patient or date

    See Also
    --------
    read_own_film : reads it back

    Examples
    --------
    >>> film = np.arange(12, dtype=np.uint8).reshape(3, 4)
    >>> bool((read_own_film(as_dicom(film)) == film).all())
    True

    Taught in lesson 9.
    """
    import pydicom
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    kind = "1.2.840.10008.5.1.4.1.1.1.1"  # digital X-ray image, for presentation
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, kind
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["a film of the course"])
    header = pydicom.Dataset()
    header.file_meta, header.SOPClassUID, header.SOPInstanceUID = meta, kind, meta.MediaStorageSOPInstanceUID
    header.Rows, header.Columns = film.shape
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME1"
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 12, 11, 0
    header.WindowCenter, header.WindowWidth = 2048, 4080
    header.PixelData = (8 + 16 * (255 - film.astype(np.uint16))).tobytes()
    buffer = BytesIO()
    header.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
