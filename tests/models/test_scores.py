"""Scores as a table: recorded, kept, or computed, and never those of other weights or other films."""

import os

import numpy as np
import pandas as pd
import pytest

from util.errors import CourseError
from util.findings import FINDINGS
from util.models import scores
from util.models.scores import RECORDED, cohort_scores, origin
from util.models.weights import TOLERANCE, save_weights

F = list(FINDINGS)
TEST_PATIENTS = (0, 1, 2, 5, 6)  # see test_nih.py: the course's own split is frozen


@pytest.fixture
def films(nih_files):
    """A cohort of real format whose five films are all in the test split."""
    nih_files.labels(*[(f"{p}.png", "Mass", 0, p) for p in TEST_PATIENTS])
    for p in TEST_PATIENTS:
        nih_files.film(f"{p}.png", (40, 48))
    return nih_files.load()


@pytest.fixture
def counted(tiny_release, tmp_path, monkeypatch):
    """Tiny weights and an empty cache; the list grows with each film that is predicted."""
    import util.models.predict

    calls, predict = [], util.models.predict.predict

    def counting(pretrained, cohort, images, *rest):
        calls.extend(images)
        return predict(pretrained, cohort, images, *rest)

    monkeypatch.setattr(util.models.predict, "predict", counting)
    monkeypatch.setattr(scores, "CACHE", tmp_path / "build" / "scores")
    monkeypatch.setattr(scores, "RECORDED", tmp_path / "nothing.csv")
    monkeypatch.setattr(scores, "weights_for", lambda cohort: "phantom")  # the tiny ones bear that name
    return calls


# ---- computed and kept ------------------------------------------------------------------------------------------


def test_computed_once_then_kept_to_the_last_bit(films, counted, tmp_path):
    first = cohort_scores(films)
    assert counted == list(films.split("test")["Image"]) == list(first.index)
    assert list(first) == F
    again = cohort_scores(films)
    assert len(counted) == 5
    pd.testing.assert_frame_equal(again, first, check_exact=True)
    assert [path.suffix for path in (tmp_path / "build" / "scores").iterdir()] == [".csv"]


def test_scores_are_those_of_the_model(films, counted):
    from util.models.weights import load_pretrained

    loaded = load_pretrained()
    table = cohort_scores(films)
    for image, row in table.iterrows():
        logits = loaded.model(loaded.preprocessing(films.read(image))[None], training=False)[0]
        np.testing.assert_allclose(row, logits, atol=1e-5)


def test_a_second_table_goes_into_the_same_folder(films, counted, nih_files, tmp_path, capsys):
    cohort_scores(films)
    nih_files.film(f"{TEST_PATIENTS[0]}.png", (48, 40))
    cohort_scores(nih_files.load())
    assert len(list((tmp_path / "build" / "scores").iterdir())) == 2 and len(counted) == 10
    assert "not kept" not in "".join(capsys.readouterr())


def test_each_split_has_its_own_table(films, counted):
    assert cohort_scores(films, "valid").empty
    assert len(cohort_scores(films, "test")) == 5
    with pytest.raises(CourseError, match="no split 'all'"):
        cohort_scores(films, "all")


def test_other_weights_are_another_table(films, counted, tiny_release):
    import json

    from tests.helpers.networks import tiny_network

    before = cohort_scores(films)
    sha256 = save_weights(tiny_network(seed=9), tiny_release)
    passport = json.loads(tiny_release.with_suffix(".json").read_text())
    logits = {"image": passport["known_film"]["image"], "logits": known_logits(tiny_release, passport)}
    changed = passport | {"sha256": sha256, "known_film": logits}
    tiny_release.with_suffix(".json").write_text(json.dumps(changed))
    after = cohort_scores(films)
    assert len(counted) == 10
    assert (np.abs(after - before).max() > 0.01).all()


def known_logits(file, passport):
    """Logits of the known film as the weights in the file give them."""
    from tests.helpers.networks import tiny_network
    from util.data.images import read_film
    from util.models.predict import predict_films
    from util.models.preprocessing import Preprocessing
    from util.models.weights import read_weights

    read_weights(network := tiny_network(), file)
    film = read_film(file.parents[1] / "phantom" / "films" / passport["known_film"]["image"])
    return predict_films(network, Preprocessing(**passport["preprocessing"])(film)[None])[0].tolist()


def test_another_film_under_the_same_name_is_another_table(films, counted, nih_files):
    before = cohort_scores(films)
    path, status = films.paths["5.png"], films.paths["5.png"].stat()
    pixels = 255 - films.read("5.png")
    from PIL import Image

    Image.fromarray(pixels).save(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    after = cohort_scores(films)
    assert len(counted) == 10
    assert (after.loc["5.png"] != before.loc["5.png"]).all()
    pd.testing.assert_frame_equal(after.drop("5.png"), before.drop("5.png"))


@pytest.mark.parametrize("fault", ["a file stands there", "no permission", "disk full"])
def test_a_cache_that_cannot_be_written_costs_no_result(films, counted, tmp_path, monkeypatch, capsys, fault):
    if fault == "a file stands there":
        (tmp_path / "build").write_text("")
    elif fault == "no permission":
        monkeypatch.setattr("pathlib.Path.mkdir", refuse(PermissionError(13, "Permission denied")))
    else:
        monkeypatch.setattr(pd.DataFrame, "to_csv", refuse(OSError(28, "No space left on device")))
    table = cohort_scores(films)
    assert table.shape == (5, 14)
    assert np.isfinite(table).all(axis=None)
    printed = capsys.readouterr().out
    assert printed.startswith("The scores are not kept for next time: scores cannot be written (")
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[: data.rindex(b"\n", 0, -1) + 1],
        lambda data: data.replace(b"0.", b"nan.", 1),
        lambda data: b"\x00\x01" * 500,
        lambda data: data + data.splitlines(True)[-1],
    ],
)
def test_a_damaged_cache_is_computed_again(films, counted, tmp_path, spoil):
    first = cohort_scores(films)
    (path,) = (tmp_path / "build" / "scores").iterdir()
    path.write_bytes(spoil(path.read_bytes()))
    pd.testing.assert_frame_equal(cohort_scores(films), first, check_exact=True)
    assert len(counted) == 10 and list(path.parent.iterdir()) == [path]


def refuse(error):
    def raise_it(*_, **__):
        raise error

    return raise_it


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_folder_without_permission(films, counted, tmp_path, capsys):
    (tmp_path / "build").mkdir(mode=0o500)
    assert len(cohort_scores(films)) == 5
    assert "Permission denied" in capsys.readouterr().out


def test_an_interrupted_run_leaves_no_table(films, counted, monkeypatch):
    plain = pd.DataFrame.to_csv

    def half(self, path, **options):
        plain(self.head(2), path, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pd.DataFrame, "to_csv", half)
        with pytest.raises(KeyboardInterrupt):
            cohort_scores(films)
    assert len(cohort_scores(films)) == 5
    assert len(counted) == 10


def test_a_bad_film_stops_once_and_costs_no_others(films, counted, nih_files):
    films.paths["2.png"].write_bytes(b"")
    with pytest.raises(CourseError, match=r"1 films of the split test cannot be read: fetch 2\.png again"):
        cohort_scores(films)
    films.paths["2.png"].unlink()
    assert list(cohort_scores(nih_files.load()).index) == ["0.png", "1.png", "5.png", "6.png"]
    assert len(counted) == 5  # all were read the first time, none again


def test_films_that_are_not_on_disk(nih_files, counted):
    nih_files.labels(*[(f"{p}.png", "Mass", 0, p) for p in TEST_PATIENTS])
    with pytest.raises(CourseError, match=r"5 films of this cohort are not on disk, such as 0\.png"):
        cohort_scores(nih_files.load())


# ---- recorded ---------------------------------------------------------------------------------------------------


@pytest.fixture
def recorded(phantom_cohort, counted, tmp_path, monkeypatch):
    """A recorded table of the embedded films with made-up numbers, rows and columns shuffled."""
    images = phantom_cohort.films.query("Split != 'train'")["Image"]
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(len(images), 14)).round(5), index=images, columns=F)
    table.sample(frac=1, random_state=0)[F[::-1]].to_csv(tmp_path / "recorded.csv")
    monkeypatch.setattr(scores, "RECORDED", tmp_path / "recorded.csv")
    return table


@pytest.mark.parametrize("split", ["valid", "test"])
def test_recorded_scores_are_used_for_the_embedded_films(phantom_cohort, recorded, counted, split):
    table = cohort_scores(phantom_cohort, split)
    pd.testing.assert_frame_equal(table, recorded.loc[phantom_cohort.split(split)["Image"]], check_names=False)
    assert not counted


def test_recorded_scores_are_not_used_for_other_films(recorded, counted, films, phantom_cohort):
    from dataclasses import replace

    assert list(cohort_scores(films).index) == counted == list(films.films["Image"])
    some = phantom_cohort.split("test").head(2)
    moved = {image: films.paths[name] for image, name in zip(some["Image"], ("5.png", "6.png"), strict=True)}
    elsewhere = replace(phantom_cohort, films=some, paths=moved)  # the same names in another folder
    counted.clear()
    assert list(cohort_scores(elsewhere).index) == counted == list(some["Image"])


def test_origin_says_what_the_scores_can_mean(counted, films, phantom_cohort):
    assert origin(films).startswith("Scores: logits of the weights 'phantom', a tiny network of the tests.\n")
    assert "only ever seen simulated ones" in origin(films)
    assert "say nothing about patients" in origin(phantom_cohort)


def test_recorded_scores_match_model(pretrained, phantom_cohort):
    from util.models.predict import predict

    if not RECORDED.is_file():
        pytest.skip("data/weights/phantom_scores.csv is not there yet")
    table = pd.read_csv(RECORDED, index_col="Image")
    evaluated = [phantom_cohort.split(split)["Image"] for split in ("valid", "test", "reversed")]
    assert list(table.index) == list(pd.concat(evaluated))
    assert list(table) == F
    assert np.isfinite(table).all(axis=None)
    images = [*phantom_cohort.split("valid")["Image"][:3], *phantom_cohort.split("test")["Image"][-5:]]
    np.testing.assert_allclose(predict(pretrained, phantom_cohort, images), table.loc[images], atol=TOLERANCE)
