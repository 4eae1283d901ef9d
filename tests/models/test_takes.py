"""Takes of a film: small and reproducible changes, scored by name; the recorded table fits its cohort."""

from zlib import crc32

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from util.data.cohort import load_cohort
from util.errors import CourseError
from util.findings import FINDINGS
from util.losses.linear_heads import components, head_logits
from util.models import takes
from util.models.scores import cohort_scores


def test_a_take_is_the_film_moved_a_little_and_the_same_each_time():
    film = np.full((60, 70), 90, np.uint8)
    film[20:40, 25:45] = 200
    made = [takes.take(film, seed) for seed in range(6)]
    assert all(one.shape == film.shape and one.dtype == np.uint8 for one in made)
    assert np.array_equal(made[2], takes.take(film, 2)) and not np.array_equal(made[1], made[2])
    for one in made:
        rows, columns = np.nonzero(one > one.mean() + 30)
        assert abs(rows.mean() - 29.5) <= takes.SHIFT + 1 and abs(columns.mean() - 34.5) <= takes.SHIFT + 1
        assert abs(one.mean() - film.mean()) < 20


def test_a_film_of_another_kind_is_refused():
    for film in (np.zeros((4, 4)), np.zeros((4, 4, 3), np.uint8)):
        with pytest.raises(CourseError, match="uint8"):
            takes.take(film, 1)


def test_takes_are_read_by_name():
    cohort = load_cohort("phantom")
    again = takes.Takes("phantom", cohort.films, cohort.boxes, paths=cohort.paths)
    image = cohort.split("test")["Image"][0]
    expected = takes.take(cohort.read(image), crc32(f"{image} 3".encode()))
    assert np.array_equal(again.read(f"{image}#3"), expected)


def test_the_recorded_takes_are_of_the_test_films():
    """Another take is close to the film's own logits: nearer to them than to those of other films."""
    logits, own = takes.recorded_takes(), cohort_scores(load_cohort("phantom"), "test").to_numpy()
    assert logits.shape == (len(own), takes.TAKES, len(FINDINGS))
    distance = np.abs(logits[:60, :, None] - own[:60][None, None]).mean(axis=-1)
    assert np.mean(distance.argmin(axis=-1) == np.arange(60)[:, None]) > 0.9


def test_a_damaged_table_is_named(tmp_path, monkeypatch):
    text = takes.RECORDED.read_text()
    for spoilt in (
        "",
        text[:2000],
        text.replace("Edema", "Oedema"),
        text.replace(".png", ".bmp").replace(".jpg", ".bmp"),
    ):
        path = tmp_path / "table.csv"
        path.write_text(spoilt)
        monkeypatch.setattr(takes, "RECORDED", path)
        monkeypatch.setattr(takes, "HOME", tmp_path)
        with pytest.raises(CourseError, match=r"table\.csv is missing or damaged"):
            takes.recorded_takes()


def test_the_command_writes_what_the_lesson_reads(tmp_path, monkeypatch, capsys):
    def scored(pretrained, cohort, images):
        table = takes.pd.DataFrame(np.ones((len(images), 14)), takes.pd.Index(images, name="Image"), list(FINDINGS))
        return table + np.arange(len(images))[:, None] % 4

    monkeypatch.setattr("util.models.predict.predict", scored)
    monkeypatch.setattr("util.models.weights.load_pretrained", lambda name: name)
    monkeypatch.setattr(takes, "RECORDED", tmp_path / "takes.csv")
    assert takes.main([]) == 0
    assert "1,680 answers of takes about 420 films" in capsys.readouterr().out
    assert takes.recorded_takes()[5, :, 3].tolist() == [1, 2, 3, 4]


def test_heads_are_those_of_a_plain_loop_and_differ_by_the_patients_they_met():
    """Two findings, one of which a feature gives away: every head ranks by it; a head of all films is near their mean."""
    rng = np.random.default_rng(0)
    patients, y = np.repeat(np.arange(60), 2), rng.integers(0, 2, (120, 2))
    x = np.column_stack([y[:, 0] + rng.normal(0, 0.5, 120), rng.normal(size=(120, 5))])
    training = patients < 40
    logits = takes.bootstrap_heads(x, y, patients, training)
    assert logits.shape == (120, takes.HEADS, 2) and np.isfinite(logits).all()
    assert np.array_equal(logits, takes.bootstrap_heads(x, y, patients, training))
    assert all(roc_auc_score(y[~training, 0], head) > 0.8 for head in logits[~training, :, 0].T)
    assert len({tuple(head.round(6)) for head in logits[:, :, 0].T}) == takes.HEADS
    again = takes.bootstrap_heads(x, np.where(training[:, None], y, 1 - y), patients, training)
    assert np.array_equal(logits, again)  # labels of test films play no part
    rows, drawn = [], np.random.default_rng(0).choice(np.arange(40), 40)
    for one in drawn:
        rows += list(np.flatnonzero(patients == one))
    few = components(x, training)
    first = head_logits(
        np.vstack([few[rows], few]), np.vstack([y[rows], y]), np.arange(len(rows) + 120) < len(rows), "weighted"
    )[len(rows) :]
    np.testing.assert_allclose(logits[:, 0], first)


def test_the_recorded_heads_are_of_the_test_films():
    cohort = load_cohort("phantom")
    logits, test = takes.recorded_heads(), cohort.split("test")
    assert logits.shape == (len(test), takes.HEADS, len(FINDINGS))
    aucs = [roc_auc_score(test["Effusion"], head) for head in logits[:, :, FINDINGS.index("Effusion")].T]
    assert min(aucs) > 0.75 and len(set(aucs)) == takes.HEADS
