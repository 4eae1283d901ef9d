"""Pixels of DICOM films: layouts, compressions, damage."""

import struct
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from tests.fuzz.dicom_writer import BIG, DEFLATED, EXPLICIT, IMPLICIT, JPEG, JPEG_2000, RLE, Writer, packbits
from tests.helpers.dicom_film import Film, full, near, packed, refused
from util.data.formats import dicom as reader
from util.data.formats.dicom import gray_of_dicom
from util.data.formats.dicom_header import read_header
from util.data.formats.png_jpeg import Refused

LOSSLESS = "1.2.840.10008.1.2.4.70"


# ---- pixels -----------------------------------------------------------------------------------------------------


def test_pixels_that_are_missing_or_too_many(codes):
    row, film = 2 * codes.shape[1], Film(codes)
    whole = film.pixels
    for more in (b"\1" * (row - 2), b"\0" * 10 * row, b"\0" * row):
        film.pixels = whole + more
        near(film.read(), full(codes), 0)
    film.pixels = whole + b"\0" * (row - 2) + b"\1\0"
    refused(film, "has more pixels than its header says|with more pixels than its header says")
    film.pixels = whole[:-2]
    refused(film, "damaged or cut short")


@pytest.mark.parametrize("rows", [1, 6, 11])
def test_rows_that_lie(codes, rows):
    refused(Film(codes, x10=rows), "with more pixels than its header says")


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize(("bits", "high"), [(12, 11), (12, 15), (10, 12), (16, 15), (9, 8)])
def test_the_bits_of_a_sample(signed, bits, high):
    rng = np.random.default_rng(bits)
    values = rng.integers(0, 2**bits, (9, 8)) - signed * 2 ** (bits - 1)
    values[0, :2] = -signed * 2 ** (bits - 1), 2**bits - 1 - signed * 2 ** (bits - 1)
    shift = high + 1 - bits
    noise = rng.integers(0, 2**16, values.shape) & ~(((1 << bits) - 1) << shift) & 0xFFFF  # overlays in the other bits
    cells = ((values & (2**bits - 1)) << shift | noise).astype(np.uint16)
    near(Film(cells, x101=bits, x102=high, x103=signed).read(), full(values), 0)


def test_bytes_in_swapped_pairs():
    gray = np.arange(99, dtype=np.uint8).reshape(9, 11)
    film = Film(gray, BIG)
    film.pixels = np.frombuffer(film.pixels + b"\0", ">u2").astype("<u2").tobytes()
    near(film.read(), full(gray), 0)
    film = Film(gray, BIG)
    film.header.put(0x7FE0, 0x10, "OB", film.pixels + b"\0")  # OB: not swapped
    film.bytes = lambda **_: b"\0" * 128 + b"DICM" + film.header.bytes()
    near(film.read(), full(gray), 0)


def rle(*planes, count=None):
    segments = [packbits(bytes(plane)) for plane in planes]
    offsets = np.cumsum([64, *map(len, segments)])[: len(segments)]
    head = struct.pack("<16I", len(segments) if count is None else count, *offsets, *[0] * (15 - len(segments)))
    return head + b"".join(segments)


def test_run_lengths(codes):
    high, low = (codes >> 8).astype(np.uint8).tobytes(), (codes & 255).astype(np.uint8).tobytes()
    near(Film(codes, RLE).fragments(rle(high, low)).read(), full(codes), 0)
    near(Film(codes, RLE).fragments(rle(high, low + b"\7" * 9)).read(), full(codes), 0)  # filling
    whole = rle(high, low)
    beyond = struct.pack("<3I", 2, 64, len(whole)) + whole[12:]
    early = struct.pack("<3I", 2, 63, 70) + whole[12:]
    for frame in (
        rle(high, low[:-1]),
        rle(high, low, count=1),
        rle(high),
        whole[:60],
        b"",
        beyond,
        early,
        rle(low, high, high),
    ):
        refused(Film(codes, RLE).fragments(frame), "damaged or cut short")


def test_fragments_are_bounded(codes, monkeypatch):
    high, low = (codes >> 8).astype(np.uint8).tobytes(), (codes & 255).astype(np.uint8).tobytes()
    frame = rle(high, low)
    film = Film(codes, RLE).fragments(frame[:80], frame[80:])
    near(film.read(), full(codes), 0)
    monkeypatch.setattr(reader, "PARTS", 4)  # the table of offsets, two fragments, the end mark
    near(film.read(), full(codes), 0)
    monkeypatch.setattr(reader, "PARTS", 3)
    refused(film, "has more than 3 fragments")


def test_fragments_that_are_damaged(codes):
    frame = rle((codes >> 8).astype(np.uint8).tobytes(), (codes & 255).astype(np.uint8).tobytes())
    film = Film(codes, RLE).fragments(frame)
    whole = film.pixels[0]
    film.pixels = whole[:-8], True  # no end mark: the data end instead
    near(film.read(), full(codes), 0)
    film.pixels = whole[:-10], True
    refused(film, "damaged or cut short")
    film.pixels = b"\xfe\xff\x00\xe0\0\0\0\0" + b"\xfe\xff\x0d\xe0\0\0\0\0", True
    refused(film, "damaged or cut short")


def test_jpeg_and_jpeg_2000(codes):
    gray = np.add.outer(np.arange(0, 96, 4), np.arange(0, 150, 5)).astype(np.uint8)
    frame = packed(gray, "JPEG", quality=98)
    near(Film(gray, JPEG).fragments(frame).read(), full(gray), 6)
    near(Film(gray, JPEG).fragments(frame[:100], frame[100:]).read(), full(gray), 6)
    near(Film(codes, JPEG_2000).fragments(packed(codes, "JPEG2000", no_jp2=True)).read(), full(codes), 0)
    near(Film(codes, JPEG_2000).fragments(packed(codes, "JPEG2000", no_jp2=False)).read(), full(codes), 0)  # in boxes
    refused(Film(gray, JPEG).fragments(frame, frame), "several frames")
    refused(Film(codes, JPEG_2000).fragments(*[packed(codes, "JPEG2000", no_jp2=True)] * 2), "several frames")
    refused(Film(gray, JPEG).fragments(frame[:150]), "damaged")
    refused(Film(codes, JPEG_2000).fragments(packed(codes, "JPEG2000", no_jp2=True)[:44]), "damaged")
    refused(Film(codes, JPEG_2000).fragments(packed(codes, "JPEG2000", no_jp2=True)[:42]), "damaged or cut short")
    refused(Film(codes, JPEG_2000).fragments(b"hello."), "damaged or cut short")


@pytest.mark.parametrize("more", [(1, 0), (0, 1), (-1, 0), (0, -1)])
def test_a_packed_picture_of_another_size(codes, more):
    gray = (codes >> 4).astype(np.uint8)
    rows, columns = codes.shape[0] + more[0], codes.shape[1] + more[1]
    words = f"of {columns} x {rows} pixels by its header and of 10 x 12 by its picture"
    refused(Film(gray, JPEG, x10=rows, x11=columns).fragments(packed(gray, "JPEG")), words)
    frame = packed(codes, "JPEG2000", no_jp2=True)
    refused(Film(codes, JPEG_2000, x10=rows, x11=columns).fragments(frame), words)


def test_a_jpeg_2000_that_begins_off_its_grid(codes):
    """Its size is from offset to end (ISO/IEC 15444-1, B-1)."""
    frame = bytearray(packed(codes, "JPEG2000", no_jp2=True))
    ends = [end + offset for end, offset in zip(struct.unpack_from(">2I", frame, 8), (3, 5), strict=True)]
    struct.pack_into(">4I", frame, 8, *ends, 3, 5)
    layout = reader._layout(read_header(memoryview(Film(codes, JPEG_2000).fragments(b"").bytes())))
    assert reader._check_frame(bytes(frame), layout) == 16
    struct.pack_into(">2I", frame, 16, 2, 5)
    with pytest.raises(Refused, match="of 11 x 12 by its picture"):
        reader._check_frame(bytes(frame), layout)


def test_a_picture_in_colours_under_a_gray_header(codes):
    colour = np.dstack([(codes >> 4).astype(np.uint8)] * 3)
    refused(Film(colour[..., 0], JPEG).fragments(packed(colour, "JPEG")), "by its picture")


@pytest.mark.parametrize(
    ("syntax", "name", "package"),
    [
        (LOSSLESS, "JPEG Lossless, Non-Hierarchical", "pylibjpeg-libjpeg"),
        ("1.2.840.10008.1.2.4.57", "JPEG Lossless", "pylibjpeg-libjpeg"),
        ("1.2.840.10008.1.2.4.80", "JPEG-LS Lossless", "pylibjpeg-libjpeg"),
        ("1.2.840.10008.1.2.4.201", "High-Throughput JPEG 2000", "pylibjpeg-openjpeg"),
    ],
)
def test_what_to_install_for_a_missing_decoder(codes, monkeypatch, syntax, name, package):
    monkeypatch.setattr("pydicom.pixels.decoders.base.Decoder.available_plugins", ())
    film = Film(codes, syntax).fragments(b"\xff\xd8\xff\xc3" + bytes(64))
    advice = f"pip install pylibjpeg {package}, and restart the notebook; or export it uncompressed"
    refused(film, f"is packed as {name}.*, for which a decoder is missing here", advice)


def test_jpeg_of_12_bits_needs_another_decoder(codes, monkeypatch):
    gray = np.add.outer(np.arange(0, 96, 4), np.arange(0, 150, 5)).astype(np.uint8)
    extended = "1.2.840.10008.1.2.4.51"
    monkeypatch.setattr("pydicom.pixels.decoders.base.Decoder.available_plugins", ("pillow",))
    frame = bytearray(packed(gray, "JPEG", quality=98))
    near(Film(gray, extended).fragments(bytes(frame)).read(), full(gray), 6)
    frame[frame.index(b"\xff\xc0") + 4] = 12
    refused(Film(gray.astype(np.uint16), extended).fragments(bytes(frame)), "for which a decoder is missing here")


@pytest.mark.parametrize(
    ("syntax", "name"),
    [
        ("1.2.840.10008.1.2.4.100", "MPEG2 Main Profile"),
        ("1.2.3", "a transfer syntax that DICOM does not know"),
        ("1.2.840.10008.1.1", "a transfer syntax that DICOM does not know"),  # a UID of another kind
        ("<img src=x>", "a transfer syntax that DICOM does not know"),
    ],
)
def test_other_packings_by_their_name_or_by_none(codes, syntax, name):
    film = Film(codes, syntax).fragments(b"abcd")
    refused(film, rf"is packed in a way that is not read here \({name}", "export it uncompressed")


def test_packed_pixels_without_a_transfer_syntax(codes):
    refused(Film(codes).fragments(b"abcd"), "a transfer syntax that DICOM does not know", syntax="")


def test_compressed_films_of_pydicom_are_read_as_pydicom_reads_them():
    """pydicom's own test files, one channel: its decoders, rescale and windows are the oracle."""
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    seen = set()
    for path in sorted(folder.glob("*.dcm")):
        try:
            header = pydicom.dcmread(path)
            pixels = header.pixel_array
            right = np.asarray(apply_voi_lut(apply_modality_lut(pixels, header), header), float)
        except Exception:
            continue
        if pixels.ndim != 2 or header.PhotometricInterpretation != "MONOCHROME2" or header.BitsAllocated == 1:
            continue
        seen.add(header.file_meta.TransferSyntaxUID)
        film = gray_of_dicom(path.read_bytes())
        near(film, full(right) if "WindowWidth" not in header else 255 * right / (2**header.BitsStored - 1), 255)
        assert np.corrcoef(film.ravel(), right.ravel())[0, 1] > 0.9995, path.name
    assert {IMPLICIT, EXPLICIT, BIG, DEFLATED, RLE, JPEG_2000} <= seen


@pytest.mark.parametrize("length", [2, 3, 5, 7, 8])
def test_a_descriptor_of_another_length_is_refused(codes, length):
    item = Writer()
    item.put(0x28, 0x3002, "US", b"\1\0" * 3 + b"\0\0" if length == 8 else b"\1" * length)
    item.put(0x28, 0x3006, "OW", b"\1\0")
    film = Film(codes)
    film.header.sequence(0x3010, item, False)
    refused(film, "LUTDescriptor cannot be understood")


def test_filling_at_the_end_of_the_file_is_no_damage(codes):
    """Data Set Trailing Padding (FFFC,FFFC), empty here: the file ends with its length."""
    plain = Film(codes)
    near(plain.read(), full(codes))
    padded = gray_of_dicom(plain.bytes() + b"\xfc\xff\xfc\xffOB\0\0\0\0\0\0")
    near(padded, full(codes))


def test_a_fragment_that_is_none_is_damage(codes):
    gray = (codes >> 4).astype(np.uint8)
    film = Film(gray, JPEG).fragments(packed(gray, "JPEG", quality=95))
    data = film.bytes()
    first = data.rindex(b"\xfe\xff\x00\xe0")  # the mark before the picture itself
    near(gray_of_dicom(data), full(gray), 12)
    refused(data[:first] + b"\xfe\xff\x01\xe0" + data[first + 4 :], "damaged or cut short")


def test_a_fragment_is_there_to_its_last_byte(codes):
    """Even where the picture within it is whole."""
    gray = (codes >> 4).astype(np.uint8)
    film = Film(gray, JPEG).fragments(packed(gray, "JPEG", quality=95) + b"\0" * 20)
    whole = film.pixels[0][:-8]
    film.pixels = whole, True
    near(film.read(), full(gray), 12)
    for cut in (1, 15):
        film.pixels = whole[:-cut], True
        refused(film, "damaged or cut short")
