"""From file to network input: decoding, resizing, standardising."""

import io
import re
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from util.data.images import film_shape, read_film, resize
from util.errors import CourseError
from util.models.preprocessing import Preprocessing

FILMS = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40))


@pytest.fixture
def save(tmp_path):
    """Save a PIL image as PNG or JPEG; returns the path."""

    def save(image, name="film.png", **options):
        image.save(tmp_path / name, **options)
        return tmp_path / name

    return save


def ramp(height=48, width=64):
    """Gray levels that rise to the right and downwards: turned or mirrored films are noticed."""
    return (np.arange(height)[:, None] * 2 + np.arange(width)[None] * 2).astype(np.uint8)


# ---- decoding ---------------------------------------------------------------------------------------------------


def test_gray_png_is_read_as_it_is(save):
    film = read_film(save(Image.fromarray(ramp())))
    assert film.dtype == np.uint8
    np.testing.assert_array_equal(film, ramp())
    np.testing.assert_array_equal(read_film(str(save(Image.fromarray(ramp())))), ramp())


def test_16_bit_keeps_black_white_and_the_order_between(save):
    wide = (ramp().astype(np.uint16) * 257).astype(np.uint16)
    np.testing.assert_array_equal(read_film(save(Image.fromarray(wide))), ramp())
    ends = np.array([[0, 256, 257, 32768, 65534, 65535]], dtype=np.uint16)
    assert read_film(save(Image.fromarray(ends))).tolist() == [[0, 0, 1, 127, 254, 255]]


def test_colour_becomes_luma(save):
    # ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [10, 200, 90]]], dtype=np.uint8)
    luma = colours @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(read_film(save(Image.fromarray(colours))), luma, atol=1)


def test_rgba_with_equal_channels_is_the_gray_film(save):
    gray = Image.fromarray(ramp())
    opaque = Image.new("L", gray.size, 255)
    np.testing.assert_array_equal(read_film(save(Image.merge("RGBA", [gray, gray, gray, opaque]))), ramp())
    np.testing.assert_array_equal(read_film(save(Image.merge("LA", [gray, opaque]))), ramp())


def test_palette_and_bilevel(save):
    inverted = Image.fromarray(255 - ramp())
    inverted = inverted.convert("P")
    inverted.putpalette([level for k in range(256) for level in (255 - k,) * 3])
    np.testing.assert_array_equal(read_film(save(inverted)), ramp())
    bilevel = Image.fromarray(np.uint8([[0, 255], [255, 0]])).convert("1")
    assert read_film(save(bilevel)).tolist() == [[0, 255], [255, 0]]


def test_jpeg_is_read_nearly_as_it_was(save):
    film = read_film(save(Image.fromarray(ramp()), "film.jpg", quality=95))
    np.testing.assert_allclose(film, ramp(), atol=4)


def test_film_shape_is_that_of_the_film_read(save):
    for mode in ("L", "RGBA", "1"):
        path = save(Image.fromarray(ramp(30, 50)).convert(mode))
        assert film_shape(path) == read_film(path).shape == (30, 50)


@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_a_film_cut_anywhere_is_an_error_or_whole(save, mode):
    path = save(Image.fromarray(ramp()).convert(mode))
    whole = path.read_bytes()
    refused = 0
    for cut in range(0, len(whole), max(1, len(whole) // 150)):
        path.write_bytes(whole[:cut])
        try:
            np.testing.assert_array_equal(read_film(path), ramp())  # only the end mark is missing
        except CourseError as error:
            refused += 1
            assert "film.png cannot be read (it is" in str(error)
            assert "fetch it again or remove it" in str(error)
    assert refused > 50


def test_a_film_with_damaged_pixels_is_refused(save):
    path = save(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)))
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    path.write_bytes(whole)
    with pytest.raises(CourseError, match="it is damaged or cut short"):
        read_film(path)


@pytest.mark.parametrize("ask", [read_film, film_shape])
def test_what_is_no_film_is_named(tmp_path, ask):
    with pytest.raises(CourseError, match=r"No film at .*film\.png: check the name, or fetch the film again"):
        ask(tmp_path / "film.png")
    for content, reason in (
        (b"", "it is empty"),
        (b"<html>", "it holds text"),
        (b"\x7fELF\x00", "neither PNG nor JPEG"),
        (b"del\x7f", "neither PNG nor JPEG"),
        (b"\ttext ~\r\n", "it holds text"),
        (b"\x1f", "neither PNG nor JPEG"),
        (b"a" * 512 + b"\0", "it holds text"),
        (b"a" * 511 + b"\0", "neither PNG nor JPEG"),
    ):
        (tmp_path / "film.png").write_bytes(content)
        with pytest.raises(CourseError, match=reason):
            ask(tmp_path / "film.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(CourseError, match="it is a folder"):
        ask(tmp_path / "folder.png")


@pytest.mark.parametrize("ask", [read_film, film_shape])
def test_an_image_too_large_to_be_a_film(tmp_path, ask):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0))
    (tmp_path / "film.png").write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IEND", b""))
    with pytest.raises(CourseError, match=r"film\.png cannot be read"):
        ask(tmp_path / "film.png")


@pytest.mark.parametrize("ask", [read_film, film_shape])
def test_a_film_that_may_not_be_read(save, monkeypatch, ask):
    path = save(Image.fromarray(ramp()))

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(io, "open", refuse)
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(CourseError, match=r"film\.png cannot be read \(permission denied\)"):
        ask(path)


# ---- resizing ---------------------------------------------------------------------------------------------------


def triangle(n, size):
    """Oracle: matrix (size, n) that shrinks n pixels to `size` with a triangle twice as wide as a new pixel."""
    scale = max(n / size, 1)
    centres = (np.arange(size)[:, None] + 0.5) * n / size
    weights = np.clip(1 - np.abs(np.arange(n)[None] + 0.5 - centres) / scale, 0, None)
    return weights / weights.sum(axis=1, keepdims=True)


@settings(max_examples=60)
@given(FILMS, st.integers(1, 40))
def test_resize_is_the_triangle_filter(film, size):
    height, width = film.shape
    expected = film if film.shape == (size, size) else triangle(height, size) @ film @ triangle(width, size).T
    resized = resize(film, size)
    assert resized.dtype == np.float32
    np.testing.assert_allclose(resized, expected, atol=2e-3)
    assert film.min() - 1e-3 <= resized.min() <= resized.max() <= film.max() + 1e-3


@settings(max_examples=30)
@given(st.integers(0, 255), array_shapes(min_dims=2, max_dims=2, max_side=60), st.integers(1, 60))
def test_resize_keeps_a_constant_film(level, shape, size):
    np.testing.assert_allclose(resize(np.full(shape, level, np.uint8), size), level, atol=1e-4)


def test_resize_keeps_the_mean_of_a_smooth_film():
    rows, columns = np.mgrid[:512, :512] / 512
    film = (127 + 90 * np.sin(5 * rows) * np.cos(4 * columns)).astype(np.uint8)
    resized = resize(film, 64)
    assert resized.mean() == pytest.approx(film.mean(), abs=0.1)
    area = cv2.resize(film.astype(np.float32), (64, 64), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(resized, area, atol=1.5)  # area averaging is another filter of the same width


def test_resize_does_not_alias():
    # A checkerboard finer than the new pixels is gray on average; the nearest pixel makes it all black or all white.
    film = (np.indices((512, 512)).sum(axis=0) % 2 * 255).astype(np.uint8)
    nearest = cv2.resize(film, (64, 64), interpolation=cv2.INTER_NEAREST)
    assert nearest.std() == 0
    assert nearest.mean() in (0, 255)
    np.testing.assert_allclose(resize(film, 64), 127.5, atol=1)
    # Lines of period 10.5 pixels, shrunk by 7: the nearest pixel keeps their contrast as a false pattern.
    lines = (127 + 127 * np.sin(np.arange(448) * 2 * np.pi / 10.5)).astype(np.uint8)[None].repeat(448, axis=0)
    assert cv2.resize(lines, (64, 64), interpolation=cv2.INTER_NEAREST).std() > 80
    assert resize(lines, 64).std() < 30


# ---- what a network reads ---------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(FILMS, st.integers(1, 40), st.floats(1, 254), st.floats(1, 127))
def test_preprocessing_closed_form(film, size, mean, std):
    ready = Preprocessing(size, mean, std)(film)
    assert ready.shape == (size, size, 3)
    assert ready.dtype == np.float32
    np.testing.assert_allclose(ready[..., 0], (resize(film, size) - mean) / std, atol=1e-4 * 255 / std)
    assert (ready[..., :1] == ready).all()  # the gray channel three times


def test_preprocessing_is_the_same_for_every_film():
    # Standardising each film by itself would make these two equal and hide that one is darker.
    ready = Preprocessing(32, 128.0, 64.0)
    dark, bright = np.full((40, 40), 64, np.uint8), np.full((40, 40), 192, np.uint8)
    np.testing.assert_allclose(ready(dark), -1)
    np.testing.assert_allclose(ready(bright), 1)


def test_preprocessing_leaves_the_film_alone():
    film = ramp(32, 32)
    ready = Preprocessing(32, 100.0, 50.0)(film)
    ready[:] = 0
    np.testing.assert_array_equal(film, ramp(32, 32))


@pytest.mark.parametrize(
    "wrong", [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4)), np.zeros((4, 4), np.uint16), np.zeros(4, np.uint8)]
)
def test_preprocessing_refuses_what_is_no_film(wrong):
    sentence = f"A film is a 2-D array of uint8, here {wrong.ndim}-D of {wrong.dtype}: read it with cohort.read(name)."
    with pytest.raises(CourseError, match=re.escape(sentence)):
        Preprocessing(4, 128.0, 64.0)(wrong)


def test_preprocessing_with_three_constants():
    """ImageNet's mean and SD of three channels, as CheXNet-Keras has them."""
    mean, std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    ready = Preprocessing(32, mean, std)(ramp(32, 32))
    assert ready.shape == (32, 32, 3) and ready.dtype == np.float32
    np.testing.assert_allclose(ready, (ramp(32, 32)[..., None] - np.array(mean)) / np.array(std), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(30, 50), (50, 30), (31, 50), (51, 30), (40, 40)])
def test_crop_takes_the_middle_and_keeps_the_aspect(shape):
    film, side = ramp(*shape), min(shape)
    top, left = (shape[0] - side) // 2, (shape[1] - side) // 2
    ready = Preprocessing(side, 0.0, 1.0, "crop")(film)
    np.testing.assert_array_equal(ready[..., 0], film[top : top + side, left : left + side])


@pytest.mark.parametrize(
    "wrong", [{"std": 0.0}, {"std": -1.0}, {"mean": np.nan}, {"aspect": "pad"}, {"std": (1, 2, 0)}]
)
def test_preprocessing_that_cannot_be(wrong):
    with pytest.raises(CourseError, match="std is above 0, aspect is 'stretch' or 'crop'"):
        Preprocessing(**{"size": 32, "mean": 0.0, "std": 1.0, **wrong})
