"""Takes of a film: the same with the same seed, never mirrored, with the places of its findings."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from util.findings import FINDINGS
from util.training.augment import PLACE, _wires, augment


def gradient(size=64):
    """A film that is dark on the left and bright on the right, with a dark upper border."""
    film = np.tile(np.linspace(20, 235, size), (size, 1))
    film[: size // 8] = 0
    return film.astype(np.uint8)


def test_same_seed_same_take_and_the_film_is_left_alone():
    film = gradient()
    first, again, other = (augment(film, None, 64, np.random.default_rng(seed))[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 2
    np.testing.assert_array_equal(film, gradient())


def test_places_do_not_change_the_take():
    nowhere = np.zeros((8, 8, len(FINDINGS)), bool)
    with_places, _ = augment(gradient(), nowhere, 64, np.random.default_rng(5))
    without, none = augment(gradient(), None, 64, np.random.default_rng(5))
    np.testing.assert_array_equal(with_places, without)
    assert none is None


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.sampled_from([64, 96]), st.sampled_from([32, 64, 96]), st.booleans())
def test_keeps_side_and_type_at_the_size_asked_for(seed, size, asked, wide):
    nowhere = np.zeros((size // PLACE, size // PLACE, len(FINDINGS)), bool)
    film, places = augment(gradient(size), nowhere, asked, np.random.default_rng(seed), wide)
    assert film.dtype == np.uint8
    assert film.shape == (asked, asked)
    assert places.dtype == bool
    assert places.shape == (asked // PLACE, asked // PLACE, len(FINDINGS))
    assert not places.any()
    left, right = film[:, : asked // 3], film[:, -asked // 3 :]
    assert right.mean() > left.mean()  # never mirrored, never inverted


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("asked", [128, 192])
def test_places_move_with_the_film(seed, asked):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(3, 10, 2)
    film, places = np.zeros((128, 128), np.uint8), np.zeros((16, 16, len(FINDINGS)), bool)
    film[y * 8 : y * 8 + 32, x * 8 : x * 8 + 32] = 255  # four places wide
    places[y : y + 4, x : x + 4, 5] = True
    film, places = augment(film, places, asked, rng)
    bright = film.astype(float) - np.median(film)
    rows, columns = np.indices(film.shape) * (128 / asked)
    there = (bright > bright.max() * 0.6) & (np.abs(rows - y * 8 - 16) < 48) & (np.abs(columns - x * 8 - 16) < 48)
    centre = np.array([rows[there].mean(), columns[there].mean()])
    assert places[..., 5].any()
    at = (np.argwhere(places[..., 5]).mean(axis=0) + 0.5) * PLACE * (128 / asked)
    np.testing.assert_allclose(at, centre, atol=8)
    assert places.sum() == places[..., 5].sum()


def test_wide_takes_have_wires_and_stronger_shades():
    flat = np.full((64, 64), 128, np.uint8)
    spreads = [
        np.mean([augment(flat, None, 64, np.random.default_rng(seed), wide)[0].std() for seed in range(40)])
        for wide in (False, True)
    ]
    assert spreads[1] > 1.2 * spreads[0]
    line = _wires(64, np.random.default_rng(0))
    assert line.shape == (64, 64)
    assert line.dtype == np.float32
    assert 0 < np.mean(np.abs(line) > 0.02) < 0.8


def test_wide_takes_are_mostly_coarser():
    fine = np.random.default_rng(0).integers(0, 256, (96, 96)).astype(np.uint8)  # all of it from pixel to pixel

    def roughness(wide):
        takes = [augment(fine, None, 96, np.random.default_rng(seed), wide)[0].astype(float) for seed in range(40)]
        return np.median([np.abs(np.diff(take)).mean() for take in takes])

    assert roughness(True) < 0.8 * roughness(False)
