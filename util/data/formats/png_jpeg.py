"""From the bytes of a PNG or JPEG file to gray levels, within bounds that are checked before anything is allocated.

Only what draws pixels is handed to Pillow: texts, colour profiles and thumbnails are left out, so that nothing in them
can be unpacked, warned of or believed. The one thing that is read of them is the orientation of a photograph.
"""

import stat
import struct
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

LARGEST = 64_000_000  # pixels; a chest film has at most 30 million. Pillow warns from 89 million on, so never here
BYTES = 256_000_000  # of a file, packed or unpacked: 64 million pixels of 32 bits
SIDE = 65_535  # pixels, the most that JPEG and DICOM can state
PARTS = 100_000  # chunks of a PNG, segments of a JPEG, elements or fragments of a DICOM file; films have hundreds
SCANNED = 1_000_000_000  # pixels times passes of a progressive JPEG; ten passes are usual
BLOCK = 1 << 22  # pixels worked on at a time, so that wide numbers never cover a whole film

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
DAMAGED = "is damaged or cut short"

LUMA = np.float32([0.299, 0.587, 0.114])  # of red, green and blue, ITU-R BT.601
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a PNG, by its colour type

# How Pillow is asked for the lower bytes, by how it would unpack the upper ones
LOW = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L", "LA;16B": "RGBA"}

# EXIF orientation -> the upright film (CIPA DC-008, 4.6.4.A)
UPRIGHT = {
    1: lambda film: film,
    2: np.fliplr,
    3: lambda film: film[::-1, ::-1],
    4: np.flipud,
    5: np.transpose,
    6: lambda film: np.rot90(film, 3),
    7: lambda film: film[::-1, ::-1].T,
    8: np.rot90,
}


class Refused(Exception):
    """Why a file is not read: `reason` continues a sentence that begins with its name, `advice` says what to do."""

    def __init__(self, reason, advice=None):
        super().__init__(reason)
        self.reason, self.advice = reason, advice


@dataclass(frozen=True)
class Head:
    """What the head of a file says, before a pixel is unpacked.

    Attributes
    ----------
    kind : 'PNG' or 'JPEG'
    stored : (height, width) as stored
    orientation : int, 1 to 8, EXIF's
    wide_colour : bool, 16 bits in more than one channel, which Pillow would cut to 8
    parts : list of slices of the file that draw pixels
    """

    kind: str
    stored: tuple
    orientation: int
    wide_colour: bool
    parts: list

    @property
    def shape(self):
        """(height, width) of the upright film."""
        return self.stored if self.orientation < 5 else self.stored[::-1]


def read_bytes(path):
    """The bytes of an ordinary file of at most BYTES bytes; pipes and devices, which may never end, are not opened.

    Raises
    ------
    Refused ; OSError where the file cannot be opened
    """
    path = Path(path)
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise Refused("is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise Refused("is no ordinary file")
    check_bytes(status.st_size)
    with path.open("rb") as file:
        data = file.read(BYTES + 1)
    check_bytes(len(data))
    return data


def check_bytes(count):
    """Refuse more bytes than any film has."""
    if count > BYTES:
        raise Refused(f"has more than {BYTES // 10**6} MB, too many for a film", "shrink it")


def check_pixels(height, width, bytes_each=1):
    """Refuse a size that no film has, in pixels or in bytes once it is unpacked."""
    if height * width == 0:
        raise Refused(DAMAGED)
    if height * width > min(LARGEST, BYTES // bytes_each) or max(height, width) > SIDE:
        raise Refused(f"has {width} x {height} pixels, too many for a film", "shrink it")


def head_of(data):
    """Head of a PNG or JPEG file, bytes; raises Refused where it is another file, too large or damaged."""
    if data.startswith(PNG):
        return _png_head(data)
    if data.startswith(JPEG):
        return _jpeg_head(data)
    if not data:
        raise Refused("is empty")
    if data.startswith(PNG[:4]):
        raise Refused(DAMAGED)
    text = all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in data[:512])
    raise Refused("holds text, not an image" if text else "is neither PNG nor JPEG")


def gray_of(data):
    """Gray levels of a PNG or JPEG file, upright: uint8 (h, w), 0 black to 255 white.

    Colours are turned to luma, transparency is left aside. Samples of 16 bits are scaled by the bits in use, which are
    those of the brightest sample, 8 at least: films of 10 or 12 bits are often stored so. (A film whose brightest
    sample stays below half of what its bits allow comes out up to twice as bright as it is.)

    Raises
    ------
    Refused
    """
    head = head_of(data)
    return np.ascontiguousarray(UPRIGHT[head.orientation](_unpack(head)))


def _unpack(head):
    drawn = b"".join(head.parts)
    try:
        image = _load(head.kind, drawn)
        if head.wide_colour:
            return to_8_bits(_wide_luma(image, drawn))
        if image.mode.startswith("I"):
            return to_8_bits(np.asarray(image))
        return np.asarray(image.convert("L"))
    except (OSError, SyntaxError, ValueError, IndexError, struct.error):
        raise Refused(DAMAGED) from None


def _load(kind, drawn, low=False):
    """The picture in Pillow's hands; `low`: with the lower bytes of 16-bit samples, of which Pillow keeps the upper."""
    from PIL.JpegImagePlugin import JpegImageFile
    from PIL.PngImagePlugin import PngImageFile

    image = (PngImageFile if kind == "PNG" else JpegImageFile)(BytesIO(drawn))
    if low:
        image.tile = [part._replace(args=LOW[part.args]) for part in image.tile]
    image.load()
    return image


def _wide_luma(upper, drawn):
    """Luma of a PNG of 16 bits in colour or with transparency: uint16 (h, w)."""
    upper, lower = np.asarray(upper), np.asarray(_load("PNG", drawn, low=True))
    if struct.unpack_from(">B", drawn, 25) == (4,):  # gray and transparency, both bytes of the gray in the second pass
        return lower[..., 0].astype(np.uint16) << 8 | lower[..., 1]
    luma = []
    for high, low in zip(blocks(upper), blocks(lower), strict=True):
        wide = (weight * (high[..., c] * np.float32(256) + low[..., c]) for c, weight in enumerate(LUMA))
        luma.append(np.rint(sum(wide)).astype(np.uint16))
    return np.concatenate(luma)


def to_8_bits(wide):
    """uint8 of integers (h, w) of up to 16 bits, scaled by the bits that the largest of them needs, 8 at least."""
    top = 2 ** max(8, int(wide.max()).bit_length()) - 1
    table = (np.arange(top + 1) * 255 // top).astype(np.uint8)
    return np.concatenate([table[rows] for rows in blocks(wide)])


def blocks(pixels):
    """An array (h, ...) as a list of views of some rows each, of about BLOCK pixels."""
    return np.array_split(pixels, min(len(pixels), 1 + pixels.size // BLOCK))


def _png_head(data):
    parts, orientation, position = [data[:8]], 1, 8
    for _ in range(PARTS):
        if position + 8 > len(data):
            break
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if kind in (b"IHDR", b"PLTE", b"IDAT", b"IEND"):
            parts.append(data[position:end])
        elif kind == b"eXIf":
            orientation = _orientation(data[position + 8 : end - 4])
        position = end
        if kind == b"IEND":
            break
    else:
        raise Refused(f"has more than {PARTS} parts, too many for a film")
    if len(parts) < 2 or parts[1][4:8] != b"IHDR" or len(parts[1]) != 25:
        raise Refused(DAMAGED)
    width, height, depth, colour = struct.unpack_from(">IIBB", parts[1], 8)
    check_pixels(height, width, max(1, depth // 8) * CHANNELS.get(colour, 4))
    return Head("PNG", (height, width), orientation, depth == 16 and colour != 0, parts)


def _jpeg_head(data):
    frame = jpeg_frame(data)
    check_pixels(frame.height, frame.width)
    passes = data.count(b"\xff\xda", frame.scan)
    if passes * frame.height * frame.width > SCANNED:
        raise Refused(f"is a JPEG of {passes} passes, too many for a film", "save it again")
    if frame.bits != 8 or frame.lossless:
        raise Refused("is a JPEG of 12 bits or without loss, which few programs read", "save it as PNG")
    return Head("JPEG", (frame.height, frame.width), frame.orientation, False, [*frame.parts, data[frame.scan :]])


@dataclass(frozen=True)
class JpegFrame:
    """What a JPEG says before its first scan: sizes, bits a sample, where the scan begins, segments that draw."""

    height: int
    width: int
    bits: int
    channels: int
    lossless: bool
    orientation: int
    scan: int
    parts: list


def jpeg_frame(data, damaged=DAMAGED):
    """Walk the segments of a JPEG (any process, JPEG-LS too) up to its first scan; raises Refused where there is none."""
    parts, sizes, orientation, position = [data[:2]], None, 1, 2
    try:
        for _ in range(PARTS):
            while data[position] == 0xFF and data[position + 1] == 0xFF:  # fill bytes
                position += 1
            mark, kind, length = struct.unpack_from(">BBH", data, position)
            if mark != 0xFF or length < 2:
                break
            end = position + 2 + length
            if kind == 0xDA and sizes:
                bits, height, width, channels, lossless = sizes
                return JpegFrame(height, width, bits, channels, lossless, orientation, position, parts)
            if kind == 0xE1 and data[position + 4 : position + 10] == b"Exif\0\0":
                orientation = _orientation(data[position + 4 : end])
            if (0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC)) or kind == 0xF7:
                sizes = (*struct.unpack_from(">BHHB", data, position + 4), kind in (0xC3, 0xC7, 0xCB, 0xCF, 0xF7))
            if not (0xE1 <= kind <= 0xED or kind in (0xEF, 0xFE)):
                parts.append(data[position:end])
            position = end
        else:
            raise Refused(f"has more than {PARTS} parts, too many for a film")
    except (IndexError, struct.error):
        pass
    raise Refused(damaged)


def _orientation(exif):
    """Orientation that EXIF data state, 1 to 8; 1 where they state none that can be read."""
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(f"{order}HH", exif, entry)
            if tag == 0x0112:
                (value,) = struct.unpack_from(order + ("I" if kind == 4 else "H"), exif, entry + 8)
                return value if value in UPRIGHT else 1
    except struct.error:
        pass
    return 1
