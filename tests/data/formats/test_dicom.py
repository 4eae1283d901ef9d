"""The reader of DICOM: each bound on both sides, each contradiction in its sentence, gray levels in closed form."""

import struct
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from tests.fuzz.dicom_writer import BIG, DEFLATED, EXPLICIT, IMPLICIT, JPEG, JPEG_2000, RLE, Writer, packbits
from tests.helpers.dicom_film import Film, full, near, packed, refused
from util.data.formats import dicom as reader
from util.data.formats import dicom_header, png_jpeg
from util.data.formats.dicom import gray_of_dicom
from util.data.formats.dicom_header import looks_like_dicom, read_header
from util.data.formats.png_jpeg import Refused

LOSSLESS = "1.2.840.10008.1.2.4.70"


@pytest.fixture
def codes():
    """Stored values of 16 bits, uint16 (h, w), 0 and 4000 among them."""
    values = np.random.default_rng(0).integers(0, 4000, (12, 10)).astype(np.uint16)
    values[0, :2] = 0, 4000
    return values


# ---- the file ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG, DEFLATED])
def test_every_way_to_write_numbers(codes, syntax):
    near(Film(codes, syntax).read(), full(codes), 0)


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_what_begins_a_file(codes, syntax):
    """Without preamble, without meta information, without both."""
    whole = Film(codes, syntax).bytes()
    bare = Film(codes, syntax)
    bare.header.text(0x05, "ISO_IR 100", group=8, vr="CS")
    data = bare.bytes(syntax="")
    for start in (whole, whole[132:], data, data[132:]):
        assert looks_like_dicom(start)
        near(gray_of_dicom(start), full(codes), 0)
    assert not looks_like_dicom(b"hello") and not looks_like_dicom(b"") and not looks_like_dicom(b"\x09\0\0\0")


def test_the_bytes_say_how_numbers_are_written(codes):
    """A transfer syntax that says another byte order, or no stated VRs, is not believed."""
    for syntax, said in ((EXPLICIT, IMPLICIT), (IMPLICIT, EXPLICIT), (EXPLICIT, BIG), (BIG, EXPLICIT)):
        near(Film(codes, syntax).read(syntax=said), full(codes), 0)


def test_deflated_data_are_bounded(codes, monkeypatch):
    film = Film(codes, DEFLATED)
    size = len(film.header.bytes()) + 12 + codes.nbytes
    for module in (png_jpeg, dicom_header):
        monkeypatch.setattr(module, "BYTES", size)
    near(film.read(), full(codes), 0)
    for module in (png_jpeg, dicom_header):
        monkeypatch.setattr(module, "BYTES", size - 1)
    refused(film, "too many for a film")
    monkeypatch.undo()
    data = film.bytes()
    refused(data[:200] + b"\xff" * 20 + data[220:], "damaged or cut short")


def element(group, number, value=b"", vr=b"US"):
    return struct.pack("<HH", group, number) + vr + struct.pack("<H", len(value)) + value


def opened(depth):
    """Sequences without a stated length, each in an item of the one before, and their ends."""
    mark = Writer().mark
    begin = struct.pack("<HH", 8, 0x1140) + b"SQ\0\0\xff\xff\xff\xff" + mark(0xE000, 0xFFFFFFFF)
    return begin * depth + (mark(0xE00D, 0) + mark(0xE0DD, 0)) * depth


def test_depth_is_bounded(codes):
    near(Film(codes).read(before=opened(dicom_header.DEPTH)), full(codes), 0)
    refused(Film(codes), "has sequences more than 64 deep", before=opened(dicom_header.DEPTH + 1))


def test_the_number_of_elements_is_bounded(codes, monkeypatch):
    film = Film(codes)
    film.bytes()
    count = len(film.header.elements)
    monkeypatch.setattr(dicom_header, "PARTS", count)
    near(film.read(), full(codes), 0)
    refused(film, f"has more than {count} elements", before=element(9, 1))


def test_marks_that_do_not_fit(codes):
    mark = Writer().mark
    sequence = struct.pack("<HH", 8, 0x1140) + b"SQ\0\0\xff\xff\xff\xff"
    refused(Film(codes), "damaged or cut short", before=sequence + mark(0xE00D, 0))
    refused(Film(codes), "damaged or cut short", before=sequence + mark(0xE000, 0xFFFFFFFF) + mark(0xE0DD, 0))
    refused(Film(codes), "without a readable picture", before=mark(0xE0DD, 0))


def test_lengths_that_reach_beyond_the_file(codes):
    refused(Film(codes), "damaged or cut short", before=struct.pack("<HH", 8, 1) + b"UT\0\0\xfe\xff\xff\xff")
    refused(Film(codes), "damaged or cut short", before=struct.pack("<HH", 8, 1) + b"zz\0\0")
    refused(Film(codes).bytes()[:-1], "damaged or cut short")
    data = Film(codes).bytes()
    for end in range(132, len(data), 7):
        refused(data[:end], "without a readable picture|damaged")
    long = element(8, 1, vr=b"UT")[:6]  # a long type at the very end
    assert read_header(memoryview(b"\0" * 128 + b"DICM" + element(8, 1) + long)) is not None
    refused(b"\0" * 128 + b"DICM" + element(8, 1) + long + b"\0\0", "damaged or cut short")


def test_a_sequence_of_unknown_type_is_written_implicitly(codes):
    mark = Writer().mark
    inner = Writer(explicit=False)
    inner.text(0x50, "x" * 300, group=8)
    unknown = struct.pack("<HH", 9, 0x10) + b"UN\0\0\xff\xff\xff\xff"
    item = mark(0xE000, 0xFFFFFFFF) + inner.bytes() + mark(0xE00D, 0)
    near(Film(codes).read(before=unknown + item + item + mark(0xE0DD, 0)), full(codes), 0)


def test_only_elements_of_the_top_level_count(codes):
    """An icon has rows, pixels and a window of its own."""
    for open_ended in (False, True):
        film, icon = Film(codes), Writer()
        for number in (0x10, 0x11):
            icon.short(number, 2)
        icon.text(0x1050, "7")
        icon.text(0x1051, "3")
        icon.put(0x7FE0, 0x10, "OW", b"\1\2\3\4")
        film.header.sequence(0x0200, icon, open_ended, group=0x88)
        near(film.read(), full(codes), 0)


# ---- the header -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0x10, 0x11, 0x100])
def test_no_picture_without(codes, number):
    film = Film(codes)
    del film.header.elements[0x28, number]
    refused(film, "BitsAllocated cannot be understood" if number == 0x100 else "without a readable picture")
    refused(Film(codes, **{f"x{number:x}": 0}), "without a readable picture|BitsAllocated")


def test_a_file_without_pixels(codes):
    film = Film(codes)
    film.pixels = b""
    refused(film, "is a DICOM file without a readable picture")


@pytest.mark.parametrize(
    ("whole", "words"),
    [
        ({"x100": 12}, "BitsAllocated"), ({"x100": 64}, "BitsAllocated"), ({"x100": 1}, "BitsAllocated"),
        ({"x101": 0}, "BitsStored"), ({"x101": 17}, "BitsStored"), ({"x102": 16}, "BitsStored"), ({"x101": 12, "x102": 10}, "BitsStored"),
        ({"x103": 2}, "BitsStored"), ({"x02": 3}, "SamplesPerPixel"), ({"x02": 0}, "SamplesPerPixel"),
    ],
)  # fmt: skip
def test_contradictions_are_named(codes, whole, words):
    refused(Film(codes, **whole), f"is a DICOM file whose {words} cannot be understood", "export it again")


def test_sizes_are_bounded(codes):
    refused(Film(codes, x10=8001, x11=8000), "has 8000 x 8001 pixels, too many")
    refused(Film(codes, x10=8000, x11=8000), "damaged or cut short")  # the size is one of a film, the pixels are not
    wide = Film(codes.astype(np.uint32), x10=8000, x11=8000)
    refused(wide, "damaged or cut short")
    refused(Film(codes, photometric="RGB", x02=3, x10=8000, x11=8000), "too many for a film")


@pytest.mark.parametrize("photometric", [None, "", "MONOCHROME3", "HSV"])
def test_black_or_white_must_be_said(codes, photometric):
    refused(Film(codes, photometric=photometric), "does not say which of its gray levels is black")


@pytest.mark.parametrize("frames", ["0", "2", "-1", "1.5"])
def test_several_frames(codes, frames):
    refused(Film(codes).text(0x08, frames, "IS"), "no single gray film: it holds several frames", "export one film")
    near(Film(codes).text(0x08, "1", "IS").read(), full(codes), 0)
    near(Film(codes).text(0x08, "", "IS").read(), full(codes), 0)


@pytest.mark.parametrize("text", ["x", "1e", "nan", "inf", "1_0", "1e31", "-", ".", "0x10", "1,5"])
def test_numbers_that_are_none(codes, text):
    refused(Film(codes).text(0x1053, text), "RescaleSlope cannot be understood")


@pytest.mark.parametrize(
    ("text", "value"), [("2", 2), (" +2.", 2), ("-.5", -0.5), ("2e-1", 0.2), ("3\\4", 3), ("1E1 ", 10)]
)
def test_numbers_that_are_some(codes, text, value):
    header = read_header(memoryview(Film(codes).text(0x1053, text).bytes()))
    assert header.decimal("RescaleSlope") == value and header.decimal("RescaleIntercept", 7.0) == 7


def test_numbers_of_odd_lengths(codes):
    film = Film(codes)
    film.header.put(0x28, 0x10, "UL", struct.pack("<I", 12))
    near(film.read(), full(codes), 0)
    for raw in (b"\x0c", b"\x0c\0\0", b"\x0c\0\0\0\0\0"):
        film.header.put(0x28, 0x10, "US", raw)
        refused(film, "Rows cannot be understood")


def test_a_number_is_short(codes):
    near(Film(codes).text(0x1053, "1".ljust(dicom_header.LONGEST)).read(), full(codes), 0)
    refused(Film(codes).text(0x1053, "1".ljust(dicom_header.LONGEST + 2)), "RescaleSlope cannot be understood")


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


@pytest.mark.parametrize("length", [5, 7, 8])
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
