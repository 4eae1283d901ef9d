"""Training: stages, augmentation, split, and a run that may be interrupted anywhere between two rounds."""

import json
from dataclasses import replace

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
from util.train import Films, Rounds, Training, augment, main, plan, release, split_rows
from util.weights import check_known_film, load_pretrained, read_weights

N, SIZE, STAGES = 40, 64, "32:16,64:8"


# ---- stages -----------------------------------------------------------------------------------------------------


def test_plan():
    assert plan("128:12000,320:1500") == [(128, 12000), (320, 1500)]
    assert plan("32:1") == [(32, 1)]
    assert plan(train.STAGES)[-1][0] == train.FINAL_SIZE


@pytest.mark.parametrize("stages", ["", "128", "a:b", "100:5", "128:0", "-32:5", "0:5", "128:5:6", "128:5,", "128:1.5"])
def test_plan_refuses_other_forms(stages):
    with pytest.raises(CourseError, match=r"not of the form 128:12000,320:1500 .pixels, a multiple of 32 : films"):
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


def test_augment_is_deterministic_and_varies():
    film = gradient()
    first, again, other = (augment(film, 48, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 2
    np.testing.assert_array_equal(film, gradient())  # the film itself is left alone


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([32, 64, 96]))
def test_augment_keeps_type_and_side(seed, size):
    film = augment(gradient(), size, np.random.default_rng(seed))
    assert film.dtype == np.uint8
    assert film.shape == (size, size)
    left, right = film[:, : size // 3], film[:, -size // 3 :]
    assert right.mean() > left.mean()  # never mirrored, never inverted


@given(st.lists(st.integers(1, 7), min_size=1, max_size=5), st.data())
def test_films_over_chunks_are_one_array(lengths, data):
    whole = np.arange(sum(lengths) * 4, dtype=np.uint8).reshape(-1, 2, 2)
    films = Films(np.split(whole, np.cumsum(lengths)[:-1]))
    row = data.draw(st.integers(0, len(whole) - 1))
    np.testing.assert_array_equal(films[row], whole[row])


def test_rounds_pair_each_film_with_its_labels():
    films = [np.full((8, 8), 20 * k + 20, np.uint8) for k in range(10)]
    labels = np.eye(10, 14, dtype=np.uint8)
    rows = np.array([7, 2, 9, 4, 0])
    data = Rounds(films, labels, rows, Preprocessing(32, 0.0, 1.0), 2, (1, 0, 0))
    assert len(data) == 2  # the fifth film would make a batch of another shape
    x, y = data[1]
    assert x.shape == (2, 32, 32, 3)
    assert x.dtype == y.dtype == np.float32
    np.testing.assert_array_equal(y, labels[[9, 4]])
    np.testing.assert_array_equal(x, data[1][0])
    later = Rounds(films, labels, rows, Preprocessing(32, 0.0, 1.0), 2, (1, 0, 1))
    assert (later[1][0] != x).any()  # another round is another take
    takes = np.stack([Rounds(films, labels, np.array([9, 0]), data.preprocessing, 2, (s,))[0][0] for s in range(8)])
    assert (takes[:, 0].mean(axis=(1, 2, 3)) > takes[:, 1].mean(axis=(1, 2, 3))).all()


@settings(max_examples=50)
@given(st.lists(st.integers(0, 30), min_size=10, max_size=80))
def test_split_shares_no_patient(patients):
    table = pd.DataFrame({"PatientId": patients})
    training, held_out = split_rows(table)
    assert len(held_out) == min(train.HELD_OUT, len(table) // 10)
    np.testing.assert_array_equal(held_out, np.arange(len(table) - len(held_out), len(table)))
    ids = table["PatientId"]
    assert not set(ids[training]) & set(ids[held_out])
    assert set(ids) == set(ids[training]) | set(ids[held_out])  # no other patient is lost


def test_split_of_many_films_holds_out_a_fixed_number():
    training, held_out = split_rows(pd.DataFrame({"PatientId": np.arange(10_000) // 2}))
    assert (len(training), len(held_out)) == (10_000 - train.HELD_OUT, train.HELD_OUT)


# ---- a run ------------------------------------------------------------------------------------------------------


def shards(out, n, seed, size):
    """In place of `render_shards`: two chunks of films whose gray level goes with the first finding."""
    rng = np.random.default_rng(seed)
    mined = rng.integers(0, 2, (n, len(FINDINGS)), dtype=np.uint8)
    films = rng.integers(0, 100, (n, size, size)) + 100 * mined[:, :1, None]
    out.mkdir(parents=True, exist_ok=True)
    for number, chunk in enumerate(np.array_split(films.astype(np.uint8), 2)):
        np.save(out / f"films-{number:04d}.npy", chunk)
    np.save(out / "mined.npy", mined)
    np.save(out / "truth.npy", mined.astype(np.float32))
    pd.DataFrame({"PatientId": np.arange(n) // 2}).to_csv(out / "table.csv", index=False)
    (out / "recipe.json").write_text("{}")


@pytest.fixture(scope="module")
def tiny():
    """Training of a tiny network in three rounds of eight films."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"FINAL_SIZE": SIZE, "ROUND": 8, "HELD_OUT": 6, "render_shards": shards}.items():
            patch.setattr(train, name, value)
        patch.setattr(train, "build_densenet", tiny_network)
        patch.setattr("util.model.build_densenet", tiny_network)
        yield lambda out, stages=STAGES: Training(out, N, 3, stages, 4)


@pytest.fixture(scope="module")
def finished(tiny, tmp_path_factory):
    """(training, model) of a run without interruption."""
    training = tiny(tmp_path_factory.mktemp("run"))
    return training, training.run()


def test_log(finished):
    training, _ = finished
    log = pd.read_csv(training.log)
    assert list(log) == ["size", "round", "films", "loss", "held_out_auc"]
    assert log[["size", "round", "films"]].values.tolist() == [[32, 0, 8], [32, 1, 8], [64, 0, 8]]
    assert (log["loss"] > 0).all()
    assert list(log["held_out_auc"].isna()) == [True, False, False]  # at the end of each stage
    assert log["held_out_auc"].dropna().between(0, 1).all()


def test_the_network_learns_and_ends_at_the_final_size(finished):
    _, model = finished
    assert model.input_shape == (None, SIZE, SIZE, 3)
    fresh = tiny_network(SIZE)
    moved = [np.abs(a - b).max() for a, b in zip(model.get_weights(), fresh.get_weights(), strict=True)]
    assert min(moved) > 1e-5  # every array was trained, in both stages' one model


def test_standardised_with_training_films_alone(finished):
    training, _ = finished
    films = np.concatenate(training.films.chunks)[training.training]
    assert training.mean == pytest.approx(films.mean(), abs=0.01)
    assert training.std == pytest.approx(films.std(), abs=0.01)
    np.testing.assert_allclose(training.weights[1], training.mined[training.training].mean(axis=0))


def test_an_interrupted_run_resumes_to_the_same_model(finished, tiny, tmp_path, monkeypatch):
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


def test_a_finished_run_is_not_trained_again(finished, tiny, monkeypatch):
    training, model = finished
    monkeypatch.setattr(Training, "one_round", None)
    again = tiny(training.out).run()
    for ours, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("stages", ["64:24", "32:8,64:8", "32:16"])
def test_other_stages_in_the_same_folder_are_refused(finished, tiny, stages):
    with pytest.raises(CourseError, match=r"log\.csv was begun with other stages: choose another folder"):
        tiny(finished[0].out, stages).run()


def test_held_out_auc_compares_mined_labels_of_held_out_films(finished, monkeypatch):
    training, _ = finished
    labels = iter(np.array_split(training.mined[training.held_out], [4]))
    monkeypatch.setattr(train, "predict_films", lambda model, films, batch_size: next(labels).astype(float))
    assert training.held_out_auc(None, 32) == 1


# ---- the release ------------------------------------------------------------------------------------------------


def test_release_is_what_load_pretrained_accepts(finished, tiny, phantom_cohort, monkeypatch):
    training, model = finished
    few = pd.concat([phantom_cohort.split(split).head(2) for split in ("train", "valid", "test")], ignore_index=True)
    monkeypatch.setattr(train, "load_cohort", lambda *_: replace(phantom_cohort, films=few))
    file = release(training, model, "tiny", "python -m util.train --seed 3")
    loaded = load_pretrained(path=file)
    passport = json.loads(file.with_suffix(".json").read_text())
    assert check_known_film(loaded) < 1e-5
    assert loaded.findings == FINDINGS
    assert loaded.preprocessing == training.preprocessing(SIZE)
    assert passport["command"] == "python -m util.train --seed 3"
    assert passport["films"] == "simulated"
    assert passport["training"].startswith(f"{len(training.training)} simulated films with mined labels, seen 24 times")
    assert passport["prevalence"]["Hernia"] == pytest.approx(training.weights[1][FINDINGS.index("Hernia")], abs=1e-4)
    assert "has only ever seen simulated" in loaded.describe(replace(phantom_cohort, name="nih"))
    scores = pd.read_csv(file.with_name("tiny_scores.csv"), index_col="Image")
    assert list(scores.index) == list(few["Image"][2:])  # validation and test films
    assert list(scores) == list(FINDINGS)
    known = passport["known_film"]
    assert known["image"] == few["Image"][4]
    np.testing.assert_allclose(scores.loc[known["image"]], known["logits"], atol=2e-5)
    read_weights(rounded := tiny_network(SIZE), file)
    assert (rounded.get_layer("conv").kernel.numpy() != model.get_layer("conv").kernel.numpy()).any()
