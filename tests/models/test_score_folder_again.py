"""Scoring films without a table, and going on after an interruption."""

import dataclasses
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.helpers.networks import tiny_network
from tests.helpers.scoring import PASSPORT, command, folder, logits, model, scored  # noqa: F401 - fixtures
from util.data.cohort import HOME
from util.data.own_film import as_dicom
from util.errors import CourseError
from util.findings import FINDINGS
from util.models import score_folder, weights
from util.models.preprocessing import Preprocessing
from util.models.score_folder import calibrated, films_to_score, judgement, score_table

# ---- films without a table --------------------------------------------------------------------------------------


def test_a_folder_of_ones_own_films(tmp_path, model, capsys):
    """PNG, JPEG and DICOM, the last also without a suffix, beside each other or in images/."""
    root, pixels = tmp_path / "mine", np.random.default_rng(0).integers(0, 256, (40, 48), dtype=np.uint8)
    (root / "images").mkdir(parents=True)
    for name in ("a.png", "b.JPG", "images/c.jpeg"):
        Image.fromarray(pixels).save(root / name)
    for name in ("d.dcm", "images/IM000001"):
        (root / name).write_bytes(as_dicom(pixels))
    Image.fromarray(pixels.astype(np.uint16) * 16).save(root / "deep.png")  # 12 bits in 16, as exports have it
    (root / "notes.txt").write_text("mine")
    (root / "README").write_text("mine")
    (root / "._a.png").write_bytes(b"of a Mac")
    (root / "folder.png").mkdir()
    cohort = films_to_score("nih", root)
    assert list(cohort.films["Image"]) == ["IM000001", "a.png", "b.JPG", "c.jpeg", "d.dcm", "deep.png"]
    for name in ("a.png", "d.dcm", "IM000001", "deep.png"):
        assert np.abs(cohort.read(name).astype(int) - pixels).max() <= 1
    assert (
        score_folder.main(["--cohort", "nih", "--root", str(root), "--model", "tiny", "--out", str(tmp_path / "s.csv")])
        == 0
    )
    assert len(pd.read_csv(tmp_path / "s.csv")) == 6 and "No labels" in capsys.readouterr().out


def test_a_film_that_lies_twice(tmp_path):
    (tmp_path / "images").mkdir()
    for place in (tmp_path, tmp_path / "images"):
        (place / "a.png").write_bytes(b"x")
    with pytest.raises(CourseError, match=r"There are two films a\.png, .* and .*: keep one"):
        films_to_score("nih", tmp_path)


def test_films_that_cannot_be_opened_are_no_films(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"x")

    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", forbidden)
    assert score_folder.own_films(tmp_path) == {}


# ---- interruptions ----------------------------------------------------------------------------------------------


def stop_after(monkeypatch, number):
    """Ctrl+C at the batch after so many."""
    import util.models.predict

    plain, calls = util.models.predict.predict_films, []

    def predict(*args):
        calls.append(args)
        if len(calls) > number:
            raise KeyboardInterrupt
        return plain(*args)

    monkeypatch.setattr(util.models.predict, "predict_films", predict)


def test_the_same_command_goes_on_after_an_interruption(folder, model, tmp_path, monkeypatch, scored, capsys):
    assert command(folder, tmp_path / "whole.csv") == 0
    names = list(folder.load().films["Image"])
    assert scored == names
    (tmp_path / "s.csv").write_text("old")
    with monkeypatch.context() as patch:
        stop_after(patch, 3)
        assert command(folder, tmp_path / "s.csv") == 130
    assert "The same command goes on where it was" in capsys.readouterr().err
    assert (tmp_path / "s.csv").read_text() == "old"
    assert sorted(path.name for path in (tmp_path / ".s.csv.kept").iterdir()) == ["000000.csv", "000001.csv"]
    scored.clear()
    assert command(folder, tmp_path / "s.csv") == 0
    assert "24 of these 40 films are scored already" in capsys.readouterr().out
    assert scored == names[24:]
    assert (tmp_path / "s.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert not (tmp_path / ".s.csv.kept").exists()


@pytest.mark.parametrize("changed", ["weights", "preprocessing", "labels", "film", "time", "damage", "nothing"])
def test_nothing_stale_is_ever_used(folder, model, tmp_path, monkeypatch, scored, changed, capsys):
    names = list(folder.load().films["Image"])
    with monkeypatch.context() as patch:
        stop_after(patch, 4)
        command(folder, tmp_path / "s.csv")
    scored.clear()
    film, expected = folder.root / "images" / names[0], names
    if changed == "weights":
        model["sha256"] = "1"
    elif changed == "labels":
        model["labels"] = list(reversed(FINDINGS))
    elif changed == "preprocessing":
        other = weights.Pretrained(tiny_network(), FINDINGS, Preprocessing(32, 121.0, 60.0), model)
        monkeypatch.setattr(score_folder, "load_pretrained", lambda *args, **kwargs: other)
    elif changed == "film":
        expected = [names[0], *names[32:]]
        state = film.stat()
        folder.film(names[0], (41, 48))
        os.utime(film, ns=(state.st_atime_ns, state.st_mtime_ns))
    elif changed == "time":
        expected = [names[0], *names[32:]]
        os.utime(film, ns=(1, 1))
    elif changed == "damage":
        expected = [*names[:16], *names[32:]]
        (tmp_path / ".s.csv.kept" / "000000.csv").write_bytes(b"\xff\x00,1,2")
    else:
        expected = names[32:]
    assert command(folder, tmp_path / "s.csv") == 0
    assert scored == expected
    assert ("scored already" in capsys.readouterr().out) == (len(expected) < 40)


def test_films_that_cannot_be_read_are_named_after_an_interruption_too(
    folder, model, tmp_path, monkeypatch, scored, capsys
):
    broken = folder.root / "images" / "00000001_000.png"
    broken.write_bytes(b"\x89PNG and no more")
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        command(folder, tmp_path / "s.csv")
    capsys.readouterr()
    assert command(folder, tmp_path / "s.csv") == 0
    told = capsys.readouterr().out
    assert (
        "1 of 40 films cannot be read and have no scores:\nThe film 00000001_000.png" in told
        and "39 films scored" in told
    )
    for path in (folder.root / "images").iterdir():
        path.write_bytes(b"\x89PNG and no more")
    assert command(folder, tmp_path / "s.csv") == 2
    assert "None of the 40 films can be read. The film 0" in capsys.readouterr().err


def test_what_is_kept_is_kept_exactly(folder, tmp_path):
    pretrained = weights.Pretrained(None, FINDINGS, Preprocessing(32, 120.0, 60.0), PASSPORT)
    kept = score_folder.Kept(tmp_path / "s.csv", pretrained, folder.load())
    rows = {f"{1 + k:08d}_000.png": np.random.default_rng(k).normal(size=14).astype(np.float32) for k in range(3)}
    kept.add({})
    assert kept.parts() == []
    kept.add(rows)
    again = score_folder.Kept(tmp_path / "s.csv", pretrained, folder.load()).rows([*rows, "00000009_000.png"])
    assert list(again) == list(rows) and all((again[name] == rows[name]).all() for name in rows)
    assert {row.dtype for row in again.values()} == {np.dtype(np.float32)}
    (kept.folder / "mine.txt").write_text("not of this command")
    kept.remove()
    assert [path.name for path in kept.folder.iterdir()] == ["mine.txt"]


def test_the_place_of_what_is_kept(folder, model, tmp_path, capsys):
    (tmp_path / ".s.csv.kept").write_text("a file")
    assert command(folder, tmp_path / "s.csv") == 2
    assert ".s.csv.kept cannot be written" in capsys.readouterr().err


KILLED = """
import sys, time
import pytest
from tests.helpers import scoring
from tests.helpers.networks import tiny_network
from util.models import score_folder, weights
from util.findings import FINDINGS
from util.models.preprocessing import Preprocessing
loaded = weights.Pretrained(tiny_network(), FINDINGS, Preprocessing(32, 120.0, 60.0), scoring.PASSPORT)
score_folder.load_pretrained = lambda *args, **kwargs: loaded
score_folder.KEEP = 8
import util.models.predict
plain, calls = util.models.predict.predict_films, []
def slow(*args):
    calls.append(1)
    if len(calls) == 3:
        print("READY", flush=True)
        time.sleep(60)
    return plain(*args)
util.models.predict.predict_films = slow
sys.exit(score_folder.main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_killed_it_loses_nothing_that_was_kept(folder, model, tmp_path, scored, how, capsys):
    arguments = ["--cohort", "nih", "--root", str(folder.root), "--model", "tiny", "--out", str(tmp_path / "s.csv")]
    process = subprocess.Popen([sys.executable, "-c", KILLED, *arguments], cwd=HOME, stdout=subprocess.PIPE, text=True)
    end = time.monotonic() + 120
    while "READY" not in (line := process.stdout.readline()):
        assert line and time.monotonic() < end
    assert score_folder.main(arguments) == 2  # two at once
    assert "Another command is at work in" in capsys.readouterr().err
    process.send_signal(how)
    process.communicate(timeout=60)
    assert process.returncode == (130 if how == signal.SIGTERM else -9)
    scored.clear()
    assert score_folder.main(arguments) == 0
    assert "16 of these 40 films are scored already" in capsys.readouterr().out
    assert len(scored) == 24 and len(pd.read_csv(tmp_path / "s.csv")) == 40
    assert sorted(path.name for path in tmp_path.iterdir()) == ["nih", "s.csv"]


def test_far_logits_are_probabilities_too():
    table = score_table(pd.DataFrame([[-1000.0] * 7 + [1000.0] * 7], ["a"], list(FINDINGS)))
    assert table["prob_Cardiomegaly"].iloc[0] == 0 and table["prob_Consolidation"].iloc[0] == 1


def test_an_empty_folder_says_what_to_do(tmp_path):
    with pytest.raises(
        CourseError,
        match=r"There is no film in .* nor in .*images, and no label file: put PNG, JPEG or DICOM files there",
    ):
        films_to_score("nih", tmp_path)


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
