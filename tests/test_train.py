"""Training: stages, augmentation, split, and a run that may be interrupted anywhere between two rounds."""

import json
from contextlib import contextmanager
from dataclasses import replace
from functools import partialmethod

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import tiny_network
from util import train
from util.errors import CourseError
from util.findings import FINDINGS
from util.images import Preprocessing
from util.train import Batches, Stage, Training, augment, main, plan, release
from util.weights import check_known_film, load_pretrained, read_weights

N, SIZE, STAGES = 40, 64, "32:16,64:4"


# ---- stages -----------------------------------------------------------------------------------------------------


def test_plan():
    assert plan("128:12000,320:1500") == [(128, 12000), (320, 1500)]
    assert plan("32:1") == [(32, 1)]
    assert plan(train.STAGES)[-1][0] == train.FINAL_SIZE


@pytest.mark.parametrize("stages", ["", "128", "a:b", "100:5", "128:0", "-32:5", "0:5", "128:5:6", "128:5,", "128:1.5"])
def test_plan_refuses_other_forms(stages):
    with pytest.raises(CourseError, match=r"not of the form .* \(pixels, a multiple of 32 : films\)"):
        plan(stages)


def test_mistakes_cost_no_film(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(train, "render_shards", None)  # drawing thousands of films comes after all checks
    assert main(["--out", str(tmp_path), "--stages", "64:500"]) == 2
    assert "The last stage must be at 320 pixels" in capsys.readouterr().err
    assert main(["--out", str(tmp_path), "--stages", "big"]) == 2
    assert "'big'" in capsys.readouterr().err


# ---- films ------------------------------------------------------------------------------------------------------


def gradient(size=64):
    """A film that is dark on the left and bright on the right, with a dark upper border."""
    film = np.tile(np.linspace(20, 235, size), (size, 1))
    film[: size // 8] = 0
    return film.astype(np.uint8)


NOWHERE = np.zeros((8, 8, len(FINDINGS)), bool)


def test_augment_is_deterministic_and_varies():
    film = gradient()
    first, again, other = (augment(film, NOWHERE, np.random.default_rng(seed))[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 2
    np.testing.assert_array_equal(film, gradient())  # the film itself is left alone


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.sampled_from([32, 64, 96]))
def test_augment_keeps_type_and_side(seed, size):
    nowhere = np.zeros((size // 8, size // 8, len(FINDINGS)), bool)
    film, places = augment(gradient(size), nowhere, np.random.default_rng(seed))
    assert film.dtype == np.uint8
    assert film.shape == (size, size)
    assert places.dtype == bool
    assert places.shape == nowhere.shape
    assert not places.any()
    left, right = film[:, : size // 3], film[:, -size // 3 :]
    assert right.mean() > left.mean()  # never mirrored, never inverted


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.integers(2, 12), st.integers(2, 12))
def test_places_move_with_the_film(seed, x, y):
    film, places = np.zeros((128, 128), np.uint8), np.zeros((16, 16, len(FINDINGS)), bool)
    film[y * 8 : y * 8 + 16, x * 8 : x * 8 + 16] = 255  # two places wide
    places[y : y + 2, x : x + 2, 5] = True
    film, places = augment(film, places, np.random.default_rng(seed))
    bright = film.astype(float) - np.median(film)
    rows, columns = np.indices(film.shape)
    there = (bright > bright.max() / 2) & (np.abs(rows - y * 8) < 48) & (np.abs(columns - x * 8) < 48)
    centre = np.array([rows[there].mean(), columns[there].mean()])
    assert places[..., 5].any()
    np.testing.assert_allclose(np.argwhere(places[..., 5]).mean(axis=0) * 8 + 3.5, centre, atol=6)
    assert places.sum() == places[..., 5].sum()


def test_places_of_coarser_maps():
    places = np.zeros((1, 4, 8, len(FINDINGS)), bool)
    places[0, 1, 6, 2] = True
    fine, middle, coarse = train.at_maps(places)
    np.testing.assert_array_equal(fine, places)
    assert np.argwhere(middle).tolist() == [[0, 0, 3, 2]]
    assert np.argwhere(coarse).tolist() == [[0, 0, 1, 2]]
    assert middle.shape[1:3] == (2, 4)
    assert coarse.shape[1:3] == (1, 2)
    assert {level.dtype for level in (fine, middle, coarse)} == {np.dtype(np.float32)}


# ---- a stage ----------------------------------------------------------------------------------------------------


def shards(out, n, seed, size, enriched):
    """In place of `render_shards`: three chunks of noise that is brighter with the first finding, places and all."""
    rng = np.random.default_rng(seed)
    mined = rng.integers(0, 2, (n, len(FINDINGS)), dtype=np.uint8)
    films = rng.integers(0, 100, (n, size, size)) + 100 * mined[:, :1, None]
    places = rng.random((n, size // 8, size // 8, len(FINDINGS))) < 0.02
    out.mkdir(parents=True, exist_ok=True)
    for number, rows in enumerate(np.array_split(np.arange(n), 3)):
        np.save(out / f"films-{number:04d}.npy", films[rows].astype(np.uint8))
        np.save(out / f"places-{number:04d}.npy", places[rows])
    np.save(out / "mined.npy", mined)
    np.save(out / "truth.npy", mined.astype(np.float32))
    pd.DataFrame({"PatientId": np.arange(n) // 3}).to_csv(out / "table.csv", index=False)
    (out / "recipe.json").write_text("{}")


@contextmanager
def smaller():
    """Everything about training small: rounds of eight films of at most 64 pixels, a tiny network."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"FINAL_SIZE": SIZE, "ROUND": 8, "HELD_OUT": 7, "render_shards": shards}.items():
            patch.setattr(train, name, value)
        patch.setattr(train, "build_densenet", tiny_network)
        patch.setattr("util.model.build_densenet", tiny_network)
        # Compiling with XLA takes longer than all the rest.
        patch.setattr(keras.Model, "compile", partialmethod(keras.Model.compile, jit_compile=False))
        yield


@pytest.fixture
def small():
    with smaller():
        yield


@pytest.fixture
def stage(small, tmp_path):
    return Stage(tmp_path / "films", 20, 1, SIZE)


def test_stage_holds_out_films_of_other_patients(stage, tmp_path):
    patients = pd.read_csv(tmp_path / "films" / "table.csv")["PatientId"]
    assert list(stage.held_out) == list(range(20, 27))
    assert patients[19] == patients[20]  # so this patient's earlier films must not be trained on
    assert not set(patients[stage.training]) & set(patients[stage.held_out])
    assert set(patients[stage.training]) | set(patients[stage.held_out]) == set(patients)


def test_films_over_chunks_are_one_array(stage):
    whole = np.concatenate(stage.chunks)
    assert len(stage.chunks) == 3
    for row in range(27):
        np.testing.assert_array_equal(stage.film(row), whole[row])


def test_every_film_is_seen_before_one_is_seen_again(stage):
    rounds = [list(stage.round(number, 8, (3, 0))) for number in range(5)]
    assert all(len(rows) == 8 for rows in rounds)
    seen = [row for rows in rounds for row in rows]
    assert set(seen) == set(stage.training)
    n = len(stage.training)
    assert len(set(seen[:n])) == n
    assert rounds[0] == list(stage.round(0, 8, (3, 0)))
    assert rounds[0][:5] == list(stage.round(0, 5, (3, 0)))  # the last round of a stage may be shorter
    assert rounds[0] != list(stage.round(0, 8, (3, 1)))


def test_place_weights_balance_each_finding_at_each_map(stage):
    weights = stage.place_weights()
    maps = train.at_maps(stage.places[stage.training])
    assert len(weights) == len(maps) == len(train.MAPS)
    for (positive, negative), level in zip(weights, maps, strict=True):
        share = level.mean(axis=(0, 1, 2), dtype=float)
        np.testing.assert_allclose(positive, np.minimum(0.5 / share, train.MOST_WEIGHT))
        np.testing.assert_allclose(negative * (1 - share), 0.5)
    assert weights[-1][0].max() < train.MOST_WEIGHT  # the coarsest are balanced in full
    stage.places[..., 3] = False
    stage.places[stage.training[0], 0, 0, 3] = True  # one place in a thousand
    assert stage.place_weights()[0][0][3] == train.MOST_WEIGHT


def test_batches_pair_each_film_with_its_labels_and_places(stage):
    rows = stage.training[[7, 2, 9, 4, 0]]
    data = Batches(stage, rows, Preprocessing(SIZE, 0.0, 1.0), 2, (1, 0, 0))
    assert len(Batches(stage, rows[:1], data.preprocessing, 2, (1,))) == 1  # never an empty round
    assert len(data) == 2  # the fifth film would make a batch of another shape
    films, (present, *maps) = data[1]
    assert films.shape == (2, SIZE, SIZE, 3)
    assert films.dtype == present.dtype == np.float32
    np.testing.assert_array_equal(present, stage.truth[rows[2:4]] > 0)
    np.testing.assert_array_equal(films, data[1][0])
    takes = [
        augment(stage.film(row), stage.places[row], np.random.default_rng([1, 0, 0, int(row)])) for row in rows[2:4]
    ]
    for film, (expected, _) in zip(films, takes, strict=True):
        np.testing.assert_array_equal(film[..., 0], expected)
    for ours, theirs in zip(maps, train.at_maps(np.stack([where for _, where in takes])), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    later = Batches(stage, rows, Preprocessing(SIZE, 0.0, 1.0), 2, (1, 0, 1))
    assert (later[1][0] != films).any()  # another round is another take


# ---- a run ------------------------------------------------------------------------------------------------------


def tiny(out, stages=STAGES):
    """Training of a tiny network in three rounds of at most eight films."""
    return Training(out, N, 3, stages, 4)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(training, model) of a run without interruption."""
    with smaller():
        training = tiny(tmp_path_factory.mktemp("run"))
        return training, training.run()


@pytest.fixture
def finished(run, small):
    """The same, where everything is still small."""
    return run


LOSSES = ["loss_logits", "loss_pool3_relu", "loss_pool4_relu", "loss_relu"]


def test_log(finished):
    training, _ = finished
    log = pd.read_csv(training.log)
    assert list(log) == ["size", "round", "films", *LOSSES, "held_out_auc"]
    assert log[["size", "round", "films"]].values.tolist() == [[32, 0, 8], [32, 1, 8], [64, 0, 4]]
    assert (log[LOSSES] > 0).all(axis=None)
    assert list(log["held_out_auc"].isna()) == [True, False, False]  # at the end of each stage
    assert log["held_out_auc"].dropna().between(0, 1).all()


def test_every_array_is_trained_and_the_head_for_the_places_is_gone(finished):
    _, model = finished
    assert model.input_shape == (None, SIZE, SIZE, 3)
    assert [v.path for v in model.variables] == [v.path for v in tiny_network(SIZE).variables]
    moved = [np.abs(a - b).max() for a, b in zip(model.get_weights(), tiny_network().get_weights(), strict=True)]
    assert min(moved) > 1e-5


def test_standardised_with_training_films_alone(finished):
    training, _ = finished
    first = training.stage(0)
    films = np.concatenate(first.chunks)[first.training]
    assert training.mean == pytest.approx(films.mean(), abs=0.01)
    assert training.std == pytest.approx(films.std(), abs=0.01)


def test_stages_have_other_films_and_no_more_than_asked_for(small, tmp_path):
    training = Training(tmp_path, 12, 3, STAGES, 4)
    first, second = training.stage(0), training.stage(1)
    assert [len(s.mined) for s in (first, second)] == [12 + 7, 4 + 7]
    assert (first.mined[:11] != second.mined).any()


def test_an_interrupted_run_resumes_to_the_same_model(finished, tmp_path, monkeypatch):
    plain, calls = Training.one_round, []

    def stop_in_the_second(self, *arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return plain(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "one_round", stop_in_the_second)
        with pytest.raises(KeyboardInterrupt):
            tiny(tmp_path).run()
    assert len(pd.read_csv(tmp_path / "log.csv")) == 1
    resumed = tiny(tmp_path).run()
    training, model = finished
    for ours, theirs in zip(resumed.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "log.csv"), pd.read_csv(training.log), atol=1e-4)
    assert not (tmp_path / "partial.weights.h5").exists()


def test_a_finished_run_is_not_trained_again(finished, monkeypatch):
    training, model = finished
    monkeypatch.setattr(Training, "one_round", None)
    again = tiny(training.out).run()
    for ours, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("stages", ["64:24", "32:8,64:4", "32:16"])
def test_other_stages_in_the_same_folder_are_refused(finished, stages):
    with pytest.raises(CourseError, match=r"log\.csv was begun with other stages: choose another folder"):
        tiny(finished[0].out, stages).run()


def test_held_out_auc_compares_mined_labels_of_held_out_films(finished, monkeypatch):
    training, _ = finished
    stage, model = training.stage(0), tiny_network(32)
    labels = iter(np.array_split(stage.mined[stage.held_out], [4]))
    monkeypatch.setattr(train, "predict_films", lambda model, films, batch_size: next(labels).astype(float))
    assert training.held_out_auc(model, stage, 32) == 1


def test_the_step_size_falls_with_the_pixels_seen(small, tmp_path):
    training = tiny(tmp_path)
    rates = [training.rate(0, 0), training.rate(0, 1), training.rate(1, 0)]
    done = np.array([0, 8 * 32**2, 16 * 32**2]) / (16 * 32**2 + 4 * 64**2)
    np.testing.assert_allclose(rates, train.RATE * (1 + np.cos(np.pi * done)) / 2)


# ---- the release ------------------------------------------------------------------------------------------------


def test_release_is_what_load_pretrained_accepts(finished, phantom_cohort, monkeypatch):
    training, model = finished
    few = pd.concat([phantom_cohort.split(split).head(2) for split in ("train", "valid", "test")], ignore_index=True)
    apart = replace(phantom_cohort.reversed, films=phantom_cohort.split("reversed").head(1))
    monkeypatch.setattr(train, "load_cohort", lambda *_: replace(phantom_cohort, films=few, reversed=apart))
    file = release(training, model, "tiny", "python -m util.train --seed 3")
    loaded = load_pretrained(path=file)
    passport = json.loads(file.with_suffix(".json").read_text())
    assert check_known_film(loaded) < 1e-5
    assert loaded.findings == FINDINGS
    assert loaded.preprocessing == training.preprocessing(SIZE)
    assert passport["command"] == "python -m util.train --seed 3"
    assert passport["films"] == "simulated"
    assert "seen: 16 of 32 x 32 pixels, 4 of 64 x 64 pixels; no real film" in passport["training"]
    assert passport["prevalence"] == dict(zip(FINDINGS, train.PREVALENCE.round(4), strict=True))
    assert "has only ever seen simulated" in loaded.describe(replace(phantom_cohort, name="nih"))
    scores = pd.read_csv(file.with_name("tiny_scores.csv"), index_col="Image")
    assert list(scores.index) == [*few["Image"][2:], *apart.films["Image"]]  # of validation, test and reversed
    assert list(scores) == list(FINDINGS)
    assert (file.parent / "tiny_curve.svg").read_text(encoding="utf-8").count("<svg") == 1
    known = passport["known_film"]
    assert known["image"] == few["Image"][4]
    np.testing.assert_allclose(scores.loc[known["image"]], known["logits"], atol=2e-5)
    read_weights(rounded := tiny_network(SIZE), file)
    assert (rounded.get_layer("conv").kernel.numpy() != model.get_layer("conv").kernel.numpy()).any()
