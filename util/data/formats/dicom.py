"""A film in DICOM, from the bytes of the file to gray levels as a viewer shows them, bone bright.

Here the stored values are unpacked (PS3.3 C.7.6.3); `util.data.formats.dicom_gray` shows them. Uncompressed and run-length coded pixels are unpacked here, within the size that the header
states; JPEG and JPEG 2000 go to pydicom's decoders once the size in their own head is known to be the same.
"""

import struct
import warnings
from dataclasses import dataclass

import numpy as np

from util.data.formats.dicom_gray import COLOURED, as_displayed, one_of_three, through_palette
from util.data.formats.dicom_header import DAMAGED, DEFLATED, ITEM, SEQUENCE_END, contradiction, read_header
from util.data.formats.png_jpeg import PARTS, Refused, check_pixels, jpeg_frame

NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", DEFLATED)
RLE = "1.2.840.10008.1.2.5"
JPEG_12_BITS = "1.2.840.10008.1.2.4.51"
JPEGS = {f"1.2.840.10008.1.2.4.{kind}" for kind in (50, 51, 57, 70, 80, 81)}  # what to install, should it be missing
JPEGS_2000 = {f"1.2.840.10008.1.2.4.{kind}" for kind in (90, 91, 201, 202, 203)}
NO_PICTURE = Refused("is a DICOM file without a readable picture", "export it again")


def gray_of_dicom(data):
    """Gray levels of a DICOM file, bytes: uint8 (h, w), 0 black to 255 white.

    The first window or table is taken, a table before a window, and the full range of the film where there is neither,
    or a window only by halves. Padding is black. A picture of three equal channels is the film it shows.

    Raises
    ------
    util.data.formats.png_jpeg.Refused
    """
    header = read_header(memoryview(data))
    layout = _layout(header)
    stored = _unpack(header, layout)
    if layout.photometric == "PALETTE COLOR":
        return through_palette(stored, header, layout)
    if layout.channels == 3:
        return one_of_three(stored, layout)
    return as_displayed(stored, header, layout)


@dataclass(frozen=True)
class Layout:
    """How the pixels of one film lie: sizes, channels, bits of each sample, and what the samples mean."""

    rows: int
    columns: int
    channels: int
    photometric: str
    by_channel: bool
    allocated: int
    bits: int
    high: int
    signed: bool
    syntax: str

    @property
    def shape(self):
        return (self.rows, self.columns) if self.channels == 1 else (self.rows, self.columns, self.channels)


def _layout(header):
    rows, columns = header.whole("Rows"), header.whole("Columns")
    if not (rows and columns and "PixelData" in header):
        raise NO_PICTURE
    frames = header.decimal("NumberOfFrames", 1)
    if frames != 1:
        raise Refused("is no single gray film: it holds several frames", "export one film")
    channels, photometric = header.whole("SamplesPerPixel", 1), header.text("PhotometricInterpretation")
    colours = {"MONOCHROME1": 1, "MONOCHROME2": 1, "PALETTE COLOR": 1, "RGB": 3}
    if photometric.startswith("YBR_"):
        colours[photometric] = 3
    if photometric not in colours:
        raise Refused("is a DICOM file that does not say which of its gray levels is black", "export it again")
    allocated = header.whole("BitsAllocated", 0)
    bits = header.whole("BitsStored", allocated)
    high, signed = header.whole("HighBit", bits - 1), header.whole("PixelRepresentation", 0)
    if colours[photometric] != channels:
        raise contradiction("SamplesPerPixel")
    if allocated not in (8, 16, 32):
        raise contradiction("BitsAllocated")
    check_pixels(rows, columns, channels * allocated // 8)
    if not 0 < bits <= high + 1 <= allocated or signed not in (0, 1):
        raise contradiction("BitsStored")
    by_channel = header.whole("PlanarConfiguration", 0) == 1
    syntax = header.text("TransferSyntaxUID")
    return Layout(rows, columns, channels, photometric, by_channel, allocated, bits, high, signed == 1, syntax)


def _unpack(header, layout):
    """Stored values, integers (h, w) or (h, w, 3)."""
    data = header.raw("PixelData")
    packed = bytes(data[:4]) == struct.pack(f"{header.order}HH", 0xFFFE, 0xE000)
    if layout.syntax in NATIVE or (not layout.syntax and not packed):
        return _samples(_native(data, header, layout), layout)
    frame = _frame(data)
    if layout.syntax == RLE:
        return _samples(_run_lengths(frame, layout), layout)
    return _decoded(frame, layout)


def _native(data, header, layout):
    """Uncompressed samples as unsigned numbers, in the shape of the film."""
    width = layout.allocated // 8
    needed, row = layout.rows * layout.columns * layout.channels * width, layout.columns * layout.channels * width
    if layout.photometric not in ("RGB", "YBR_FULL") and layout.channels == 3:
        raise COLOURED
    if len(data) < needed:
        raise Refused(DAMAGED)
    if len(data) - needed >= row and np.frombuffer(data[needed:], np.uint8).any():  # zeros are filling
        raise Refused("is a DICOM file with more pixels than its header says", "export it again")
    if width == 1 and header.order == ">" and header.vr("PixelData") == b"OW":
        data = np.frombuffer(data[: needed + needed % 2], ">u2").astype("<u2").tobytes()  # bytes lie in swapped pairs
    flat = np.frombuffer(data, f"{header.order}u{width}", needed // width)
    if layout.channels == 3 and layout.by_channel:
        return np.moveaxis(flat.reshape(3, layout.rows, layout.columns), 0, -1)
    return flat.reshape(layout.shape)


def _samples(raw, layout):
    """The bits of a sample out of the cell that holds them: the highest at HighBit, the sign in it if there is one."""
    if layout.bits == layout.allocated and not layout.signed:
        return raw
    left, right = layout.allocated - 1 - layout.high, layout.allocated - layout.bits
    cells = raw.astype(raw.dtype.newbyteorder("="), copy=False) << left  # what lies above goes out at the left
    return (cells.view(f"i{cells.itemsize}") if layout.signed else cells) >> right  # a sign is drawn along


def _frame(data):
    """The fragments of the one packed frame, without the table of offsets, joined."""
    parts, position = [], 0
    for _ in range(PARTS):
        if position + 8 > len(data):
            break
        group, number, length = struct.unpack_from("<HHI", data, position)
        tag = group << 16 | number
        if tag == SEQUENCE_END:
            break
        if tag != ITEM or position + 8 + length > len(data):
            raise Refused(DAMAGED)
        parts.append(data[position + 8 : position + 8 + length])
        position += 8 + length
    else:
        raise Refused(f"has more than {PARTS} fragments, too many for a film")
    begun = [bytes(part[:4]) for part in parts[1:]]
    if sum(start[:3] == b"\xff\xd8\xff" or start == b"\xff\x4f\xff\x51" for start in begun) > 1:
        raise Refused("is no single gray film: it holds several frames", "export one film")
    return b"".join(parts[1:])


def _run_lengths(frame, layout):
    """Samples of a run-length coded frame (PS3.5, annex G): one segment for each byte of each channel, highest first."""
    width, pixels = layout.allocated // 8, layout.rows * layout.columns
    if len(frame) < 64:
        raise Refused(DAMAGED)
    count, *offsets = struct.unpack_from("<16I", frame)
    if count != width * layout.channels or not all(64 <= offset < len(frame) for offset in offsets[:count]):
        raise Refused(DAMAGED)
    ends = [*offsets[1:count], len(frame)]
    planes = np.stack([_unrun(frame[start:end], pixels) for start, end in zip(offsets[:count], ends, strict=True)])
    cells = planes.reshape(layout.channels, width, pixels).transpose(0, 2, 1)  # bytes of a sample beside each other
    samples = np.ascontiguousarray(cells).view(f">u{width}").reshape(layout.channels, layout.rows, layout.columns)
    return samples[0] if layout.channels == 1 else np.moveaxis(samples, 0, -1)


def _unrun(segment, size):
    """`size` bytes, uint8, out of a segment of runs and literal bytes, by Pillow; what lies beyond them is filling."""
    from PIL import Image

    try:
        return np.asarray(Image.frombytes("L", (size, 1), segment, "packbits", "L")).ravel()
    except ValueError:
        raise Refused(DAMAGED) from None


def _decoded(frame, layout):
    """Stored values of a frame that one of pydicom's decoders unpacks."""
    name = _name_of(layout.syntax)
    if layout.syntax not in JPEGS | JPEGS_2000:
        raise Refused(f"is packed in a way that is not read here ({name})", "export it uncompressed")
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.pixels import get_decoder

    decoder = get_decoder(layout.syntax)
    there = set(decoder.available_plugins)
    if there and _check_frame(frame, layout) > 8 and layout.syntax == JPEG_12_BITS:
        there.discard("pillow")
    if not there:
        package = "libjpeg" if layout.syntax in JPEGS else "openjpeg"
        raise Refused(
            f"is packed as {name}, for which a decoder is missing here",
            f"pip install pylibjpeg pylibjpeg-{package}, and restart the notebook; or export it uncompressed",
        )
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = layout.syntax
    ds.Rows, ds.Columns, ds.SamplesPerPixel = layout.rows, layout.columns, layout.channels
    ds.PhotometricInterpretation, ds.PlanarConfiguration = layout.photometric, int(layout.by_channel)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = layout.allocated, layout.bits, layout.bits - 1
    ds.PixelRepresentation, ds.PixelData = int(layout.signed), encapsulate([frame])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd headers; the pixels decide
            pixels, _ = decoder.as_array(ds, raw=True)  # in colours as they are packed
    except Exception:  # each decoder has its own errors
        pixels = None
    if pixels is None or pixels.shape != layout.shape:
        raise Refused(
            f"is damaged or packed in a way that cannot be unpacked here ({name})", "export it uncompressed"
        ) from None
    return pixels


def _check_frame(frame, layout):
    """Bits of a packed frame, once its head agrees with that of the file: a decoder makes room for what the frame says."""
    if layout.syntax in JPEGS:
        head = jpeg_frame(frame, DAMAGED)
        height, width, channels, bits = head.height, head.width, head.channels, head.bits
    else:
        at = frame.find(b"\xff\x4f\xff\x51")  # start of codestream and SIZ, ISO/IEC 15444-1, A.5.1
        if at < 0 or at + 43 > len(frame):
            raise Refused(DAMAGED)
        right, bottom, left, top = struct.unpack_from(">4I", frame, at + 8)
        height, width = bottom - top, right - left
        channels, bits = struct.unpack_from(">HB", frame, at + 40)
        bits = (bits & 0x7F) + 1
    if (height, width, channels) != (layout.rows, layout.columns, layout.channels):
        raise Refused(
            f"is a DICOM file of {layout.columns} x {layout.rows} pixels by its header and of {width} x {height} by its picture",
            "export it again",
        )
    return bits


def _name_of(syntax):
    """The name of a transfer syntax that DICOM knows; a file's own text is never repeated."""
    from pydicom.uid import UID_dictionary

    name, kind = UID_dictionary.get(syntax, ("", ""))[:2]
    return name if kind == "Transfer Syntax" else "a transfer syntax that DICOM does not know"
