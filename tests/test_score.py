"""The command that scores a folder: its table, its calibration, and when it refuses to speak of an evaluation."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from tests.conftest import tiny_network
from util import score, weights
from util.errors import CourseError
from util.findings import FINDINGS
from util.images import Preprocessing
from util.score import calibrated, films_to_score, judgement, score_table

PASSPORT = {
    "name": "tiny", "bytes": 1, "origin": "a test", "films": "real", "training": "a few real films",
    "findings": list(FINDINGS), "output": "logits", "licence": "MIT", "sha256": "0",
    "preprocessing": {"size": 32, "mean": 120.0, "std": 60.0}, "training_films": [],
}  # fmt: skip


@pytest.fixture
def model(monkeypatch):
    """A stand-in for trained weights; the passport can be changed by the test."""
    passport = dict(PASSPORT)
    loaded = weights.Pretrained(tiny_network(), FINDINGS, Preprocessing(32, 120.0, 60.0), passport)
    monkeypatch.setattr(score, "load_pretrained", lambda *args, **kwargs: loaded)
    return passport


@pytest.fixture
def folder(nih_files):
    """Forty films of twenty patients, half of them with Mass."""
    names = [f"{1 + i // 2:08d}_{i % 2:03d}.png" for i in range(40)]
    nih_files.labels(*((n, "Mass" if i % 4 < 2 else "No Finding", i % 2, 1 + i // 2) for i, n in enumerate(names)))
    for name in names:
        nih_files.film(name, (40, 48))
    return nih_files


def command(folder, out, *more):
    return score.main(["--cohort", "nih", "--root", str(folder.root), "--model", "tiny", "--out", str(out), *more])


def test_table_has_logits_and_probabilities_of_every_film(folder, model, tmp_path, capsys):
    assert command(folder, tmp_path / "scores.csv") == 0
    table = pd.read_csv(tmp_path / "scores.csv")
    assert list(table) == ["Image", *(f"logit_{f}" for f in FINDINGS), *(f"prob_{f}" for f in FINDINGS)]
    assert list(table["Image"]) == list(folder.load().films["Image"])
    assert np.allclose(table["prob_Mass"], 1 / (1 + np.exp(-table["logit_Mass"])), atol=1e-5)
    text = capsys.readouterr().out
    assert "40 films scored" in text and "Not for clinical use" in text
    assert "Mass" in text and "undefined: no positive film" in text
    assert "None of these 40 films" in text
    assert not list(tmp_path.glob("*.part"))


def test_films_of_the_training_are_no_evaluation(folder, model, tmp_path, capsys):
    model["training_films"] = list(folder.load().films["Image"])
    assert command(folder, tmp_path / "scores.csv") == 0
    text = capsys.readouterr().out
    assert "this is no evaluation" in text
    assert "positives" not in text
    assert len(pd.read_csv(tmp_path / "scores.csv")) == 40


def test_other_films_of_its_patients_are_left_out_too(folder, model, tmp_path, capsys):
    model["training_films"] = [f"{1 + i:08d}_000.png" for i in range(5)]
    command(folder, tmp_path / "scores.csv")
    text = capsys.readouterr().out
    assert "AUCs of the other 30 films only" in text
    row = next(line for line in text.splitlines() if line.startswith("Mass"))
    assert int(row.split()[1]) == 14  # of 20, the first five patients had six


def test_without_labels_there_are_scores_and_no_judgement(nih_files, model, tmp_path, capsys):
    nih_files.film("a.png")
    nih_files.film("b.png", mode="RGBA")
    assert command(nih_files, tmp_path / "s.csv") == 0
    assert "No labels" in capsys.readouterr().out
    assert list(pd.read_csv(tmp_path / "s.csv")["Image"]) == ["a.png", "b.png"]


def test_a_damaged_film_is_named_and_the_rest_is_scored(folder, model, tmp_path, capsys):
    (folder.root / "images" / "00000001_000.png").write_bytes(b"\x89PNG and no more")
    assert command(folder, tmp_path / "s.csv") == 0
    assert "00000001_000.png" in capsys.readouterr().out
    assert len(pd.read_csv(tmp_path / "s.csv")) == 39


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cohort", "nih", "--root", "no-such-folder"], "There is no folder"),
        (["--cohort", "nowhere"], "There is no cohort"),
        (["--out", "no-such-folder/s.csv"], "There is no folder no-such-folder"),
    ],
)
def test_mistakes_get_one_sentence(arguments, message, model, capsys):
    assert score.main(arguments) == 2
    assert message in capsys.readouterr().err


def test_an_empty_folder_says_what_to_do(tmp_path):
    with pytest.raises(CourseError, match="put films into"):
        films_to_score("nih", tmp_path)


def logits():
    return pd.DataFrame(np.zeros((3, 14)), index=list("abc"), columns=list(FINDINGS))


def test_calibration_is_a_line_of_each_finding():
    line = {"slope": [2.0] * 14, "intercept": list(range(14)), "prevalence": "P", "fitted_on": "held-out films"}
    moved, text = calibrated({"calibration": line}, logits() + 1)
    assert moved.loc["a"].tolist() == [2.0 + k for k in range(14)]
    assert "P" in text and "held-out films" in text


def test_weights_without_calibration_are_moved_to_their_prevalence_or_said_to_be_raw():
    moved, text = calibrated({"prevalence": dict.fromkeys(FINDINGS, 0.2)}, logits())
    assert np.allclose(score_table(moved)["prob_Mass"], 0.2)
    assert "training films" in text
    same, text = calibrated({}, logits())
    assert same.equals(logits()) and "ranks" in text


def test_simulated_films_are_not_taken_for_real_ones_of_the_same_name(phantom_cohort):
    films = phantom_cohort.split("test")
    some = dataclasses.replace(phantom_cohort, films=films)
    drawn = pd.DataFrame(np.random.default_rng(0).normal(size=(len(films), 14)), films["Image"], list(FINDINGS))
    text = judgement(
        some, drawn, {"films": "real", "training_films": [n.replace(".jpg", ".png") for n in films["Image"]]}
    )
    assert "mean" in text and "training data" not in text
