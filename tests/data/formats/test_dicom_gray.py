"""Gray levels of DICOM films in closed form: windows, tables, rescale, padding, palettes, equal channels."""

import struct

import numpy as np
import pytest

from tests.fuzz.dicom_writer import JPEG, Writer
from tests.helpers.dicom_film import Film, full, near, packed, refused
from util.data.formats import png_jpeg


@pytest.fixture
def codes():
    """Stored values of 16 bits, uint16 (h, w), 0 and 4000 among them."""
    values = np.random.default_rng(0).integers(0, 4000, (12, 10)).astype(np.uint16)
    values[0, :2] = 0, 4000
    return values


# ---- gray levels ------------------------------------------------------------------------------------------------


def test_the_range_of_the_film_and_its_inversion(codes):
    near(Film(codes).read(), full(codes), 0)
    near(Film(codes, photometric="MONOCHROME1").read(), 255 - full(codes))


@pytest.mark.parametrize(
    ("centre", "width"),
    [(2000, 2), (2000, 1), (1000, 500), (3000, 9000), (-500, 3000), (0.5, 2.5), (4000, 1), (0.5, 1)],
)
def test_a_linear_window(codes, centre, width):
    film = Film(codes).text(0x1050, f"{centre}").text(0x1051, f"{width}")
    edge = centre - 0.5
    right = np.where(codes > edge, 255.0, 0.0)
    if width > 1:
        right = 255 * np.clip((codes - edge) / (width - 1) + 0.5, 0, 1)  # PS3.3, C.11.2.1.2.1
    near(film.read(), right)


def test_a_table_that_is_black_throughout_shows_nothing(codes):
    refused(Film(codes).table(0x3010, 0, [0] * 4001, 0), "shows nothing")


def test_windows_of_the_other_kinds(codes):
    def film(kind, width=1000):
        return Film(codes).text(0x1050, "2000").text(0x1051, f"{width}").text(0x1056, kind, "CS")

    near(film("LINEAR_EXACT").read(), 255 * np.clip((codes - 2000.0) / 1000 + 0.5, 0, 1))
    near(film("linear_exact ").read(), 255 * np.clip((codes - 2000.0) / 1000 + 0.5, 0, 1))
    near(film("SIGMOID").read(), 255 / (1 + np.exp(-4 * (codes - 2000.0) / 1000)))
    near(film("LINEAR_EXACT", 0.5).read(), 255 * np.clip((codes - 2000.0) / 0.5 + 0.5, 0, 1))
    near(film("SIGMOID", 0.5).read(), 255.0 * (codes > 2000) + 127.5 * (codes == 2000))
    for kind, width in (
        ("LINEAR", 0.99),
        ("LINEAR", 0),
        ("LINEAR", -5),
        ("SIGMOID", 0),
        ("LINEAR_EXACT", 0),
        ("CUBIC", 10),
    ):
        refused(film(kind, width), "window or table is damaged", "export it with another window")


def test_a_window_by_halves_is_none(codes):
    near(Film(codes).text(0x1050, "2000").read(), full(codes), 0)
    near(Film(codes).text(0x1051, "100").read(), full(codes), 0)
    near(Film(codes).text(0x1050, "").text(0x1051, "").read(), full(codes), 0)


def test_a_window_that_shows_nothing(codes):
    for centre in ("-9000", "20000"):
        refused(Film(codes).text(0x1050, centre).text(0x1051, "100"), "shows nothing in the window of its header")


def test_a_film_of_one_gray():
    refused(Film(np.full((9, 9), 7, np.uint16)), "shows nothing: all its pixels are the same")
    refused(Film(np.arange(81, dtype=np.uint16).reshape(9, 9)).text(0x1053, "0"), "all its pixels are the same")


@pytest.mark.parametrize("slope", [-10, 0.5, 1000])
def test_rescale_before_the_window(codes, slope):
    values = codes * float(slope) + 3000
    centre, width = values.mean(), np.ptp(values) / 2
    film = Film(codes).text(0x1053, f"{slope}").text(0x1052, "3000")
    near(film.read(), full(values), 0)
    film.text(0x1050, f"{centre:.8g}").text(0x1051, f"{width:.8g}")
    near(film.read(), 255 * np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1))


@pytest.mark.parametrize("open_ended", [False, True])
def test_a_modality_table(codes, open_ended):
    entries = np.random.default_rng(1).integers(0, 65536, 3000)
    film = Film(codes).table(0x3000, 500, entries, 16, open_ended).text(0x1053, "9")
    right = entries[np.clip(codes.astype(int) - 500, 0, 2999)]  # what lies outside gets the ends'
    near(film.read(), full(right), 0)


def test_a_table_of_signed_values():
    values = np.arange(-50, 49).reshape(11, 9)
    entries = np.arange(99)[::-1] * 40
    film = Film(values.astype(np.int16).view(np.uint16), x103=1).table(0x3000, -50, entries, 12)
    near(film.read(), full(entries[values + 50]), 0)
    film = Film(values.astype(np.int16).view(np.uint16), x103=1).table(0x3010, -50, entries, 12)
    near(film.read(), 255 * entries[values + 50] / 4095)
    film = Film((values + 50).astype(np.uint16)).text(0x1052, "-50").text(0x1053, "1").table(0x3010, -50, entries, 12)
    near(film.read(), 255 * entries[values + 50] / 4095)
    film = (
        Film((49 - values).astype(np.uint16)).text(0x1053, "-1").text(0x1052, "0").table(0x3010, -99, np.arange(100), 8)
    )
    near(film.read(), np.clip(values - 49 + 99, 0, 99))


def test_a_table_of_values_above_32767(codes):
    """Its first value is beyond 32767 and means what it says where nothing is below zero."""
    entries = np.arange(4001)
    film = Film(codes + np.uint16(40_000)).table(0x3010, 40_000, entries, 12)
    near(film.read(), 255.0 * codes / 4095)


@pytest.mark.parametrize(
    ("bits", "declared", "used"),
    [(12, 12, 12), (12, 16, 12), (8, 16, 8), (14, 16, 14), (13, 15, 13), (13, 14, 14), (15, 16, 16), (12, 10, 12), (11, 12, 12), (10, 12, 10), (16, 0, 16), (12, 99, 12), (16, 17, 16)],
)  # fmt: skip
def test_the_depth_of_a_table(codes, bits, declared, used):
    entries = np.linspace(0, 2**bits - 1, 4001).astype(int)
    film = Film(codes).table(0x3010, 0, entries, declared).text(0x1050, "1").text(0x1051, "1")
    near(film.read(), 255.0 * entries[codes] / (2**used - 1))


def test_tables_packed_in_bytes(codes):
    small = (codes % 200).astype(np.uint8)
    for count in (200, 199):  # an odd number is filled up
        entries = np.arange(count)[::-1]
        film = Film(small).table(0x3010, 0, np.append(entries, [0] * (count % 2)), 8, count=count, kind="u1")
        near(film.read(), 255 * entries[np.clip(small, 0, count - 1)] / 255)


def test_a_table_of_65536_entries():
    codes = np.arange(0, 65536, 600, dtype=np.uint16)[:108].reshape(12, 9)
    entries = np.arange(65536)[::-1]
    film = Film(codes).table(0x3010, 0, entries, 16, count=0, open_ended=True)  # 0 stands for 65,536
    near(film.read(), 255 * (65535.0 - codes) / 65535)


@pytest.mark.parametrize("count", [3, 5])
def test_tables_that_are_damaged(codes, count):
    refused(Film(codes).table(0x3010, 0, [1, 2, 3, 4], 12, count=count), "LUTData cannot be understood")
    refused(Film(codes).table(0x3010, 0, [1, 2], 8, count=count + 2, kind="u1"), "LUTData cannot be understood")
    for raw in (b"\1\0\2\0", b"\1\0\2\0\3", b"\1\0" * 4):
        film, item = Film(codes), Writer()
        item.put(0x28, 0x3002, "US", raw)
        item.put(0x28, 0x3006, "OW", b"\1\0")
        film.header.sequence(0x3010, item, False)
        refused(film, "LUTDescriptor cannot be understood")


def test_a_table_of_nothing_beside_a_window(codes):
    window = 255 * np.clip((codes - 1999.5) / 999 + 0.5, 0, 1)
    for item in (None, Writer()):
        film = Film(codes).text(0x1050, "2000").text(0x1051, "1000")
        if item is None:
            film.header.put(0x28, 0x3010, "SQ", b"")
        else:
            film.header.sequence(0x3010, item, False)
        near(film.read(), window)
    film = Film(codes).text(0x1050, "2000").text(0x1051, "1000")
    film.header.put(0x28, 0x3010, "SQ", b"\1\2\3\4\5\6\7\0")  # no item begins here
    near(film.read(), window)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("pad", [0, 65535, 5000])
def test_padding_is_no_film(codes, photometric, pad):
    values = codes + np.uint16(100)
    right = full(values) if photometric == "MONOCHROME2" else 255 - full(values)
    values[3:, :4], right[3:, :4] = pad, 0
    near(Film(values, photometric=photometric, x120=pad).read(), right)


def test_padding_by_a_range_and_below_zero(codes):
    values = codes.astype(int) + 100
    values[5, :3] = 40, 50, 60
    right = full(codes)
    right[5, :3] = 0
    for ends in ((40, 60), (60, 40)):
        near(Film(values.astype(np.uint16), x120=ends[0], x121=ends[1]).read(), right, 0)
    film = Film(values.astype(np.uint16), x120=50)
    assert np.abs(film.read() - right).max() > 3  # 40 and 60 are film now
    values[5, :3] = -2000
    near(Film(values.astype(np.int16).view(np.uint16), x103=1, x120=63536).read(), right, 0)
    refused(Film(np.full((9, 9), 7, np.uint16), x120=7), "all its pixels are the same")


def test_large_films_are_worked_on_in_blocks(codes, monkeypatch):
    film = Film(codes, x120=0)
    whole = film.read()
    monkeypatch.setattr(png_jpeg, "BLOCK", 20)
    np.testing.assert_array_equal(film.read(), whole)


# ---- colours ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("apart", [0, 1])
@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
def test_three_equal_channels(codes, photometric, apart):
    gray = (codes >> 4).astype(np.uint8)
    neutral = gray if photometric == "RGB" else np.full_like(gray, 128)
    for off, fine in ((0, True), (6, True), (7, False)):
        planes = [gray, neutral + np.uint8(off) * (gray == gray.min()), neutral]
        film = Film(gray, photometric=photometric, x02=3, x06=apart)
        film.pixels = np.stack(planes, axis=0 if apart else -1).astype(np.uint8).tobytes()
        if fine:
            near(film.read(), gray.astype(float), 0)
        else:
            refused(film, "is no single gray film but a picture in colours", "export the film itself")


def test_three_channels_of_16_bits(codes):
    film = Film(codes, photometric="RGB", x02=3, x101=12, x102=11)
    film.pixels = np.repeat(codes[..., None], 3, axis=-1).tobytes()
    near(film.read(), 255.0 * codes / 4095)


def test_colours_packed_by_jpeg(codes):
    gray = np.add.outer(np.arange(0, 96, 4), np.arange(0, 150, 5)).astype(np.uint8)
    frame = packed(np.dstack([gray] * 3), "JPEG", quality=98)
    near(Film(gray, JPEG, photometric="YBR_FULL_422", x02=3).fragments(frame).read(), gray.astype(float), 6)
    coloured = np.dstack([gray, gray[::-1], gray])
    refused(Film(gray, JPEG, photometric="YBR_FULL_422", x02=3).fragments(packed(coloured, "JPEG")), "in colours")


def test_halved_chroma_without_a_decoder(codes):
    film = Film(codes.astype(np.uint8), photometric="YBR_FULL_422", x02=3)
    film.pixels = codes.astype(np.uint8).tobytes() * 2
    refused(film, "in colours")


def palette(film, grays, bits=16, names=3, first=0):
    for colour in range(3):
        shown = grays if colour < names else grays[::-1]
        data = (shown * 257).astype("<u2") if bits == 16 else shown.astype(np.uint8)
        film.header.put(0x28, 0x1101 + colour, "US", struct.pack("<HHH", len(shown) % 65536, first, bits))
        film.header.put(0x28, 0x1201 + colour, "OW", data.tobytes())
    return film


@pytest.mark.parametrize("bits", [8, 16])
def test_a_palette_of_grays(codes, bits):
    indices, grays = (codes % 256).astype(np.uint8), 255 - np.arange(256)
    film = palette(Film(indices, photometric="PALETTE COLOR"), grays, bits)
    near(film.read(), grays[indices].astype(float), 0)
    refused(palette(Film(indices, photometric="PALETTE COLOR"), grays, bits, names=2), "in colours")
    film = palette(Film(indices, photometric="PALETTE COLOR"), grays[:100], bits, first=50)
    near(film.read(), grays[np.clip(indices.astype(int) - 50, 0, 99)].astype(float), 0)


def test_a_palette_that_is_missing(codes):
    refused(Film(codes, photometric="PALETTE COLOR"), "RedPaletteColorLookupTableDescriptor cannot be understood")
