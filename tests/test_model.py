"""DenseNet-121's ends, and how it reads a cohort batch by batch."""

import threading

import numpy as np
import pytest

from tests.conftest import tiny_network
from util.errors import CourseError
from util.findings import FINDINGS
from util.images import Preprocessing
from util.model import batches, predict, predict_films
from util.weights import Pretrained


@pytest.fixture(scope="module")
def tiny():
    return Pretrained(tiny_network(), FINDINGS, Preprocessing(32, 120.0, 60.0), {})


@pytest.fixture
def films(nih_files):
    """A cohort of eleven films."""
    nih_files.labels(*[(f"{i}.png",) for i in range(11)])
    for i in range(11):
        nih_files.film(f"{i}.png", (40, 48))
    return nih_files.load()


def test_predict_is_the_model_film_by_film(tiny, films):
    images = list(films.films["Image"])[::-1]
    table = predict(tiny, films, images, batch_size=4)
    assert list(table.index) == images
    assert table.index.name == "Image"
    assert list(table) == list(FINDINGS)
    assert (table.dtypes == np.float32).all()
    one_by_one = [tiny.model(tiny.preprocessing(films.read(image))[None], training=False)[0] for image in images]
    np.testing.assert_allclose(table, np.stack(one_by_one), atol=1e-5)
    assert (table.nunique() == 11).all()  # no film was mixed up with another


@pytest.mark.parametrize("batch_size", [1, 3, 11, 50])
def test_batch_size_changes_nothing(tiny, films, batch_size):
    images = films.films["Image"]
    np.testing.assert_allclose(
        predict(tiny, films, images, batch_size), predict(tiny, films, images, batch_size=5), atol=1e-5
    )


def test_no_film_is_an_empty_table(tiny, films):
    table = predict(tiny, films, [])
    assert table.shape == (0, 14)
    assert list(table) == list(FINDINGS)


def test_at_most_two_batches_are_in_memory(films):
    preprocessing = Preprocessing(32, 120.0, 60.0)
    decoded, lock = [], threading.Lock()

    def counted(film):
        with lock:
            decoded.append(1)
        return preprocessing(film)

    for number, (names, ready) in enumerate(batches(films, films.films["Image"], counted, batch_size=2)):
        assert ready.shape == (len(names), 32, 32, 3)
        assert len(decoded) <= 2 * (number + 2)


def test_an_unreadable_film_is_named(tiny, films):
    films.paths["7.png"].write_bytes(b"")
    with pytest.raises(CourseError, match=r"The film 7\.png cannot be read \(it is empty\)"):
        predict(tiny, films, films.films["Image"], batch_size=2)


def test_a_short_batch_does_not_feel_its_filling(tiny):
    films = np.random.default_rng(0).normal(size=(5, 32, 32, 3)).astype(np.float32)
    np.testing.assert_allclose(predict_films(tiny.model, films, 8), predict_films(tiny.model, films, 5), atol=1e-5)


def test_embedded_model_ends_as_grad_cam_needs_it(pretrained):
    tail = [(layer.name, tuple(layer.output.shape[1:])) for layer in pretrained.model.layers[-3:]]
    assert tail == [("relu", (10, 10, 1024)), ("pool", (1024,)), ("logits", (14,))]
