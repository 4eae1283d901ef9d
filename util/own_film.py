"""A film of one's own: PNG, JPEG or DICOM, from a file or from bytes in memory. Nothing is stored, no header is shown."""

import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from util.errors import CourseError

LARGEST = 100_000_000  # pixels; a chest film has at most 30 million


def read_own_film(source):
    """Read a film as a network of this course wants it: air dark, bone bright, 8 bits.

    DICOM (through pydicom): rescale slope or modality table, then window or VOI table (the first one), MONOCHROME1 is
    inverted; 8 to 16 bits; compressed where pydicom finds a decoder. Without a window the full range of the film is used. PNG
    and JPEG: gray or colour; 16-bit PNG is scaled by the bits in use, 12 to 16.

    Parameters
    ----------
    source : str, Path or bytes

    Returns
    -------
    uint8 array (h, w); nothing of the file but its pixels

    Raises
    ------
    CourseError : the file is missing, unreadable, compressed in a way that has no decoder here, holds several frames
        or no picture.
    """
    name, data = ("This upload", bytes(source)) if isinstance(source, bytes | memoryview) else _bytes_of(source)
    if data[128:132] == b"DICM":
        return _from_dicom(data, name)
    if not data.startswith((b"\x89PNG", b"\xff\xd8")):
        raise CourseError(f"{name} is no PNG, JPEG or DICOM file: export the film in one of these formats.")
    return _from_picture(data, name)


def _bytes_of(path):
    path = Path(path).expanduser()
    try:
        return f"The film {path.name}", path.read_bytes()
    except OSError as error:
        raise CourseError(f"The film {path.name} cannot be read ({error.strerror}): check name and folder.") from None


def _from_picture(data, name):
    try:
        with Image.open(BytesIO(data)) as image:
            if image.width * image.height > LARGEST:
                raise CourseError(f"{name} has {image.width} x {image.height} pixels, too many for a film: shrink it.")
            image.load()
            if image.mode in ("I;16", "I;16B", "I"):
                pixels = np.asarray(image, dtype=np.int64)
                bits = max(12, int(pixels.max()).bit_length())
                return (np.clip(pixels, 0, None) * 255 // (2**bits - 1)).astype(np.uint8)
            return np.asarray(image.convert("L"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise CourseError(f"{name} is damaged or cut short: export the film again.") from None


def _from_dicom(data, name):
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of odd headers; the pixels decide
        try:
            header = pydicom.dcmread(BytesIO(data))
            size = int(header.Rows), int(header.Columns), int(header.get("NumberOfFrames") or 1)
        except Exception:
            raise CourseError(f"{name} is a DICOM file without a readable picture: export the film again.") from None
        if size[2] != 1 or int(header.get("SamplesPerPixel", 1)) != 1 or size[0] * size[1] > LARGEST:
            raise CourseError(f"{name} is no single gray film (several frames, colours or too large): export one film.")
        try:
            pixels = header.pixel_array
        except Exception:  # each decoder has its own errors
            kind = header.file_meta.TransferSyntaxUID.name
            raise CourseError(
                f"{name} is damaged or packed in a way that cannot be unpacked here ({kind}): export it uncompressed."
            ) from None
        return _as_displayed(pixels, header, name)


def _as_displayed(pixels, header, name):
    """Stored values -> uint8 as a viewer shows them, bone bright."""
    from pydicom.pixels import apply_modality_lut, apply_voi_lut

    try:
        values = apply_modality_lut(pixels, header)
        if "VOILUTSequence" in header:
            values = np.asarray(apply_voi_lut(np.rint(values).astype(np.int64), header), float)
            low, high = 0, 2 ** int(header.VOILUTSequence[0].LUTDescriptor[2]) - 1
        elif "WindowCenter" in header:
            # Two more values, beyond any window, tell where it ends.
            values = apply_voi_lut(np.concatenate([values.ravel(), [-1e6, 1e6]]), header)
            low, high = values[-2:]
            values = values[:-2].reshape(pixels.shape)
        else:
            low, high = float(values.min()), float(values.max())
    except Exception:
        raise CourseError(f"The window or table in {name} is damaged: export the film with another window.") from None
    if not (np.isfinite(values).all() and high > low):
        raise CourseError(f"{name} shows nothing: all its pixels are the same.")
    shown = np.clip((values - low) / (high - low), 0, 1)
    if header.get("PhotometricInterpretation") == "MONOCHROME1":
        shown = 1 - shown
    return np.rint(shown * 255).astype(np.uint8)


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
