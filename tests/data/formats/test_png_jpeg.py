"""Bounds of the reader of PNG and JPEG, each tried on both sides, and what it hands to Pillow."""

import os
import struct
import zlib
from dataclasses import FrozenInstanceError
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.fuzz.films import EXIF, exif, png_chunk
from util.data.formats import png_jpeg
from util.data.formats.png_jpeg import BYTES, LARGEST, SIDE, Refused, blocks, gray_of, head_of, read_bytes, to_8_bits
from util.data.images import film_shape, read_film
from util.data.own_film import read_own_film
from util.errors import CourseError


def png(width, height, depth=8, colour=0, extra=b"", data=None, end=True):
    """A PNG file; without `data` a head alone, which no decoder could go on with."""
    body = b"" if data is None else png_chunk(b"IDAT", zlib.compress(data))
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + body + (png_chunk(b"IEND", b"") if end else b"")


def jpeg(pixels, **options):
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def pillow(pixels, kind, **options):
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def gray():
    return np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)


# ---- sizes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "height", "depth", "colour"),
    [(8000, 8000, 16, 0), (8000, 8000, 8, 6), (SIDE, 976, 8, 0), (976, SIDE, 8, 0), (4000, 8000, 16, 6), (8000, 5333, 16, 2), (8000, 8000, 16, 4), (1, 1, 1, 0)],
)  # fmt: skip
def test_the_largest_films(width, height, depth, colour):
    assert head_of(png(width, height, depth, colour)).shape == (height, width)


@pytest.mark.parametrize(
    ("width", "height", "depth", "colour"),
    [(8001, 8000, 8, 0), (8000, 8001, 1, 0), (SIDE + 1, 1, 8, 0), (1, SIDE + 1, 8, 0), (4001, 8000, 16, 6), (8000, 5334, 16, 2), (30_000, 30_000, 8, 0), (2**31 - 1, 2**31 - 1, 8, 0)],
)  # fmt: skip
def test_larger_ones_are_called_too_large(tmp_path, width, height, depth, colour, recwarn):
    (tmp_path / "film.png").write_bytes(png(width, height, depth, colour))
    for read in (read_film, film_shape, read_own_film):
        with pytest.raises(CourseError, match=f"has {width} x {height} pixels, too many for a film"):
            read(tmp_path / "film.png")
    assert not recwarn  # Pillow's warning of bombs is never printed


def test_a_chest_film_of_30_million_pixels_is_no_bomb():
    assert (LARGEST, BYTES, SIDE) == (64_000_000, 256_000_000, 65_535)
    assert LARGEST >= 2 * 30_000_000 and BYTES >= 4 * LARGEST and SIDE >= 8000
    assert LARGEST < Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("size", [(0, 5), (5, 0)])
def test_no_pixels_at_all(size):
    with pytest.raises(Refused, match="damaged or cut short"):
        head_of(png(*size))


def test_a_file_of_more_bytes_than_any_film(tmp_path, monkeypatch):
    path = tmp_path / "film.png"
    with path.open("wb") as file:
        file.truncate(BYTES + 1)  # takes no room
    for read in (read_film, read_own_film):
        with pytest.raises(CourseError, match="has more than 256 MB, too many for a film"):
            read(path)
    for source in (bytes(BYTES + 1), bytearray(BYTES + 1), memoryview(bytes(BYTES + 1)), BytesIO(bytes(BYTES + 1))):
        with pytest.raises(CourseError, match="has more than 256 MB, too many for a film: shrink it"):
            read_own_film(source)
    monkeypatch.setattr(png_jpeg, "BYTES", 100)
    path.write_bytes(b"x" * 100)
    assert read_bytes(path) == b"x" * 100
    path.write_bytes(b"x" * 101)
    with pytest.raises(Refused, match="too many"):
        read_bytes(path)


def test_a_file_that_grows_while_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(png_jpeg, "BYTES", 100)
    path = tmp_path / "film.png"
    path.write_bytes(b"x" * 101)
    small = os.stat_result([*path.stat()[:6], 50, *path.stat()[7:]])
    monkeypatch.setattr(type(path), "stat", lambda self, **_: small)
    with pytest.raises(Refused, match="too many"):
        read_bytes(path)


def test_what_never_ends_is_not_opened(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes on this system")
    os.mkfifo(tmp_path / "film.png")
    for read in (read_film, film_shape, read_own_film):
        with pytest.raises(CourseError, match="is no ordinary file"):
            read(tmp_path / "film.png")
        with pytest.raises(CourseError, match="is no ordinary file"):
            read("/dev/zero")
        with pytest.raises(CourseError, match="is a folder"):
            read(tmp_path)


def test_a_name_that_no_file_can_have():
    for read in (read_film, read_own_film):
        with pytest.raises(CourseError, match="no file can have this name"):
            read("a\0b.png")
    with pytest.raises(CourseError, match="cannot be read"):
        read_film("x" * 5000)


# ---- parts ------------------------------------------------------------------------------------------------------


def test_the_number_of_parts_is_bounded(gray, monkeypatch):
    monkeypatch.setattr(png_jpeg, "PARTS", 6)
    rows = b"".join(b"\0" + row.tobytes() for row in gray)
    text = png_chunk(b"tEXt", b"")
    np.testing.assert_array_equal(gray_of(png(30, 20, extra=3 * text, data=rows)), gray)  # IHDR, 3 texts, IDAT, IEND
    with pytest.raises(Refused, match="has more than 6 parts"):
        gray_of(png(30, 20, extra=4 * text, data=rows))
    data = jpeg(gray)
    count = len(png_jpeg.jpeg_frame(data).parts)  # the start mark in place of the scan
    comment = b"\xff\xfe\0\4hi"
    monkeypatch.setattr(png_jpeg, "PARTS", count + 1)
    assert gray_of(data[:2] + comment + data[2:]).shape == gray.shape
    with pytest.raises(Refused, match=f"has more than {count + 1} parts"):
        gray_of(data[:2] + 2 * comment + data[2:])


def test_passes_of_a_progressive_jpeg_are_bounded(gray, monkeypatch):
    data = jpeg(gray, progressive=True)
    passes = data.count(b"\xff\xda")
    assert passes > 3
    monkeypatch.setattr(png_jpeg, "SCANNED", passes * gray.size)
    assert gray_of(data).shape == gray.shape
    monkeypatch.setattr(png_jpeg, "SCANNED", passes * gray.size - 1)
    with pytest.raises(Refused, match=f"is a JPEG of {passes} passes"):
        gray_of(data)


def test_the_bound_on_passes_leaves_room():
    assert png_jpeg.SCANNED >= 12 * LARGEST and png_jpeg.PARTS >= BYTES // 8192


@pytest.mark.parametrize("kind", [b"iCCP", b"zTXt", b"iTXt", b"tRNS", b"acTL", b"gAMA", b"eXIf"])
def test_chunks_that_draw_nothing_are_left_out(gray, kind):
    rows = b"".join(b"\0" + row.tobytes() for row in gray)
    bomb = png_chunk(kind, b"a\0\0" + zlib.compress(bytes(5_000_000)))
    np.testing.assert_array_equal(gray_of(png(30, 20, extra=bomb, data=rows)), gray)
    head = head_of(png(30, 20, extra=bomb, data=rows))
    assert [part[4:8] for part in head.parts[1:]] == [b"IHDR", b"IDAT", b"IEND"]


def test_segments_that_draw_nothing_are_left_out(gray):
    whole = jpeg(np.dstack([gray] * 3), comment=b"c" * 99, exif=Image.Exif(), icc_profile=b"i" * 99)
    assert b"c" * 99 in whole
    handed_on = b"".join(head_of(whole).parts)
    assert b"c" * 99 not in handed_on and b"i" * 99 not in handed_on
    expected = np.asarray(Image.open(BytesIO(whole)).convert("L"))
    np.testing.assert_array_equal(gray_of(whole), expected)


def test_colours_of_jpeg_are_told_by_the_segments_kept(gray):
    for mode in ("L", "RGB", "CMYK"):
        buffer = BytesIO()
        Image.fromarray(gray).convert(mode).save(buffer, "JPEG", quality=95)
        expected = np.asarray(Image.open(BytesIO(buffer.getvalue())).convert("L"))
        np.testing.assert_array_equal(gray_of(buffer.getvalue()), expected)


@pytest.mark.parametrize("end", range(2, 40))
def test_the_head_of_a_jpeg_cut_anywhere(gray, end):
    with pytest.raises(Refused, match="damaged or cut short"):
        head_of(jpeg(gray)[:end])


def test_fill_bytes_between_segments(gray):
    data = jpeg(gray)
    np.testing.assert_array_equal(gray_of(data[:2] + b"\xff\xff" + data[2:]), gray_of(data))
    np.testing.assert_array_equal(gray_of(data[:2] + b"\xff\xfe\0\2" + data[2:]), gray_of(data))  # an empty comment
    with pytest.raises(Refused, match="damaged"):
        gray_of(data[:2] + b"\xff\xfe\0\1" + data[2:])


@pytest.mark.parametrize(("mark", "bits"), [(0xC3, 8), (0xC7, 8), (0xCB, 8), (0xCF, 8), (0xF7, 8), (0xC1, 12)])
def test_jpegs_of_other_kinds_are_named(gray, mark, bits):
    data = bytearray(jpeg(gray))
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4] = mark, bits
    with pytest.raises(Refused, match="is a JPEG of 12 bits or without loss") as raised:
        gray_of(bytes(data))
    assert raised.value.advice == "save it as PNG"


def test_tables_are_not_taken_for_sizes(gray):
    """DHT, JPG and DAC have numbers among those of the frames."""
    for mark in (0xBF, 0xC4, 0xC8, 0xCC, 0xD0):
        table = bytes([0xFF, mark]) + b"\0\x09" + bytes([8]) + struct.pack(">HHB", 7, 7, 1) + b"\0"
        data = jpeg(gray)
        at = data.index(b"\xff\xda")
        assert head_of(data[:at] + table + data[at:]).shape == gray.shape


# ---- other formats ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "BMP", "WEBP", "PCX", "TGA", "ICO", "EPS", "PPM", "SGI", "JPEG2000"])
def test_other_formats_are_refused_whatever_their_name(gray, tmp_path, kind):
    (tmp_path / "film.png").write_bytes(pillow(gray, kind))
    for read in (read_film, film_shape):
        with pytest.raises(CourseError, match=r"it is neither PNG nor JPEG|it holds text"):
            read(tmp_path / "film.png")
    with pytest.raises(CourseError, match="is no PNG, JPEG or DICOM file"):
        read_own_film(tmp_path / "film.png")


def test_a_tiff_of_floats_is_not_read_black(tmp_path):
    Image.fromarray(np.random.default_rng(1).random((20, 20), np.float32)).save(tmp_path / "film.tiff")
    (tmp_path / "film.tiff").rename(tmp_path / "film.png")
    with pytest.raises(CourseError, match="it is neither PNG nor JPEG"):
        read_film(tmp_path / "film.png")


def test_the_name_does_not_decide(gray, tmp_path):
    (tmp_path / "film.tiff").write_bytes(pillow(gray, "PNG"))
    np.testing.assert_array_equal(read_film(tmp_path / "film.tiff"), gray)


# ---- gray levels ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", range(1, 17))
def test_16_bit_films_are_scaled_by_the_bits_in_use(bits):
    wide = np.array([[0, 1, 2 ** (bits - 1), 2**bits - 1]], np.uint16)
    full = 255 if bits <= 8 else 2**bits - 1
    np.testing.assert_array_equal(to_8_bits(wide), wide.astype(int) * 255 // full)
    np.testing.assert_array_equal(gray_of(pillow(wide, "PNG")), wide.astype(int) * 255 // full)


@pytest.mark.parametrize("colour", [2, 4, 6])
def test_both_bytes_of_16_bit_colours_count(colour):
    rng = np.random.default_rng(2)
    channels = {2: 3, 4: 2, 6: 4}[colour]
    samples = rng.integers(0, 4096, (9, 7, channels))
    samples[0, 0] = 4095
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    luma = samples[..., 0] if colour == 4 else samples[..., :3] @ [0.299, 0.587, 0.114]
    film = gray_of(png(7, 9, 16, colour, data=rows))
    assert np.abs(film - luma * 255 / 4095).max() <= 1.05
    assert len(np.unique(film)) > 40
    assert head_of(png(7, 9, 16, colour)).wide_colour and not head_of(png(7, 9, 8, colour)).wide_colour


def test_large_films_are_worked_on_in_blocks(monkeypatch):
    wide = np.random.default_rng(3).integers(0, 65536, (50, 40)).astype(np.uint16)
    whole = to_8_bits(wide)
    monkeypatch.setattr(png_jpeg, "BLOCK", 100)
    assert max(block.size for block in blocks(wide)) <= 120 and sum(map(len, blocks(wide))) == 50
    np.testing.assert_array_equal(to_8_bits(wide), whole)
    assert len(blocks(np.zeros((2, 1000)))) == 2  # never less than a row


def test_a_film_of_six_million_pixels_is_worked_on_in_halves():
    """Wide numbers take eight bytes a pixel: 34 MB at a time, not 240 for the largest film."""
    parts = blocks(np.broadcast_to(np.uint16(7), (3000, 2000)))
    assert [part.shape for part in parts] == [(1500, 2000)] * 2
    assert len(blocks(np.broadcast_to(np.uint16(7), (2047, 2048)))) == 1


# ---- how the camera was held ------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_films_come_upright(gray, orientation, kind, tmp_path):
    smooth = np.add.outer(np.arange(0, 80, 4), np.arange(0, 150, 5)).astype(np.uint8)
    tags = Image.Exif()
    tags[0x010F] = "a maker"  # another entry before the one that counts
    tags[0x0112] = orientation
    data = pillow(np.ascontiguousarray(EXIF[orientation](smooth)), kind, exif=tags)
    (tmp_path / "film.png").write_bytes(data)
    with Image.open(BytesIO(data)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    for read in (read_film, read_own_film):
        np.testing.assert_array_equal(read(tmp_path / "film.png"), expected)
    assert np.abs(expected.astype(int) - smooth).max() <= 6
    assert film_shape(tmp_path / "film.png") == smooth.shape


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
@pytest.mark.parametrize("wide", [False, True])
def test_orientation_of_either_byte_order(gray, order, prefix, wide):
    tags = exif(6, order)
    if wide:  # a long number in place of a short one
        tags = tags[:12] + struct.pack(f"{order}HIII", 4, 1, 6, 0)
    assert head_of(png(30, 20, extra=png_chunk(b"eXIf", prefix + tags))).orientation == 6


@pytest.mark.parametrize(
    "tags", [b"", b"II", b"XX*\0" + bytes(30), exif(6, "<")[:15], exif(0, "<"), exif(9, ">"), b"II*\0\xff\xff\xff\xff"]
)
def test_orientation_that_cannot_be_read_is_none(tags):
    assert head_of(png(30, 20, extra=png_chunk(b"eXIf", tags))).orientation == 1


def test_a_png_without_its_first_chunk():
    with pytest.raises(Refused, match="damaged or cut short"):
        head_of(b"\x89PNG\r\n\x1a\n" + png_chunk(b"IEND", b""))
    with pytest.raises(Refused, match="damaged or cut short"):
        head_of(b"\x89PNG\r\n\x1a\n" + png_chunk(b"IDAT", bytes(13)) + png_chunk(b"IEND", b""))
    with pytest.raises(Refused, match="damaged or cut short"):
        head_of(png(5, 5)[:30])
    assert head_of(png(5, 5, end=False)).shape == (5, 5)


def test_a_segment_that_begins_with_no_mark_ends_the_walk():
    buffer = BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(buffer, "JPEG")
    data = bytearray(buffer.getvalue())
    second = 2 + 2 + int.from_bytes(data[4:6], "big")  # after the first segment
    assert png_jpeg.jpeg_frame(bytes(data)).height == 8 and data[second] == 0xFF
    data[second] = 0
    with pytest.raises(Refused):
        png_jpeg.jpeg_frame(bytes(data))


def test_a_pixel_is_one_byte_where_nothing_else_is_said(monkeypatch):
    monkeypatch.setattr(png_jpeg, "BYTES", 100)
    png_jpeg.check_pixels(10, 10)
    for size in ((10, 11), (10, 10, 2)):
        with pytest.raises(Refused):
            png_jpeg.check_pixels(*size)


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"", "is empty"), (b"a table\t1\r\n ~", "holds text"), (b"a\x1f", "neither PNG"), (b"a\x7f", "neither PNG"),
     (b"\x89PNG\n\x1a\n", "damaged"), (b"\x89PN", "neither PNG")],
)  # fmt: skip
def test_what_is_no_image_is_named(data, words):
    """Text is what can be printed, from the space to ~, with tabs and line ends."""
    with pytest.raises(Refused, match=words):
        head_of(data)


def test_the_scan_of_a_jpeg_begins_where_it_says():
    whole = jpeg(np.arange(256, dtype=np.uint8).reshape(16, 16))
    scan = whole.index(b"\xff\xda")
    assert png_jpeg.jpeg_frame(whole).scan == scan
    with pytest.raises(Refused, match="damaged"):  # a scan of a picture whose size is not known yet
        png_jpeg.jpeg_frame(whole[:2] + whole[scan:])


def test_what_is_known_of_a_file_stays_as_it_was_read(gray):
    assert str(Refused("is a folder", "shrink it")) == "is a folder"
    for found in (head_of(jpeg(gray)), png_jpeg.jpeg_frame(jpeg(gray))):
        with pytest.raises(FrozenInstanceError):
            found.parts = []
