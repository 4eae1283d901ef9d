"""The reader of DICOM: each bound on both sides, each contradiction in its sentence, gray levels in closed form."""

import struct

import numpy as np
import pytest

from tests.fuzz.dicom_writer import BIG, DEFLATED, EXPLICIT, IMPLICIT, Writer
from tests.helpers.dicom_film import Film, full, near, refused
from util.data.formats import dicom_header, png_jpeg
from util.data.formats.dicom import gray_of_dicom
from util.data.formats.dicom_header import looks_like_dicom, read_header

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


def test_data_that_were_never_deflated(codes):
    with pytest.raises(png_jpeg.Refused, match="damaged or cut short"):
        dicom_header._inflate(b"\xff" * 20)


def test_an_element_of_one_byte_is_there_and_one_of_none_is_not():
    for value, there in ((b"x", True), (b"", False)):
        header = dicom_header.Header({dicom_header.TAGS["LUTData"]: (b"OW", value)}, True, True)
        assert ("LUTData" in header) is there and "PixelData" not in header


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
