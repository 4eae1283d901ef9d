"""DenseNet-121's ends, and how it reads a cohort batch by batch."""

import threading

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.helpers.networks import tiny_network
from util.data.images import read_film
from util.errors import CourseError
from util.findings import FINDINGS
from util.models.predict import batches, predict, predict_films
from util.models.preprocessing import Preprocessing
from util.models.weights import Pretrained


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


def test_the_next_batch_is_decoded_while_one_is_scored(films):
    preprocessing, begun = Preprocessing(32, 120.0, 60.0), threading.Semaphore(0)

    def counted(film):
        begun.release()
        return preprocessing(film)

    ready = batches(films, films.films["Image"], counted, batch_size=2)
    next(ready)
    for _ in range(4):  # two of the batch that is here, two of the next
        assert begun.acquire(timeout=20)
    assert len(list(ready)) == 5


@pytest.mark.parametrize("batch_size", [1, 2, 8, 50])
def test_an_unreadable_film_is_named_and_the_rest_is_scored(tiny, films, batch_size, capsys):
    whole = predict(tiny, films, films.films["Image"])
    assert whole.attrs["unreadable"] == {} and capsys.readouterr().out == ""
    films.paths["7.png"].write_bytes(b"")
    films.paths["3.png"].write_bytes(films.paths["3.png"].read_bytes()[:-30])
    del films.paths["0.png"]
    table = predict(tiny, films, films.films["Image"], batch_size)
    lost = ["0.png", "3.png", "7.png"]
    pd.testing.assert_frame_equal(table, whole.drop(lost), atol=1e-5, rtol=0)
    assert list(table.attrs["unreadable"]) == lost
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "3 of 11 films cannot be read and have no scores:"
    assert "The film 0.png is not on disk" in told[1] and "7.png cannot be read (it is empty)" in told[3]


def test_not_one_readable_film(tiny, films):
    for path in films.paths.values():
        path.write_bytes(b"")
    with pytest.raises(CourseError, match=r"None of the 11 films can be read\. The film 0\.png"):
        predict(tiny, films, films.films["Image"])


def test_batches_raise_where_nobody_collects(films):
    films.paths["7.png"].write_bytes(b"")
    with pytest.raises(CourseError, match=r"The film 7\.png cannot be read \(it is empty\)"):
        list(batches(films, films.films["Image"], Preprocessing(32, 120.0, 60.0), batch_size=2))


def test_a_mistake_in_the_code_is_not_taken_for_a_bad_film(films):
    with pytest.raises(ZeroDivisionError):
        list(batches(films, films.films["Image"], lambda film: 1 / 0, unreadable={}))


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "I;16", "1", "LA", "RGB"])
def test_films_of_all_kinds_and_sizes(tiny, nih_files, mode):
    nih_files.labels(("a.png",), ("b.png",))
    gray = Image.fromarray(nih_files.film("a.png", (61, 43)))
    wide = Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)
    (wide if mode == "I;16" else gray.convert(mode)).save(nih_files.root / "images" / "b.png")
    table = predict(tiny, nih_files.load(), ["a.png", "b.png"])
    same = mode not in ("1", "P")  # two levels, and a palette of colours, are another film
    assert table.shape == (2, 14) and np.isfinite(table).all(axis=None)
    if same:
        np.testing.assert_allclose(table.loc["b.png"], table.loc["a.png"], atol=1e-4)


def test_without_the_last_relu():
    from util.models.densenet import build_densenet

    tail = [layer.name for layer in build_densenet(32, final_relu=False).layers[-3:]]
    assert tail == ["bn", "pool", "logits"]


def test_a_short_batch_does_not_feel_its_filling(tiny):
    films = np.random.default_rng(0).normal(size=(5, 32, 32, 3)).astype(np.float32)
    np.testing.assert_allclose(predict_films(tiny.model, films, 8), predict_films(tiny.model, films, 5), atol=1e-5)


def test_embedded_model_ends_as_grad_cam_needs_it(pretrained):
    tail = [(layer.name, tuple(layer.output.shape[1:])) for layer in pretrained.model.layers[-3:]]
    assert tail == [("relu", (10, 10, 1024)), ("pool", (1024,)), ("logits", (14,))]


def test_every_real_film_is_scored(tiny, nih_cohort, nih_root, capsys):
    """The RGBA ones too, and odd ones that are no whole films of NIH; by a network that costs nothing."""
    table = predict(tiny, nih_cohort, nih_cohort.films["Image"])
    assert list(table.index) == list(nih_cohort.films["Image"]) and table.attrs["unreadable"] == {}
    assert np.isfinite(table).all(axis=None) and capsys.readouterr().out == ""
    for path in sorted((nih_root / "odd").glob("*.png")):
        assert np.isfinite(tiny.preprocessing(read_film(path))).all()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_networks_of_the_weights_compute_in_float32_whatever_the_policy(policy):
    import keras

    from util.models.densenet import build_densenet

    before = keras.config.dtype_policy(), keras.config.floatx(), keras.config.image_data_format()
    try:
        keras.config.set_dtype_policy(policy)
        keras.config.set_floatx("float64")
        keras.config.set_image_data_format("channels_first")
        network = build_densenet(32)
        assert keras.config.dtype_policy().name == policy and keras.config.floatx() == "float64"
        assert keras.config.image_data_format() == "channels_first"
    finally:
        keras.config.set_dtype_policy(before[0])
        keras.config.set_floatx(before[1])
        keras.config.set_image_data_format(before[2])
    assert {layer.compute_dtype for layer in network.layers} == {"float32"}
    assert {str(variable.dtype) for variable in network.variables} == {"float32"}
    assert network.input_shape == (None, 32, 32, 3) and network.output_shape == (None, 14)
    assert network.get_layer("relu").output.shape == (None, 1, 1, 1024)


def test_settings_come_back_after_a_network_that_cannot_be_built():
    import keras

    from util.models.densenet import build_densenet

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        with pytest.raises(ValueError):
            build_densenet(8)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy(before)
