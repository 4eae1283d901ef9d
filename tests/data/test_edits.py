"""Edits of a film: what they touch, what they leave alone, and that one undoes itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from util.data.edits import erase, mirror, print_words, rewindow, upper_corners
from util.errors import CourseError

FILMS = arrays(np.uint8, st.tuples(st.integers(24, 60), st.integers(24, 60)))


@settings(max_examples=20, deadline=None)
@given(FILMS)
def test_erasing_leaves_the_rest_alone(film):
    before, where = film.copy(), upper_corners(film)
    erased = erase(film, where)
    assert np.array_equal(film, before) and erased.dtype == np.uint8
    assert np.array_equal(erased[~where], film[~where])


def test_erasing_a_word_on_an_even_film_restores_it():
    film = np.full((200, 200), 90, np.uint8)
    printed = print_words(film, x=0.3, y=0.5)
    where = np.zeros(film.shape, bool)
    where[80:115, 50:140] = True
    assert np.array_equal(printed[~where], film[~where]) and (printed != film).any()
    assert np.abs(erase(printed, where).astype(int) - film).max() <= 5  # it fills in whole gray levels, which drift


def test_erasing_continues_a_slope():
    film = np.tile(np.linspace(40, 200, 100).astype(np.uint8), (100, 1))
    where = np.zeros(film.shape, bool)
    where[45:55, 45:55] = True
    assert np.abs(erase(film, where).astype(int) - film).max() <= 8


@settings(max_examples=20, deadline=None)
@given(FILMS)
def test_mirrored_twice_is_the_film(film):
    assert np.array_equal(mirror(mirror(film)), film)
    assert np.array_equal(mirror(film), np.fliplr(film))


@settings(max_examples=20, deadline=None)
@given(FILMS, st.floats(-60, 60), st.floats(0.2, 3))
def test_a_window_keeps_the_order_of_gray_levels(film, level, contrast):
    given_ = rewindow(film, level, contrast).astype(int).ravel()
    order = np.argsort(film.ravel(), kind="stable")
    assert (np.diff(given_[order]) >= 0).all()
    assert np.array_equal(rewindow(film), film)


def test_words_only_brighten():
    film = np.random.default_rng(0).integers(0, 256, (160, 160)).astype(np.uint8)
    assert (print_words(film) >= film).all() and (print_words(film) > film).any()


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda film: erase(film, np.ones(film.shape, bool)), "leaves a part"),
        (lambda film: erase(film, np.zeros(film.shape, int)), "mask bool"),
        (lambda film: erase(film, np.zeros((3, 3), bool)), "of the film's shape"),
        (lambda film: print_words(film, x=1.2), "off the film"),
        (lambda film: rewindow(film, contrast=0), "factor above 0"),
        (lambda film: mirror(film / 255), "uint8"),
        (lambda film: upper_corners(film[None]), "uint8"),
    ],
)
def test_a_wrong_edit_is_told(edit, words):
    with pytest.raises(CourseError, match=words):
        edit(np.zeros((40, 40), np.uint8))
