"""A film of one's own: PNG, JPEG or DICOM, from a file or from bytes in memory. Nothing is stored, no header is shown."""

from io import BytesIO
from pathlib import Path

import numpy as np

from util.data.formats.dicom_header import looks_like_dicom
from util.data.formats.png_jpeg import BYTES, Refused, check_bytes, gray_of, read_bytes
from util.errors import CourseError


def read_own_film(source):
    """Read a film as a network of this course wants it: air dark, bone bright, 8 bits.

    DICOM (`util.data.formats.dicom`): rescale slope or modality table, then window or table of gray levels (the first one),
    MONOCHROME1 is inverted; 8 to 32 bits; with or without preamble; uncompressed, deflated, run-length coded, JPEG of 8
    bits and JPEG 2000, other JPEGs where pydicom finds a decoder. PNG and JPEG (`util.data.formats.png_jpeg`): as `read_film` does.

    Parameters
    ----------
    source : str or Path of a file; or its bytes: bytes, bytearray, memoryview or an open binary file

    Returns
    -------
    uint8 array (h, w); nothing of the file but its pixels

    Raises
    ------
    CourseError : the file is missing, unreadable, too large for a film (64 million pixels, 256 MB), compressed in a way
        that has no decoder here, damaged, holds several frames, colours or no picture. No text of the file is repeated.
    """
    name = f"The film {Path(source).name}" if isinstance(source, str | Path) else "This upload"
    try:
        data = _bytes_of(source)
        if not looks_like_dicom(data):
            if data and not data.startswith((b"\x89PNG", b"\xff\xd8")):
                raise Refused("is no PNG, JPEG or DICOM file", "export the film in one of these formats")
            return gray_of(data)
        from util.data.formats.dicom import gray_of_dicom

        return gray_of_dicom(data)
    except Refused as refused:
        raise CourseError(f"{name} {refused.reason}: {refused.advice or 'export the film again'}.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no file can have this name"
        raise CourseError(f"{name} cannot be read ({reason}): check name and folder.") from None


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


def as_dicom(film):
    """A film packed as X-ray machines do it, to try the reader: bytes of a DICOM file, 12 bits, MONOCHROME1, with a window.

    film : uint8 (h, w); the file says of whom and when nothing at all
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
