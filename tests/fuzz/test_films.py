"""A few hundred films of each kind with every run of the tests; `python -m tests.fuzz films` tries as many as wanted."""

import numpy as np
import pytest

from tests.fuzz.films import a_dicom, a_jpeg, a_png, cases, run, verdict
from util.data.images import film_shape, read_film
from util.data.own_film import read_own_film
from util.errors import CourseError


def test_valid_films_are_read_right():
    row = run(400, seed=1, valid=1)
    assert row["read_right"] == row["tried"] == 400, row["told"]


def test_broken_films_are_refused_in_a_sentence_or_read():
    row = run(600, seed=2, valid=0)
    assert not row["tracebacks"] and not row["wrong"], row["told"]
    assert row["refused"] > 300 and row["refused"] + row["read_right"] == 600


def test_films_of_a_cohort_are_read_by_the_same_rules(tmp_path):
    rng = np.random.default_rng(3)
    for number in range(60):
        data, right, within, name = (a_png if number % 2 else a_jpeg)(rng)
        (tmp_path / "film.png").write_bytes(data)
        assert np.abs(read_film(tmp_path / "film.png") - right).max() <= within, name
        assert film_shape(tmp_path / "film.png") == right.shape, name


def test_the_verdict_can_fail():
    """Each way in which a reader can fail is noticed."""
    data, right, within, _ = a_png(np.random.default_rng(4))
    film = read_own_film(data)

    def refusing(sentence):
        def read(_):
            raise CourseError(sentence)

        return read

    for read, expected in (
        (lambda _: film, "read"),
        (lambda _: 255 - film, "wrong"),
        (lambda _: film[:-1], "wrong"),
        (lambda _: film.astype(float), "wrong"),
        (lambda _: 1 / 0, "traceback"),
        (refusing("A valid film, refused."), "wrong"),
    ):
        assert verdict(read, data, right, within, CourseError)[0] == expected
    for sentence, expected in (("One line.", "refused"), ("Two\nlines.", "wrong"), ("x" * 500, "wrong")):
        assert verdict(refusing(sentence), data, None, 0, CourseError)[0] == expected


def test_the_same_seed_gives_the_same_films():
    assert [case[0] for case in cases(7, 20)] == [case[0] for case in cases(7, 20)]
    assert [case[0] for case in cases(7, 20)] != [case[0] for case in cases(8, 20)]


@pytest.mark.parametrize("make", [a_png, a_jpeg, a_dicom])
def test_the_films_are_of_many_kinds(make):
    rng = np.random.default_rng(5)
    assert len({make(rng)[3] for _ in range(60)}) > 15
