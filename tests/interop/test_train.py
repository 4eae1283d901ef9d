"""Training on simulated films: stages, films held out, and a run that may be interrupted anywhere between two rounds."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-interop")

from tests.helpers.simulated_run import SIZE, films, finished, run, small  # noqa: F401 - fixtures
from util.errors import CourseError
from util.findings import FINDINGS
from util.models.weights import check_known_film, load_pretrained
from util.training import simulated
from util.training.simulated import main, plan, release

# ---- stages -----------------------------------------------------------------------------------------------------


def test_plan():
    assert plan("128:12000,320:1500") == [(128, 12000), (320, 1500)]
    assert plan("32:1") == [(32, 1)]
    assert plan(simulated.STAGES)[-1][0] == simulated.FINAL_SIZE


@pytest.mark.parametrize("stages", ["", "128", "a:b", "100:5", "128:0", "-32:5", "0:5", "128:5:6", "128:5,", "128:1.5"])
def test_plan_refuses_other_forms(stages):
    with pytest.raises(CourseError, match=r"not of the form .* \(pixels, a multiple of 32 : films\)"):
        plan(stages)


def test_mistakes_cost_no_film(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(simulated, "render_shards", None)  # drawing thousands of films comes after all checks
    assert main(["--out", str(tmp_path), "--stages", "64:500"]) == 2
    assert "The last stage must be at 320 pixels" in capsys.readouterr().err
    assert main(["--out", str(tmp_path), "--stages", "big"]) == 2
    assert "'big'" in capsys.readouterr().err
    assert main(["--out", str(tmp_path), "--processes", "0"]) == 2
    assert "0 processes cannot share a batch" in capsys.readouterr().err


def test_places_of_coarser_maps():
    places = np.zeros((1, 4, 8, len(FINDINGS)), bool)
    places[0, 1, 6, 2] = True
    fine, middle, coarse = simulated.at_maps(places)
    np.testing.assert_array_equal(fine, places)
    assert np.argwhere(middle).tolist() == [[0, 0, 3, 2]]
    assert np.argwhere(coarse).tolist() == [[0, 0, 1, 2]]
    assert middle.shape[1:3] == (2, 4)
    assert coarse.shape[1:3] == (1, 2)
    assert {level.dtype for level in (fine, middle, coarse)} == {np.dtype(np.float32)}


# ---- films ------------------------------------------------------------------------------------------------------


def test_films_of_other_patients_are_held_out(films, tmp_path):
    patients = pd.read_csv(tmp_path / "films" / "table.csv")["PatientId"]
    assert list(films.held_out) == list(range(20, 27))
    assert patients[19] == patients[20]  # so this patient's earlier films must not be trained on
    assert not set(patients[films.training]) & set(patients[films.held_out])
    assert set(patients[films.training]) | set(patients[films.held_out]) == set(patients)


def test_films_over_chunks_are_one_array(films):
    whole = np.concatenate(films.chunks)
    assert len(films.chunks) == 3
    for row in range(27):
        np.testing.assert_array_equal(films.film(row), whole[row])


def test_every_film_is_seen_before_one_is_seen_again(films):
    n = len(films.training)
    seen = np.concatenate([films.rows(first, 8, (3, 0)) for first in range(0, 40, 8)])
    assert set(seen[:n]) == set(films.training)
    assert set(seen[n : 2 * n]) == set(films.training)
    assert list(seen[:n]) != list(seen[n : 2 * n])
    np.testing.assert_array_equal(seen[:5], films.rows(0, 5, (3, 0)))  # the last round of a stage may be shorter
    assert list(seen[:8]) != list(films.rows(0, 8, (3, 1)))


def test_place_weights_balance_each_finding_at_each_map(films):
    weights = films.place_weights()
    maps = simulated.at_maps(films.places[films.training])
    assert len(weights) == len(maps) == len(simulated.CHANNELS)
    for (positive, negative), level in zip(weights, maps, strict=True):
        share = level.mean(axis=(0, 1, 2), dtype=float)
        np.testing.assert_allclose(positive, np.minimum(0.5 / share, simulated.MOST_WEIGHT))
        np.testing.assert_allclose(negative * (1 - share), 0.5)
    assert weights[-1][0].max() < simulated.MOST_WEIGHT  # the coarsest are balanced in full
    films.places[..., 3] = False
    films.places[films.training[0], 0, 0, 3] = True  # one place in a thousand
    assert films.place_weights()[0][0][3] == simulated.MOST_WEIGHT


# ---- the release ------------------------------------------------------------------------------------------------


def test_release_is_what_load_pretrained_accepts(finished, phantom_cohort, monkeypatch):
    run, arrays = finished
    few = pd.concat([phantom_cohort.split(split).head(2) for split in ("train", "valid", "test")], ignore_index=True)
    apart = replace(phantom_cohort.reversed, films=phantom_cohort.split("reversed").head(1))
    monkeypatch.setattr(simulated, "load_cohort", lambda *_: replace(phantom_cohort, films=few, reversed=apart))
    file = release(run, arrays, "tiny", "python -m util train --seed 3")
    loaded = load_pretrained(path=file)
    passport = json.loads(file.with_suffix(".json").read_text())
    assert check_known_film(loaded) < 1e-5
    assert loaded.findings == FINDINGS
    assert loaded.preprocessing.size == SIZE
    assert passport["command"] == "python -m util train --seed 3"
    assert passport["films"] == "simulated"
    assert "seen: 16 of 32 x 32 pixels, 4 of 64 x 64 pixels; no real film" in passport["training"]
    assert passport["prevalence"] == dict(zip(FINDINGS, run.prevalence.round(4), strict=True))
    assert "has only ever seen simulated" in loaded.describe(replace(phantom_cohort, name="nih"))
    scores = pd.read_csv(file.with_name("tiny_scores.csv"), index_col="Image")
    assert list(scores.index) == [*few["Image"][2:], *apart.films["Image"]]  # of validation, test and reversed
    assert list(scores) == list(FINDINGS)
    picture = (file.parent / "tiny_curve.svg").read_bytes()
    assert picture.count(b"<svg") == 1
    simulated.draw_curve(run.out / "log.csv", file.parent / "again.svg", simulated.CHANNELS)
    assert (file.parent / "again.svg").read_bytes() == picture
    known = passport["known_film"]
    assert known["image"] == few["Image"][4]
    np.testing.assert_allclose(scores.loc[known["image"]], known["logits"], atol=2e-5)
    kernel = loaded.model.get_layer("conv1_conv").kernel.numpy()
    np.testing.assert_allclose(kernel, arrays["conv1_conv/kernel"], atol=1e-3)
    assert (kernel != arrays["conv1_conv/kernel"]).any()  # what is released is rounded
